//! Tables that were put into documents: fresh, stale, edited by hand, incomplete.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ablate_report::{
    CellState, Error, Finding, MetricColumn, SeedValue, Table, TableInput, View, find_tables,
};

fn input() -> TableInput {
    let mut input = TableInput {
        experiment: "pooling".into(),
        baseline: "mean".into(),
        variants: vec!["mean".into(), "a|b & c_d".into()],
        seeds: (0..6).collect(),
        checkpoint: "last".into(),
        view: View { ranks: true, iqm: true, arguments: vec!["--ranks".into()], ..View::default() },
        ..TableInput::default()
    };
    for (name, scale) in [("score", 1.0), ("loss", 1e-6)] {
        input.metrics.push(MetricColumn {
            name: name.into(),
            split: "test".into(),
            higher_is_better: Some(name == "score"),
            objective: name == "score",
            ..MetricColumn::default()
        });
        for (level, variant) in [(1, "mean"), (2, "a|b & c_d")] {
            for seed in 0..6_u64 {
                input.cells.push(SeedValue {
                    variant: variant.into(),
                    seed,
                    metric: name.into(),
                    split: "test".into(),
                    value: scale * (level as f64 + ((seed * 3 + level) % 5) as f64 / 16.0),
                    run: format!("{variant}-{seed}"),
                    ..SeedValue::default()
                });
            }
        }
    }
    input
}

fn table(change: impl FnOnce(&mut TableInput)) -> Table {
    let mut input = input();
    change(&mut input);
    Table::new(input).unwrap()
}

fn documents() -> [String; 2] {
    let table = table(|_| {});
    [
        format!("\\begin{{table}}\n{}\\end{{table}}\nText & more \\\\\n", table.latex()),
        format!("# Results\n\n{}\n| other | table |\n| --- | --- |\n| 1 | 2 |\n", table.markdown()),
    ]
}

#[track_caller]
fn findings(document: &str, table: &Table) -> Vec<Finding> {
    let found = find_tables(document).unwrap();
    assert_eq!(found.len(), 1);
    found[0].compare(table)
}

fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_just_written_is_fresh() {
    for document in documents() {
        let found = find_tables(&document).unwrap();
        assert_eq!(found[0].experiment, "pooling");
        assert_eq!(found[0].arguments, ["--ranks"]);
        // Two rows: n, mean, Δ, g, mean of the loss; two interquartile means; three ranks.
        assert_eq!(found[0].size(), 2 * (5 + 2 + 3));
        assert_eq!(told(&found[0].compare(&table(|_| {}))), Vec::<String>::new());
    }
}

#[test]
fn reformatting_is_no_edit() {
    let [latex, markdown] = documents();
    let reformat = |line: &str| match line.strip_prefix("% ablate") {
        Some(rest) => format!("\t%% ablate{rest}\n"),
        None => {
            line.replace(" & ", "\n    & ")
                .replace("{\\boldmath $", "{$\\mathbf ")
                .replace("mean\n", "Mean pooling % by hand\n")
                + "\n"
        }
    };
    let latex: String = latex.lines().map(reformat).collect();
    assert!(latex.contains("Mean pooling % by hand\n    & $6$\n"), "{latex}");
    assert_eq!(told(&findings(&latex, &table(|_| {}))), Vec::<String>::new());
    let reformat = |line: &str| {
        let row = line.starts_with('|');
        if row { line.replace(" |", "    |").replace("**", "") + "\n" } else { format!("{line}\n") }
    };
    let markdown: String = markdown.lines().map(reformat).collect();
    assert_eq!(told(&findings(&markdown, &table(|_| {}))), Vec::<String>::new());
}

#[test]
fn a_value_that_changed_is_stale() {
    for document in documents() {
        let now = table(|input| input.cells[1].value += 0.125);
        let found = findings(&document, &now);
        assert!(found.iter().all(|one| one.state == CellState::Stale), "{:#?}", told(&found));
        let columns: Vec<_> =
            found.iter().map(|one| (one.row.as_str(), one.column.as_str())).collect();
        assert!(
            columns.contains(&("mean", "score")) && columns.contains(&("a|b & c_d", "Δ score"))
        );
        assert!(!columns.iter().any(|(_, column)| column.contains("loss")), "{columns:?}");
        let line = document.lines().nth(found[0].line - 1).unwrap();
        assert!(line.contains("\"column\":\"score\""), "{line}");
    }
    let [_, markdown] = documents();
    let found = told(&findings(&markdown, &table(|input| input.cells[1].value += 0.125)));
    assert!(found[0].starts_with("stale: `mean`, score: `1.115 ± 0.092` is now `"), "{found:#?}");
}

#[test]
fn the_same_numbers_from_other_runs_are_stale() {
    for document in documents() {
        let now = table(|input| input.cells[0].run = "again".into());
        let found = told(&findings(&document, &now));
        let text = "now comes from other runs";
        assert!(!found.is_empty() && found.iter().all(|one| one.contains(text)), "{found:#?}");
    }
}

#[test]
fn a_number_typed_over_is_edited_and_the_others_are_fresh() {
    let [latex, markdown] = documents();
    let latex = latex.replacen("& $1.115 \\pm 0.092$", "& $1.215 \\pm 0.092$", 1);
    let found = findings(&latex, &table(|_| {}));
    assert_eq!(
        told(&found),
        ["edited: `mean`, score: `$1.215 \\pm 0.092$` was `$1.115 \\pm 0.092$`"]
    );
    let markdown = markdown.replacen("| 1.115 ± 0.092", "| 1.215 ± 0.092", 1);
    let found = findings(&markdown, &table(|_| {}));
    assert_eq!(told(&found), ["edited: `mean`, score: `1.215 ± 0.092` was `1.115 ± 0.092`"]);
}

#[test]
fn a_removed_row_a_new_variant_and_a_lost_one_are_named() {
    let [latex, markdown] = documents();
    let rows = |document: &str, gone: &str| {
        let lines: Vec<&str> = document.lines().filter(|line| !line.starts_with(gone)).collect();
        lines.join("\n")
    };
    let found = findings(&rows(&latex, "mean &"), &table(|_| {}));
    assert_eq!(found.len(), 10, "{:#?}", told(&found));
    assert!(found.iter().all(|one| one.state == CellState::Edited && one.printed.is_none()));
    let renamed = |input: &mut TableInput| {
        input.variants[1] = "new".into();
        for cell in input.cells.iter_mut().filter(|cell| cell.variant != "mean") {
            cell.variant = "new".into();
        }
    };
    for document in [latex, markdown] {
        let found = findings(&document, &table(renamed));
        let count = |state| found.iter().filter(|one| one.state == state).count();
        assert_eq!((count(CellState::Gone), count(CellState::Missing)), (10, 10));
        assert_eq!(found.len(), 20, "{:#?}", told(&found));
    }
}

#[test]
fn comments_that_were_changed_are_noticed() {
    for document in documents() {
        // Somebody made the table look fresh.
        let changed = document.replacen("1.115", "1.234", 1).replacen("mean-0", "mean-9", 1);
        let found = findings(&changed, &table(|_| {}));
        assert!(found.iter().any(|one| one.state == CellState::Comments), "{:#?}", told(&found));
    }
}

#[test]
fn comments_that_are_none_are_refused_with_their_line() {
    let error = find_tables("text\n% ablate: {\"row\":\n").unwrap_err();
    assert!(matches!(error, Error::Comment { line: 2, .. }), "{error}");
    let alone = "% ablate: {\"row\":\"a\",\"column\":\"b\",\"shown\":\"c\"}\n";
    let error = find_tables(alone).unwrap_err();
    assert!(error.to_string().contains("a cell without a table before it"), "{error}");
    assert!(find_tables("a document\n% of its own\nablate: me\n").unwrap().is_empty());
}
