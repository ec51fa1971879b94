//! Which nodes and which messages no future can tell apart: of each such class the search knows only one.
//!
//! Two things a node can be are alike if they look alike to every property and if every event makes them say messages that
//! are alike and become what is alike. Two messages between the same nodes are alike if they do so to everything that
//! their receiver can be. Found by refinement: all that looks alike is one class at first, and classes are divided until
//! none must be (Kanellakis & Smolka 1983).

use super::{
    closure::{Closure, Faults},
    fast::FastMap,
    tables::{Event, LocalId, MessageId, SoupId, Step, TO_CLIENT, Tables},
};
use std::{
    collections::{BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, PoisonError, RwLock},
};

/// The classes of nodes and messages, each by one that stands for all.
pub(super) struct Alike {
    locals: FastMap<LocalId, LocalId>,
    messages: FastMap<MessageId, MessageId>,
    soups: RwLock<FastMap<SoupId, SoupId>>,
    steps: RwLock<FastMap<(u8, LocalId, Event), Arc<Step>>>,
}

impl Alike {
    pub(super) fn new(tables: &Tables, faults: Faults, closures: &[Closure]) -> Self {
        let behaviours: Vec<Behaviour> =
            closures.iter().map(|closure| Behaviour::of(tables, faults, closure)).collect();
        let mut classes = Classes::by_looks(tables, closures);
        while classes.refine(closures, &behaviours) {}
        let (locals, messages) = (representatives(&classes.locals), representatives(&classes.messages));
        Alike { locals, messages, soups: RwLock::default(), steps: RwLock::default() }
    }

    /// What stands for a node; itself if it is none of those that were compared.
    pub(super) fn local(&self, local: LocalId) -> LocalId {
        self.locals.get(&local).copied().unwrap_or(local)
    }

    /// A set of messages, in what stands for them.
    pub(super) fn soup(&self, tables: &Tables, soup: SoupId) -> SoupId {
        if let Some(known) = self.soups.read().unwrap_or_else(PoisonError::into_inner).get(&soup) {
            return *known;
        }
        let stands = |message: &MessageId| self.messages.get(message).copied().unwrap_or(*message);
        let all: BTreeSet<MessageId> = tables.messages(soup).iter().map(stands).collect();
        let alike = tables.soup(all.into_iter().collect());
        self.soups.write().unwrap_or_else(PoisonError::into_inner).insert(soup, alike);
        alike
    }

    /// What an event does to a node, in what stands for it.
    pub(super) fn step(&self, tables: &Tables, node: usize, local: LocalId, event: Event) -> Arc<Step> {
        let key = (u8::try_from(node).expect("there are few nodes"), local, event);
        if let Some(known) = self.steps.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let step = tables.step(node, local, event);
        let mut sent: Vec<(u8, MessageId)> = step
            .sent
            .iter()
            .map(|(to, message)| (*to, self.messages.get(message).copied().unwrap_or(*message)))
            .collect();
        sent.sort_unstable();
        sent.dedup();
        let step = Arc::new(Step {
            next: self.local(step.next),
            sent,
            said_committed: step.said_committed,
            said_aborted: step.said_aborted,
            flaws: step.flaws,
            figures: step.figures,
        });
        self.steps.write().unwrap_or_else(PoisonError::into_inner).insert(key, step.clone());
        step
    }
}

/// The first of each class stands for it.
fn representatives(classes: &HashMap<u32, u128>) -> FastMap<u32, u32> {
    let mut first: HashMap<u128, u32> = HashMap::new();
    for (member, class) in classes {
        let least = first.entry(*class).or_insert(*member);
        *least = (*least).min(*member);
    }
    classes.iter().map(|(member, class)| (*member, first[class])).collect()
}

/// What every event does to everything that one node can be.
struct Behaviour {
    /// For each that it can be, for each event; none where the event can't happen.
    steps: Vec<Vec<Option<Arc<Step>>>>,
    /// Where in these the messages begin.
    messages_from: usize,
}

impl Behaviour {
    fn of(tables: &Tables, faults: Faults, closure: &Closure) -> Self {
        let mut events = closure.all_events(tables);
        if faults == Faults::Over {
            events.retain(|event| !matches!(event, Event::Crash { .. }));
        }
        let step = |local: LocalId, event: Event| {
            closure.can_happen(tables, local, event).then(|| tables.step(closure.node, local, event))
        };
        let steps =
            closure.locals.iter().map(|local| events.iter().map(|event| step(*local, *event)).collect());
        Behaviour { steps: steps.collect(), messages_from: events.len() - closure.messages.len() }
    }
}

/// A class is known by the fingerprint of what its members do. 128 bits: that two differ and share one is not to be feared.
struct Classes {
    locals: HashMap<LocalId, u128>,
    messages: HashMap<MessageId, u128>,
}

impl Classes {
    fn by_looks(tables: &Tables, closures: &[Closure]) -> Self {
        let mut classes = Classes { locals: HashMap::new(), messages: HashMap::new() };
        for closure in closures {
            for local in &closure.locals {
                classes.locals.insert(*local, fingerprint(&(closure.node, &*tables.view(*local))));
            }
            for message in &closure.messages {
                let envelope = tables.message(*message);
                let said = tables.said_by(*message);
                let looks = (envelope.from, envelope.to, said.committed, said.aborted);
                classes.messages.insert(*message, fingerprint(&looks));
            }
        }
        classes
    }

    /// Divides classes whose members differ in one step; says whether any was divided.
    fn refine(&mut self, closures: &[Closure], behaviours: &[Behaviour]) -> bool {
        let before = self.counts();
        let mut next = Classes { locals: HashMap::new(), messages: HashMap::new() };
        for (closure, behaviour) in closures.iter().zip(behaviours) {
            let outcomes: Vec<Vec<Option<u128>>> = behaviour
                .steps
                .iter()
                .map(|steps| steps.iter().map(|step| step.as_ref().map(|step| self.outcome(step))).collect())
                .collect();
            for (local, outcomes) in closure.locals.iter().zip(&outcomes) {
                next.locals.insert(*local, fingerprint(&(self.locals[local], outcomes)));
            }
            for (place, message) in closure.messages.iter().enumerate() {
                let column: Vec<Option<u128>> =
                    outcomes.iter().map(|row| row[behaviour.messages_from + place]).collect();
                next.messages.insert(*message, fingerprint(&(self.messages[message], column)));
            }
        }
        *self = next;
        self.counts() != before
    }

    fn outcome(&self, step: &Step) -> u128 {
        let sent = step.sent.iter().map(|(to, message)| {
            // What the client is told is told apart by every property of answers.
            let class = if *to == TO_CLIENT { u128::from(*message) } else { self.messages[message] };
            (*to, class)
        });
        let sent: BTreeSet<(u8, u128)> = sent.collect();
        fingerprint(&(self.locals[&step.next], sent, step.said_committed, step.said_aborted, step.flaws))
    }

    fn counts(&self) -> (usize, usize) {
        let different = |classes: &HashMap<u32, u128>| classes.values().collect::<BTreeSet<_>>().len();
        (different(&self.locals), different(&self.messages))
    }
}

fn fingerprint(value: &impl Hash) -> u128 {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        value.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
