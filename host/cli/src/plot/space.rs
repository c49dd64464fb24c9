//! The variants of a sweep by the keys in which they differ.

use crate::failure::Failure;
use ablate_config::nearest;
use ablate_report::{SpecKeys, differing_keys, spec_keys};
use ablate_runs::VariantRecord;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};

/// A line needs so many points to be worth a picture, a grid so many cells.
const POINTS: usize = 3;
const CELLS: usize = 4;

/// Variants as they are seen from one of them.
pub(super) struct Space {
    keys: Vec<SpecKeys>,
    /// In which keys each differs from that one.
    differences: Vec<Vec<String>>,
    /// Whether one before says the same under another name.
    again: Vec<bool>,
}

impl Space {
    pub(super) fn new(variants: &[VariantRecord], from: usize) -> Self {
        let keys: Vec<SpecKeys> = variants.iter().map(|variant| spec_keys(&variant.spec)).collect();
        let differ = |other: &SpecKeys| {
            keys.get(from).map(|from| differing_keys(from, other)).unwrap_or_default()
        };
        let differences = keys.iter().map(differ).collect();
        let mut known: HashSet<String> = HashSet::new();
        // The one that is looked from is known first, wherever it stands.
        let text = |keys: &SpecKeys| format!("{keys:?}");
        known.extend(keys.get(from).map(text));
        let again = |(index, keys)| !known.insert(text(keys)) && index != from;
        let again = keys.iter().enumerate().map(again).collect();
        Self { keys, differences, again }
    }

    /// All keys in which any variant differs, in the order of the variants.
    pub(super) fn varying(&self) -> Vec<String> {
        let mut varying: Vec<String> = Vec::new();
        for key in self.differences.iter().flatten() {
            if !varying.contains(key) {
                varying.push(key.clone());
            }
        }
        varying
    }

    /// A key in which variants differ, by its whole name or by an end of it that no other one has.
    pub(super) fn key(&self, typed: &str) -> Result<String, Failure> {
        let varying = self.varying();
        let typed = typed.trim();
        if varying.iter().any(|key| key == typed) {
            return Ok(typed.to_owned());
        }
        let ends: Vec<&String> = varying
            .iter()
            .filter(|key| key.strip_suffix(typed).is_some_and(|rest| rest.ends_with('.')))
            .collect();
        if let [only] = ends[..] {
            return Ok(only.clone());
        }
        let failure = Failure::user(format!("the variants do not differ in `{typed}`"));
        // Keys are long: a slip in the last word of one is to be seen too.
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let near = nearest(typed, varying.iter().map(String::as_str)).or_else(|| {
            let ends: Vec<String> = varying.iter().map(|key| last(key)).collect();
            let end = nearest(&last(typed), ends.iter().map(String::as_str))?;
            varying.iter().find(|key| last(key) == end).cloned()
        });
        let failure = match near {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        };
        Err(failure.hint(format!("they differ in `{}`", varying.join("`, `"))))
    }

    /// The variants that differ in nothing but these keys, each point once.
    pub(super) fn members(&self, keys: &[&String]) -> Vec<usize> {
        let within = |differences: &Vec<String>| differences.iter().all(|key| keys.contains(&key));
        let own = |index: &usize| !self.again[*index] && within(&self.differences[*index]);
        (0..self.keys.len()).filter(own).collect()
    }

    pub(super) fn value(&self, key: &str, member: usize) -> Option<&Value> {
        self.keys[member].get(key)
    }

    /// The values of a key by variant, if all that have the key have a number.
    pub(super) fn numbers(&self, key: &str) -> Option<HashMap<usize, f64>> {
        let present =
            (0..self.keys.len()).filter_map(|index| Some((index, self.value(key, index)?)));
        present.map(|(index, value)| Some((index, value.as_f64()?))).collect()
    }

    /// The two keys whose values make the largest grid, the one with more values first.
    pub(super) fn grid(&self) -> Option<(String, String)> {
        let mut pairs: Vec<(&String, &String)> = Vec::new();
        for differences in &self.differences {
            if let [one, two] = &differences[..]
                && !pairs.contains(&(one, two))
            {
                pairs.push((one, two));
            }
        }
        let mut best: Option<(usize, (String, String))> = None;
        for (one, two) in pairs {
            let members = self.members(&[one, two]);
            let (ones, twos) = (self.distinct(one, &members), self.distinct(two, &members));
            let places: BTreeSet<(String, String)> =
                members.iter().map(|m| (self.text(one, *m), self.text(two, *m))).collect();
            // Keys that go together, and points here and there, are no grid; nor are places with two variants.
            let is_grid = members.len() >= CELLS
                && places.len() == members.len()
                && 2 * members.len() >= ones * twos;
            if is_grid && best.as_ref().is_none_or(|(size, _)| members.len() > *size) {
                let (across, up) = if twos > ones { (two, one) } else { (one, two) };
                best = Some((members.len(), (across.clone(), up.clone())));
            }
        }
        best.map(|(_, grid)| grid)
    }

    /// The keys, apart from those of the grid, along which numbers make a line.
    pub(super) fn lines(&self, grid: Option<&(String, String)>) -> Vec<String> {
        let mut lines = self.varying();
        lines.retain(|key| {
            let in_grid = grid.is_some_and(|(across, up)| key == across || key == up);
            let members = self.members(&[key]);
            let numbers = self.numbers(key).unwrap_or_default();
            !in_grid
                && members.len() >= POINTS
                && members.iter().all(|member| numbers.contains_key(member))
                && self.distinct(key, &members) == members.len()
        });
        lines
    }

    fn text(&self, key: &str, member: usize) -> String {
        self.value(key, member).map(Value::to_string).unwrap_or_default()
    }

    fn distinct(&self, key: &str, members: &[usize]) -> usize {
        let values: HashSet<String> = members.iter().map(|m| self.text(key, *m)).collect();
        values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Space;
    use ablate_runs::VariantRecord;
    use serde_json::{Value, json};

    /// A variant with levels, width and pooling.
    fn variant(levels: u64, width: f64, pooling: &str) -> VariantRecord {
        let pooling = json!({ "one": { "use": pooling, "config": {}, "slots": {} } });
        let spec = json!({ "model": {
            "use": "rqvae",
            "config": { "levels": levels, "width": width },
            "slots": { "pooling": pooling },
        } });
        VariantRecord { name: format!("{levels} {width} {pooling}"), set: Vec::new(), spec }
    }

    fn space(points: &[(u64, f64, &str)]) -> Space {
        let variants: Vec<_> = points.iter().map(|(l, w, p)| variant(*l, *w, p)).collect();
        Space::new(&variants, 0)
    }

    fn levels_and_width() -> (String, String) {
        ("model.levels".to_owned(), "model.width".to_owned())
    }

    #[test]
    fn two_keys_that_cross_make_a_grid() {
        let mut points = Vec::new();
        for levels in 1..=3 {
            points.extend([0.5, 1.0].map(|width| (levels, width, "mean")));
        }
        points.push((1, 0.5, "max"));
        // The first one again, under another name.
        points.push((1, 0.5, "mean"));
        let grid = space(&points);
        assert_eq!(grid.grid(), Some(levels_and_width()));
        let (levels, width) = levels_and_width();
        assert_eq!(grid.members(&[&levels, &width]), [0, 1, 2, 3, 4, 5]);
        assert!(grid.lines(Some(&(levels, width))).is_empty());
        assert_eq!(grid.varying(), ["model.width", "model.levels", "model.pooling.use"]);
    }

    #[test]
    fn keys_that_go_together_are_no_grid() {
        let zip = space(&[(1, 0.5, "mean"), (2, 1.0, "mean"), (3, 2.0, "mean"), (4, 4.0, "mean")]);
        assert_eq!(zip.grid(), None);
        assert!(zip.lines(None).is_empty());
    }

    #[test]
    fn one_key_at_a_time_makes_lines() {
        let star = space(&[
            (1, 0.5, "mean"),
            (2, 0.5, "mean"),
            (3, 0.5, "mean"),
            (1, 1.0, "mean"),
            (1, 0.5, "max"),
            (1, 0.5, "sum"),
        ]);
        assert_eq!(star.grid(), None);
        // Two widths are no line, and poolings are no numbers.
        assert_eq!(star.lines(None), ["model.levels"]);
        assert_eq!(star.numbers("model.levels").unwrap()[&2], 3.0);
        assert!(star.numbers("model.pooling.use").is_none());
        assert_eq!(star.value("model.pooling.use", 5), Some(&Value::from("sum")));
    }

    #[test]
    fn keys_may_be_named_by_their_end() {
        let space = space(&[(1, 0.5, "mean"), (2, 0.5, "mean"), (2, 1.0, "max")]);
        assert_eq!(space.key("levels").unwrap(), "model.levels");
        assert_eq!(space.key("pooling.use").unwrap(), "model.pooling.use");
        let failure = space.key("level").unwrap_err();
        assert_eq!(failure.hints[0], "did you mean `model.levels`?");
        assert!(failure.hints[1].starts_with("they differ in `model.levels`"));
    }
}
