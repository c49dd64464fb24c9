//! What can be wrong with an experiment, and what to try instead.

use std::fmt;
use std::path::PathBuf;

use crate::key_path::KeyPath;
use crate::schema::Unknown;
use crate::tree::Origin;

/// A value that is wrong, as `file:line: key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// Who said it.
    pub origin: Origin,
    /// Its key.
    pub key: KeyPath,
}

impl At {
    pub(crate) fn new(origin: &Origin, key: &KeyPath) -> Box<Self> {
        Box::new(Self { origin: origin.clone(), key: key.clone() })
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`", shown(&self.origin.to_string()), shown(&self.key.to_string()))
    }
}

/// A name that no plugin exports.
#[derive(Clone, Debug)]
pub struct UnknownComponent {
    /// The component's place in the experiment.
    pub at: At,
    /// `model`, `block`, `loss`, `dataset` or `metric`.
    pub kind: String,
    /// The role of the slot, for a block in a slot.
    pub role: Option<String>,
    /// The name that was asked for.
    pub name: String,
    /// What the catalog knows instead.
    pub unknown: Unknown,
}

/// Everything that can be wrong with an experiment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such folder or file, or the folder has no `experiment.toml`.
    #[error("`{}`: no such experiment", path.display())]
    NotFound { path: PathBuf, near: Option<PathBuf> },
    /// The file is there and cannot be read.
    #[error("failed to read experiment file `{}`", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    /// The file is not TOML.
    #[error("{}:{line}:{column}: {}: `{}`", file.display(), shown(problem), shown(text))]
    Syntax { file: PathBuf, line: usize, column: usize, text: String, problem: String },
    /// A file that `extends` names is not there.
    #[error("{at}: no such file: `{}`", shown(&path.to_string_lossy()))]
    ExtendsNothing { at: Box<At>, path: PathBuf },
    /// Files extend each other in a circle.
    #[error("{at}: files extend each other in a circle: {}", show_chain(chain))]
    ExtendsCycle { at: Box<At>, chain: Vec<String> },
    /// An override that is not `key=value`.
    #[error("{}: {}", shown(text), shown(problem))]
    BadOverride { text: String, problem: String },
    /// A key that means nothing here.
    #[error("{at}: unknown key")]
    UnknownKey { at: Box<At>, near: Option<String>, known: Vec<String> },
    /// A key that means something, but not in this place.
    #[error("{at}: {}", shown(problem))]
    Misplaced { at: Box<At>, problem: String },
    /// A value of another type than the key takes.
    #[error("{at}: expected {expected}, found {}", shown(found))]
    WrongType { at: Box<At>, expected: String, found: String },
    /// A value of the right type outside what the key takes.
    #[error("{at}: must be {}, found `{}`", shown(bound), shown(found))]
    OutOfRange { at: Box<At>, bound: String, found: String },
    /// A name that is not one of a fixed few.
    #[error("{at}: expected one of {}, found `{}`", quoted(known), shown(found))]
    NotOneOf { at: Box<At>, found: String, near: Option<String>, known: Vec<String> },
    /// A key that has to be there and is not; `origin` is where it would belong.
    #[error("{at} is missing: {}", shown(why))]
    Missing { at: Box<At>, why: String },
    /// Two keys of which exactly one has to be set.
    #[error("{at}: exactly one of `{first}` and `{second}` must be set, {}", shown(found))]
    ExactlyOne { at: Box<At>, first: String, second: String, found: String },
    /// No plugin exports a component of this kind and name.
    #[error("{}: unknown {} `{}`", .0.at, noun(&.0.kind, .0.role.as_deref()), shown(&.0.name))]
    UnknownComponent(Box<UnknownComponent>),
    /// A slot that must be filled and is not.
    #[error("{at} is missing: `{}` needs a block of role `{}` here", shown(component), shown(role))]
    MissingSlot { at: Box<At>, component: String, role: String },
    /// Something in `[sweep]` that cannot be meant.
    #[error("{at}: {}", shown(problem))]
    Sweep { at: Box<At>, problem: String, hints: Vec<String> },
    /// Two variants have the same name.
    #[error("{at}: another variant is already named `{}`", shown(name))]
    DuplicateVariant { at: Box<At>, name: String },
    /// A `baseline` that no variant is named.
    #[error("{at}: no variant is named `{}`", shown(name))]
    UnknownVariant { at: Box<At>, name: String, near: Option<String>, known: Vec<String> },
    /// A `ref` to a block that `[blocks]` does not have.
    #[error("{at}: no shared block `{}`", shown(name))]
    UnknownReference { at: Box<At>, name: String, near: Option<String>, known: Vec<String> },
    /// Shared blocks contain each other in a circle.
    #[error("{at}: shared blocks contain each other in a circle: {}", show_chain(chain))]
    ReferenceCycle { at: Box<At>, chain: Vec<String> },
    /// The defaults of slots hold each other, so that there would be no end; the plugins' mistake.
    #[error("{at}: by their defaults, slots hold each other in a circle: {}", show_chain(chain))]
    DefaultCycle { at: Box<At>, chain: Vec<String> },
    /// An artifact that is to be made by a metric which publishes no file.
    #[error("{at}: metric `{}` publishes nothing", shown(metric))]
    PublishesNothing { at: Box<At>, metric: String, known: Vec<String> },
    /// A component's own JSON Schema is broken, which is the plugin's mistake.
    #[error(
        "the config schema of {kind} `{}` is not a valid JSON Schema: {}",
        shown(name),
        shown(problem)
    )]
    BrokenSchema { kind: String, name: String, problem: String },
}

impl Error {
    /// What to try instead, one line each, most useful first.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound { near, .. } => {
                let near = near.as_ref().map(|near| format!("did you mean `{}`?", near.display()));
                let what = "an experiment is a folder with an `experiment.toml`, or a TOML file";
                near.into_iter().chain([what.to_owned()]).collect()
            }
            Self::BadOverride { .. } => {
                vec!["overrides look like `train.batch_size=8`".to_owned()]
            }
            Self::UnknownKey { near, known, .. } => {
                let mut hints = meant(near.as_ref());
                if known.is_empty() {
                    hints.push("there are no keys here".to_owned());
                } else {
                    hints.push(format!("valid keys: {}", quoted(known)));
                }
                hints
            }
            Self::NotOneOf { near, .. } => meant(near.as_ref()),
            Self::UnknownComponent(inner) => inner.hints(),
            Self::MissingSlot { at, role, .. } => {
                let key = shown(&at.key.to_string());
                vec![format!(
                    "write `[{key}]` with `use = \"…\"` (a block of role `{}`)",
                    shown(role)
                )]
            }
            Self::UnknownVariant { near, known, .. } => {
                let mut hints = meant(near.as_ref());
                hints.push(format!("variants: {}", quoted(known)));
                hints
            }
            Self::UnknownReference { near, known, .. } => {
                let mut hints = meant(near.as_ref());
                hints.push(if known.is_empty() {
                    "shared blocks stand under `[blocks.NAME]`; there are none".to_owned()
                } else {
                    format!("shared blocks: {}", quoted(known))
                });
                hints
            }
            Self::Sweep { hints, .. } => hints.clone(),
            Self::ExactlyOne { first, second, .. } => {
                vec![format!("write either `{first}` or `{second}`")]
            }
            Self::DefaultCycle { at, .. } => {
                vec![format!(
                    "say what it holds: `{} = {{ use = \"…\" }}`",
                    shown(&at.key.to_string())
                )]
            }
            Self::PublishesNothing { known, .. } if known.is_empty() => {
                vec!["no metric publishes anything".to_owned()]
            }
            Self::PublishesNothing { at, known, .. } => {
                let last = at.key.to_string();
                let name = shown(last.rsplit('.').next().unwrap_or_default());
                vec![
                    format!("metrics that publish: {}", quoted(known)),
                    format!("what only measures stands under `[metric.{name}]`"),
                ]
            }
            Self::DuplicateVariant { .. } => {
                vec!["the base spec is a variant too; `sweep.base_name` names it".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

impl UnknownComponent {
    fn hints(&self) -> Vec<String> {
        let Unknown { near, known, searched, elsewhere } = &self.unknown;
        let mut hints = meant(near.as_ref());
        hints.extend(elsewhere.clone());
        let nouns = plural(&self.kind, self.role.as_deref());
        let known = if known.is_empty() {
            format!("no {nouns} are known")
        } else {
            format!("known {nouns}: {}", quoted(known))
        };
        let searched = searched.join(", ");
        hints.push(if searched.is_empty() {
            known
        } else {
            format!("{known}; searched {searched}")
        });
        hints
    }
}

/// The candidate most like `name`, if one is close enough to be a slip of the keyboard.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let other = candidate.to_lowercase();
            (strsim::damerau_levenshtein(&name, &other), candidate)
        })
        .filter(|(distance, candidate)| *distance <= name.len().max(candidate.len()).div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

fn meant(near: Option<&String>) -> Vec<String> {
    near.map(|near| format!("did you mean `{}`?", shown(near))).into_iter().collect()
}

/// Text from outside as a part of a message: in one line, and no more of it than anyone reads.
#[must_use]
pub fn shown(text: &str) -> String {
    const MOST: usize = 300;
    let mut shown = String::with_capacity(text.len().min(MOST));
    for (count, letter) in text.chars().enumerate() {
        if count == MOST {
            shown.push('…');
            break;
        }
        if letter.is_control() {
            shown.extend(letter.escape_debug());
        } else {
            shown.push(letter);
        }
    }
    shown
}

pub(crate) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>().join(", ")
}

fn show_chain(chain: &[String]) -> String {
    const MOST: usize = 8;
    let names: Vec<String> =
        chain.iter().take(MOST).map(|name| format!("`{}`", shown(name))).collect();
    let rest = if chain.len() > MOST { " → …" } else { "" };
    names.join(" → ") + rest
}

fn noun(kind: &str, role: Option<&str>) -> String {
    role.unwrap_or(kind).to_owned()
}

fn plural(kind: &str, role: Option<&str>) -> String {
    match (role, kind) {
        (Some(role), _) => format!("blocks of role `{role}`"),
        (None, "loss") => "losses".to_owned(),
        (None, kind) => format!("{kind}s"),
    }
}
