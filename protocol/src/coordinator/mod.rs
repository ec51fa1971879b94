//! The coordinator's machine: it drives transactions, and keeps nothing that safety needs.
//!
//! How to run it: give it every input that is waiting with [`Coordinator::handle`], send what it puts out, and call it
//! with [`Input::Tick`] when [`Coordinator::next_wake`] has come. It writes nothing: the votes are the log.
//!
//! One `Drive` is one transaction that a client has asked for, in one `Phase`. The files below this folder:
//! `begin` (requests), `voting` (Prepare, votes, veto), `settling` (peek, other sponsors, resolve), `ending` (answers, telling,
//! R8), `looking` (transactions that write nothing), `sessions`.
//!
//! Invariants: an attempt number is never used again; votes count only in the phase that waits for them, for the very
//! attempt that asked (R3, R4); "aborted" is said only after one participant has said that its abort is durable (R2).

mod begin;
mod canonical;
mod ending;
mod looking;
mod sessions;
mod settling;
mod voting;

use crate::{
    agenda::Agenda,
    canary::{Canary, broken},
    directory::Directory,
    ids::{ClientName, Incarnation, NodeId, Peer, Sponsor, Stamp, Subject, Time},
    members::Members,
    message::{Begin, Held, LockStamp, Message},
    operation::Results,
    outcome::{AbortReason, Outcome},
    span::Span,
    table::Table,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use sessions::{Closing, Opening, Session};

/// What a coordinator is told when it starts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CoordinatorConfig {
    /// Its own number.
    pub node: NodeId,
    /// 128 random bits, drawn anew at every start.
    pub incarnation: Incarnation,
    /// The participants, and who grants sessions.
    pub directory: Directory,
    /// Times and bounds.
    pub limits: Limits,
}

/// Times and bounds of a coordinator.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// Transactions that are not decided yet, at most; beyond it a request is answered `Overloaded`.
    pub undecided_max: usize,
    /// How often an unanswered question is asked again, in milliseconds.
    pub retry_ms: u64,
    /// Another coordinator that has not answered for this long counts as gone, in milliseconds.
    pub sponsor_patience_ms: u64,
    /// How often an outcome is told again to who has not said that it holds it; then the participants are left to
    /// themselves.
    pub tells_max: u32,
    /// How long an outcome waits for an acknowledgement before it is told again, in milliseconds.
    pub tell_again_ms: u64,
    /// How long what can't be decided now is tried, after its deadline, in milliseconds.
    pub settle_ms: u64,
    /// How long notes to participants are gathered before they are sent, in milliseconds.
    pub gather_ms: u64,
    /// How much older than its arrival a transaction may claim to be, in milliseconds.
    pub age_claim_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            undecided_max: 65_536,
            retry_ms: 100,
            sponsor_patience_ms: 100,
            tells_max: 4,
            tell_again_ms: 1_000,
            settle_ms: 60_000,
            gather_ms: 20,
            age_claim_ms_max: 60_000,
        }
    }
}

/// What happens to a coordinator.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input {
    /// A message has arrived. It has passed [`Message::check`] and the role table.
    Message(Peer, Message),
    /// A client is connected.
    ClientUp(u64, ClientName),
    /// A node is connected.
    Up(NodeId),
    /// A node or client is not connected any more.
    Down(Peer),
    /// Time has passed.
    Tick,
}

/// The coordinator's machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Coordinator {
    config: CoordinatorConfig,
    next_attempt: u64,
    clients: BTreeMap<u64, ClientName>,
    connected: BTreeSet<NodeId>,
    /// By id and digest: of two contents of one id, the participants tell which is which (R12).
    drives: Table<Subject, Box<Drive>>,
    undecided: usize,
    agenda: Agenda<Due>,
    sessions: Table<sessions::Key, Session>,
    openings: BTreeMap<u64, Opening>,
    next_opening: u64,
    closings: BTreeMap<sessions::Key, Closing>,
    /// Outcomes that all participants hold, to be told to each of them.
    all_held: BTreeMap<NodeId, Vec<Subject>>,
    figures: Figures,
    spans: Vec<(Span, u64)>,
}

/// One transaction that is being driven.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Drive {
    begin: Box<Begin>,
    participants: Vec<NodeId>,
    /// Connections that wait for the answer.
    askers: BTreeSet<u64>,
    begun: Time,
    deadline: Time,
    /// This process's current attempt at it, once it has made one.
    sponsor: Option<Sponsor>,
    /// What reads saw, as far as participants have said, by their places in the list.
    results: Vec<Option<Results>>,
    phase: Phase,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// A read-only transaction waits for its locks.
    Looking { stamps: BTreeMap<NodeId, LockStamp> },
    /// All locks were held: were they held throughout?
    Confirming { stamps: BTreeMap<NodeId, LockStamp>, confirmed: BTreeSet<NodeId> },
    /// The client has asked before: what do the participants hold?
    Peeking { answers: BTreeMap<NodeId, Answered> },
    /// Waits for votes.
    Preparing { votes: Members },
    /// Has given up, and waits for one durable abort. Votes do not count any more (R3).
    Vetoing { reason: AbortReason, answers: BTreeMap<NodeId, Answered> },
    /// Another coordinator drives it: asks that one.
    AskingSponsor { other: Sponsor, asked: Time },
    /// Asks every participant to pledge or fence.
    Resolving { pledged: Members, expired: Members },
    /// Committed, but a repeat needs what the reads saw from those that have not said it yet.
    Collecting,
    /// The outcome is known and the client answered.
    Ended { outcome: Outcome, held: Members, tells: u32 },
}

/// What a participant said that does not decide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Answered {
    Blank,
    Queued(Sponsor),
    Yes { sponsor: Sponsor, pledged: bool },
    Expired,
    Declined,
}

/// What is due.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Due {
    Drive(Subject),
    AllHeld,
    Watermarks,
    Sessions,
}

/// Counts of what happened since the start, for metrics.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Figures {
    begun: u64,
    repeats: u64,
    repeats_of_running: u64,
    committed: u64,
    aborted: u64,
    aborted_refused: u64,
    aborted_conflict: u64,
    aborted_deadline: u64,
    aborted_overloaded: u64,
    aborted_abandoned: u64,
    aborted_other: u64,
    read_only: u64,
    reads_repeated: u64,
    vetoes: u64,
    wounded: u64,
    resolves: u64,
    overloaded: u64,
    expired: u64,
    malformed: u64,
    given_up: u64,
}

struct Turn<'a> {
    now: Time,
    wall: Stamp,
    out: &'a mut Vec<(Peer, Message)>,
}

impl Turn<'_> {
    fn send(&mut self, to: Peer, message: Message) {
        self.out.push((to, message));
    }

    fn send_node(&mut self, to: NodeId, message: Message) {
        self.out.push((Peer::Node(to), message));
    }
}

impl Coordinator {
    /// A coordinator that drives nothing yet.
    pub fn new(config: CoordinatorConfig) -> Self {
        let next_opening = sessions::first_opening(config.incarnation);
        Coordinator {
            config,
            next_attempt: 1,
            clients: BTreeMap::new(),
            connected: BTreeSet::new(),
            drives: Table::default(),
            undecided: 0,
            agenda: Agenda::default(),
            sessions: Table::default(),
            openings: BTreeMap::new(),
            next_opening,
            closings: BTreeMap::new(),
            all_held: BTreeMap::new(),
            figures: Figures::default(),
            spans: Vec::new(),
        }
    }

    /// Takes one input; puts out what to send. `wall` is the wall clock, and is only ever used as an age.
    pub fn handle(&mut self, now: Time, wall: Stamp, input: Input, out: &mut Vec<(Peer, Message)>) {
        let turn = &mut Turn { now, wall, out };
        match input {
            Input::Message(from, message) => self.on_message(from, message, turn),
            Input::ClientUp(connection, name) => {
                self.clients.insert(connection, name);
            }
            Input::Up(node) => {
                self.connected.insert(node);
                self.ask_again(node, turn);
            }
            Input::Down(Peer::Node(node)) => {
                self.connected.remove(&node);
                self.give_up_waiting_for(node, turn);
            }
            Input::Down(Peer::Client(connection)) => self.on_client_down(connection),
            Input::Tick => self.on_tick(turn),
        }
    }

    /// When `handle` must be called with [`Input::Tick`] at the latest.
    pub fn next_wake(&self) -> Option<Time> {
        self.agenda.next()
    }

    /// Takes how long things took, in microseconds, since this was last called.
    pub fn take_spans(&mut self) -> impl Iterator<Item = (Span, u64)> + '_ {
        self.spans.drain(..)
    }

    /// Named counts since the start.
    pub fn figures(&self) -> Vec<(&'static str, u64)> {
        let figures = &self.figures;
        alloc::vec![
            ("begun", figures.begun),
            ("repeats", figures.repeats),
            ("repeats_of_running", figures.repeats_of_running),
            ("committed", figures.committed),
            ("aborted", figures.aborted),
            ("aborted_refused", figures.aborted_refused),
            ("aborted_conflict", figures.aborted_conflict),
            ("aborted_deadline", figures.aborted_deadline),
            ("aborted_overloaded", figures.aborted_overloaded),
            ("aborted_abandoned", figures.aborted_abandoned),
            ("aborted_other", figures.aborted_other),
            ("read_only", figures.read_only),
            ("reads_repeated", figures.reads_repeated),
            ("vetoes", figures.vetoes),
            ("wounded", figures.wounded),
            ("resolves", figures.resolves),
            ("overloaded", figures.overloaded),
            ("expired", figures.expired),
            ("malformed", figures.malformed),
            ("given_up", figures.given_up),
        ]
    }

    /// Named sizes now.
    pub fn sizes(&self) -> Vec<(&'static str, u64)> {
        alloc::vec![
            ("undecided", self.undecided as u64),
            ("transactions_held", self.drives.len() as u64),
            ("sessions", self.sessions.len() as u64),
            ("clients", self.clients.len() as u64),
        ]
    }

    fn on_message(&mut self, from: Peer, message: Message, turn: &mut Turn<'_>) {
        match message {
            Message::Begin(begin) => self.on_begin(from, begin, turn),
            Message::OpenSession { request } => self.on_open_session(from, request, turn),
            Message::CloseSession { session } => self.on_close_session(from, session, turn),
            Message::KeepSession { session, watermark } => {
                self.on_keep_session(from, session, watermark, turn);
            }
            Message::SessionGranted { client, request, session } => {
                self.on_session_granted(&client, request, session, turn);
            }
            Message::SessionEnded(end) => self.on_session_ended(from, end, turn),
            Message::Vote { subject, sponsor, results } => {
                self.on_vote(from, subject, sponsor, results, turn);
            }
            Message::Standing { subject, held } => self.on_standing(from, subject, held, turn),
            Message::Pledged { subject, results } => self.on_pledged(from, subject, results, turn),
            Message::Wound { subject, sponsor } => self.on_wound(from, subject, sponsor, turn),
            Message::AskSponsor { subject, sponsor } => self.on_ask_sponsor(from, subject, sponsor, turn),
            Message::SponsorSays { subject, sponsor, answer } => {
                self.on_sponsor_says(subject, sponsor, answer, turn);
            }
            Message::OutcomesHeld { held } => self.on_outcomes_held(from, held, turn),
            Message::Looked { subject, sponsor, results } => {
                self.on_looked(from, subject, sponsor, results, turn);
            }
            Message::Confirmed { subject, sponsor, held } => {
                self.on_confirmed(from, subject, sponsor, held, turn);
            }
            // Answered by whoever runs the machine.
            Message::Query { .. } => {}
            // Not for coordinators: the role table keeps them out.
            Message::Answer { .. }
            | Message::SessionOpened { .. }
            | Message::SessionClosed { .. }
            | Message::Prepare(_)
            | Message::Veto { .. }
            | Message::AllHeld { .. }
            | Message::Watermarks { .. }
            | Message::Look(_)
            | Message::Confirm { .. }
            | Message::GrantSession { .. }
            | Message::TouchSession { .. }
            | Message::Peek { .. }
            | Message::Resolve { .. }
            | Message::Tell { .. }
            | Message::EndSession(_)
            | Message::AskSession { .. }
            | Message::Relay { .. }
            | Message::RelayHeld { .. }
            | Message::Receive(_)
            | Message::Finish { .. }
            | Message::Manage { .. }
            | Message::Received { .. }
            | Message::Finished { .. }
            | Message::Managed { .. }
            | Message::Reply { .. } => {}
        }
    }

    fn on_tick(&mut self, turn: &mut Turn<'_>) {
        while let Some(due) = self.agenda.pop_due(turn.now) {
            match due {
                Due::Drive(subject) => self.on_drive_due(subject, turn),
                Due::AllHeld => self.send_all_held(turn),
                Due::Watermarks => self.send_watermarks(turn),
                Due::Sessions => self.on_sessions_due(turn),
            }
        }
    }

    fn on_drive_due(&mut self, subject: Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get(&subject) else { return };
        let late = turn.now >= drive.deadline;
        match &drive.phase {
            Phase::Looking { .. } | Phase::Confirming { .. } if late => {
                return self.refuse_read(&subject, AbortReason::Deadline, turn);
            }
            Phase::Preparing { .. } if late && !broken(Canary::SponsorWaitsAfterDeadline) => {
                return self.become_vetoing(&subject, AbortReason::Deadline, turn);
            }
            Phase::Peeking { .. } if late => return self.settle_late(&subject, turn),
            Phase::AskingSponsor { .. } => return self.ask_other_sponsor(&subject, turn),
            Phase::Ended { .. } => return self.tell_again(&subject, turn),
            Phase::Looking { .. }
            | Phase::Confirming { .. }
            | Phase::Preparing { .. }
            | Phase::Peeking { .. }
            | Phase::Vetoing { .. }
            | Phase::Resolving { .. }
            | Phase::Collecting => {}
        }
        if turn.now >= drive.deadline.after_ms(self.config.limits.settle_ms) {
            return self.give_up(&subject, turn);
        }
        self.ask_all(&subject, turn);
    }

    fn ask_each(&self, subject: &Subject, drive: &Drive, turn: &mut Turn<'_>) {
        for node in &drive.participants {
            self.ask_of(subject, drive, *node, turn);
        }
    }

    /// Asks all participants what the phase asks, and looks at the drive again when an answer is overdue, or at its deadline.
    fn ask_all(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get(subject) else { return };
        self.ask_each(subject, drive, turn);
        let again = turn.now.after_ms(self.config.limits.retry_ms);
        let at = if drive.deadline > turn.now { again.min(drive.deadline) } else { again };
        self.agenda.set(Due::Drive(subject.clone()), at);
    }

    /// A node is back: it may have missed what it was asked.
    fn ask_again(&mut self, node: NodeId, turn: &mut Turn<'_>) {
        for subject in self.subjects_of(|drive| drive.participants.contains(&node)) {
            match self.drives.get(&subject).map(|drive| &drive.phase) {
                // The others may have been waiting for this one.
                Some(Phase::Preparing { .. }) => self.ask_all(&subject, turn),
                _ => self.ask(&subject, node, turn),
            }
        }
    }

    /// A participant is gone: what waits for its vote is given up, so that the records of the others are free (R3).
    fn give_up_waiting_for(&mut self, node: NodeId, turn: &mut Turn<'_>) {
        let waits = |drive: &Drive| {
            drive.participants.contains(&node)
                && matches!(&drive.phase, Phase::Preparing { votes } if !votes.contain(&drive.participants, node))
        };
        for subject in self.subjects_of(waits) {
            self.become_vetoing(&subject, AbortReason::Abandoned, turn);
        }
    }

    /// Which drives are like this, in order.
    fn subjects_of(&self, like: impl Fn(&Drive) -> bool) -> Vec<Subject> {
        let drives = self.drives.in_any_order().filter(|(_, drive)| like(drive));
        let mut subjects: Vec<Subject> = drives.map(|(subject, _)| subject.clone()).collect();
        subjects.sort_unstable();
        subjects
    }

    /// Asks one participant what the phase asks of it, unless it has answered.
    fn ask(&self, subject: &Subject, node: NodeId, turn: &mut Turn<'_>) {
        if let Some(drive) = self.drives.get(subject) {
            self.ask_of(subject, drive, node, turn);
        }
    }

    fn ask_of(&self, subject: &Subject, drive: &Drive, node: NodeId, turn: &mut Turn<'_>) {
        let subject = subject.clone();
        let participants = || drive.participants.clone();
        let message = match (&drive.phase, drive.sponsor) {
            (Phase::Looking { stamps }, Some(sponsor)) if !stamps.contains_key(&node) => {
                self.look(drive, sponsor, node, turn.now)
            }
            (Phase::Confirming { stamps, confirmed }, Some(sponsor)) if !confirmed.contains(&node) => {
                Message::Confirm { subject, sponsor, stamp: stamps.get(&node).copied() }
            }
            (Phase::Peeking { answers }, _) if !answers.contains_key(&node) => {
                Message::Peek { subject, participants: participants() }
            }
            (Phase::Collecting, _) if drive.lacks_results_of(node) => {
                Message::Peek { subject, participants: participants() }
            }
            // Nobody is asked to lock anything for a vote that can't come now: a Prepare leaves once all are connected.
            (Phase::Preparing { votes }, Some(sponsor))
                if !votes.contain(&drive.participants, node)
                    && drive.participants.iter().all(|one| self.connected.contains(one)) =>
            {
                self.prepare(drive, sponsor, node, turn.now)
            }
            (Phase::Vetoing { reason, .. }, Some(sponsor)) => {
                Message::Veto { subject, sponsor, participants: participants(), reason: reason.clone() }
            }
            // Once somebody is expired, a pledge is no answer any more: an outcome will be.
            (Phase::Resolving { pledged, expired }, sponsor)
                if !pledged.contain(&drive.participants, node) || !expired.is_empty() =>
            {
                Message::Resolve { subject, participants: participants(), sponsor }
            }
            (Phase::Ended { outcome, held, .. }, _) if !held.contain(&drive.participants, node) => {
                let watermark = drive.begin.watermark;
                Message::Tell { subject, participants: participants(), outcome: outcome.clone(), watermark }
            }
            // Answered already; and a phase that asks for this process's attempt always has one.
            (
                Phase::Looking { .. }
                | Phase::Confirming { .. }
                | Phase::Peeking { .. }
                | Phase::Collecting
                | Phase::Preparing { .. }
                | Phase::Vetoing { .. }
                | Phase::AskingSponsor { .. }
                | Phase::Resolving { .. }
                | Phase::Ended { .. },
                _,
            ) => return,
        };
        turn.send_node(node, message);
    }

    /// A new attempt. Its number is never used again, whatever becomes of it.
    fn new_attempt(&mut self) -> Sponsor {
        let attempt = self.next_attempt;
        if !broken(Canary::AttemptReused) {
            self.next_attempt += 1;
        }
        Sponsor { node: self.config.node, incarnation: self.config.incarnation, attempt }
    }
}

impl Answered {
    fn of(held: &Held) -> Option<Answered> {
        match held {
            Held::Blank => Some(Answered::Blank),
            Held::Queued(sponsor) => Some(Answered::Queued(*sponsor)),
            Held::Yes { sponsor, pledged } => Some(Answered::Yes { sponsor: *sponsor, pledged: *pledged }),
            Held::Expired => Some(Answered::Expired),
            Held::Declined(_) => Some(Answered::Declined),
            Held::Committed(_) | Held::Aborted(_) | Held::IdReused => None,
        }
    }

    /// The attempt that the participant heard of.
    fn sponsor(&self) -> Option<Sponsor> {
        match self {
            Answered::Queued(sponsor) | Answered::Yes { sponsor, .. } => Some(*sponsor),
            Answered::Blank | Answered::Expired | Answered::Declined => None,
        }
    }
}
