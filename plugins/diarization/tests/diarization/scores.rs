//! Error rates against a worked case and against pyannote.metrics.

use ablate_diarization::{ErrorTime, Interval, Jaccard, Scoring, Timeline, Turn, score};
use serde::Deserialize;

fn case() -> ([Turn; 3], [Turn; 3], Timeline) {
    let reference =
        [Turn::new(0.0, 10.0, "A"), Turn::new(10.0, 20.0, "B"), Turn::new(18.0, 25.0, "C")];
    let system =
        [Turn::new(0.5, 10.4, "x"), Turn::new(10.4, 22.0, "y"), Turn::new(22.0, 26.0, "z")];
    (reference, system, Timeline::new([Interval::new(0.0, 30.0)]))
}

/// By hand, and equal in pyannote.metrics and md-eval.
#[test]
fn a_worked_case_in_all_four_settings() {
    let (reference, system, region) = case();
    let expected = [
        (0.0, false, [27.0, 2.5, 1.0, 2.4], 0.218_519),
        (0.25, false, [24.5, 1.75, 0.75, 1.9], 0.179_592),
        (0.0, true, [23.0, 0.5, 1.0, 2.4], 0.169_565),
        (0.25, true, [21.5, 0.25, 0.75, 1.9], 0.134_884),
    ];
    for (collar, skip_overlap, [total, missed, false_alarm, confusion], rate) in expected {
        let scoring = Scoring { collar, skip_overlap };
        let found = score(&reference, &system, Some(&region), scoring);
        let wanted = ErrorTime { total, missed, false_alarm, confusion };
        let parts = |time: ErrorTime| [time.total, time.missed, time.false_alarm, time.confusion];
        for (found, wanted) in parts(found.time).into_iter().zip(parts(wanted)) {
            assert!((found - wanted).abs() < 1e-9, "{scoring:?}: {found} instead of {wanted}");
        }
        assert!((found.time.error_rate().unwrap() - rate).abs() < 1e-6, "{scoring:?}");
        let names = [("A", "x"), ("B", "y"), ("C", "z")];
        assert_eq!(found.mapping, names.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
    let jaccard = score(&reference, &system, Some(&region), Scoring::default()).jaccard;
    assert!((jaccard.error_rate().unwrap() - 0.303_846_2).abs() < 1e-7);
}

#[test]
fn silence_on_either_side_is_all_wrong() {
    let (reference, system, _) = case();
    let missed = score(&reference, &[], None, Scoring::default());
    assert_eq!(missed.time.error_rate(), Some(1.0));
    assert_eq!(missed.jaccard, Jaccard { speakers: 3, error: 3.0 });
    let alarm = score(&[], &system, None, Scoring::default());
    assert_eq!((alarm.time.error_rate(), alarm.time.false_alarm), (None, 25.5));
    assert_eq!(alarm.jaccard.error_rate(), None);
    assert_eq!(score(&[], &[], None, Scoring::default()).time, ErrorTime::default());
}

#[test]
fn a_system_that_repeats_the_reference_makes_no_error() {
    let (reference, ..) = case();
    let mut renamed = reference.clone();
    for turn in &mut renamed {
        turn.speaker = format!("speaker {}", turn.speaker);
    }
    let found = score(&reference, &renamed, None, Scoring { collar: 0.1, skip_overlap: false });
    assert_eq!((found.time.error_rate(), found.jaccard.error_rate()), (Some(0.0), Some(0.0)));
}

/// Written by `oracle.py` with pyannote.metrics.
#[derive(Deserialize)]
struct Oracle {
    pyannote_metrics: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    reference: Vec<(f64, f64, String)>,
    system: Vec<(f64, f64, String)>,
    region: Option<Vec<(f64, f64)>>,
    /// On each side.
    collar: f64,
    skip_overlap: bool,
    total: f64,
    missed: f64,
    false_alarm: f64,
    confusion: f64,
    speakers: u64,
    speaker_error: f64,
}

#[test]
fn random_annotations_score_as_in_pyannote_metrics() {
    let oracle: Oracle = serde_json::from_str(include_str!("oracle.json")).unwrap();
    assert!(oracle.cases.len() >= 200, "pyannote.metrics {}", oracle.pyannote_metrics);
    let turns = |list: &[(f64, f64, String)]| -> Vec<Turn> {
        list.iter().map(|(start, end, speaker)| Turn::new(*start, *end, speaker)).collect()
    };
    for (number, case) in oracle.cases.iter().enumerate() {
        let intervals = |list: &Vec<(f64, f64)>| {
            Timeline::new(list.iter().map(|(start, end)| Interval::new(*start, *end)))
        };
        let region = case.region.as_ref().map(intervals);
        let scoring = Scoring { collar: case.collar, skip_overlap: case.skip_overlap };
        let (reference, system) = (turns(&case.reference), turns(&case.system));
        let found = score(&reference, &system, region.as_ref(), scoring);
        let pairs = [
            ("total", found.time.total, case.total),
            ("missed", found.time.missed, case.missed),
            ("false alarm", found.time.false_alarm, case.false_alarm),
            ("confusion", found.time.confusion, case.confusion),
            ("speaker error", found.jaccard.error, case.speaker_error),
        ];
        for (what, found, wanted) in pairs {
            assert!((found - wanted).abs() < 1e-9, "case {number}: {what} {found}, not {wanted}");
        }
        assert_eq!(found.jaccard.speakers, case.speakers, "case {number}");
    }
}
