//! Effect sizes, interquartile means, ranks, Friedman's test and interactions against what SciPy, statsmodels and
//! NumPy computed; `data/overall.py` made the numbers.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ablate_report::{ChangePair, MetricColumn, SeedValue, Table, TableInput, View};
use serde_json::Value;

fn variant(index: u64) -> String {
    format!("v{index}")
}

fn table(case: &Value) -> Table {
    let groups = case["values"].as_array().unwrap();
    let variants = groups[0].as_array().unwrap().len();
    let seeds = groups[0][0].as_array().unwrap().len();
    let mut input = TableInput {
        experiment: "golden".into(),
        baseline: variant(0),
        variants: (0..variants as u64).map(variant).collect(),
        seeds: (0..seeds as u64).collect(),
        checkpoint: "last".into(),
        view: View { iqm: true, ranks: true, ..View::default() },
        ..TableInput::default()
    };
    for (group, values) in groups.iter().enumerate() {
        input.metrics.push(MetricColumn {
            name: "score".into(),
            split: "test".into(),
            group: format!("g{group}"),
            higher_is_better: case["higher_is_better"].as_bool(),
            objective: true,
            ..MetricColumn::default()
        });
        for (index, own) in values.as_array().unwrap().iter().enumerate() {
            for (seed, value) in own.as_array().unwrap().iter().enumerate() {
                input.cells.extend(value.as_f64().map(|value| SeedValue {
                    variant: variant(index as u64),
                    seed: seed as u64,
                    metric: "score".into(),
                    split: "test".into(),
                    group: format!("g{group}"),
                    value,
                    run: format!("{group}-{index}-{seed}"),
                    ..SeedValue::default()
                }));
            }
        }
    }
    for pair in case["pairs"].as_array().unwrap() {
        let [first, second, both] = [0, 1, 2].map(|index| variant(pair[index].as_u64().unwrap()));
        input.pairs.push(ChangePair { first, second, both });
    }
    Table::new(input).unwrap()
}

#[track_caller]
fn check(what: &str, found: &Value, expected: &Value, tolerance: f64) {
    match (found.as_f64(), expected.as_f64()) {
        (None, None) => {}
        (Some(found), Some(expected)) => assert!(
            (found - expected).abs() <= tolerance * expected.abs().max(1e-3),
            "{what}: {found} instead of {expected}"
        ),
        _ => panic!("{what}: {found} instead of {expected}"),
    }
}

fn check_all(what: &str, found: &Value, expected: &Value, fields: &[&str]) {
    for field in fields {
        check(&format!("{what}, {field}"), &found[field], &expected[field], 1e-8);
    }
}

#[test]
fn agrees_with_scipy_statsmodels_and_numpy() {
    let cases: Vec<Value> =
        serde_json::from_str(&fs_err::read_to_string("tests/data/overall.json").unwrap()).unwrap();
    assert!(cases.len() >= 30);
    let mut bootstraps = 0;
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let json: Value = serde_json::from_str(&table(case).json()).unwrap();
        let columns = case["columns"].as_array().unwrap();
        for (index, row) in json["rows"].as_array().unwrap().iter().enumerate() {
            let (variant, column) = (index / columns.len(), index % columns.len());
            let expected = &columns[column]["rows"][variant];
            let what = format!("{name}, {} in {}", row["variant"], row["group"]);
            let fields = [
                "delta", "ci_low", "ci_high", "p", "p_holm", "cohen_d", "hedges_g", "rank", "iqm",
                "iqm_low", "iqm_high",
            ];
            check_all(&what, row, expected, &fields);
            if name.starts_with("ties") {
                // There are few different means: the ends jump from one to the next.
                continue;
            }
            // SciPy draws other resamples: the ends differ by a part of the interval's width.
            if let (Some(low), Some(high)) =
                (expected["scipy_low"].as_f64(), expected["scipy_high"].as_f64())
            {
                bootstraps += 1;
                let width = high - low;
                for (end, other) in [("iqm_low", low), ("iqm_high", high)] {
                    let distance = (row[end].as_f64().unwrap() - other).abs();
                    assert!(distance <= 0.12 * width, "{what}: {end} is {distance} off");
                }
            }
        }
        for (index, test) in json["friedman"].as_array().unwrap().iter().enumerate() {
            check_all(name, test, &columns[index]["friedman"], &["statistic", "p"]);
        }
        for (index, found) in json["interactions"].as_array().unwrap().iter().enumerate() {
            let (pair, column) = (index / columns.len(), index % columns.len());
            let expected = &columns[column]["interactions"][pair];
            let fields = ["delta", "ci_low", "ci_high", "p", "p_holm"];
            check_all(&format!("{name}, interaction {pair}"), found, expected, &fields);
        }
        for (rank, expected) in
            json["ranks"].as_array().unwrap().iter().zip(case["mean_ranks"].as_array().unwrap())
        {
            check(&format!("{name}, mean rank"), &rank["mean_rank"], expected, 1e-12);
        }
        let pooled = json["iqm"].as_array().unwrap();
        assert_eq!(pooled.is_empty(), columns.len() == 1, "{name}");
        for (found, expected) in pooled.iter().zip(case["aggregates"].as_array().unwrap()) {
            check_all(&format!("{name}, pooled"), found, expected, &["iqm", "iqm_low", "iqm_high"]);
        }
    }
    assert!(bootstraps >= 20, "{bootstraps}");
}
