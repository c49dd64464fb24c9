//! What the kit found: checks by component, as text and as data.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// There was nothing to look at; the detail says why.
    Skipped,
}

/// One check of one component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, such as `gradients`.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found or looked at.
    pub detail: String,
    /// Seconds that it took.
    pub took_s: f64,
}

/// The checks of one component under one configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComponentReport {
    /// Its kind; `plugin` for the plugin as a whole.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The configuration, where it is not the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// Its checks, in the order in which they ran.
    pub checks: Vec<Check>,
}

/// The checks of one plugin. Displayed as a short text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// First the plugin as a whole, then its components.
    pub components: Vec<ComponentReport>,
}

impl ComponentReport {
    /// How many checks ended like this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }
}

impl ComponentReport {
    /// What was found by checks that ended like this, once each, with their names.
    fn told(&self, outcome: Outcome) -> Vec<(Vec<&str>, &str)> {
        let mut told: Vec<(Vec<&str>, &str)> = Vec::new();
        for check in self.checks.iter().filter(|check| check.outcome == outcome) {
            match told.iter_mut().find(|(_, detail)| *detail == check.detail) {
                Some((names, _)) => names.push(&check.name),
                None => told.push((vec![&check.name], &check.detail)),
            }
        }
        told
    }
}

impl Report {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        self.count(Outcome::Failed) == 0
    }

    /// How many checks ended like this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.components.iter().map(|component| component.count(outcome)).sum()
    }

    /// Adds a check to the component it belongs to.
    pub fn add(&mut self, kind: &str, name: &str, config: Option<&Value>, check: Check) {
        let same = |known: &&mut ComponentReport| {
            known.kind == kind && known.name == name && known.config.as_ref() == config
        };
        if let Some(known) = self.components.iter_mut().find(same) {
            known.checks.push(check);
            return;
        }
        self.components.push(ComponentReport {
            kind: kind.to_owned(),
            name: name.to_owned(),
            config: config.cloned(),
            checks: vec![check],
        });
    }
}

fn counted(passed: usize, failed: usize, skipped: usize) -> String {
    let all = [(passed, "passed"), (failed, "failed"), (skipped, "skipped")];
    let shown = all.iter().enumerate().filter(|(at, (count, _))| *at == 0 || *count > 0);
    shown.map(|(_, (count, word))| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |outcome| self.count(outcome);
        let total = counted(of(Outcome::Passed), of(Outcome::Failed), of(Outcome::Skipped));
        writeln!(f, "plugin `{}` {}: {total}", self.plugin, self.version)?;
        for component in &self.components {
            let of = |outcome| component.count(outcome);
            let total = counted(of(Outcome::Passed), of(Outcome::Failed), of(Outcome::Skipped));
            let took: f64 = component.checks.iter().map(|check| check.took_s).sum();
            write!(f, "  {} `{}`", component.kind, component.name)?;
            if let Some(config) = &component.config {
                write!(f, " with {config}")?;
            }
            writeln!(f, ": {total} ({took:.1} s)")?;
            for (word, outcome) in [("FAILED ", Outcome::Failed), ("skipped", Outcome::Skipped)] {
                for (names, detail) in component.told(outcome) {
                    writeln!(f, "    {word} {}: {detail}", names.join(", "))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, outcome: Outcome, detail: &str) -> Check {
        Check { name: name.to_owned(), outcome, detail: detail.to_owned(), took_s: 0.25 }
    }

    #[test]
    fn the_text_shows_what_failed_and_what_was_skipped() {
        let mut report =
            Report { plugin: "p".to_owned(), version: "1.0.0".to_owned(), components: Vec::new() };
        report.add("block", "mean", None, check("shapes", Outcome::Passed, "12 batches"));
        report.add("block", "mean", None, check("saving", Outcome::Skipped, "no parameters"));
        assert!(report.passed());
        let config = serde_json::json!({ "window": 3 });
        report.add("block", "mean", Some(&config), check("shapes", Outcome::Failed, "wrong"));
        report.add("block", "mean", Some(&config), check("seeds", Outcome::Failed, "wrong"));
        assert!(!report.passed());
        assert_eq!(
            report.to_string(),
            "plugin `p` 1.0.0: 1 passed, 2 failed, 1 skipped\n\
             \x20 block `mean`: 1 passed, 1 skipped (0.5 s)\n\
             \x20   skipped saving: no parameters\n\
             \x20 block `mean` with {\"window\":3}: 0 passed, 2 failed (0.5 s)\n\
             \x20   FAILED  shapes, seeds: wrong\n"
        );
        let text = serde_json::to_string(&report).expect("it is plain data");
        assert_eq!(serde_json::from_str::<Report>(&text).expect("the same data"), report);
    }
}
