//! Every behaviour of a small cluster of the shipped machines, searched with stateright.
//!
//! The machines are those of `assent-protocol`, with their disk ([`assent_protocol::memory`]); what is abstracted is around
//! them: the network is a set of messages that can be delivered at any time and again, each node's clock moves from one
//! wake to the next on its own, all waits are of one length, and what would be due much later never is.
//! `docs/model.md` says what is searched, and with which bounds.
//!
//! Not here: what a real disk, network or scheduler does (the clusters), and long runs of many clients (the simulator).

pub mod config;
pub mod configurations;

mod alike;
mod cast;
mod closure;
mod fair;
mod local;
mod reductions;
mod rules;
mod search;
mod sights;
mod spent;
mod state;
mod tables;
mod view;
mod wire;
mod words;

pub use config::{ModelConfig, Patience, Request, Syncs};

use search::{LIVENESS, Search};
use stateright::{Checker, Model};

/// What a search has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// States that were generated, those known already included.
    pub states: usize,
    /// Different states.
    pub unique: usize,
    /// Actions from the start to the farthest state.
    pub depth: usize,
    /// Whether all states within the bounds were searched.
    pub exhausted: bool,
    /// Each property that does not hold, with a trace to where it doesn't.
    pub found: Vec<(String, String)>,
    /// What a search of this kind can come across, and whether it has.
    pub sometimes: Vec<(String, bool)>,
    /// The longest time that a fair continuation needed to decide everything, in milliseconds; 0 without liveness.
    pub decided_ms_max: u64,
    /// Different nodes, messages, sets of messages, and steps of one node.
    pub tables: [usize; 4],
    /// What all nodes together could become, if any message could arrive at any moment; 0 if that has no end in sight, and
    /// the search goes on without what rests on it.
    pub closure: usize,
}

/// Searches all states of a configuration, until one breaks a property.
pub fn check(config: &ModelConfig) -> Report {
    let mut checker = Search::new(config).checker().threads(config.threads);
    if let Some(most) = config.states_max {
        checker = checker.target_state_count(most);
    }
    let done = checker.spawn_bfs().join();
    let search = done.model();
    search.reopen();
    let discoveries = done.discoveries();
    let exhausted = discoveries.is_empty() && config.states_max.is_none_or(|most| done.state_count() < most);
    let mut found = Vec::new();
    for (property, path) in discoveries {
        let steps = path.into_vec();
        let mut lines = Vec::new();
        for pair in steps.windows(2) {
            if let [(before, Some(action)), (after, _)] = pair {
                lines.extend(words::action(&search.tables, before, after, *action));
            }
        }
        if property == LIVENESS
            && let Some((last, _)) = steps.last()
        {
            lines.extend(search.fair.tell(&search.tables, last));
        }
        if steps.last().is_some_and(|(state, _)| state.flaws != 0) {
            lines.extend(search.tables.flaws().into_iter().map(|(_, words)| words));
        }
        found.push((property.to_string(), lines.join("\n")));
    }
    Report {
        states: done.state_count(),
        unique: done.unique_state_count(),
        depth: done.max_depth(),
        exhausted,
        found,
        sometimes: search.sights.all(&search.tables),
        decided_ms_max: search.fair.longest_ms(),
        tables: search.tables.sizes(),
        closure: search.reductions.size(),
    }
}
