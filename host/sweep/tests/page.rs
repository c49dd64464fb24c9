//! `experiments/SWEEPS.md` is true: every example on it means what stands below it.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;

use ablate_config::{Experiment, Layers, load};
use ablate_sweep::expand;

#[path = "catalog/components.rs"]
mod components;

/// An example, and the variants that stand below it.
struct Example {
    line: usize,
    toml: String,
    variants: Option<Vec<String>>,
}

fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        match kind {
            "toml" => {
                let toml = body.join("\n");
                examples.push(Example { line: number + 1, toml, variants: None });
            }
            "text" => {
                let last = examples.last_mut().unwrap();
                assert!(last.variants.is_none(), "two lists below line {}", last.line);
                last.variants = Some(body.into_iter().map(str::to_owned).collect());
            }
            _ => {}
        }
    }
    examples
}

fn page() -> Vec<Example> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/SWEEPS.md");
    examples(&fs_err::read_to_string(path).unwrap())
}

/// An example on top of the first one of the page.
fn experiment(first: &Example, example: &Example) -> Experiment {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("first.toml"), &first.toml).unwrap();
    let text = format!("extends = 'first.toml'\n{}", example.toml);
    fs_err::write(folder.path().join("experiment.toml"), text).unwrap();
    load(folder.path(), &Layers::default())
        .unwrap_or_else(|error| panic!("line {}: {error} {:?}", example.line, error.hints()))
}

#[test]
fn every_example_gives_the_variants_below_it() {
    let schemas = components::Components::read();
    let examples = page();
    for example in &examples {
        let experiment = experiment(&examples[0], example);
        let variants = expand(&experiment, &schemas)
            .unwrap_or_else(|error| panic!("line {}: {error} {:?}", example.line, error.hints()));
        let names: Vec<String> = variants
            .iter()
            .map(|variant| format!("{}{}", variant.name, if variant.baseline { "*" } else { "" }))
            .collect();
        if let Some(expected) = &example.variants {
            assert_eq!(names, *expected, "below line {}", example.line);
        }
    }
    assert!(examples.len() >= 15, "only {} examples were found", examples.len());
}

/// What is known about components is what the plugins say: see `components.rs`.
#[test]
fn the_components_of_the_page_are_those_of_the_pooling_experiment() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/pooling");
    let experiment = load(&path, &Layers::default()).unwrap();
    let variants = expand(&experiment, &components::Components::read()).unwrap();
    assert_eq!(variants.iter().filter(|variant| variant.baseline).count(), 1);
}
