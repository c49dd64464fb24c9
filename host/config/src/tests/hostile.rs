//! What no honest file or plugin says, and what the host must survive all the same.

use std::sync::Arc;

use serde_json::json;

use super::{BASE, Folder};
use crate::{ComponentSchema, Schemas, SlotSchema, Unknown, resolve};

/// Every component has this schema and this slot.
struct Everything(ComponentSchema);

impl Schemas for Everything {
    fn component(
        &self,
        _: &str,
        _: &str,
        _: Option<&str>,
    ) -> Result<Arc<ComponentSchema>, Unknown> {
        Ok(Arc::new(self.0.clone()))
    }
}

const TEXT: &str =
    "dataset.use = \"d\"\nmodel.use = \"m\"\nloss.l.use = \"l\"\ntrain.total_epochs = 1\n";

fn error_of(text: &str, component: ComponentSchema) -> String {
    let folder = Folder::new(text);
    let experiment = folder.load(&[]).expect("the host's own keys are right");
    let error = resolve(experiment.tree(), &Everything(component)).expect_err("it is refused");
    folder.show(&error)
}

#[test]
fn a_slot_whose_default_holds_the_same_slot_is_refused() {
    let default = Some(json!({ "use": "a" }));
    let slot = SlotSchema { name: "inner".into(), role: "r".into(), default, ..Default::default() };
    let schema = json!({ "type": "object" });
    let text =
        error_of(TEXT, ComponentSchema { schema, slots: vec![slot], ..ComponentSchema::default() });
    assert!(text.contains("by their defaults, slots hold each other in a circle"), "{text}");
    assert!(text.contains("`a.inner` → `a.inner`"), "{text}");
    assert!(text.contains("hint: say what it holds: `dataset.inner"), "{text}");
}

#[test]
fn a_schema_that_leads_back_to_itself_is_refused() {
    let schema = json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] });
    let text = error_of(TEXT, ComponentSchema { schema, ..ComponentSchema::default() });
    assert_eq!(
        text,
        "the config schema of dataset `d` is not a valid JSON Schema: it refers to itself for one \
         and the same value"
    );
}

#[test]
fn blocks_and_values_that_are_nested_too_deep_are_refused() {
    let slot =
        SlotSchema { name: "s".into(), role: "r".into(), optional: true, ..Default::default() };
    let component = || ComponentSchema {
        schema: json!({ "type": "object", "additionalProperties": true }),
        slots: vec![slot.clone()],
        ..ComponentSchema::default()
    };
    let nested = |levels: usize| {
        let open = "{ use = \"b\", s = ".repeat(levels);
        format!("{TEXT}model.s = {open}{{ use = \"b\" }}{}\n", " }".repeat(levels))
    };
    let text = error_of(&nested(20), component());
    assert!(text.ends_with("blocks are nested deeper than 16 levels"), "{text}");
    let list = format!("{TEXT}model.x = {}{}\n", "[".repeat(50), "]".repeat(50));
    let text = error_of(&list, component());
    assert!(text.ends_with("`model`: values are nested deeper than 40 levels"), "{text}");
    let deep = Folder::new(TEXT);
    let keys = vec!["a"; 40].join(".");
    let error = deep.load(&[&format!("model.{keys}=1")]).expect_err("too deep");
    assert!(error.to_string().ends_with("it has more than 32 parts"), "{error}");
}

#[test]
fn messages_show_neither_control_characters_nor_pages_of_text() {
    let text = BASE.replace("latent_dim = 64", "\"latent\\u001b[31m\\ndim\" = 64");
    let error = Folder::new(&text).resolve(&[]).expect_err("an unknown key");
    let expected = r#"`model."latent\u001B[31m\u000Adim"`: unknown key"#;
    assert!(error.to_string().ends_with(expected), "{error}");
    let long = format!("latent_dim = \"a\\n{}\"", "b".repeat(10_000));
    let error = Folder::new(&BASE.replace("latent_dim = 64", &long)).resolve(&[]).unwrap_err();
    let text = error.to_string();
    assert!(text.len() < 1_000 && !text.contains(char::is_control), "{text}");
}
