//! Everything that is said between processes.
//!
//! A message about a transaction carries its [`Subject`]: id and digest (R12). Those that can make a participant
//! write carry the participant list too. Three answers are kept apart by type, so that none can be counted
//! as another: [`Message::Vote`] (a Yes to the sponsor's own Prepare), [`Message::Pledged`] (a Yes that can't be
//! vetoed any more), [`Message::Standing`] (what is held, which never counts towards "all Yes").

use crate::{
    ids::{ClientName, NodeId, RecordId, Sequence, SessionId, Sponsor, Stamp, Subject, TxnId},
    mail::{
        CAUSE_BYTES_MAX, DELAY_MS_MAX, DELIVERY_MAX, Envelope, LEASE_MS_MAX, LeaseId, Mailbox, MessageId,
        Position, Stored, StreamSequence, WAIT_MS_MAX, relay,
    },
    operation::{RecordContent, Results, Step},
    outcome::{AbortReason, Answer, Outcome},
};
use alloc::{boxed::Box, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Participants in one transaction at most.
pub const PARTICIPANTS_MAX: usize = 64;
/// Operations in one transaction at most.
pub const OPERATIONS_MAX: usize = 4096;
/// Entries in one batch message at most.
pub const BATCH_MAX: usize = 4096;
/// How far a session's sequence may run ahead of its watermark.
pub const SESSION_WINDOW_MAX: u64 = 4096;
/// The longest deadline that a request may ask for, in milliseconds.
pub const DEADLINE_MS_MAX: u32 = 600_000;

/// The part of a transaction that one participant executes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Branch {
    /// Who executes it.
    pub participant: NodeId,
    /// What, in the order given.
    pub steps: Vec<Step>,
}

/// What a client wants of its request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Intent {
    /// First attempt: nobody has heard of the transaction.
    First,
    /// A repeat: it may have run already, or be running; run it if not.
    Repeat,
    /// Settle: learn the outcome, and abort it if it has not run.
    Settle,
}

/// A client's request to run, repeat or settle a transaction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// Which transaction.
    pub subject: Subject,
    /// First attempt, repeat, or only the outcome.
    pub intent: Intent,
    /// The client's time of the first attempt.
    pub stamp: Stamp,
    /// Time to decide, in milliseconds from receipt.
    pub deadline_ms: u32,
    /// The client has every answer below this.
    pub watermark: Sequence,
    /// The operations by participant, sorted by participant.
    pub branches: Vec<Branch>,
}

/// A coordinator's request to vote.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Prepare {
    /// Which transaction.
    pub subject: Subject,
    /// Everyone who votes, sorted.
    pub participants: Vec<NodeId>,
    /// The attempt that asks.
    pub sponsor: Sponsor,
    /// The age of the transaction.
    pub stamp: Stamp,
    /// Time to decide, in milliseconds from receipt.
    pub deadline_ms: u32,
    /// The client has every answer below this.
    pub watermark: Sequence,
    /// What this participant executes.
    pub steps: Vec<Step>,
}

/// What a participant holds of a transaction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Held {
    /// Nothing.
    Blank,
    /// A Prepare that waits for locks.
    Queued(Sponsor),
    /// A Yes; `pledged` if it can't be vetoed any more.
    Yes {
        /// Whose Prepare it answered.
        sponsor: Sponsor,
        /// Told to a resolver already.
        pledged: bool,
    },
    /// The outcome; a commit with the results of the reads.
    Committed(Results),
    /// The outcome.
    Aborted(AbortReason),
    /// Nothing, and the id is below its client's watermark or of an ended session (R11).
    Expired,
    /// A durable record of the same id with another digest: aborted for the digest asked (R12).
    IdReused,
    /// Nothing, and nothing was written: it can't be taken now. Not a vote.
    Declined(AbortReason),
}

/// What a sponsor says of a transaction that it may be driving.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum SponsorAnswer {
    /// Still before its deadline, or ending it right now.
    Deciding,
    /// It is decided.
    Decided(Outcome),
    /// This process drives no such attempt, or can't end it by itself any more.
    Gone,
}

/// Identifies one acquisition of read locks: which start of the participant, and which acquisition since.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LockStamp {
    /// The participant's boot number.
    pub boot: u64,
    /// Counts acquisitions within a boot.
    pub serial: u64,
}

/// A request for read locks and what is read under them (R10).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Look {
    /// Which read-only transaction.
    pub subject: Subject,
    /// Which attempt at it.
    pub sponsor: Sponsor,
    /// The age of the transaction.
    pub stamp: Stamp,
    /// Time to end, in milliseconds from receipt.
    pub deadline_ms: u32,
    /// The only participant: no lock needs to be held after the answer.
    pub alone: bool,
    /// What to read and require.
    pub steps: Vec<Step>,
}

/// A session's watermark.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Watermark {
    /// Whose.
    pub client: ClientName,
    /// In which session.
    pub session: SessionId,
    /// The client has every answer below this.
    pub sequence: Sequence,
}

/// The durable end of sessions of one client.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SessionEnd {
    /// Whose.
    pub client: ClientName,
    /// This session has ended.
    pub session: SessionId,
    /// All sessions of the client below this one have ended too.
    pub all_below: SessionId,
}

/// One message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Message {
    // Client to coordinator.
    /// Run, repeat or settle a transaction.
    Begin(Box<Begin>),
    /// Grant me a session; `request` comes back with the answer.
    OpenSession {
        /// Chosen by the client.
        request: u64,
    },
    /// My session is over; I have every answer.
    CloseSession {
        /// Which.
        session: SessionId,
    },
    /// I am alive, and have every answer below the watermark.
    KeepSession {
        /// Which.
        session: SessionId,
        /// Every answer below this is known.
        watermark: Sequence,
    },

    // Coordinator to client.
    /// What became of the request.
    Answer {
        /// Which transaction.
        subject: Subject,
        /// What became of it.
        answer: Answer,
    },
    /// Your session.
    SessionOpened {
        /// The client's number for its request.
        request: u64,
        /// The session; none if the cluster can't grant one now.
        session: Option<SessionId>,
    },
    /// The end of your session is durable on its granter.
    SessionClosed {
        /// Which.
        session: SessionId,
    },

    // Coordinator to participant.
    /// Vote.
    Prepare(Box<Prepare>),
    /// Turn your vote, your queued Prepare, or no vote yet, into a durable abort (R3).
    Veto {
        /// Which transaction.
        subject: Subject,
        /// Only this attempt may be vetoed.
        sponsor: Sponsor,
        /// Everyone who votes.
        participants: Vec<NodeId>,
        /// Why; becomes the reason of the abort.
        reason: AbortReason,
    },
    /// What became of your question about a sponsor.
    SponsorSays {
        /// Which transaction.
        subject: Subject,
        /// About which attempt.
        sponsor: Sponsor,
        /// What the sponsor says.
        answer: SponsorAnswer,
    },
    /// Every participant holds the outcome durably: you may forget it once the watermark has passed (R8).
    AllHeld {
        /// Which transactions.
        subjects: Vec<Subject>,
    },
    /// How far clients have their answers.
    Watermarks {
        /// By session.
        watermarks: Vec<Watermark>,
    },
    /// Take read locks and read (R10).
    Look(Box<Look>),
    /// Was the lock held until now? Release it.
    Confirm {
        /// Which read-only transaction.
        subject: Subject,
        /// Which attempt.
        sponsor: Sponsor,
        /// Which acquisition; none: only release.
        stamp: Option<LockStamp>,
    },
    /// Grant a session to a client.
    GrantSession {
        /// To whom.
        client: ClientName,
        /// Comes back with the answer.
        request: u64,
    },
    /// A session is in use.
    TouchSession {
        /// Whose.
        client: ClientName,
        /// Which.
        session: SessionId,
    },

    // Coordinator or participant to participant.
    /// What do you hold? Changes nothing (R5).
    Peek {
        /// Which transaction.
        subject: Subject,
        /// Everyone who votes.
        participants: Vec<NodeId>,
    },
    /// Pledge your Yes, or fence the transaction (R4, R5).
    Resolve {
        /// Which transaction.
        subject: Subject,
        /// Everyone who votes.
        participants: Vec<NodeId>,
        /// Set where the sponsor itself resolves.
        sponsor: Option<Sponsor>,
    },
    /// The outcome; answer when you hold it durably.
    Tell {
        /// Which transaction.
        subject: Subject,
        /// Everyone who votes.
        participants: Vec<NodeId>,
        /// How it ended.
        outcome: Outcome,
        /// The client has every answer below this.
        watermark: Sequence,
    },
    /// A session has ended, or all sessions below one have.
    EndSession(SessionEnd),

    // Participant to coordinator.
    /// A durable Yes to this attempt's Prepare.
    Vote {
        /// Which transaction.
        subject: Subject,
        /// Whose Prepare it answers.
        sponsor: Sponsor,
        /// What the reads saw.
        results: Results,
    },
    /// Please veto this attempt: an older transaction needs its records.
    Wound {
        /// Which transaction.
        subject: Subject,
        /// Which attempt.
        sponsor: Sponsor,
    },
    /// What became of this attempt? (R6)
    AskSponsor {
        /// Which transaction.
        subject: Subject,
        /// Which attempt.
        sponsor: Sponsor,
    },
    /// Read under locks that are held from now on.
    Looked {
        /// Which read-only transaction.
        subject: Subject,
        /// Which attempt.
        sponsor: Sponsor,
        /// What was seen, or why the transaction is refused.
        results: Result<(LockStamp, Results), AbortReason>,
    },
    /// Whether the lock was held until now.
    Confirmed {
        /// Which read-only transaction.
        subject: Subject,
        /// Which attempt.
        sponsor: Sponsor,
        /// Whether it was.
        held: bool,
    },
    /// The session that was granted.
    SessionGranted {
        /// To whom.
        client: ClientName,
        /// The coordinator's number for its request.
        request: u64,
        /// The session.
        session: SessionId,
    },
    /// The end of a session is durable here. From its granter, `all_below` says how far all that it granted have ended.
    SessionEnded(SessionEnd),

    // Participant to coordinator or participant.
    /// What I hold. Never counts towards "all Yes".
    Standing {
        /// Which transaction.
        subject: Subject,
        /// What is held.
        held: Held,
    },
    /// A durable, pledged Yes (R4).
    Pledged {
        /// Which transaction.
        subject: Subject,
        /// What the reads saw.
        results: Results,
    },
    /// I hold these outcomes durably, or Expired, which says as much (R8).
    OutcomesHeld {
        /// Which transactions, each with the watermark of its session.
        held: Vec<(Subject, Sequence)>,
    },

    // People and tools.
    /// A question that changes nothing.
    Query {
        /// Comes back with the reply.
        request: u64,
        /// What is asked.
        query: Query,
    },
    /// The reply.
    Reply {
        /// The asker's number.
        request: u64,
        /// What is known.
        reply: Reply,
    },

    // Participant to participant.
    /// To the granter of a session, from who still holds something of it: has it ended? Answered with
    /// [`Message::EndSession`] if it has.
    AskSession {
        /// Whose.
        client: ClientName,
        /// Which.
        session: SessionId,
    },

    // Messages between applications. Participant to participant.
    /// Messages of a stream, in order, without gaps.
    Relay {
        /// Where to.
        mailbox: Mailbox,
        /// Everything up to here is known to have arrived.
        acked: StreamSequence,
        /// The number of the first one.
        first: StreamSequence,
        /// The messages.
        envelopes: Vec<Envelope>,
    },
    /// How far a stream has arrived, durably.
    RelayHeld {
        /// In which mailbox.
        mailbox: Mailbox,
        /// The last number, and the message that has it; none if nothing has arrived yet.
        last: Option<(StreamSequence, MessageId)>,
        /// Whether more is taken now.
        intake: Intake,
    },

    // Client to participant.
    /// Give me messages, now or when there are some.
    Receive(Box<Receive>),
    /// I am done with messages that I have.
    Finish {
        /// Comes back with the answer.
        request: u64,
        /// Where they are.
        mailbox: Mailbox,
        /// Which, and under which leases.
        deliveries: Vec<(Position, LeaseId)>,
        /// In which way.
        how: Finish,
    },
    /// Do something with dead letters.
    Manage {
        /// Comes back with the answer.
        request: u64,
        /// Of which mailbox.
        mailbox: Mailbox,
        /// What.
        what: Manage,
    },

    // Participant to client.
    /// Messages for you; none if there were none in time.
    Received {
        /// The client's number.
        request: u64,
        /// The messages, or why there can't be any.
        deliveries: Result<Vec<Delivery>, MailboxRefusal>,
    },
    /// What became of each delivery that you named, durably.
    Finished {
        /// The client's number.
        request: u64,
        /// In the order asked.
        results: Result<Vec<Result<(), MailboxRefusal>>, MailboxRefusal>,
    },
    /// What was done with dead letters, durably.
    Managed {
        /// The client's number.
        request: u64,
        /// How many it was done with.
        done: Result<u64, MailboxRefusal>,
    },
}

/// Whether a mailbox takes more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Intake {
    /// It does.
    Open,
    /// It holds as many messages as it may. The source is told when there is room.
    Full,
    /// It does not exist. Messages wait until it is created.
    Absent,
}

/// A consumer's request for messages.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Receive {
    /// Comes back with the answer.
    pub request: u64,
    /// Of which mailbox.
    pub mailbox: Mailbox,
    /// How many at most.
    pub max: u16,
    /// For how long, in milliseconds; none: for good, they are acknowledged on receipt (at most once).
    pub lease_ms: Option<u32>,
    /// How long to wait for the first one, in milliseconds.
    pub wait_ms: u32,
}

/// One message, given to a consumer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// Where it is.
    pub position: Position,
    /// The right to finish it; none if it was acknowledged on receipt.
    pub lease: Option<LeaseId>,
    /// The message.
    pub envelope: Envelope,
    /// Which delivery of it this is, from 1; more may have failed unseen where a node was restarted.
    pub delivery: u32,
}

/// How a consumer is done with a message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Finish {
    /// It is done: at least once.
    Acknowledge,
    /// It is not: somebody may have it, after a while.
    Release {
        /// How long it rests, in milliseconds; none: as the mailbox's settings say.
        delay_ms: Option<u32>,
        /// Why the delivery has failed; none: it has not, and is not counted.
        cause: Option<String>,
    },
    /// It goes on, for this long from now, in milliseconds.
    Extend(u32),
}

/// What is done with dead letters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Manage {
    /// Back into the mailbox, as new messages with their old ids; none: the first ones, as many as one request may.
    Redrive(Option<Vec<Position>>),
    /// Gone for good; none: the first ones, as many as one request may.
    Purge(Option<Vec<Position>>),
}

/// Why something of a mailbox is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum MailboxRefusal {
    /// There is no such mailbox.
    MailboxAbsent,
    /// It is not on this node: the cluster files of client and node differ.
    Misplaced,
    /// The mailbox names its consumers, and the client is not one of them.
    NotPermitted,
    /// Too many consumers wait already.
    Overloaded,
    /// There is no such message: it was acknowledged, or is a dead letter.
    MessageAbsent,
    /// The lease has run out or was given back.
    LeaseLost,
    /// The lease is another client's.
    ForeignLease,
    /// A transaction that acknowledges the message is in doubt.
    Acknowledging,
    /// There is no such dead letter.
    DeadLetterAbsent,
}

/// What people may know of a mailbox.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MailboxFigures {
    /// Which.
    pub mailbox: Mailbox,
    /// Whether it exists: messages outlive a deleted record.
    pub exists: bool,
    /// Messages in it.
    pub depth: u64,
    /// Of these, how many could be delivered now.
    pub ready: u64,
    /// How many are leased or being acknowledged.
    pub leased: u64,
    /// Consumers that wait.
    pub receivers: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long the oldest message has been here, in milliseconds.
    pub oldest_ms: u64,
    /// How long the oldest dead letter has been in the mailbox, in milliseconds.
    pub dead_oldest_ms: u64,
}

/// What people may know of a stream in an outbox.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StreamFigures {
    /// Where to.
    pub mailbox: Mailbox,
    /// On which node.
    pub destination: NodeId,
    /// The last number that was given.
    pub last: StreamSequence,
    /// Everything up to here has arrived.
    pub acked: StreamSequence,
    /// How long the oldest message has waited since its commit, in milliseconds.
    pub oldest_ms: u64,
    /// The mailbox takes nothing now.
    pub held_back: bool,
}

/// A question of people and tools. Answering changes nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Query {
    /// To participants: undecided transactions.
    InDoubt,
    /// To participants: what is held of an id, whatever its digest.
    Outcome(TxnId),
    /// To participants: records in order, after one, until the page is full. Each is consistent in itself only.
    Scan {
        /// Only this table.
        table: Option<String>,
        /// Start after this record.
        after: Option<RecordId>,
    },
    /// To any node: figures about it.
    Status,
    /// To participants: the mailboxes here.
    Mailboxes,
    /// To participants: what waits in the outbox here.
    Outbox,
    /// To participants: messages of a mailbox in order, after one, until the page is full.
    Mail {
        /// Which mailbox.
        mailbox: Mailbox,
        /// Its dead letters, not its messages.
        dead: bool,
        /// Start after this place.
        after: Option<Position>,
    },
}

/// What is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// Undecided transactions here.
    InDoubt(Vec<InDoubt>),
    /// What is held, with the participant list where it is known.
    Outcome {
        /// What is held.
        held: Held,
        /// Everyone who votes; empty if not known.
        participants: Vec<NodeId>,
    },
    /// A page of records.
    Scan {
        /// In order of their ids.
        records: Vec<(RecordId, RecordContent)>,
        /// There are more after the last one.
        more: bool,
    },
    /// Named figures, as "in_doubt", "transactions_held".
    Status(Vec<(String, u64)>),
    /// The question can't be answered here, and why.
    Refused(String),
    /// The mailboxes here, by name.
    Mailboxes(Vec<MailboxFigures>),
    /// What waits in the outbox here.
    Outbox {
        /// By mailbox.
        streams: Vec<StreamFigures>,
        /// Committed messages that wait for a transaction in doubt.
        waiting: u64,
        /// All messages, those of transactions in doubt included.
        messages: u64,
        /// Bytes of these, about.
        bytes: u64,
    },
    /// A page of messages.
    Mail {
        /// In order of their places.
        messages: Vec<(Position, Stored)>,
        /// There are more after the last one.
        more: bool,
    },
}

/// One undecided transaction on one participant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct InDoubt {
    /// Which.
    pub subject: Subject,
    /// Everyone who votes.
    pub participants: Vec<NodeId>,
    /// Who drives it, as far as is known.
    pub sponsor: Sponsor,
    /// How long ago it arrived here, in milliseconds.
    pub age_ms: u64,
    /// Waits for locks; otherwise it has voted Yes.
    pub queued: bool,
    /// The Yes is pledged.
    pub pledged: bool,
    /// Participants that have not answered this one's questions yet; empty if it has not asked.
    pub missing: Vec<NodeId>,
    /// The records that wait.
    pub records: Vec<RecordId>,
}

impl Message {
    /// Says what is wrong with the message by itself: counts, order and ranges that its types don't hold.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Message::Begin(begin) => {
                check_deadline(begin.deadline_ms)?;
                check_window(begin.subject.txn.sequence, begin.watermark)?;
                if begin.branches.iter().map(|b| b.steps.len()).sum::<usize>() > OPERATIONS_MAX {
                    return Err("more than 4096 operations");
                }
                check_participants(begin.branches.len(), begin.branches.iter().map(|b| b.participant))
            }
            Message::Prepare(prepare) => {
                check_deadline(prepare.deadline_ms)?;
                check_window(prepare.subject.txn.sequence, prepare.watermark)?;
                check_steps(&prepare.steps)?;
                check_list(&prepare.participants)
            }
            Message::Look(look) => {
                check_deadline(look.deadline_ms)?;
                check_steps(&look.steps)
            }
            Message::Veto { participants, .. }
            | Message::Peek { participants, .. }
            | Message::Resolve { participants, .. }
            | Message::Tell { participants, .. } => check_list(participants),
            Message::AllHeld { subjects } => check_batch(subjects.len()),
            Message::Watermarks { watermarks } => check_batch(watermarks.len()),
            Message::OutcomesHeld { held } => check_batch(held.len()),
            Message::Relay { first, envelopes, .. } => check_relay(*first, envelopes),
            Message::Receive(receive) => check_receive(receive),
            Message::Finish { deliveries, how, .. } => {
                check_deliveries(deliveries.len())?;
                check_finish(how)
            }
            Message::Manage { what: Manage::Redrive(Some(places)) | Manage::Purge(Some(places)), .. } => {
                check_deliveries(places.len())
            }
            Message::Received { deliveries: Ok(deliveries), .. } => check_deliveries(deliveries.len()),
            Message::Finished { results: Ok(results), .. } => check_deliveries(results.len()),
            Message::OpenSession { .. }
            | Message::CloseSession { .. }
            | Message::KeepSession { .. }
            | Message::Answer { .. }
            | Message::SessionOpened { .. }
            | Message::SessionClosed { .. }
            | Message::SponsorSays { .. }
            | Message::Confirm { .. }
            | Message::GrantSession { .. }
            | Message::TouchSession { .. }
            | Message::EndSession(_)
            | Message::Vote { .. }
            | Message::Wound { .. }
            | Message::AskSponsor { .. }
            | Message::Looked { .. }
            | Message::Confirmed { .. }
            | Message::SessionGranted { .. }
            | Message::SessionEnded(_)
            | Message::Standing { .. }
            | Message::Pledged { .. }
            | Message::Query { .. }
            | Message::Reply { .. }
            | Message::AskSession { .. }
            | Message::RelayHeld { .. }
            | Message::Manage { .. }
            | Message::Received { .. }
            | Message::Finished { .. }
            | Message::Managed { .. } => Ok(()),
        }
    }
}

fn check_relay(first: StreamSequence, envelopes: &[Envelope]) -> Result<(), &'static str> {
    if first.0 == 0 || first.0.checked_add(envelopes.len() as u64).is_none() {
        return Err("a stream has no such number");
    }
    if envelopes.len() > relay::BATCH_MESSAGES_MAX {
        return Err("more than 256 messages in a batch");
    }
    envelopes.iter().try_for_each(|envelope| envelope.draft.check())
}

fn check_receive(receive: &Receive) -> Result<(), &'static str> {
    if receive.max == 0 {
        return Err("no message is asked for");
    }
    if receive.lease_ms.is_some_and(|ms| ms == 0 || ms > LEASE_MS_MAX) {
        return Err("a lease has 1 to 43,200,000 ms");
    }
    if receive.wait_ms > WAIT_MS_MAX {
        return Err("the wait is longer than 60,000 ms");
    }
    check_deliveries(usize::from(receive.max))
}

fn check_finish(how: &Finish) -> Result<(), &'static str> {
    match how {
        Finish::Acknowledge => Ok(()),
        Finish::Release { delay_ms, cause } => {
            if delay_ms.is_some_and(|ms| ms > DELAY_MS_MAX) {
                return Err("the delay is longer than 30 days");
            }
            if cause.as_ref().is_some_and(|cause| cause.len() > CAUSE_BYTES_MAX) {
                return Err("the cause is longer than 1,024 bytes");
            }
            Ok(())
        }
        Finish::Extend(ms) if *ms == 0 || *ms > LEASE_MS_MAX => Err("a lease has 1 to 43,200,000 ms"),
        Finish::Extend(_) => Ok(()),
    }
}

fn check_deliveries(count: usize) -> Result<(), &'static str> {
    if count > DELIVERY_MAX { Err("more than 1024 messages in one request") } else { Ok(()) }
}

fn check_deadline(ms: u32) -> Result<(), &'static str> {
    if ms > DEADLINE_MS_MAX { Err("the deadline is longer than 600,000 ms") } else { Ok(()) }
}

fn check_window(sequence: Sequence, watermark: Sequence) -> Result<(), &'static str> {
    if sequence.0 == u64::MAX {
        // It stands for "above everything" where a session has ended.
        Err("the sequence is the last possible one")
    } else if watermark > sequence {
        Err("the watermark is above the request's own sequence")
    } else if sequence.0 - watermark.0 > SESSION_WINDOW_MAX {
        Err("the sequence is more than 4096 ahead of the watermark")
    } else {
        Ok(())
    }
}

fn check_steps(steps: &[Step]) -> Result<(), &'static str> {
    if steps.len() > OPERATIONS_MAX {
        return Err("more than 4096 operations");
    }
    if !steps.is_sorted_by(|a, b| a.index < b.index) {
        return Err("the operations are not in the order of their indexes");
    }
    steps.iter().try_for_each(|step| step.operation.check())
}

fn check_list(participants: &[NodeId]) -> Result<(), &'static str> {
    check_participants(participants.len(), participants.iter().copied())
}

fn check_participants(count: usize, participants: impl Iterator<Item = NodeId>) -> Result<(), &'static str> {
    if count == 0 {
        Err("no participant")
    } else if count > PARTICIPANTS_MAX {
        Err("more than 64 participants")
    } else if !participants.is_sorted_by(|a, b| a < b) {
        Err("the participants are not sorted, or one is named twice")
    } else {
        Ok(())
    }
}

fn check_batch(entries: usize) -> Result<(), &'static str> {
    if entries > BATCH_MAX { Err("more than 4096 entries in a batch") } else { Ok(()) }
}
