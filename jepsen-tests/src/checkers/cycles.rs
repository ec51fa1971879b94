//! Where the order that transactions need is impossible: cycles, each as short as can be found, with its class.
//!
//! The classes are Adya's (PhD thesis, MIT 1999), as Elle uses them (Kingsbury & Alvaro, VLDB 2020). The strongest are
//! looked for first, and a component in which a cycle has been found is not looked at again for weaker ones.
//!
//! Real time needs no edges. It is an interval order: where a cycle has two steps "b ended before c began" and "d ended
//! before a began", then b ended before a began or d before c began, and either cuts the cycle short without a new kind
//! of edge. So whenever a cycle with real time exists, one exists with a single such step: a transaction from which a way
//! leads to one that had ended before it began. Which transactions are such is found in linear time, from the earliest
//! end that can be reached from each.

use super::{
    components::Components,
    graph::{Edge, Graph, Kind, Kinds},
    paths::{Paths, Way},
    report::ANOMALIES_OF_A_CLASS_MAX,
    transactions::{NEVER, Transactions, Txn},
};

/// Edges that are looked at to find shorter cycles, for each class, at most.
const WORK_MAX: u64 = 4_000_000;

/// One step of a cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A dependency.
    Dependency(Edge),
    /// The one had ended before the other began.
    RealTime {
        /// The one.
        from: Txn,
        /// The other.
        to: Txn,
    },
}

impl Step {
    /// The transaction that comes first.
    pub(super) fn from(&self) -> Txn {
        match self {
            Step::Dependency(edge) => edge.from,
            Step::RealTime { from, .. } => *from,
        }
    }
}

/// Transactions of which each must come before the next, and the last before the first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cycle {
    /// Each begins where the one before ends.
    pub(super) steps: Vec<Step>,
}

impl Cycle {
    /// Adya's class; with real time where it takes that.
    pub(super) fn class(&self) -> &'static str {
        let has = |wanted: &[Kind]| {
            let of = |step: &&Step| matches!(step, Step::Dependency(edge) if wanted.contains(&edge.kind));
            self.steps.iter().filter(of).count()
        };
        let antis = has(&[Kind::Anti, Kind::AntiTimed]);
        let timed = has(&[Kind::WriteTimed, Kind::AntiTimed]) > 0
            || self.steps.iter().any(|step| matches!(step, Step::RealTime { .. }));
        match (antis, has(&[Kind::Read]), timed) {
            (0, 0, false) => "G0",
            (0, 0, true) => "G0-realtime",
            (0, 1.., false) => "G1c",
            (0, 1.., true) => "G1c-realtime",
            (1, _, false) => "G-single",
            (1, _, true) => "G-single-realtime",
            (2.., _, false) => "G2",
            (2.., _, true) => "G2-realtime",
        }
    }
}

/// What is looked for, strongest first: kinds of edges, and whether exactly one of them is an anti-dependency.
const UNTIMED: [(Kinds, bool); 4] = [
    (Kinds::of(&[Kind::Write]), false),
    (Kinds::of(&[Kind::Write, Kind::Read]), false),
    (Kinds::of(&[Kind::Write, Kind::Read, Kind::Anti]), true),
    (Kinds::of(&[Kind::Write, Kind::Read, Kind::Anti]), false),
];
/// The same with what rests on real time. A cycle of such writes alone always comes from a read of an old version, so what
/// was read is looked for first.
const TIMED: [(Kinds, bool); 2] = [(ALL_TIMED, true), (ALL_TIMED, false)];
const ALL_TIMED: Kinds = Kinds::of(&[Kind::Write, Kind::WriteTimed, Kind::Read, Kind::Anti, Kind::AntiTimed]);

/// Cycles of each class, some for each. Transactions of `told` have been shown to be wrong otherwise, and a cycle of
/// real time through one of them is not shown again.
pub(super) fn find(graph: &Graph, transactions: &Transactions<'_>, told: Vec<bool>) -> Vec<Cycle> {
    let mut hunt = Hunt { graph, transactions, told, paths: Paths::new(graph), found: Vec::new() };
    for (kinds, one_anti) in UNTIMED {
        let components = Components::of(graph, kinds);
        hunt.in_components(&components, kinds, one_anti);
    }
    for (kinds, one_anti) in UNTIMED {
        hunt.in_real_time(kinds, one_anti);
    }
    if graph.edges().iter().any(|edge| matches!(edge.kind, Kind::WriteTimed | Kind::AntiTimed)) {
        for (kinds, one_anti) in TIMED {
            hunt.in_real_time(kinds, one_anti);
            let components = Components::of(graph, kinds);
            hunt.in_components(&components, kinds, one_anti);
        }
    }
    hunt.found
}

struct Hunt<'g> {
    graph: &'g Graph,
    transactions: &'g Transactions<'g>,
    /// Transactions in cycles that have been found.
    told: Vec<bool>,
    paths: Paths<'g>,
    found: Vec<Cycle>,
}

impl Hunt<'_> {
    /// One cycle for each component, as short as the work allows.
    fn in_components(&mut self, components: &Components, kinds: Kinds, one_anti: bool) {
        let mut found = 0;
        for members in components.cyclic() {
            let members: Vec<Txn> =
                members.into_iter().filter(|node| self.graph.is_transaction(*node)).collect();
            if found >= ANOMALIES_OF_A_CLASS_MAX || members.iter().any(|txn| self.told[*txn as usize]) {
                continue;
            }
            if let Some(edges) = self.shortest_cycle(&members, components, kinds, one_anti) {
                found += 1;
                self.tell(edges.into_iter().map(Step::Dependency).collect());
            }
        }
    }

    fn shortest_cycle(
        &mut self,
        members: &[Txn],
        components: &Components,
        kinds: Kinds,
        one_anti: bool,
    ) -> Option<Vec<Edge>> {
        let component = components.component(*members.first()?);
        let inside = |node| components.component(node) == component;
        let anti = |edge: &Edge| matches!(edge.kind, Kind::Anti | Kind::AntiTimed);
        let work_max = self.paths.work + WORK_MAX;
        // Every component has a cycle, but not every one has a cycle with a single anti-dependency.
        let certain = !one_anti;
        let mut best: Option<Vec<Edge>> = None;
        // Short cycles are found by short searches, wherever they are; only if there are none is the work great.
        for limit in [2, 3, 4, 8, usize::MAX] {
            for start in members.iter().copied() {
                if one_anti && !self.graph.from(start).iter().any(anti) {
                    continue;
                }
                let length_max = best.as_ref().map_or(limit, |edges| edges.len() - 1);
                let way = Way { kinds, one_anti, length_max };
                best = self.paths.shortest(start, way, inside, |txn| txn == start).or(best);
                let tired = self.paths.work > work_max;
                if best.as_ref().is_some_and(|edges| tired || edges.len() <= 5) || tired && !certain {
                    return best;
                }
                if tired && limit < usize::MAX {
                    break;
                }
            }
            if best.is_some() {
                return best;
            }
        }
        None
    }

    /// Transactions from which a way leads to one that had ended before they began; shortest ways first.
    fn in_real_time(&mut self, kinds: Kinds, one_anti: bool) {
        let mut suspects = if one_anti { self.suspects_by_one_anti(kinds) } else { self.suspects(kinds) };
        let mut found = 0;
        let work_max = self.paths.work + WORK_MAX;
        for length_max in [1, 2, 3, usize::MAX] {
            let mut left = Vec::new();
            for suspect in suspects {
                let enough = found >= ANOMALIES_OF_A_CLASS_MAX
                    || self.paths.work > work_max && self.told.contains(&true);
                if enough {
                    return;
                }
                if self.told[suspect as usize] {
                    continue;
                }
                let begun = self.transactions.of(suspect).begun;
                let transactions = self.transactions;
                let before = |txn| transactions.of(txn).ended < begun;
                let way = Way { kinds, one_anti, length_max };
                let Some(edges) = self.paths.shortest(suspect, way, |_| true, before) else {
                    left.push(suspect);
                    continue;
                };
                if edges.iter().any(|edge| self.told[edge.to as usize]) {
                    continue;
                }
                found += 1;
                let from = edges.last().map_or(suspect, |edge| edge.to);
                let mut steps: Vec<Step> = edges.into_iter().map(Step::Dependency).collect();
                steps.push(Step::RealTime { from, to: suspect });
                self.tell(steps);
            }
            suspects = left;
        }
    }

    fn tell(&mut self, steps: Vec<Step>) {
        for step in &steps {
            self.told[step.from() as usize] = true;
        }
        self.found.push(Cycle { steps });
    }

    /// The earliest end that can be reached from each component over these kinds.
    fn earliest(&self, components: &Components, kinds: Kinds) -> Vec<u32> {
        let mut earliest = vec![NEVER; components.count()];
        for node in components.sinks_first() {
            let component = components.component(node) as usize;
            let mut end =
                if self.graph.is_transaction(node) { self.transactions.of(node).ended } else { NEVER };
            for edge in self.graph.from(node).iter().filter(|edge| kinds.has(edge.kind)) {
                end = end.min(earliest[components.component(edge.to) as usize]);
            }
            earliest[component] = earliest[component].min(end);
        }
        earliest
    }

    fn suspects(&self, kinds: Kinds) -> Vec<Txn> {
        let components = Components::of(self.graph, kinds);
        let earliest = self.earliest(&components, kinds);
        self.suspects_of(&components, &earliest)
    }

    /// The same over ways with exactly one anti-dependency: before it and after it come only writes and reads.
    fn suspects_by_one_anti(&self, kinds: Kinds) -> Vec<Txn> {
        let anti = kinds.and(Kinds::of(&[Kind::Anti, Kind::AntiTimed]));
        let flat = kinds.and(Kinds::of(&[Kind::Write, Kind::WriteTimed, Kind::Read]));
        let components = Components::of(self.graph, flat);
        let behind = self.earliest(&components, flat);
        let mut earliest = vec![NEVER; components.count()];
        for node in components.sinks_first() {
            let component = components.component(node) as usize;
            for edge in self.graph.from(node) {
                let to = components.component(edge.to) as usize;
                if flat.has(edge.kind) {
                    earliest[component] = earliest[component].min(earliest[to]);
                } else if anti.has(edge.kind) {
                    earliest[component] = earliest[component].min(behind[to]);
                }
            }
        }
        self.suspects_of(&components, &earliest)
    }

    fn suspects_of(&self, components: &Components, earliest: &[u32]) -> Vec<Txn> {
        let wrong =
            |txn: &Txn| earliest[components.component(*txn) as usize] < self.transactions.of(*txn).begun;
        self.graph.transactions().filter(wrong).collect()
    }
}
