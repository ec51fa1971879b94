//! Dead letters: redriven into their mailbox, or purged. And a whole mailbox that is to be deleted: its messages discarded.

use super::Participant;
use crate::{
    ids::{Peer, Stamp},
    mail::{
        DELIVERY_MAX, Mailbox, Position, Stored,
        mailbox::{MailboxState, State},
    },
    message::{MailboxRefusal, Manage, Message},
    participant::{Due, Turn},
    storage::{Store, Write},
};
use alloc::vec::Vec;

impl Participant {
    /// Somebody takes care of dead letters, or discards messages.
    pub(in crate::participant) fn on_manage<S: Store>(
        &mut self,
        from: Peer,
        request: u64,
        mailbox: &Mailbox,
        what: &Manage,
        turn: &mut Turn<'_, S>,
    ) {
        let done = self.manage(from, mailbox, what, turn);
        turn.send(from, Message::Managed { request, done });
    }

    fn manage<S: Store>(
        &mut self,
        from: Peer,
        mailbox: &Mailbox,
        what: &Manage,
        turn: &mut Turn<'_, S>,
    ) -> Result<u64, MailboxRefusal> {
        self.consumer(from, mailbox, turn.store)?;
        let (Manage::Redrive(places) | Manage::Purge(places)) = what else {
            return Ok(self.discard(mailbox, turn));
        };
        let dead = dead_letters(mailbox, places.as_deref(), turn)?;
        let count = dead.len() as u64;
        if let Some(state) = self.mail.mailboxes.get_mut(mailbox) {
            state.dead = state.dead.saturating_sub(count);
        }
        for (position, stored) in dead {
            turn.store.write(Write::DeleteDead(mailbox.clone(), position));
            match what {
                Manage::Redrive(_) => {
                    self.mail.figures.redriven += 1;
                    // A new message with its old id, and its failures to be read; they count anew.
                    let arrived = self.wall(turn.now);
                    self.put_message(Stored { arrived, due: Stamp(0), failed: 0, ..stored }, turn);
                }
                Manage::Purge(_) | Manage::Discard => self.mail.figures.purged += 1,
            }
        }
        Ok(count)
    }

    /// Ends the first messages, also those that rest or are leased. Says how many.
    fn discard<S: Store>(&mut self, mailbox: &Mailbox, turn: &mut Turn<'_, S>) -> u64 {
        let Some(state) = self.mail.mailboxes.get(mailbox) else { return 0 };
        let places = discardable(state);
        for position in &places {
            self.agenda.clear(&Due::Rest(mailbox.clone(), *position));
            self.finish_message(mailbox, *position, turn);
        }
        self.mail.figures.discarded += places.len() as u64;
        places.len() as u64
    }
}

/// A message that a transaction in doubt acknowledges may be gone already: it stays until that has ended.
fn discardable(state: &MailboxState) -> Vec<Position> {
    let in_doubt = |position: &Position| matches!(state.state(*position), Some(State::Acknowledging(_)));
    state.after(Position(0)).filter(|position| !in_doubt(position)).take(DELIVERY_MAX).collect()
}

/// The dead letters at these places, or the first ones. All or none: one that is not there refuses them all.
fn dead_letters<S: Store>(
    mailbox: &Mailbox,
    places: Option<&[Position]>,
    turn: &Turn<'_, S>,
) -> Result<Vec<(Position, Stored)>, MailboxRefusal> {
    let Some(places) = places else {
        return Ok(turn.store.dead_after(mailbox, None, DELIVERY_MAX));
    };
    let mut places = places.to_vec();
    places.sort_unstable();
    places.dedup();
    let find = |place: Position| {
        let found = turn.store.dead_after(mailbox, place.previous(), 1).pop();
        found.filter(|(position, _)| *position == place).ok_or(MailboxRefusal::DeadLetterAbsent)
    };
    places.into_iter().map(find).collect()
}
