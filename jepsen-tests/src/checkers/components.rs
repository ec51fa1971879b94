//! Strongly connected components (Tarjan 1972), without recursion: a history may have a path through all of it.

use super::graph::{Graph, Kinds, Node};

/// Which nodes reach each other.
#[derive(Debug)]
pub(super) struct Components {
    /// The component of each node. An edge between two leads from the higher number to the lower.
    of: Vec<u32>,
    count: u32,
}

const NONE: u32 = u32::MAX;

/// A search under way.
struct Search<'g> {
    graph: &'g Graph,
    kinds: Kinds,
    /// The order in which nodes were entered; `NONE` before.
    entered: Vec<u32>,
    /// The earliest entered node that is known to be reached.
    low: Vec<u32>,
    /// Entered nodes whose component is not known yet.
    waiting: Vec<Node>,
    /// The way from the root: each node, and how many of its edges have been followed.
    way: Vec<(Node, usize)>,
    clock: u32,
    found: Components,
}

impl Components {
    /// Of the graph with edges of these kinds alone.
    pub(super) fn of(graph: &Graph, kinds: Kinds) -> Self {
        let nodes = graph.nodes() as usize;
        let mut search = Search {
            graph,
            kinds,
            entered: vec![NONE; nodes],
            low: vec![NONE; nodes],
            waiting: Vec::new(),
            way: Vec::new(),
            clock: 0,
            found: Components { of: vec![NONE; nodes], count: 0 },
        };
        for node in 0..graph.nodes() {
            if search.entered[node as usize] == NONE {
                search.root(node);
            }
        }
        search.found
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// The component of a node.
    pub(super) fn component(&self, node: Node) -> u32 {
        self.of[node as usize]
    }

    /// All nodes, in such an order that an edge never leads to the component of a later one.
    pub(super) fn sinks_first(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = (0..self.of.len() as Node).collect();
        nodes.sort_by_key(|node| self.of[*node as usize]);
        nodes
    }

    /// The nodes of every component that has more than one, each in rising order.
    pub(super) fn cyclic(&self) -> Vec<Vec<Node>> {
        let mut sizes = vec![0_u32; self.count()];
        for component in &self.of {
            sizes[*component as usize] += 1;
        }
        let mut members: std::collections::BTreeMap<u32, Vec<Node>> = std::collections::BTreeMap::new();
        for (node, component) in self.of.iter().enumerate() {
            if sizes[*component as usize] > 1 {
                members.entry(*component).or_default().push(node as Node);
            }
        }
        let mut members: Vec<_> = members.into_values().collect();
        members.sort();
        members
    }
}

impl Search<'_> {
    fn root(&mut self, root: Node) {
        self.enter(root);
        while let Some((node, followed)) = self.way.last_mut() {
            let node = *node;
            let edges = self.graph.from(node);
            let Some(edge) = edges.get(*followed) else {
                self.leave(node);
                continue;
            };
            *followed += 1;
            if !self.kinds.has(edge.kind) {
                continue;
            }
            if self.entered[edge.to as usize] == NONE {
                self.enter(edge.to);
            } else if self.found.of[edge.to as usize] == NONE {
                self.low[node as usize] = self.low[node as usize].min(self.entered[edge.to as usize]);
            }
        }
    }

    fn enter(&mut self, node: Node) {
        self.entered[node as usize] = self.clock;
        self.low[node as usize] = self.clock;
        self.clock += 1;
        self.waiting.push(node);
        self.way.push((node, 0));
    }

    fn leave(&mut self, node: Node) {
        self.way.pop();
        let low = self.low[node as usize];
        if let Some((before, _)) = self.way.last() {
            self.low[*before as usize] = self.low[*before as usize].min(low);
        }
        if low == self.entered[node as usize] {
            while let Some(member) = self.waiting.pop() {
                self.found.of[member as usize] = self.found.count;
                if member == node {
                    break;
                }
            }
            self.found.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkers::graph::{Builder, Edge, Kind},
        random::Random,
    };

    #[test]
    fn components_are_the_nodes_that_reach_each_other() {
        let mut random = Random::new(3);
        for round in 0..200 {
            let nodes = 2 + random.below(9) as u32;
            let mut builder = Builder::new(nodes as usize);
            let mut reaches = vec![vec![false; nodes as usize]; nodes as usize];
            for _ in 0..random.below(20) {
                let (from, to) =
                    (random.below(u64::from(nodes)) as u32, random.below(u64::from(nodes)) as u32);
                builder.edge(Edge { from, to, kind: Kind::Write, key: 0, earlier: 0, later: 0 });
                reaches[from as usize][to as usize] = true;
            }
            for via in 0..nodes as usize {
                for from in 0..nodes as usize {
                    for to in 0..nodes as usize {
                        reaches[from][to] |= reaches[from][via] && reaches[via][to];
                    }
                }
            }
            let graph = builder.finish();
            let found = Components::of(&graph, Kinds::of(&[Kind::Write]));
            for from in 0..nodes {
                for to in 0..nodes {
                    let together = from == to
                        || reaches[from as usize][to as usize] && reaches[to as usize][from as usize];
                    assert_eq!(found.component(from) == found.component(to), together, "round {round}");
                    if reaches[from as usize][to as usize] {
                        assert!(found.component(from) >= found.component(to), "round {round}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_path_through_a_million_nodes_needs_no_deep_stack() {
        let mut builder = Builder::new(1_000_000);
        for from in 0..999_999 {
            builder.edge(Edge { from, to: from + 1, kind: Kind::Write, key: 0, earlier: 0, later: 0 });
        }
        let found = Components::of(&builder.finish(), Kinds::of(&[Kind::Write]));
        assert_eq!(found.count(), 1_000_000);
        assert!(found.cyclic().is_empty());
    }
}
