//! Learning curves and lines over an axis.

use crate::sheet::{Numbers, Sheet, measure, near};
use ablate_plot::{AxisCurve, AxisPoint, CurveVariant, Curves, axis_curve, curves};

/// The lines' colors in the order of the table, after that of the baseline.
const COLORS: [&str; 3] = ["#222222", "#0072B2", "#D55E00"];

pub(crate) fn some_curves(names: &[&str], seeds: usize, points: usize) -> Curves {
    let mut numbers = Numbers(11);
    let variant = |(index, name): (usize, &&str)| CurveVariant {
        name: (*name).to_owned(),
        seeds: (0..seeds)
            .map(|_| {
                let value = |step| (step * 50) as f64;
                (1..=points).map(|s| (value(s), numbers.next() + index as f64 - 1.0)).collect()
            })
            .collect(),
    };
    Curves {
        experiment: "pooling".into(),
        measure: measure("utilization", Some(true)),
        x: "optimizer steps".into(),
        baseline: names[0].into(),
        variants: names.iter().enumerate().map(variant).collect(),
        notes: Vec::new(),
    }
}

/// Mean and standard deviation by their definitions.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

#[test]
fn points_and_bands_stand_where_their_values_are() {
    let input = some_curves(&["base", "one", "two"], 5, 8);
    let sheet = Sheet::of(&curves(&input).unwrap());
    let (across, down) = (sheet.columns(), sheet.rows());
    for (variant, color) in input.variants.iter().zip(COLORS) {
        let dots: Vec<_> = sheet.circles.iter().filter(|dot| dot.color == color).collect();
        let mut bands = sheet.polygons.iter().filter(|band| band.color == color);
        let band = bands.next().unwrap();
        assert_eq!((dots.len(), band.points.len(), bands.count()), (8, 16, 0));
        for index in 0..8 {
            let values: Vec<f64> = variant.seeds.iter().map(|seed| seed[index].1).collect();
            let (mean, sd) = moments(&values);
            let x = across(variant.seeds[0][index].0);
            near(dots[index].x, x);
            near(dots[index].y, down(mean));
            near(band.points[index].0, x);
            near(band.points[index].1, down(mean + sd));
            near(band.points[15 - index].0, x);
            near(band.points[15 - index].1, down(mean - sd));
        }
        // The line goes through the same points.
        let line = sheet.lines.iter().find(|line| line.color == color && line.width == 40.0);
        let ends: Vec<_> = dots.iter().map(|dot| (dot.x, dot.y)).collect();
        assert_eq!(line.unwrap().points, ends);
    }
    assert!(sheet.has("valid, ↑ higher is better") && sheet.has("optimizer steps →"));
    assert_eq!(sheet.description, "pooling: mean over 5 seeds; band: ± 1 standard deviation.");
    assert!(sheet.text("base").bold && !sheet.text("one").bold);
}

#[test]
fn names_stand_beside_the_picture_and_apart() {
    // All end at about the same value, so that their names want the same place.
    let names: Vec<String> = (0..13).map(|index| format!("variant-{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut input = some_curves(&names, 2, 4);
    for (index, variant) in input.variants.iter_mut().enumerate() {
        variant.seeds = vec![vec![(1.0, index as f64), (2.0, 0.5 + index as f64 * 1e-3)]; 2];
    }
    let sheet = Sheet::of(&curves(&input).unwrap());
    let right = sheet.circles.iter().map(|dot| dot.x).fold(0.0, f64::max);
    let mut rows: Vec<f64> = names
        .iter()
        .map(|name| {
            let text = sheet.text(name);
            assert!(text.x > right, "{name} is among the data");
            text.y
        })
        .collect();
    rows.sort_by(f64::total_cmp);
    // Text of twelve pixels needs as much.
    assert!(rows.windows(2).all(|pair| pair[1] - pair[0] >= 12.0 * 20.0), "{rows:?}");
    assert!(rows[0] > 0.0 && rows[12] < sheet.size.1);
}

#[test]
fn of_many_variants_the_best_are_in_color() {
    let names: Vec<String> = (0..20).map(|index| format!("v{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let sheet = Sheet::of(&curves(&some_curves(&names, 3, 4)).unwrap());
    // The values grow with the index.
    let shown: Vec<&&str> = names.iter().filter(|name| sheet.has(name)).collect();
    assert_eq!(shown, [&"v0", &"v14", &"v15", &"v16", &"v17", &"v18", &"v19"]);
    assert_eq!(sheet.lines.iter().filter(|line| line.color == "#BCBCBC").count(), 13);
    assert!(sheet.description.ends_with("the baseline and the 6 that end best, of 20."));
}

#[test]
fn what_is_missing_is_drawn_thin_and_said() {
    let mut input = some_curves(&["base", "one", "two"], 4, 6);
    input.variants[1].seeds[0].truncate(3);
    input.variants[1].seeds[1][1].1 = f64::NAN;
    input.variants[2].seeds = vec![Vec::new(); 4];
    let sheet = Sheet::of(&curves(&input).unwrap());
    let widths: Vec<f64> = sheet
        .lines
        .iter()
        .filter(|line| line.color == COLORS[1] && line.points.len() < 7 && line.width > 16.0)
        .map(|line| line.width)
        .collect();
    // To the second point, where one is not a number, to the third, and on without the seed that ended.
    assert_eq!(widths, [18.0, 40.0, 18.0]);
    for words in ["Thin: not all seeds", "not finite: one (1).", "No values: two."] {
        assert!(sheet.description.contains(words), "{}", sheet.description);
    }
    assert!(!sheet.has("two"));
}

#[test]
fn losses_over_orders_of_magnitude_are_logarithmic() {
    let mut input = some_curves(&["base"], 1, 5);
    input.measure = measure("loss", Some(false));
    let values = [1000.0, 100.0, 10.0, 1.0, 0.1];
    input.variants[0].seeds =
        vec![values.iter().zip(1..).map(|(v, x)| (f64::from(x), *v)).collect()];
    let rows: Vec<f64> =
        Sheet::of(&curves(&input).unwrap()).circles.iter().map(|dot| dot.y).collect();
    for pair in rows.windows(2) {
        near(pair[1] - pair[0], (rows[4] - rows[0]) / 4.0);
    }
    // What is to rise stays linear, and so do decibels.
    let linear = |input: &Curves| {
        let sheet = Sheet::of(&curves(input).unwrap());
        let down = sheet.rows();
        near(sheet.circles[1].y, down(100.0));
    };
    input.measure.higher_is_better = Some(true);
    linear(&input);
    input.measure = measure("snr", None);
    input.measure.unit = Some("dB".into());
    linear(&input);
}

#[test]
fn long_curves_are_means_within_bins() {
    let mut input = some_curves(&["base"], 3, 1);
    let mut numbers = Numbers(3);
    for seed in &mut input.variants[0].seeds {
        *seed = (1..=20_000).map(|step| (f64::from(step), numbers.next())).collect();
    }
    let picture = curves(&input).unwrap();
    assert!(picture.svg().len() < 20_000, "{}", picture.svg().len());
    let sheet = Sheet::of(&picture);
    let (across, down) = (sheet.columns(), sheet.rows());
    let line = sheet.lines.iter().find(|line| line.width == 40.0).unwrap();
    // A hundredth of 19999 steps, as a whole number.
    assert_eq!(line.points.len(), 100);
    for (bin, point) in line.points.iter().enumerate() {
        let steps = bin * 200..(bin + 1) * 200;
        let values = input.variants[0].seeds.iter().flat_map(|seed| &seed[steps.clone()]);
        let mean = values.map(|(_, value)| value).sum::<f64>() / 600.0;
        near(point.0, across(bin as f64 * 200.0 + 100.0));
        near(point.1, down(mean));
    }
    let words = "Each point: mean over 200 optimizer steps.";
    assert!(sheet.description.ends_with(words), "{}", sheet.description);
}

#[test]
fn a_line_over_an_axis_shows_every_seed() {
    let point =
        |at: f64, values: &[f64]| AxisPoint { at, values: values.to_vec(), baseline: at == 0.01 };
    let input = AxisCurve {
        experiment: "depth".into(),
        measure: measure("utilization", Some(true)),
        key: "learning_rate".into(),
        seeds: 3,
        points: vec![
            point(0.01, &[0.4, 0.5, 0.6]),
            point(0.001, &[0.1, 0.2, 0.3]),
            point(0.1, &[0.7, f64::NAN, 0.9]),
        ],
        notes: vec!["Two trials are missing.".into()],
    };
    let sheet = Sheet::of(&axis_curve(&input).unwrap());
    let down = sheet.rows();
    let seeds = sheet.circles.iter().filter(|dot| dot.radius == 48.0);
    let mut rows: Vec<f64> = seeds.map(|dot| dot.y).collect();
    rows.sort_by(|a, b| b.total_cmp(a));
    let values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9];
    assert_eq!(rows.len(), values.len());
    for (row, value) in rows.iter().zip(values) {
        near(*row, down(value));
    }
    let means: Vec<_> = sheet.circles.iter().filter(|dot| dot.radius == 80.0).collect();
    for (mean, value) in means.iter().zip([0.2, 0.5, 0.8]) {
        near(mean.y, down(value));
    }
    // Ratios are equal, and so are distances.
    near(means[1].x - means[0].x, means[2].x - means[1].x);
    let ring = sheet.circles.iter().find(|dot| dot.color == "#222222").unwrap();
    near(ring.x, means[1].x);
    near(ring.y, means[1].y);
    assert!(sheet.has("learning_rate, logarithmic →"));
    for (label, mean) in ["0.001", "0.01", "0.1"].iter().zip(&means) {
        near(sheet.text(label).x, mean.x);
    }
    assert!(
        sheet.description.ends_with("Incomplete: 0.1 (n=2). Two trials are missing."),
        "{}",
        sheet.description
    );
}
