//! Every node, message and set of messages that occurs is kept once and numbered, and what an input does to a node is
//! found out once: a state is then a few numbers (the collapse of SPIN: Holzmann 1997), and a step mostly a look-up.
//!
//! Numbers are given in the order in which things occur: they mean something within one search only.

use super::{
    cast::{CLIENT, Cast},
    fast::FastMap,
    local::{Flaw, Input, Local},
    sights,
    view::{Bits, NodeView, SaidView},
    wire,
};
use assent_protocol::{ids::Peer, message::Message};
use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU32, Ordering},
    },
};

/// A node with everything that it holds.
pub(super) type LocalId = u32;
/// A message with sender and receiver.
pub(super) type MessageId = u32;
/// A set of messages.
pub(super) type SoupId = u32;
/// Who a message goes to: a node by its place, or the client.
pub(super) const TO_CLIENT: u8 = u8::MAX;

/// A message under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Envelope {
    pub(super) from: u8,
    pub(super) to: u8,
    pub(super) message: Message,
}

/// What happens to a node, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Event {
    Deliver(MessageId),
    Up(u8),
    Down(u8),
    Wake,
    Pass(u32),
    Sync,
    Crash { keeping: bool },
    Start,
    Request(u8),
}

/// What an event does to a node.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) next: LocalId,
    /// In the order in which it leaves.
    pub(super) sent: Vec<(u8, MessageId)>,
    /// Transactions of which it says an outcome, a bit for each.
    pub(super) said_committed: Bits,
    pub(super) said_aborted: Bits,
    /// Bits of [`Flaw`].
    pub(super) flaws: u8,
    /// Which figures of interest rise ([`sights::figures`]).
    pub(super) figures: u32,
}

struct Numbered<T> {
    numbers: HashMap<Arc<T>, u32>,
    values: Vec<Arc<T>>,
}

impl<T: Eq + Hash> Numbered<T> {
    fn new() -> Self {
        Numbered { numbers: HashMap::new(), values: Vec::new() }
    }

    /// The number of a value, and whether it is new.
    fn number(&mut self, value: T) -> (u32, bool) {
        if let Some(number) = self.numbers.get(&value) {
            return (*number, false);
        }
        let number = u32::try_from(self.values.len()).expect("a search ends before it has so many");
        let value = Arc::new(value);
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        (number, true)
    }

    fn value(&self, number: u32) -> Arc<T> {
        self.values[number as usize].clone()
    }
}

/// Values, and what the properties look at of each.
type Seen<T, V> = (Numbered<T>, Vec<Arc<V>>);

/// Everything that has occurred in a search.
pub(super) struct Tables {
    pub(super) cast: Cast,
    locals: RwLock<Seen<Local, NodeView>>,
    messages: RwLock<Numbered<Envelope>>,
    soups: RwLock<Seen<Vec<MessageId>, SaidView>>,
    steps: RwLock<FastMap<(u8, LocalId, Event), Arc<Step>>>,
    with: RwLock<FastMap<(SoupId, MessageId), SoupId>>,
    risen: AtomicU32,
    flaws: RwLock<BTreeSet<(Flaw, String)>>,
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Tables {
    pub(super) fn new(cast: Cast) -> Self {
        let tables = Tables {
            cast,
            locals: RwLock::new((Numbered::new(), Vec::new())),
            messages: RwLock::new(Numbered::new()),
            soups: RwLock::new((Numbered::new(), Vec::new())),
            steps: RwLock::default(),
            with: RwLock::default(),
            risen: AtomicU32::new(0),
            flaws: RwLock::default(),
        };
        assert_eq!(tables.soup(Vec::new()), tables.no_messages());
        tables
    }

    /// The empty set of messages.
    pub(super) fn no_messages(&self) -> SoupId {
        0
    }

    pub(super) fn number(&self, node: usize, local: Local) -> LocalId {
        let mut locals = write(&self.locals);
        let (numbered, views) = &mut *locals;
        let (number, new) = numbered.number(local);
        if new {
            let view = NodeView::of(&self.cast, node, &numbered.value(number));
            views.push(Arc::new(view));
        }
        number
    }

    pub(super) fn local(&self, local: LocalId) -> Arc<Local> {
        read(&self.locals).0.value(local)
    }

    pub(super) fn view(&self, local: LocalId) -> Arc<NodeView> {
        read(&self.locals).1[local as usize].clone()
    }

    pub(super) fn message(&self, message: MessageId) -> Arc<Envelope> {
        read(&self.messages).value(message)
    }

    pub(super) fn messages(&self, soup: SoupId) -> Arc<Vec<MessageId>> {
        read(&self.soups).0.value(soup)
    }

    pub(super) fn said(&self, soup: SoupId) -> Arc<SaidView> {
        read(&self.soups).1[soup as usize].clone()
    }

    /// What is to be seen of one message.
    pub(super) fn said_by(&self, message: MessageId) -> SaidView {
        SaidView::of(&self.cast, std::iter::once(&self.message(message).message))
    }

    /// A set of messages, which are in order.
    pub(super) fn soup(&self, messages: Vec<MessageId>) -> SoupId {
        let envelopes: Vec<Arc<Envelope>> = messages.iter().map(|message| self.message(*message)).collect();
        let mut soups = write(&self.soups);
        let (numbered, views) = &mut *soups;
        let (number, new) = numbered.number(messages);
        if new {
            let said = envelopes.iter().map(|envelope| &envelope.message);
            views.push(Arc::new(SaidView::of(&self.cast, said)));
        }
        number
    }

    /// The set with one more message in it.
    pub(super) fn with(&self, soup: SoupId, message: MessageId) -> SoupId {
        if let Some(known) = read(&self.with).get(&(soup, message)) {
            return *known;
        }
        let mut messages = self.messages(soup).to_vec();
        let with = match messages.binary_search(&message) {
            Ok(_) => soup,
            Err(place) => {
                messages.insert(place, message);
                self.soup(messages)
            }
        };
        write(&self.with).insert((soup, message), with);
        with
    }

    /// Whether the one set has everything that the other has.
    pub(super) fn includes(&self, one: SoupId, other: SoupId) -> bool {
        if one == other || other == self.no_messages() {
            return true;
        }
        let soups = read(&self.soups);
        let (one, other) = (&soups.0.values[one as usize], &soups.0.values[other as usize]);
        let mut rest = one.iter();
        other.len() < one.len() && other.iter().all(|message| rest.any(|has| has == message))
    }

    /// What an event does to a node.
    pub(super) fn step(&self, node: usize, local: LocalId, event: Event) -> Arc<Step> {
        let place = u8::try_from(node).expect("there are few nodes");
        let key = (place, local, event);
        if let Some(known) = read(&self.steps).get(&key) {
            return known.clone();
        }
        let stepped = self.local(local).step(&self.cast, node, &self.input(event));
        let figures = sights::figures(self.cast.is_participant(node), &stepped.figures);
        let mut flaws = 0;
        for (flaw, words) in stepped.flaws {
            flaws |= 1 << flaw as u8;
            write(&self.flaws).insert((flaw, words));
        }
        let carried = stepped
            .sent
            .into_iter()
            .filter_map(|(to, message)| wire::carried(&self.cast.config, to, message));
        let carried: Vec<(Peer, Message)> = carried.collect();
        let said = SaidView::of(&self.cast, carried.iter().map(|(_, message)| message));
        let sent = carried.into_iter().map(|(to, message)| self.send(place, to, message)).collect();
        let step = Arc::new(Step {
            next: self.number(node, stepped.next),
            sent,
            said_committed: said.said_committed(),
            said_aborted: said.aborted,
            flaws,
            figures,
        });
        write(&self.steps).insert(key, step.clone());
        step
    }

    fn send(&self, from: u8, to: Peer, message: Message) -> (u8, MessageId) {
        let to = match to {
            Peer::Node(node) => u8::try_from(self.cast.node(node)).expect("there are few nodes"),
            peer => {
                assert_eq!(peer, CLIENT, "there is one client");
                TO_CLIENT
            }
        };
        (to, write(&self.messages).number(Envelope { from, to, message }).0)
    }

    fn input(&self, event: Event) -> Input {
        let id = |node: u8| self.cast.id(usize::from(node));
        match event {
            Event::Deliver(message) => {
                let envelope = self.message(message);
                Input::Deliver(Peer::Node(id(envelope.from)), envelope.message.clone())
            }
            Event::Up(node) => Input::Up(id(node)),
            Event::Down(node) => Input::Down(id(node)),
            Event::Wake => Input::Wake,
            Event::Pass(ms) => Input::Pass(u64::from(ms)),
            Event::Sync => Input::Sync,
            Event::Crash { keeping } => Input::Crash { keeping },
            Event::Start => Input::Start,
            Event::Request(request) => Input::Request(usize::from(request)),
        }
    }

    /// A step was made, not only looked at to see what nodes could become.
    pub(super) fn note_figures(&self, step: &Step) {
        if step.figures & !self.risen() != 0 {
            self.risen.fetch_or(step.figures, Ordering::Relaxed);
        }
    }

    /// Which figures of interest have risen, a bit for each.
    pub(super) fn risen(&self) -> u32 {
        self.risen.load(Ordering::Relaxed)
    }

    /// What was wrong in any step, in words.
    pub(super) fn flaws(&self) -> BTreeSet<(Flaw, String)> {
        read(&self.flaws).clone()
    }

    /// How many nodes, messages, sets of messages and steps have occurred.
    pub(super) fn sizes(&self) -> [usize; 4] {
        [
            read(&self.locals).1.len(),
            read(&self.messages).values.len(),
            read(&self.soups).1.len(),
            read(&self.steps).len(),
        ]
    }
}
