//! Tensor contracts as components write them, connected before anything runs.

use std::error::Error;

use ablate_train::{Bound, Contract, bind};
use serde_json::Value;

use crate::block::{Surroundings, spec};
use crate::said::{advice, chain};

/// Binds the contracts of a dataset, a model, a block and a loss, read from a JSON object.
pub fn contract(input: &[u8]) {
    let Ok(contracts) = serde_json::from_slice::<Value>(input) else { return };
    for written in contracts.as_object().into_iter().flat_map(|entries| entries.values()) {
        let Ok(contract) = serde_json::from_value::<Contract>(written.clone()) else { continue };
        let json = serde_json::to_value(&contract).expect("plain data is valid JSON");
        assert_eq!(serde_json::from_value::<Contract>(json).expect("written just now"), contract);
    }
    let spec = spec(contracts.get("block").is_some());
    let names = ["`dataset`", "`model`", "`model.inner`", "`loss.fit`"];
    match bind(&spec, &mut Surroundings::new(contracts)) {
        Ok(bound) => {
            let json = serde_json::to_string(&bound).expect("plain data is valid JSON");
            assert_eq!(serde_json::from_str::<Bound>(&json).expect("written just now"), bound);
        }
        Err(error) => {
            let text = chain(&error as &dyn Error);
            advice(&error.hints());
            assert!(names.iter().any(|name| text.contains(name)), "it names nobody: {text}");
        }
    }
}
