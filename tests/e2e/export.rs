//! `ablate export`: real runs as CSV, Parquet and TensorBoard event files.

use crate::harness::{Place, RunFolder, keys};
use fs_err as fs;
use serde_json::{Value, json};

/// The lines of all measurements, in the order of the table, as the run folders have them.
fn measurements(runs: &[RunFolder]) -> Vec<(&RunFolder, Value)> {
    let lines = |run: &'static str| move |found: &&RunFolder| found.variant == run;
    let sorted = runs.iter().filter(lines("attentive")).chain(runs.iter().filter(lines("mean")));
    sorted
        .flat_map(|run| run.measurements.lines().map(move |line| (run, line)))
        .map(|(run, line)| (run, serde_json::from_str(line).unwrap()))
        .collect()
}

#[test]
fn csv_has_every_measurement_of_every_run() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling"]).expect(0);
    let runs = place.runs();
    let expected = measurements(&runs);
    let export = place.ablate(&["export", "pooling", "--as", "csv"]).expect(0);
    let rows = expected.len();
    assert_eq!(
        export.stdout,
        format!("pooling-csv/runs.csv: 4 rows\npooling-csv/measurements.csv: {rows} rows\n")
    );
    export.says(
        "next: python3 -c \
         'import pandas; print(pandas.read_csv(\"pooling-csv/measurements.csv\"))'\n",
    );
    let text = fs::read_to_string(place.path("pooling-csv/measurements.csv")).unwrap();
    // Nothing in this experiment needs quotes.
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), rows + 1);
    for (cells, (run, measurement)) in lines[1..].iter().zip(&expected) {
        assert_eq!(cells[0], run.id);
        assert_eq!(cells[2..4], [run.variant.clone(), run.seed.to_string()]);
        assert_eq!(cells[4], measurement["metric"]);
        assert_eq!(cells[5], measurement["split"]);
        assert_eq!(cells[6], measurement["step"].to_string());
        let value: f64 = cells[8].parse().unwrap();
        assert_eq!(value.to_bits(), measurement["value"].as_f64().unwrap().to_bits());
    }
    let text = fs::read_to_string(place.path("pooling-csv/runs.csv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| lines[0].iter().position(|column| *column == name).unwrap();
    let (variant, pooling) = (column("variant"), column("set.model.pooling.use"));
    let hidden = column("set.model.pooling.hidden");
    let settings: Vec<[&str; 3]> =
        lines[1..].iter().map(|row| [row[variant], row[pooling], row[hidden]]).collect();
    let (attentive, mean) = (["attentive", "attentive-mean", "8"], ["mean", "mean", ""]);
    assert_eq!(settings, [attentive, attentive, mean, mean]);
    assert!(!lines[0].contains(&"set.train.batch_size"), "{:?}", lines[0]);

    // By path, in JSON, over what is there.
    let arguments = ["export", "pooling/experiment.toml", "--as", "csv", "--format", "json"];
    let again = place.ablate(&arguments).expect(0).json();
    assert_eq!(keys(&again), ["export", "folder", "missing"]);
    assert_eq!(again["export"]["measurements"], json!(rows));
    assert_eq!(again["missing"], json!(0));
}

#[test]
fn parquet_and_tensorboard_have_their_files() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling"]).expect(0);
    let rows = measurements(&place.runs()).len();
    let parquet = place.ablate(&["export", "pooling", "--as", "parquet", "--out", "a/b"]).expect(0);
    assert_eq!(
        parquet.stdout,
        format!("a/b/runs.parquet: 4 rows\na/b/measurements.parquet: {rows} rows\n")
    );
    for name in ["a/b/runs.parquet", "a/b/measurements.parquet"] {
        let bytes = fs::read(place.path(name)).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{name}");
    }
    let board = place.ablate(&["export", "pooling", "--as", "tensorboard"]).expect(0);
    assert_eq!(board.stdout, format!("pooling-tensorboard: 4 event files, {rows} scalars\n"));
    board.says("next: tensorboard --logdir pooling-tensorboard\n");
    for run in place.runs() {
        let inside = format!("pooling-tensorboard/{}/seed-{}", run.variant, run.seed);
        let files: Vec<_> = fs::read_dir(place.path(&inside)).unwrap().collect();
        assert_eq!(files.len(), 1);
        let name = files[0].as_ref().unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with("events.out.tfevents."), "{name}");
    }
    // One run, by the beginning of its id, goes into a folder of its own.
    let run = &place.runs()[0];
    let one = place.ablate(&["export", &run.id, "--as", "tensorboard"]).expect(0);
    let scalars = run.measurements.lines().count();
    assert!(one.raw.ends_with(&format!(": 1 event files, {scalars} scalars\n")), "{}", one.raw);
}

#[test]
fn what_is_missing_or_in_the_way_is_said() {
    let place = Place::new();
    let unknown = place.ablate(&["export", "pooling", "--as", "csv"]).expect(1);
    unknown.says("error: `pooling` has not been swept\nhint: next: ablate sweep pooling\n");
    place.ablate(&["sweep", "pooling"]).expect(0);
    let wrong = place.ablate(&["export", "poling", "--as", "csv"]).expect(1);
    wrong.says_line("error: no run `poling`");
    wrong.says_line("hint: experiments that were swept: `pooling`");
    place.write("pooling-csv/notes.txt", "mine");
    let occupied = place.ablate(&["export", "pooling", "--as", "csv"]).expect(1);
    occupied.says(
        "error: `[PLACE]/pooling-csv` is there already, and `notes.txt` in it was not written by an export\n\
         hint: name another folder with `--out`, or move what is there away\n",
    );
    // A trial without its run.
    let gone = &place.runs()[0];
    fs::remove_dir_all(&gone.folder).unwrap();
    place.ablate(&["registry", "rebuild"]).expect(0);
    let arguments = ["export", "pooling", "--as", "csv", "--out", "out"];
    let partial = place.ablate(&arguments).expect(2);
    partial.says_line("warning: 1 of 4 trials are not done, and left out");
    assert!(partial.stdout.starts_with("out/runs.csv: 3 rows\n"), "{}", partial.stdout);
}
