//! Dead letters: redriven into their mailbox, or purged. And a whole mailbox that is to be deleted: its messages discarded.
//!
//! One request moves no more bytes than one answer would hold: whoever wants more moved asks again.

use super::{BYTES_AT_ONCE_MAX, Participant};
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
        let done = match what {
            Manage::Discard => return Ok(self.discard(mailbox, turn)),
            Manage::Redrive(places) => {
                let places = dead_letters(mailbox, places.as_deref(), turn.store)?;
                self.redrive(mailbox, places, turn)
            }
            Manage::Purge(places) => {
                let places = dead_letters(mailbox, places.as_deref(), turn.store)?;
                self.purge(mailbox, places, turn)
            }
        };
        if let Some(state) = self.mail.mailboxes.get_mut(mailbox) {
            state.dead = state.dead.saturating_sub(done);
        }
        Ok(done)
    }

    /// Says how many: the first of them, as many as fit into one request.
    fn redrive<S: Store>(&mut self, mailbox: &Mailbox, places: Vec<Position>, turn: &mut Turn<'_, S>) -> u64 {
        let mut done = 0;
        let mut bytes = 0;
        for position in places {
            let stored = turn.store.dead(mailbox, position).expect("a dead letter that is known is stored");
            bytes += stored.bytes_with_failures();
            if done > 0 && bytes > BYTES_AT_ONCE_MAX {
                break;
            }
            turn.store.write(Write::DeleteDead(mailbox.clone(), position));
            // A new message with its old id, and its failures to be read; they count anew.
            let arrived = self.wall(turn.now);
            self.put_message(Stored { arrived, due: Stamp(0), failed: 0, ..stored }, turn);
            done += 1;
        }
        self.mail.figures.redriven += done;
        done
    }

    fn purge<S: Store>(&mut self, mailbox: &Mailbox, places: Vec<Position>, turn: &mut Turn<'_, S>) -> u64 {
        let done = places.len() as u64;
        for position in places {
            turn.store.write(Write::DeleteDead(mailbox.clone(), position));
        }
        self.mail.figures.purged += done;
        done
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

/// Where these dead letters are, or the first ones, in order. One that is not there refuses them all.
fn dead_letters<S: Store>(
    mailbox: &Mailbox,
    places: Option<&[Position]>,
    store: &S,
) -> Result<Vec<Position>, MailboxRefusal> {
    let Some(places) = places else {
        return Ok(store.dead_after(mailbox, None, DELIVERY_MAX));
    };
    let mut places = places.to_vec();
    places.sort_unstable();
    places.dedup();
    let is_dead = |place: &Position| store.dead_after(mailbox, place.previous(), 1) == [*place];
    if places.iter().all(is_dead) { Ok(places) } else { Err(MailboxRefusal::DeadLetterAbsent) }
}
