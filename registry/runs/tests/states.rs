//! The state machine of trials: whatever happens, the store shows what the table of changes says.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;

use ablate_runs::{
    AttemptEnd, AttemptOutcome, Claim, Failure, Filter, NewAttempt, NewRun, Outcome, Run, Status,
    Store, SweepRecord, TrialEvent, TrialRecord, TrialState,
};
use chrono::Utc;
use proptest::prelude::*;
use serde_json::json;

const TRIALS: usize = 3;

/// A home in memory where there is such a place: what is tested here does not depend on the disk.
fn quick_home() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// What happens next, and to which trial.
#[derive(Clone, Copy, Debug)]
enum Step {
    Trial(usize, TrialEvent),
    /// A claim without more, as of a process that dies before it has made a run.
    Claim(usize),
    /// A coordinator that counts a lost trial as failed.
    Reopened,
    Rebuild,
    LoseIndex,
}

fn step() -> impl Strategy<Value = Step> {
    use TrialEvent::{Die, Fail, Finish, Remove, Start, Stop};
    let event = prop::sample::select(vec![
        Start, Start, Start, Start, Finish, Fail, Fail, Stop, Die, Remove,
    ]);
    prop_oneof![
        20 => (0..TRIALS, event).prop_map(|(trial, event)| Step::Trial(trial, event)),
        2 => (0..TRIALS).prop_map(Step::Claim),
        1 => Just(Step::Reopened),
        1 => Just(Step::Rebuild),
        1 => Just(Step::LoseIndex),
    ]
}

fn identity(trial: usize) -> String {
    format!("trial-{trial}")
}

fn sweep() -> SweepRecord {
    let trial = |trial| TrialRecord {
        variant: format!("variant-{trial}"),
        seed: 0,
        identity: identity(trial),
    };
    SweepRecord {
        experiment: "pooling".into(),
        question: String::new(),
        file: "experiment.toml".into(),
        created: Utc::now(),
        baseline: "variant-0".into(),
        seeds: vec![0],
        variants: Vec::new(),
        trials: (0..TRIALS).map(trial).collect(),
    }
}

fn failure() -> Failure {
    Failure { kind: "signal".into(), message: "killed".into(), hints: Vec::new() }
}

/// The trials as processes see them.
struct World {
    home: tempfile::TempDir,
    store: Store,
    claims: BTreeMap<usize, Claim>,
}

impl World {
    fn run(&self, trial: usize) -> Option<Run> {
        let latest = self.store.latest([identity(trial)]).unwrap();
        latest.values().next().map(|summary| self.store.run(&summary.id).unwrap())
    }

    /// What a process does that may do so in this state.
    fn happen(&mut self, trial: usize, event: TrialEvent) {
        let end = |outcome| AttemptEnd::now(1.0, outcome);
        let last = |run: &Run| run.attempts().unwrap().last().unwrap().number;
        match event {
            TrialEvent::Start => {
                let claim = self.store.claim(&identity(trial)).unwrap().unwrap();
                let run = self.run(trial).unwrap_or_else(|| {
                    let new = NewRun {
                        identity: identity(trial),
                        experiment: "pooling".into(),
                        variant: format!("variant-{trial}"),
                        seed: 0,
                        spec: json!({}),
                        manifest: json!({}),
                    };
                    self.store.create(new).unwrap()
                });
                run.reopen().unwrap();
                claim.set_run(run.id()).unwrap();
                run.begin_attempt(&NewAttempt::here()).unwrap();
                self.claims.insert(trial, claim);
            }
            TrialEvent::Finish => {
                self.run(trial).unwrap().finish(&Outcome::default()).unwrap();
                self.claims.remove(&trial).unwrap();
            }
            TrialEvent::Fail => {
                let run = self.run(trial).unwrap();
                let outcome = Outcome { error: Some(failure()), ..Outcome::default() };
                if self.claims.remove(&trial).is_some() {
                    run.finish(&outcome).unwrap();
                } else {
                    let end = end(AttemptOutcome::Lost);
                    assert!(run.end_dead_attempt(last(&run), &end, &failure()).unwrap());
                }
            }
            TrialEvent::Stop => {
                let run = self.run(trial).unwrap();
                run.end_attempt(last(&run), &end(AttemptOutcome::Stopped)).unwrap();
                self.claims.remove(&trial).unwrap();
            }
            TrialEvent::Die => drop(self.claims.remove(&trial).unwrap()),
            TrialEvent::Remove => {
                fs_err::remove_dir_all(self.run(trial).unwrap().folder()).unwrap();
            }
        }
    }

    /// What the store refuses in this state.
    fn refuse(&mut self, trial: usize, state: TrialState, event: TrialEvent) {
        match (state, event) {
            (TrialState::Running, TrialEvent::Start) => {
                assert!(self.store.claim(&identity(trial)).unwrap().is_none());
            }
            (TrialState::Done, TrialEvent::Start) => {
                assert!(self.run(trial).unwrap().reopen().is_err());
            }
            (TrialState::Done | TrialState::Failed, TrialEvent::Finish | TrialEvent::Fail) => {
                assert!(self.run(trial).unwrap().finish(&Outcome::default()).is_err());
            }
            _ => {}
        }
    }

    fn reopen(&mut self) {
        self.store = Store::open(self.home.path()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_shows_what_the_table_says(steps in prop::collection::vec(step(), 1..40)) {
        let home = quick_home();
        let store = Store::open(home.path()).unwrap();
        let mut world = World { home, store, claims: BTreeMap::new() };
        let mut states = [TrialState::Queued; TRIALS];
        let sweep = sweep();
        for step in steps {
            match step {
                Step::Trial(trial, event) => match states[trial].after(event) {
                    Some(next) => {
                        world.happen(trial, event);
                        states[trial] = next;
                        if event == TrialEvent::Remove {
                            world.reopen();
                        }
                    }
                    None => world.refuse(trial, states[trial], event),
                },
                Step::Claim(trial) => drop(world.store.claim(&identity(trial)).unwrap()),
                Step::Reopened => world.reopen(),
                Step::Rebuild => drop(world.store.rebuild().unwrap()),
                Step::LoseIndex => fs_err::remove_file(world.home.path().join("index.sqlite")).unwrap(),
            }
            let shown = world.store.trial_states(&sweep).unwrap();
            for (trial, state) in states.iter().enumerate() {
                prop_assert_eq!(shown[&identity(trial)], *state, "trial {} after {:?}", trial, step);
            }
        }
        // One run per trial, whatever became of its attempts.
        let runs = world.store.runs(&Filter::default()).unwrap();
        let mut trials: Vec<_> = runs.iter().map(|run| run.identity.as_str()).collect();
        trials.dedup();
        prop_assert_eq!(trials.len(), runs.len());
        world.claims.clear();
        let open = runs.iter().filter(|run| run.status == Status::Running).count();
        prop_assert_eq!(open, states.iter().filter(|state| **state == TrialState::Running).count());
    }
}

#[test]
fn nothing_but_removing_leads_out_of_done() {
    use TrialEvent::{Die, Fail, Finish, Remove, Start, Stop};
    for event in [Start, Finish, Fail, Stop, Die, Remove] {
        let next = (event == Remove).then_some(TrialState::Queued);
        assert_eq!(TrialState::Done.after(event), next);
    }
    // Every state can be left and reached, or a trial would be stuck.
    for state in TrialState::ALL {
        let events = [Start, Finish, Fail, Stop, Die, Remove];
        assert!(events.iter().any(|event| state.after(*event).is_some()), "{state} is a trap");
        let mut reached = TrialState::ALL.iter().flat_map(|from| events.map(|by| from.after(by)));
        assert!(reached.any(|to| to == Some(state)), "{state} cannot be reached");
    }
}
