//! Byte-pair encoding of tokens: learning merges, applying them, undoing them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Two tokens side by side.
pub type Pair = (u32, u32);

/// What stands in the place of a token that was merged into the one before it.
const GONE: u32 = u32::MAX;

/// Merges of pairs into new tokens, in the order in which they were learned: the first makes token
/// `units`, the next `units + 1`, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merges {
    units: u32,
    pairs: Vec<Pair>,
    ranks: HashMap<Pair, usize>,
}

impl Merges {
    /// Merges over tokens below `units`.
    ///
    /// # Errors
    /// The first pair that is there twice or holds a token that does not exist yet, by its index.
    pub fn new(units: u32, pairs: Vec<Pair>) -> Result<Self, usize> {
        let mut ranks = HashMap::with_capacity(pairs.len());
        for (rank, &pair) in pairs.iter().enumerate() {
            let known = units + rank as u32;
            if pair.0 >= known || pair.1 >= known || ranks.insert(pair, rank).is_some() {
                return Err(rank);
            }
        }
        Ok(Self { units, pairs, ranks })
    }

    /// Learns at most `limit` merges from `sequences` of tokens below `units`: again and again the
    /// most frequent pair of neighbors becomes a new token, from left to right and without overlap
    /// (Gage, "A new algorithm for data compression", 1994; Sennrich, Haddow and Birch, 2016). Of
    /// equally frequent pairs the smallest is taken, and none that occurs only once. Pairs do not
    /// reach over the end of a sequence.
    pub fn learn(units: u32, sequences: &[Vec<u32>], limit: usize) -> Self {
        let mut corpus = Corpus::new(sequences);
        let mut pairs = Vec::new();
        while pairs.len() < limit
            && let Some(pair) = corpus.most_frequent()
        {
            corpus.merge(pair, units + pairs.len() as u32);
            pairs.push(pair);
        }
        Self::new(units, pairs).expect("a pair is gone once it is merged")
    }

    /// Tokens that are not merged.
    pub fn units(&self) -> u32 {
        self.units
    }

    /// The pairs, in order.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Different tokens: those that are not merged, and one for each merge.
    pub fn tokens(&self) -> u32 {
        self.units + self.pairs.len() as u32
    }

    /// The sequence with all merges applied, in the order in which they were learned.
    pub fn encode(&self, sequence: &[u32]) -> Vec<u32> {
        let mut line = Line::new([sequence]);
        let ranked = |line: &Line, at: u32| {
            let rank = self.ranks.get(&line.pair_at(at)?)?;
            Some(Reverse((*rank, at)))
        };
        let places = 0..sequence.len() as u32;
        let mut queue: BinaryHeap<_> = places.filter_map(|at| ranked(&line, at)).collect();
        // A merge makes no pair that is merged before it: the lowest rank left is always the next.
        while let Some(Reverse((rank, at))) = queue.pop() {
            if line.pair_at(at) == Some(self.pairs[rank]) {
                let before = line.join(at, self.units + rank as u32);
                queue.extend(
                    [before, Some(at)].into_iter().flatten().filter_map(|at| ranked(&line, at)),
                );
            }
        }
        line.tokens.retain(|&token| token != GONE);
        line.tokens
    }

    /// The sequence without merged tokens: what [`Merges::encode`] was given.
    ///
    /// # Panics
    /// If a token does not exist.
    pub fn decode(&self, sequence: &[u32]) -> Vec<u32> {
        let mut decoded = Vec::with_capacity(sequence.len());
        let mut open: Vec<u32> = sequence.iter().rev().copied().collect();
        while let Some(token) = open.pop() {
            match token.checked_sub(self.units) {
                None => decoded.push(token),
                Some(rank) => {
                    let (first, second) = self.pairs[rank as usize];
                    open.extend([second, first]);
                }
            }
        }
        decoded
    }
}

/// Sequences in one list, of which neighbors can be joined.
struct Line {
    tokens: Vec<u32>,
    /// The place of the neighbor that is left of each place, and right; the place itself at an end.
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Line {
    fn new<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let (mut tokens, mut left, mut right) = (Vec::new(), Vec::new(), Vec::new());
        for sequence in sequences {
            let (start, end) = (tokens.len(), tokens.len() + sequence.len());
            tokens.extend_from_slice(sequence);
            left.extend((start..end).map(|at| at.saturating_sub(1).max(start) as u32));
            right.extend((start..end).map(|at| (at + 1).min(end - 1) as u32));
        }
        Self { tokens, left, right }
    }

    /// The pair that begins at a place, unless the place is the last of its sequence or gone.
    fn pair_at(&self, at: u32) -> Option<Pair> {
        let next = self.right[at as usize];
        let pair = (self.tokens[at as usize], self.tokens[next as usize]);
        (next != at && pair.0 != GONE).then_some(pair)
    }

    /// The place left of a place.
    fn before(&self, at: u32) -> Option<u32> {
        Some(self.left[at as usize]).filter(|&before| before != at)
    }

    /// The place right of a place.
    fn after(&self, at: u32) -> Option<u32> {
        Some(self.right[at as usize]).filter(|&after| after != at)
    }

    /// Makes the pair that begins at `at` one `token`; gives the place before it.
    fn join(&mut self, at: u32, token: u32) -> Option<u32> {
        let second = self.right[at as usize];
        let after = self.after(second);
        self.tokens[at as usize] = token;
        self.tokens[second as usize] = GONE;
        self.right[at as usize] = after.unwrap_or(at);
        if let Some(after) = after {
            self.left[after as usize] = at;
        }
        self.before(at)
    }
}

/// All sequences, with what it takes to merge a pair in the time of its occurrences.
struct Corpus {
    line: Line,
    /// Neighbors that are such a pair right now.
    counts: HashMap<Pair, u64>,
    /// Where such a pair began at some time.
    places: HashMap<Pair, Vec<u32>>,
    /// Pairs with counts that may be out of date, but never too small.
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

impl Corpus {
    fn new(sequences: &[Vec<u32>]) -> Self {
        let line = Line::new(sequences.iter().map(Vec::as_slice));
        let (counts, places) = (HashMap::new(), HashMap::new());
        let mut corpus = Self { line, counts, places, queue: BinaryHeap::new() };
        for at in 0..corpus.line.tokens.len() as u32 {
            corpus.appear(at);
        }
        corpus.queue = corpus.counts.iter().map(|(&pair, &count)| (count, Reverse(pair))).collect();
        corpus
    }

    /// Counts the pair that begins at a place now.
    fn appear(&mut self, at: u32) -> Option<Pair> {
        let pair = self.line.pair_at(at)?;
        *self.counts.entry(pair).or_default() += 1;
        self.places.entry(pair).or_default().push(at);
        Some(pair)
    }

    /// Counts the pair that begins at a place no longer.
    fn vanish(&mut self, at: u32) {
        if let Some(pair) = self.line.pair_at(at) {
            *self.counts.get_mut(&pair).expect("counted when it appeared") -= 1;
        }
    }

    /// The pair to merge next, if one occurs twice.
    fn most_frequent(&mut self) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            let now = self.counts[&pair];
            if now == count {
                return (count >= 2).then_some(pair);
            }
            self.queue.push((now, Reverse(pair)));
        }
        None
    }

    fn merge(&mut self, pair: Pair, token: u32) {
        let mut places = self.places.remove(&pair).unwrap_or_default();
        places.sort_unstable();
        places.dedup();
        let mut appeared = Vec::new();
        for at in places {
            // It may have been merged with another neighbor since, or with this very pair.
            if self.line.pair_at(at) != Some(pair) {
                continue;
            }
            let second = self.line.after(at).expect("a pair has two places");
            for place in [self.line.before(at), Some(at), Some(second)].into_iter().flatten() {
                self.vanish(place);
            }
            let before = self.line.join(at, token);
            for place in [before, Some(at)].into_iter().flatten() {
                appeared.extend(self.appear(place));
            }
        }
        appeared.sort_unstable();
        appeared.dedup();
        for pair in appeared {
            self.queue.push((self.counts[&pair], Reverse(pair)));
        }
    }
}

#[cfg(test)]
mod tests;
