//! Runs the checks over all components of a plugin.

use crate::report::{Check, Outcome, Report};
use crate::roster::{Listed, Roster};
use crate::services::{Error, Linked, linked};
use crate::subject::Subject;
use crate::verdict::{Answer, Stop, told};
use crate::{
    averaging, contexts, dataset, description, gradients, linearity, metric, misuse, padding,
    resources, saving, seeds, shapes,
};
use ablate_abi::v1::{Kind, Plugin_Ref};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// What to check, and how.
///
/// [`assert_conforms`] is all that most plugins need. A kit says more where defaults are not enough:
///
/// ```
/// use ablate_abi::v1::Plugin_Ref;
/// use ablate_conformance::{Error, Kit, Report};
/// use serde_json::json;
///
/// /// For a component whose configuration has required keys, and a model with a slot for blocks of
/// /// another plugin.
/// fn check(plugin: Plugin_Ref, poolings: Plugin_Ref) -> Result<Report, Error> {
///     let kit = Kit::linked(plugin)?
///         .configurations(&json!({ "corpus": { "root": "tests/data/corpus" } }))
///         .with_blocks_of(poolings)?;
///     Ok(kit.run())
/// }
/// ```
pub struct Kit {
    pub(crate) root: Plugin_Ref,
    pub(crate) roster: Roster,
    pub(crate) threads: u32,
    pub(crate) cancelled: Option<Arc<AtomicBool>>,
    /// Other plugins, whose blocks fill slots.
    pub(crate) others: Vec<(Plugin_Ref, Roster)>,
    configurations: BTreeMap<String, Vec<Value>>,
    only: Option<String>,
    done: Option<Report>,
    given_up: Vec<(String, String, Option<Value>)>,
    /// The services of this program, if the plugin is linked into it.
    linked: Option<&'static Linked>,
}

/// What the kit is doing. An `Entering` without its `Finished` names what ended the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A check starts.
    Entering {
        /// Kind of the component; `plugin` for the plugin as a whole.
        kind: String,
        /// Its name.
        name: String,
        /// Its configuration, where it is not the defaults.
        config: Option<Value>,
        /// Name of the check.
        check: String,
    },
    /// A check is over.
    Finished {
        /// Kind of the component.
        kind: String,
        /// Its name.
        name: String,
        /// Its configuration, where it is not the defaults.
        config: Option<Value>,
        /// What was found.
        check: Check,
    },
}

type Run = fn(&Subject<'_>) -> Answer;

/// The check after which nothing makes sense if it did not pass.
const CREATE: &str = "create";

const DIFFERENTIABLE: &[(&str, Run)] = &[
    ("description", description::component),
    ("config", description::refuses_bad_config),
    (CREATE, shapes::create),
    ("shapes", shapes::shapes),
    ("gradients", gradients::gradients),
    ("linearity", linearity::linearity),
    ("contexts", contexts::contexts),
    ("seeds", seeds::seeds),
    ("saving", saving::saving),
    ("padding", padding::padding),
    ("misuse", misuse::differentiable),
    ("memory", resources::differentiable_memory),
    ("threads", resources::differentiable_threads),
];

const LOSS: &[(&str, Run)] = &[("averaging", averaging::averaging)];

const DATASET: &[(&str, Run)] = &[
    ("description", description::component),
    ("config", description::refuses_bad_config),
    (CREATE, dataset::create),
    // First, while nothing is cached.
    ("cancelling", dataset::cancelling),
    ("splits", dataset::splits),
    ("batches", dataset::batches),
    ("streams", dataset::streams),
    ("misuse", dataset::misuse),
    ("memory", dataset::memory),
    ("threads", dataset::threads),
];

const METRIC: &[(&str, Run)] = &[
    ("description", description::component),
    ("config", description::refuses_bad_config),
    (CREATE, metric::create),
    ("values", metric::values),
    ("parts", metric::parts),
    ("empty", metric::empty),
    ("misuse", metric::misuse),
    ("memory", metric::memory),
    ("threads", metric::threads),
];

fn checks(kind: Kind) -> Vec<(&'static str, Run)> {
    match kind {
        Kind::LOSS => [DIFFERENTIABLE, LOSS].concat(),
        Kind::DATASET => DATASET.to_vec(),
        Kind::METRIC => METRIC.to_vec(),
        Kind::MODEL | Kind::BLOCK => DIFFERENTIABLE.to_vec(),
        // Of a later revision: described, and that is all that is known of it.
        _ => DIFFERENTIABLE[..1].to_vec(),
    }
}

impl Kit {
    /// The checks of a plugin that is open and was started with `threads` threads.
    ///
    /// # Errors
    /// If the plugin does not describe itself.
    pub fn new(root: Plugin_Ref, threads: u32) -> Result<Self, Error> {
        let roster = Roster::read(root).map_err(|reason| Error::Description { reason })?;
        Ok(Self {
            root,
            roster,
            threads,
            cancelled: None,
            others: Vec::new(),
            configurations: BTreeMap::new(),
            only: None,
            done: None,
            given_up: Vec::new(),
            linked: None,
        })
    }

    /// The checks of a plugin that is linked into this program: starts it with one thread.
    ///
    /// # Errors
    /// If the plugin does not start or does not describe itself.
    pub fn linked(root: Plugin_Ref) -> Result<Self, Error> {
        let linked = linked();
        linked.start(root, 1)?;
        let mut kit = Self::new(root, 1)?.cancellation(linked.cancelled.clone());
        kit.linked = Some(linked);
        Ok(kit)
    }

    /// The switch that the host's `cancelled` answers; without it cancelling is not checked.
    #[must_use]
    pub fn cancellation(mut self, switch: Arc<AtomicBool>) -> Self {
        self.cancelled = Some(switch);
        self
    }

    /// Configurations by component, beside the defaults and the examples of the schema: a JSON
    /// object of configurations or of lists of them. Slots are left out.
    #[must_use]
    pub fn configurations(mut self, by_name: &Value) -> Self {
        for (name, given) in by_name.as_object().into_iter().flatten() {
            let list = given.as_array().cloned().unwrap_or_else(|| vec![given.clone()]);
            self.configurations.entry(name.clone()).or_default().extend(list);
        }
        self
    }

    /// Another plugin, whose blocks may fill slots: open and started, or linked like the first.
    ///
    /// # Errors
    /// If it does not start or does not describe itself.
    pub fn with_blocks_of(mut self, root: Plugin_Ref) -> Result<Self, Error> {
        if let Some(linked) = self.linked {
            linked.start(root, self.threads)?;
        }
        let roster = Roster::read(root).map_err(|reason| Error::Description { reason })?;
        self.others.push((root, roster));
        Ok(self)
    }

    /// Checks only the components called `name`.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.only = Some(name.to_owned());
        self
    }

    /// Leaves out the checks that `report` has already, such as one that ended the process.
    #[must_use]
    pub fn without(mut self, report: Report) -> Self {
        self.done = Some(report);
        self
    }

    /// Runs no more checks of a component under a configuration (none for the defaults).
    #[must_use]
    pub fn giving_up(mut self, kind: &str, name: &str, config: Option<Value>) -> Self {
        self.given_up.push((kind.to_owned(), name.to_owned(), config));
        self
    }

    /// Name of the plugin.
    pub fn plugin(&self) -> &str {
        &self.roster.name
    }

    /// Version of the plugin.
    pub fn version(&self) -> &str {
        &self.roster.version
    }

    /// Runs the checks.
    pub fn run(&self) -> Report {
        self.run_with(&mut |_| ())
    }

    /// Runs the checks, telling `listen` about each. Linked plugins wait for one another.
    pub fn run_with(&self, listen: &mut dyn FnMut(Event)) -> Report {
        let turn = self.linked.map(|linked| linked.turn.lock());
        let report = self.run_all(listen);
        if let Some(linked) = self.linked {
            linked.clear();
        }
        drop(turn);
        report
    }

    fn run_all(&self, listen: &mut dyn FnMut(Event)) -> Report {
        let report = Report {
            plugin: self.roster.name.clone(),
            version: self.roster.version.clone(),
            components: Vec::new(),
        };
        let mut running = Running { kit: self, report, listen };
        if self.only.is_none() {
            let name = self.roster.name.clone();
            running.check(("plugin", &name, None), "description", &|| description::plugin(self));
        }
        for listed in &self.roster.components {
            if self.only.as_ref().is_none_or(|only| *only == listed.name) {
                running.component(listed);
            }
        }
        running.report
    }
}

type Place<'a> = (&'a str, &'a str, Option<&'a Value>);

struct Running<'k, 'l> {
    kit: &'k Kit,
    report: Report,
    listen: &'l mut dyn FnMut(Event),
}

impl Running<'_, '_> {
    /// The component under its defaults, its examples and the configurations that were given.
    fn component(&mut self, listed: &Listed) {
        let given = self.kit.configurations.get(&listed.name).into_iter().flatten();
        let more: Vec<&Value> = listed.examples().iter().chain(given).collect();
        let defaults = listed.defaults().cloned().map(Value::Object);
        if defaults.is_some() || more.is_empty() {
            self.configured(listed, None, defaults.unwrap_or(Value::Null));
        }
        for config in more {
            self.configured(listed, Some(config), config.clone());
        }
    }

    fn configured(&mut self, listed: &Listed, shown: Option<&Value>, config: Value) {
        let place = (listed.kind_name(), listed.name.as_str(), shown);
        let mut given_up = self.kit.given_up.iter();
        if given_up.any(|(kind, name, config)| (&**kind, &**name, config.as_ref()) == place) {
            return;
        }
        let required = config.is_null();
        let subject = Subject::new(self.kit, listed, &config, shown.is_some());
        for (name, run) in checks(listed.kind) {
            if required && name != "description" {
                // Only what needs no configuration.
                let text = "not exercised: it has required keys, and its schema no `examples`";
                self.check(place, CREATE, &|| Err(Stop::Skipped(text.to_owned())));
                return;
            }
            let passed = self.check(place, name, &|| run(&subject));
            if name == CREATE && !passed {
                return;
            }
        }
    }

    /// Runs one check; true if it passed, now or before.
    fn check(&mut self, place: Place<'_>, name: &str, run: &dyn Fn() -> Answer) -> bool {
        let (kind, component, config) = place;
        if let Some(outcome) = self.known(place, name) {
            return outcome == Outcome::Passed;
        }
        (self.listen)(Event::Entering {
            kind: kind.to_owned(),
            name: component.to_owned(),
            config: config.cloned(),
            check: name.to_owned(),
        });
        let start = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err(Stop::Failed("the kit panicked over it".to_owned())));
        let (outcome, detail) = match answer {
            Ok(detail) => (Outcome::Passed, detail),
            Err(Stop::Failed(detail)) => (Outcome::Failed, detail),
            Err(Stop::Refused(error)) => (Outcome::Failed, told(&error)),
            Err(Stop::Skipped(detail)) => (Outcome::Skipped, detail),
        };
        let took_s = start.elapsed().as_secs_f64();
        let check = Check { name: name.to_owned(), outcome, detail, took_s };
        self.report.add(kind, component, config, check.clone());
        (self.listen)(Event::Finished {
            kind: kind.to_owned(),
            name: component.to_owned(),
            config: config.cloned(),
            check,
        });
        outcome == Outcome::Passed
    }

    fn known(&self, (kind, name, config): Place<'_>, check: &str) -> Option<Outcome> {
        let done = self.kit.done.as_ref()?;
        let same = done.components.iter().find(|component| {
            component.kind == kind && component.name == name && component.config.as_ref() == config
        })?;
        same.checks.iter().find(|known| known.name == check).map(|known| known.outcome)
    }
}

/// Checks a plugin that is linked into this test.
///
/// # Panics
/// With the report, if a check failed or the plugin does not start.
pub fn assert_conforms(root: Plugin_Ref) {
    let report = match Kit::linked(root) {
        Ok(kit) => kit.run(),
        Err(error) => panic!("{error}"),
    };
    assert!(report.passed(), "{report}");
}
