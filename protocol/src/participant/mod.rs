//! The participant's machine: it owns records, votes, and never forgets a promise before it may.
//!
//! How to run it, in three steps, for ever:
//! 1. take the inputs that are waiting and call [`Participant::handle`] for each, with the store and an outbox;
//!    call it with [`Input::Tick`] when [`Participant::next_wake`] has come;
//! 2. write the store's batch, and sync it if the outbox holds anything (R7);
//! 3. then, and only then, send what is in the outbox.
//!
//! What it holds of a transaction is one `Entry` variant, or nothing. The files below this folder are the
//! transitions: `prepare` (voting), `ending` (veto, outcome, forgetting), `resolution` (learning the outcome without
//! the coordinator), `reading` (transactions that write nothing), `sessions`.
//!
//! Invariants, checked by [`Participant::check_invariants`]: an in-doubt transaction holds exactly its locks, a
//! queued one waits and holds none, and waits no longer than it must; what is held in memory of votes and outcomes is what was written to the store.

mod canonical;
mod ending;
mod introspection;
mod mail;
mod prepare;
mod reading;
mod resolution;
mod sessions;

use crate::{
    agenda::Agenda,
    canary::{Canary, broken},
    directory::Directory,
    ids::{Age, ClientName, NodeId, Peer, Sequence, Sponsor, Stamp, Subject, Time, TxnId},
    locks::{Locks, Plan},
    mail::{Mailbox, Position},
    members::Members,
    message::{Held, Message, Prepare},
    outcome::Outcome,
    span::Span,
    storage::{Decided, Recovered, Store, TxnRecord, Yes},
    table::Table,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use mail::Mail;
use reading::Reading;
use sessions::Sessions;

pub use mail::Fault;

/// What a participant is told when it starts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ParticipantConfig {
    /// Its own number.
    pub node: NodeId,
    /// Counts the starts of this participant; no two starts share one.
    pub boot: u64,
    /// Wall clock at the start, in seconds since 1970: the epoch of session counters that are created from now on.
    pub started_s: u32,
    /// Who holds which records.
    pub directory: Directory,
    /// Times and bounds.
    pub limits: Limits,
}

/// Times and bounds of a participant.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// A vote this old makes the participant ask the sponsor, in milliseconds. Lower resolves sooner after a crash,
    /// higher asks less under load.
    pub vote_age_ms: u64,
    /// A sponsor that has not answered for this long counts as unreachable, in milliseconds.
    pub sponsor_patience_ms: u64,
    /// How often an unanswered question is asked again, in milliseconds.
    pub retry_ms: u64,
    /// How long an older transaction waits before it asks the sponsors of younger holders to give way, in milliseconds.
    /// Most holders end within a round trip: lower aborts more of them, higher takes longer to break a deadlock.
    pub wound_delay_ms: u64,
    /// Transactions that wait for locks, at most.
    pub waiting_max: usize,
    /// How long acknowledgements of outcomes are gathered before they are sent, in milliseconds.
    pub gather_ms: u64,
    /// An outcome that not everyone is known to hold after this long is told to the others again, in milliseconds.
    pub exchange_ms: u64,
    /// A session that nobody used for this long is ended, in milliseconds.
    pub session_idle_ms: u64,
    /// Messages in the outbox at most, those of transactions in doubt included; beyond, transactions that send are refused.
    /// Those that also acknowledge a message here may have an eighth more.
    pub outbox_messages_max: u64,
    /// Bytes of these at most, about.
    pub outbox_bytes_max: u64,
    /// Messages of a stream of which nothing was heard for this long are sent again, in milliseconds. Lower finds room in
    /// a mailbox and lost messages sooner, higher sends less to one whose disk is slow.
    pub relay_retry_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            vote_age_ms: 100,
            sponsor_patience_ms: 100,
            retry_ms: 100,
            wound_delay_ms: 10,
            waiting_max: 4096,
            gather_ms: 10,
            exchange_ms: 2_000,
            session_idle_ms: 7 * 24 * 3600 * 1000,
            outbox_messages_max: 1_000_000,
            outbox_bytes_max: 1 << 30,
            relay_retry_ms: 1_000,
        }
    }
}

/// What happens to a participant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input {
    /// A message has arrived. It has passed [`Message::check`] and the role table.
    Message(Peer, Message),
    /// A node is connected.
    Up(NodeId),
    /// A client is connected to this process, under this number; its certificate names it.
    Client(u64, ClientName),
    /// A node or client is not connected any more.
    Down(Peer),
    /// Time has passed.
    Tick,
    /// Whether there is room for new work on the disk.
    Accepting(bool),
}

/// The participant's machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Participant {
    config: ParticipantConfig,
    entries: Table<TxnId, Entry>,
    readings: BTreeMap<TxnId, Reading>,
    locks: Locks,
    sessions: Sessions,
    agenda: Agenda<Due>,
    /// Nodes that are connected and have left no question about a sponsor unanswered since they were last heard.
    reachable: BTreeSet<NodeId>,
    /// When each node was last heard.
    heard: BTreeMap<NodeId, Time>,
    accepting: bool,
    /// Outcomes that are held, to be told to those who asked for it.
    acknowledgements: BTreeMap<NodeId, Vec<(Subject, Sequence)>>,
    read_serial: u64,
    mail: Mail,
    figures: Figures,
    spans: Vec<(Span, u64)>,
}

/// What is held of one transaction.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Entry {
    /// Waits for locks. Not durable.
    Queued(Queued),
    /// Voted Yes; the outcome is not known.
    InDoubt(Box<InDoubt>),
    /// The outcome is known.
    Ended(Ended),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Queued {
    prepare: Box<Prepare>,
    arrived: Time,
    deadline: Time,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct InDoubt {
    yes: Arc<Yes>,
    arrived: Time,
    stage: Stage,
    /// Who asked to resolve while the sponsor still answered (R4).
    resolvers: BTreeSet<Peer>,
}

/// How far a participant is in learning an outcome that it was not told.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Stage {
    /// Waits to be told.
    Voted,
    /// Has asked the sponsor; `answered` once it said "deciding" to the last question.
    AskedSponsor { answered: bool },
    /// The sponsor is gone. Has asked the others what they hold.
    Peeking {
        /// Who answered so far that it holds a Yes, or nothing that decides.
        answered: BTreeSet<NodeId>,
    },
    /// Asks the others to pledge or fence.
    Resolving {
        /// Who is asked.
        asked: BTreeSet<NodeId>,
        /// Who has pledged.
        pledged: BTreeSet<NodeId>,
    },
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Ended {
    decided: Arc<Decided>,
    /// Participants that are known to hold the outcome durably; all of them, or not yet.
    held: Members,
    /// How often the outcome was told to the others again.
    told: u32,
}

/// What is due.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Due {
    /// A queued transaction or read: its deadline, or time to ask younger holders to give way.
    Waiter(Age),
    /// A transaction that was voted on.
    Entry(TxnId),
    /// The end of a read lock.
    ReadLock(TxnId),
    /// Gathered acknowledgements.
    Acknowledgements,
    /// Sessions that nobody uses.
    Sessions,
    /// The end of the turn: a stream has something to send.
    Relay(Mailbox),
    /// Nothing was heard of a stream for long.
    RelayAgain(Mailbox),
    /// The end of the turn: somebody may wait for what is ready.
    Serve(Mailbox),
    /// The end of the turn: a source is told how far its stream has arrived.
    Arrived(Mailbox, NodeId),
    /// The end of a lease.
    Lease(Mailbox, Position),
    /// A message comes of age.
    Rest(Mailbox, Position),
    /// The end of a consumer's wait.
    Receiver(Mailbox, Peer, u64),
}

/// Counts of what happened since the start, for metrics.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Figures {
    votes_yes: u64,
    votes_no: u64,
    committed: u64,
    aborted: u64,
    single_commits: u64,
    waited: u64,
    displaced: u64,
    wounds_sent: u64,
    reads_dropped: u64,
    pledges: u64,
    fences: u64,
    vetoes_honoured: u64,
    vetoes_refused: u64,
    sponsor_asked: u64,
    resolved_by_peers: u64,
    resolved_by_sponsor: u64,
    repeats_answered: u64,
    expired_answered: u64,
    ids_reused: u64,
    forgotten: u64,
    hazards: u64,
}

/// What one call of `handle` works with.
struct Turn<'a, S> {
    now: Time,
    store: &'a mut S,
    out: &'a mut Vec<(Peer, Message)>,
}

impl<S> Turn<'_, S> {
    fn send(&mut self, to: Peer, message: Message) {
        self.out.push((to, message));
    }

    fn send_node(&mut self, to: NodeId, message: Message) {
        self.out.push((Peer::Node(to), message));
    }

    fn standing(&mut self, to: Peer, subject: &Subject, held: Held) {
        self.out.push((to, Message::Standing { subject: subject.clone(), held }));
    }
}

impl Participant {
    /// A participant with what its disk holds. It retakes the locks of every in-doubt vote before it can be asked anything (R7).
    pub fn recover<S: Store>(config: ParticipantConfig, recovered: Recovered, store: &S, now: Time) -> Self {
        let started = Stamp(u64::from(config.started_s) * 1_000_000);
        let mut participant = Participant {
            sessions: Sessions::recover(recovered.watermarks, recovered.clients, recovered.grants, now),
            mail: Mail::recover(recovered.mail, store, started, now),
            config,
            entries: Table::default(),
            readings: BTreeMap::new(),
            locks: Locks::default(),
            agenda: Agenda::default(),
            reachable: BTreeSet::new(),
            heard: BTreeMap::new(),
            accepting: true,
            acknowledgements: BTreeMap::new(),
            read_serial: 0,
            figures: Figures::default(),
            spans: Vec::new(),
        };
        for (txn, record) in recovered.txns {
            let entry = match record {
                TxnRecord::Yes(yes) => {
                    let age = Age { stamp: yes.stamp, txn: txn.clone() };
                    let mut plan = Plan::of(&yes.steps, store);
                    if broken(Canary::EscrowNotRetaken) {
                        plan.drop_escrow();
                    }
                    if !broken(Canary::LocksNotRetaken) {
                        participant.locks.hold(&age, plan);
                    }
                    participant.hold_mail(&txn, &yes.steps, yes.position);
                    let yes = if yes.pledged && broken(Canary::PledgeForgottenInRestart) {
                        Arc::new(Yes { pledged: false, ..Yes::clone(&yes) })
                    } else {
                        yes
                    };
                    Entry::InDoubt(Box::new(InDoubt {
                        yes,
                        arrived: now,
                        stage: Stage::Voted,
                        resolvers: BTreeSet::new(),
                    }))
                }
                TxnRecord::Decided(decided) => Entry::Ended(Ended::held_by(participant.config.node, decided)),
            };
            // Its age is not known any more, so it counts as old: the links come up first, then it asks.
            if !broken(Canary::RecoveredVoteLeftAlone) {
                let old = now.after_ms(participant.config.limits.vote_age_ms);
                participant.agenda.set(Due::Entry(txn.clone()), old);
            }
            participant.entries.insert(txn, entry);
        }
        participant.agenda.set(Due::Sessions, now.after_ms(sessions::SWEEP_MS));
        participant.resume_mail(now);
        participant
    }

    /// Takes one input. What is put into `out` may leave only after what was written to `store` has been synced (R7).
    pub fn handle<S: Store>(
        &mut self,
        now: Time,
        input: Input,
        store: &mut S,
        out: &mut Vec<(Peer, Message)>,
    ) {
        if self.fault().is_some() {
            // It must not go on: whoever runs it stops it.
            return;
        }
        let turn = &mut Turn { now, store, out };
        match input {
            Input::Message(from, message) => self.on_message(from, message, turn),
            Input::Up(node) => self.on_up(node, turn),
            Input::Client(connection, name) => self.on_client(connection, name),
            Input::Down(peer) => self.on_down(peer, turn),
            Input::Tick => self.on_tick(turn),
            Input::Accepting(accepting) => self.accepting = accepting,
        }
        self.admit_woken(turn);
    }

    /// When `handle` must be called with [`Input::Tick`] at the latest.
    pub fn next_wake(&self) -> Option<Time> {
        self.agenda.next()
    }

    fn on_message<S: Store>(&mut self, from: Peer, message: Message, turn: &mut Turn<'_, S>) {
        if let Peer::Node(node) = from {
            self.heard.insert(node, turn.now);
            if !self.reachable.contains(&node) {
                self.reachable.insert(node);
            }
        }
        match message {
            Message::Prepare(prepare) => self.on_prepare(from, prepare, turn),
            Message::Veto { subject, sponsor, participants, reason } => {
                self.on_veto(from, subject, sponsor, participants, reason, turn);
            }
            Message::Peek { subject, .. } => {
                let held = self.held(&subject);
                // While another transaction of this id is only queued, the question waits: it will be asked again.
                if let Some(held) = held {
                    turn.standing(from, &subject, held);
                }
            }
            Message::Resolve { subject, participants, sponsor } => {
                self.on_resolve(from, subject, participants, sponsor, turn);
            }
            Message::Tell { subject, participants, outcome, watermark } => {
                self.on_tell(from, subject, participants, outcome, watermark, turn);
            }
            Message::SponsorSays { subject, sponsor, answer } => {
                self.on_sponsor_says(subject, sponsor, answer, turn);
            }
            Message::Standing { subject, held } => self.on_standing(from, &subject, held, turn),
            Message::Pledged { subject, .. } => self.on_pledged(from, &subject, turn),
            Message::OutcomesHeld { held } => self.on_outcomes_held(from, held, turn),
            Message::AllHeld { subjects } => self.on_all_held(subjects, turn),
            Message::Watermarks { watermarks } => {
                for mark in watermarks {
                    self.raise_watermark(&mark.client, mark.session, mark.sequence, turn);
                }
            }
            Message::Look(look) => self.on_look(from, look, turn),
            Message::Confirm { subject, sponsor, stamp } => {
                self.on_confirm(from, subject, sponsor, stamp, turn);
            }
            Message::GrantSession { client, request } => self.on_grant_session(from, client, request, turn),
            Message::TouchSession { client, session } => self.sessions.touch(&client, session, turn.now),
            Message::EndSession(end) => self.on_end_session(from, end, turn),
            Message::AskSession { client, session } => self.on_ask_session(from, client, session, turn),
            Message::Relay { mailbox, acked, first, envelopes } => {
                self.on_relay(from, mailbox, acked, first, envelopes, turn);
            }
            Message::RelayHeld { mailbox, last, intake } => {
                self.on_relay_held(from, &mailbox, last, intake, turn);
            }
            Message::Receive(receive) => self.on_receive(from, *receive, turn),
            Message::Finish { request, mailbox, deliveries, how } => {
                self.on_finish(from, request, &mailbox, &deliveries, &how, turn);
            }
            Message::Manage { request, mailbox, what } => {
                self.on_manage(from, request, &mailbox, &what, turn);
            }
            // The granter of a session tells the others of its end once; who misses it and needs it asks.
            Message::SessionEnded(_) => {}
            // Answered by whoever runs the machine, from `introspection`.
            Message::Query { .. } => {}
            // Not for participants: the role table keeps them out.
            Message::Begin(_)
            | Message::OpenSession { .. }
            | Message::CloseSession { .. }
            | Message::KeepSession { .. }
            | Message::Answer { .. }
            | Message::SessionOpened { .. }
            | Message::SessionClosed { .. }
            | Message::Vote { .. }
            | Message::Wound { .. }
            | Message::AskSponsor { .. }
            | Message::Looked { .. }
            | Message::Confirmed { .. }
            | Message::SessionGranted { .. }
            | Message::Received { .. }
            | Message::Finished { .. }
            | Message::Managed { .. }
            | Message::Reply { .. } => {}
        }
    }

    fn on_up<S: Store>(&mut self, node: NodeId, turn: &mut Turn<'_, S>) {
        self.reachable.insert(node);
        self.ask_again_at(node, turn.now);
        self.relay_to(node, turn);
    }

    fn on_down<S: Store>(&mut self, peer: Peer, turn: &mut Turn<'_, S>) {
        if let Peer::Node(node) = peer {
            self.reachable.remove(&node);
            self.acknowledgements.remove(&node);
            self.ask_again_at(node, turn.now);
            if !broken(Canary::ReadLockOutlivesCoordinator) {
                self.drop_reads_of(node);
            }
        }
        if let Peer::Client(connection) = peer {
            self.on_client_gone(connection);
        }
    }

    /// Votes whose sponsor is on this node are looked at again now: it is gone, or back (R6).
    pub(super) fn ask_again_at(&mut self, node: NodeId, now: Time) {
        for (txn, entry) in self.entries.values_mut() {
            match entry {
                Entry::InDoubt(doubt) if doubt.yes.sponsor.node == node => {
                    match doubt.stage {
                        Stage::Voted | Stage::AskedSponsor { .. } => doubt.stage = Stage::Voted,
                        // It may be back: who has not pledged yet asks it first.
                        Stage::Peeking { .. } if self.reachable.contains(&node) && !doubt.yes.pledged => {
                            doubt.stage = Stage::Voted;
                        }
                        Stage::Peeking { .. } | Stage::Resolving { .. } => {}
                    }
                    self.agenda.set(Due::Entry(txn.clone()), now);
                }
                Entry::InDoubt(_) | Entry::Queued(_) | Entry::Ended(_) => {}
            }
        }
    }

    fn on_tick<S: Store>(&mut self, turn: &mut Turn<'_, S>) {
        while let Some(due) = self.agenda.pop_due(turn.now) {
            match due {
                Due::Waiter(age) => self.on_waiter_due(&age, turn),
                Due::Entry(txn) => self.on_entry_due(&txn, turn),
                Due::ReadLock(txn) => self.drop_read(&txn),
                Due::Acknowledgements => self.send_acknowledgements(turn),
                Due::Sessions => self.on_sessions_due(turn),
                Due::Relay(mailbox) => self.on_relay_due(&mailbox, turn),
                Due::RelayAgain(mailbox) => self.on_relay_again(&mailbox, turn),
                Due::Serve(mailbox) => self.serve(&mailbox, turn),
                Due::Arrived(mailbox, source) => self.on_arrived_due(mailbox, source, turn),
                Due::Lease(mailbox, position) => self.on_lease_due(&mailbox, position, turn),
                Due::Rest(mailbox, position) => self.on_rest_due(&mailbox, position, turn),
                Due::Receiver(mailbox, peer, request) => {
                    self.on_receiver_due(&mailbox, peer, request, turn);
                }
            }
        }
    }

    fn on_entry_due<S: Store>(&mut self, txn: &TxnId, turn: &mut Turn<'_, S>) {
        match self.entries.get(txn) {
            Some(Entry::InDoubt(_)) => self.on_doubt_due(txn, turn),
            Some(Entry::Ended(_)) => self.on_ended_due(txn, turn),
            // A queued one is due as a waiter; nothing is held of a forgotten one.
            Some(Entry::Queued(_)) | None => {}
        }
    }

    /// What is held of a subject; none while another digest of the same id is only queued (R12).
    fn held(&mut self, subject: &Subject) -> Option<Held> {
        if broken(Canary::ExpiredBeforeHeld) && self.sessions.is_expired(&subject.txn) {
            return Some(Held::Expired);
        }
        match self.entries.get(&subject.txn) {
            Some(entry) if entry.digest() != subject.digest && !broken(Canary::DigestNotChecked) => {
                match entry {
                    Entry::Queued(_) if !broken(Canary::IdReusedFromQueue) => None,
                    Entry::Queued(_) | Entry::InDoubt(_) | Entry::Ended(_) => {
                        self.figures.ids_reused += 1;
                        Some(Held::IdReused)
                    }
                }
            }
            Some(Entry::Queued(queued)) => Some(Held::Queued(queued.prepare.sponsor)),
            Some(Entry::InDoubt(doubt)) => {
                Some(Held::Yes { sponsor: doubt.yes.sponsor, pledged: doubt.yes.pledged })
            }
            Some(Entry::Ended(ended)) => Some(match &ended.decided.outcome {
                Outcome::Committed => Held::Committed(ended.decided.results.clone()),
                Outcome::Aborted(reason) => Held::Aborted(reason.clone()),
            }),
            None if self.sessions.is_expired(&subject.txn) && !broken(Canary::ExpiredExecuted) => {
                self.figures.expired_answered += 1;
                Some(Held::Expired)
            }
            None => Some(Held::Blank),
        }
    }
}

impl Entry {
    fn digest(&self) -> crate::ids::Digest {
        match self {
            Entry::Queued(queued) => queued.prepare.subject.digest,
            Entry::InDoubt(doubt) => doubt.yes.digest,
            Entry::Ended(ended) => ended.decided.digest,
        }
    }
}

impl Ended {
    /// As it begins: this participant holds the outcome, and knows of no other that does.
    fn held_by(node: NodeId, decided: Arc<Decided>) -> Ended {
        let mut held = Members::default();
        held.add(&decided.participants, node);
        Ended { decided, held, told: 0 }
    }

    fn is_held_by_all(&self) -> bool {
        self.held.are_all(&self.decided.participants)
    }
}

impl InDoubt {
    fn age(&self, txn: &TxnId) -> Age {
        Age { stamp: self.yes.stamp, txn: txn.clone() }
    }
}

impl Queued {
    fn age(&self) -> Age {
        Age { stamp: self.prepare.stamp, txn: self.prepare.subject.txn.clone() }
    }

    fn sponsor(&self) -> Sponsor {
        self.prepare.sponsor
    }
}
