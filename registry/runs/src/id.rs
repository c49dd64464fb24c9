//! Ids of runs: UUIDv7, so that they sort by the time of creation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The fewest digits that a shortened id shows. The digits of a UUIDv7 begin with the time: eight of them tell runs
/// apart that were started a minute from each other, so that what was printed stays unique when more runs follow.
const FEWEST_DIGITS: usize = 8;

/// The id of one run, shown in full with hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(Uuid);

impl RunId {
    /// An id for a run that starts now, greater than all that this process made before.
    #[must_use]
    pub(crate) fn now() -> Self {
        Self(Uuid::now_v7())
    }

    /// An id for a run that starts now, greater than this one whatever the clock says.
    #[must_use]
    pub(crate) fn now_after(other: Option<Self>) -> Self {
        let now = Self::now();
        match other {
            Some(Self(other)) if other >= now.0 => Self(after(other)),
            _ => now,
        }
    }

    /// The 32 hexadecimal digits without hyphens.
    pub(crate) fn digits(self) -> String {
        self.0.simple().to_string()
    }
}

/// The next greater id.
pub(crate) fn after(id: Uuid) -> Uuid {
    // The last 62 bits are random: that all of them are ones will not happen.
    Uuid::from_u128(id.as_u128() + 1)
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

impl TryFrom<String> for RunId {
    type Error = uuid::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.to_string()
    }
}

/// How many of an id's digits set it apart from its two neighbors in the sorted list of all ids.
pub(crate) fn unique_length(id: &str, before: Option<&str>, after: Option<&str>) -> usize {
    let shared = |other: &str| id.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let longest = before.map_or(0, shared).max(after.map_or(0, shared));
    (longest + 1).clamp(FEWEST_DIGITS, id.len())
}

#[cfg(test)]
mod tests {
    use super::unique_length;

    #[test]
    fn shortens_to_what_neighbors_do_not_share() {
        let id = "0199a0b1c2d37000800000000000000a";
        assert_eq!(unique_length(id, None, None), 8);
        assert_eq!(unique_length(id, Some("0199a0b1c2d0"), None), 12);
        assert_eq!(unique_length(id, Some("0199"), Some("0199a0b1c2d37001")), 16);
        assert_eq!(unique_length(id, Some(id), None), 32);
    }
}
