//! What the messages under way to a node can do there now: make it something else, or only make it say something.
//!
//! The network is a set from which nothing is ever taken: a state in which more was said can do all that one can in
//! which less was. So what a node would only say, and be what it was, is said at once ([`Reduce::replies`]).
//!
//! [`Reduce::replies`]: super::config::Reduce::replies

use super::{
    alike::Alike,
    fast::FastMap,
    tables::{Event, LocalId, MessageId, SoupId, Step, Tables},
};
use std::sync::{Arc, PoisonError, RwLock};

/// What messages can do at one node.
#[derive(Default)]
pub(super) struct Moves {
    /// Each makes it something else, or, where replies are no part of the reduction, say something.
    pub(super) steps: Vec<MessageId>,
    /// From whom, and what the node says to it without becoming anything else.
    pub(super) replies: Vec<(u8, Arc<Step>)>,
}

/// The moves of all nodes, by what they are and what was sent to them.
#[derive(Default)]
pub(super) struct AllMoves(RwLock<FastMap<(u8, LocalId, SoupId), Arc<Moves>>>);

impl AllMoves {
    pub(super) fn of(
        &self,
        tables: &Tables,
        alike: &Alike,
        node: u8,
        local: LocalId,
        soup: SoupId,
    ) -> Arc<Moves> {
        let key = (node, local, soup);
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let mut moves = Moves::default();
        if tables.view(local).takes_messages() {
            for message in tables.messages(soup).iter() {
                let step = alike.step(tables, usize::from(node), local, Event::Deliver(*message));
                let tells = !step.sent.is_empty() || step.flaws != 0;
                if step.next != local || (tells && !tables.cast.config.reduce.replies) {
                    moves.steps.push(*message);
                } else if tells {
                    moves.replies.push((tables.message(*message).from, step));
                }
            }
        }
        let moves = Arc::new(moves);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, moves.clone());
        moves
    }
}
