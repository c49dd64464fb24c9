//! What is published after training: which items in which order, in which state, and what can go wrong.

use std::fmt::Write;

use ablate_abi::v1::{
    CallOutput, Metric, MetricValue, NamedTensor, PluginError, RErr, ROk, RResult, RStr, RString,
    RVec,
};
use ablate_config::Spec;
use ablate_train::{CheckpointKind, Outcome, Published};
use serde_json::{Value, json};

use crate::harness::{Folder, Memory, Ran, bound, chain, component, fresh, go_on, spec};

/// Publishes the ids that it was told and the predictions that came with them.
#[derive(Default)]
pub(crate) struct List {
    fault: String,
    next: Vec<String>,
    lines: Vec<String>,
}

impl List {
    /// With the fault `nan`, `items`, `publish`, `nothing`, `folder`, or none.
    pub(crate) fn new(config: &Value) -> Self {
        let fault = config["fault"].as_str().unwrap_or_default().to_owned();
        Self { fault, ..Self::default() }
    }
}

impl Metric for List {
    fn update(&mut self, inputs: RVec<NamedTensor>, _: RVec<RString>) -> RResult<(), PluginError> {
        let predictions = inputs[0].tensor.as_slice::<f32>().unwrap();
        assert_eq!(predictions.len(), self.next.len(), "ids come before their batch");
        let rows = self.next.drain(..).zip(predictions);
        self.lines.extend(rows.map(|(id, prediction)| format!("{id} {prediction}")));
        ROk(())
    }

    fn merge(&mut self, _: RVec<u8>) -> RResult<(), PluginError> {
        RErr(PluginError::unsupported("not needed"))
    }

    fn state(&self) -> RResult<RVec<u8>, PluginError> {
        RErr(PluginError::unsupported("not needed"))
    }

    fn compute(&self) -> RResult<RVec<MetricValue>, PluginError> {
        let value = if self.fault == "nan" { f64::NAN } else { self.lines.len() as f64 };
        let value = |name: &str| MetricValue {
            name: name.into(),
            value,
            unit: RString::new(),
            direction: 1,
        };
        ROk(vec![value(""), value("again")].into())
    }

    fn reset(&mut self) -> RResult<(), PluginError> {
        self.lines.clear();
        self.next.clear();
        ROk(())
    }

    fn call(
        &mut self,
        name: RStr<'_>,
        json: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        let arguments: Value = serde_json::from_str(json.as_str()).unwrap();
        match (name.as_str(), self.fault.as_str()) {
            ("items", "items") => return RErr(PluginError::data("an id is there twice")),
            ("items", _) => {
                let split = arguments["split"].as_str().unwrap();
                let ids = arguments["ids"].as_array().unwrap().iter();
                self.next = ids.map(|id| format!("{split}/{}", id.as_str().unwrap())).collect();
            }
            ("publish", "publish") => return RErr(PluginError::other("no ink")),
            ("publish", "nothing") => {}
            ("publish", fault) => {
                let path = arguments["path"].as_str().unwrap();
                match fault {
                    "folder" => fs_err::create_dir(path).unwrap(),
                    _ => fs_err::write(path, self.lines.join("\n")).unwrap(),
                }
            }
            (other, _) => panic!("unexpected call `{other}`"),
        }
        ROk(CallOutput { json: "null".into(), tensors: RVec::new() })
    }
}

fn artifact(name: &str, config: Value, splits: Value) -> Value {
    json!({
        "name": name, "component": component("list", config), "inputs": { "target": "y" },
        "splits": splits,
    })
}

/// The usual spec with these artifacts.
fn with(artifacts: Value, change: impl FnOnce(&mut Value)) -> Spec {
    spec(|json| {
        json["artifacts"] = artifacts;
        change(json);
    })
}

fn ids(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.split(' ').next().unwrap()).collect()
}

fn read(published: &Published) -> String {
    fs_err::read_to_string(&published.path).unwrap()
}

/// What the model predicts for a row of the table with its weights at the end.
fn predicted(ran: &Ran, split: &str, index: u64) -> f32 {
    let table = crate::dataset::Table {
        splits: Vec::new(),
        width: 3,
        outputs: 1,
        damaged: None,
        cancels: None,
    };
    let (x, _) = table.row(split, index);
    x.iter().zip(ran.weights()).map(|(x, weight)| x * weight).sum()
}

#[test]
fn every_item_is_published_once_in_order_in_the_last_state() {
    let ran = fresh(&with(
        json!([
            artifact("all", json!({}), Value::Null),
            artifact("some", json!({}), json!(["test", "train"]))
        ]),
        |_| {},
    ));
    let published = &ran.finished().artifacts;
    let named: Vec<_> = published.iter().map(|p| (p.name.as_str(), p.component.as_str())).collect();
    assert_eq!(named, [("all", "list"), ("some", "list")]);
    assert!(published[0].path.ends_with("all/list.txt"), "{published:?}");
    let expected = |splits: &[(&str, u64)]| -> Vec<String> {
        let rows =
            splits.iter().flat_map(|(split, count)| (0..*count).map(move |row| (split, row)));
        rows.map(|(split, row)| format!("{split}/row-{row}")).collect()
    };
    let (all, some) = (read(&published[0]), read(&published[1]));
    assert_eq!(ids(&all), expected(&[("train", 30), ("valid", 8), ("test", 9)]));
    // In the order of the dataset, whatever the spec says.
    assert_eq!(ids(&some), expected(&[("train", 30), ("test", 9)]));
    for line in all.lines() {
        let (id, value) = line.split_once(' ').unwrap();
        let (split, row) = id.split_once("/row-").unwrap();
        let (value, expected) =
            (value.parse::<f32>().unwrap(), predicted(&ran, split, row.parse().unwrap()));
        assert!((value - expected).abs() < 1e-5, "{line}: {expected}");
    }
    // Batches of 4: ⌈30/4⌉, ⌈8/4⌉, ⌈9/4⌉; each split is gone through once for both.
    let batches =
        |split: &'static str, count: u64| (1..=count).map(move |b| (split.to_owned(), b, count));
    let expected: Vec<_> =
        batches("train", 8).chain(batches("valid", 2)).chain(batches("test", 3)).collect();
    assert_eq!(ran.memory.published, expected);
}

#[test]
fn what_it_measured_stands_beside_the_final_values() {
    let ran = fresh(&with(json!([artifact("ids", json!({}), json!(["test"]))]), |_| {}));
    let finals = ran.finished().finals.iter().filter(|one| one.measurement.split == "all");
    let finals: Vec<_> = finals
        .map(|one| {
            let measured = &one.measurement;
            (one.checkpoint, measured.metric.as_str(), measured.value, measured.step)
        })
        .collect();
    let last = CheckpointKind::Last;
    assert_eq!(finals, [(last, "ids", 9.0, 24), (last, "ids/again", 9.0, 24)]);
}

#[test]
fn training_and_evaluation_do_not_change() {
    let (plain, with) = (
        fresh(&spec(|_| {})),
        fresh(&with(json!([artifact("a", json!({}), Value::Null)]), |_| {})),
    );
    assert_eq!(plain.weights(), with.weights());
    assert_eq!(plain.memory.measurements, with.memory.measurements);
    let others = |ran: &Ran| -> Vec<_> {
        let finals = ran.finished().finals.iter().filter(|one| one.measurement.split != "all");
        finals.cloned().collect()
    };
    assert_eq!(others(&plain), others(&with));
    assert!(plain.finished().artifacts.is_empty() && plain.memory.published.is_empty());
}

#[test]
fn the_best_state_is_published_when_the_report_is_about_that() {
    // Worse and worse: the first of three evaluations is the best.
    let script = |json: &mut Value| {
        json["metrics"][0]["component"]["config"]["script"] = json!([1.0, 2.0, 3.0, 4.0]);
        json["report"]["checkpoint"] = json!("best");
    };
    let artifacts = json!([artifact("ids", json!({}), json!(["test"]))]);
    let best = fresh(&with(artifacts.clone(), script));
    let finished = best.finished();
    assert_eq!(finished.best.unwrap().step, 8);
    let tagged: Vec<_> = finished
        .finals
        .iter()
        .filter(|one| one.measurement.split == "all")
        .map(|one| (one.checkpoint, one.measurement.step))
        .collect();
    assert_eq!(tagged, [(CheckpointKind::Best, 8), (CheckpointKind::Best, 8)]);
    // One epoch is all that the best state has seen.
    let one = fresh(&with(artifacts.clone(), |json| json["train"]["total_epochs"] = json!(1)));
    let three = fresh(&with(artifacts, |_| {}));
    let text = |ran: &Ran| read(&ran.finished().artifacts[0]);
    assert_eq!(text(&best), text(&one));
    assert_ne!(text(&best), text(&three));
    assert_eq!(best.weights(), three.weights(), "training ends in the last state");
}

#[test]
fn asked_to_stop_it_stops_and_publishes_the_same_later() {
    let spec = with(json!([artifact("ids", json!({}), Value::Null)]), |_| {});
    let whole = fresh(&spec);
    let mut folder = Folder::new();
    let memory = Memory { stop_publishing_after: Some(3), ..Memory::default() };
    let stopped = go_on(&spec, memory, &mut folder);
    assert!(matches!(stopped.outcome, Ok(Outcome::Stopped { step: 24 })), "{:?}", stopped.outcome);
    assert!(stopped.memory.artifacts.is_none(), "nothing is written before all is seen");
    let resumed = go_on(&spec, Memory::default(), &mut folder);
    assert_eq!(read(&resumed.finished().artifacts[0]), read(&whole.finished().artifacts[0]));
    assert_eq!(resumed.finished().finals, whole.finished().finals);
}

#[test]
fn says_what_is_wrong() {
    let failed = |config: Value| {
        let ran = fresh(&with(json!([artifact("ids", config, Value::Null)]), |_| {}));
        (ran.error(), ran.memory)
    };
    let (nan, memory) = failed(json!({ "fault": "nan" }));
    assert_eq!(nan, "`artifact.ids` (`list`): `ids` is NaN on split `all`");
    assert!(memory.values("ids", "all")[0].1.is_nan(), "it is recorded");
    let (error, _) = failed(json!({ "fault": "items" }));
    let expected = "`artifact.ids` (`list`) failed to take the ids of a batch of split `train`: an id is there twice";
    assert_eq!(error, expected);
    let (error, _) = failed(json!({ "fault": "publish" }));
    assert_eq!(error, "`artifact.ids` (`list`) failed to publish `list.txt`: no ink");
    for (fault, problem) in
        [("nothing", "there is no such file"), ("folder", "what is there is no ordinary file")]
    {
        let (error, _) = failed(json!({ "fault": fault }));
        assert!(error.starts_with("`artifact.ids` (`list`) did not publish `"), "{error}");
        assert!(error.ends_with(&format!("/ids/list.txt`: {problem}")), "{error}");
    }
}

#[test]
fn a_split_that_there_is_not_is_refused_before_the_first_step() {
    let ran = fresh(&with(json!([artifact("ids", json!({}), json!(["tset"]))]), |_| {}));
    let error = ran.outcome.as_ref().unwrap_err();
    let mut text = chain(error);
    for hint in error.hints() {
        let _ = write!(text, "\nhint: {hint}");
    }
    assert_eq!(
        text,
        "`artifact.ids` (`list`) is of the split `tset`, which `dataset` (`table`) does not have\n\
         hint: did you mean `test`?\n\
         hint: its splits are `train`, `valid`, `test`"
    );
    assert!(ran.memory.measurements.is_empty() && ran.memory.checkpoints.is_empty());
}

#[test]
fn wires_are_checked_like_those_of_metrics() {
    let refused = |change: fn(&mut Value)| {
        let artifacts = json!([artifact("ids", json!({}), Value::Null)]);
        chain(&bound(&with(artifacts, change)).unwrap_err())
    };
    let error = refused(|json| json["artifacts"][0]["inputs"] = json!({ "target": "z" }));
    let expected =
        "input `target` of `artifact.ids` (`list`) is wired to `z`, which is not given: ";
    assert!(error.starts_with(expected), "{error}");
    let error = refused(|json| json["artifacts"][0]["inputs"] = json!({ "tarket": "y" }));
    assert_eq!(error, "`artifact.ids` (`list`) has no input `tarket`");
    let error = refused(|json| json["artifacts"][0]["inputs"] = json!({}));
    assert!(
        error.starts_with("`artifact.ids` (`list`) needs the input `target: f32[B, O]`"),
        "{error}"
    );
    let error = refused(|json| json["artifacts"][0]["component"]["use"] = json!("error"));
    assert_eq!(error, "`artifact.ids` (`error`) publishes nothing: its contract names no file");
    let error = refused(|json| {
        json["artifacts"][0]["component"]["config"]["file"] = json!("../list.txt");
    });
    let expected = "the contract of `artifact.ids` (`list`) cannot be read: it publishes \
                    `../list.txt`, which is no name of a file";
    assert_eq!(error, expected);
}
