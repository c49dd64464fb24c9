//! Forest plots.

use crate::sheet::{Sheet, measure, near};
use ablate_plot::{Error, Forest, ForestRow, forest};

const BETTER: &str = "#0072B2";
const WORSE: &str = "#D55E00";
const NEITHER: &str = "#5C5C5C";

pub(crate) fn row(variant: &str, delta: f64, half: f64, p: f64) -> ForestRow {
    ForestRow {
        variant: variant.into(),
        n: 8,
        delta: Some(delta),
        ci_low: Some(delta - half),
        ci_high: Some(delta + half),
        p_holm: Some(p),
    }
}

pub(crate) fn some_forest(rows: Vec<ForestRow>) -> Forest {
    Forest {
        experiment: "pooling".into(),
        measure: measure("utilization", Some(true)),
        baseline: "base".into(),
        rows,
        notes: Vec::new(),
    }
}

#[test]
fn marks_and_intervals_stand_where_their_values_are() {
    let rows = vec![
        row("worse", -0.25, 0.125, 0.02),
        row("alike", 0.0625, 0.25, 0.6),
        row("better", 0.5, 0.0625, 0.0001),
    ];
    let input = some_forest(rows);
    let sheet = Sheet::of(&forest(&input).unwrap());
    let across = sheet.columns();
    for (row, color) in input.rows.iter().zip([WORSE, NEITHER, BETTER]) {
        let (delta, low, high) = (row.delta.unwrap(), row.ci_low.unwrap(), row.ci_high.unwrap());
        let middle = sheet.text(&row.variant).y - 4.2 * 20.0;
        let mark = sheet
            .circles
            .iter()
            .find(|mark| (mark.y - middle).abs() < 3.0 && mark.radius == 100.0)
            .unwrap();
        near(mark.x, across(delta));
        assert_eq!(mark.color, color, "{}", row.variant);
        let ends = sheet.lines.iter().find(|line| {
            (line.points[0].1 - middle).abs() < 3.0 && line.points[0].1 == line.points[1].1
        });
        let ends = &ends.unwrap().points;
        near(ends[0].0, across(low));
        near(ends[1].0, across(high));
        // Where the difference is not significant, the mark has a hole.
        let hole = sheet.circles.iter().any(|dot| dot.color == "#FFFFFF" && dot.y == mark.y);
        assert_eq!(hole, color == NEITHER);
    }
    let zero = sheet.lines.iter().find(|line| line.color == "#222222").unwrap();
    near(zero.points[0].0, across(0.0));
    for text in [
        "Δ utilization",
        "−0.25",
        "+0.06",
        "+0.50",
        "[−0.38, −0.12]",
        "[−0.19, 0.31]",
        "0.020*",
        "0.600",
        "< 0.001*",
        "← worse",
        "better →",
        "difference to base",
    ] {
        assert!(sheet.has(text), "{text} in {:?}", sheet.texts);
    }
}

#[test]
fn lower_may_be_better() {
    let mut input = some_forest(vec![row("one", -0.5, 0.1, 0.01), row("two", 0.5, 0.1, 0.01)]);
    input.measure.higher_is_better = Some(false);
    let sheet = Sheet::of(&forest(&input).unwrap());
    let colors: Vec<&str> = sheet.circles.iter().map(|mark| mark.color.as_str()).collect();
    assert_eq!(colors, [BETTER, WORSE]);
    assert!(sheet.text("← better").x < sheet.text("worse →").x);
    input.measure.higher_is_better = None;
    let sheet = Sheet::of(&forest(&input).unwrap());
    assert!(sheet.circles.iter().all(|mark| mark.color == "#222222"));
    assert!(!sheet.has("← better"));
}

#[test]
fn what_cannot_be_computed_is_a_dash() {
    let empty = ForestRow {
        delta: None,
        ci_low: None,
        ci_high: None,
        p_holm: None,
        ..row("none", 0.0, 0.0, 0.0)
    };
    let single = ForestRow { ci_low: None, ci_high: None, n: 1, ..row("single", 0.5, 0.0, 1.0) };
    let sheet = Sheet::of(&forest(&some_forest(vec![empty.clone(), single])).unwrap());
    assert_eq!(sheet.texts.iter().filter(|text| text.words == "–").count(), 4);
    assert!(sheet.description.contains("No difference has p < 0.05."), "{}", sheet.description);
    assert!(sheet.description.contains("over 1 variant."), "{}", sheet.description);
    let few = ForestRow { n: 3, ..row("few", 0.5, 0.1, 0.25) };
    let sheet = Sheet::of(&forest(&some_forest(vec![few])).unwrap());
    assert!(sheet.description.ends_with("With 3 seeds no p can be below 0.25."));
    let error = forest(&some_forest(vec![empty])).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }), "{error}");
    assert_eq!(error.to_string(), "no finite values of `utilization` on `valid` to draw");
}

#[test]
fn tiny_differences_have_their_power_of_ten_in_the_title() {
    let sheet = Sheet::of(&forest(&some_forest(vec![row("one", -2e-9, 1e-10, 0.5)])).unwrap());
    assert!(sheet.has("Δ utilization (×1e−9)"), "{:?}", sheet.texts);
    assert!(sheet.has("−2.00") && sheet.has("[−2.10, −1.90]"), "{:?}", sheet.texts);
    // The axis leaves out the same.
    near(sheet.circles[0].x, sheet.columns()(-2.0));
}
