//! The shortest way from one transaction to another, by breadth first; junctions on the way cost nothing.

use super::{
    graph::{Edge, Graph, Kind, Kinds, Node},
    transactions::Txn,
};
use std::collections::VecDeque;

/// Which ways count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Edges of these kinds.
    pub(super) kinds: Kinds,
    /// Exactly one of the edges is an anti-dependency; otherwise any number.
    pub(super) one_anti: bool,
    /// Edges, at most.
    pub(super) length_max: usize,
}

/// Searches in one graph, one after the other.
#[derive(Debug)]
pub(super) struct Paths<'g> {
    graph: &'g Graph,
    /// The search that came to a state last. A state is a node, before or after the one anti-dependency.
    seen: Vec<u32>,
    /// The edge over which it came, by its place in the graph, and the state that the edge left.
    came: Vec<(Edge, usize)>,
    search: u32,
    /// Edges that have been looked at, in all searches.
    pub(super) work: u64,
}

const NOWHERE: Edge = Edge { from: 0, to: 0, kind: Kind::Through, key: 0, earlier: 0, later: 0 };

impl<'g> Paths<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        let states = graph.nodes() as usize * 2;
        Paths { graph, seen: vec![0; states], came: vec![(NOWHERE, 0); states], search: 0, work: 0 }
    }

    /// The edges, at least one, from `start` to the nearest transaction that is a goal, over nodes that are allowed; no
    /// junctions among them.
    pub(super) fn shortest(
        &mut self,
        start: Txn,
        way: Way,
        allowed: impl Fn(Node) -> bool,
        goal: impl Fn(Txn) -> bool,
    ) -> Option<Vec<Edge>> {
        self.search += 1;
        let mut queue = VecDeque::from([(start as usize * 2, 0)]);
        while let Some((state, length)) = queue.pop_front() {
            if length >= way.length_max && self.graph.is_transaction((state / 2) as Node) {
                return None;
            }
            for edge in self.graph.from((state / 2) as Node) {
                self.work += 1;
                let Some(next) = step(state, edge, way) else { continue };
                if !allowed(edge.to) {
                    continue;
                }
                let arrived = self.graph.is_transaction(edge.to);
                if arrived && goal(edge.to) && (!way.one_anti || next % 2 == 1) {
                    return Some(self.way_back(start as usize * 2, state, *edge));
                }
                if self.seen[next] == self.search {
                    continue;
                }
                self.seen[next] = self.search;
                self.came[next] = (*edge, state);
                if arrived { queue.push_back((next, length + 1)) } else { queue.push_front((next, length)) }
            }
        }
        None
    }

    /// The edges that led to a state, and one more.
    fn way_back(&self, start: usize, mut state: usize, last: Edge) -> Vec<Edge> {
        let mut edges = vec![last];
        while state != start {
            let (edge, before) = self.came[state];
            edges.push(edge);
            state = before;
        }
        edges.reverse();
        let mut joined: Vec<Edge> = Vec::new();
        for edge in edges {
            match joined.last_mut() {
                Some(before) if edge.kind == Kind::Through => {
                    *before = Edge { to: edge.to, later: edge.later, ..*before };
                }
                Some(_) | None => joined.push(edge),
            }
        }
        joined
    }
}

/// The state behind an edge, if the edge counts.
fn step(state: usize, edge: &Edge, way: Way) -> Option<usize> {
    if !way.kinds.has(edge.kind) {
        return None;
    }
    let crossed = state % 2;
    let crossing = way.one_anti && matches!(edge.kind, Kind::Anti | Kind::AntiTimed);
    if crossing && crossed == 1 {
        return None;
    }
    Some(edge.to as usize * 2 + (crossed | usize::from(crossing)))
}
