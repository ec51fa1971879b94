//! The order of votes: which messages may be released, and which wait for a transaction in doubt.
//!
//! Messages of one mailbox and key keep the order of their votes, although transactions end in another. So a message
//! of a committed transaction waits while one that voted earlier here, and sends of the same key, is in doubt; it
//! holds up nothing of any other key. What has no key waits for nobody.
//!
//! The invariant: the first place of every line is in doubt, for what could be released is not in it any more.

use crate::canary::{Canary, broken};

use super::{Envelope, Mailbox, MessageKey, VotePosition};
use alloc::{collections::BTreeMap, vec::Vec};

/// The sends of one transaction here: its place among the votes, and what it sends, in the order of its operations.
pub type Sends<'a> = &'a [Envelope];

/// Which messages of one mailbox and key are in front of which.
type Line = (Mailbox, MessageKey);

/// Keeps the order of votes.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Outbox {
    next: VotePosition,
    lines: BTreeMap<Line, BTreeMap<VotePosition, Place>>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Place {
    /// Its transaction has voted, and may still end either way.
    InDoubt,
    /// Its transaction has committed; somebody in front is in doubt.
    Waiting(Vec<Envelope>),
}

/// What becomes of a committed transaction's messages.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Released {
    /// To be numbered now, in this order; those that had been stored as waiting with their place.
    pub now: Vec<(Option<VotePosition>, Envelope)>,
    /// To be stored until somebody in front has ended.
    pub waiting: Vec<Envelope>,
}

fn line(envelope: &Envelope) -> Option<Line> {
    let key = envelope.draft.key.clone()?;
    Some((envelope.draft.mailbox.clone(), key))
}

impl Outbox {
    /// The place of the next vote. Places only order what is here: after a restart they go on above what is left.
    pub fn next_position(&mut self) -> VotePosition {
        self.next = self.next.next();
        self.next
    }

    /// A transaction that sends these has voted Yes and is in doubt; also for a recovered vote.
    pub fn hold(&mut self, position: VotePosition, sends: Sends<'_>) {
        self.next = self.next.max(position);
        for line in sends.iter().filter_map(line) {
            self.lines.entry(line).or_default().insert(position, Place::InDoubt);
        }
    }

    /// What was stored as waiting, after a restart; in the order in which it was sent.
    pub fn recover_waiting(&mut self, position: VotePosition, envelope: Envelope) {
        self.next = self.next.max(position);
        let Some(line) = line(&envelope) else { return };
        let place = self.lines.entry(line).or_default().entry(position).or_insert(Place::Waiting(Vec::new()));
        match place {
            Place::Waiting(envelopes) => envelopes.push(envelope),
            // One transaction has one outcome.
            Place::InDoubt => *place = Place::Waiting(Vec::from([envelope])),
        }
    }

    /// The transaction has committed. The position says where it voted: of a transaction that was never in doubt, now.
    pub fn commit(&mut self, position: VotePosition, sends: Vec<Envelope>) -> Released {
        let mut released = Released::default();
        let mut lines: Vec<Line> = Vec::new();
        for envelope in sends {
            let Some(line) = line(&envelope) else {
                released.now.push((None, envelope));
                continue;
            };
            let places = self.lines.entry(line.clone()).or_default();
            if broken(Canary::ReleasedPastDoubt) {
                places.remove(&position);
                released.now.push((None, envelope));
                lines.push(line);
                continue;
            }
            match places.get_mut(&position) {
                Some(Place::Waiting(waiting)) => waiting.push(envelope),
                Some(Place::InDoubt) | None => {
                    places.insert(position, Place::Waiting(Vec::from([envelope])));
                    lines.push(line);
                }
            }
        }
        for line in lines {
            self.advance(&line, Some(position), &mut released);
            if let Some(Place::Waiting(waiting)) =
                self.lines.get(&line).and_then(|places| places.get(&position))
            {
                released.waiting.extend(waiting.iter().cloned());
            }
        }
        released
    }

    /// The transaction has aborted: nothing of it was sent, and those behind it need not wait for it.
    pub fn abort(&mut self, position: VotePosition, sends: Sends<'_>) -> Released {
        let mut released = Released::default();
        for line in sends.iter().filter_map(line) {
            if let Some(places) = self.lines.get_mut(&line) {
                places.remove(&position);
            }
            self.advance(&line, None, &mut released);
        }
        released
    }

    /// Takes from the front of a line what waits for nobody any more. `own` was never stored as waiting.
    fn advance(&mut self, line: &Line, own: Option<VotePosition>, released: &mut Released) {
        let Some(places) = self.lines.get_mut(line) else { return };
        while let Some(first) = places.first_entry() {
            match first.get() {
                Place::InDoubt => break,
                Place::Waiting(_) => {}
            }
            let (position, place) = first.remove_entry();
            let Place::Waiting(envelopes) = place else { break };
            let stored = (own != Some(position)).then_some(position);
            released.now.extend(envelopes.into_iter().map(|envelope| (stored, envelope)));
        }
        if places.is_empty() {
            self.lines.remove(line);
        }
    }

    /// Messages that are committed and wait.
    pub fn waiting(&self) -> usize {
        let places = self.lines.values().flat_map(BTreeMap::values);
        places.map(|place| if let Place::Waiting(envelopes) = place { envelopes.len() } else { 0 }).sum()
    }

    /// Says in which line another one holds something else.
    pub fn check_same(&self, other: &Outbox) -> Result<(), alloc::string::String> {
        if self.lines == other.lines {
            return Ok(());
        }
        Err(alloc::format!("the order of votes is {:?}, and stored {:?}", self.lines, other.lines))
    }

    /// Says which line begins with something that could be released.
    pub fn check_invariants(&self) -> Result<(), alloc::string::String> {
        for (line, places) in &self.lines {
            match places.first_key_value() {
                Some((_, Place::InDoubt)) => {}
                first => return Err(alloc::format!("the line of {line:?} begins with {first:?}")),
            }
        }
        Ok(())
    }
}
