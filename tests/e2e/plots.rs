//! `ablate plot`: pictures of real runs.

use crate::harness::Place;
use fs_err as fs;
use serde_json::Value;
use std::path::Path;

/// The texts of an SVG, in its order.
fn texts(path: &Path) -> Vec<String> {
    let svg = fs::read_to_string(path).unwrap();
    let parts = svg.split("<text ").skip(1);
    let inner = parts.map(|part| part.split_once('>').unwrap().1.split_once('<').unwrap().0);
    inner.map(|text| text.trim().to_owned()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_finished_sweep_has_its_pictures() {
    let place = Place::new();
    // The loss is measured every ten steps, of which an epoch has three.
    place.edit("total_epochs = 2", "total_epochs = 8");
    place.ablate(&["sweep", "pooling"]).expect(0);
    let plot = place.ablate(&["plot", "pooling"]).expect(0);
    plot.says("next: ablate table pooling\n");
    let folder = place.path("plots/pooling");
    let stems = [
        "curves-loss-train",
        "curves-loss-valid",
        "curves-utilization-valid",
        "forest-loss-test",
        "forest-utilization-test",
    ];
    let files: Vec<String> =
        stems.iter().flat_map(|stem| [format!("{stem}.png"), format!("{stem}.svg")]).collect();
    assert_eq!(names(&folder), files);
    let mut listed: Vec<&str> =
        plot.stdout.lines().map(|line| line.strip_prefix("plots/pooling/").unwrap()).collect();
    listed.sort_unstable();
    assert_eq!(listed, files);
    for file in &files {
        let bytes = fs::read(folder.join(file)).unwrap();
        let whole = bytes.starts_with(b"\x89PNG") || bytes.ends_with(b"</svg>\n");
        assert!(whole, "{file}");
    }
    // The numbers are those of the table.
    let table = place.ablate(&["table", "pooling", "--format", "json"]).expect(0).json();
    let rows = table["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["variant"] == "mean" && row["metric"] == "loss").unwrap();
    let shown = texts(&folder.join("forest-loss-test.svg"));
    let delta = row["delta"].as_f64().unwrap();
    let position = shown.iter().position(|text| text == "mean").unwrap();
    let text = shown[position + 1].replace('\u{2212}', "-");
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let rounding = 0.5 * 10_f64.powi(-(decimals as i32)) + 1e-12;
    assert!((text.parse::<f64>().unwrap() - delta).abs() <= rounding, "{delta} in {shown:?}");
    let curves = texts(&folder.join("curves-loss-train.svg"));
    for text in ["loss", "train, ↓ lower is better", "attentive", "mean", "optimizer steps →"] {
        assert!(curves.iter().any(|found| found == text), "{text} in {curves:?}");
    }
    // The same again from the recorded sweep, elsewhere, and not one byte differs.
    fs::create_dir(place.path("elsewhere")).unwrap();
    let mut again = place.command(&["plot", "pooling", "--out", "again"]);
    again.current_dir(place.path("elsewhere"));
    place.answer(again).expect(0);
    for file in &files {
        let again = fs::read(place.path("elsewhere/again").join(file)).unwrap();
        assert!(again == fs::read(folder.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_grid_is_a_heat_map_and_a_row_of_numbers_a_line() {
    let place = Place::new();
    place.edit(
        "[[sweep.variant]]\nname = \"mean\"\nset = { \"model.pooling\" = { use = \"mean\" } }\n",
        "[sweep.grid]\n\"model.quantizer.levels\" = [1, 2]\n\"model.quantizer.codebook_size\" = [4, 8]\n",
    );
    place.edit("seeds = [0, 1]", "seeds = [0]");
    place.ablate(&["sweep", "pooling"]).expect(0);
    let json = ["plot", "pooling", "--as", "svg", "--metrics", "utilization", "--format", "json"];
    let json = place.ablate(&json).expect(0).json();
    assert_eq!((&json["experiment"], &json["complete"]), (&"pooling".into(), &true.into()));
    let kinds: Vec<&Value> =
        json["pictures"].as_array().unwrap().iter().map(|picture| &picture["kind"]).collect();
    assert_eq!(kinds, ["curves", "forest", "heatmap"]);
    let file = json["pictures"][2]["files"][0].as_str().unwrap();
    assert_eq!(file, "plots/pooling/heatmap-utilization-test.svg");
    let shown = texts(&place.path(file));
    for text in [
        "utilization",
        "model.quantizer.codebook_size →",
        "model.quantizer.levels ↑",
        "1",
        "2",
        "4",
        "8",
    ] {
        assert!(shown.iter().any(|found| found == text), "{text} in {shown:?}");
    }
    assert!(!place.path("plots/pooling/heatmap-utilization-test.png").exists());
    // One of the two keys, at the other's value in the baseline.
    let line = ["plot", "pooling", "--kind", "axis", "--axes", "levels", "--as", "svg"];
    let line = place.ablate(&line).expect(0);
    let first = "plots/pooling/axis-model.quantizer.levels-utilization-test.svg";
    assert!(line.stdout.starts_with(first), "{}", line.stdout);
    let shown = texts(&place.path(first));
    assert!(shown.iter().any(|text| text == "model.quantizer.levels →"), "{shown:?}");
    let caption = shown.join(" ");
    assert!(caption.contains("Not shown: 2 variants differ in other keys."), "{caption}");
}

#[test]
fn pictures_of_a_sweep_on_its_way_say_what_is_missing() {
    let place = Place::new();
    let nothing = place.ablate(&["plot", "pooling"]).expect(2);
    nothing.says(
        "error: there is nothing to draw of `pooling`: no finite values of `utilization` on `test` \
         to draw\nhint: its trials are run by `ablate sweep pooling`\n",
    );
    assert!(!place.path("plots").exists());
    place.ablate(&["run", "pooling", "--variant", "mean", "--seed", "1"]).expect(0);
    let plot = place.ablate(&["plot", "pooling", "--kind", "curves", "--x", "epoch"]).expect(2);
    plot.says("next: ablate sweep pooling\n");
    let shown = texts(&place.path("plots/pooling/curves-loss-valid.svg"));
    assert!(shown.iter().any(|text| text == "epochs →"), "{shown:?}");
    let caption = shown.join(" ");
    for words in ["pooling: one seed.", "No values: attentive.", "Not done: 3 of 4 trials."] {
        assert!(caption.contains(words), "{caption}");
    }
}

#[test]
fn what_cannot_be_drawn_is_named() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling", "sweep.seeds=[0]"]).expect(0);
    let plot = |more: &[&str]| {
        let arguments = [&["plot", "pooling", "sweep.seeds=[0]"], more].concat();
        place.ablate(&arguments).expect(1).stderr
    };
    assert_eq!(
        plot(&["--kind", "heatmap"]),
        "error: the variants of `pooling` have no two keys that make a grid\n\
         hint: they differ in `model.pooling.use`\n\
         hint: `--axes KEY,KEY` draws a heat map of two of them, `--axes KEY` a line\n",
    );
    assert_eq!(
        plot(&["--kind", "axis", "--axes", "pooling.use"]),
        "error: `model.pooling.use` is not a number in all variants\n\
         hint: a line needs an axis of numbers; `--kind forest` compares any variants\n",
    );
    assert_eq!(
        plot(&["--axes", "model.level"]),
        "error: the variants do not differ in `model.level`\n\
         hint: they differ in `model.pooling.use`\n",
    );
    for kind in ["curves", "forest"] {
        let unknown = plot(&["--kind", kind, "--metric", "utilisation"]);
        let first =
            "error: no metric `utilisation`\nhint: did you mean `utilization`?\nhint: there are ";
        assert!(unknown.starts_with(first), "{unknown}");
    }
    place.write("taken", "a file");
    let taken = plot(&["--out", "taken"]);
    assert!(taken.starts_with("error: failed to create directory `taken`"), "{taken}");
    assert!(taken.ends_with("hint: `--out FOLDER` names another folder for the pictures\n"));
    let home = place.ablate(&["plot", "poling"]).expect(1).stderr;
    assert!(home.contains("did you mean `pooling`?"), "{home}");
}
