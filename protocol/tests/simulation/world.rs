//! The simulated cluster: nodes, disks, network, time.

use crate::{
    checks::Ledger,
    client::{Client, IN_FLIGHT},
    random::Random,
    workload,
};
use assent_protocol::{
    codec,
    coordinator::{self, Coordinator, CoordinatorConfig},
    directory::Directory,
    ids::{Incarnation, NodeId, Peer, Stamp, Time},
    memory::MemoryStore,
    message::Message,
    outcome::Answer,
    participant::{self, Participant, ParticipantConfig},
};
use std::collections::{BTreeMap, BTreeSet};

/// Which faults there are, and how hard they bite.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) participants: usize,
    pub(crate) coordinators: usize,
    pub(crate) clients: usize,
    pub(crate) requests: usize,
    pub(crate) loss_per_mille: u64,
    pub(crate) duplicate_per_mille: u64,
    pub(crate) delay_us_max: u64,
    pub(crate) sync_us_max: u64,
    pub(crate) crashes: u64,
    pub(crate) cuts: u64,
    pub(crate) full_disks: u64,
    pub(crate) ms_of_faults: u64,
}

impl Options {
    pub(crate) fn calm(seed: u64) -> Self {
        Options {
            participants: 2 + (seed % 2) as usize,
            coordinators: 1 + (seed % 2) as usize,
            clients: 3,
            requests: 12,
            loss_per_mille: 0,
            duplicate_per_mille: 0,
            delay_us_max: 500,
            sync_us_max: 300,
            crashes: 0,
            cuts: 0,
            full_disks: 0,
            ms_of_faults: 100,
        }
    }

    /// Each seed draws its own faults.
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xfa01);
        let mut maybe = |bound: u64| if random.chance(600) { random.below(bound) } else { 0 };
        let (loss, duplicate, crashes, cuts, full) = (maybe(150), maybe(200), maybe(8), maybe(6), maybe(3));
        Options {
            participants: 1 + random.below(3) as usize,
            coordinators: 1 + random.below(3) as usize,
            clients: 1 + random.below(4) as usize,
            requests: 4 + random.below(16) as usize,
            loss_per_mille: loss,
            duplicate_per_mille: duplicate,
            delay_us_max: [200, 2_000, 60_000][random.below(3) as usize],
            sync_us_max: [100, 3_000, 40_000][random.below(3) as usize],
            crashes,
            cuts,
            full_disks: full,
            ms_of_faults: 500 + random.below(3000),
        }
    }
}

#[derive(Default, Debug)]
pub(crate) struct Summary {
    pub(crate) committed: u64,
    pub(crate) aborted: u64,
    pub(crate) reads: u64,
    pub(crate) steps: u64,
    pub(crate) messages: u64,
    pub(crate) crashes: u64,
    pub(crate) cuts: u64,
    pub(crate) figures: BTreeMap<String, u64>,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Summary) {
        self.committed += other.committed;
        self.aborted += other.aborted;
        self.reads += other.reads;
        self.steps += other.steps;
        self.messages += other.messages;
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        for (name, value) in &other.figures {
            *self.figures.entry(name.clone()).or_default() += value;
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    ToNode { to: NodeId, from: Peer, epochs: (u64, u64), message: Message },
    ToClient { client: usize, connection: u64, message: Message },
    Wake(NodeId),
    Synced { node: NodeId, epoch: u64, batches: usize },
    Client(usize),
    Crash(NodeId),
    Restart(NodeId),
    Cut(NodeId, NodeId),
    Notice { node: NodeId, other: NodeId, epochs: (u64, u64), up: bool },
    Heal(NodeId, NodeId),
    FullDisk(NodeId, bool),
}

enum Machine {
    Participant {
        machine: Box<Participant>,
        store: MemoryStore,
        syncing: Option<Vec<(Peer, Message)>>,
        gathered: Vec<(Peer, Message)>,
    },
    Coordinator(Box<Coordinator>),
}

struct Node {
    /// Rises with every crash; messages of an earlier epoch's connection are lost.
    epoch: u64,
    up: bool,
    started: Time,
    machine: Machine,
}

pub(crate) struct World {
    options: Options,
    random: Random,
    directory: Directory,
    now: Time,
    sequence: u64,
    agenda: BTreeMap<(Time, u64), Event>,
    nodes: BTreeMap<NodeId, Node>,
    cut: BTreeSet<(NodeId, NodeId)>,
    clients: Vec<Client>,
    /// Connection number to client and coordinator.
    connections: BTreeMap<u64, (usize, NodeId)>,
    next_connection: u64,
    next_unique: i64,
    ledger: Ledger,
    summary: Summary,
    healed: bool,
    trace: bool,
    digest: u64,
}

const END_OF_WORLD: Time = Time(4 * 3600 * 1_000_000);

impl World {
    pub(crate) fn new(seed: u64, options: Options, trace: bool) -> Self {
        if trace {
            println!("seed {seed} {options:?}");
        }
        let participants: Vec<NodeId> = (0..options.participants).map(|i| NodeId(i as u16 + 1)).collect();
        let mut world = World {
            random: Random::new(seed),
            directory: workload::directory(&participants),
            now: Time(1),
            sequence: 0,
            agenda: BTreeMap::new(),
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            clients: (0..options.clients).map(|index| Client::new(index, options.requests)).collect(),
            connections: BTreeMap::new(),
            next_connection: 1,
            next_unique: 1,
            ledger: Ledger::default(),
            summary: Summary::default(),
            healed: false,
            trace,
            digest: seed,
            options,
        };
        for node in participants {
            world.add_node(node, false);
        }
        for index in 0..world.options.coordinators {
            world.add_node(NodeId(101 + index as u16), true);
        }
        for id in world.nodes.keys().copied().collect::<Vec<_>>() {
            world.start(id);
        }
        for client in 0..world.options.clients {
            let first = world.random_us(1000);
            world.at(first, Event::Client(client));
        }
        world.plan_faults();
        world
    }

    fn add_node(&mut self, id: NodeId, coordinator: bool) {
        let machine = if coordinator {
            Machine::Coordinator(Box::new(self.new_coordinator(id, 0)))
        } else {
            let store = MemoryStore::new();
            let machine = Box::new(self.new_participant(id, 0, &store));
            Machine::Participant { machine, store, syncing: None, gathered: Vec::new() }
        };
        self.nodes.insert(id, Node { epoch: 0, up: false, started: Time(0), machine });
    }

    fn new_coordinator(&self, id: NodeId, epoch: u64) -> Coordinator {
        Coordinator::new(CoordinatorConfig {
            node: id,
            incarnation: Incarnation(u128::from(id.0) << 64 | u128::from(epoch)),
            directory: self.directory.clone(),
            limits: coordinator::Limits::default(),
        })
    }

    fn new_participant(&self, id: NodeId, epoch: u64, store: &MemoryStore) -> Participant {
        let config = ParticipantConfig {
            node: id,
            boot: epoch,
            started_s: 1_000 + epoch as u32,
            directory: self.directory.clone(),
            limits: participant::Limits { session_idle_ms: 1_800_000, ..participant::Limits::default() },
        };
        Participant::recover(config, store.recover(), store, self.now)
    }

    fn plan_faults(&mut self) {
        let span = self.options.ms_of_faults * 1000;
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        for _ in 0..self.options.crashes {
            let node = ids[self.random.below(ids.len() as u64) as usize];
            let at = self.random_us(span);
            self.at(at, Event::Crash(node));
            let long = self.random.chance(300);
            let back = self.random_us(if long { span } else { 50_000 });
            self.at(at + back, Event::Restart(node));
        }
        for _ in 0..self.options.cuts {
            let one = ids[self.random.below(ids.len() as u64) as usize];
            let two = ids[self.random.below(ids.len() as u64) as usize];
            if one != two {
                let at = self.random_us(span);
                self.at(at, Event::Cut(one, two));
                let back = self.random_us(span);
                self.at(at + back, Event::Heal(one, two));
            }
        }
        for _ in 0..self.options.full_disks {
            let node = ids[self.random.below(ids.len() as u64) as usize];
            let at = self.random_us(span);
            self.at(at, Event::FullDisk(node, false));
            let back = self.random_us(span / 2);
            self.at(at + back, Event::FullDisk(node, true));
        }
    }

    fn random_us(&mut self, bound: u64) -> u64 {
        self.random.below(bound.max(1)) + 1
    }

    fn at(&mut self, in_us: u64, event: Event) {
        self.sequence += 1;
        self.agenda.insert((Time(self.now.0 + in_us), self.sequence), event);
    }

    fn wall(&self) -> Stamp {
        Stamp(1_700_000_000_000_000 + self.now.0)
    }

    /// Runs until everything is done and forgotten, or says what is wrong.
    pub(crate) fn run(mut self) -> Result<Summary, String> {
        self.run_inner()?;
        Ok(self.summary)
    }

    pub(crate) fn run_to_digest(mut self) -> u64 {
        let _ = self.run_inner();
        self.digest
    }

    fn run_inner(&mut self) -> Result<(), String> {
        while let Some(((time, _), event)) = self.agenda.pop_first() {
            self.now = time;
            if time > END_OF_WORLD {
                return Err(format!("after {} virtual seconds: {}", time.0 / 1_000_000, self.what_is_left()));
            }
            if !self.healed && time.0 > self.options.ms_of_faults * 1000 {
                self.heal();
            }
            self.summary.steps += 1;
            self.step(event).map_err(|wrong| format!("at {} us: {wrong}", self.now.0))?;
            if self.healed && self.is_quiet() {
                let stores: Vec<MemoryStore> = self.stores().cloned().collect();
                self.ledger.check_final(&stores)?;
                self.collect_figures();
                return Ok(());
            }
        }
        Err(format!("nothing happens any more: {}", self.what_is_left()))
    }

    fn stores(&self) -> impl Iterator<Item = &MemoryStore> {
        self.nodes.values().filter_map(|node| match &node.machine {
            Machine::Participant { store, .. } => Some(store),
            Machine::Coordinator(_) => None,
        })
    }

    /// Everyone has all answers, and nothing is held of any transaction.
    fn is_quiet(&self) -> bool {
        self.clients.iter().all(|client| client.is_done() && client.closed)
            && self.stores().all(|store| store.recover().txns.is_empty())
    }

    fn what_is_left(&self) -> String {
        let open = self.clients.iter().flat_map(|client| {
            client.requests.iter().map(|request| format!("{} {:?}", request.subject.txn, request.kind))
        });
        let held = self.stores().map(|store| format!("{:?}", store.recover().txns));
        let open: Vec<String> = open.collect();
        let unfinished = self.clients.iter().filter(|client| !client.closed).count();
        format!(
            "open requests {open:?}; {unfinished} clients not closed; held {:?}",
            held.collect::<Vec<_>>()
        )
    }

    fn collect_figures(&mut self) {
        for node in self.nodes.values() {
            let figures = match &node.machine {
                Machine::Participant { machine, .. } => machine.figures(),
                Machine::Coordinator(machine) => machine.figures(),
            };
            for (name, value) in figures {
                *self.summary.figures.entry(name.to_string()).or_default() += value;
            }
        }
    }

    fn heal(&mut self) {
        self.healed = true;
        self.options.loss_per_mille = 0;
        self.options.duplicate_per_mille = 0;
        self.options.delay_us_max = self.options.delay_us_max.min(2_000);
        self.options.sync_us_max = self.options.sync_us_max.min(3_000);
        for (one, two) in self.cut.iter().copied().collect::<Vec<_>>() {
            self.at(1, Event::Heal(one, two));
        }
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.at(1, Event::Restart(id));
            self.at(2, Event::FullDisk(id, true));
        }
        // Faults that were planned for later don't happen.
        self.agenda.retain(|_, event| {
            !matches!(event, Event::Crash(_) | Event::Cut(..) | Event::FullDisk(_, false))
        });
    }

    fn note(&mut self, text: impl Fn() -> String) {
        // FNV-1a over the bytes that matter keeps runs comparable without keeping them.
        if self.trace {
            println!("{:>10} {}", self.now.0, text());
        }
    }

    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn step(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::ToNode { to, from, epochs, message } => {
                if let Peer::Node(from) = from
                    && (self.cut.contains(&pair(from, to)) || self.nodes[&from].epoch != epochs.0)
                {
                    return Ok(());
                }
                if !self.nodes[&to].up || self.nodes[&to].epoch != epochs.1 {
                    return Ok(());
                }
                self.note(|| format!("{from:?} -> {to}: {message:?}"));
                self.mix(&codec::encode(&message));
                self.summary.messages += 1;
                message.check().map_err(|wrong| format!("{message:?}: {wrong}"))?;
                self.input(to, Input::Message(from, message))
            }
            Event::ToClient { client, connection, message } => {
                if self.connections.get(&connection).is_some_and(|(owner, _)| *owner == client) {
                    self.note(|| format!("-> client{client}: {message:?}"));
                    self.mix(&codec::encode(&message));
                    self.on_client_message(client, message)?;
                }
                Ok(())
            }
            Event::Wake(node) => {
                if self.nodes[&node].up {
                    self.input(node, Input::Tick)?;
                }
                Ok(())
            }
            Event::Synced { node, epoch, batches } => self.on_synced(node, epoch, batches),
            Event::Client(client) => self.on_client_turn(client),
            Event::Crash(node) => self.crash(node),
            Event::Restart(node) => {
                self.start(node);
                Ok(())
            }
            Event::Cut(one, two) => {
                self.summary.cuts += 1;
                self.note(|| format!("cut {one} - {two}"));
                self.cut.insert(pair(one, two));
                self.notice(one, two, false);
                Ok(())
            }
            Event::Heal(one, two) => {
                if self.cut.remove(&pair(one, two)) {
                    self.note(|| format!("heal {one} - {two}"));
                    self.notice(one, two, true);
                }
                Ok(())
            }
            Event::Notice { node, other, epochs, up } => {
                let connected = !self.cut.contains(&pair(node, other)) && self.nodes[&other].up;
                let current = self.nodes[&node].epoch == epochs.0 && self.nodes[&other].epoch == epochs.1;
                if self.nodes[&node].up && connected == up && (current || !up) {
                    self.input(node, if up { Input::Up(other) } else { Input::Down(other) })?;
                }
                Ok(())
            }
            Event::FullDisk(node, accepting) => {
                if self.nodes[&node].up {
                    self.input(node, Input::Accepting(accepting))?;
                }
                Ok(())
            }
        }
    }

    /// Both sides learn of a connection, or of its loss, a little later.
    fn notice(&mut self, one: NodeId, two: NodeId, up: bool) {
        for (node, other) in [(one, two), (two, one)] {
            let epochs = (self.nodes[&node].epoch, self.nodes[&other].epoch);
            let delay = if up { self.random_us(20_000) } else { self.random_us(500_000) };
            self.at(delay, Event::Notice { node, other, epochs, up });
        }
    }

    fn start(&mut self, id: NodeId) {
        if self.nodes[&id].up {
            return;
        }
        let epoch = self.nodes[&id].epoch;
        let fresh = match &self.nodes[&id].machine {
            Machine::Coordinator(_) => Machine::Coordinator(Box::new(self.new_coordinator(id, epoch))),
            Machine::Participant { store, .. } => {
                let store = store.clone();
                let machine = Box::new(self.new_participant(id, epoch, &store));
                Machine::Participant { machine, store, syncing: None, gathered: Vec::new() }
            }
        };
        self.note(|| format!("start {id}"));
        let now = self.now;
        let node = self.nodes.get_mut(&id).unwrap();
        node.machine = fresh;
        node.up = true;
        node.started = now;
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            if other != id && self.nodes[&other].up && !self.cut.contains(&pair(id, other)) {
                self.notice(id, other, true);
            }
        }
        self.at(1, Event::Wake(id));
    }

    fn crash(&mut self, id: NodeId) -> Result<(), String> {
        if !self.nodes[&id].up {
            return Ok(());
        }
        self.summary.crashes += 1;
        let kept_share = self.random.below(4);
        let node = self.nodes.get_mut(&id).unwrap();
        node.up = false;
        node.epoch += 1;
        if let Machine::Participant { store, .. } = &mut node.machine {
            // The disk may have written some of what was not synced.
            let kept = store.unsynced() * kept_share as usize / 3;
            store.crash_keeping(if kept_share == 3 { store.unsynced() } else { kept });
        }
        let gone: Vec<u64> =
            self.connections.iter().filter(|(_, (_, at))| *at == id).map(|(c, _)| *c).collect();
        for connection in gone {
            self.connections.remove(&connection);
        }
        self.note(|| format!("crash {id}"));
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            if other != id {
                self.notice(id, other, false);
            }
        }
        Ok(())
    }

    fn input(&mut self, id: NodeId, input: Input) -> Result<(), String> {
        let (now, wall) = (self.now, self.wall());
        let mut out = Vec::new();
        let node = self.nodes.get_mut(&id).unwrap();
        let wake = match &mut node.machine {
            Machine::Coordinator(machine) => {
                let input = match input {
                    Input::Message(from, message) => coordinator::Input::Message(from, message),
                    Input::Up(other) => coordinator::Input::Up(other),
                    Input::Down(other) => coordinator::Input::Down(Peer::Node(other)),
                    Input::ClientUp(connection, name) => coordinator::Input::ClientUp(connection, name),
                    Input::Tick => coordinator::Input::Tick,
                    Input::Accepting(_) => return Ok(()),
                };
                machine.handle(now, wall, input, &mut out);
                machine.next_wake()
            }
            Machine::Participant { machine, store, gathered, .. } => {
                let input = match input {
                    Input::Message(from, message) => participant::Input::Message(from, message),
                    Input::Up(other) => participant::Input::Up(other),
                    Input::Down(other) => participant::Input::Down(Peer::Node(other)),
                    Input::Tick => participant::Input::Tick,
                    Input::Accepting(accepting) => participant::Input::Accepting(accepting),
                    Input::ClientUp(..) => return Ok(()),
                };
                machine.handle(now, input, store, &mut out);
                store.commit();
                gathered.append(&mut out);
                let stored = store.recover().txns.into_iter().collect();
                machine.check_invariants(store, &stored).map_err(|wrong| format!("node {id}: {wrong}"))?;
                machine.next_wake()
            }
        };
        if let Some(wake) = wake {
            self.at(wake.0.saturating_sub(now.0).max(1), Event::Wake(id));
        }
        self.send(id, out)?;
        self.go_on(id)
    }

    /// What a participant's runtime does: a sync at a time, and messages only behind it (R7).
    fn go_on(&mut self, id: NodeId) -> Result<(), String> {
        let sync_us = self.options.sync_us_max;
        let delay = self.random_us(sync_us);
        let node = self.nodes.get_mut(&id).unwrap();
        let epoch = node.epoch;
        let Machine::Participant { store, syncing, gathered, .. } = &mut node.machine else { return Ok(()) };
        if syncing.is_some() || gathered.is_empty() {
            return Ok(());
        }
        let free = std::mem::take(gathered);
        let batches = store.unsynced();
        if batches == 0 {
            return self.send(id, free);
        }
        *syncing = Some(free);
        self.at(delay, Event::Synced { node: id, epoch, batches });
        Ok(())
    }

    fn on_synced(&mut self, id: NodeId, epoch: u64, batches: usize) -> Result<(), String> {
        let node = self.nodes.get_mut(&id).unwrap();
        if node.epoch != epoch || !node.up {
            return Ok(());
        }
        let Machine::Participant { store, syncing, .. } = &mut node.machine else { return Ok(()) };
        store.sync_batches(batches);
        self.ledger.note_held(store)?;
        let free = syncing.take().unwrap_or_default();
        self.send(id, free)?;
        self.go_on(id)
    }

    fn send(&mut self, from: NodeId, messages: Vec<(Peer, Message)>) -> Result<(), String> {
        for (to, message) in messages {
            self.ledger.note_said(&message)?;
            let copies = match to {
                Peer::Client(_) => u64::from(!self.random.chance(self.options.loss_per_mille)),
                Peer::Node(_) => self.copies(),
            };
            for _ in 0..copies {
                let delay = self.delay();
                match to {
                    Peer::Node(to) if self.nodes.contains_key(&to) => {
                        let epochs = (self.nodes[&from].epoch, self.nodes[&to].epoch);
                        let message = message.clone();
                        self.at(delay, Event::ToNode { to, from: Peer::Node(from), epochs, message });
                    }
                    Peer::Node(to) => return Err(format!("a message to node {to}, which does not exist")),
                    Peer::Client(connection) => {
                        if let Some((client, _)) = self.connections.get(&connection).copied() {
                            self.at(delay, Event::ToClient { client, connection, message: message.clone() });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn copies(&mut self) -> u64 {
        if self.random.chance(self.options.loss_per_mille) {
            0
        } else {
            1 + u64::from(self.random.chance(self.options.duplicate_per_mille))
        }
    }

    fn delay(&mut self) -> u64 {
        let bound = self.options.delay_us_max;
        // Most are quick, some are very late.
        if self.random.chance(20) { self.random_us(bound * 20) } else { self.random_us(bound) }
    }

    fn on_client_turn(&mut self, index: usize) -> Result<(), String> {
        let (now, wall) = (self.now, self.wall());
        let again = self.random_us(20_000);
        if self.clients[index].session.is_none() {
            let patience_over = self.clients[index].opening.is_none_or(|since| now >= since.after_ms(400));
            if patience_over {
                self.clients[index].opening = Some(now);
                self.client_send(index, Message::OpenSession { request: 1 })?;
            }
        } else if self.clients[index].is_done() {
            if self.clients[index].closed {
                return Ok(());
            }
            if let Some(session) = self.clients[index].session {
                self.client_send(index, Message::CloseSession { session })?;
                self.at(700_000, Event::Client(index));
                return Ok(());
            }
        } else {
            if self.clients[index].left > 0 && self.clients[index].requests.len() < IN_FLIGHT {
                let unique = self.next_unique;
                self.next_unique += 1;
                self.clients[index].begin_request(&mut self.random, &self.directory, unique, now, wall);
            }
            for request in 0..self.clients[index].requests.len() {
                if self.clients[index].requests[request].due <= now {
                    let message = self.clients[index].message(request, &mut self.random);
                    let patience = 300_000 + self.random.below(1_500_000);
                    self.clients[index].requests[request].due = Time(now.0 + patience);
                    self.client_send(index, message)?;
                }
            }
        }
        self.at(again, Event::Client(index));
        Ok(())
    }

    /// Sends through a random coordinator, over a new connection if there is none.
    fn client_send(&mut self, index: usize, message: Message) -> Result<(), String> {
        let coordinator = NodeId(101 + self.random.below(self.options.coordinators as u64) as u16);
        if !self.nodes[&coordinator].up {
            return Ok(());
        }
        let known = self.connections.iter().find(|(_, at)| **at == (index, coordinator)).map(|(c, _)| *c);
        let connection = match known {
            Some(connection) => connection,
            None => {
                let connection = self.next_connection;
                self.next_connection += 1;
                self.connections.insert(connection, (index, coordinator));
                let name = self.clients[index].name.clone();
                self.input(coordinator, Input::ClientUp(connection, name))?;
                connection
            }
        };
        for _ in 0..self.copies() {
            let delay = self.delay();
            let epoch = self.nodes[&coordinator].epoch;
            let event = Event::ToNode {
                to: coordinator,
                from: Peer::Client(connection),
                epochs: (0, epoch),
                message: message.clone(),
            };
            self.at(delay, event);
        }
        Ok(())
    }

    fn on_client_message(&mut self, index: usize, message: Message) -> Result<(), String> {
        let now = self.now;
        match message {
            Message::SessionOpened { session, .. } => {
                if self.clients[index].session.is_none() {
                    self.clients[index].session = session;
                    self.clients[index].opening = None;
                }
            }
            Message::SessionClosed { .. } => self.clients[index].closed = true,
            Message::Answer { subject, answer } => {
                let client = &mut self.clients[index];
                let Some(place) = client.requests.iter().position(|request| request.subject == subject)
                else {
                    return Ok(());
                };
                let request = &mut client.requests[place];
                self.ledger.note_answer(
                    &subject,
                    &request.kind,
                    request.invoked,
                    now,
                    &answer,
                    request.answered.as_ref(),
                )?;
                match &answer {
                    Answer::Malformed(why) => {
                        return Err(format!("a good request was called malformed: {why:?}"));
                    }
                    Answer::Expired => {
                        return Err(format!("{} is outstanding, and was called expired", subject.txn));
                    }
                    Answer::Unknown | Answer::Overloaded => {}
                    Answer::Committed(_) | Answer::Aborted(_) if request.asks_left > 0 => {
                        request.asks_left -= 1;
                        request.due = Time(now.0 + 1);
                        request.answered = Some(answer);
                    }
                    Answer::Committed(_) | Answer::Aborted(_) => {
                        match (&request.kind, &answer) {
                            (workload::Kind::ReadLogs | workload::Kind::ReadAccounts, _) => {
                                self.summary.reads += 1
                            }
                            (_, Answer::Committed(_)) => self.summary.committed += 1,
                            (_, _) => self.summary.aborted += 1,
                        }
                        client.requests.remove(place);
                    }
                }
            }
            other => return Err(format!("a client was sent {other:?}")),
        }
        Ok(())
    }
}

/// What a node is told, of either kind.
enum Input {
    Message(Peer, Message),
    ClientUp(u64, assent_protocol::ids::ClientName),
    Up(NodeId),
    Down(NodeId),
    Tick,
    Accepting(bool),
}

fn pair(one: NodeId, two: NodeId) -> (NodeId, NodeId) {
    if one < two { (one, two) } else { (two, one) }
}
