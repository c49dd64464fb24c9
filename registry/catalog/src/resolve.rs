//! From a name to the component and the plugin that exports it.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, Plugin};
use crate::description::{ComponentDescription, Kind};
use crate::error::{Duplicate, Elsewhere, Error, Exporter, Unknown};

/// A component and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The plugin that exports it.
    pub plugin: &'a Plugin,
    /// What the plugin says about it.
    pub component: &'a ComponentDescription,
}

impl Catalog {
    /// The component of this kind and name; with a role, only a block that has it.
    ///
    /// Blocks of different roles may share a name, because no slot takes both.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when there is none, [`Error::Duplicate`] when several plugins export it.
    pub fn resolve(&self, kind: Kind, name: &str, role: Option<&str>) -> Result<Found<'_>, Error> {
        let found: Vec<Found<'_>> =
            self.of(kind, role).filter(|found| found.component.name == name).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(Error::Unknown(Box::new(self.unknown(kind, name, role)))),
            several => Err(Error::Duplicate(Box::new(duplicate(several)))),
        }
    }

    /// Every component of every plugin.
    pub fn components(&self) -> impl Iterator<Item = Found<'_>> {
        self.plugins.iter().flat_map(|plugin| {
            let components = plugin.description.components.iter();
            components.map(move |component| Found { plugin, component })
        })
    }

    /// Components that several plugins export, which [`Self::resolve`] refuses.
    #[must_use]
    pub fn duplicates(&self) -> Vec<Duplicate> {
        let mut exporters: BTreeMap<_, Vec<Found<'_>>> = BTreeMap::new();
        for found in self.components().filter(|found| found.component.kind != Kind::Unknown) {
            let ComponentDescription { kind, name, role, .. } = found.component;
            exporters.entry((*kind, role, name)).or_default().push(found);
        }
        exporters.values().filter(|found| found.len() > 1).map(|found| duplicate(found)).collect()
    }

    fn of(&self, kind: Kind, role: Option<&str>) -> impl Iterator<Item = Found<'_>> {
        self.components().filter(move |found| {
            let component = found.component;
            component.kind == kind
                && role.is_none_or(|role| component.role.as_deref() == Some(role))
        })
    }

    fn unknown(&self, kind: Kind, name: &str, role: Option<&str>) -> Unknown {
        let mut known: Vec<String> =
            self.of(kind, role).map(|found| found.component.name.clone()).collect();
        known.sort();
        known.dedup();
        // None of these has the kind and role asked for, or it would have been found.
        let elsewhere = self
            .components()
            .filter(|found| found.component.name == name && found.component.kind != Kind::Unknown);
        Unknown {
            kind,
            role: role.map(str::to_owned),
            name: name.to_owned(),
            near: near(name, &known),
            known,
            searched: self.searched.clone(),
            elsewhere: elsewhere
                .map(|found| Elsewhere {
                    kind: found.component.kind,
                    role: found.component.role.clone(),
                    plugin: found.plugin.name().to_owned(),
                })
                .collect(),
            unbuilt: self.unbuilt.clone(),
            broken: self.broken.clone(),
        }
    }
}

fn duplicate(found: &[Found<'_>]) -> Duplicate {
    let ComponentDescription { kind, role, name, .. } = found[0].component;
    let exporters = found
        .iter()
        .map(|found| Exporter {
            plugin: found.plugin.name().to_owned(),
            library: found.plugin.library.clone(),
        })
        .collect();
    Duplicate { kind: *kind, role: role.clone(), name: name.clone(), exporters }
}

/// The known name that was probably meant.
///
/// Edits count typing errors, also in short names; Jaro-Winkler favors a common beginning, so that
/// a name that was cut short is found.
pub(crate) fn near(name: &str, known: &[String]) -> Option<String> {
    let name = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    known
        .iter()
        .filter_map(|candidate| {
            let edits = strsim::damerau_levenshtein(&name, candidate);
            let likeness = strsim::jaro_winkler(&name, candidate);
            (edits <= allowed || likeness >= 0.85).then_some((edits, likeness, candidate))
        })
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, candidate)| candidate.clone())
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn finds_what_was_meant() {
        let known: Vec<String> = [
            "attentive-mean",
            "attentive-stats",
            "attentive-stats-per-channel",
            "cross-entropy",
            "mean",
            "mse",
            "sliding-window",
        ]
        .map(str::to_owned)
        .to_vec();
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(near(name, &known).as_deref(), expected, "{name}");
        };
        check("cross-entrpy", Some("cross-entropy"));
        check("CrossEntropy", Some("cross-entropy"));
        check("sliding_window", Some("sliding-window"));
        check("attentive-stat", Some("attentive-stats"));
        check("attentive-stats-per-chanel", Some("attentive-stats-per-channel"));
        check("attentive", Some("attentive-mean"));
        check("mes", Some("mse"));
        check("men", Some("mean"));
        check("fusion", None);
        check("x", None);
    }
}
