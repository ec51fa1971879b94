//! What the search must come across, or it searches less than it seems: states of interest, and figures of the machines
//! that must have risen in some step.

use super::{rules::Seen, tables::Tables};
use std::sync::atomic::{AtomicU32, Ordering};

type Sight = fn(&Seen) -> bool;

/// States of interest: their names, and what they are.
const STATES: [(&str, Sight); 18] = [
    ("committed", |seen| seen.committed() != 0),
    ("aborted", |seen| seen.aborted() != 0),
    ("the client is told of a commit", |seen| seen.answers.committed != 0),
    ("the client is told of an abort", |seen| seen.answers.aborted != 0),
    ("the client is answered Expired", |seen| seen.answers.expired != 0),
    ("the client is answered Unknown", |seen| seen.answers.unknown != 0),
    ("a pledge was said", |seen| seen.pledged != 0),
    ("a pledged Yes, and an abort elsewhere", |seen| {
        seen.nodes.iter().any(|node| node.pledged & seen.aborted() != 0)
    }),
    ("a Yes here, and a commit elsewhere", |seen| {
        seen.nodes.iter().any(|node| node.yes & seen.committed() != 0)
    }),
    ("two sponsors for one transaction", |seen| {
        let votes = || seen.nodes.iter().flat_map(|node| &node.sponsors);
        votes().any(|(one, first)| votes().any(|(two, second)| one == two && first != second))
    }),
    ("one waits for locks", |seen| seen.nodes.iter().any(|node| node.queued)),
    ("an id durably stands for something else", |seen| seen.nodes.iter().any(|node| node.other_content != 0)),
    ("everything is forgotten", |seen| {
        let participants = seen.nodes.iter().filter(|node| node.up && node.passed != 0);
        seen.answers.committed != 0
            && participants.clone().count() > 1
            && participants.clone().all(|node| node.blank)
    }),
    ("a read has seen a transaction", |seen| seen.answers.told.iter().any(|told| told.all() != 0)),
    ("a read has seen nothing", |seen| seen.answers.told.iter().any(|told| told.all() == 0)),
    ("a message is on its way", |seen| seen.nodes.iter().any(|node| !node.post.outgoing.is_empty())),
    ("a message waits for a vote in doubt", |seen| {
        seen.nodes.iter().any(|node| !node.post.waiting.is_empty())
    }),
    ("two messages are in a mailbox", |seen| seen.nodes.iter().any(|node| node.post.arrived.len() > 1)),
];

/// Figures of interest.
const FIGURES: [&str; 27] = [
    "coordinator given_up",
    "coordinator reads_repeated",
    "coordinator repeats",
    "coordinator resolves",
    "coordinator vetoes",
    "coordinator wounded",
    "participant committed",
    "participant aborted",
    "participant expired_answered",
    "participant fences",
    "participant forgotten",
    "participant ids_reused",
    "participant messages_duplicates",
    "participant messages_gaps",
    "participant messages_refused_full",
    "participant messages_relayed_again",
    "participant pledges",
    "participant repeats_answered",
    "participant resolved_by_peers",
    "participant resolved_by_sponsor",
    "participant single_commits",
    "participant sponsor_asked",
    "participant vetoes_honoured",
    "participant vetoes_refused",
    "participant votes_no",
    "participant waited",
    "participant wounds_sent",
];

/// The figures of interest among those of a machine, a bit for each.
pub(super) fn figures(participant: bool, names: &[&str]) -> u32 {
    let role = if participant { "participant" } else { "coordinator" };
    let rises = |figure: &str| {
        figure.strip_prefix(role).is_some_and(|name| names.iter().any(|risen| *risen == name.trim_start()))
    };
    (0..).zip(FIGURES).filter(|(_, figure)| rises(figure)).fold(0, |bits, (place, _)| bits | 1 << place)
}

/// What has been come across.
#[derive(Default)]
pub(super) struct Sights(AtomicU32);

impl Sights {
    pub(super) fn note(&self, seen: &Seen) {
        let known = self.0.load(Ordering::Relaxed);
        let mut found = 0;
        for (place, (_, is_it)) in STATES.iter().enumerate() {
            if known & (1 << place) == 0 && is_it(seen) {
                found |= 1 << place;
            }
        }
        if found != 0 {
            self.0.fetch_or(found, Ordering::Relaxed);
        }
    }

    /// Each name, and whether it was come across.
    pub(super) fn all(&self, tables: &Tables) -> Vec<(String, bool)> {
        let known = self.0.load(Ordering::Relaxed);
        let states =
            STATES.iter().enumerate().map(|(place, (name, _))| (name.to_string(), known & (1 << place) != 0));
        let risen = tables.risen();
        let figures =
            FIGURES.iter().enumerate().map(|(place, name)| (name.to_string(), risen & (1 << place) != 0));
        states.chain(figures).collect()
    }
}
