//! A mailbox: who may have which message now.
//!
//! A message is *ready* when it is the first of its key, has come of age, and nobody has it. A consumer takes it under
//! a lease; the lease ends when the message is finished, given back, or runs out. While an acknowledgement in a
//! transaction is in doubt the message stays where it is, whatever its lease: it may be gone already.
//!
//! In memory is what orders deliveries; the messages themselves are in the store. Leases are only here: a restart
//! loses them all, and no lease of before is good any more.
//!
//! The invariant: exactly the first message of every key, and every message without one, can be anything but `Behind`;
//! `ready` holds exactly those that are ready, and `leased` counts those that are leased or being acknowledged.

use super::{LeaseId, MessageKey, Position};
use crate::canonical::Shift;
use crate::ids::{ClientName, NodeId, Peer, Time};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

/// Consumers that wait at one mailbox at most.
pub const RECEIVERS_MAX: usize = 4096;

/// One mailbox.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MailboxState {
    next: Position,
    entries: BTreeMap<Position, Entry>,
    lines: BTreeMap<MessageKey, BTreeSet<Position>>,
    ready: BTreeSet<Position>,
    leased: usize,
    /// Those who wait for a message, first come, first served.
    receivers: VecDeque<Receiver>,
    /// Sources whose messages were refused because there was no room: they are told when there is.
    pub(crate) held_back: BTreeSet<NodeId>,
    /// How many dead letters there are.
    pub(crate) dead: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Entry {
    key: Option<MessageKey>,
    failed: u32,
    state: State,
}

/// What may happen to a message now.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Another message of its key comes first. It comes of age at this moment, if it has one.
    Behind(Option<Time>),
    /// Not before this moment.
    Resting(Time),
    /// Anybody may have it.
    Ready,
    /// Somebody has it.
    Leased(Lease),
    /// A transaction that acknowledges it is in doubt. The lease is none after a restart.
    Acknowledging(Option<Lease>),
}

impl State {
    /// Whether somebody has it, or may have finished it.
    fn is_taken(&self) -> bool {
        match self {
            State::Leased(_) | State::Acknowledging(_) => true,
            State::Behind(_) | State::Resting(_) | State::Ready => false,
        }
    }
}

/// One delivery.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Lease {
    /// Which.
    pub id: LeaseId,
    /// Whose.
    pub consumer: ClientName,
    /// Until when.
    pub until: Time,
}

/// Somebody who waits for messages.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Receiver {
    /// Where to send them.
    pub peer: Peer,
    /// Who that is.
    pub consumer: ClientName,
    /// Its own number of the request.
    pub request: u64,
    /// How many it takes at most.
    pub max: u16,
    /// For how long; none takes them for good (at most once).
    pub lease_ms: Option<u32>,
    /// Until when it waits.
    pub until: Time,
}

/// Why a lease gives no right to a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Unleased {
    /// There is no such message: it was acknowledged, or is a dead letter.
    Absent,
    /// The lease has run out, or was given back.
    Lost,
    /// The lease is another client's.
    Foreign,
    /// An acknowledgement of it is in doubt.
    Acknowledging,
}

impl Default for MailboxState {
    fn default() -> Self {
        MailboxState::new(Position(1))
    }
}

impl MailboxState {
    /// An empty mailbox whose next message gets this place.
    pub fn new(next: Position) -> Self {
        MailboxState {
            next: next.max(Position(1)),
            entries: BTreeMap::new(),
            lines: BTreeMap::new(),
            ready: BTreeSet::new(),
            leased: 0,
            receivers: VecDeque::new(),
            held_back: BTreeSet::new(),
            dead: 0,
        }
    }

    /// The place that the next message gets.
    pub fn next(&self) -> Position {
        self.next
    }

    /// The first place that holds a message, or the next one.
    pub fn head(&self) -> Position {
        self.entries.keys().next().copied().unwrap_or(self.next)
    }

    /// How many messages are here.
    pub fn depth(&self) -> usize {
        self.entries.len()
    }

    /// How many are leased or being acknowledged.
    pub fn leased(&self) -> usize {
        self.leased
    }

    /// How many could be delivered now.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many consumers wait.
    pub fn receivers(&self) -> usize {
        self.receivers.len()
    }

    /// What may happen to a message.
    pub fn state(&self, position: Position) -> Option<&State> {
        self.entries.get(&position).map(|entry| &entry.state)
    }

    /// How many deliveries of a message have failed.
    pub fn failed(&self, position: Position) -> u32 {
        self.entries.get(&position).map_or(0, |entry| entry.failed)
    }

    /// Takes a message at the next place; with a moment of age if that is not now.
    pub fn arrive(&mut self, key: Option<MessageKey>, due: Option<Time>) -> Position {
        let position = self.next;
        self.restore(position, key, due, 0);
        position
    }

    /// Takes a message at its place, after a restart.
    pub fn restore(&mut self, position: Position, key: Option<MessageKey>, due: Option<Time>, failed: u32) {
        self.next = self.next.max(position.next());
        self.entries.insert(position, Entry { key: key.clone(), failed, state: State::Behind(due) });
        match key {
            None => self.come_first(position),
            Some(key) => {
                let line = self.lines.entry(key).or_default();
                line.insert(position);
                if line.first() == Some(&position) {
                    self.come_first(position);
                }
            }
        }
    }

    /// Nothing is in front of it any more.
    fn come_first(&mut self, position: Position) {
        let Some(entry) = self.entries.get_mut(&position) else { return };
        let State::Behind(due) = entry.state else { return };
        match due {
            Some(due) => entry.state = State::Resting(due),
            None => {
                entry.state = State::Ready;
                self.ready.insert(position);
            }
        }
    }

    /// When a message that rests comes of age.
    pub fn rests_until(&self, position: Position) -> Option<Time> {
        match self.entries.get(&position)?.state {
            State::Resting(until) => Some(until),
            State::Behind(_) | State::Ready | State::Leased(_) | State::Acknowledging(_) => None,
        }
    }

    /// Messages that rest, and until when.
    pub fn resting(&self) -> impl Iterator<Item = (Position, Time)> + '_ {
        self.entries.iter().filter_map(|(position, entry)| match entry.state {
            State::Resting(until) => Some((*position, until)),
            State::Behind(_) | State::Ready | State::Leased(_) | State::Acknowledging(_) => None,
        })
    }

    /// The places of messages after this one, in order.
    pub fn after(&self, position: Position) -> impl Iterator<Item = Position> + '_ {
        self.entries.range(position.next()..).map(|(position, _)| *position)
    }

    /// A message has come of age.
    pub fn wake(&mut self, position: Position, now: Time) {
        if let Some(entry) = self.entries.get_mut(&position)
            && let State::Resting(until) = entry.state
            && until <= now
        {
            entry.state = State::Ready;
            self.ready.insert(position);
        }
    }

    /// Somebody asks for messages. Says whether there was a place for it to wait.
    #[must_use]
    pub fn ask(&mut self, receiver: Receiver) -> bool {
        // Asked twice, it waits once: what is given to the second would be heard by nobody.
        self.take_receiver(receiver.peer, receiver.request);
        if self.receivers.len() >= RECEIVERS_MAX {
            return false;
        }
        self.receivers.push_back(receiver);
        true
    }

    /// Takes the first who waits, if there is something for it.
    pub fn next_receiver(&mut self) -> Option<Receiver> {
        if self.ready.is_empty() { None } else { self.receivers.pop_front() }
    }

    /// Takes one who waits, by its peer and request.
    pub fn take_receiver(&mut self, peer: Peer, request: u64) -> Option<Receiver> {
        let place = self.receivers.iter().position(|r| r.peer == peer && r.request == request)?;
        self.receivers.remove(place)
    }

    /// A client is gone: it waits no more. What it has stays leased.
    pub fn drop_receivers(&mut self, peer: Peer) {
        self.receivers.retain(|receiver| receiver.peer != peer);
    }

    /// The first message that is ready.
    pub fn first_ready(&self) -> Option<Position> {
        self.ready.first().copied()
    }

    /// Gives a ready message to a consumer.
    pub fn lease(&mut self, position: Position, lease: Lease) {
        if self.ready.remove(&position)
            && let Some(entry) = self.entries.get_mut(&position)
        {
            entry.state = State::Leased(lease);
            self.leased += 1;
        }
    }

    /// Whether the lease is good.
    pub fn check(&self, position: Position, id: LeaseId, consumer: &ClientName) -> Result<(), Unleased> {
        let Some(entry) = self.entries.get(&position) else { return Err(Unleased::Absent) };
        match &entry.state {
            State::Leased(lease) if lease.id != id => Err(Unleased::Lost),
            State::Leased(lease) if lease.consumer != *consumer => Err(Unleased::Foreign),
            State::Leased(_) => Ok(()),
            State::Acknowledging(_) => Err(Unleased::Acknowledging),
            State::Behind(_) | State::Resting(_) | State::Ready => Err(Unleased::Lost),
        }
    }

    /// The lease lasts until this moment now.
    pub fn extend(&mut self, position: Position, until: Time) {
        if let Some(Entry { state: State::Leased(lease), .. }) = self.entries.get_mut(&position) {
            lease.until = until;
        }
    }

    /// A transaction that acknowledges the message has voted Yes; also for a recovered vote.
    pub fn become_acknowledging(&mut self, position: Position) {
        let Some(entry) = self.entries.get_mut(&position) else { return };
        self.ready.remove(&position);
        let lease = match core::mem::replace(&mut entry.state, State::Ready) {
            State::Leased(lease) => Some(lease),
            State::Acknowledging(lease) => lease,
            State::Behind(_) | State::Resting(_) | State::Ready => {
                self.leased += 1;
                None
            }
        };
        entry.state = State::Acknowledging(lease);
    }

    /// The transaction has aborted: the message is its consumer's again, or anybody's where the lease is lost. Returns
    /// the lease; one that has run out meanwhile is the caller's to end.
    pub fn end_acknowledging(&mut self, position: Position) -> Option<Lease> {
        let entry = self.entries.get_mut(&position)?;
        match core::mem::replace(&mut entry.state, State::Ready) {
            State::Acknowledging(Some(lease)) => {
                entry.state = State::Leased(lease.clone());
                Some(lease)
            }
            State::Acknowledging(None) => {
                self.ready.insert(position);
                self.leased -= 1;
                None
            }
            other => {
                entry.state = other;
                None
            }
        }
    }

    /// The message is finished, or becomes a dead letter. Says which message of its key comes first now.
    pub fn remove(&mut self, position: Position) -> Option<Position> {
        let entry = self.entries.remove(&position)?;
        self.ready.remove(&position);
        self.leased -= usize::from(entry.state.is_taken());
        let key = entry.key?;
        let line = self.lines.get_mut(&key)?;
        line.remove(&position);
        let Some(first) = line.first().copied() else {
            self.lines.remove(&key);
            return None;
        };
        if first < position {
            return None;
        }
        self.come_first(first);
        Some(first)
    }

    /// The delivery has failed: the message rests until this moment.
    pub fn give_back(&mut self, position: Position, failed: bool, rest_until: Option<Time>) {
        let Some(entry) = self.entries.get_mut(&position) else { return };
        if failed {
            entry.failed = entry.failed.saturating_add(1);
        }
        self.leased -= usize::from(entry.state.is_taken());
        match rest_until {
            Some(until) => entry.state = State::Resting(until),
            None => {
                entry.state = State::Ready;
                self.ready.insert(position);
            }
        }
    }

    /// Lets the next of its key come first, as nothing does but a canary.
    pub(crate) fn pass(&mut self, position: Position) {
        let key = self.entries.get(&position).and_then(|entry| entry.key.as_ref());
        let line = key.and_then(|key| self.lines.get(key));
        if let Some(next) = line.and_then(|line| line.range(position.next()..).next()).copied() {
            self.come_first(next);
        }
    }

    /// The same mailbox on a clock that shows [`ORIGIN`](crate::canonical::ORIGIN).
    pub(crate) fn canonical(&self, shift: Shift) -> MailboxState {
        let mut same = self.clone();
        for entry in same.entries.values_mut() {
            match &mut entry.state {
                State::Behind(Some(moment)) | State::Resting(moment) => *moment = shift.ahead(*moment),
                State::Leased(lease) | State::Acknowledging(Some(lease)) => {
                    lease.until = shift.ahead(lease.until);
                }
                State::Behind(None) | State::Ready | State::Acknowledging(None) => {}
            }
        }
        for receiver in &mut same.receivers {
            receiver.until = shift.ahead(receiver.until);
        }
        same
    }

    /// Says what another one holds otherwise: leases and rests apart, which a restart may lose.
    pub fn check_same(&self, other: &MailboxState) -> Result<(), alloc::string::String> {
        let content = |state: &MailboxState| -> alloc::vec::Vec<_> {
            let entries = state.entries.iter();
            entries.map(|(position, entry)| (*position, entry.key.clone(), entry.failed)).collect()
        };
        let (known, held) = (content(self), content(other));
        if known != held || self.dead != other.dead {
            return Err(alloc::format!(
                "{known:?} and {} dead letters are known, {held:?} and {} are stored",
                self.dead,
                other.dead
            ));
        }
        if other.next != self.next {
            return Err(alloc::format!("the next place is {}, and stored {}", self.next, other.next));
        }
        Ok(())
    }

    /// Says what is not as it must be.
    pub fn check_invariants(&self) -> Result<(), alloc::string::String> {
        for (position, entry) in &self.entries {
            let first = match &entry.key {
                None => true,
                Some(key) => self.lines.get(key).and_then(BTreeSet::first) == Some(position),
            };
            if first == matches!(entry.state, State::Behind(_)) {
                return Err(alloc::format!("message {position} is {:?}, first: {first}", entry.state));
            }
            if self.ready.contains(position) != (entry.state == State::Ready) {
                return Err(alloc::format!("message {position} is {:?} and not where it is", entry.state));
            }
        }
        let taken = self.entries.values().filter(|entry| entry.state.is_taken()).count();
        if taken != self.leased {
            return Err(alloc::format!("{taken} messages are leased, and {} are counted", self.leased));
        }
        let ordered: usize = self.lines.values().map(BTreeSet::len).sum();
        let keyed = self.entries.values().filter(|entry| entry.key.is_some()).count();
        if ordered != keyed || self.ready.iter().any(|ready| !self.entries.contains_key(ready)) {
            return Err(alloc::format!("{ordered} messages stand in line, {keyed} have a key"));
        }
        Ok(())
    }
}
