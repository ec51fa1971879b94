//! What makes states one that differ in nothing that matters: classes, and what is spent. Found once for nodes that may still
//! crash, and once for those that may not any more, which can become less.

use super::{
    alike::Alike,
    closure::{Closure, Faults},
    moves::{AllMoves, Moves},
    spent::Spent,
    state::State,
    tables::{LocalId, SoupId, Tables},
};
use std::sync::Arc;

/// What may be left out, while faults may come and when they are over.
pub(super) struct Reductions {
    to_come: Reduced,
    over: Reduced,
}

impl Reductions {
    pub(super) fn new(tables: &Tables) -> Self {
        let reduce = tables.cast.config.reduce;
        // Without closures every node stands for itself and nothing is spent: there are more states, and no others.
        let closures = if reduce.alike || reduce.spent {
            Closure::of(tables, &State::start(tables)).unwrap_or_default()
        } else {
            Vec::new()
        };
        let of = |wanted: bool| if wanted { &closures[..] } else { &[] };
        let reduced = |faults| {
            let alike = Alike::new(tables, faults, of(reduce.alike));
            let spent = Spent::new(&alike, faults, of(reduce.spent));
            Reduced { alike, spent, moves: AllMoves::default() }
        };
        Reductions { to_come: reduced(Faults::ToCome), over: reduced(Faults::Over) }
    }

    /// What may be left out in a state.
    pub(super) fn at(&self, tables: &Tables, state: &State) -> &Reduced {
        if state.faults() < tables.cast.config.faults_max { &self.to_come } else { &self.over }
    }

    /// How many different things nodes can become.
    pub(super) fn size(&self) -> usize {
        self.to_come.spent.size()
    }
}

/// Which nodes and messages stand for others, and which messages and connections are spent.
pub(super) struct Reduced {
    pub(super) alike: Alike,
    pub(super) spent: Spent,
    moves: AllMoves,
}

impl Reduced {
    /// What the messages to a node can do there.
    pub(super) fn moves(&self, tables: &Tables, node: u8, local: LocalId, soup: SoupId) -> Arc<Moves> {
        self.moves.of(tables, &self.alike, node, local, soup)
    }
}
