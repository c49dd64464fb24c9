//! Successive halving against the algorithm of the paper, written down another way.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn spec(min_epochs: u64, reduction: u64) -> HalvingSpec {
    HalvingSpec { metric: None, min_epochs, reduction, max_epochs: None }
}

fn at_first_rung(values: &[f64]) -> Vec<Contender> {
    let contender = |value: &f64| Contender { values: vec![*value], allowed: 1, ..unstarted() };
    values.iter().map(contender).collect()
}

fn unstarted() -> Contender {
    Contender::default()
}

fn runs(verdicts: &[Verdict], rung: usize) -> Vec<usize> {
    let is = |index: &usize| verdicts[*index] == Verdict::Run { rung };
    (0..verdicts.len()).filter(is).collect()
}

#[test]
fn rungs_are_powers_of_the_reduction() {
    assert_eq!(Halving::new(&spec(1, 3), 30, true).rungs(), [1, 3, 9, 27, 30]);
    assert_eq!(Halving::new(&spec(2, 2), 16, true).rungs(), [2, 4, 8, 16]);
    let bounded = HalvingSpec { max_epochs: Some(4), ..spec(2, 2) };
    assert_eq!(Halving::new(&bounded, 16, true).rungs(), [2, 4, 16]);
}

#[test]
fn a_complete_rung_lets_the_best_third_go_on() {
    let values = [0.1, 0.9, 0.5, f64::NAN, 0.7, 0.2];
    let halving = Halving::new(&spec(1, 3), 9, true);
    let verdicts = halving.decide(&at_first_rung(&values));
    assert_eq!(runs(&verdicts, 1), [1, 4]);
    let reason = "6th of 6 after 1 epoch, and 2 go on".to_owned();
    assert_eq!(verdicts[3], Verdict::Stopped { reason });
    let lower = Halving::new(&spec(1, 3), 9, false).decide(&at_first_rung(&values));
    assert_eq!(runs(&lower, 1), [0, 5]);
}

#[test]
fn of_equal_values_the_earlier_goes_on() {
    let halving = Halving::new(&spec(1, 2), 9, true);
    assert_eq!(runs(&halving.decide(&at_first_rung(&[0.5; 4])), 1), [0, 1]);
}

#[test]
fn of_few_at_least_one_goes_on() {
    let halving = Halving::new(&spec(1, 3), 9, true);
    assert_eq!(runs(&halving.decide(&at_first_rung(&[0.1, 0.2])), 1), [1]);
}

#[test]
fn the_baseline_is_never_stopped_and_takes_no_place() {
    let halving = Halving::new(&spec(1, 3), 9, true);
    let mut contenders = at_first_rung(&[0.9, 0.1, 0.3, 0.2]);
    contenders[0].baseline = true;
    let verdicts = halving.decide(&contenders);
    assert_eq!(runs(&verdicts, 1), [0, 2]);
    contenders[0].values = vec![f64::NAN, f64::NAN];
    contenders[0].allowed = 2;
    assert_eq!(halving.decide(&contenders)[0], Verdict::Run { rung: 2 });
}

#[test]
fn who_cannot_go_on_any_more_is_stopped_before_all_are_there() {
    let halving = Halving::new(&spec(1, 3), 9, true);
    let mut contenders = at_first_rung(&[0.5, 0.6, 0.4]);
    contenders.extend([unstarted(), unstarted(), unstarted()]);
    contenders[3].allowed = 1;
    let verdicts = halving.decide(&contenders);
    assert_eq!(verdicts[1], Verdict::Run { rung: 1 });
    // Of six two go on; the second of three may still be among them, the third may not.
    let reason = "2nd of 3 after 1 epoch, 3 may still come".to_owned();
    assert_eq!(verdicts[0], Verdict::Waiting { reason });
    let reason = "3rd of 3 after 1 epoch, and at most 2 go on".to_owned();
    assert_eq!(verdicts[2], Verdict::Stopped { reason });
    assert_eq!(verdicts[3], Verdict::Running);
    assert_eq!(verdicts[4], Verdict::Run { rung: 0 });
    // Two of those that may come fail: one fewer is awaited, and only one of four goes on.
    contenders[4].failed = true;
    contenders[5].failed = true;
    let verdicts = halving.decide(&contenders);
    assert_eq!(verdicts[4], Verdict::Failed);
    assert!(matches!(verdicts[0], Verdict::Stopped { .. }));
}

#[test]
fn who_has_reached_the_end_is_finished() {
    let halving = Halving::new(&spec(1, 3), 3, true);
    let values = vec![0.1, 0.2];
    let done = Contender { values, allowed: 2, ..unstarted() };
    assert_eq!(halving.decide(&[done]), [Verdict::Finished]);
}

/// The paper's rungs: who has reported at each, and who was promoted from it.
#[derive(Default)]
struct Paper {
    reported: Vec<Vec<usize>>,
    promoted: Vec<BTreeSet<usize>>,
}

impl Paper {
    /// `get_job` without its last line: who is promotable at a rung.
    fn promotable(
        &self,
        rung: usize,
        value: impl Fn(usize) -> f64,
        reduction: usize,
    ) -> Vec<usize> {
        let mut top = self.reported[rung].clone();
        top.sort_by(|left, right| value(*right).total_cmp(&value(*left)).then(left.cmp(right)));
        top.truncate(self.reported[rung].len() / reduction);
        top.retain(|index| !self.promoted[rung].contains(index));
        top.sort_unstable();
        top
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Variants report in a random order. At every moment those that the paper would promote are
    /// those that go on, whoever is stopped is never promotable again, and at the end nobody waits.
    #[test]
    fn promotes_like_the_paper(
        values in prop::collection::vec(prop::collection::vec(0_u8..20, 4), 1..14),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 80),
        reduction in 2_usize..5,
    ) {
        let halving = Halving::new(&spec(1, reduction as u64), (reduction as u64).pow(3), true);
        let rungs = halving.rungs().len();
        prop_assert_eq!(rungs, 4);
        let below_last: Vec<usize> = (0..rungs - 1).collect();
        let mut contenders = vec![unstarted(); values.len()];
        let mut paper = Paper::default();
        paper.reported.resize(rungs, Vec::new());
        paper.promoted.resize(rungs, BTreeSet::new());
        let mut stopped: BTreeSet<usize> = BTreeSet::new();
        let mut picks = picks.into_iter();
        loop {
            let verdicts = halving.decide(&contenders);
            for &rung in &below_last {
                let value = |index: usize| f64::from(values[index][rung]);
                let theirs = paper.promotable(rung, value, reduction);
                let ours = runs(&verdicts, rung + 1);
                for index in &theirs {
                    prop_assert!(!stopped.contains(index), "{index} was stopped too early");
                }
                // More than theirs only where nobody else can come and nobody would go on.
                if ours != theirs {
                    prop_assert!(theirs.is_empty() && ours.len() == 1);
                    prop_assert!(paper.reported[rung].len() < reduction);
                }
                for index in ours {
                    paper.promoted[rung].insert(index);
                    contenders[index].allowed = rung + 2;
                }
            }
            for (index, verdict) in verdicts.iter().enumerate() {
                if matches!(verdict, Verdict::Stopped { .. }) {
                    stopped.insert(index);
                }
                let is_stopped = matches!(verdict, Verdict::Stopped { .. });
                prop_assert_eq!(stopped.contains(&index), is_stopped);
                if *verdict == (Verdict::Run { rung: 0 }) {
                    contenders[index].allowed = 1;
                }
            }
            let under_way: Vec<usize> = (0..contenders.len())
                .filter(|index| contenders[*index].allowed > contenders[*index].values.len())
                .collect();
            let Some(pick) = (!under_way.is_empty()).then(|| picks.next()).flatten() else {
                prop_assert!(under_way.is_empty(), "more reports than there can be");
                let waits = |verdict: &Verdict| matches!(verdict, Verdict::Waiting { .. });
                prop_assert!(!verdicts.iter().any(waits), "{verdicts:?}");
                prop_assert!(verdicts.contains(&Verdict::Finished));
                break;
            };
            let index = under_way[pick.index(under_way.len())];
            let rung = contenders[index].values.len();
            contenders[index].values.push(f64::from(values[index][rung]));
            paper.reported[rung].push(index);
        }
    }
}
