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
mod explore;
mod fair;
mod fast;
mod letters;
mod local;
mod moves;
mod reads;
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

pub use config::{Content, ModelConfig, Patience, Reduce, Request, Syncs};
pub use explore::SearchedSoFar;

use explore::explore;
use search::{LIVENESS, Search};
use std::{
    collections::BTreeSet,
    sync::{PoisonError, RwLock},
};

/// What a search has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// States that were generated, those known already included.
    pub states: usize,
    /// Different ones, which no other one covered when they were found.
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
    check_telling(config, |_| {})
}

/// The same; hears before each depth how far the search is.
pub fn check_telling(config: &ModelConfig, tell: impl FnMut(SearchedSoFar)) -> Report {
    report(&Search::new(config), tell)
}

/// The same, with what there was to be seen of the nodes: a fingerprint for each way in which all of them together looked to
/// the properties, in memory and on disk. What makes a search smaller may not make these fewer.
pub fn check_looks(config: &ModelConfig) -> (Report, BTreeSet<u64>) {
    let mut search = Search::new(config);
    search.looks = Some(RwLock::default());
    let report = report(&search, |_| {});
    let looks = search.looks.take().map(|looks| looks.into_inner().unwrap_or_else(PoisonError::into_inner));
    (report, looks.into_iter().flatten().collect())
}

fn report(search: &Search, tell: impl FnMut(SearchedSoFar)) -> Report {
    let config = &search.tables.cast.config;
    let explored = explore(search, config.states_max, tell);
    let mut found = Vec::new();
    if let Some((property, path)) = explored.found {
        let mut lines = Vec::new();
        for pair in path.windows(2) {
            if let [(before, Some(action)), (after, _)] = pair {
                lines.extend(words::action(&search.tables, before, after, *action));
            }
        }
        if property == LIVENESS
            && let Some((last, _)) = path.last()
        {
            lines.extend(search.fair.tell(&search.tables, last));
        }
        if path.last().is_some_and(|(state, _)| state.flaws != 0) {
            lines.extend(search.tables.flaws().into_iter().map(|(_, words)| words));
        }
        found.push((property.to_string(), lines.join("\n")));
    }
    Report {
        states: explored.generated,
        unique: explored.kept,
        depth: explored.depth,
        exhausted: explored.exhausted,
        found,
        sometimes: search.sights.all(&search.tables),
        decided_ms_max: search.fair.longest_ms(),
        tables: search.tables.sizes(),
        closure: search.reductions.size(),
    }
}
