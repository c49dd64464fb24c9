//! The statistics against what SciPy and statsmodels computed; `data/statistics.py` made the numbers.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ablate_report::{MetricColumn, SeedValue, Table, TableInput};
use serde_json::Value;

fn table(case: &Value) -> Table {
    let rows = case["rows"].as_array().unwrap();
    let mut cells = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        for (seed, value) in row["values"].as_array().unwrap().iter().enumerate() {
            cells.push(SeedValue {
                variant: format!("v{index}"),
                seed: seed as u64,
                metric: "score".into(),
                split: "test".into(),
                value: value.as_f64().unwrap(),
                run: format!("v{index}-{seed}"),
                ..SeedValue::default()
            });
        }
    }
    let metric = MetricColumn {
        name: "score".into(),
        split: "test".into(),
        higher_is_better: Some(true),
        objective: true,
        ..MetricColumn::default()
    };
    Table::new(TableInput {
        experiment: "golden".into(),
        baseline: "v0".into(),
        variants: (0..rows.len()).map(|index| format!("v{index}")).collect(),
        seeds: (0..rows[0]["values"].as_array().unwrap().len() as u64).collect(),
        metrics: vec![metric],
        cells,
        checkpoint: "last".into(),
        ..TableInput::default()
    })
    .unwrap()
}

/// Equal to nine digits, with an absolute part for what is zero but for rounding.
fn check(what: &str, found: Option<f64>, expected: &Value, scale: f64, tolerance: f64) {
    match (found, expected.as_f64()) {
        (None, None) => {}
        (Some(found), Some(expected)) => assert!(
            (found - expected).abs() <= tolerance * expected.abs().max(1e-3 * scale),
            "{what}: {found} instead of {expected}"
        ),
        _ => panic!("{what}: {found:?} instead of {expected}"),
    }
}

#[test]
fn agree_with_scipy_and_statsmodels() {
    let cases: Vec<Value> =
        serde_json::from_str(&fs_err::read_to_string("tests/data/statistics.json").unwrap())
            .unwrap();
    assert!(cases.len() >= 20);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let table = table(case);
        assert_eq!(table.rows().len(), case["rows"].as_array().unwrap().len());
        for (row, expected) in table.rows().iter().zip(case["rows"].as_array().unwrap()) {
            let scale = expected["mean"].as_f64().unwrap().abs();
            let what = |field: &str| format!("{name}, {}, {field}", row.variant);
            check(&what("mean"), row.mean, &expected["mean"], scale, 1e-9);
            check(&what("sd"), row.sd, &expected["sd"], scale, 1e-9);
            check(&what("delta"), row.delta, &expected["delta"], scale, 1e-9);
            check(&what("ci_low"), row.ci_low, &expected["ci_low"], scale, 1e-9);
            check(&what("ci_high"), row.ci_high, &expected["ci_high"], scale, 1e-9);
            // Drawn patterns: four standard errors of 100 000 draws around p = 0.04.
            let tolerance = if name.starts_with("sampled") { 0.06 } else { 1e-12 };
            check(&what("p"), row.p, &expected["p"], 1.0, tolerance);
            check(&what("p_holm"), row.p_holm, &expected["p_holm"], 1.0, tolerance);
        }
    }
}
