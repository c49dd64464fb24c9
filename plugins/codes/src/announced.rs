//! The ids of items, told batch by batch, every one once.

use ablate_sdk::Error;
use std::collections::BTreeSet;

/// What was announced so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Announced {
    next: Option<Vec<String>>,
    known: BTreeSet<String>,
}

impl Announced {
    /// The ids of the batch that comes next, of `split`.
    ///
    /// # Errors
    /// If one was there before.
    pub(crate) fn announce(&mut self, split: &str, ids: &[String]) -> Result<(), Error> {
        let mut new = BTreeSet::new();
        for id in ids {
            if self.known.contains(id) || !new.insert(id.clone()) {
                let text =
                    format!("item `{id}` of split `{split}` has an id that was there before");
                return Err(Error::data(text).hint(
                    "every item of an artifact's splits needs an id of its own; choose other \
                     `splits` if one split holds items of another",
                ));
            }
        }
        self.known.append(&mut new);
        self.next = Some(ids.to_vec());
        Ok(())
    }

    /// The id of each of the `count` items of a batch; none if they were not announced.
    ///
    /// # Errors
    /// If another number of ids was announced.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<Option<String>>, Error> {
        let Some(ids) = self.next.take() else { return Ok(vec![None; count]) };
        if ids.len() == count {
            return Ok(ids.into_iter().map(Some).collect());
        }
        let announced = ids.len();
        self.next = Some(ids);
        Err(Error::contract(format!(
            "a batch of {count} items, but {announced} ids were announced"
        )))
    }

    /// Takes the ids of another instance.
    ///
    /// # Errors
    /// If one is known here too; nothing is taken then.
    pub(crate) fn merge<'a>(&mut self, ids: impl Iterator<Item = &'a String>) -> Result<(), Error> {
        let mut new = BTreeSet::new();
        for id in ids {
            if self.known.contains(id) || !new.insert(id.clone()) {
                return Err(Error::data(format!("item `{id}` has an id that was there before")));
            }
        }
        self.known.append(&mut new);
        Ok(())
    }
}

/// The error of publishing items without an id.
pub(crate) fn unnamed() -> Error {
    let text = "items came without their ids, and cannot be published";
    Error::state(text)
        .hint("ask for the file with `[artifact.NAME]`; a `[metric.NAME]` only measures")
}
