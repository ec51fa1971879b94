//! Which messages can't matter any more: they are taken out of the network, so that states which differ only in them
//! are one.
//!
//! A message is spent if, whatever its receiver may still become, it would change nothing there, and cause no message but
//! spent ones. A connection is spent if the same is true of noticing what becomes of it. Spent once is spent for ever,
//! since nodes can become only less.

use super::{
    alike::Alike,
    cast::NODES_MAX,
    closure::{Closure, Faults},
    fast::FastMap,
    state::{connected, place},
    tables::{Event, LocalId, MessageId, SoupId, TO_CLIENT, Tables},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

/// What a message can still do at a node, over everything that the node may become.
#[derive(Default)]
struct Effect {
    changes: bool,
    sent: Vec<(u8, MessageId)>,
}

type Nodes = [LocalId; NODES_MAX];

/// What every node can become, and what is therefore spent.
pub(super) struct Spent {
    /// For each node and what it is, all that it can become, itself included.
    becomes: Vec<HashMap<LocalId, Vec<LocalId>>>,
    effects: RwLock<FastMap<(u8, LocalId, Event), Arc<Effect>>>,
    sorted: RwLock<FastMap<(u8, LocalId, SoupId), Arc<Sorted>>>,
    heeded: RwLock<FastMap<(u8, LocalId), Arc<Heeded>>>,
}

/// The messages to a node, as far as the node alone tells what they are good for. What is spent by that is in neither.
struct Sorted {
    /// Each may change it.
    of_use: SoupId,
    /// Each only makes it say something: it is of use if that is.
    perhaps: SoupId,
}

/// The connections of a node, as far as the node alone tells whether it heeds them: a bit for each other node.
struct Heeded {
    surely: u32,
    /// Of use if what it then says is.
    perhaps: Vec<(u32, Arc<Effect>)>,
}

impl Spent {
    pub(super) fn new(alike: &Alike, faults: Faults, closures: &[Closure]) -> Self {
        let becomes =
            closures.iter().map(|closure| closure.becomes(faults, |local| alike.local(local))).collect();
        Spent { becomes, effects: RwLock::default(), sorted: RwLock::default(), heeded: RwLock::default() }
    }

    /// What is left of the messages to a node without the spent ones.
    pub(super) fn left(&self, tables: &Tables, alike: &Alike, nodes: Nodes, to: u8, soup: SoupId) -> SoupId {
        if self.becomes.is_empty() {
            return soup;
        }
        let sorted = self.sorted(tables, alike, nodes[usize::from(to)], to, soup);
        if sorted.perhaps == tables.no_messages() {
            return sorted.of_use;
        }
        let mut left = sorted.of_use;
        for message in tables.messages(sorted.perhaps).iter() {
            if self.is_of_use(tables, alike, &nodes, to, *message, &mut Vec::new()) {
                left = tables.with(left, *message);
            }
        }
        left
    }

    fn sorted(&self, tables: &Tables, alike: &Alike, local: LocalId, to: u8, soup: SoupId) -> Arc<Sorted> {
        let key = (to, local, soup);
        if let Some(known) = self.sorted.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let (mut of_use, mut perhaps) = (Vec::new(), Vec::new());
        for message in tables.messages(soup).iter() {
            let effect = self.effect(tables, alike, to, local, Event::Deliver(*message));
            if effect.changes {
                of_use.push(*message);
            } else if !effect.sent.is_empty() {
                perhaps.push(*message);
            }
        }
        let sorted = Arc::new(Sorted { of_use: tables.soup(of_use), perhaps: tables.soup(perhaps) });
        self.sorted.write().unwrap_or_else(PoisonError::into_inner).insert(key, sorted.clone());
        sorted
    }

    /// Messages that cause each other in a circle and change nothing are of no use.
    fn is_of_use(
        &self,
        tables: &Tables,
        alike: &Alike,
        nodes: &Nodes,
        to: u8,
        message: MessageId,
        asked: &mut Vec<MessageId>,
    ) -> bool {
        if to == TO_CLIENT {
            return true;
        }
        if asked.contains(&message) {
            return false;
        }
        asked.push(message);
        let effect = self.effect(tables, alike, to, nodes[usize::from(to)], Event::Deliver(message));
        self.matters(tables, alike, nodes, &effect, asked)
    }

    fn matters(
        &self,
        tables: &Tables,
        alike: &Alike,
        nodes: &Nodes,
        effect: &Effect,
        asked: &mut Vec<MessageId>,
    ) -> bool {
        effect.changes
            || effect
                .sent
                .iter()
                .any(|(to, caused)| self.is_of_use(tables, alike, nodes, *to, *caused, asked))
    }

    fn effect(&self, tables: &Tables, alike: &Alike, to: u8, local: LocalId, event: Event) -> Arc<Effect> {
        let key = (to, local, event);
        if let Some(known) = self.effects.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let node = usize::from(to);
        let mut effect = Effect::default();
        let mut sent = BTreeSet::new();
        let becomes = self.becomes[node].get(&local).expect("a node is never what its closure lacks");
        for later in becomes.iter().filter(|later| tables.view(**later).takes_messages()) {
            let step = alike.step(tables, node, *later, event);
            effect.changes |= step.next != *later;
            sent.extend(step.sent.iter().copied());
        }
        effect.sent = sent.into_iter().collect();
        let effect = Arc::new(effect);
        self.effects.write().unwrap_or_else(PoisonError::into_inner).insert(key, effect.clone());
        effect
    }

    /// Connections to which nothing and nobody pays heed any more: a bit for each, by node and other node.
    pub(super) fn unheeded(&self, tables: &Tables, alike: &Alike, nodes: Nodes) -> u32 {
        if self.becomes.is_empty() {
            return 0;
        }
        let mut unheeded = 0;
        for (node, local) in nodes.iter().enumerate().take(tables.cast.nodes()) {
            let heeded = self.heeded(tables, alike, node, *local);
            let perhaps = heeded
                .perhaps
                .iter()
                .filter(|(_, effect)| self.matters(tables, alike, &nodes, effect, &mut Vec::new()));
            let all = perhaps.fold(heeded.surely, |bits, (bit, _)| bits | bit);
            for (_, other) in connected(tables).filter(|(one, _)| *one == node) {
                unheeded |= if all & (1 << other) != 0 { 0 } else { 1 << (node * NODES_MAX + other) };
            }
        }
        unheeded
    }

    fn heeded(&self, tables: &Tables, alike: &Alike, node: usize, local: LocalId) -> Arc<Heeded> {
        let key = (place(node), local);
        if let Some(known) = self.heeded.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let mut heeded = Heeded { surely: 0, perhaps: Vec::new() };
        for (_, other) in connected(tables).filter(|(one, _)| *one == node) {
            for event in [Event::Up(place(other)), Event::Down(place(other))] {
                let effect = self.effect(tables, alike, place(node), local, event);
                if effect.changes {
                    heeded.surely |= 1 << other;
                } else if !effect.sent.is_empty() {
                    heeded.perhaps.push((1 << other, effect));
                }
            }
        }
        let heeded = Arc::new(heeded);
        self.heeded.write().unwrap_or_else(PoisonError::into_inner).insert(key, heeded.clone());
        heeded
    }

    /// How many different things nodes can become.
    pub(super) fn size(&self) -> usize {
        self.becomes.iter().map(HashMap::len).sum()
    }
}
