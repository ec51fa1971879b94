//! The model as stateright takes it: states, actions, and properties that must always hold.

use super::{
    cast::Cast,
    config::ModelConfig,
    explore::Covers,
    fair::Fair,
    fast::{FastSet, fingerprint},
    local::Flaw,
    reductions::Reductions,
    rules::Seen,
    sights::Sights,
    state::{Action, Said, State},
    tables::Tables,
};
use stateright::{Model, Property};
use std::sync::{PoisonError, RwLock};

/// A search of one configuration, with everything that has occurred in it.
pub(super) struct Search {
    pub(super) tables: Tables,
    pub(super) reductions: Reductions,
    pub(super) fair: Fair,
    pub(super) sights: Sights,
    /// The looks of all nodes, in every state that was searched; only kept if somebody asks.
    pub(super) looks: Option<RwLock<FastSet<u64>>>,
}

/// The property that needs more than the state itself to be told.
pub(super) const LIVENESS: &str = "a fair continuation decides everything";

impl Search {
    pub(super) fn new(config: &ModelConfig) -> Self {
        let tables = Tables::new(Cast::new(config));
        let reductions = Reductions::new(&tables);
        Search { tables, reductions, fair: Fair::default(), sights: Sights::default(), looks: None }
    }

    /// The first rule that a state breaks; the flaws of steps first, which say what else may be wrong.
    fn broken_rule(&self, state: &State) -> Option<&'static str> {
        if let Some((name, _)) = FLAWS.iter().find(|(_, flaw)| state.flaws & (1 << *flaw as u8) != 0) {
            return Some(*name);
        }
        let seen = Seen::of(&self.tables, state);
        self.sights.note(&seen);
        if let Some(looks) = &self.looks {
            looks.write().unwrap_or_else(PoisonError::into_inner).insert(fingerprint(&seen.nodes));
        }
        RULES.iter().find(|(_, rule)| !rule(&seen, &self.tables)).map(|(name, _)| *name)
    }

    fn is_live(&self, state: &State) -> bool {
        !self.tables.cast.config.liveness || self.fair.decides(&self.tables, state)
    }
}

type Rule = fn(&Seen, &Tables) -> bool;

/// What must hold in every state.
const RULES: [(&str, Rule); 10] = [
    ("one outcome", |seen, _| seen.one_outcome()),
    ("commits are held", Seen::commits_are_held),
    ("aborts are held", Seen::aborts_are_held),
    ("no answer changes", |seen, _| seen.answers_stay()),
    ("all or nothing, and once", Seen::all_or_nothing),
    ("reads see whole transactions", Seen::reads_see_whole_transactions),
    ("reads see what was answered", Seen::reads_see_what_was_answered),
    ("one number, one message", Seen::one_number_one_message),
    ("what is committed is sent, and nothing else", Seen::what_is_committed_is_sent),
    ("a message arrives once", |seen, _| seen.messages_arrive_once()),
];

/// What no step may do.
const FLAWS: [(&str, Flaw); 7] = [
    ("the machines' invariants", Flaw::Invariant),
    ("durable before told", Flaw::NotDurable),
    ("no veto turns a pledge", Flaw::PledgeVetoed),
    ("no machine meets a hazard", Flaw::Hazard),
    ("messages of a key keep the order of votes", Flaw::Overtaken),
    ("no disk is taken for an older copy", Flaw::FalseAlarm),
    ("messages are well formed", Flaw::Malformed),
];

impl Model for Search {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::start(&self.tables).reduced(&self.tables, &self.reductions)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.actions(&self.tables, self.reductions.at(&self.tables, state), actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        state.after(&self.tables, &self.reductions, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("every rule", |search: &Search, state| search.broken_rule(state).is_none()),
            Property::always(LIVENESS, Search::is_live),
        ]
    }
}

impl Covers for Search {
    type More = Said;

    fn key(&self, state: &State) -> u64 {
        state.key()
    }

    fn more(&self, state: &State) -> Said {
        state.said()
    }

    fn covers(&self, one: &Said, other: &Said) -> bool {
        one == other || (self.tables.cast.config.reduce.covered && one.includes(&self.tables, other))
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        self.broken_rule(state).or_else(|| (!self.is_live(state)).then_some(LIVENESS))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            config::{Reduce, Request},
            explore::explore,
        },
        *,
    };
    use stateright::Checker;

    #[test]
    fn as_many_states_are_found_as_by_the_checker_of_stateright() {
        let mut config =
            ModelConfig::new("1 participant", 1, 1, vec![Request::first(1, 1), Request::first(2, 1)]);
        config.participant_crashes_max = 1;
        config.faults_max = 1;
        for reduce in [Reduce::NONE, Reduce::EVERY_SET] {
            let config = ModelConfig { reduce, ..config.clone() };
            let explored = explore(&Search::new(&config), None, |_| {});
            let checker = Search::new(&config).checker().spawn_bfs().join();
            assert!(explored.exhausted && checker.discoveries().is_empty());
            assert_eq!(explored.kept, checker.unique_state_count(), "{reduce:?}");
            assert_eq!(explored.generated, checker.state_count(), "{reduce:?}");
        }
    }
}
