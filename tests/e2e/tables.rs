//! The table's views: splits, keys, filters, interactions, documents, recorded sweeps.

use crate::harness::{Place, keys};
use fs_err as fs;
use serde_json::Value;

/// Two seeds of a grid of two poolings and two numbers of levels.
fn grid() -> Place {
    let place = Place::new();
    place.edit(
        "[[sweep.variant]]\nname = \"mean\"\nset = { \"model.pooling\" = { use = \"mean\" } }\n",
        "[sweep.grid]\n\"model.pooling.use\" = [\"attentive-mean\", \"mean\"]\n\"model.quantizer.levels\" = [1, 2]\n",
    );
    place.edit("\nhidden = 8", "");
    place.edit("total_epochs = 2", "total_epochs = 1");
    place.ablate(&["sweep", "pooling"]).expect(0);
    place
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn rows(json: &Value) -> &Vec<Value> {
    json["rows"].as_array().unwrap()
}

/// The one row of the table with these fields.
fn row<'a>(json: &'a Value, fields: &[(&str, &str)]) -> &'a Value {
    let found: Vec<&Value> = rows(json)
        .iter()
        .filter(|row| fields.iter().all(|(field, value)| row[*field] == *value))
        .collect();
    assert_eq!(found.len(), 1, "{fields:?} in {json:#}");
    found[0]
}

#[test]
fn splits_stand_side_by_side() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling"]).expect(0);
    let both = place.ablate(&["table", "pooling", "--split", "valid,test", "--format", "json"]);
    let json = both.expect(0).json();
    for run in place.runs() {
        for split in ["valid", "test"] {
            let finals = run.result["finals"].as_array().unwrap();
            let of = |m: &&Value| m["metric"] == "loss" && m["split"] == split;
            let expected = &finals.iter().find(of).unwrap()["value"];
            let row =
                row(&json, &[("variant", &run.variant), ("metric", "loss"), ("split", split)]);
            let at = row["runs"].as_array().unwrap().iter().position(|id| *id == run.id.as_str());
            assert_eq!(&row["values"][at.unwrap()], expected);
        }
    }
    let term = place.ablate(&["table", "pooling", "--split", "valid,test"]).expect(0);
    for split in ["valid ──", "test ──"] {
        assert!(term.stdout.contains(split), "{}", term.stdout);
    }
    let latex = place.ablate(&["table", "pooling", "--split", "valid,test", "--format", "latex"]);
    let latex = latex.expect(0).raw;
    assert!(latex.contains("\\multicolumn{3}{c}{valid} & \\multicolumn{3}{c}{test} \\\\\n\\cmidrule(lr){3-5}\\cmidrule(lr){6-8}\n"), "{latex}");
    let wrong = place.ablate(&["table", "pooling", "--split", "dev"]).expect(1);
    wrong.says(
        "error: nothing was measured on a split `dev`\nhint: there are `test`, `train`, `valid`\n",
    );
}

#[test]
fn metrics_are_chosen_and_parts_of_them_too() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling", "sweep.seeds=[0]"]).expect(0);
    let chosen = ["table", "pooling", "sweep.seeds=[0]", "--format", "json", "--metrics"];
    let json = place.ablate(&[&chosen[..], &["loss"]].concat()).expect(0).json();
    assert!(rows(&json).iter().all(|row| row["metric"] == "loss"));
    let wrong = place.ablate(&[&chosen[..], &["utilisation"]].concat()).expect(1);
    assert!(wrong.stderr.starts_with("error: no metric `utilisation`\nhint: did you mean `utilization`?\nhint: there are `utilization`, `loss`"), "{}", wrong.stderr);
}

#[test]
fn a_key_of_the_variants_is_pivoted_or_what_is_open_is_named() {
    let place = grid();
    let json = |arguments: &[&str]| {
        let arguments = [&["table", "pooling", "--format", "json"], arguments].concat();
        place.ablate(&arguments).expect(0).json()
    };
    let plain = json(&[]);
    let mean = |json: &Value, fields: &[(&str, &str)]| row(json, fields)["mean"].clone();
    let names: Vec<&str> = rows(&plain).iter().map(|row| text(&row["variant"])).collect();
    let cell = |pooling: &str, levels: u64| {
        let name = names
            .iter()
            .find(|name| name.ends_with(&format!("pooling={pooling},levels={levels}")))
            .unwrap_or_else(|| panic!("{pooling} {levels} in {names:?}"));
        mean(&plain, &[("variant", name), ("metric", "loss")])
    };
    let columns = json(&["--columns", "model.quantizer.levels"]);
    assert_eq!(
        mean(&columns, &[("variant", "pooling=mean"), ("group", "levels=1"), ("metric", "loss")]),
        cell("mean", 1)
    );
    let two = json(&[
        "--by",
        "model.pooling.use",
        "--columns",
        "model.quantizer.levels",
        "--metrics",
        "loss",
    ]);
    for pooling in ["attentive-mean", "mean"] {
        for levels in [1, 2] {
            let group = format!("levels={levels}");
            let found = mean(&two, &[("variant", pooling), ("group", &group)]);
            assert_eq!(found, cell(pooling, levels));
        }
    }
    let term = place.ablate(&[
        "table",
        "pooling",
        "--by",
        "model.pooling.use",
        "--columns",
        "model.quantizer.levels",
    ]);
    let term = term.expect(0).stdout;
    assert!(term.contains("model.pooling.use") && !term.contains('Δ'), "{term}");
    let open = place.ablate(&["table", "pooling", "--by", "model.pooling.use"]).expect(1);
    assert!(open.stderr.contains("differ in `model.quantizer.levels`"), "{}", open.stderr);
    open.says_line("hint: choose with `--where model.quantizer.levels=1`");
    open.says_line("hint: or put its values side by side with `--columns model.quantizer.levels`");
    let pinned = json(&["--by", "model.pooling.use", "--where", "model.quantizer.levels=2"]);
    assert_eq!(mean(&pinned, &[("variant", "mean"), ("metric", "loss")]), cell("mean", 2));
    let wrong =
        place.ablate(&["table", "pooling", "--where", "model.quantizer.levels=7"]).expect(1);
    wrong.says("error: no variant has `model.quantizer.levels = 7`\nhint: its values: `1`, `2`\n");
}

#[test]
fn pairs_of_changes_show_their_interaction() {
    let place = Place::new();
    place.edit(
        "[[sweep.variant]]\nname = \"mean\"\nset = { \"model.pooling\" = { use = \"mean\" } }\n",
        r#"[[sweep.variant]]
name = "-levels"
set = { "model.quantizer.levels" = 1 }
[[sweep.variant]]
name = "-codes"
set = { "model.quantizer.codebook_size" = 4 }
[[sweep.variant]]
name = "-levels-codes"
set = { "model.quantizer.codebook_size" = 4, "model.quantizer.levels" = 1 }
"#,
    );
    place.edit("total_epochs = 2", "total_epochs = 1");
    let swept = place.ablate(&["sweep", "pooling"]).expect(0);
    assert!(swept.stdout.contains("Δab − Δa − Δb"), "{}", swept.stdout);
    let json = place.ablate(&["table", "pooling", "--format", "json"]).expect(0).json();
    let interactions = json["interactions"].as_array().unwrap();
    let loss = interactions.iter().find(|one| one["metric"] == "loss").unwrap();
    assert_eq!(text(&loss["both"]), "-levels-codes");
    let value = |variant: &str| {
        row(&json, &[("variant", variant), ("metric", "loss")])["mean"].as_f64().unwrap()
    };
    let expected = value("-levels-codes") - value("-levels") - value("-codes") + value("attentive");
    assert!((loss["delta"].as_f64().unwrap() - expected).abs() < 1e-12);
    assert_eq!(loss["n"], 2);
}

#[test]
fn a_table_in_a_document_is_checked_cell_by_cell() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling"]).expect(0);
    for (format, file) in [("latex", "paper.tex"), ("md", "notes.md")] {
        let plain = place.ablate(&["table", "pooling", "--format", format]).expect(0).raw;
        let ranks = ["table", "pooling", "--ranks", "--split", "valid", "--format", format];
        let ranks = place.ablate(&ranks).expect(0).raw;
        let document = format!("Before.\n\n{plain}\nBetween.\n\n{ranks}\nAfter.\n");
        place.write(file, &document);
        let fresh = place.ablate(&["table", "pooling", "--check", file]).expect(0);
        assert_eq!(
            fresh.stdout.lines().filter(|line| line.ends_with("cells, all fresh")).count(),
            2
        );
        assert!(fresh.stdout.contains("(--split valid --ranks)"), "{}", fresh.stdout);

        // A number typed over, in the table and not in its comments.
        let own = |line: &&str| {
            !line.contains("ablate:")
                && (line.starts_with("mean &") || line.starts_with("| mean |"))
        };
        let line = document.lines().find(own).unwrap();
        let digit = line.rfind('2').or_else(|| line.rfind('1')).unwrap();
        let edited = format!("{}9{}", &line[..digit], &line[digit + 1..]);
        place.write(file, document.replacen(line, &edited, 1));
        let found = place.ablate(&["table", "pooling", "--check", file]).expect(1);
        let lines: Vec<&str> = found.stdout.lines().collect();
        let edits = lines.iter().filter(|line| line.contains(": edited: `mean`")).count();
        assert_eq!((lines.len(), edits), (3, 1), "{}", found.stdout);
        found.says_line(&format!("next: ablate table pooling --format {format}"));

        // One seed less than when it was written.
        place.write(file, &document);
        let stale = ["table", "pooling", "sweep.seeds=[0]", "--check", file, "--format", "json"];
        let json = place.ablate(&stale).expect(1).json();
        assert_eq!(keys(&json), ["file", "fresh", "tables"]);
        assert_eq!(json["fresh"], false);
        let findings = json["tables"][0]["findings"].as_array().unwrap();
        assert!(
            findings.iter().any(|one| {
                one["state"] == "stale" && one["row"] == "mean" && one["column"] == "loss"
            }),
            "{json:#}"
        );
    }
    place.write("other.tex", "No table.\n");
    let none = place.ablate(&["table", "pooling", "--check", "other.tex"]).expect(1);
    assert!(
        none.stderr.starts_with("error: `other.tex` has no table of `pooling`\nhint: "),
        "{}",
        none.stderr
    );
    place.ablate(&["table", "pooling", "--check", "nowhere.tex"]).expect(1);
    let both = place.ablate(&["table", "pooling", "--check", "other.tex", "--ranks"]).expect(1);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
}

#[test]
fn a_recorded_sweep_has_its_table_without_the_experiment() {
    let place = Place::new();
    let swept = place.ablate(&["sweep", "pooling"]).expect(0);
    fs::rename(place.path("pooling"), place.path("moved")).unwrap();
    let named = place.ablate(&["table", "pooling"]).expect(0);
    assert_eq!(named.raw, swept.raw);
    let changed = place.ablate(&["table", "pooling", "train.batch_size=2"]).expect(1);
    assert!(
        changed
            .stderr
            .starts_with("error: `pooling` is a recorded sweep, which cannot be changed\n")
    );
    let unknown = place.ablate(&["table", "poling"]).expect(1);
    unknown.says(
        "error: `poling` is no file, and no recorded sweep\nhint: did you mean `pooling`?\n\
         hint: recorded sweeps: `pooling`\n",
    );
}

#[test]
fn an_incomplete_table_is_accepted_when_that_is_asked_for() {
    let place = Place::new();
    place.ablate(&["run", "pooling", "--seed", "0"]).expect(0);
    place.ablate(&["run", "pooling", "--variant", "mean", "--seed", "0"]).expect(0);
    place.ablate(&["run", "pooling", "--variant", "mean", "--seed", "1"]).expect(0);
    place.ablate(&["table", "pooling"]).expect(2);
    let accepted = place.ablate(&["table", "pooling", "--allow-unequal", "--ranks"]).expect(0);
    for note in [
        "incomplete, as allowed: a difference uses only the seeds that both variants have",
        "missing: `attentive` seed 1: not run",
        "ranks and Friedman's test use 1 of 2 seeds",
    ] {
        assert!(accepted.stdout.contains(note), "{}", accepted.stdout);
    }
    let json = ["table", "pooling", "--allow-unequal", "--format", "json"];
    assert_eq!(place.ablate(&json).expect(0).json()["complete"], false);
}

#[test]
fn every_configuration_that_was_scored_counts() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling"]).expect(0);
    // Tuned behind the same names.
    for rate in ["2e-3", "3e-3"] {
        let change = format!("train.optimizer.learning_rate={rate}");
        place.ablate(&["sweep", "pooling", &change]).expect(0);
    }
    let table = place.ablate(&["table", "pooling"]).expect(0).stdout;
    let note =
        "6 configurations of this experiment have been scored on `test`: the best of 6 looks";
    assert!(table.contains(note), "{table}");
}

#[test]
fn interquartile_means_and_ranks_come_on_request() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling"]).expect(0);
    let plain = place.ablate(&["table", "pooling"]).expect(0).stdout;
    assert!(!plain.contains("IQM") && !plain.contains("rank"), "{plain}");
    let all = place.ablate(&["table", "pooling", "--iqm", "--ranks"]).expect(0).stdout;
    for part in ["IQM utilization ↑", "mean rank", "Friedman's test needs three variants"] {
        assert!(all.contains(part), "{all}");
    }
}
