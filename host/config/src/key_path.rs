//! The address of a value in an experiment: `model.pooling.window`, `sweep.variant[0].name`.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

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
                    if is_bare(key) { f.write_str(key)? } else { write!(f, "{key:?}")? }
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
/// characters stands in quotes: `loss."a.b".weight`.
impl FromStr for KeyPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut rest = text.trim();
        loop {
            let (key, after) = match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let inner = &rest[1..];
                    let end = inner.find(quote).ok_or_else(|| format!("no closing {quote}"))?;
                    (&inner[..end], &inner[end + 1..])
                }
                _ => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
            };
            if key.is_empty() {
                return Err("a key is empty".to_owned());
            }
            if !rest.starts_with(['"', '\'']) && !is_bare(key) {
                return Err(format!("`{key}` is not a key (quote it if it is meant)"));
            }
            segments.push(Segment::Key(key.to_owned()));
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

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_keys() {
        let texts =
            ["model", "model.pooling.window", "loss.\"a.b\".weight", "model.layers[2][0].use"];
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
        ] {
            assert_eq!(text.parse::<KeyPath>().unwrap_err(), problem);
        }
    }
}
