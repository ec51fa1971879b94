//! Who must come before whom, and why: the direct serialization graph of Adya, Liskov & O'Neil (ICDE 2000).
//!
//! Nodes are transactions, and *junctions*: nodes that stand for nobody and only pass on, so that "each of these before
//! each of those" takes as many edges as there are nodes, and not their product. Real time is no edge here: see
//! `cycles`.

use super::transactions::{Key, Txn};

/// A node: a transaction, or above all transactions a junction.
pub(super) type Node = u32;

/// Why one comes before the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Kind {
    /// The other wrote over what the one had written (ww).
    Write,
    /// The other read what the one had written (wr).
    Read,
    /// The other wrote over what the one had read (rw, an anti-dependency).
    Anti,
    /// As `Write`, but that the other's version is the later one follows from real time.
    WriteTimed,
    /// As `Anti`, but that the other's version is the later one follows from real time.
    AntiTimed,
    /// From a junction on: the edge goes on under the kind with which it came there.
    Through,
}

/// A set of kinds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds(u8);

impl Kinds {
    /// These, and `Through`.
    pub(super) const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 1 << Kind::Through as u8;
        let mut at = 0;
        while at < kinds.len() {
            bits |= 1 << kinds[at] as u8;
            at += 1;
        }
        Kinds(bits)
    }

    /// What both have.
    pub(super) fn and(self, other: Kinds) -> Self {
        Kinds(self.0 & other.0)
    }

    /// Whether it is one of them.
    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

/// One comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Edge {
    /// The one.
    pub(super) from: Node,
    /// The other.
    pub(super) to: Node,
    /// Why.
    pub(super) kind: Kind,
    /// On which key.
    pub(super) key: Key,
    /// The version of the key that `from` saw or made. The checker says what the numbers mean.
    pub(super) earlier: u32,
    /// The version that `to` saw or made.
    pub(super) later: u32,
}

/// A node with the version of the key that it saw or made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Touch {
    /// Who.
    pub(super) txn: Txn,
    /// The version.
    pub(super) version: u32,
    /// Why it comes before the others; of no meaning for one that comes after.
    pub(super) kind: Kind,
}

/// A graph that is being built.
#[derive(Debug)]
pub(super) struct Builder {
    transactions: u32,
    nodes: u32,
    edges: Vec<Edge>,
}

impl Builder {
    /// Without edges.
    pub(super) fn new(transactions: usize) -> Self {
        let transactions = transactions as u32;
        Builder { transactions, nodes: transactions, edges: Vec::new() }
    }

    /// One comes before another, unless they are the same.
    pub(super) fn edge(&mut self, edge: Edge) {
        if edge.from != edge.to {
            self.edges.push(edge);
        }
    }

    /// Each of the first comes before each of the second, itself excepted. Nobody is twice among the second.
    pub(super) fn all_before_all(&mut self, key: Key, first: &[Touch], second: &[Touch]) {
        if first.len() < 2 || second.len() < 3 {
            for one in first {
                for other in second {
                    self.edge(direct(key, one, other));
                }
            }
            return;
        }
        let up_to = self.chain(key, second.iter());
        let down_to = self.chain(key, second.iter().rev());
        let places: std::collections::HashMap<Txn, usize> =
            second.iter().enumerate().map(|(place, touch)| (touch.txn, place)).collect();
        let last = second.len() - 1;
        for one in first {
            match places.get(&one.txn) {
                None => self.enter(key, one, up_to + last as u32),
                Some(&place) => {
                    if place > 0 {
                        self.enter(key, one, up_to + place as u32 - 1);
                    }
                    if place < last {
                        self.enter(key, one, down_to + (last - place) as u32 - 1);
                    }
                }
            }
        }
    }

    /// Junctions, one for each; from each the way leads to its own and all before it. Gives the first.
    fn chain<'t>(&mut self, key: Key, touches: impl Iterator<Item = &'t Touch>) -> Node {
        let first = self.nodes;
        for touch in touches {
            let junction = self.nodes;
            self.nodes += 1;
            let on = Edge {
                from: junction,
                to: touch.txn,
                kind: Kind::Through,
                key,
                earlier: 0,
                later: touch.version,
            };
            self.edges.push(on);
            if junction > first {
                self.edges.push(Edge { to: junction - 1, later: 0, ..on });
            }
        }
        first
    }

    fn enter(&mut self, key: Key, one: &Touch, junction: Node) {
        let Touch { txn, version, kind } = *one;
        self.edges.push(Edge { from: txn, to: junction, kind, key, earlier: version, later: 0 });
    }

    /// The graph.
    pub(super) fn finish(mut self) -> Graph {
        self.edges.sort_by_key(|edge| edge.from);
        let mut starts = vec![0_u32; self.nodes as usize + 1];
        for edge in &self.edges {
            starts[edge.from as usize + 1] += 1;
        }
        for node in 0..self.nodes as usize {
            starts[node + 1] += starts[node];
        }
        Graph { transactions: self.transactions, starts, edges: self.edges }
    }
}

fn direct(key: Key, one: &Touch, other: &Touch) -> Edge {
    Edge { from: one.txn, to: other.txn, kind: one.kind, key, earlier: one.version, later: other.version }
}

/// A graph.
#[derive(Debug)]
pub(super) struct Graph {
    transactions: u32,
    /// Where each node's edges begin.
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    /// How many nodes there are, junctions included.
    pub(super) fn nodes(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    /// Whether the node is a transaction.
    pub(super) fn is_transaction(&self, node: Node) -> bool {
        node < self.transactions
    }

    /// All transactions.
    pub(super) fn transactions(&self) -> std::ops::Range<Txn> {
        0..self.transactions
    }

    /// The edges that leave a node.
    pub(super) fn from(&self, node: Node) -> &[Edge] {
        &self.edges[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }

    /// All edges.
    pub(super) fn edges(&self) -> &[Edge] {
        &self.edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Transactions that can be reached from `from` through one edge, junctions passed.
    fn reached(graph: &Graph, from: Txn) -> Vec<Txn> {
        let (mut ways, mut found) = (vec![from], Vec::new());
        while let Some(node) = ways.pop() {
            for edge in graph.from(node) {
                if graph.is_transaction(edge.to) { found.push(edge.to) } else { ways.push(edge.to) }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn each_comes_before_all_others_and_never_before_itself() {
        let mut random = Random::new(7);
        for _ in 0..300 {
            let touch = |txn| Touch { txn, version: txn, kind: Kind::Anti };
            let mut some = || (0..12).filter(|_| random.chance(400)).map(touch).collect::<Vec<_>>();
            let (first, second) = (some(), some());
            let mut builder = Builder::new(12);
            builder.all_before_all(0, &first, &second);
            let graph = builder.finish();
            for txn in 0..12 {
                let expected: Vec<Txn> = if first.contains(&touch(txn)) {
                    second.iter().map(|touch| touch.txn).filter(|other| *other != txn).collect()
                } else {
                    Vec::new()
                };
                assert_eq!(reached(&graph, txn), expected, "{first:?} before {second:?}");
            }
        }
    }
}
