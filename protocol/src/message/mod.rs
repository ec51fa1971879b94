//! Everything that is said between processes.
//!
//! A message about a transaction carries its [`Subject`]: id and digest (R12). Those that can make a participant
//! write carry the participant list too. Three answers are kept apart by type, so that none can be counted
//! as another: [`Message::Vote`] (a Yes to the sponsor's own Prepare), [`Message::Pledged`] (a Yes that can't be
//! vetoed any more), [`Message::Standing`] (what is held, which never counts towards "all Yes").

mod checks;
mod mailboxes;
mod questions;

use crate::{
    ids::{ClientName, NodeId, Sequence, SessionId, Sponsor, Stamp, Subject},
    mail::{Envelope, LeaseId, Mailbox, MessageId, Position, StreamSequence},
    operation::{Results, Step},
    outcome::{AbortReason, Answer, Outcome},
};
use alloc::{boxed::Box, vec::Vec};
pub use mailboxes::{
    Delivery, Finish, Intake, MailboxFigures, MailboxRefusal, Manage, Receive, StreamFigures,
};
pub use questions::{InDoubt, Query, Reply};
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
