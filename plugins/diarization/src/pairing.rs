//! Which recording of a system's output belongs to which of the reference.

use crate::Error;

/// How recordings that lack a counterpart are treated, and which suffixes names may have.
#[derive(Clone, Debug, Default)]
pub struct Pairing<'a> {
    /// Endings of names that are dropped before names are compared, such as `.Mix-Headset`.
    pub suffixes: &'a [&'a str],
}

/// The names that a reference and a system give to the same recording: each of the reference, with the system's name if
/// it has one; a system that is silent about a recording has missed all of it.
///
/// # Errors
/// A recording of the system that the reference does not have, or two names that are one without their suffix.
pub fn pair<'a>(
    reference: impl Iterator<Item = &'a str>,
    system: impl Iterator<Item = &'a str>,
    pairing: &Pairing<'_>,
) -> Result<Vec<(&'a str, Option<&'a str>)>, Error> {
    let plain = |name: &'a str| {
        let cut = pairing.suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
        cut.unwrap_or(name)
    };
    let mut pairs: Vec<(&str, Option<&str>)> = Vec::new();
    for name in reference {
        if let Some((other, _)) = pairs.iter().find(|(other, _)| plain(other) == plain(name)) {
            let reason = format!(
                "the reference has the recording `{}` twice: as `{other}` and as `{name}`",
                plain(name)
            );
            return Err(Error::Unpaired { reason });
        }
        pairs.push((name, None));
    }
    for name in system {
        let Some((own, found)) = pairs.iter_mut().find(|(own, _)| plain(own) == plain(name)) else {
            let known: Vec<&str> = pairs.iter().map(|(own, _)| *own).take(5).collect();
            let reason = format!(
                "the reference has no recording `{name}` of the system; it has `{}`{}",
                known.join("`, `"),
                if pairs.len() > known.len() { " …" } else { "" }
            );
            return Err(Error::Unpaired { reason });
        };
        if let Some(other) = found.replace(name) {
            let reason =
                format!("the system has the recording `{own}` twice: as `{other}` and as `{name}`");
            return Err(Error::Unpaired { reason });
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired(
        reference: &[&str],
        system: &[&str],
        suffixes: &[&str],
    ) -> Result<Vec<String>, String> {
        let pairs = pair(reference.iter().copied(), system.iter().copied(), &Pairing { suffixes });
        let text = |(own, found): (&str, Option<&str>)| format!("{own}={}", found.unwrap_or("-"));
        pairs.map(|pairs| pairs.into_iter().map(text).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn suffixes_are_dropped_and_silence_is_kept() {
        let pairs = paired(&["a", "b"], &["b.Mix-Headset"], &[".Mix-Headset"]).unwrap();
        assert_eq!(pairs, ["a=-", "b=b.Mix-Headset"]);
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        let error = paired(&["a", "b"], &["c"], &[]).unwrap_err();
        assert_eq!(error, "the reference has no recording `c` of the system; it has `a`, `b`");
        let error = paired(&["a"], &["a", "a.x"], &[".x"]).unwrap_err();
        assert_eq!(error, "the system has the recording `a` twice: as `a` and as `a.x`");
        let error = paired(&["a", "a.x"], &[], &[".x"]).unwrap_err();
        assert_eq!(error, "the reference has the recording `a` twice: as `a` and as `a.x`");
    }
}
