//! Heat maps.

use crate::sheet::{Sheet, measure};
use ablate_plot::{Error, Heatmap, HeatmapCell, HeatmapValue, heatmap};

pub(crate) fn cell(x: f64, y: f64, values: &[f64]) -> HeatmapCell {
    HeatmapCell {
        x: HeatmapValue::Number(x),
        y: HeatmapValue::Number(y),
        values: values.to_vec(),
        baseline: (x, y) == (16.0, 1.0),
    }
}

pub(crate) fn some_map(cells: Vec<HeatmapCell>) -> Heatmap {
    Heatmap {
        experiment: "depth".into(),
        measure: measure("utilization", Some(true)),
        x: "width".into(),
        y: "levels".into(),
        seeds: 2,
        cells,
        notes: Vec::new(),
    }
}

/// The color behind a text, and its relative luminance.
fn ground(sheet: &Sheet, text: &str) -> (String, f64) {
    let at = sheet.text(text);
    let inside = |shape: &&crate::sheet::Shape| {
        let [(left, top), (right, bottom)] = shape.points[..] else { return false };
        left <= at.x && at.x <= right && top <= at.y && at.y <= bottom
    };
    let color = sheet.rectangles.iter().rfind(inside).unwrap().color.clone();
    let part = |from: usize| f64::from(u8::from_str_radix(&color[from..from + 2], 16).unwrap());
    let luminance = 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
    (color, luminance)
}

#[test]
fn cells_stand_in_order_and_bright_is_better() {
    let mut input = some_map(vec![
        cell(64.0, 2.0, &[0.9, 0.7]),
        cell(16.0, 1.0, &[0.1, 0.3]),
        cell(16.0, 2.0, &[0.5, 0.5]),
        cell(64.0, 1.0, &[0.3, 0.5]),
    ]);
    for (higher, words) in [(true, "↑ higher is better"), (false, "↓ lower is better")] {
        input.measure.higher_is_better = Some(higher);
        let sheet = Sheet::of(&heatmap(&input).unwrap());
        assert!(sheet.has(&format!("valid, {words}")));
        let place = |text: &str| (sheet.text(text).x, sheet.text(text).y);
        // The larger levels above, the larger widths to the right.
        assert!(place("0.500").1 < place("0.200").1 && place("0.800").1 < place("0.400").1);
        assert!(place("0.500").0 < place("0.800").0 && place("0.200").0 < place("0.400").0);
        assert_eq!((place("0.500").0, place("0.800").1), (place("0.200").0, place("0.500").1));
        let bright: Vec<f64> =
            ["0.200", "0.400", "0.500", "0.800"].map(|text| ground(&sheet, text).1).to_vec();
        assert!(bright.windows(2).all(|pair| (pair[0] < pair[1]) == higher), "{bright:?}");
        assert_eq!(sheet.text(if higher { "0.800" } else { "0.200" }).color, "#000000");
        assert!(sheet.text(if higher { "0.800" } else { "0.200" }).bold);
        // By hand: both deviations of 0.2 between two values are 0.2 / √2.
        assert_eq!(sheet.texts.iter().filter(|text| text.words == "±0.141").count(), 3);
        assert!(sheet.has("levels ↑") && sheet.has("width →"));
    }
}

#[test]
fn places_without_a_value_are_hatched() {
    let cells =
        vec![cell(16.0, 1.0, &[1.0, 2.0]), cell(64.0, 2.0, &[3.0]), cell(64.0, 1.0, &[f64::NAN])];
    let sheet = Sheet::of(&heatmap(&some_map(cells)).unwrap());
    // Two cells, the ground and the pieces of the color bar.
    assert_eq!(sheet.rectangles.len(), 2 + 1 + 64);
    let hatches = sheet.lines.iter().filter(|line| {
        line.color == "#BCBCBC" && line.points.len() == 2 && {
            let ((x0, y0), (x1, y1)) = (line.points[0], line.points[1]);
            (x1 - x0 - (y0 - y1)).abs() <= 2.0
        }
    });
    assert!(hatches.count() > 20);
    assert!(sheet.has("n=1"));
    for words in ["Fewer seeds in 1 cell", "Hatched: no value.", "Outlined: the baseline."] {
        assert!(sheet.description.contains(words), "{}", sheet.description);
    }
}

#[test]
fn words_keep_their_order() {
    let named = |y: &str, value| HeatmapCell {
        y: HeatmapValue::Text(y.into()),
        ..cell(16.0, 0.0, &[value])
    };
    let sheet =
        Sheet::of(&heatmap(&some_map(vec![named("zeta", 1.0), named("alpha", 2.0)])).unwrap());
    assert!(sheet.text("zeta").y < sheet.text("alpha").y);
    assert!(sheet.has("levels"), "words have no direction");
}

#[test]
fn two_cells_at_one_place_are_refused() {
    let cells = vec![cell(16.0, 1.0, &[1.0]), cell(16.0, 1.0, &[2.0])];
    let error = heatmap(&some_map(cells)).unwrap_err();
    assert!(matches!(error, Error::SamePlace { .. }));
    assert!(error.to_string().contains("width = 16, levels = 1"), "{error}");
    assert!(!error.hints().is_empty());
}
