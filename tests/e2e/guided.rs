//! Sweeps that decide while they run: seeds that are added, and variants that are stopped early.

use crate::harness::Place;

#[test]
fn seeds_are_added_until_the_interval_is_narrow_or_there_are_enough() {
    let place = Place::new();
    // No two trainings agree so well in their loss.
    let narrow = "sweep.seeds={start=2, max=4, until_ci_half_width=1e-12, metric=\"loss\"}";
    let swept = place.ablate(&["sweep", "pooling", narrow]).expect(0);
    assert!(swept.stderr.contains("the most allowed"), "{}", swept.stderr);
    assert_eq!(place.runs().len(), 8);
    let table = place.ablate(&["table", "pooling", narrow, "--format", "json"]).expect(0).json();
    let n: Vec<_> = table["rows"].as_array().unwrap().iter().map(|row| row["n"].clone()).collect();
    assert!(n.iter().all(|n| *n == 4), "{n:?}");
    // By its name, from what was recorded.
    fs_err::rename(place.path("pooling"), place.path("moved")).unwrap();
    let named = place.ablate(&["table", "pooling", "--format", "json"]).expect(0).json();
    assert_eq!(named["rows"], table["rows"]);
    fs_err::rename(place.path("moved"), place.path("pooling")).unwrap();
    // A width that two seeds have already: nothing is added.
    let other = Place::new();
    let wide = "sweep.seeds={start=2, max=4, until_ci_half_width=1000}";
    let swept = other.ablate(&["sweep", "pooling", wide]).expect(0);
    assert!(swept.stderr.contains("settled mean"), "{}", swept.stderr);
    assert_eq!(other.runs().len(), 4);
    // The same command again runs nothing, and one that asks for more goes on.
    other.ablate(&["sweep", "pooling", wide]).expect(0);
    assert_eq!(other.runs().len(), 4);
    other.ablate(&["sweep", "pooling", narrow]).expect(0);
    assert_eq!(other.runs().len(), 8);
}

/// Learning rates from useless to good; what is good after one epoch is told by the loss.
const COMPETITION: [&str; 4] = [
    "train.total_epochs=4",
    "sweep.variant=false",
    "sweep.one_at_a_time={ \"train.optimizer.learning_rate\" = [1e-9, 1e-8, 1e-7, 1e-6, 1e-5] }",
    "sweep.halving={ metric = \"loss\", min_epochs = 1, reduction = 2 }",
];

#[test]
fn hopeless_variants_are_stopped_early_and_never_stand_in_the_table() {
    let place = Place::new();
    let words = [&["sweep", "pooling"], &COMPETITION[..], &["sweep.seeds=[0, 1]"]].concat();
    let swept = place.ablate(&words).expect(0);
    let runs = place.runs();
    assert_eq!(runs.len(), 12);
    let done: Vec<_> = runs.iter().filter(|run| run.status() == "done").collect();
    // Rungs at 1, 2 and 4 epochs: of five competitors two go on, then one, beside the baseline.
    assert_eq!(done.len(), 4, "{}", swept.stderr);
    assert_eq!(done.iter().filter(|run| run.variant == "attentive").count(), 2);
    let json =
        [&["table", "pooling"], &COMPETITION[..], &["sweep.seeds=[0, 1]", "--format", "json"]]
            .concat();
    let table = place.ablate(&json).expect(0).json();
    for row in table["rows"].as_array().unwrap() {
        let variant = row["variant"].as_str().unwrap();
        let finished = done.iter().any(|run| run.variant == variant);
        assert_eq!(row["mean"].is_number(), finished, "{row}");
    }
    // A survivor has the same numbers as if it had run alone.
    let survivor = done.iter().find(|run| run.variant != "attentive").unwrap();
    let alone = Place::new();
    let single =
        [&["run", "pooling"], &COMPETITION[..], &["--variant", &survivor.variant]].concat();
    alone.ablate(&single).expect(0);
    assert_eq!(alone.runs()[0].results(), survivor.results());
    // The same command again decides the same and runs nothing.
    place.ablate(&words).expect(0);
    let again: Vec<_> =
        place.runs().iter().map(|run| (run.id.clone(), run.status().to_owned())).collect();
    let before: Vec<_> = runs.iter().map(|run| (run.id.clone(), run.status().to_owned())).collect();
    assert_eq!(again, before);
}
