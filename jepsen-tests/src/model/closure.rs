//! All that a node can become if any message that anybody may ever send arrives at any moment. That is more than can
//! happen, which is the safe side for what rests on it: what no longer matters (`spent`), and what can't be told apart
//! (`alike`).

use super::{
    cast::NEAR_MS,
    config::Syncs,
    state::{State, connected},
    tables::{Event, LocalId, MessageId, TO_CLIENT, Tables},
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Whether nodes may still crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Faults {
    ToCome,
    Over,
}

/// One node, while its closure grows.
pub(super) struct Closure {
    pub(super) node: usize,
    places: HashMap<LocalId, usize>,
    pub(super) locals: Vec<LocalId>,
    next: Vec<BTreeSet<usize>>,
    /// What a crash makes of it, apart: where no crash may come any more, it becomes less.
    crashed: Vec<BTreeSet<usize>>,
    /// What may be sent to it, and how much of that each has been given.
    pub(super) messages: Vec<MessageId>,
    known: HashSet<MessageId>,
    given: Vec<Option<usize>>,
}

impl Closure {
    /// The closures of all nodes: what one says may arrive at the others. None if they are too large, as of machines that
    /// run a transaction again and again.
    pub(super) fn of(tables: &Tables, start: &State) -> Option<Vec<Closure>> {
        let mut closures: Vec<Closure> = (0..tables.cast.nodes()).map(Closure::new).collect();
        for (node, closure) in closures.iter_mut().enumerate() {
            closure.place(start.nodes[node]);
        }
        loop {
            let mut said = Vec::new();
            for closure in &mut closures {
                if !closure.grow(tables, &mut said) {
                    return None;
                }
            }
            let mut grown = false;
            for (to, message) in said.into_iter().filter(|(to, _)| *to != TO_CLIENT) {
                let closure = &mut closures[usize::from(to)];
                if closure.known.insert(message) {
                    closure.messages.push(message);
                    grown = true;
                }
            }
            if !grown {
                return Some(closures);
            }
        }
    }

    fn new(node: usize) -> Self {
        Closure {
            node,
            places: HashMap::new(),
            locals: Vec::new(),
            next: Vec::new(),
            crashed: Vec::new(),
            messages: Vec::new(),
            known: HashSet::new(),
            given: Vec::new(),
        }
    }

    fn place(&mut self, local: LocalId) -> usize {
        if let Some(place) = self.places.get(&local) {
            return *place;
        }
        let place = self.locals.len();
        self.places.insert(local, place);
        self.locals.push(local);
        self.next.push(BTreeSet::new());
        self.crashed.push(BTreeSet::new());
        self.given.push(None);
        place
    }

    /// Gives everything that is known by now to everything that the node can be; says whether that came to an end.
    fn grow(&mut self, tables: &Tables, said: &mut Vec<(u8, MessageId)>) -> bool {
        let mut place = 0;
        let most = tables.cast.config.closure_max;
        while place < self.locals.len() && self.locals.len() <= most {
            if self.given[place].is_none() {
                for event in self.events(tables, self.locals[place]) {
                    self.step(tables, place, event, said);
                }
            }
            if tables.view(self.locals[place]).takes_messages() {
                for message in self.given[place].unwrap_or(0)..self.messages.len() {
                    self.step(tables, place, Event::Deliver(self.messages[message]), said);
                }
            }
            self.given[place] = Some(self.messages.len());
            place += 1;
        }
        self.locals.len() <= most
    }

    fn step(&mut self, tables: &Tables, place: usize, event: Event, said: &mut Vec<(u8, MessageId)>) {
        let step = tables.step(self.node, self.locals[place], event);
        said.extend(step.sent.iter().copied());
        let next = self.place(step.next);
        match event {
            Event::Crash { .. } => self.crashed[place].insert(next),
            Event::Deliver(_)
            | Event::Up(_)
            | Event::Down(_)
            | Event::Wake
            | Event::Pass(_)
            | Event::Sync
            | Event::Start
            | Event::Request(_) => self.next[place].insert(next),
        };
    }

    /// Everything but messages that can happen to the node.
    fn events(&self, tables: &Tables, local: LocalId) -> Vec<Event> {
        let config = &tables.cast.config;
        let view = tables.view(local);
        if !view.up {
            return if config.heals { vec![Event::Start] } else { Vec::new() };
        }
        let mut events = Vec::new();
        if !view.full && view.wake_ms.is_some_and(|wake| wake <= NEAR_MS) {
            events.push(Event::Wake);
        }
        if config.syncs == Syncs::Apart && !view.synced {
            events.push(Event::Sync);
        }
        if config.faults_max > 0 {
            for (_, other) in connected(tables).filter(|(node, _)| *node == self.node && !view.full) {
                let other = u8::try_from(other).expect("there are few nodes");
                events.extend([Event::Up(other), Event::Down(other)]);
            }
            if tables.local(local).may_crash(config) {
                events.extend([Event::Crash { keeping: false }, Event::Crash { keeping: true }]);
            }
        }
        for (number, request) in config.requests.iter().enumerate() {
            if self.node == config.participants + request.coordinator
                && !tables.local(local).was_asked(number)
            {
                events.push(Event::Request(u8::try_from(number).expect("there are few requests")));
            }
        }
        events
    }

    /// What can happen to it in any state, messages included; some of it is not possible in some.
    pub(super) fn all_events(&self, tables: &Tables) -> Vec<Event> {
        let all: BTreeSet<Event> = self.locals.iter().flat_map(|local| self.events(tables, *local)).collect();
        all.into_iter().chain(self.messages.iter().map(|message| Event::Deliver(*message))).collect()
    }

    /// Whether an event can happen to what the node is.
    pub(super) fn can_happen(&self, tables: &Tables, local: LocalId, event: Event) -> bool {
        match event {
            Event::Deliver(_) => tables.view(local).takes_messages(),
            Event::Up(_)
            | Event::Down(_)
            | Event::Wake
            | Event::Pass(_)
            | Event::Sync
            | Event::Crash { .. }
            | Event::Start
            | Event::Request(_) => self.events(tables, local).contains(&event),
        }
    }

    /// For each class of what it can be, all classes that it can become, with further crashes or without.
    pub(super) fn becomes(
        &self,
        faults: Faults,
        class: impl Fn(LocalId) -> LocalId,
    ) -> HashMap<LocalId, Vec<LocalId>> {
        let mut next: BTreeMap<LocalId, BTreeSet<LocalId>> = BTreeMap::new();
        for (place, local) in self.locals.iter().enumerate() {
            let entry = next.entry(class(*local)).or_default();
            entry.extend(self.next[place].iter().map(|place| class(self.locals[*place])));
            if faults == Faults::ToCome {
                entry.extend(self.crashed[place].iter().map(|place| class(self.locals[*place])));
            }
        }
        let locals: Vec<LocalId> = next.keys().copied().collect();
        let place = |local: &LocalId| locals.binary_search(local).expect("it is among them");
        let next: Vec<Vec<usize>> = next.values().map(|later| later.iter().map(place).collect()).collect();
        reach(&next)
            .into_iter()
            .enumerate()
            .map(|(from, later)| (locals[from], later.into_iter().map(|place| locals[place]).collect()))
            .collect()
    }
}

/// What can be reached from each place over any number of steps, itself included.
fn reach(next: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let words = next.len().div_ceil(64);
    let alone = |place: usize| {
        let mut bits = vec![0_u64; words];
        bits[place / 64] |= 1 << (place % 64);
        bits
    };
    let mut reached: Vec<Vec<u64>> = (0..next.len()).map(alone).collect();
    let mut grown = true;
    while grown {
        grown = false;
        // Most of what a node becomes was found after it.
        for place in (0..next.len()).rev() {
            let mut bits = std::mem::take(&mut reached[place]);
            for later in next[place].iter().filter(|later| **later != place) {
                for (word, more) in bits.iter_mut().zip(&reached[*later]) {
                    grown |= *more & !*word != 0;
                    *word |= more;
                }
            }
            reached[place] = bits;
        }
    }
    let is_in = |bits: &[u64], place: usize| bits[place / 64] & (1 << (place % 64)) != 0;
    reached.iter().map(|bits| (0..next.len()).filter(|place| is_in(bits, *place)).collect()).collect()
}
