//! Unification of dimensions: which symbols are the same size, and what that size is.

use std::collections::BTreeMap;

use crate::contract::{Dim, Port};

/// A port with the scope of its symbols. Equal symbols of one scope are equal sizes.
#[derive(Clone, Copy)]
pub(crate) struct Scoped<'a> {
    pub(crate) scope: usize,
    pub(crate) port: &'a Port,
    /// Whose port it is, for messages: `` `model` ``, ``slot `pooling` of `model` ``.
    pub(crate) owner: &'a str,
}

/// Two ports that do not fit, each with the size of the dimension in question if it has a symbol.
#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) given: String,
    pub(crate) expected: String,
}

/// Sets of (scope, symbol) that are one size.
#[derive(Default)]
pub(crate) struct Unifier {
    nodes: BTreeMap<(usize, String), usize>,
    parents: Vec<usize>,
    sizes: Vec<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    size: u64,
    /// The port that has the number.
    origin: String,
}

impl Unifier {
    /// Makes the dimensions of two connected ports the same.
    pub(crate) fn connect(
        &mut self,
        given: Scoped<'_>,
        expected: Scoped<'_>,
    ) -> Result<(), Conflict> {
        let plain = |scoped: Scoped<'_>| format!("`{}`", scoped.port);
        if !given.port.dtype.agrees(expected.port.dtype) {
            return Err(Conflict { given: plain(given), expected: plain(expected) });
        }
        let Some(pairs) = given.port.align(expected.port) else {
            let rank = |scoped: Scoped<'_>| {
                let open = scoped.port.shape.contains(&Dim::Any);
                let (least, count) = if open {
                    ("at least ", scoped.port.shape.len() - 1)
                } else {
                    ("", scoped.port.shape.len())
                };
                let noun = if count == 1 { "dimension" } else { "dimensions" };
                format!("`{}` with {least}{count} {noun}", scoped.port)
            };
            return Err(Conflict { given: rank(given), expected: rank(expected) });
        };
        for (i, j) in pairs {
            if !self.same(given, i, expected, j) {
                let given = self.with_size(given, i);
                return Err(Conflict { given, expected: self.with_size(expected, j) });
            }
        }
        Ok(())
    }

    /// The size of a symbol, if anything fixes it.
    pub(crate) fn size(&mut self, scope: usize, symbol: &str) -> Option<u64> {
        let node = self.node(scope, symbol);
        self.sizes[node].as_ref().map(|known| known.size)
    }

    fn same(&mut self, a: Scoped<'_>, i: usize, b: Scoped<'_>, j: usize) -> bool {
        match (&a.port.shape[i], &b.port.shape[j]) {
            (Dim::Size(one), Dim::Size(other)) => one == other,
            (Dim::Symbol(symbol), Dim::Size(size)) => self.fix(a.scope, symbol, *size, b),
            (Dim::Size(size), Dim::Symbol(symbol)) => self.fix(b.scope, symbol, *size, a),
            (Dim::Symbol(one), Dim::Symbol(other)) => {
                let (one, other) = (self.node(a.scope, one), self.node(b.scope, other));
                self.join(one, other)
            }
            // `align` pairs no dots.
            (Dim::Any, _) | (_, Dim::Any) => true,
        }
    }

    fn fix(&mut self, scope: usize, symbol: &str, size: u64, by: Scoped<'_>) -> bool {
        let node = self.node(scope, symbol);
        let origin = || format!("`{}` of {}", by.port, by.owner);
        let known = self.sizes[node].get_or_insert_with(|| Known { size, origin: origin() });
        known.size == size
    }

    fn join(&mut self, one: usize, other: usize) -> bool {
        if one == other {
            return true;
        }
        match (&self.sizes[one], &self.sizes[other]) {
            (Some(a), Some(b)) if a.size != b.size => return false,
            (None, Some(_)) => self.sizes[one] = self.sizes[other].take(),
            _ => {}
        }
        self.parents[other] = one;
        true
    }

    /// The representative of a symbol's set.
    fn node(&mut self, scope: usize, symbol: &str) -> usize {
        let fresh = self.parents.len();
        let mut node = *self.nodes.entry((scope, symbol.to_owned())).or_insert(fresh);
        if node == fresh {
            self.parents.push(fresh);
            self.sizes.push(None);
        }
        while self.parents[node] != node {
            node = self.parents[node];
        }
        node
    }

    /// The port, and where the size of its dimension comes from if that is a symbol.
    fn with_size(&mut self, scoped: Scoped<'_>, index: usize) -> String {
        let port = format!("`{}`", scoped.port);
        let Dim::Symbol(symbol) = &scoped.port.shape[index] else { return port };
        let node = self.node(scoped.scope, symbol);
        match &self.sizes[node] {
            Some(Known { size, origin }) => format!("{port} with {symbol} = {size} by {origin}"),
            None => port,
        }
    }
}
