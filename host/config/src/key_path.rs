//! The address of a value in an experiment: `model.pooling.window`, `sweep.variant[0].name`.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A path with more parts than this is a mistake.
const LONGEST: usize = 32;

/// A path of table keys and list positions from the root of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(Vec<Segment>);

/// One step of a [`KeyPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of a table.
    Key(String),
    /// A position in a list, from zero.
    Index(usize),
}

impl KeyPath {
    /// The path of the whole experiment.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// This path and one more key.
    #[must_use]
    pub fn child(&self, key: impl Into<String>) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Key(key.into()));
        Self(segments)
    }

    /// This path and a position in the list it names.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Index(index));
        Self(segments)
    }

    /// This path followed by all of `rest`.
    #[must_use]
    pub fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }

    /// The steps, from the root.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The first key, if the path is not the root.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        match self.0.first() {
            Some(Segment::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// The last key, if the path ends in one.
    #[must_use]
    pub fn last(&self) -> Option<&str> {
        match self.0.last() {
            Some(Segment::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// The keys, or `None` if a list position is among the steps.
    pub(crate) fn keys(&self) -> Option<Vec<&str>> {
        self.0
            .iter()
            .map(|segment| match segment {
                Segment::Key(key) => Some(key.as_str()),
                Segment::Index(_) => None,
            })
            .collect()
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    if is_bare(key) { f.write_str(key)? } else { escape(key, f)? }
                }
            }
        }
        Ok(())
    }
}

impl Serialize for KeyPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Keys between dots, positions in brackets: `model.layers[2].use`. A key that holds other
/// characters stands in quotes: `loss."a.b".weight`, in double ones with the escapes of TOML.
impl FromStr for KeyPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut rest = text.trim();
        loop {
            let (key, after) = match rest.chars().next() {
                Some('"') => unescaped(&rest[1..])?,
                Some('\'') => {
                    let (key, after) = rest[1..].split_once('\'').ok_or("no closing '")?;
                    (key.to_owned(), after)
                }
                _ => {
                    let (key, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
                    (key.to_owned(), after)
                }
            };
            if key.is_empty() {
                return Err("a key is empty".to_owned());
            }
            if !rest.starts_with(['"', '\'']) && !is_bare(&key) {
                return Err(format!("`{key}` is not a key (quote it if it is meant)"));
            }
            if segments.len() == LONGEST {
                return Err(format!("it has more than {LONGEST} parts"));
            }
            segments.push(Segment::Key(key));
            let mut after = after;
            while let Some(inner) = after.strip_prefix('[') {
                let (index, behind) =
                    inner.split_once(']').ok_or_else(|| "no closing ]".to_owned())?;
                let index = index.parse().map_err(|_| format!("`[{index}]` is not a position"))?;
                segments.push(Segment::Index(index));
                after = behind;
            }
            match after.strip_prefix('.') {
                Some(after) => rest = after,
                None if after.is_empty() => return Ok(Self(segments)),
                None => return Err(format!("expected `.` before `{after}`")),
            }
        }
    }
}

/// A key in double quotes, such that [`unescaped`] and TOML read it back.
fn escape(key: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for letter in key.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            letter if letter.is_control() => write!(f, "\\u{:04X}", u32::from(letter))?,
            letter => f.write_char(letter)?,
        }
    }
    f.write_char('"')
}

/// A key up to its closing double quote, and what stands behind that.
fn unescaped(text: &str) -> Result<(String, &str), String> {
    let mut key = String::new();
    let mut letters = text.chars();
    loop {
        let escaped = match letters.next().ok_or("no closing \"")? {
            '"' => return Ok((key, letters.as_str())),
            '\\' => letters.next().ok_or("no closing \"")?,
            letter => {
                key.push(letter);
                continue;
            }
        };
        key.push(match escaped {
            '"' | '\\' => escaped,
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' | 'U' => {
                let length = if escaped == 'u' { 4 } else { 8 };
                let digits: String = letters.by_ref().take(length).collect();
                let code = u32::from_str_radix(&digits, 16).ok();
                let letter = code.filter(|_| digits.len() == length).and_then(char::from_u32);
                letter.ok_or_else(|| format!("`\\{escaped}{digits}` is no character"))?
            }
            other => {
                return Err(format!("`\\{other}` is no character (write `\\\\` for a backslash)"));
            }
        });
    }
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_keys() {
        let texts = [
            "model",
            "model.pooling.window",
            "loss.\"a.b\".weight",
            "model.layers[2][0].use",
            r#"loss."a\"b\\c\u001B".weight"#,
        ];
        for text in texts {
            assert_eq!(text.parse::<KeyPath>().unwrap().to_string(), text);
        }
        let path = KeyPath::root().child("sweep").child("variant").item(2).child("name");
        assert_eq!(path.to_string(), "sweep.variant[2].name");
    }

    #[test]
    fn refuses_what_is_not_a_key() {
        for (text, problem) in [
            ("", "a key is empty"),
            ("a..b", "a key is empty"),
            ("a.\"b", "no closing \""),
            ("a b", "`a b` is not a key (quote it if it is meant)"),
            ("\"a\"b", "expected `.` before `b`"),
            ("a[1", "no closing ]"),
            ("a[x]", "`[x]` is not a position"),
            ("[1]", "a key is empty"),
            (r#""a\x""#, "`\\x` is no character (write `\\\\` for a backslash)"),
            (r#""\u00""#, "`\\u00\"` is no character"),
            (&vec!["a"; 33].join("."), "it has more than 32 parts"),
        ] {
            assert_eq!(text.parse::<KeyPath>().unwrap_err(), problem);
        }
    }
}
