//! The properties, of one state: what the numbers of its nodes and messages say about each transaction.

use super::{
    state::State,
    tables::Tables,
    view::{Bits, NodeView, SaidView},
};
use std::sync::Arc;

/// What there is to be seen of a state.
pub(super) struct Seen {
    pub(super) nodes: Vec<Arc<NodeView>>,
    pub(super) answers: Arc<SaidView>,
    /// By anyone: said to nodes or to the client.
    said_committed: Bits,
    said_aborted: Bits,
    pub(super) pledged: Bits,
    /// To each node.
    pub(super) said: Vec<Arc<SaidView>>,
}

impl Seen {
    pub(super) fn of(tables: &Tables, state: &State) -> Self {
        let nodes = tables.cast.nodes();
        let answers = tables.said(state.answers);
        let mut seen = Seen {
            nodes: state.nodes[..nodes].iter().map(|local| tables.view(*local)).collect(),
            said_committed: state.said_committed,
            said_aborted: state.said_aborted,
            answers,
            pledged: 0,
            said: state.soups[..nodes].iter().map(|soup| tables.said(*soup)).collect(),
        };
        seen.pledged = seen.said.iter().fold(0, |bits, said| bits | said.pledged);
        seen
    }

    fn any(&self, bits: impl Fn(&NodeView) -> Bits) -> Bits {
        self.nodes.iter().fold(0, |all, node| all | bits(node))
    }

    pub(super) fn committed(&self) -> Bits {
        self.said_committed | self.any(|node| node.committed)
    }

    pub(super) fn aborted(&self) -> Bits {
        self.said_aborted | self.any(|node| node.aborted)
    }

    /// Never a commit and an abort of one transaction: on a disk, in a message, in an answer (R1, R2).
    pub(super) fn one_outcome(&self) -> bool {
        self.committed() & self.aborted() == 0
    }

    /// What was said to be committed is a durable Yes, or more, on every participant of its list (R1): nothing that was
    /// acknowledged is lost.
    pub(super) fn commits_are_held(&self, tables: &Tables) -> bool {
        self.transactions(tables).filter(|(bit, _)| self.committed() & bit != 0).all(|(bit, participants)| {
            self.nodes[..participants].iter().all(|node| (node.yes | node.committed | node.passed) & bit != 0)
        })
    }

    /// What was said to be aborted is so on a disk (R2), or its id is taken there by something else (R12).
    pub(super) fn aborts_are_held(&self, tables: &Tables) -> bool {
        self.transactions(tables).filter(|(bit, _)| self.said_aborted & bit != 0).all(
            |(bit, participants)| {
                let durable =
                    |node: &Arc<NodeView>| (node.aborted | node.other_content | node.passed) & bit != 0;
                self.nodes[..participants].iter().any(durable)
            },
        )
    }

    /// No answer that the client was told changes.
    pub(super) fn answers_stay(&self) -> bool {
        !self.answers.changed
    }

    /// What a transaction does is done once, where it is committed, and nowhere else; where nothing is undecided any more,
    /// on all of its participants or on none.
    pub(super) fn all_or_nothing(&self, tables: &Tables) -> bool {
        let once = self.nodes.iter().all(|node| node.applied_twice == 0);
        once && self.transactions(tables).all(|(bit, participants)| {
            let list = &self.nodes[..participants];
            // A disk that has not synced shows less than the records in memory do.
            let settled = list.iter().all(|node| node.synced && (node.yes & bit == 0));
            let done = list.iter().filter(|node| node.applied & bit != 0).count();
            let rightly = list.iter().all(|node| {
                !node.synced || node.applied & bit == 0 || (node.committed | node.passed) & bit != 0
            });
            rightly && (!settled || done == 0 || done == participants)
        })
    }

    /// Each transaction's bit, and how many participants it has.
    fn transactions<'a>(&self, tables: &'a Tables) -> impl Iterator<Item = (Bits, usize)> + use<'a> {
        let all = tables.cast.transactions.iter().enumerate();
        all.map(|(place, transaction)| (1 << place, transaction.request.participants))
    }
}
