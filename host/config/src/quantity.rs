//! Durations and sizes as people write them: `10m`, `1h30m`, `4GiB`.

use std::time::Duration;

use crate::error::{At, Error};
use crate::key_path::KeyPath;
use crate::section::wrong_type;
use crate::tree::{Data, Node};

/// Units of time in seconds. `ms` stands before `m`, of which it is no plural.
const TIMES: [(&str, f64); 5] =
    [("ms", 1e-3), ("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)];

/// Units of memory in bytes, those of 1024 first.
const SIZES: [(&str, f64); 9] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("B", 1.0),
];

/// A time above 0: text with units, or a number of seconds.
pub(crate) fn duration(node: &Node, path: &KeyPath) -> Result<Duration, Error> {
    let seconds = match &node.data {
        Data::Text(text) => sum(text, &TIMES),
        Data::Integer(seconds) => Some(*seconds as f64),
        Data::Float(seconds) => Some(*seconds),
        _ => return Err(wrong_type(node, path, "a duration such as `10m`")),
    };
    let time = seconds.filter(|seconds| *seconds > 0.0).map(Duration::try_from_secs_f64);
    match time {
        Some(Ok(time)) => Ok(time),
        _ => Err(Error::Sweep {
            at: At::new(&node.origin, path),
            problem: format!("`{}` is not a duration", node.show()),
            hints: vec!["write `90s`, `10m`, `1h30m`, `2d`, or a number of seconds".to_owned()],
        }),
    }
}

/// An amount of memory above 0, in bytes: text with a unit, or a number of bytes.
pub(crate) fn bytes(node: &Node, path: &KeyPath) -> Result<u64, Error> {
    let bytes = match &node.data {
        Data::Text(text) => sum(text, &SIZES),
        Data::Integer(bytes) => Some(*bytes as f64),
        _ => return Err(wrong_type(node, path, "an amount of memory such as `4GiB`")),
    };
    match bytes.filter(|bytes| (1.0..1e18).contains(bytes)) {
        Some(bytes) => Ok(bytes as u64),
        None => Err(Error::Sweep {
            at: At::new(&node.origin, path),
            problem: format!("`{}` is not an amount of memory", node.show()),
            hints: vec!["write `512MiB`, `4GiB`, `4GB`, or a number of bytes".to_owned()],
        }),
    }
}

/// The sum of numbers with units; `None` where the text is none.
fn sum(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let after = rest[end..].trim_start();
        let (unit, factor) = units.iter().find(|(unit, _)| after.starts_with(unit))?;
        sum += number * factor;
        rest = after[unit.len()..].trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Origin;

    fn node(json: &serde_json::Value) -> Node {
        Node::from_json(json, &Origin::Spec)
    }

    #[test]
    fn reads_durations() {
        let root = KeyPath::root();
        for (text, seconds) in [
            (serde_json::json!("10m"), 600.0),
            (serde_json::json!("1h30m"), 5400.0),
            (serde_json::json!("1h 30m 5s"), 5405.0),
            (serde_json::json!("1.5h"), 5400.0),
            (serde_json::json!("250ms"), 0.25),
            (serde_json::json!("2 d"), 172_800.0),
            (serde_json::json!(90), 90.0),
            (serde_json::json!(0.5), 0.5),
        ] {
            assert_eq!(duration(&node(&text), &root).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for wrong in ["", "10", "m", "10 parsecs", "-5s", "10m5", "1e400s"] {
            let error = duration(&node(&wrong.into()), &root).unwrap_err();
            assert!(error.to_string().ends_with(&format!("`{wrong}` is not a duration")));
            assert_eq!(error.hints().len(), 1);
        }
        assert!(duration(&node(&0.into()), &root).is_err());
        assert!(duration(&node(&serde_json::json!(1e300)), &root).is_err());
        assert!(duration(&node(&serde_json::json!(true)), &root).is_err());
    }

    #[test]
    fn reads_sizes() {
        let root = KeyPath::root();
        for (text, expected) in [
            (serde_json::json!("4GiB"), 4_u64 << 30),
            (serde_json::json!("512 MiB"), 512 << 20),
            (serde_json::json!("4GB"), 4_000_000_000),
            (serde_json::json!("1.5kB"), 1500),
            (serde_json::json!("7B"), 7),
            (serde_json::json!(4096), 4096),
        ] {
            assert_eq!(bytes(&node(&text), &root).unwrap(), expected, "{text}");
        }
        for wrong in ["4", "4gib", "GiB", "4G", "0B", "-1GB"] {
            let error = bytes(&node(&wrong.into()), &root).unwrap_err();
            assert!(error.to_string().ends_with(&format!("`{wrong}` is not an amount of memory")));
        }
    }
}
