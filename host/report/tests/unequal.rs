//! What must not be mixed silently: configurations, numbers of seeds, variants that were stopped early.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ablate_report::{
    AbsentVariant, ChangePair, MetricColumn, PrunedTrial, SeedValue, SequentialSeeds, Table,
    TableInput, View,
};

/// A variant's value is its level plus a wave over the seeds, the same for all variants but for its phase.
fn input(variants: &[(&str, f64)], seeds: u64) -> TableInput {
    let mut input = TableInput {
        experiment: "pooling".into(),
        baseline: variants[0].0.into(),
        variants: variants.iter().map(|(name, _)| (*name).into()).collect(),
        seeds: (0..seeds).collect(),
        metrics: vec![MetricColumn {
            name: "score".into(),
            split: "test".into(),
            higher_is_better: Some(true),
            objective: true,
            ..MetricColumn::default()
        }],
        checkpoint: "last".into(),
        ..TableInput::default()
    };
    for (phase, (name, level)) in variants.iter().enumerate() {
        for seed in 0..seeds {
            input.cells.push(SeedValue {
                variant: (*name).into(),
                seed,
                metric: "score".into(),
                split: "test".into(),
                value: level + ((seed * 3 + phase as u64) % 5) as f64 / 16.0,
                run: format!("{name}-{seed}"),
                configuration: (*name).into(),
                ..SeedValue::default()
            });
        }
    }
    input
}

fn notes(input: TableInput) -> Vec<String> {
    Table::new(input).unwrap().notes()
}

#[test]
fn two_configurations_of_one_variant_are_refused() {
    let mut input = input(&[("mean", 1.0), ("window", 2.0)], 4);
    input.cells[6].configuration = "window before the rebuild".into();
    let error = Table::new(input).unwrap_err();
    assert_eq!(
        error.to_string(),
        "variant `window` mixes configurations: runs `window-0` and `window-2`"
    );
    assert_eq!(error.hints(), ["`ablate diff window-0 window-2` says in what they differ"]);
}

#[test]
fn unequal_numbers_are_accepted_only_when_asked() {
    let mut input = input(&[("mean", 1.0), ("window", 2.0), ("max", 1.5)], 8);
    input.cells.retain(|cell| cell.variant != "window" || cell.seed < 6);
    let table = Table::new(input.clone()).unwrap();
    assert!(!table.complete() && !table.accepted());
    let said = table.notes();
    assert!(
        said.contains(
            &"incomplete: a difference uses only the seeds that both variants have".into()
        )
    );
    assert!(said.contains(&"missing: `window` seed 7: no values".into()), "{said:#?}");
    input.view = View { allow_unequal: true, ranks: true, ..View::default() };
    let table = Table::new(input).unwrap();
    assert!(!table.complete() && table.accepted());
    let said = table.notes();
    for note in [
        "incomplete, as allowed: a difference uses only the seeds that both variants have",
        "ranks and Friedman's test use 6 of 8 seeds",
        "missing: `window` seed 6: no values",
    ] {
        assert!(said.contains(&note.to_owned()), "{note} in {said:#?}");
    }
    assert!(
        said.iter().any(|note| note.contains("(6 to 8 pairs), Holm-corrected over 2 variants")),
        "{said:#?}"
    );
    let pairs: Vec<usize> = table.rows().iter().map(|row| row.pairs).collect();
    assert_eq!(pairs, [0, 6, 8]);
}

#[test]
fn holm_counts_variants_that_have_no_result_yet() {
    let variants = [("mean", 1.0), ("window", 2.0), ("max", 1.5), ("min", 1.0)];
    let mut input = input(&variants, 8);
    let all = Table::new(input.clone()).unwrap();
    input.cells.retain(|cell| cell.variant != "max" && cell.variant != "min");
    let some = Table::new(input).unwrap();
    let p = |table: &Table| table.rows().iter().find(|row| row.variant == "window").unwrap().p_holm;
    // The smallest of three: 2 / 2^8 times 3, whether or not the other two are there.
    assert_eq!((p(&all), p(&some)), (Some(6.0 / 256.0), Some(6.0 / 256.0)));
}

#[test]
fn a_pruned_variant_is_named_and_not_averaged() {
    let mut input = input(&[("mean", 1.0), ("window", 2.0), ("max", 1.5)], 4);
    // Two of its seeds ran to the end.
    input.cells.retain(|cell| cell.variant != "max" || cell.seed < 2);
    for (seed, epoch) in [(2, 1), (3, 3)] {
        input.pruned.push(PrunedTrial {
            variant: "max".into(),
            seed,
            epoch,
            ..PrunedTrial::default()
        });
    }
    let table = Table::new(input).unwrap();
    assert!(table.complete());
    let row = table.rows().iter().find(|row| row.variant == "max").unwrap();
    assert_eq!((row.n, row.mean, row.p, row.rank, row.pruned), (0, None, None, None, Some(3)));
    let text = table.term(100, false);
    assert!(text.contains("max      pruned  –"), "{text}");
    assert!(
        text.contains("`max` was pruned at epoch 3 (seeds 2, 3): its values are left out"),
        "{text}"
    );
}

#[test]
fn sequential_seeds_differ_by_design() {
    let mut input = input(&[("mean", 1.0), ("window", 2.0)], 6);
    input.cells.retain(|cell| cell.variant != "window" || cell.seed < 4);
    input.sequential = Some(SequentialSeeds { half_width: Some(0.5), max: 6 });
    let table = Table::new(input).unwrap();
    assert!(table.complete());
    let text = table.term(100, false);
    assert!(text.contains("window   4  ") && !text.contains("4/6"), "{text}");
    assert!(
        text.contains("seeds added until the interval's half width was ≤ 0.5, at most 6"),
        "{text}"
    );
}

#[test]
fn what_a_group_lacks_by_design_is_not_missing() {
    let mut input = input(&[("mean", 1.0), ("window", 2.0)], 4);
    let (metrics, cells) = (std::mem::take(&mut input.metrics), std::mem::take(&mut input.cells));
    for group in ["read", "spontaneous"] {
        let column = |metric: &MetricColumn| MetricColumn { group: group.into(), ..metric.clone() };
        input.metrics.extend(metrics.iter().map(column));
        input.cells.extend(
            cells
                .iter()
                .filter(|cell| cell.variant == "mean" || group == "read")
                .map(|cell| SeedValue { group: group.into(), ..cell.clone() }),
        );
    }
    assert!(!Table::new(input.clone()).unwrap().complete());
    input.absent.push(AbsentVariant { variant: "window".into(), group: "spontaneous".into() });
    assert!(Table::new(input.clone()).unwrap().complete());
    let said = notes(input);
    assert!(
        said.contains(&"`window` on `spontaneous` is not part of the sweep".into()),
        "{said:#?}"
    );
}

#[test]
fn interactions_stand_under_the_table() {
    let mut input = input(&[("full", 2.0), ("-a", 1.0), ("-b", 1.5), ("-a-b", 1.0)], 8);
    input.pairs.push(ChangePair { first: "-a".into(), second: "-b".into(), both: "-a-b".into() });
    let table = Table::new(input).unwrap();
    let [interaction] = table.interactions() else { panic!("{:?}", table.interactions()) };
    // Levels: (1 - 2) - (1 - 2) - (1.5 - 2) = 0.5; the waves add what they add.
    let waves =
        |phase: u64| (0..8).map(|seed| ((seed * 3 + phase) % 5) as f64 / 16.0).sum::<f64>() / 8.0;
    let expected = 0.5 + waves(3) - waves(1) - waves(2) + waves(0);
    assert!((interaction.delta.unwrap() - expected).abs() < 1e-12);
    let text = table.term(120, false);
    assert!(text.contains("interaction     score: Δab − Δa − Δb [95 %]"), "{text}");
    assert!(text.contains("a = -a, b = -b  +0.50"), "{text}");
    assert!(text.contains("interaction: what changes a and b do together"), "{text}");
    let latex = table.latex();
    assert!(latex.contains("\"part\":\"interactions\""), "{latex}");
    assert!(latex.contains("$\\Delta$ab $-$ $\\Delta$a $-$ $\\Delta$b"), "{latex}");
}

#[test]
fn many_missing_trials_are_counted() {
    let mut input = input(&[("mean", 1.0), ("window", 2.0)], 30);
    input.cells.retain(|cell| cell.variant == "mean");
    let table = Table::new(input).unwrap();
    let said = table.notes();
    assert_eq!(said.iter().filter(|note| note.starts_with("missing: `window`")).count(), 20);
    assert_eq!(said.last().unwrap(), "missing: 10 more, all of them in the JSON form");
    let json: serde_json::Value = serde_json::from_str(&table.json()).unwrap();
    assert_eq!(json["missing"].as_array().unwrap().len(), 30);
}
