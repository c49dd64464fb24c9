//! Input of every odd kind gives a picture that is whole, or one error; equal input gives equal bytes.

use crate::curves::some_curves;
use crate::forest::{row, some_forest};
use crate::heatmap::{cell, some_map};
use crate::sheet::{Numbers, Sheet, measure};
use ablate_plot::{
    AxisCurve, AxisPoint, CurveVariant, Curves, Error, Picture, axis_curve, curves, forest, heatmap,
};

/// Everything lies on the sheet, and the picture can be drawn in pixels.
#[track_caller]
fn whole(picture: &Picture) {
    let sheet = Sheet::of(picture);
    let (width, height) = sheet.size;
    let inside = |x: f64, y: f64| {
        assert!((-1.0..=width + 1.0).contains(&x), "{x} of {width}");
        assert!((-1.0..=height + 1.0).contains(&y), "{y} of {height}");
    };
    let shapes = sheet.lines.iter().chain(&sheet.polygons).chain(&sheet.rectangles);
    shapes.flat_map(|shape| &shape.points).for_each(|(x, y)| inside(*x, *y));
    sheet.circles.iter().for_each(|circle| inside(circle.x, circle.y));
    sheet.texts.iter().for_each(|text| inside(text.x, text.y));
    for text in &sheet.texts {
        assert!(!text.words.contains("NaN") && !text.words.contains("inf"), "{}", text.words);
    }
    assert!(picture.png().unwrap().starts_with(b"\x89PNG"));
}

/// Values that differ in every way.
const VALUES: [&[f64]; 9] = [
    &[0.0, 0.0, 0.0],
    &[0.25, 0.25, 0.25],
    &[1e-9, 2e-9, -3e-9],
    &[1e300, -1e300, 1.0],
    &[1e149, -1e149, 0.0],
    &[1e-300, 2e-300, 3e-300],
    &[f64::NAN, f64::INFINITY, 1.0],
    &[1.0, 1.0 + f64::EPSILON, 1.0],
    &[1e6, 1e6 + 1e-3, 1e6],
];

#[test]
fn curves_of_odd_values_are_whole() {
    for values in VALUES {
        let mut input = some_curves(&["base", "one"], 1, 1);
        input.variants[1].seeds =
            vec![values.iter().zip(1..).map(|(v, x)| (f64::from(x), *v)).collect()];
        whole(&curves(&input).unwrap());
        input.measure.higher_is_better = Some(false);
        whole(&curves(&input).unwrap());
        let points =
            values.iter().map(|v| AxisPoint { at: *v, values: values.to_vec(), baseline: true });
        let axis = AxisCurve {
            experiment: "odd".into(),
            measure: measure("value", None),
            key: "key".into(),
            seeds: 3,
            points: points.collect(),
            notes: Vec::new(),
        };
        match axis_curve(&axis) {
            Ok(picture) => whole(&picture),
            Err(error) => assert!(matches!(error, Error::SamePlace { .. }), "{error}"),
        }
        let cells = values.iter().zip(1..).map(|(value, x)| cell(f64::from(x), 1.0, &[*value]));
        whole(&heatmap(&some_map(cells.collect())).unwrap());
        let rows = values.iter().map(|value| row("one", *value, value.abs(), 0.01));
        whole(&forest(&some_forest(rows.collect())).unwrap());
    }
}

#[test]
fn odd_numbers_of_things_are_whole() {
    for (variants, seeds, points) in [(1, 1, 1), (1, 8, 3), (2, 1, 2), (13, 2, 40), (40, 2, 5)] {
        let names: Vec<String> = (0..variants).map(|index| format!("variant {index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        whole(&curves(&some_curves(&names, seeds, points)).unwrap());
        let mut numbers = Numbers(5);
        let rows = names.iter().map(|name| row(name, numbers.next() - 0.5, 0.1, numbers.next()));
        whole(&forest(&some_forest(rows.collect())).unwrap());
        let cells = (0..variants * points).map(|index| {
            cell((index % variants) as f64, (index / variants) as f64, &[index as f64])
        });
        whole(&heatmap(&some_map(cells.collect())).unwrap());
    }
}

#[test]
fn odd_names_are_whole() {
    let long = "model.encoder.block.attention.heads=16,train.optimizer.learning_rate=0.00012345";
    let names =
        ["<base> & \"co\"", "zero\u{0}\u{1b}[31m\nline", "", "混合 🙂", long, &"x".repeat(300)];
    let mut input = some_curves(&names, 2, 3);
    input.measure.name =
        "a-metric-with-a-name-that-no-sheet-of-this-width-has-room-for/part-of-it".into();
    let picture = curves(&input).unwrap();
    whole(&picture);
    assert!(Sheet::of(&picture).has("<base> & \"co\""));
    let rows = names.iter().map(|name| row(name, 0.5, 0.1, 0.5));
    let mut forest_input = some_forest(rows.collect());
    forest_input.baseline = long.into();
    whole(&forest(&forest_input).unwrap());
    let mut map = some_map(vec![cell(1.0, 1.0, &[1.0])]);
    (map.x, map.y) = (long.into(), long.into());
    whole(&heatmap(&map).unwrap());
}

#[test]
fn nothing_to_draw_is_an_error() {
    let empty = |error: Result<Picture, Error>| {
        assert!(matches!(error, Err(Error::Empty { .. })), "{error:?}");
    };
    let mut input = some_curves(&["base"], 1, 1);
    input.variants[0].seeds = vec![vec![(1.0, f64::NAN)]];
    empty(curves(&input));
    empty(curves(&Curves { variants: Vec::new(), ..input.clone() }));
    input.variants.push(CurveVariant { name: "none".into(), seeds: Vec::new() });
    empty(curves(&input));
    empty(forest(&some_forest(Vec::new())));
    empty(heatmap(&some_map(Vec::new())));
    empty(heatmap(&some_map(vec![cell(1.0, 1.0, &[])])));
}

#[test]
fn equal_numbers_give_equal_bytes() {
    let input = some_curves(&["base", "one", "two"], 4, 500);
    let (one, two) = (curves(&input).unwrap(), curves(&input).unwrap());
    assert_eq!(one.svg(), two.svg());
    assert_eq!(one.png().unwrap(), two.png().unwrap());
    // The order of the seeds of a variant is no part of the picture's shape.
    let mut other = input.clone();
    other.variants[1].seeds[0][3].1 += 0.01;
    assert_ne!(curves(&other).unwrap().svg(), one.svg());
}

#[test]
fn huge_pictures_have_fewer_pixels() {
    let names: Vec<String> = (0..1500).map(|index| format!("variant-{index}")).collect();
    let rows = names.iter().map(|name| row(name, 0.5, 0.1, 0.5));
    let picture = forest(&some_forest(rows.collect())).unwrap();
    let height = Sheet::of(&picture).size.1 / 20.0;
    assert!(height > 1500.0 * 20.0, "every variant has its row");
    let bytes = picture.png().unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    assert_eq!(reader.info().height, 20_000);
    // Still of the same size on paper: 96 pixels of the SVG are an inch.
    let per_meter = f64::from(reader.info().pixel_dims.unwrap().yppu);
    assert!((20_000.0 / per_meter / (height / 96.0 * 0.0254) - 1.0).abs() < 1e-3);
}

#[test]
fn pixels_show_what_the_svg_says() {
    let picture = forest(&some_forest(vec![row("one", 0.5, 0.1, 0.01)])).unwrap();
    let bytes = picture.png().unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let sheet = Sheet::of(&picture);
    let scale = f64::from(info.width) / sheet.size.0;
    // 300 dots per inch, where SVG has 96.
    assert!((scale * 20.0 - 300.0 / 96.0).abs() < 0.01, "{scale}");
    let at = |x: f64, y: f64| {
        let index = ((y * scale) as usize * info.width as usize + (x * scale) as usize) * 3;
        [pixels[index], pixels[index + 1], pixels[index + 2]]
    };
    let mark = &sheet.circles[0];
    assert_eq!(at(mark.x, mark.y), [0, 114, 178]);
    assert_eq!(at(1.0, 1.0), [255, 255, 255]);
    // There is ink where there is text, though no font is installed.
    let name = sheet.text("one");
    let dark = (0..600).any(|step| at(name.x + f64::from(step), name.y - 60.0)[0] < 120);
    assert!(dark, "no text in pixels");
    // The last row is as white as the first.
    assert_eq!(pixels[pixels.len() - 3..], [255, 255, 255]);
}
