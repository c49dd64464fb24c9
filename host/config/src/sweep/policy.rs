//! `retry`: how often a trial is tried again, by the kind of its failure.

use crate::error::Error;
use crate::failure_class::FailureClass;
use crate::section::{Section, count};
use crate::tree::Data;

/// The kinds of failure that another attempt can cure; a number alone is about them.
const CURABLE: [FailureClass; 4] =
    [FailureClass::Signal, FailureClass::OutOfMemory, FailureClass::Timeout, FailureClass::Storage];
/// More attempts than this are a mistake, not a policy.
const MOST: u64 = 100;

/// How often a failed trial is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy([u32; FailureClass::ALL.len()]);

impl Default for RetryPolicy {
    /// Once after a signal or without memory, twice where the storage failed. What would fail again
    /// in the same way is not tried again.
    fn default() -> Self {
        Self([0; _])
            .with(FailureClass::Signal, 1)
            .with(FailureClass::OutOfMemory, 1)
            .with(FailureClass::Storage, 2)
    }
}

impl RetryPolicy {
    /// How often a trial that failed in this way is tried again.
    #[must_use]
    pub fn retries(&self, class: FailureClass) -> u32 {
        self.0[position(class)]
    }

    /// This policy with another number for one class.
    #[must_use]
    pub fn with(mut self, class: FailureClass, retries: u32) -> Self {
        self.0[position(class)] = retries;
        self
    }
}

fn position(class: FailureClass) -> usize {
    let position = FailureClass::ALL.iter().position(|other| *other == class);
    position.expect("the list holds every class")
}

pub(super) fn retry(section: &Section<'_>) -> Result<RetryPolicy, Error> {
    let mut policy = RetryPolicy::default();
    let Some(node) = section.node("retry") else { return Ok(policy) };
    let retries = |retries: u64, at| {
        u32::try_from(retries).ok().filter(|_| retries <= MOST).ok_or_else(|| Error::OutOfRange {
            at,
            bound: format!("at most {MOST}"),
            found: retries.to_string(),
        })
    };
    match node.data {
        Data::Integer(_) => {
            let all = retries(count(node, &section.path("retry"), 0)?, section.at_key("retry"))?;
            Ok(CURABLE.into_iter().fold(policy, |policy, class| policy.with(class, all)))
        }
        Data::Bool(false) => Ok(RetryPolicy([0; _])),
        _ => {
            let table = section.section("retry", &FailureClass::ALL.map(FailureClass::as_str))?;
            for class in FailureClass::ALL {
                if let Some(number) = table.count(class.as_str(), 0)? {
                    policy = policy.with(class, retries(number, table.at_key(class.as_str()))?);
                }
            }
            Ok(policy)
        }
    }
}
