//! One request of a simulated client, from its first attempt to its answer, across coordinators.
//!
//! What an answer means is as in `client/src/request.rs`: only a commit, a durable abort, or a coordinator's word that it
//! sent nothing on, in answer to the first attempt of all, ends a request that writes.

use super::Desk;
use crate::{history::Kind, random::Random, simulator::properties::Asked, workload::Invocation};
use assent_protocol::{
    canary::{Canary, broken},
    digest::digest,
    directory::Directory,
    ids::{ClientName, NodeId, Sequence, SessionId, Stamp, Subject, TxnId},
    message::{Begin, Branch, Intent, Message},
    operation::{Operation, Results, Step},
    outcome::{AbortReason, Answer},
};
use std::collections::BTreeMap;

/// So many answers "expired" in a row are believed: what expired stays expired.
const EXPIRED_MAX: u32 = 3;

/// How a request ended for its process.
pub(super) enum Conclusion {
    Committed(Vec<assent_protocol::operation::ReadResult>),
    Aborted(String),
    /// A coordinator has sent nothing on: there is no outcome that could be asked for.
    NotExecuted,
    /// The session has ended, and the request has changed nothing.
    SessionEnded,
    Unknown(&'static str),
}

impl Conclusion {
    /// Nothing new can run in the session.
    pub(super) fn ends_session(&self) -> bool {
        matches!(self, Conclusion::SessionEnded | Conclusion::Unknown("expired"))
    }
}

pub(super) struct Request {
    pub(super) subject: Subject,
    pub(super) invocation: Invocation,
    pub(super) writes: bool,
    /// The place of the process that waits for it.
    pub(super) process: Option<usize>,
    /// The answer, while it is asked once more.
    pub(super) answered: Option<Kind>,
    /// Nobody needs its answer any more.
    pub(super) let_go: bool,
    pub(super) begun_us: u64,
    pub(super) due_us: u64,
    branches: Vec<Branch>,
    stamp: Stamp,
    attempts: u32,
    expired: u32,
    /// Its client calls the outcome unknown then.
    gives_up_us: u64,
    /// After that it is only settled, not run.
    settling: bool,
    insists: bool,
    /// Its id stands for something else, too.
    pub(super) twin: bool,
    /// The coordinator that was asked last.
    asked: usize,
}

/// The operations by participant, sorted.
fn branches(directory: &Directory, operations: &[Operation]) -> Vec<Branch> {
    let mut by_node: BTreeMap<NodeId, Vec<Step>> = BTreeMap::new();
    for (index, operation) in operations.iter().enumerate() {
        let node = directory.locate(operation.record());
        let step = Step { index: index as u16, operation: operation.clone() };
        by_node.entry(node).or_default().push(step);
    }
    by_node.into_iter().map(|(participant, steps)| Branch { participant, steps }).collect()
}

impl Request {
    pub(super) fn new(invocation: Invocation, process: usize, desk: &mut Desk<'_>) -> Self {
        let branches = branches(desk.directory, &invocation.operations);
        let gives_up = !desk.healed && desk.random.chance(desk.options.give_up_per_mille);
        let patience_us = 2_000 * desk.options.deadline_ms_max;
        let gives_up_us = if gives_up { desk.now_us + 1 + desk.random.below(patience_us) } else { u64::MAX };
        let txn = TxnId {
            client: ClientName::new("unnamed").expect("a word is a client name"),
            session: SessionId(0),
            sequence: Sequence(0),
        };
        Request {
            subject: Subject { txn, digest: digest(&branches) },
            writes: invocation.operations.iter().any(Operation::is_write),
            invocation,
            process: Some(process),
            answered: None,
            let_go: false,
            begun_us: desk.now_us,
            due_us: desk.now_us,
            branches,
            stamp: desk.wall,
            attempts: 0,
            expired: 0,
            gives_up_us,
            settling: false,
            insists: false,
            twin: false,
            asked: usize::MAX,
        }
    }

    /// Its id.
    pub(super) fn name(&mut self, client: &ClientName, session: SessionId, sequence: Sequence) {
        self.subject.txn = TxnId { client: client.clone(), session, sequence };
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            subject: &self.subject,
            writes: self.writes,
            twin: self.twin,
            operations: &self.invocation.operations,
        }
    }

    /// It must be committed some time: nobody gives it up, and it has all the time it needs.
    pub(super) fn insist(&mut self) {
        self.gives_up_us = u64::MAX;
        self.insists = true;
    }

    /// Whether a faulty client could send the other under this one's id: where they share a participant, R12 promises
    /// that only one of them commits.
    pub(super) fn may_have_twin(&self, session: SessionId, other: &Request) -> bool {
        let shares =
            |branch: &Branch| other.branches.iter().any(|other| other.participant == branch.participant);
        self.subject.txn.session == session
            && !self.twin
            && self.writes
            && other.writes
            && self.answered.is_none()
            && self.subject.digest != other.subject.digest
            && self.branches.iter().any(shares)
    }

    pub(super) fn is_sent(&self) -> bool {
        self.attempts > 0
    }

    /// Whether it was asked for, would change something, and has no answer.
    pub(super) fn is_open(&self) -> bool {
        self.is_sent() && self.writes && self.answered.is_none()
    }

    /// When it needs a turn.
    pub(super) fn due_us(&self) -> u64 {
        if self.process.is_some() { self.due_us.min(self.gives_up_us) } else { self.due_us }
    }

    pub(super) fn gives_up(&self, desk: &Desk<'_>) -> bool {
        self.process.is_some() && self.answered.is_none() && self.gives_up_us <= desk.now_us
    }

    /// The next message, and through which coordinator.
    pub(super) fn attempt(&mut self, watermark: Sequence, desk: &mut Desk<'_>) -> (usize, Message) {
        let options = desk.options;
        let coordinator = desk.routes.another(self.asked, desk.random);
        let settle = self.settling || self.writes && desk.random.chance(options.settle_per_mille);
        let intent = match self.attempts {
            0 => Intent::First,
            _ if settle => Intent::Settle,
            _ => Intent::Repeat,
        };
        let (shortest_ms, longest_ms) = (options.deadline_ms_min, options.deadline_ms_max);
        let drawn_ms = shortest_ms + desk.random.below(longest_ms.saturating_sub(shortest_ms) + 1);
        let deadline_ms = match (self.insists, options.patient) {
            (true, _) => 10_000,
            (false, 0) => drawn_ms,
            (false, _) => longest_ms,
        };
        let patience_us = 1_000 * (1 + desk.random.below(options.patience_ms_max));
        // Whoever asks again faster than messages travel would only pile them up.
        let patience_us = patience_us.max(2 * options.delay_us_max) << self.attempts.saturating_sub(8).min(3);
        self.attempts += 1;
        self.asked = coordinator;
        self.due_us = desk.now_us + patience_us;
        let sequence = self.subject.txn.sequence;
        let begin = Begin {
            subject: self.subject.clone(),
            intent,
            stamp: self.stamp,
            deadline_ms: deadline_ms as u32,
            watermark: if broken(Canary::ClientWatermarkTooHigh) {
                sequence
            } else {
                watermark.min(sequence)
            },
            branches: self.branches.clone(),
        };
        (coordinator, Message::Begin(Box::new(begin)))
    }

    /// What an answer means; none: ask again.
    pub(super) fn judge(&mut self, answer: Answer, desk: &mut Desk<'_>) -> Option<Conclusion> {
        let first = self.attempts == 1;
        // Where the network doubles messages, one copy may be refused and the other run.
        let definite = first && desk.options.duplicate_per_mille == 0 || !self.writes;
        self.expired = if answer == Answer::Expired { self.expired + 1 } else { 0 };
        let conclusion = match answer {
            Answer::Committed(results) => Conclusion::Committed(values(results)),
            Answer::Aborted(AbortReason::Expired) if first => Conclusion::SessionEnded,
            Answer::Aborted(reason) => Conclusion::Aborted(word(&reason).into()),
            Answer::Overloaded if definite => Conclusion::NotExecuted,
            Answer::Expired if !self.writes => Conclusion::SessionEnded,
            Answer::Expired if self.expired >= EXPIRED_MAX => Conclusion::Unknown("expired"),
            Answer::Expired | Answer::Unknown | Answer::Overloaded | Answer::Malformed(_) => {
                self.due_us = self.due_us.min(desk.now_us + 1_000 + desk.random.below(20_000));
                return None;
            }
        };
        Some(conclusion)
    }

    /// The operation is over: the request goes, or is asked once more, or goes on to be settled.
    pub(super) fn settle_after(&mut self, kind: Kind, executed: bool, desk: &mut Desk<'_>) {
        match kind {
            Kind::Fail if !executed => self.let_go = true,
            Kind::Ok | Kind::Fail | Kind::Invoke => {
                let again = self.writes && desk.random.chance(desk.options.repeat_per_mille);
                if again {
                    self.answered = Some(kind);
                    self.due_us = desk.now_us + 1;
                } else {
                    self.let_go = true;
                }
            }
            // Explicitly given up, or left to somebody who wants to know some time.
            Kind::Info => {
                self.settling = true;
                let over = self.expired >= EXPIRED_MAX || !self.is_sent() || !self.writes;
                self.let_go = desk.random.chance(500) || over;
            }
        }
    }

    /// A later process of the client takes it from the journal.
    pub(super) fn replay(&mut self) {
        self.process = None;
        self.answered = None;
        self.let_go = false;
        self.settling = false;
        self.due_us = 0;
    }

    pub(super) fn on_lost(&mut self, coordinator: usize, now_us: u64, random: &mut Random) {
        if self.asked == coordinator && random.chance(600) {
            self.due_us = self.due_us.min(now_us + 1 + random.below(30_000));
        }
    }
}

fn values(results: Results) -> Vec<assent_protocol::operation::ReadResult> {
    results.into_iter().map(|(_, result)| result).collect()
}

/// Why it was aborted, in one word.
fn word(reason: &AbortReason) -> &'static str {
    match reason {
        AbortReason::Refused(_) => "refused",
        AbortReason::Conflict => "conflict",
        AbortReason::Deadline => "deadline",
        AbortReason::Overloaded => "overloaded",
        AbortReason::Abandoned => "abandoned",
        AbortReason::IdReused => "id reused",
        AbortReason::Expired => "expired",
        AbortReason::Misplaced(_) => "misplaced",
    }
}
