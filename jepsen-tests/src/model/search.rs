//! The model as stateright takes it: states, actions, and properties that must always hold.

use super::{
    cast::Cast,
    config::ModelConfig,
    fair::Fair,
    local::Flaw,
    reductions::Reductions,
    rules::Seen,
    sights::Sights,
    state::{Action, State},
    tables::Tables,
};
use stateright::{Model, Property};
use std::sync::atomic::{AtomicBool, Ordering};

/// A search of one configuration, with everything that has occurred in it.
pub(super) struct Search {
    pub(super) tables: Tables,
    pub(super) reductions: Reductions,
    pub(super) fair: Fair,
    pub(super) sights: Sights,
    over: AtomicBool,
}

/// The property that needs more than the state itself to be told.
pub(super) const LIVENESS: &str = "a fair continuation decides everything";

impl Search {
    pub(super) fn new(config: &ModelConfig) -> Self {
        let tables = Tables::new(Cast::new(config));
        let reductions = Reductions::new(&tables);
        Search {
            tables,
            reductions,
            fair: Fair::default(),
            sights: Sights::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Whether a property holds; where one does not, the search is over, and the first trace is kept.
    fn keep(&self, holds: impl FnOnce() -> bool) -> bool {
        let keeps = self.over.load(Ordering::Relaxed) || holds();
        if !keeps {
            self.over.store(true, Ordering::Relaxed);
        }
        keeps
    }

    fn holds(&self, state: &State, rule: fn(&Seen, &Tables) -> bool) -> bool {
        self.keep(|| rule(&Seen::of(&self.tables, state), &self.tables))
    }

    fn lacks(&self, state: &State, flaw: Flaw) -> bool {
        self.keep(|| state.flaws & (1 << flaw as u8) == 0)
    }

    /// The search is done: traces may be made, for which actions are asked for once more.
    pub(super) fn reopen(&self) {
        self.over.store(false, Ordering::Relaxed);
    }
}

impl Model for Search {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::start(&self.tables).reduced(&self.tables, &self.reductions)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        self.sights.note(&Seen::of(&self.tables, state));
        state.actions(&self.tables, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        state.after(&self.tables, &self.reductions, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one outcome", |search, state| {
                search.holds(state, |seen, _| seen.one_outcome())
            }),
            Property::always("commits are held", |search, state| search.holds(state, Seen::commits_are_held)),
            Property::always("aborts are held", |search, state| search.holds(state, Seen::aborts_are_held)),
            Property::always("no answer changes", |search, state| {
                search.holds(state, |seen, _| seen.answers_stay())
            }),
            Property::always("all or nothing, and once", |search, state| {
                search.holds(state, Seen::all_or_nothing)
            }),
            Property::always("the machines' invariants", |search, state| {
                search.lacks(state, Flaw::Invariant)
            }),
            Property::always("durable before told", |search, state| search.lacks(state, Flaw::NotDurable)),
            Property::always("no veto turns a pledge", |search, state| {
                search.lacks(state, Flaw::PledgeVetoed)
            }),
            Property::always("no machine meets a hazard", |search, state| search.lacks(state, Flaw::Hazard)),
            Property::always("messages are well formed", |search, state| {
                search.lacks(state, Flaw::Malformed)
            }),
            Property::always(LIVENESS, |search: &Search, state| {
                !search.tables.cast.config.liveness
                    || search.keep(|| search.fair.decides(&search.tables, state))
            }),
        ]
    }
}
