//! What is searched: how many nodes, which requests, how many faults. Everything here is a bound, or a wait.

use assent_protocol::message::Intent;

/// Participants, at most. They are named as in the transcripts.
pub const PARTICIPANTS_MAX: usize = 3;
/// Coordinators, at most.
pub const COORDINATORS_MAX: usize = 2;
/// Requests, at most.
pub const REQUESTS_MAX: usize = 8;
/// Different transactions in these requests, at most.
pub const TRANSACTIONS_MAX: usize = 4;

/// What a transaction does with its record on each participant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Appends its value.
    Append,
    /// Appends its value, and reads what is there then.
    AppendAndRead,
    /// Reads, and writes nothing (R10).
    Read,
}

/// One request of a client. It is made at most once, at any moment after those that it needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// To which coordinator, from 0.
    pub coordinator: usize,
    /// First attempt, repeat, or only the outcome.
    pub intent: Intent,
    /// The sequence of the transaction in the client's only session.
    pub sequence: u64,
    /// How old the client says that it is: the smaller, the older.
    pub stamp: u64,
    /// Below which sequence the client has every answer to what writes. The request waits until it has them.
    pub watermark: u64,
    /// What it appends to the list on each participant. Another value is another digest.
    pub value: i64,
    /// Which record of each participant. Transactions on one record conflict.
    pub record: &'static str,
    /// How many participants, from the first.
    pub participants: usize,
    /// Whether it appends, reads, or both.
    pub content: Content,
    /// How many messages it sends, of one key, from the first participant to a mailbox on the second.
    pub sends: u16,
    /// Requests that must have been made before, by their place.
    pub after: &'static [usize],
}

impl Request {
    /// The first attempt at a transaction, by the first coordinator.
    pub fn first(sequence: u64, participants: usize) -> Self {
        Request {
            coordinator: 0,
            intent: Intent::First,
            sequence,
            stamp: sequence,
            watermark: 0,
            value: i64::try_from(sequence).unwrap_or(i64::MAX),
            record: "x",
            participants,
            content: Content::Append,
            sends: 0,
            after: &[],
        }
    }

    /// Whether it changes anything.
    pub fn writes(&self) -> bool {
        self.content != Content::Read
    }

    /// The same transaction once more, by another coordinator.
    pub fn again(&self, coordinator: usize, intent: Intent, after: &'static [usize]) -> Self {
        Request { coordinator, intent, after, ..self.clone() }
    }
}

/// When a write is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syncs {
    /// At some moment after it, which is an action of its own. A crash before it loses the writes, or some of them.
    Apart,
    /// Together with the write. What a crash would lose is then as if it had not arrived: messages wait for the sync
    /// (R7), so nobody can have heard of it.
    Together,
}

/// When a participant loses patience with a sponsor that has not answered (R6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// At any time: the question or its answer may be lost or late, and the sponsor well. Safety may not rest on it.
    Any,
    /// Only with a sponsor that is down or cut off: what is asked of a sponsor that is well is answered in time. A bound
    /// for liveness, where a wrong suspicion is a fault beside the one that is searched for.
    Real,
    /// Once in the whole cluster with one that is well, and otherwise as [`Patience::Real`].
    WrongOnce,
}

/// What makes the search smaller. None of it changes what is found, which `tests/model_reductions.rs` shows on clusters
/// that are small enough to be searched without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reduce {
    /// Of nodes and messages that no future tells apart, one stands for all.
    pub alike: bool,
    /// Messages and connections that can't matter any more are taken out.
    pub spent: bool,
    /// What a node says without becoming anything else is said at once: not saying it could only make less happen.
    pub replies: bool,
    /// Of states that differ only in what was said, those are searched in which most was: less could only make less happen.
    pub covered: bool,
}

impl Reduce {
    /// Everything.
    pub const ALL: Reduce = Reduce { alike: true, spent: true, replies: true, covered: true };
    /// Nothing.
    pub const NONE: Reduce = Reduce { alike: false, spent: false, replies: false, covered: false };
    /// What keeps every set of messages that can be under way: a fair continuation may depend on it.
    pub const EVERY_SET: Reduce = Reduce { alike: true, spent: true, ..Reduce::NONE };
}

/// What is searched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModelConfig {
    /// In one word or a few.
    pub name: &'static str,
    /// How many participants.
    pub participants: usize,
    /// How many coordinators.
    pub coordinators: usize,
    /// What clients ask for.
    pub requests: Vec<Request>,
    /// Crashes of coordinators, at most.
    pub coordinator_crashes_max: u8,
    /// Crashes of participants, at most.
    pub participant_crashes_max: u8,
    /// Cuts of links, at most.
    pub cuts_max: u8,
    /// Crashes and cuts together, at most.
    pub faults_max: u8,
    /// Whether crashed nodes start again, and cut links are restored.
    pub heals: bool,
    /// When a write is durable.
    pub syncs: Syncs,
    /// When a participant loses patience with its sponsor.
    pub patience: Patience,
    /// How often the clock of one node may be moved to its next wake. None: without bound, the machines' states repeat.
    pub wakes_max: Option<u8>,
    /// The deadline of requests, in milliseconds. All waits of the machines are 100 ms in the model. What would be due later
    /// than 200 ms is so in fair continuations only, and what would be due later than 1,000 ms never is.
    pub deadline_ms: u32,
    /// How long a participant keeps an outcome before it tells the others again, in milliseconds.
    pub exchange_ms: u64,
    /// How often a coordinator tells an outcome again, each time after 1,000 ms and more: in fair continuations only.
    pub tells_max: u32,
    /// How long a coordinator tries to settle after the deadline, in milliseconds.
    pub settle_ms: u64,
    /// Whether messages are carried that only serve forgetting (R8): acknowledgements of outcomes, what all hold, watermarks.
    /// Where no request has a watermark nothing can be forgotten, and they change nothing but who is told again.
    pub forgetting: bool,
    /// Messages that the mailbox holds at most. Nobody receives them: what does not fit waits at its source for ever.
    pub depth_max: Option<u16>,
    /// How often a coordinator asks for the reads of transactions that write nothing, anew each time, at most.
    pub looks_max: u64,
    /// How often a participant takes locks for them between two starts, at most.
    pub locks_max: u64,
    /// From every state, check that a fair continuation without further faults decides everything.
    pub liveness: bool,
    /// Give up after so many generated states. None: search all.
    pub states_max: Option<usize>,
    /// If one node can become more different things than this, if any message could arrive at any moment, then nothing is made
    /// smaller that rests on knowing them all.
    pub closure_max: usize,
    /// What makes the search smaller.
    pub reduce: Reduce,
}

/// Waits that are longer than the horizon of the model.
pub const FOR_EVER_MS: u64 = 1_000_000_000;

impl ModelConfig {
    /// A cluster without faults; what differs is set by who uses it.
    pub fn new(name: &'static str, participants: usize, coordinators: usize, requests: Vec<Request>) -> Self {
        ModelConfig {
            name,
            participants,
            coordinators,
            requests,
            coordinator_crashes_max: 0,
            participant_crashes_max: 0,
            cuts_max: 0,
            faults_max: 0,
            heals: true,
            syncs: Syncs::Together,
            patience: Patience::Any,
            wakes_max: None,
            deadline_ms: 100,
            exchange_ms: FOR_EVER_MS,
            tells_max: 0,
            settle_ms: FOR_EVER_MS,
            forgetting: false,
            depth_max: None,
            looks_max: 2,
            locks_max: 2,
            liveness: false,
            states_max: None,
            closure_max: 20_000,
            reduce: Reduce::ALL,
        }
    }
}
