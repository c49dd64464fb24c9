//! Where variants stand in a table by keys: which row, which group of columns, and which are left out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    Error,
    keys::{Keys, differing, flatten, is_under, owner, show},
};

/// More keys than this are not named in an error.
const NAMED: usize = 4;

/// A variant, as far as its place in a table goes.
#[derive(Clone, Copy, Debug)]
pub struct VariantKeys<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it sets over the base spec.
    pub set: &'a [(String, Value)],
    /// Its resolved spec.
    pub spec: &'a Value,
}

/// By which keys a table is laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Axes {
    /// The key whose values are the rows; without one rows are variants.
    pub by: Option<String>,
    /// The key whose values are groups of columns.
    pub columns: Option<String>,
    /// Keys and values that variants must have to be in the table; values of one key are alternatives.
    pub filters: Vec<(String, String)>,
}

/// The rows and groups of a table, and who stands where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The names of the rows.
    pub rows: Vec<String>,
    /// The names of the groups of columns; a single empty name without groups.
    pub groups: Vec<String>,
    /// Of each variant its row and group; `None` if it is filtered out.
    pub places: Vec<Option<(usize, usize)>>,
    /// The row that the others are compared with.
    pub baseline: usize,
    /// What each row sets over the base spec, apart from the key of the columns.
    pub sets: Vec<Vec<(String, Value)>>,
}

/// Finds a place for every variant. No two variants share one.
///
/// # Errors
/// Keys that nobody has, filters that leave nothing or no baseline, and variants that differ in more keys than the
/// table has axes.
pub fn lay_out(variants: &[VariantKeys<'_>], baseline: &str, axes: &Axes) -> Result<Layout, Error> {
    if *axes == Axes::default() {
        return plain(variants, baseline);
    }
    let keys: Vec<Keys> = variants.iter().map(|variant| flatten(variant.spec)).collect();
    let by = axes.by.as_deref().map(|key| axis(key, &keys)).transpose()?;
    let columns = axes.columns.as_deref().map(|key| axis(key, &keys)).transpose()?;
    let kept = filter(&keys, &axes.filters)?;
    let reference = baseline_of(variants, &keys, &kept, baseline, &axes.filters)?;

    let mut groups = Distinct::default();
    let mut rows = Distinct::default();
    let mut places = vec![None; variants.len()];
    for &index in &kept {
        let group = columns.as_ref().map_or(Point::default(), |axis| axis.value(&keys[index]));
        let row = match (&by, &columns) {
            (Some(axis), _) => axis.value(&keys[index]),
            (None, Some(axis)) => axis.rest(&keys[index]),
            // Two variants may have the same spec under two names.
            (None, None) => Point::from([(String::new(), Value::from(index))]),
        };
        places[index] = Some((rows.position(row, index), groups.position(group, index)));
    }
    let shared = Shared { variants, keys: &keys, places: &places };
    shared.refuse((by.as_ref(), &rows), (columns.as_ref(), &groups))?;

    let row_names = match (&by, &columns) {
        (Some(axis), _) => axis.names(&rows, false),
        (None, Some(axis)) => row_names(variants, &places, &rows, axis, baseline),
        (None, None) => rows.first.iter().map(|index| variants[*index].name.to_owned()).collect(),
    };
    let group_names =
        columns.as_ref().map_or(vec![String::new()], |axis| axis.names(&groups, true));
    let sets = rows
        .first
        .iter()
        .map(|index| match (&by, &columns) {
            (Some(_), _) => Vec::new(),
            (None, Some(axis)) => axis.without(variants[*index].set),
            (None, None) => variants[*index].set.to_vec(),
        })
        .collect();
    let baseline = places[reference].expect("the baseline is kept").0;
    Ok(Layout { rows: row_names, groups: group_names, places, baseline, sets })
}

/// Every variant in a row of its own.
fn plain(variants: &[VariantKeys<'_>], baseline: &str) -> Result<Layout, Error> {
    let rows: Vec<String> = variants.iter().map(|variant| variant.name.to_owned()).collect();
    let Some(position) = rows.iter().position(|row| row == baseline) else {
        return Err(Error::Baseline { baseline: baseline.to_owned(), variants: rows });
    };
    Ok(Layout {
        groups: vec![String::new()],
        places: (0..rows.len()).map(|row| Some((row, 0))).collect(),
        baseline: position,
        sets: variants.iter().map(|variant| variant.set.to_vec()).collect(),
        rows,
    })
}

/// What distinguishes rows or groups: keys and values.
type Point = BTreeMap<String, Value>;

/// Points in the order of their first variant.
#[derive(Debug, Default)]
struct Distinct {
    positions: BTreeMap<String, usize>,
    points: Vec<Point>,
    /// Of each point its first variant.
    first: Vec<usize>,
}

impl Distinct {
    fn position(&mut self, point: Point, variant: usize) -> usize {
        let text = serde_json::to_string(&point).expect("JSON is JSON");
        let next = self.points.len();
        let position = *self.positions.entry(text).or_insert(next);
        if position == next {
            self.points.push(point);
            self.first.push(variant);
        }
        position
    }
}

/// A key by which a table is laid out.
struct Axis {
    /// The key; of a whole component its path.
    key: String,
    /// Whether all keys of a component count.
    whole: bool,
}

fn axis(key: &str, keys: &[Keys]) -> Result<Axis, Error> {
    let key = key.trim();
    if keys.iter().any(|keys| keys.contains_key(key)) {
        return Ok(Axis { key: key.to_owned(), whole: false });
    }
    if keys.iter().any(|keys| keys.keys().any(|known| is_under(known, key))) {
        return Ok(Axis { key: key.to_owned(), whole: true });
    }
    Err(Error::UnknownKey { key: key.to_owned(), varying: varying(keys) })
}

/// The keys in which any variant differs from the first.
fn varying(keys: &[Keys]) -> Vec<String> {
    let mut varying: Vec<String> = Vec::new();
    for other in keys.iter().skip(1) {
        for key in differing(&keys[0], other) {
            if !varying.contains(&key) {
                varying.push(key);
            }
        }
    }
    varying
}

impl Axis {
    /// What of a variant this axis is about.
    fn value(&self, keys: &Keys) -> Point {
        let own = |key: &str| if self.whole { is_under(key, &self.key) } else { key == self.key };
        keys.iter().filter(|(key, _)| own(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Everything else: with the name of a component goes its config.
    fn rest(&self, keys: &Keys) -> Point {
        let others = keys.iter().filter(|(key, _)| !is_under(key, owner(&self.key)));
        others.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// What a variant sets apart from this axis.
    fn without(&self, set: &[(String, Value)]) -> Vec<(String, Value)> {
        let owner = owner(&self.key);
        let concerned = |key: &str| is_under(key, owner) || is_under(owner, key);
        set.iter().filter(|(key, _)| !concerned(key)).cloned().collect()
    }

    /// The names of this axis's points. A component goes by its name, with the keys that tell it from others.
    fn names(&self, distinct: &Distinct, with_key: bool) -> Vec<String> {
        let used = format!("{}.use", self.key);
        let label = |point: &Point| {
            let value = point.get(&used).or_else(|| point.get(&self.key));
            value.map_or("none".to_owned(), show)
        };
        let name = |point: &Point| {
            let own = label(point);
            let alike: Vec<&Point> =
                distinct.points.iter().filter(|other| label(other) == own).collect();
            if alike.len() > 1 {
                let differs =
                    |key: &str| alike.iter().any(|other| other.get(key) != point.get(key));
                let settings: Vec<String> = point
                    .iter()
                    .filter(|(key, _)| differs(key))
                    .map(|(key, value)| format!("{}={}", &key[self.key.len() + 1..], show(value)))
                    .collect();
                return format!("{own}({})", settings.join(","));
            }
            let is_name = self.whole || owner(&self.key) != self.key || self.key == "device";
            if with_key && !is_name {
                let last = self.key.rsplit('.').next().unwrap_or(&self.key);
                format!("{last}={own}")
            } else {
                own
            }
        };
        distinct.points.iter().map(name).collect()
    }
}

/// The positions of the variants that the filters let through.
fn filter(keys: &[Keys], filters: &[(String, String)]) -> Result<Vec<usize>, Error> {
    let mut kept: Vec<usize> = (0..keys.len()).collect();
    let mut by_key: Vec<(&str, Vec<&str>)> = Vec::new();
    for (key, value) in filters {
        match by_key.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(value),
            None => by_key.push((key, vec![value])),
        }
    }
    for (key, wanted) in by_key {
        let axis = axis(key, keys)?;
        let place = if axis.whole { format!("{}.use", axis.key) } else { axis.key };
        let value = |index: usize| keys[index].get(&place).map_or("none".to_owned(), show);
        let mut values: Vec<String> = Vec::new();
        for text in kept.iter().map(|index| value(*index)) {
            if !values.contains(&text) {
                values.push(text);
            }
        }
        if let Some(unknown) = wanted.iter().find(|wanted| !values.contains(&(**wanted).to_owned()))
        {
            let (key, value) = (key.to_owned(), (*unknown).to_owned());
            return Err(Error::NothingLeft { key, value, values });
        }
        kept.retain(|index| wanted.contains(&value(*index).as_str()));
    }
    Ok(kept)
}

/// The variant whose row is the baseline: the baseline itself, or what is left and equals it but for the filters' keys.
fn baseline_of(
    variants: &[VariantKeys<'_>],
    keys: &[Keys],
    kept: &[usize],
    baseline: &str,
    filters: &[(String, String)],
) -> Result<usize, Error> {
    let Some(own) = variants.iter().position(|variant| variant.name == baseline) else {
        let variants = variants.iter().map(|variant| variant.name.to_owned()).collect();
        return Err(Error::Baseline { baseline: baseline.to_owned(), variants });
    };
    if kept.contains(&own) {
        return Ok(own);
    }
    let rest = |index: usize| -> Keys {
        let filtered =
            |key: &str| filters.iter().any(|(filter, _)| is_under(key, owner(filter.trim())));
        let others = keys[index].iter().filter(|(key, _)| !filtered(key));
        others.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let alike = kept.iter().copied().find(|index| rest(*index) == rest(own));
    alike.ok_or_else(|| Error::BaselineLeftOut {
        baseline: baseline.to_owned(),
        variants: kept.iter().map(|index| variants[*index].name.to_owned()).collect(),
    })
}

/// Variants and their places.
struct Shared<'a> {
    variants: &'a [VariantKeys<'a>],
    keys: &'a [Keys],
    places: &'a [Option<(usize, usize)>],
}

impl Shared<'_> {
    /// Two variants in one place would have to be averaged.
    fn refuse(
        &self,
        (by, rows): (Option<&Axis>, &Distinct),
        (columns, groups): (Option<&Axis>, &Distinct),
    ) -> Result<(), Error> {
        let Self { variants, keys, places } = self;
        let mut taken: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut shared: Option<(usize, usize)> = None;
        let mut open: Vec<String> = Vec::new();
        for (index, place) in places.iter().enumerate() {
            let Some(place) = place else { continue };
            let first = *taken.entry(*place).or_insert(index);
            if first != index {
                shared.get_or_insert((first, index));
                for key in differing(&keys[first], &keys[index]) {
                    if !open.contains(&key) {
                        open.push(key);
                    }
                }
            }
        }
        let Some((first, second)) = shared else { return Ok(()) };
        let (row, group) = places[first].expect("a variant that is kept");
        let mut place = match by {
            Some(axis) => format!("`{}`", axis.names(rows, false)[row]),
            None => format!("the row of `{}`", variants[rows.first[row]].name),
        };
        if let Some(axis) = columns {
            place = format!("{place} × `{}`", axis.names(groups, true)[group]);
        }
        open.truncate(NAMED);
        let value = |key: &str| keys[first].get(key).map_or("none".to_owned(), show);
        Err(Error::NotPinned {
            place,
            first: variants[first].name.to_owned(),
            second: variants[second].name.to_owned(),
            filters: open.iter().map(|key| format!("{key}={}", value(key))).collect(),
            keys: open,
        })
    }
}

/// Rows of variants that differ only in the columns' key: named after one that leaves it alone, else after the rest.
fn row_names(
    variants: &[VariantKeys<'_>],
    places: &[Option<(usize, usize)>],
    rows: &Distinct,
    axis: &Axis,
    baseline: &str,
) -> Vec<String> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new(); rows.points.len()];
    for (index, place) in places.iter().enumerate() {
        if let Some((row, _)) = place {
            all[*row].push(index);
        }
    }
    let members = |row: usize| all[row].iter().map(|index| &variants[*index]);
    let name = |row: usize| {
        let first = &variants[rows.first[row]];
        let untouched =
            members(row).find(|variant| axis.without(variant.set).len() == variant.set.len());
        if let Some(variant) = untouched {
            return variant.name.to_owned();
        }
        let rest = axis.without(first.set);
        if rest.is_empty() {
            let is_base = members(row).any(|variant| variant.name == baseline);
            return if is_base { baseline.to_owned() } else { first.name.to_owned() };
        }
        rest.iter().map(|(key, value)| setting(key, value)).collect::<Vec<_>>().join(",")
    };
    let mut names: Vec<String> = (0..rows.points.len()).map(name).collect();
    for row in 0..names.len() {
        if names.iter().filter(|other| **other == names[row]).count() > 1 {
            variants[rows.first[row]].name.clone_into(&mut names[row]);
        }
    }
    names
}

/// A setting as in the name of a point of a grid: `pooling=mean`.
fn setting(key: &str, value: &Value) -> String {
    let last = owner(key).rsplit('.').next().unwrap_or(key);
    let value = match value.get("use").and_then(Value::as_str) {
        Some(used) => used.to_owned(),
        None => show(value),
    };
    format!("{last}={value}")
}
