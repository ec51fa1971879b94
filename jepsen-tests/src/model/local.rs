//! One node of the model: the shipped machine with its disk, and what one input does to it.
//!
//! The runtime's loop is here (`participant/src/outgoing.rs`): what the machine says waits until everything written
//! before it is synced (R7). After each step the machine is made canonical, so that equal nodes are equal values.

use super::{
    cast::{CLIENT, Cast, HORIZON_MS, NEAR_MS, WALL},
    config::{ModelConfig, Syncs},
    letters, reads,
};
use crate::properties::durable;
use assent_protocol::{
    canary,
    canonical::{NEVER, ORIGIN, Shift},
    coordinator::{self, Coordinator},
    ids::{NodeId, Peer, Time},
    memory::MemoryStore,
    message::Message,
    participant::{self, Participant},
    storage::TxnRecord,
};
use std::collections::BTreeMap;

/// Messages that wait for a sync, from which on the node takes nothing more before it.
const WAITING_MAX: usize = 2;

/// A node with everything that it holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Local {
    Participant(ParticipantNode),
    Coordinator(CoordinatorNode),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ParticipantNode {
    /// None while it is down.
    pub(super) machine: Option<Participant>,
    pub(super) store: MemoryStore,
    /// Counts its starts, where transactions only read: the number is part of their locks, and of nothing else.
    starts: u8,
    /// What was said and waits for the sync: each once, since the network is a set.
    waiting: Vec<(Peer, Message)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct CoordinatorNode {
    /// None while it is down.
    pub(super) machine: Option<Coordinator>,
    /// Counts its starts: each is an incarnation of its own.
    starts: u8,
    /// Requests that it was given, a bit for each: none comes twice.
    asked: u8,
}

/// What happens to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Input {
    Deliver(Peer, Message),
    /// A client asks for what the configuration has at this place.
    Request(usize),
    Up(NodeId),
    Down(NodeId),
    /// Its clock moves to its next wake.
    Wake,
    /// Its clock moves, by this many milliseconds.
    Pass(u64),
    Sync,
    /// It loses its memory, and what was not synced; or its disk had written that by itself.
    Crash {
        keeping: bool,
    },
    Start,
}

/// Rules that one step was seen to break.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Flaw {
    /// The machine and its disk differ, or its locks are not those of its votes.
    Invariant,
    /// Something left the node that its disk could lose (R7).
    NotDurable,
    /// A veto turned a pledged Yes (R4).
    PledgeVetoed,
    /// The machine itself met an outcome that contradicts what it holds.
    Hazard,
    /// A message is released before one of its key that voted earlier and is in doubt (M1).
    Overtaken,
    /// A participant takes its disk for an older copy, which it is not (M7).
    FalseAlarm,
    /// A message that its receiver would refuse.
    Malformed,
}

/// What a step does.
pub(super) struct Stepped {
    pub(super) next: Local,
    /// What leaves the node.
    pub(super) sent: Vec<(Peer, Message)>,
    pub(super) flaws: Vec<(Flaw, String)>,
    /// Which of the machine's figures have risen.
    pub(super) figures: Vec<&'static str>,
}

impl Stepped {
    /// A step that does not happen.
    fn nothing(still: Local) -> Self {
        Stepped { next: still, sent: Vec::new(), flaws: Vec::new(), figures: Vec::new() }
    }
}

impl Local {
    pub(super) fn start(cast: &Cast, node: usize) -> Local {
        let empty = if cast.is_participant(node) {
            let store = cast.disk(node);
            Local::Participant(ParticipantNode { machine: None, store, starts: 0, waiting: Vec::new() })
        } else {
            Local::Coordinator(CoordinatorNode { machine: None, starts: 0, asked: 0 })
        };
        empty.step(cast, node, &Input::Start).next
    }

    pub(super) fn is_up(&self) -> bool {
        match self {
            Local::Participant(node) => node.machine.is_some(),
            Local::Coordinator(node) => node.machine.is_some(),
        }
    }

    /// Whether a request was given to it, which none is twice.
    pub(super) fn was_asked(&self, request: usize) -> bool {
        match self {
            Local::Participant(_) => false,
            Local::Coordinator(node) => node.asked & (1 << request) != 0,
        }
    }

    /// Whether it may crash as far as it knows by itself.
    pub(super) fn may_crash(&self, config: &ModelConfig) -> bool {
        match self {
            Local::Participant(node) => {
                config.participant_crashes_max > 0 && node.starts <= config.participant_crashes_max
            }
            Local::Coordinator(node) => node.starts <= config.coordinator_crashes_max,
        }
    }

    /// Whether it takes nothing more before it has synced. A bound of the model.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Local::Participant(node) => node.waiting.len() >= WAITING_MAX,
            Local::Coordinator(_) => false,
        }
    }

    /// How long until it must be woken, in milliseconds; none if nothing is due within the horizon.
    pub(super) fn wake_ms(&self) -> Option<u64> {
        self.next_wake().map(|wake| (wake.0.saturating_sub(ORIGIN.0)).div_ceil(1000))
    }

    fn next_wake(&self) -> Option<Time> {
        let wake = match self {
            Local::Participant(node) => node.next_wake(),
            Local::Coordinator(node) => node.machine.as_ref()?.next_wake(),
        };
        wake.filter(|wake| *wake != NEVER)
    }

    /// One input, taken by a node that is up; or its start.
    pub(super) fn step(&self, cast: &Cast, node: usize, input: &Input) -> Stepped {
        match self {
            Local::Participant(held) => held.step(cast, node, input, self.next_wake()),
            Local::Coordinator(held) => held.step(cast, node, input, self.next_wake()),
        }
    }
}

/// What the clock shows when an input arrives at a machine that stands at [`ORIGIN`].
fn moment(input: &Input, wake: Option<Time>) -> Time {
    match input {
        Input::Wake => wake.unwrap_or(ORIGIN),
        Input::Pass(ms) => ORIGIN.after_ms(*ms),
        Input::Deliver(..)
        | Input::Request(_)
        | Input::Up(_)
        | Input::Down(_)
        | Input::Sync
        | Input::Crash { .. }
        | Input::Start => ORIGIN,
    }
}

/// Time passes for what is near, but in a fair continuation for everything.
fn shift(cast: &Cast, now: Time, input: &Input) -> Shift {
    let near_ms = if matches!(input, Input::Pass(_)) { HORIZON_MS } else { NEAR_MS };
    Shift { now, horizon_ms: HORIZON_MS, near_ms, sends: cast.sends() }
}

fn risen(figures: Vec<(&'static str, u64)>) -> Vec<&'static str> {
    figures.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect()
}

impl ParticipantNode {
    fn step(&self, cast: &Cast, node: usize, input: &Input, wake: Option<Time>) -> Stepped {
        let mut next = self.clone();
        let mut stepped = Taken::default();
        let now = moment(input, wake);
        match input {
            Input::Start => {
                next.starts += u8::from(cast.looks());
                next.machine = Some(cast.participant(node, next.starts, &next.store));
            }
            Input::Crash { keeping } => {
                next.machine = None;
                next.waiting.clear();
                next.store.crash_keeping(if *keeping { next.store.unsynced() } else { 0 });
            }
            Input::Sync => next.store.sync(),
            Input::Deliver(from, message) => {
                next.take(participant::Input::Message(*from, message.clone()), now, &mut stepped);
                next.check_veto(self, message, &mut stepped);
            }
            Input::Up(other) => next.take(participant::Input::Up(*other), now, &mut stepped),
            Input::Down(other) => next.take(participant::Input::Down(Peer::Node(*other)), now, &mut stepped),
            // What is due is done below. Nobody asks a participant.
            Input::Wake | Input::Pass(_) | Input::Request(_) => {}
        }
        while next.next_wake().is_some_and(|wake| wake <= now) {
            next.take(participant::Input::Tick, now, &mut stepped);
        }
        if reads::is_beyond(&cast.config, &next.waiting) {
            return Stepped::nothing(Local::Participant(self.clone()));
        }
        if cast.config.syncs == Syncs::Together {
            next.store.sync();
        }
        letters::check_order(cast, &self.store, &next.store, &mut stepped.flaws);
        next.waiting.sort_unstable();
        next.waiting.dedup();
        let sent = if next.store.is_synced() {
            std::mem::take(&mut next.waiting)
        } else {
            // None, unless a canary says so.
            next.waiting.extract_if(.., |(_, message)| canary::leaves_early(message)).collect()
        };
        next.check_sent(&sent, &mut stepped);
        if let Some(machine) = &mut next.machine {
            stepped.figures = risen(machine.figures());
            if let Some(fault) = machine.fault() {
                stepped.flaws.push((Flaw::FalseAlarm, fault.to_string()));
            }
            if stepped.figures.contains(&"hazards") {
                stepped.flaws.push((Flaw::Hazard, "the machine met an outcome against its own".to_string()));
            }
            *machine = machine.canonical(shift(cast, now, input));
        }
        Stepped { next: Local::Participant(next), sent, flaws: stepped.flaws, figures: stepped.figures }
    }

    /// Whoever has lost what it held takes nothing more: it has been stopped.
    fn next_wake(&self) -> Option<Time> {
        self.machine.as_ref().filter(|machine| machine.fault().is_none())?.next_wake()
    }

    fn take(&mut self, input: participant::Input, now: Time, taken: &mut Taken) {
        let Some(machine) = &mut self.machine else { return };
        machine.handle(now, input, &mut self.store, &mut self.waiting);
        self.store.commit();
        let stored: BTreeMap<_, _> = self.store.recover().txns.into_iter().collect();
        if let Err(wrong) = machine.check_invariants(&self.store, &stored) {
            taken.flaws.push((Flaw::Invariant, wrong));
        }
    }

    /// A pledged Yes refuses every veto (R4).
    fn check_veto(&self, before: &ParticipantNode, message: &Message, taken: &mut Taken) {
        let Message::Veto { subject, .. } = message else { return };
        let pledged = matches!(before.store.txn(&subject.txn), Some(TxnRecord::Yes(yes)) if yes.pledged);
        if pledged && self.store.txn(&subject.txn) != before.store.txn(&subject.txn) {
            taken
                .flaws
                .push((Flaw::PledgeVetoed, format!("a veto turned the pledged Yes to {}", subject.txn)));
        }
    }

    fn check_sent(&self, sent: &[(Peer, Message)], taken: &mut Taken) {
        if sent.is_empty() {
            return;
        }
        let disk = durable::durable(&self.store);
        for (_, message) in sent {
            if let Err(wrong) = durable::check(message, &disk) {
                taken.flaws.push((Flaw::NotDurable, wrong));
            }
            taken.check_form(message);
        }
    }
}

impl CoordinatorNode {
    fn step(&self, cast: &Cast, node: usize, input: &Input, wake: Option<Time>) -> Stepped {
        let mut next = self.clone();
        let (mut sent, mut taken) = (Vec::new(), Taken::default());
        let now = moment(input, wake);
        let told = match input {
            Input::Start => {
                next.starts += 1;
                next.machine = Some(cast.coordinator(node, next.starts));
                None
            }
            Input::Crash { .. } => {
                next.machine = None;
                None
            }
            // It writes nothing.
            Input::Sync => None,
            Input::Deliver(from, message) => Some(coordinator::Input::Message(*from, message.clone())),
            Input::Request(request) => {
                next.asked |= 1 << request;
                Some(coordinator::Input::Message(CLIENT, cast.begin(*request)))
            }
            Input::Up(other) => Some(coordinator::Input::Up(*other)),
            Input::Down(other) => Some(coordinator::Input::Down(Peer::Node(*other))),
            Input::Wake | Input::Pass(_) => None,
        };
        if let Some(machine) = &mut next.machine {
            if let Some(told) = told {
                machine.handle(now, WALL, told, &mut sent);
            }
            while machine.next_wake().is_some_and(|wake| wake <= now) {
                machine.handle(now, WALL, coordinator::Input::Tick, &mut sent);
            }
            if reads::is_beyond(&cast.config, &sent) {
                return Stepped::nothing(Local::Coordinator(self.clone()));
            }
            taken.figures = risen(machine.figures());
            *machine = machine.canonical(shift(cast, now, input));
        }
        for (_, message) in &sent {
            taken.check_form(message);
        }
        Stepped { next: Local::Coordinator(next), sent, flaws: taken.flaws, figures: taken.figures }
    }
}

/// What was noted while inputs were taken.
#[derive(Default)]
struct Taken {
    flaws: Vec<(Flaw, String)>,
    figures: Vec<&'static str>,
}

impl Taken {
    fn check_form(&mut self, message: &Message) {
        if let Err(wrong) = message.check() {
            self.flaws.push((Flaw::Malformed, format!("{wrong}: {message:?}")));
        }
    }
}
