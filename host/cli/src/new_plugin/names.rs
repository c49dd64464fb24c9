//! What a new plugin is called: package, plugin, component, library, module, type.

use crate::failure::Failure;

/// A prefix that says to others what a package is for; the plugin does not repeat it.
const PREFIX: &str = "ablate-";

/// Longest name of a package in the public registry.
const LENGTH_MAX: usize = 64;

/// Words that cannot be the name of a module, packages of the generated crate, and folders and files
/// that Cargo makes.
const TAKEN_MODULES: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "burn",
    "con",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "lib",
    "loop",
    "macro",
    "main",
    "match",
    "mod",
    "move",
    "mut",
    "nul",
    "override",
    "prn",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "schemars",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tests",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Types and traits that the generated code imports.
const TAKEN_TYPES: &[&str] = &[
    "Arrays",
    "Block",
    "Bool",
    "Build",
    "Call",
    "Clone",
    "Contract",
    "Dataset",
    "Debug",
    "Default",
    "Deserialize",
    "Device",
    "Direction",
    "Err",
    "Error",
    "Initializer",
    "Int",
    "Item",
    "Iterator",
    "JsonSchema",
    "Linear",
    "LinearConfig",
    "Loss",
    "LossValue",
    "Metric",
    "MetricValue",
    "Model",
    "Module",
    "None",
    "Ok",
    "Option",
    "Output",
    "Result",
    "Self",
    "Serialize",
    "Some",
    "String",
    "Tensor",
    "Tensors",
    "Vec",
];

/// All names of a plugin, made from that of its package.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// `ablate-segment-mean`.
    pub(crate) package: String,
    /// `segment-mean`: the plugin, and its component.
    pub(crate) component: String,
    /// `ablate_segment_mean`: the library as Rust code names it.
    pub(crate) library: String,
    /// `segment_mean`: the file of the component.
    pub(crate) module: String,
    /// `SegmentMean`.
    pub(crate) type_name: String,
}

impl Names {
    pub(crate) fn new(package: &str) -> Result<Self, Failure> {
        if let Some(why) = unfit(package) {
            let failure =
                Failure::user(format!("`{package}` cannot be the name of a crate: {why}"));
            return Err(failure.hint("a name is in kebab case, such as `segment-mean`"));
        }
        let component = package.strip_prefix(PREFIX).unwrap_or(package);
        let module = component.replace('-', "_");
        let type_name: String = component.split('-').map(capitalized).collect();
        let sdk = ["sdk", "abi", "conformance"].contains(&component);
        if sdk || TAKEN_MODULES.contains(&&*module) || TAKEN_TYPES.contains(&&*type_name) {
            let text = format!(
                "`{package}` cannot be the name of a plugin: its code needs `{component}` for \
                 something else"
            );
            return Err(
                Failure::user(text).hint("a name of two words, such as `segment-mean`, fits")
            );
        }
        Ok(Self {
            package: package.to_owned(),
            component: component.to_owned(),
            library: package.replace('-', "_"),
            module,
            type_name,
        })
    }
}

/// Why a text is no name in kebab case.
pub(crate) fn unfit(name: &str) -> Option<String> {
    let odd = |c: &char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-');
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if let Some(odd) = name.chars().find(odd) {
        return Some(format!("{odd:?} is neither a small letter, nor a digit, nor a hyphen"));
    }
    if !name.split('-').all(|word| word.starts_with(|c: char| c.is_ascii_alphanumeric())) {
        return Some("a hyphen stands between two words".to_owned());
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some("it does not start with a letter".to_owned());
    }
    let length = name.len();
    (length > LENGTH_MAX)
        .then(|| format!("it has {length} letters, at most {LENGTH_MAX} are allowed"))
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
