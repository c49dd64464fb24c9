//! The table in all its forms, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ablate_report::{Error, MetricColumn, MissingTrial, SeedValue, Table, TableInput};

fn metric(name: &str, unit: Option<&str>, higher_is_better: Option<bool>) -> MetricColumn {
    MetricColumn {
        name: name.into(),
        split: "test".into(),
        unit: unit.map(str::to_owned),
        higher_is_better,
        objective: name == "utilization",
        ..MetricColumn::default()
    }
}

/// Values that are easy to check by hand: per variant a level and a step per seed.
fn input(seeds: u64) -> TableInput {
    let metrics = vec![
        metric("snr", Some("dB"), Some(true)),
        metric("utilization", None, Some(true)),
        metric("codes", None, None),
        metric("loss", None, Some(false)),
    ];
    let variants = ["mean", "attentive_stats", "sliding-window"];
    let mut cells = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        for seed in 0..seeds {
            let (level, wave) = (index as f64, ((seed * 3 + index as u64) % 5) as f64);
            let values = [
                ("snr", 10.0 + level + wave / 2.0),
                ("utilization", 0.25 + level / 16.0 + wave / 256.0),
                ("codes", 512.0),
                ("loss", (1.0 + wave) * 1e-5),
            ];
            for (metric, value) in values {
                let run = format!("{variant}-{seed}");
                cells.push(SeedValue {
                    variant: (*variant).into(),
                    seed,
                    metric: metric.into(),
                    split: "test".into(),
                    value,
                    run,
                    configuration: (*variant).into(),
                    ..SeedValue::default()
                });
            }
        }
    }
    TableInput {
        experiment: "pooling".into(),
        baseline: "mean".into(),
        variants: variants.map(String::from).to_vec(),
        seeds: (0..seeds).collect(),
        metrics,
        cells,
        checkpoint: "best".into(),
        test_variants: 3,
        ..TableInput::default()
    }
}

/// Drops values, as if a run had failed and another had not reported one metric.
fn incomplete() -> TableInput {
    let mut input = input(8);
    input.cells.retain(|cell| {
        let failed = cell.variant == "sliding-window" && cell.seed == 2;
        let unreported = cell.variant == "mean" && cell.seed == 1 && cell.metric == "snr";
        !failed && !unreported
    });
    let why = "failed: loss is NaN".into();
    let variant = "sliding-window".into();
    input.missing.push(MissingTrial { variant, seed: 2, why, ..MissingTrial::default() });
    input
}

fn table(input: TableInput) -> Table {
    Table::new(input).unwrap()
}

#[track_caller]
fn check(found: &str, expected: &str) {
    // A hash; `check.rs` tests that it changes with every cell.
    let stamp = found.split("\"stamp\":").nth(1).and_then(|rest| rest.split('"').nth(1));
    let found = stamp.map_or(found.to_owned(), |stamp| found.replace(stamp, "STAMP"));
    assert!(found == expected, "found:\n{found}\nexpected:\n{expected}");
}

#[test]
fn terminal_shows_all_in_one_block_where_it_fits() {
    check(
        &table(input(8)).term(120, false),
        "\
pooling: 3 variants × 8 seeds

variant          n  utilization ↑    Δ [95 %]                      g      snr (dB) ↑      codes      loss ↓
───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
mean             8  0.2568 ± 0.0058  baseline                             10.88 ± 0.74    512.0 ± 0  (2.8 ± 1.5)e-5
attentive_stats  8  0.3208 ± 0.0057  +0.0640 [+0.0582, +0.0697] *  8.23   12.06 ± 0.73 *  512.0 ± 0  (3.1 ± 1.5)e-5
sliding-window   8  0.3823 ± 0.0057  +0.1255 [+0.1170, +0.1339] *  11.03  12.94 ± 0.73 *  512.0 ± 0  (2.9 ± 1.5)e-5

split `test`, checkpoint `best`, n = 8; mean ± sd over seeds
Δ: mean difference to `mean`, paired by seed, with its 95 % paired t interval
g: Δ in units of the standard deviation of the paired differences, with Hedges' correction
*: p < 0.05, exact two-sided sign-flip test paired by seed, Holm-corrected over 2 variants within each metric
3 configurations of this experiment have been scored on `test`: the best of 3 looks better than it is
",
    );
}

#[test]
fn terminal_stacks_blocks_and_says_what_is_missing() {
    check(
        &table(incomplete()).term(80, false),
        "\
pooling: 3 variants × 8 seeds, incomplete

variant          n    utilization ↑    Δ [95 %]                      g
──────────────────────────────────────────────────────────────────────────
mean             8    0.2568 ± 0.0058  baseline
attentive_stats  8    0.3208 ± 0.0057  +0.0640 [+0.0582, +0.0697] *  8.23
sliding-window   7/8  0.3817 ± 0.0058  +0.1244 [+0.1148, +0.1341] *  10.35

variant          snr (dB) ↑            codes      loss ↓
────────────────────────────────────────────────────────────────
mean             10.79 ± 0.76 (n = 7)  512.0 ± 0  (2.8 ± 1.5)e-5
attentive_stats  12.06 ± 0.73          512.0 ± 0  (3.1 ± 1.5)e-5
sliding-window   12.86 ± 0.75          512.0 ± 0  (2.7 ± 1.5)e-5

split `test`, checkpoint `best`, n = 8; mean ± sd over seeds
Δ: mean difference to `mean`, paired by seed, with its 95 % paired t interval
g: Δ in units of the standard deviation of the paired differences, with Hedges'
correction
*: p < 0.05, exact two-sided sign-flip test paired by seed (6 to 8 pairs),
Holm-corrected over 2 variants within each metric
3 configurations of this experiment have been scored on `test`: the best of 3
looks better than it is
incomplete: a difference uses only the seeds that both variants have
missing: `mean` seed 1: no `snr`
missing: `sliding-window` seed 2: failed: loss is NaN
",
    );
}

#[test]
fn color_makes_the_best_bold_and_nothing_else() {
    let plain = table(input(8)).term(120, false);
    let color = table(input(8)).term(120, true);
    let bold: Vec<_> =
        color.split("\u{1b}[1m").skip(1).map(|part| part.split('\u{1b}').next().unwrap()).collect();
    assert_eq!(bold, ["(2.8 ± 1.5)e-5", "0.3823 ± 0.0057", "12.94 ± 0.73 *"]);
    assert_eq!(color.replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""), plain);
}

#[test]
fn terminal_fits_every_width_and_loses_nothing() {
    let squeezed = |text: &str| text.replace(char::is_whitespace, "");
    for input in [input(8), incomplete()] {
        let table = table(input);
        let whole = table.term(500, false);
        for width in 20..200 {
            let text = table.term(width, false);
            for line in text.lines() {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
                assert!(!line.contains('…') && !line.contains("..."), "{width}: {line}");
            }
            // Above this no cell is wrapped: the widest pair of columns fits.
            if width >= 45 {
                for cell in whole.lines().skip(4).take(3).flat_map(|line| line.split("  ")) {
                    assert!(squeezed(&text).contains(&squeezed(cell)), "{width}: {cell}");
                    assert!(text.contains(cell.trim()), "{width}: {cell}");
                }
            }
        }
    }
}

#[test]
fn markdown() {
    let mut input = input(5);
    input.metrics.truncate(2);
    input.cells.retain(|cell| cell.metric == "snr" || cell.metric == "utilization");
    input.variants.truncate(2);
    input.cells.retain(|cell| cell.variant != "sliding-window");
    input.test_variants = 1;
    check(
        &table(input).markdown(),
        "\
<!-- ablate: {\"table\":\"pooling\",\"arguments\":[],\"stamp\":\"STAMP\"}
ablate: {\"row\":\"mean\",\"column\":\"n\",\"shown\":\"5\"}
ablate: {\"row\":\"mean\",\"column\":\"utilization\",\"shown\":\"0.2578 ± 0.0062\",\"runs\":[\"mean-0\",\"mean-1\",\"mean-2\",\"mean-3\",\"mean-4\"]}
ablate: {\"row\":\"mean\",\"column\":\"Δ utilization\",\"shown\":\"baseline\"}
ablate: {\"row\":\"mean\",\"column\":\"g utilization\",\"shown\":\"\"}
ablate: {\"row\":\"mean\",\"column\":\"snr\",\"shown\":\"11.00 ± 0.79\",\"runs\":[\"mean-0\",\"mean-1\",\"mean-2\",\"mean-3\",\"mean-4\"]}
ablate: {\"row\":\"attentive_stats\",\"column\":\"n\",\"shown\":\"5\"}
ablate: {\"row\":\"attentive_stats\",\"column\":\"utilization\",\"shown\":\"**0.3203 ± 0.0062**\",\"runs\":[\"attentive_stats-0\",\"attentive_stats-1\",\"attentive_stats-2\",\"attentive_stats-3\",\"attentive_stats-4\"]}
ablate: {\"row\":\"attentive_stats\",\"column\":\"Δ utilization\",\"shown\":\"+0.062 [+0.052, +0.073]\"}
ablate: {\"row\":\"attentive_stats\",\"column\":\"g utilization\",\"shown\":\"5.71\"}
ablate: {\"row\":\"attentive_stats\",\"column\":\"snr\",\"shown\":\"**12.00 ± 0.79**\",\"runs\":[\"attentive_stats-0\",\"attentive_stats-1\",\"attentive_stats-2\",\"attentive_stats-3\",\"attentive_stats-4\"]}
-->

| variant | n | utilization ↑ | Δ [95 %] | g | snr (dB) ↑ |
| --- | --- | --- | --- | --- | --- |
| mean | 5 | 0.2578 ± 0.0062 | baseline |  | 11.00 ± 0.79 |
| attentive\\_stats | 5 | **0.3203 ± 0.0062** | +0.062 [+0.052, +0.073] | 5.71 | **12.00 ± 0.79** |

- split `test`, checkpoint `best`, n = 5; mean ± sd over seeds
- Δ: mean difference to `mean`, paired by seed, with its 95 % paired t interval
- g: Δ in units of the standard deviation of the paired differences, with Hedges' correction
- n = 5: no two-sided sign-flip p can be below 0.0625
",
    );
}

#[test]
fn latex() {
    let mut input = input(8);
    input.metrics.truncate(2);
    input.cells.retain(|cell| cell.metric == "snr" || cell.metric == "utilization");
    let text = table(input).latex();
    // What the comments hold is tested where they are read.
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("% ablate: ")).collect();
    check(
        &(lines.join("\n") + "\n"),
        r"% \usepackage{booktabs}
\begin{tabular}{llllll}
\toprule
variant & n & utilization $\uparrow$ & $\Delta$ [95 \%] & g & snr (dB) $\uparrow$ \\
\midrule
mean & $8$ & $0.2568 \pm 0.0058$ & baseline &  & $10.88 \pm 0.74$ \\
attentive\_stats & $8$ & $0.3208 \pm 0.0057$ & $+0.0640\;[+0.0582, +0.0697]^{*}$ & $8.23$ & $12.06 \pm 0.73^{*}$ \\
sliding-window & $8$ & {\boldmath $0.3823 \pm 0.0057$} & $+0.1255\;[+0.1170, +0.1339]^{*}$ & $11.03$ & {\boldmath $12.94 \pm 0.73^{*}$} \\
\bottomrule
\end{tabular}
\par\smallskip
{\footnotesize
split \texttt{test}, checkpoint \texttt{best}, n = 8; mean $\pm$ sd over seeds\par
$\Delta$: mean difference to \texttt{mean}, paired by seed, with its 95 \% paired t interval\par
g: $\Delta$ in units of the standard deviation of the paired differences, with Hedges' correction\par
*: p $<$ 0.05, exact two-sided sign-flip test paired by seed, Holm-corrected over 2 variants within each metric\par
3 configurations of this experiment have been scored on \texttt{test}: the best of 3 looks better than it is\par
}
",
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "most of them are the expected text")]
fn json_has_exactly_the_promised_fields() {
    let mut input = input(1);
    input.metrics.truncate(1);
    input.variants.truncate(2);
    input.cells.retain(|cell| cell.metric == "snr" && cell.variant != "sliding-window");
    check(
        &table(input).json(),
        r#"{
  "experiment": "pooling",
  "baseline": "mean",
  "seeds": [
    0
  ],
  "complete": true,
  "checkpoint": "best",
  "test_variants": 3,
  "stamp": "STAMP",
  "rows": [
    {
      "variant": "mean",
      "metric": "snr",
      "split": "test",
      "group": "",
      "n": 1,
      "mean": 10.0,
      "sd": null,
      "delta": null,
      "ci_low": null,
      "ci_high": null,
      "p": null,
      "p_holm": null,
      "pairs": 0,
      "cohen_d": null,
      "hedges_g": null,
      "rank": 2.0,
      "iqm": null,
      "iqm_low": null,
      "iqm_high": null,
      "pruned": null,
      "seeds": [
        0
      ],
      "values": [
        10.0
      ],
      "runs": [
        "mean-0"
      ]
    },
    {
      "variant": "attentive_stats",
      "metric": "snr",
      "split": "test",
      "group": "",
      "n": 1,
      "mean": 11.5,
      "sd": null,
      "delta": 1.5,
      "ci_low": null,
      "ci_high": null,
      "p": 1.0,
      "p_holm": 1.0,
      "pairs": 1,
      "cohen_d": null,
      "hedges_g": null,
      "rank": 1.0,
      "iqm": null,
      "iqm_low": null,
      "iqm_high": null,
      "pruned": null,
      "seeds": [
        0
      ],
      "values": [
        11.5
      ],
      "runs": [
        "attentive_stats-0"
      ]
    }
  ],
  "interactions": [],
  "ranks": [
    {
      "variant": "mean",
      "mean_rank": 2.0
    },
    {
      "variant": "attentive_stats",
      "mean_rank": 1.0
    }
  ],
  "friedman": [
    {
      "metric": "snr",
      "split": "test",
      "group": "",
      "variants": 2,
      "n": 1,
      "statistic": null,
      "p": null
    }
  ],
  "iqm": [],
  "missing": [],
  "notes": [
    "split `test`, checkpoint `best`, n = 1",
    "Δ: mean difference to `mean`, paired by seed",
    "n = 1: no two-sided sign-flip p can be below 1",
    "3 configurations of this experiment have been scored on `test`: the best of 3 looks better than it is"
  ]
}
"#,
    );
}

#[test]
fn csv_and_json_have_the_same_digits() {
    let table = table(incomplete());
    let json: serde_json::Value = serde_json::from_str(&table.json()).unwrap();
    assert_eq!(json["complete"], false);
    let csv = table.csv();
    let mut lines = csv.lines();
    let titles: Vec<_> = lines.next().unwrap().split(',').collect();
    for (line, row) in lines.zip(json["rows"].as_array().unwrap()) {
        for (title, field) in titles.iter().zip(line.split(',')) {
            let expected = match &row[title] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Array(items) => {
                    let text = |item: &serde_json::Value| {
                        item.as_str().map_or_else(|| item.to_string(), str::to_owned)
                    };
                    items.iter().map(text).collect::<Vec<_>>().join(" ")
                }
                // The same parser, which may be off by the last bit.
                number => {
                    let parsed: serde_json::Value = serde_json::from_str(field).unwrap();
                    assert_eq!(parsed, *number, "{title}");
                    continue;
                }
            };
            assert_eq!(field, expected, "{title}");
        }
    }
}

#[test]
fn the_note_counts_the_variants_of_the_correction() {
    // With six seeds the smallest p is 1/32, twice that with two variants.
    let notes = table(input(6)).notes();
    assert_eq!(
        notes[3],
        "n = 6: after Holm's correction over 2 variants no two-sided sign-flip p can be below 0.0625"
    );
}

#[test]
fn a_single_variant_has_no_differences() {
    let mut input = input(3);
    input.variants.truncate(1);
    input.cells.retain(|cell| cell.variant == "mean");
    let text = table(input).term(200, false);
    assert!(!text.contains('Δ') && !text.contains("sign-flip"), "{text}");
}

#[test]
fn a_variant_without_any_value_stays_in_the_table() {
    let mut input = input(2);
    input.cells.retain(|cell| cell.variant != "sliding-window");
    let table = table(input);
    assert!(!table.complete());
    let row = table.rows().iter().find(|row| row.variant == "sliding-window").unwrap();
    assert_eq!((row.n, row.mean, row.p), (0, None, None));
    assert!(
        table.term(120, false).contains("sliding-window   0/2  –"),
        "{}",
        table.term(120, false)
    );
}

#[test]
fn a_metric_on_another_split_stands_under_it() {
    let mut input = input(2);
    input.metrics[0].split = "valid".into();
    for cell in input.cells.iter_mut().filter(|cell| cell.metric == "snr") {
        cell.split = "valid".into();
    }
    let text = table(input).term(120, false);
    assert!(text.contains("valid ──────  test ──"), "{text}");
}

#[test]
fn refuses_numbers_that_cannot_be_compared() {
    let refused = |change: fn(&mut TableInput)| {
        let mut input = input(2);
        change(&mut input);
        Table::new(input).unwrap_err()
    };
    let error = refused(|input| input.cells[5].value = f64::NAN);
    assert_eq!(error.to_string(), "`utilization` of run `mean-1` (variant `mean`, seed 1) is NaN");
    assert_eq!(error.hints(), ["`ablate show mean-1` shows where it began"]);
    let error = refused(|input| {
        let again = SeedValue { run: "other".into(), ..input.cells[0].clone() };
        input.cells.push(again);
    });
    assert_eq!(
        error.to_string(),
        "variant `mean` seed 0 has two values of `snr`: runs `mean-0` and `other`"
    );
    let error = refused(|input| input.baseline = "max".into());
    assert_eq!(error.to_string(), "unknown baseline `max`");
    assert_eq!(error.hints(), ["variants: `mean`, `attentive_stats`, `sliding-window`"]);
    let error = refused(|input| input.seeds = vec![0]);
    assert_eq!(
        error.to_string(),
        "run `mean-1` has a value for seed `1`, which is not in the table"
    );
    let error = refused(|input| input.seeds.push(1));
    assert!(matches!(error, Error::ListedTwice { what: "seed", .. }));
}

/// Two groups of columns, with values on two splits each.
fn grouped() -> TableInput {
    let mut input = input(6);
    let splits = ["valid", "test"];
    let groups = ["read", "spontaneous"];
    input.metrics.retain(|metric| metric.name == "snr" || metric.name == "utilization");
    let (metrics, cells) = (std::mem::take(&mut input.metrics), std::mem::take(&mut input.cells));
    for group in groups {
        for split in splits {
            input.metrics.extend(metrics.iter().map(|metric| MetricColumn {
                split: split.into(),
                group: group.into(),
                ..metric.clone()
            }));
            let known = cells.iter().filter(|cell| metrics.iter().any(|m| m.name == cell.metric));
            input.cells.extend(known.map(|cell| SeedValue {
                split: split.into(),
                group: group.into(),
                ..cell.clone()
            }));
        }
    }
    input
}

#[test]
fn groups_stand_above_their_columns() {
    let mut input = grouped();
    input.metrics.retain(|metric| metric.split == "test");
    input.cells.retain(|cell| cell.split == "test");
    check(
        &table(input).term(130, false),
        "\
pooling: 3 variants × 6 seeds

                    read ───────────────────────────────────────────────────────────
variant          n  utilization ↑    Δ [95 %]                    g      snr (dB) ↑
────────────────────────────────────────────────────────────────────────────────────
mean             6  0.2565 ± 0.0064  baseline                           10.83 ± 0.82
attentive_stats  6  0.3197 ± 0.0057  +0.0632 [+0.0548, +0.0715]  6.66   11.92 ± 0.74
sliding-window   6  0.3828 ± 0.0055  +0.126 [+0.116, +0.137]     10.53  13.00 ± 0.71

                 spontaneous ────────────────────────────────────────────────────
variant          utilization ↑    Δ [95 %]                    g      snr (dB) ↑
─────────────────────────────────────────────────────────────────────────────────
mean             0.2565 ± 0.0064  baseline                           10.83 ± 0.82
attentive_stats  0.3197 ± 0.0057  +0.0632 [+0.0548, +0.0715]  6.66   11.92 ± 0.74
sliding-window   0.3828 ± 0.0055  +0.126 [+0.116, +0.137]     10.53  13.00 ± 0.71

split `test`, checkpoint `best`, n = 6; mean ± sd over seeds
Δ: mean difference to `mean`, paired by seed, with its 95 % paired t interval
g: Δ in units of the standard deviation of the paired differences, with Hedges' correction
n = 6: after Holm's correction over 2 variants no two-sided sign-flip p can be below 0.0625
3 configurations of this experiment have been scored on `test`: the best of 3 looks better than it is
",
    );
}

#[test]
fn every_width_keeps_the_groups_apart() {
    let table = table(grouped());
    let titles = ["read, valid", "read, test", "spontaneous, valid", "spontaneous, test"];
    for width in 45..200 {
        let text = table.term(width, false);
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
        }
        for title in titles {
            assert!(text.contains(title), "{width}: no {title} in\n{text}");
        }
    }
}
