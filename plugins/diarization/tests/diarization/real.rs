//! Real references and the output of real systems, whose scores their authors published.

use ablate_diarization::{
    ChangeRule, ErrorTime, Pairing, Rttm, Scoring, Timeline, Uem, changes, pair, score,
};
use std::path::{Path, PathBuf};

/// The folder `name` of the real data.
fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ABLATE_DATA").map(|data| Path::new(&data).join(name));
    if folder.is_none() {
        eprintln!("skipped: no data");
    }
    folder
}

/// All files of a folder as one.
fn rttms(folder: &Path) -> Rttm {
    let mut all = Rttm::default();
    for entry in fs_err::read_dir(folder).unwrap() {
        all.extend(Rttm::read(&entry.unwrap().path()).unwrap());
    }
    all
}

#[test]
fn voxconverse_has_the_known_numbers_of_turns_and_changes() {
    let Some(folder) = data("voxconverse") else { return };
    let reference = rttms(&folder.join("ref"));
    let recordings: Vec<&str> = reference.recordings().collect();
    let turns: usize = recordings.iter().map(|name| reference.turns(name).len()).sum();
    let count = |rule: ChangeRule| {
        let found = recordings.iter().flat_map(|name| changes(reference.turns(name), rule));
        let gaps: Vec<f64> = found.map(|change| change.gap).collect();
        (gaps.len(), gaps.iter().filter(|gap| **gap < 0.0).count())
    };
    assert_eq!((recordings.len(), turns), (216, 8268));
    assert_eq!(count(ChangeRule::default()), (4639, 1893));
    assert_eq!(count(ChangeRule { max_gap: Some(0.5), ..ChangeRule::default() }).0, 2122);
}

/// Missed, false alarm, confusion and DER of a system's file in percent, pooled over recordings.
fn percent(reference: &Rttm, system: &Path, region: impl Fn(&str) -> Option<Timeline>) -> [f64; 4] {
    let system = Rttm::read(system).unwrap();
    let pairs = pair(reference.recordings(), system.recordings(), &Pairing::default()).unwrap();
    let mut sum = ErrorTime::default();
    for (own, other) in pairs {
        let other = other.map_or(&[][..], |other| system.turns(other));
        sum += score(reference.turns(own), other, region(own).as_ref(), Scoring::default()).time;
    }
    let share = |time: f64| 100.0 * time / sum.total;
    let rate = 100.0 * sum.error_rate().unwrap();
    [share(sum.missed), share(sum.false_alarm), share(sum.confusion), rate]
}

fn assert_near(name: &str, found: [f64; 4], published: [f64; 4]) {
    for (found, published) in found.into_iter().zip(published) {
        assert!((found - published).abs() < 0.05, "{name}: {found} instead of {published}");
    }
}

/// Published by desh2608/diarizer: missed, false alarm, confusion, DER.
#[test]
fn systems_on_the_ami_test_set_score_as_published() {
    let Some(folder) = data("ami_rttm") else { return };
    let reference = rttms(&folder.join("setup/only_words/rttms/test"));
    let uem = folder.join("setup/uems/test");
    let region =
        |name: &str| Uem::read(&uem.join(format!("{name}.uem"))).unwrap().region(name).cloned();
    let published = [
        ("vbx", [18.15, 3.24, 4.83, 26.22]),
        ("vbx_ovl", [9.04, 7.70, 8.31, 25.05]),
        ("spectral", [18.15, 3.24, 4.14, 25.53]),
        ("spectral_ovl", [9.63, 7.39, 6.67, 23.69]),
    ];
    for (name, published) in published {
        let file = folder.join(format!("hyp_diarizer/ami_test_{name}.rttm"));
        assert_near(name, percent(&reference, &file, region), published);
    }
}

/// Published by desh2608/dover-lap, against a reference of its own.
#[test]
fn combined_systems_score_as_published() {
    let Some(folder) = data("ami_rttm").map(|folder| folder.join("hyp_doverlap")) else { return };
    let reference = Rttm::read(&folder.join("ref_rttm_test.rttm")).unwrap();
    let published = [
        ("rttm_test_vb", [9.84, 2.06, 9.60, 21.50]),
        ("rttm_test_sc", [11.48, 2.27, 9.81, 23.56]),
        ("rttm_test_rpn", [9.49, 7.68, 8.25, 25.43]),
        ("rttm_dl_test", [9.96, 2.16, 7.75, 19.86]),
    ];
    for (name, published) in published {
        let file = folder.join(format!("{name}.rttm"));
        assert_near(name, percent(&reference, &file, |_| None), published);
    }
}

#[test]
fn rows_that_are_no_turns_are_counted() {
    let Some(folder) = data("ami_rttm") else { return };
    let reference = Rttm::read(&folder.join("speechbrain/ref_ES2014c.rttm")).unwrap();
    assert!(reference.skipped.other_types > 0);
    let system = Rttm::read(&folder.join("hyp_diarizer/ami_test_vbx_ovl.rttm")).unwrap();
    assert_eq!(system.skipped.without_length, 1);
}
