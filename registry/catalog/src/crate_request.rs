//! `CRATE[@VERSION]`, as a user types it.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A crate that Cargo shall provide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrateRequest {
    name: String,
    version: Option<String>,
}

impl CrateRequest {
    /// The crate.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a manifest asks for: a whole version means that one and no other.
    pub(crate) fn requirement(&self) -> String {
        match &self.version {
            None => "*".to_owned(),
            Some(version) if is_whole(version) => format!("={version}"),
            Some(version) => version.clone(),
        }
    }
}

impl FromStr for CrateRequest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(letter);
        let starts = |c: char| c.is_ascii_digit() || "=^~<>*".contains(c);
        let rest = |c: char| c.is_ascii_alphanumeric() || "=^~<>*.,+- ".contains(c);
        let versioned = version.is_none_or(|v| v.starts_with(starts) && v.chars().all(rest));
        if !named || !versioned {
            return Err(Error::CrateRequest { text: text.to_owned() });
        }
        Ok(Self { name: name.to_owned(), version: version.map(str::to_owned) })
    }
}

impl fmt::Display for CrateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

/// Whether all three numbers are there: Cargo reads fewer as a range.
fn is_whole(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.len() == 3 && numbers.iter().all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_version_is_exact_and_a_part_is_a_range() {
        let check = |text: &str, name: &str, requirement: &str| {
            let request: CrateRequest = text.parse().unwrap();
            assert_eq!((request.name(), request.requirement().as_str()), (name, requirement));
            assert_eq!(request.to_string(), text);
        };
        check("my-plugin", "my-plugin", "*");
        check("my_plugin@1.2.3", "my_plugin", "=1.2.3");
        check("p@1.2.3-alpha.1", "p", "=1.2.3-alpha.1");
        check("p@1.2.3+build", "p", "=1.2.3+build");
        check("p@1.2", "p", "1.2");
        check("p@^1.2.3", "p", "^1.2.3");
        check("p@>=1, <3", "p", ">=1, <3");
    }

    #[test]
    fn what_is_no_crate_is_refused() {
        let texts = ["", "@1.0.0", "p@", "p@v1.0.0", "two words", "../p", "p\"", "p@1\"\n", "1p"];
        for text in texts {
            let error = text.parse::<CrateRequest>().unwrap_err();
            assert!(matches!(error, Error::CrateRequest { .. }), "{text}: {error}");
            assert!(error.hints()[0].contains("CRATE@VERSION"), "{error}");
        }
    }
}
