//! What a resolver has resolved before: most components are the same in most variants of a sweep.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::spec::ComponentSpec;
use crate::tree::{Data, Node};

/// More tables than this are not kept.
const MOST: usize = 4096;

/// Resolved components by the table that they were resolved from. A table that two trees share is
/// the same table, so looking it up costs nothing; one that nobody shares was made for one variant
/// and is not kept.
#[derive(Default)]
pub(crate) struct Memory {
    /// `[blocks]`, which decides what references mean.
    blocks: Option<Node>,
    resolved: HashMap<*const IndexMap<String, Node>, Vec<Remembered>>,
    len: usize,
}

struct Remembered {
    /// Kept, so that no other table comes to lie at the same address.
    _table: Arc<IndexMap<String, Node>>,
    kind: String,
    role: Option<String>,
    component: ComponentSpec,
}

impl Memory {
    /// Forgets everything if `blocks` are not those of before.
    pub(crate) fn open(&mut self, blocks: Option<&Node>) {
        if self.blocks.as_ref() != blocks {
            *self = Self { blocks: blocks.cloned(), ..Self::default() };
        }
    }

    pub(crate) fn recall(
        &self,
        node: &Node,
        kind: &str,
        role: Option<&str>,
    ) -> Option<ComponentSpec> {
        let table = shared(node)?;
        let remembered = self.resolved.get(&Arc::as_ptr(table))?;
        let found = remembered.iter().find(|one| one.kind == kind && one.role.as_deref() == role);
        found.map(|one| one.component.clone())
    }

    pub(crate) fn keep(
        &mut self,
        node: &Node,
        kind: &str,
        role: Option<&str>,
        component: &ComponentSpec,
    ) {
        let Some(table) = shared(node) else { return };
        if self.len >= MOST {
            self.resolved.clear();
            self.len = 0;
        }
        self.len += 1;
        self.resolved.entry(Arc::as_ptr(table)).or_default().push(Remembered {
            _table: table.clone(),
            kind: kind.to_owned(),
            role: role.map(str::to_owned),
            component: component.clone(),
        });
    }
}

fn shared(node: &Node) -> Option<&Arc<IndexMap<String, Node>>> {
    match &node.data {
        Data::Table(table) if Arc::strong_count(table) > 1 => Some(table),
        _ => None,
    }
}
