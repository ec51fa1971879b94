//! A state of the whole cluster in numbers, the actions that change it, and which of them are possible.
//!
//! The network is the set of all messages that were ever sent: each may be delivered now, later, again, or never. So loss,
//! delay, reordering and duplication need no actions of their own, and no bound. What can't matter any more is taken out.

use super::{
    cast::{NEAR_MS, NODES_MAX},
    config::{Patience, REQUESTS_MAX, Syncs},
    fast::fingerprint,
    letters,
    reductions::{Reduced, Reductions},
    tables::{Event, LocalId, MessageId, SoupId, Step, TO_CLIENT, Tables},
    view::Bits,
};
use std::sync::Arc;

/// What one node knows of its connection to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Connection {
    None,
    Open,
    /// The other side is gone, or the link is cut; this one has not noticed yet.
    Lost,
    /// Nothing that becomes of it matters to this node any more.
    Unheeded,
}

/// The whole cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct State {
    pub(super) nodes: [LocalId; NODES_MAX],
    /// What was sent to each node.
    pub(super) soups: [SoupId; NODES_MAX],
    /// What the client was told.
    pub(super) answers: SoupId,
    connections: [[Connection; NODES_MAX]; NODES_MAX],
    /// Links that are cut, a bit for each pair.
    cut: u32,
    /// Requests that were made.
    pub(super) requested: u8,
    coordinator_crashes: u8,
    participant_crashes: u8,
    cuts: u8,
    wakes: [u8; NODES_MAX],
    /// How often a participant lost patience with a sponsor that is well, where that is counted.
    suspicions: u8,
    /// Transactions of which an outcome was said, by anyone to anyone, a bit for each.
    pub(super) said_committed: Bits,
    pub(super) said_aborted: Bits,
    /// Bits of rules that a step was seen to break.
    pub(super) flaws: u8,
}

/// What was said in a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Said {
    soups: [SoupId; NODES_MAX],
    answers: SoupId,
    committed: Bits,
    aborted: Bits,
}

impl Said {
    /// Whether everything that the other has was said here too. Then all that can happen there can happen here, if the rest
    /// of the states is the same, and every property that is broken there is broken here.
    pub(super) fn includes(&self, tables: &Tables, other: &Said) -> bool {
        let soups = self.soups.iter().zip(&other.soups);
        other.committed & !self.committed == 0
            && other.aborted & !self.aborted == 0
            && tables.includes(self.answers, other.answers)
            && soups.into_iter().all(|(one, other)| tables.includes(*one, *other))
    }
}

/// What may happen next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Action {
    Request(u8),
    Deliver(u8, MessageId),
    Sync(u8),
    Wake(u8),
    /// A node notices what has become of its connection to another.
    Notice(u8, u8),
    Crash {
        node: u8,
        keeping: bool,
    },
    Start(u8),
    Cut(u8, u8),
    Restore(u8, u8),
}

pub(super) fn place(node: usize) -> u8 {
    u8::try_from(node).expect("there are few nodes")
}

fn pair(one: usize, two: usize) -> u32 {
    1 << (one.min(two) * NODES_MAX + one.max(two))
}

impl State {
    /// All nodes are up, connected, and empty.
    pub(super) fn start(tables: &Tables) -> Self {
        let cast = &tables.cast;
        assert!(cast.config.requests.len() <= REQUESTS_MAX, "more requests than a state has room for");
        let mut state = State {
            nodes: [0; NODES_MAX],
            soups: [tables.no_messages(); NODES_MAX],
            answers: tables.no_messages(),
            connections: [[Connection::None; NODES_MAX]; NODES_MAX],
            cut: 0,
            requested: 0,
            coordinator_crashes: 0,
            participant_crashes: 0,
            cuts: 0,
            wakes: [0; NODES_MAX],
            suspicions: 0,
            said_committed: 0,
            said_aborted: 0,
            flaws: 0,
        };
        for node in 0..cast.nodes() {
            state.nodes[node] = tables.number(node, super::local::Local::start(cast, node));
        }
        for (node, other) in connected(tables) {
            state.connections[node][other] = Connection::Open;
            state.apply(tables, None, node, Event::Up(place(other)));
        }
        state
    }

    pub(super) fn actions(&self, tables: &Tables, reduced: &Reduced, actions: &mut Vec<Action>) {
        let config = &tables.cast.config;
        for (number, request) in config.requests.iter().enumerate() {
            let node = config.participants + request.coordinator;
            if self.requested & (1 << number) == 0
                && tables.view(self.nodes[node]).up
                && self.may_ask(tables, number)
            {
                actions.push(Action::Request(place(number)));
            }
        }
        for node in 0..tables.cast.nodes() {
            let view = tables.view(self.nodes[node]);
            if !view.up {
                if config.heals {
                    actions.push(Action::Start(place(node)));
                }
                continue;
            }
            let moves = reduced.moves(tables, place(node), self.nodes[node], self.soups[node]);
            for message in &moves.steps {
                let from = usize::from(tables.message(*message).from);
                if self.cut & pair(from, node) == 0 {
                    actions.push(Action::Deliver(place(node), *message));
                }
            }
            if config.syncs == Syncs::Apart && !view.synced {
                actions.push(Action::Sync(place(node)));
            }
            if !view.full && view.wake_ms.is_some_and(|wake| wake <= NEAR_MS) && self.may_wake(tables, node) {
                actions.push(Action::Wake(place(node)));
            }
            if self.may_crash(tables, node) {
                actions.push(Action::Crash { node: place(node), keeping: false });
                if !view.synced {
                    actions.push(Action::Crash { node: place(node), keeping: true });
                }
            }
        }
        self.actions_on_links(tables, actions);
    }

    fn actions_on_links(&self, tables: &Tables, actions: &mut Vec<Action>) {
        let config = &tables.cast.config;
        for (node, other) in connected(tables) {
            if self.notice(tables, node, other).is_some() {
                actions.push(Action::Notice(place(node), place(other)));
            }
        }
        for node in 0..tables.cast.nodes() {
            for other in node + 1..tables.cast.nodes() {
                if self.cut & pair(node, other) != 0 {
                    if config.heals {
                        actions.push(Action::Restore(place(node), place(other)));
                    }
                } else if self.cuts < config.cuts_max && self.faults() < config.faults_max {
                    actions.push(Action::Cut(place(node), place(other)));
                }
            }
        }
    }

    pub(super) fn faults(&self) -> u8 {
        self.coordinator_crashes + self.participant_crashes + self.cuts
    }

    fn may_crash(&self, tables: &Tables, node: usize) -> bool {
        let config = &tables.cast.config;
        let left = if tables.cast.is_participant(node) {
            self.participant_crashes < config.participant_crashes_max
        } else {
            self.coordinator_crashes < config.coordinator_crashes_max
        };
        left && self.faults() < config.faults_max
    }

    fn may_wake(&self, tables: &Tables, node: usize) -> bool {
        let config = &tables.cast.config;
        let may_suspect = match config.patience {
            Patience::Any => true,
            Patience::Real => !self.waits_for_the_well(tables, node),
            Patience::WrongOnce => self.suspicions == 0 || !self.waits_for_the_well(tables, node),
        };
        may_suspect && config.wakes_max.is_none_or(|most| self.wakes[node] < most)
    }

    /// Whether the node waits for the answer of a sponsor that is up and can be reached.
    fn waits_for_the_well(&self, tables: &Tables, node: usize) -> bool {
        let waits_for = tables.view(self.nodes[node]).waits_for;
        let well = |other: usize| waits_for & (1 << other) != 0 && self.can_connect(tables, node, other);
        (0..tables.cast.nodes()).any(well)
    }

    /// A request waits for those that come before it, and for the answers that its watermark claims.
    fn may_ask(&self, tables: &Tables, number: usize) -> bool {
        let request = &tables.cast.config.requests[number];
        let said = tables.said(self.answers);
        let transactions = tables.cast.transactions.iter().enumerate();
        let below = transactions.filter(|(_, other)| other.request.sequence < request.watermark);
        request.after.iter().all(|earlier| self.requested & (1 << earlier) != 0)
            && below.clone().all(|(bit, _)| (said.committed | said.aborted) & (1 << bit) != 0)
    }

    /// What a node would notice of its connection to another now.
    fn notice(&self, tables: &Tables, node: usize, other: usize) -> Option<Event> {
        if !tables.view(self.nodes[node]).takes_messages() {
            return None;
        }
        match self.connections[node][other] {
            Connection::Lost => Some(Event::Down(place(other))),
            Connection::None if self.can_connect(tables, node, other) => Some(Event::Up(place(other))),
            Connection::None | Connection::Open | Connection::Unheeded => None,
        }
    }

    pub(super) fn can_connect(&self, tables: &Tables, one: usize, two: usize) -> bool {
        let up = |node: usize| tables.view(self.nodes[node]).up;
        up(one) && up(two) && self.cut & pair(one, two) == 0
    }

    pub(super) fn is_cut(&self, one: usize, two: usize) -> bool {
        self.cut & pair(one, two) != 0
    }

    /// What the action makes of the state; none if it changes nothing.
    pub(super) fn after(&self, tables: &Tables, reductions: &Reductions, action: Action) -> Option<State> {
        let mut next = self.clone();
        let reduced = Some(reductions.at(tables, self));
        match action {
            Action::Request(request) => {
                next.requested |= 1 << request;
                let coordinator = tables.cast.config.requests[usize::from(request)].coordinator;
                next.apply(
                    tables,
                    reduced,
                    tables.cast.config.participants + coordinator,
                    Event::Request(request),
                );
            }
            Action::Deliver(node, message) => {
                next.apply(tables, reduced, usize::from(node), Event::Deliver(message));
            }
            Action::Sync(node) => drop(next.apply(tables, reduced, usize::from(node), Event::Sync)),
            Action::Wake(node) => {
                if tables.cast.config.patience == Patience::WrongOnce
                    && self.waits_for_the_well(tables, usize::from(node))
                {
                    next.suspicions += 1;
                }
                next.apply(tables, reduced, usize::from(node), Event::Wake);
                if tables.cast.config.wakes_max.is_some() {
                    next.wakes[usize::from(node)] += 1;
                }
            }
            Action::Notice(node, other) => {
                next.take_notice(tables, reduced, usize::from(node), usize::from(other));
            }
            Action::Crash { node, keeping } => next.crash(tables, reduced, usize::from(node), keeping),
            Action::Start(node) => drop(next.apply(tables, reduced, usize::from(node), Event::Start)),
            Action::Cut(one, two) => {
                let (one, two) = (usize::from(one), usize::from(two));
                next.cuts += 1;
                next.cut |= pair(one, two);
                next.lose(one, two);
                next.lose(two, one);
            }
            Action::Restore(one, two) => next.cut &= !pair(usize::from(one), usize::from(two)),
        }
        let same_phase = std::ptr::eq(reductions.at(tables, self), reductions.at(tables, &next));
        let next =
            if same_phase { next.settled(tables, reductions) } else { next.reduced(tables, reductions) };
        (next != *self).then_some(next)
    }

    fn forget_spent(&mut self, tables: &Tables, reduced: &Reduced) {
        let Reduced { alike, spent, .. } = reduced;
        for node in 0..tables.cast.nodes() {
            self.soups[node] = spent.left(tables, alike, self.nodes, place(node), self.soups[node]);
        }
        if tables.cast.config.faults_max > 0 {
            let unheeded = spent.unheeded(tables, alike, self.nodes);
            for (node, other) in connected(tables) {
                if unheeded & (1 << (node * NODES_MAX + other)) != 0 {
                    self.connections[node][other] = Connection::Unheeded;
                }
            }
        }
    }

    /// The same state, in what stands for its nodes and messages, and without what is spent.
    pub(super) fn reduced(mut self, tables: &Tables, reductions: &Reductions) -> State {
        let reduced = reductions.at(tables, &self);
        for (local, soup) in self.nodes.iter_mut().zip(&mut self.soups) {
            *local = reduced.alike.local(*local);
            *soup = reduced.alike.soup(tables, *soup);
        }
        self.settled(tables, reductions)
    }

    /// The same state with everything said that is said at once, and without what is spent. Its nodes and messages are
    /// those that stand for all.
    fn settled(mut self, tables: &Tables, reductions: &Reductions) -> State {
        let reduced = reductions.at(tables, &self);
        if tables.cast.config.reduce.replies {
            while self.reply(tables, reduced) {}
        }
        self.forget_spent(tables, reduced);
        self
    }

    /// Every node says what it says without becoming anything else; whether anything of it was new.
    fn reply(&mut self, tables: &Tables, reduced: &Reduced) -> bool {
        let before = (self.soups, self.answers);
        for node in 0..tables.cast.nodes() {
            let moves = reduced.moves(tables, place(node), self.nodes[node], self.soups[node]);
            for (from, step) in &moves.replies {
                if self.cut & pair(usize::from(*from), node) == 0 {
                    self.note(tables, step);
                }
            }
        }
        before != (self.soups, self.answers)
    }

    /// What a step says.
    fn note(&mut self, tables: &Tables, step: &Step) {
        tables.note_figures(step);
        self.flaws |= step.flaws;
        self.said_committed |= step.said_committed;
        self.said_aborted |= step.said_aborted;
        for (to, message) in &step.sent {
            let soup = self.soup_mut(*to);
            *soup = tables.with(*soup, *message);
        }
    }

    /// What decides, with what was said, how it can go on: the fingerprint of everything else.
    pub(super) fn key(&self) -> u64 {
        let counts = (
            self.requested,
            self.coordinator_crashes,
            self.participant_crashes,
            self.cuts,
            self.wakes,
            self.suspicions,
        );
        // Eight connections to a word: their number decides how long a key takes.
        let connections = self
            .connections
            .as_flattened()
            .chunks(8)
            .map(|chunk| chunk.iter().fold(0_u64, |word, connection| word << 8 | *connection as u64));
        let mut words = [0; (NODES_MAX * NODES_MAX).div_ceil(8)];
        words.iter_mut().zip(connections).for_each(|(word, eight)| *word = eight);
        fingerprint(&(self.nodes, words, self.cut, counts, self.flaws))
    }

    pub(super) fn said(&self) -> Said {
        Said {
            soups: self.soups,
            answers: self.answers,
            committed: self.said_committed,
            aborted: self.said_aborted,
        }
    }

    /// A node notices what has become of a connection, if anything has.
    pub(super) fn take_notice(
        &mut self,
        tables: &Tables,
        reduced: Option<&Reduced>,
        node: usize,
        other: usize,
    ) -> Option<Arc<Step>> {
        let event = self.notice(tables, node, other)?;
        self.connections[node][other] =
            if event == Event::Up(place(other)) { Connection::Open } else { Connection::None };
        Some(self.apply(tables, reduced, node, event))
    }

    fn crash(&mut self, tables: &Tables, reduced: Option<&Reduced>, node: usize, keeping: bool) {
        if tables.cast.is_participant(node) {
            self.participant_crashes += 1;
        } else {
            self.coordinator_crashes += 1;
        }
        self.apply(tables, reduced, node, Event::Crash { keeping });
        for other in 0..NODES_MAX {
            self.connections[node][other] = Connection::None;
            self.lose(other, node);
        }
    }

    fn lose(&mut self, node: usize, other: usize) {
        let connection = &mut self.connections[node][other];
        if *connection == Connection::Open {
            *connection = Connection::Lost;
        }
    }

    /// An event at one node, and what it sends.
    pub(super) fn apply(
        &mut self,
        tables: &Tables,
        reduced: Option<&Reduced>,
        node: usize,
        event: Event,
    ) -> Arc<Step> {
        let step = match reduced {
            Some(reduced) => reduced.alike.step(tables, node, self.nodes[node], event),
            None => tables.step(node, self.nodes[node], event),
        };
        self.nodes[node] = step.next;
        self.note(tables, &step);
        step
    }

    fn soup_mut(&mut self, to: u8) -> &mut SoupId {
        if to == TO_CLIENT { &mut self.answers } else { &mut self.soups[usize::from(to)] }
    }

    /// What decides how it goes on from here, when nothing is under way.
    pub(super) fn at_rest(&self) -> ([LocalId; NODES_MAX], u32) {
        (self.nodes, self.cut)
    }

    /// The step that an action is, of the node that takes it; for what is told of it.
    pub(super) fn step_of(&self, tables: &Tables, action: Action) -> Option<(usize, Arc<Step>)> {
        let (node, event) = match action {
            Action::Request(request) => {
                let coordinator = tables.cast.config.requests[usize::from(request)].coordinator;
                (tables.cast.config.participants + coordinator, Event::Request(request))
            }
            Action::Deliver(node, message) => (usize::from(node), Event::Deliver(message)),
            Action::Sync(node) => (usize::from(node), Event::Sync),
            Action::Wake(node) => (usize::from(node), Event::Wake),
            Action::Notice(node, other) => {
                (usize::from(node), self.notice(tables, usize::from(node), usize::from(other))?)
            }
            Action::Crash { node, keeping } => (usize::from(node), Event::Crash { keeping }),
            Action::Start(node) => (usize::from(node), Event::Start),
            Action::Cut(..) | Action::Restore(..) => return None,
        };
        Some((node, tables.step(node, self.nodes[node], event)))
    }

    /// The same cluster with everything started and connected again.
    pub(super) fn healed(&self, tables: &Tables) -> State {
        let mut healed = self.clone();
        healed.cut = 0;
        for node in 0..tables.cast.nodes() {
            if !tables.view(healed.nodes[node]).up {
                healed.apply(tables, None, node, Event::Start);
            }
        }
        healed
    }
}

/// Pairs of nodes of which one asks whether the other is connected: among participants only who sends messages does.
pub(super) fn connected(tables: &Tables) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (nodes, participants) = (tables.cast.nodes(), tables.cast.config.participants);
    let sends = tables.cast.sends();
    let others = move |node: usize| (0..nodes).map(move |other| (node, other));
    (0..nodes).flat_map(others).filter(move |(node, other)| {
        let one_is_coordinator = *node >= participants || *other >= participants;
        node != other && (one_is_coordinator || sends && (*node, *other) == letters::STREAM)
    })
}
