//! A whole ablation: trials, table, and the second call that has nothing to do.

use crate::harness::{Place, keys};
use serde_json::Value;

#[test]
fn runs_all_trials_prints_the_table_and_then_has_nothing_to_do() {
    let place = Place::new();
    let first = place.ablate(&["sweep", "pooling"]).expect(0);
    assert!(first.stderr.starts_with("pooling: 2 variants × 2 seeds = 4 trials, 0 done, 4 to run"));
    for trial in ["attentive seed 0", "attentive seed 1", "mean seed 0", "mean seed 1"] {
        let done = |line: &&str| line.contains("done") && line.contains(trial);
        assert_eq!(first.stderr.lines().filter(done).count(), 1, "{}", first.stderr);
    }
    assert!(first.stdout.starts_with("pooling: 2 variants × 2 seeds\n"), "{}", first.stdout);
    assert_eq!(place.runs().len(), 4);

    let second = place.ablate(&["sweep", "pooling"]).expect(0);
    assert_eq!(second.stdout, first.stdout);
    second.says(
        "pooling: 2 variants × 2 seeds = 4 trials, 4 done, 0 to run\nnext: ablate show [RUN]\n",
    );
    assert_eq!(place.runs().len(), 4);
    eprintln!("a sweep of 4 trials took {:?}, the second call {:?}", first.took, second.took);
}

#[test]
fn json_of_a_sweep_and_of_its_table_has_the_documented_fields() {
    let place = Place::new();
    let swept = place.ablate(&["sweep", "pooling", "--format", "json"]).expect(0);
    let table = place.ablate(&["table", "pooling", "--format", "json"]).expect(0);
    assert_eq!(swept.raw, table.raw);
    let json = table.json();
    let expected = [
        "baseline",
        "checkpoint",
        "complete",
        "experiment",
        "friedman",
        "interactions",
        "iqm",
        "missing",
        "notes",
        "ranks",
        "rows",
        "seeds",
        "stamp",
        "test_variants",
    ];
    assert_eq!(keys(&json), expected);
    assert_eq!(json["experiment"], "pooling");
    assert_eq!(json["baseline"], "attentive");
    assert_eq!(json["seeds"], serde_json::json!([0, 1]));
    assert_eq!(json["complete"], true);
    let rows = json["rows"].as_array().unwrap();
    let expected = [
        "ci_high", "ci_low", "cohen_d", "delta", "group", "hedges_g", "iqm", "iqm_high", "iqm_low",
        "mean", "metric", "n", "p", "p_holm", "pairs", "pruned", "rank", "runs", "sd", "seeds",
        "split", "values", "variant",
    ];
    for row in rows {
        assert_eq!(keys(row), expected);
        assert_eq!(row["split"], "test");
        assert_eq!(row["n"], 2);
    }
    let names: Vec<_> = rows
        .iter()
        .map(|row| format!("{} {}", text(&row["variant"]), text(&row["metric"])))
        .collect();
    let expected = ["attentive utilization", "attentive loss", "mean utilization", "mean loss"];
    assert_eq!(names, expected);

    // The numbers, from the run folders and by hand.
    let losses = |variant: &str| -> Vec<f64> {
        let runs = place.runs();
        let of = runs.iter().filter(|run| run.variant == variant);
        of.map(|run| {
            let finals = run.result["finals"].as_array().unwrap();
            let found = finals.iter().find(|m| m["metric"] == "loss" && m["split"] == "test");
            found.unwrap()["value"].as_f64().unwrap()
        })
        .collect()
    };
    let (base, mean) = (losses("attentive"), losses("mean"));
    close(&rows[1]["mean"], f64::midpoint(base[0], base[1]));
    // The deviation of two numbers, with n - 1: their distance by the root of two.
    close(&rows[1]["sd"], (base[0] - base[1]).abs() / 2.0_f64.sqrt());
    close(&rows[3]["delta"], f64::midpoint(mean[0] - base[0], mean[1] - base[1]));
    assert_eq!(rows[1]["delta"], Value::Null);
    // Two pairs have four sign patterns, of which both extremes count: p is 0.5 or 1.
    assert!([0.5, 1.0].contains(&rows[3]["p"].as_f64().unwrap()), "{}", rows[3]);
    let ids: Vec<String> = place.runs().into_iter().map(|run| run.id).collect();
    for row in rows {
        for run in row["runs"].as_array().unwrap() {
            assert!(ids.iter().any(|id| id == text(run)), "{run} of {ids:?}");
        }
    }
}

#[test]
fn the_table_comes_in_every_format_with_the_same_numbers() {
    let place = Place::new();
    place.ablate(&["sweep", "pooling"]).expect(0);
    let markdown = place.ablate(&["table", "pooling", "--format", "md"]).expect(0).raw;
    let separator = |line: &&str| line.starts_with('|') && line.contains("---");
    assert_eq!(markdown.lines().filter(separator).count(), 1, "{markdown}");
    assert_eq!(markdown.lines().filter(|line| line.starts_with('|')).count(), 4, "{markdown}");
    let latex = place.ablate(&["table", "pooling", "--format", "latex"]).expect(0).raw;
    for part in ["\\begin{tabular}", "\\toprule", "attentive", "\\bottomrule", "\\end{tabular}"] {
        assert!(latex.contains(part), "{latex}");
    }
    let csv = place.ablate(&["table", "pooling", "--format", "csv"]).expect(0).raw;
    let json = place.ablate(&["table", "pooling", "--format", "json"]).expect(0).json();
    let mut lines = csv.lines();
    let header = "variant,metric,split,n,mean,sd,delta,ci_low,ci_high,p,p_holm,group,pairs,cohen_d,\
                  hedges_g,rank,iqm,iqm_low,iqm_high,pruned,seeds,values,runs";
    assert_eq!(lines.next(), Some(header));
    for (line, row) in lines.zip(json["rows"].as_array().unwrap()) {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields[0], text(&row["variant"]));
        assert_eq!(fields[1], text(&row["metric"]));
        for (field, key) in fields[4..11].iter().zip(&header.split(',').collect::<Vec<_>>()[4..11])
        {
            assert_eq!(field.parse::<f64>().ok(), row[*key].as_f64(), "{key} of {line}");
        }
    }
}

#[test]
fn an_incomplete_table_names_what_is_missing_and_exits_with_2() {
    let place = Place::new();
    place.ablate(&["run", "pooling", "--variant", "mean", "--seed", "1"]).expect(0);
    let table = place.ablate(&["table", "pooling"]).expect(2);
    for cell in
        ["`attentive` seed 0: not run", "`attentive` seed 1: not run", "`mean` seed 0: not run"]
    {
        assert!(table.stdout.contains(&format!("missing: {cell}\n")), "{}", table.stdout);
    }
    assert!(!table.stdout.contains("`mean` seed 1"), "{}", table.stdout);
    table.says("next: ablate sweep pooling\n");
    let json = place.ablate(&["table", "pooling", "--format", "json"]).expect(2).json();
    assert_eq!(json["complete"], false);
    // What was run is not run again.
    let swept = place.ablate(&["sweep", "pooling"]).expect(0);
    let first = "pooling: 2 variants × 2 seeds = 4 trials, 1 done, 3 to run";
    assert!(swept.stderr.starts_with(first), "{}", swept.stderr);
    assert_eq!(place.runs().len(), 4);
}

#[test]
fn a_dry_run_checks_and_runs_nothing() {
    let place = Place::new();
    let dry = place.ablate(&["sweep", "pooling", "--dry-run", "--jobs", "2"]).expect(0);
    // By hand in `describe`: 4372 parameters without the pooling, and 145 in `attentive-mean`.
    let expected = "\
pooling: 2 variants × 2 seeds = 4 trials, 0 done, 4 to run (2 at once)
  attentive  to run: seeds 0, 1 · 4517 parameters · baseline
  mean       to run: seeds 0, 1 · 4372 parameters
               model.pooling = {\"use\":\"mean\"}
";
    assert_eq!(dry.stdout, expected);
    dry.says(
        "configurations and contracts of all variants fit; nothing was run\n\
         next: ablate sweep pooling\n",
    );
    assert!(place.runs().is_empty());
    let json =
        place.ablate(&["sweep", "pooling", "--dry-run", "--format", "json"]).expect(0).json();
    let trials = json["trials"].as_array().unwrap();
    let named: Vec<_> = trials
        .iter()
        .map(|trial| format!("{} {}", text(&trial["variant"]), trial["seed"]))
        .collect();
    assert_eq!(named, ["attentive 0", "mean 0", "attentive 1", "mean 1"]);
    assert!(trials.iter().all(|trial| trial["done"] == false));
}

#[test]
fn one_trial_runs_alone_and_is_shown() {
    let place = Place::new();
    let run = place.ablate(&["run", "pooling", "--seed", "7", "--format", "json"]).expect(0);
    let json = run.json();
    assert_eq!(keys(&json), ["id", "measurements", "status"]);
    assert_eq!(json["status"], "done");
    let runs = place.runs();
    assert_eq!((runs.len(), runs[0].variant.as_str(), runs[0].seed), (1, "attentive", 7));
    assert_eq!(text(&json["id"]), runs[0].id);
    let again = place.ablate(&["run", "pooling", "--seed", "7"]).expect(0);
    assert!(again.stderr.starts_with("this trial is done already; nothing was run\n"));
    assert_eq!(place.runs().len(), 1);
}

#[test]
fn a_grid_makes_its_variants() {
    let place = Place::new();
    place.edit(
        "name = \"mean\"\nset = { \"model.pooling\" = { use = \"mean\" } }\n",
        "name = \"x\"\n",
    );
    place.edit(
        "[[sweep.variant]]\nname = \"x\"\n",
        "[sweep.grid]\n\"model.quantizer.levels\" = [1, 3]\n",
    );
    let json =
        place.ablate(&["sweep", "pooling", "--dry-run", "--format", "json"]).expect(0).json();
    let trials = json["trials"].as_array().unwrap();
    let names: Vec<_> = trials.iter().map(|trial| text(&trial["variant"])).collect();
    assert_eq!(names[..3], ["attentive", "levels=1", "levels=3"]);
}

#[test]
fn the_best_checkpoint_is_measured_where_the_report_wants_it() {
    let place = Place::new();
    let best =
        ["sweep", "pooling", "sweep.seeds=[0]", "report.checkpoint=best", "train.total_epochs=6"];
    let swept = place.ablate(&best).expect(0);
    assert!(swept.stdout.contains("checkpoint `best`"), "{}", swept.stdout);
    for run in place.runs() {
        let finals = run.result["finals"].as_array().unwrap();
        let value = |metric: &str, split: &str| {
            let found: Vec<_> =
                finals.iter().filter(|m| m["metric"] == metric && m["split"] == split).collect();
            assert_eq!(found.len(), 1, "{metric} on {split} in {finals:#?}");
            (found[0]["value"].as_f64().unwrap(), found[0]["step"].as_u64().unwrap())
        };
        // The objective on `valid` at the reported step is the best of the whole run.
        let all = run.measurements.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let valid = all.filter(|m| m["metric"] == "utilization" && m["split"] == "valid");
        let top = valid.map(|m| m["value"].as_f64().unwrap()).fold(0.0, f64::max);
        assert_eq!(value("utilization", "valid").0, top);
        assert_eq!(value("utilization", "valid").1, value("utilization", "test").1);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[track_caller]
fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} for {expected}");
}
