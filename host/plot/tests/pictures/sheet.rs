//! An SVG read back as lists of its shapes, in units of a twentieth of a pixel.

use ablate_plot::{Measure, Picture};

/// The shapes of a picture.
pub(crate) struct Sheet {
    pub(crate) size: (f64, f64),
    pub(crate) texts: Vec<Text>,
    pub(crate) circles: Vec<Circle>,
    pub(crate) lines: Vec<Shape>,
    pub(crate) polygons: Vec<Shape>,
    pub(crate) rectangles: Vec<Shape>,
    pub(crate) description: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) words: String,
    pub(crate) x: f64,
    /// The baseline.
    pub(crate) y: f64,
    pub(crate) anchor: String,
    pub(crate) color: String,
    pub(crate) bold: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Circle {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) radius: f64,
    pub(crate) color: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) color: String,
    pub(crate) width: f64,
}

impl Sheet {
    pub(crate) fn of(picture: &Picture) -> Self {
        let document = roxmltree::Document::parse(picture.svg()).unwrap();
        let root = document.root_element();
        let number = |node: roxmltree::Node<'_, '_>, name: &str| {
            let value: f64 = node.attribute(name).unwrap().trim_end_matches("em").parse().unwrap();
            assert!(value.is_finite(), "{name}");
            value
        };
        let color = |node: roxmltree::Node<'_, '_>, name: &str| {
            node.attribute(name).unwrap_or_default().to_owned()
        };
        let shape = |node: roxmltree::Node<'_, '_>, name: &str| Shape {
            points: points(node.attribute("points").unwrap()),
            color: color(node, name),
            width: node.attribute("stroke-width").map_or(0.0, |width| width.parse().unwrap()),
        };
        let named =
            |name: &'static str| root.children().filter(move |node| node.tag_name().name() == name);
        let text = |node: roxmltree::Node<'_, '_>| Text {
            words: node.text().unwrap().trim().to_owned(),
            x: number(node, "x"),
            y: number(node, "y") + number(node, "dy") * number(node, "font-size"),
            anchor: color(node, "text-anchor"),
            color: color(node, "fill"),
            bold: node.attribute("font-weight") == Some("bold"),
        };
        let view: Vec<f64> = root
            .attribute("viewBox")
            .unwrap()
            .split(' ')
            .map(|part| part.parse().unwrap())
            .collect();
        Self {
            size: (view[2], view[3]),
            texts: named("text").map(text).collect(),
            circles: named("circle")
                .map(|node| Circle {
                    x: number(node, "cx"),
                    y: number(node, "cy"),
                    radius: number(node, "r"),
                    color: if node.attribute("fill") == Some("none") {
                        color(node, "stroke")
                    } else {
                        color(node, "fill")
                    },
                })
                .collect(),
            lines: named("polyline").map(|node| shape(node, "stroke")).collect(),
            polygons: named("polygon").map(|node| shape(node, "fill")).collect(),
            rectangles: named("rect")
                .map(|node| {
                    let (x, y) = (number(node, "x"), number(node, "y"));
                    let corner = (x + number(node, "width"), y + number(node, "height"));
                    Shape { points: vec![(x, y), corner], color: color(node, "fill"), width: 0.0 }
                })
                .collect(),
            description: named("desc").next().unwrap().text().unwrap_or_default().to_owned(),
        }
    }

    /// The text, which must be there.
    pub(crate) fn text(&self, wanted: &str) -> &Text {
        let found = self.texts.iter().find(|text| text.words == wanted);
        found.unwrap_or_else(|| panic!("no `{wanted}` in {:?}", self.texts))
    }

    pub(crate) fn has(&self, wanted: &str) -> bool {
        self.texts.iter().any(|text| text.words == wanted)
    }

    /// From a value to its row on the sheet, by the labels of the vertical axis and the lines of the grid.
    pub(crate) fn rows(&self) -> impl Fn(f64) -> f64 + use<> {
        let labels = self.texts.iter().filter(|text| text.anchor == "end");
        let marks: Vec<(f64, f64)> = labels
            .filter_map(|text| {
                let value = number(&text.words)?;
                let lines = self.lines.iter().filter(|line| line.color == "#E6E6E6");
                // The line beside the label: its row is nearest to the middle of the digits.
                let row = lines
                    .map(|line| line.points[0].1)
                    .min_by_key(|row| (row - (text.y - 80.0)).abs() as i64)?;
                Some((value, row))
            })
            .collect();
        linear(&marks)
    }

    /// From a value to its column on the sheet, by the labels of the horizontal axis.
    pub(crate) fn columns(&self) -> impl Fn(f64) -> f64 + use<> {
        let labels = self.texts.iter().filter(|text| text.anchor == "middle");
        let marks: Vec<_> =
            labels.filter_map(|text| Some((number(&text.words)?, text.x))).collect();
        linear(&marks)
    }
}

/// A number as the pictures write it.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = text.replace('\u{2212}', "-");
    match text.strip_suffix('k') {
        Some(thousands) => Some(thousands.parse::<f64>().ok()? * 1000.0),
        None => text.parse().ok(),
    }
}

fn points(text: &str) -> Vec<(f64, f64)> {
    let pairs = text.split_whitespace().map(|pair| pair.split_once(',').unwrap());
    pairs.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect()
}

/// The line through the outermost marks; the others must lie on it.
fn linear(marks: &[(f64, f64)]) -> impl Fn(f64) -> f64 + use<> {
    let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.0.total_cmp(&b.0);
    let (low, high) =
        (*marks.iter().min_by(by_value).unwrap(), *marks.iter().max_by(by_value).unwrap());
    assert!(high.0 > low.0, "{marks:?}");
    let map = move |value: f64| low.1 + (value - low.0) / (high.0 - low.0) * (high.1 - low.1);
    for (value, place) in marks {
        near(map(*value), *place);
    }
    map
}

/// Places are rounded to units.
#[track_caller]
pub(crate) fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 2.5, "{found} for {expected}");
}

pub(crate) fn measure(name: &str, higher_is_better: Option<bool>) -> Measure {
    Measure { name: name.into(), split: "valid".into(), unit: None, higher_is_better }
}

/// Numbers that look random and are the same each time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// Between 0 and 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }
}
