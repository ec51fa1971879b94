//! What makes states one that differ in nothing that matters: classes, and what is spent. Found once for nodes that may still
//! crash, and once for those that may not any more, which can become less.

use super::{
    alike::Alike,
    closure::{Closure, Faults},
    spent::Spent,
    state::State,
    tables::Tables,
};

/// What may be left out, while faults may come and when they are over.
pub(super) struct Reductions {
    to_come: Reduced,
    over: Reduced,
}

impl Reductions {
    pub(super) fn new(tables: &Tables) -> Self {
        // Without closures every node stands for itself and nothing is spent: there are more states, and no others.
        let closures = Closure::of(tables, &State::start(tables)).unwrap_or_default();
        let reduced = |faults| {
            let alike = Alike::new(tables, faults, &closures);
            let spent = Spent::new(&alike, faults, &closures);
            Reduced { alike, spent }
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
}
