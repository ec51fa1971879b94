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
    state::{connected, place},
    tables::{Event, LocalId, MessageId, SoupId, TO_CLIENT, Tables},
};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
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
    effects: RwLock<HashMap<(u8, LocalId, Event), Arc<Effect>>>,
    left: RwLock<HashMap<(Nodes, u8, SoupId), SoupId>>,
    unheeded: RwLock<HashMap<Nodes, u32>>,
}

impl Spent {
    pub(super) fn new(alike: &Alike, faults: Faults, closures: &[Closure]) -> Self {
        let becomes =
            closures.iter().map(|closure| closure.becomes(faults, |local| alike.local(local))).collect();
        Spent { becomes, effects: RwLock::default(), left: RwLock::default(), unheeded: RwLock::default() }
    }

    /// What is left of the messages to a node without the spent ones.
    pub(super) fn left(&self, tables: &Tables, alike: &Alike, nodes: Nodes, to: u8, soup: SoupId) -> SoupId {
        if self.becomes.is_empty() {
            return soup;
        }
        let key = (nodes, to, soup);
        if let Some(known) = self.left.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return *known;
        }
        let messages = tables.messages(soup);
        let of_use = messages
            .iter()
            .filter(|message| self.is_of_use(tables, alike, &nodes, to, **message, &mut HashSet::new()));
        let left = tables.soup(of_use.copied().collect());
        self.left.write().unwrap_or_else(PoisonError::into_inner).insert(key, left);
        left
    }

    /// Messages that cause each other in a circle and change nothing are of no use.
    fn is_of_use(
        &self,
        tables: &Tables,
        alike: &Alike,
        nodes: &Nodes,
        to: u8,
        message: MessageId,
        asked: &mut HashSet<MessageId>,
    ) -> bool {
        if to == TO_CLIENT {
            return true;
        }
        if !asked.insert(message) {
            return false;
        }
        let effect = self.effect(tables, alike, to, nodes[usize::from(to)], Event::Deliver(message));
        self.matters(tables, alike, nodes, &effect, asked)
    }

    fn matters(
        &self,
        tables: &Tables,
        alike: &Alike,
        nodes: &Nodes,
        effect: &Effect,
        asked: &mut HashSet<MessageId>,
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
        if let Some(known) = self.unheeded.read().unwrap_or_else(PoisonError::into_inner).get(&nodes) {
            return *known;
        }
        let mut unheeded = 0;
        for (node, other) in connected(tables) {
            let (to, peer) = (place(node), place(other));
            let heeded = [Event::Up(peer), Event::Down(peer)].into_iter().any(|event| {
                let effect = self.effect(tables, alike, to, nodes[node], event);
                self.matters(tables, alike, &nodes, &effect, &mut HashSet::new())
            });
            unheeded |= if heeded { 0 } else { 1 << (node * NODES_MAX + other) };
        }
        self.unheeded.write().unwrap_or_else(PoisonError::into_inner).insert(nodes, unheeded);
        unheeded
    }

    /// How many different things nodes can become.
    pub(super) fn size(&self) -> usize {
        self.becomes.iter().map(HashMap::len).sum()
    }
}
