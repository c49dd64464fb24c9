//! Metrics that publish, as the host calls them.

use super::*;
use crate::{Entry, NoConfig};

/// Lists the ids of what it saw.
#[derive(Default)]
struct Ids(Vec<String>);

/// The same without a file.
struct Silent;

impl Metric for Ids {
    type Config = NoConfig;
    const NAME: &'static str = "ids";
    const DOC: &'static str = "Lists the ids of what it saw.";
    const PUBLISHES: Option<&'static str> = Some("ids.txt");

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(Contract::new().input("x: f32[B]"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn items(&mut self, split: &str, ids: &[String]) -> Result<(), Error> {
        self.0.extend(ids.iter().map(|id| format!("{split}/{id}")));
        Ok(())
    }

    fn publish(&self, path: &Path) -> Result<(), Error> {
        let written = std::fs::write(path, self.0.join("\n"));
        written.map_err(|error| Error::other(error.to_string()))
    }

    fn update(&mut self, _: &Arrays, _: &[String]) -> Result<(), Error> {
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        Ok(Vec::new())
    }

    fn reset(&mut self) {}

    fn state(&self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn merge(&mut self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

impl Metric for Silent {
    type Config = NoConfig;
    const NAME: &'static str = "silent";
    const DOC: &'static str = "Writes nothing.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(Contract::new().input("x: f32[B]"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self)
    }

    fn update(&mut self, _: &Arrays, _: &[String]) -> Result<(), Error> {
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        Ok(Vec::new())
    }

    fn reset(&mut self) {}

    fn state(&self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn merge(&mut self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

fn call<M: Metric>(metric: &mut ServedMetric<M>, name: &str, json: &str) -> Result<String, Error> {
    let answer = v1::Metric::call(metric, name.into(), json.into(), RVec::new()).into_result();
    answer.map(|answer| answer.json.into())
}

#[test]
fn writes_what_it_was_told_to_the_path_that_it_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ids.txt");
    let mut metric = ServedMetric(Ids::default());
    call(&mut metric, "items", r#"{"split":"train","ids":["b","a"]}"#).expect("takes ids");
    call(&mut metric, "items", r#"{"split":"test","ids":["c"],"later":1}"#).expect("takes ids");
    let json = serde_json::json!({ "path": path }).to_string();
    call(&mut metric, "publish", &json).expect("writes");
    assert_eq!(std::fs::read_to_string(path).expect("is there"), "train/b\ntrain/a\ntest/c");
}

#[test]
fn a_metric_that_only_measures_has_no_such_calls() {
    for name in ["items", "publish"] {
        let error = call(&mut ServedMetric(Silent), name, "{}").expect_err("must fail");
        assert_eq!(error.to_string(), format!("metrics have no call `{name}`"));
        assert!(error.kind == crate::ErrorKind::UNSUPPORTED);
    }
}

#[test]
fn arguments_that_are_not_of_the_call_are_an_error() {
    let error = call(&mut ServedMetric(Ids::default()), "publish", "null").expect_err("must fail");
    assert!(error.to_string().starts_with("arguments of the call `publish`: "), "{error}");
}

#[test]
fn contract_and_description_say_the_file_of_those_that_publish() {
    let (ids, silent) = (Entry::metric::<Ids>(), Entry::metric::<Silent>());
    assert_eq!((ids.contract)("{}").expect("a contract")["publishes"], "ids.txt");
    assert_eq!(ids.describe()["publishes"], "ids.txt");
    assert!((silent.contract)("{}").expect("a contract").get("publishes").is_none());
    assert!(silent.describe().get("publishes").is_none());
}
