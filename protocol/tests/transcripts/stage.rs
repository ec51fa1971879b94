//! The stage: nodes, disks and links that do nothing by themselves. Whatever the machines do is put down as a line.

use crate::notation::{self, COORDINATORS_FROM, Contents, TABLES, content, name};
use assent_protocol::{
    coordinator::{self, Coordinator, CoordinatorConfig},
    directory::Directory,
    ids::{ClientName, FieldName, Incarnation, NodeId, Peer, RecordId, Stamp, Time, Version},
    mail::{Envelope, Mailbox, Position, Stored, StreamSequence},
    memory::MemoryStore,
    message::Message,
    operation::{FieldContent, Operation, ReadResult, Selection, Step, Value},
    participant::{self, Participant, ParticipantConfig},
    storage::{Field, GrantRecord, Store, TxnRecord, Write},
    workspace,
};
use std::collections::{BTreeMap, BTreeSet};

/// A store that also notes what is written.
struct Disk {
    store: MemoryStore,
    written: Vec<Write>,
}

impl Store for Disk {
    fn record(&self, record: &RecordId) -> Option<Version> {
        self.store.record(record)
    }
    fn field(&self, record: &RecordId, field: &FieldName) -> Option<Field> {
        self.store.field(record, field)
    }
    fn fields(&self, record: &RecordId) -> Vec<FieldName> {
        self.store.fields(record)
    }
    fn items(&self, record: &RecordId, field: &FieldName) -> Vec<Value> {
        self.store.items(record, field)
    }
    fn contains(&self, record: &RecordId, field: &FieldName, member: &assent_protocol::ids::Member) -> bool {
        self.store.contains(record, field, member)
    }
    fn members(&self, record: &RecordId, field: &FieldName) -> Vec<assent_protocol::ids::Member> {
        self.store.members(record, field)
    }
    fn grant(&self, client: &ClientName) -> Option<GrantRecord> {
        self.store.grant(client)
    }
    fn records_after(
        &self,
        table: Option<&str>,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Vec<(RecordId, Version)> {
        self.store.records_after(table, after, limit)
    }
    fn outgoing(&self, mailbox: &Mailbox, sequence: StreamSequence) -> Option<Envelope> {
        self.store.outgoing(mailbox, sequence)
    }
    fn mail(&self, mailbox: &Mailbox, position: Position) -> Option<Stored> {
        self.store.mail(mailbox, position)
    }
    fn dead(&self, mailbox: &Mailbox, position: Position) -> Option<Stored> {
        self.store.dead(mailbox, position)
    }
    fn dead_after(&self, mailbox: &Mailbox, after: Option<Position>, limit: usize) -> Vec<Position> {
        self.store.dead_after(mailbox, after, limit)
    }
    fn write(&mut self, write: Write) {
        self.written.push(write.clone());
        self.store.write(write);
    }
}

enum Machine {
    Coordinator(Box<Coordinator>),
    Participant {
        machine: Box<Participant>,
        disk: Box<Disk>,
        /// What was said since the last sync: it leaves when everything written before it has been synced (R7).
        waiting: Vec<(Peer, Message)>,
    },
}

struct Node {
    up: bool,
    starts: u64,
    machine: Machine,
}

struct Flight {
    from: NodeId,
    to: NodeId,
    message: Message,
}

/// What a node is told, of either kind.
enum Input {
    Message(Peer, Box<Message>),
    ClientUp(u64, ClientName),
    Up(NodeId),
    Down(NodeId),
    Tick,
    Accepting(bool),
}

/// Bounds that a scenario may set.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) coordinators: u16,
    pub(crate) participants: u16,
    pub(crate) waiting_max: usize,
    pub(crate) outbox_max: u64,
}

pub(crate) struct Stage {
    settings: Settings,
    now: Time,
    directory: Directory,
    nodes: BTreeMap<NodeId, Node>,
    cut: BTreeSet<(NodeId, NodeId)>,
    flying: Vec<Flight>,
    /// What was delivered over each link, in order.
    delivered: BTreeMap<(NodeId, NodeId), Vec<Message>>,
    connections: BTreeMap<(ClientName, NodeId), u64>,
    next_connection: u64,
    contents: Contents,
    /// Copies of disks, as somebody may make and restore them.
    copies: BTreeMap<NodeId, MemoryStore>,
    /// By how much wall clocks are ahead.
    ahead_us: BTreeMap<NodeId, u64>,
    lines: Vec<String>,
}

/// Over which link, and which kind of message.
pub(crate) struct Choice {
    pub(crate) link: Option<(NodeId, NodeId)>,
    pub(crate) verb: Option<String>,
}

impl Stage {
    pub(crate) fn new(settings: Settings) -> Self {
        let participants: Vec<NodeId> = (1..=settings.participants).map(NodeId).collect();
        let place = |index: usize| participants[index.min(participants.len() - 1)];
        let tables = (0..).zip(TABLES).map(|(index, table)| (table.to_string(), vec![place(index)]));
        // Mailboxes are where courses are.
        let tables = tables.chain([("mailbox".to_string(), vec![place(1)])]);
        let directory = Directory::new(tables.collect(), participants.clone());
        let mut stage = Stage {
            settings,
            now: Time(0),
            directory,
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            flying: Vec::new(),
            delivered: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 1,
            contents: Contents::default(),
            copies: BTreeMap::new(),
            ahead_us: BTreeMap::new(),
            lines: Vec::new(),
        };
        for node in participants {
            let machine = stage.participant(node, 1, MemoryStore::new());
            stage.nodes.insert(node, Node { up: false, starts: 0, machine });
        }
        for number in 0..settings.coordinators {
            let node = NodeId(COORDINATORS_FROM + number);
            let machine = stage.coordinator(node, 1);
            stage.nodes.insert(node, Node { up: false, starts: 0, machine });
        }
        for node in stage.nodes.keys().copied().collect::<Vec<_>>() {
            stage.start(node);
        }
        stage
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    fn coordinator(&self, node: NodeId, start: u64) -> Machine {
        Machine::Coordinator(Box::new(Coordinator::new(CoordinatorConfig {
            node,
            incarnation: Incarnation(u128::from(start)),
            directory: self.directory.clone(),
            limits: coordinator::Limits::default(),
        })))
    }

    fn participant(&self, node: NodeId, start: u64, store: MemoryStore) -> Machine {
        let limits = participant::Limits {
            waiting_max: self.settings.waiting_max,
            outbox_messages_max: self.settings.outbox_max,
            ..participant::Limits::default()
        };
        let ahead_us = self.ahead_us.get(&node).copied().unwrap_or(0);
        let started_s = ((self.now.0 + ahead_us) / 1_000_000) as u32;
        let config =
            ParticipantConfig { node, boot: start, started_s, directory: self.directory.clone(), limits };
        let machine = Box::new(Participant::recover(config, store.recover(), &store, self.now));
        Machine::Participant {
            machine,
            disk: Box::new(Disk { store, written: Vec::new() }),
            waiting: Vec::new(),
        }
    }

    fn node(&mut self, id: NodeId) -> Result<&mut Node, String> {
        let node = self.nodes.get_mut(&id).ok_or_else(|| format!("there is no {}", name(id)))?;
        if node.up { Ok(node) } else { Err(format!("{} is down", name(id))) }
    }

    /// Puts a committed record into its participant, as if a transaction of long ago had done it.
    pub(crate) fn given(&mut self, operations: Vec<Operation>) -> Result<(), String> {
        for operation in operations {
            let owner = self.directory.locate(operation.record());
            let Machine::Participant { disk, .. } = &mut self.node(owner)?.machine else { continue };
            let step = Step { index: 0, operation };
            workspace::evaluate(std::slice::from_ref(&step), &disk.store)
                .map_err(|refused| format!("{refused:?}"))?;
            for write in workspace::redo(&[step], &disk.store) {
                disk.store.write(write);
            }
            disk.store.sync();
        }
        Ok(())
    }

    /// By how much the wall clock of a node is ahead from its next start on.
    pub(crate) fn set_ahead(&mut self, id: NodeId, ms: u64) {
        self.ahead_us.insert(id, ms * 1_000);
    }

    /// What a participant's disk holds now, or held then: an older copy is put back.
    pub(crate) fn copy_disk(&mut self, id: NodeId, back: bool) -> Result<(), String> {
        let Machine::Participant { disk, .. } = &mut self.nodes.get_mut(&id).ok_or("no such node")?.machine
        else {
            return Err("a coordinator has no disk".to_string());
        };
        if back {
            disk.store = self.copies.get(&id).cloned().ok_or("no copy was made")?;
        } else {
            self.copies.insert(id, disk.store.clone());
        }
        Ok(())
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(crate) fn wall(&self) -> Stamp {
        Stamp(1_700_000_000_000_000 + self.now.0)
    }

    /// A client says something to a coordinator.
    pub(crate) fn client(&mut self, client: &ClientName, to: NodeId, message: Message) -> Result<(), String> {
        self.node(to)?;
        let key = (client.clone(), to);
        let connection = match self.connections.get(&key) {
            Some(connection) => *connection,
            None => {
                let connection = self.next_connection;
                self.next_connection += 1;
                self.connections.insert(key, connection);
                self.input(to, Input::ClientUp(connection, client.clone()))?;
                connection
            }
        };
        message.check().map_err(|wrong| format!("a malformed message: {wrong}"))?;
        self.input(to, Input::Message(Peer::Client(connection), Box::new(message)))
    }

    fn chosen(&mut self, choice: &Choice) -> Result<Vec<Flight>, String> {
        let mut chosen = Vec::new();
        for flight in std::mem::take(&mut self.flying) {
            let on_link = choice.link.is_none_or(|link| link == (flight.from, flight.to));
            let text = self.contents.message(&flight.message);
            if on_link && choice.verb.as_ref().is_none_or(|verb| text.split(' ').next() == Some(verb)) {
                chosen.push(flight);
            } else {
                self.flying.push(flight);
            }
        }
        if chosen.is_empty() { Err("no such message is under way".to_string()) } else { Ok(chosen) }
    }

    /// All that is under way over this link, in one turn of the receiver.
    pub(crate) fn deliver_together(&mut self, choice: &Choice) -> Result<(), String> {
        let (from, to) = choice.link.ok_or("together over which link?")?;
        for Flight { message, .. } in self.chosen(choice)? {
            self.delivered.entry((from, to)).or_default().push(message.clone());
            self.one_input(to, Input::Message(Peer::Node(from), Box::new(message)))?;
        }
        self.end_turn(to)
    }

    pub(crate) fn deliver(&mut self, choice: &Choice) -> Result<(), String> {
        for Flight { from, to, message } in self.chosen(choice)? {
            self.delivered.entry((from, to)).or_default().push(message.clone());
            self.input(to, Input::Message(Peer::Node(from), Box::new(message)))?;
        }
        Ok(())
    }

    pub(crate) fn lose(&mut self, choice: &Choice) -> Result<(), String> {
        for Flight { from, to, message } in self.chosen(choice)? {
            let text = self.contents.message(&message);
            self.line(format!("{} -> {}: lost: {text}", name(from), name(to)));
        }
        Ok(())
    }

    /// The network delivers once more what it delivered over this link: the last message that begins with these words.
    pub(crate) fn redeliver(&mut self, from: NodeId, to: NodeId, words: &str) -> Result<(), String> {
        let delivered = self.delivered.get(&(from, to)).cloned().unwrap_or_default();
        let mut latest = delivered.into_iter().rev();
        let message = latest.find(|message| self.contents.message(message).starts_with(words));
        let message = message.ok_or("no such message was delivered over this link")?;
        self.input(to, Input::Message(Peer::Node(from), Box::new(message)))
    }

    pub(crate) fn sync(&mut self, id: NodeId) -> Result<(), String> {
        let Machine::Participant { disk, waiting, .. } = &mut self.node(id)?.machine else {
            return Err("a coordinator writes nothing".to_string());
        };
        disk.store.sync();
        let free = std::mem::take(waiting);
        self.line(format!("{} has synced", name(id)));
        self.send(id, free)
    }

    /// Delivers and syncs until nothing is under way and everything is durable.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            let unsynced: Vec<NodeId> =
                self.nodes.iter().filter(|(_, n)| n.is_unsynced()).map(|(id, _)| *id).collect();
            if unsynced.is_empty() && self.flying.is_empty() {
                return Ok(());
            }
            for id in unsynced {
                self.sync(id)?;
            }
            if !self.flying.is_empty() {
                self.deliver(&Choice { link: None, verb: None })?;
            }
        }
        Err("it does not come to rest".to_string())
    }

    pub(crate) fn wait(&mut self, ms: u64) -> Result<(), String> {
        let until = self.now.after_ms(ms);
        let mut shown = None;
        loop {
            let wakes = self
                .nodes
                .iter()
                .filter(|(_, node)| node.up)
                .filter_map(|(id, n)| Some((n.next_wake()?, *id)));
            let Some((at, id)) = wakes.min().filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            let before = self.lines.len();
            self.input(id, Input::Tick)?;
            if self.lines.len() > before && shown != Some(self.now) {
                shown = Some(self.now);
                self.lines.insert(before, format!("at {} ms", self.now.0 / 1000));
            }
        }
        self.now = until;
        Ok(())
    }

    pub(crate) fn crash(&mut self, id: NodeId, keeping: bool) -> Result<(), String> {
        let node = self.node(id)?;
        node.up = false;
        let mut lost = (0, 0);
        if let Machine::Participant { disk, waiting, .. } = &mut node.machine {
            let unsynced = disk.store.unsynced();
            lost = (if keeping { 0 } else { unsynced }, waiting.len());
            disk.store.crash_keeping(if keeping { unsynced } else { 0 });
            waiting.clear();
        }
        let (batches, unsaid) = lost;
        self.line(format!("{} crashes: {batches} batches lost, {unsaid} messages unsaid", name(id)));
        self.flying.retain(|flight| flight.from != id && flight.to != id);
        self.connections.retain(|(_, to), _| *to != id);
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            if self.nodes[&other].up && !self.cut.contains(&pair(id, other)) {
                self.input(other, Input::Down(id))?;
            }
        }
        Ok(())
    }

    pub(crate) fn restart(&mut self, id: NodeId) -> Result<(), String> {
        match self.nodes.get(&id) {
            Some(node) if !node.up => self.start(id),
            Some(_) => return Err(format!("{} is up", name(id))),
            None => return Err(format!("there is no {}", name(id))),
        }
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            if other != id && self.nodes[&other].up && !self.cut.contains(&pair(id, other)) {
                self.input(id, Input::Up(other))?;
                self.input(other, Input::Up(id))?;
            }
        }
        Ok(())
    }

    fn start(&mut self, id: NodeId) {
        let starts = self.nodes[&id].starts + 1;
        let store = match &self.nodes[&id].machine {
            Machine::Participant { disk, .. } => Some(disk.store.clone()),
            Machine::Coordinator(_) => None,
        };
        let machine = match store {
            Some(store) => self.participant(id, starts, store),
            None => self.coordinator(id, starts),
        };
        self.nodes.insert(id, Node { up: true, starts, machine });
        if starts == 1 {
            // The cluster comes up quietly: who is there already is connected.
            for other in self.nodes.keys().copied().filter(|other| *other != id).collect::<Vec<_>>() {
                if self.nodes[&other].up {
                    self.input(id, Input::Up(other)).expect("both are up");
                    self.input(other, Input::Up(id)).expect("both are up");
                }
            }
        }
    }

    /// Cuts a link; both sides notice, and what is under way is lost.
    pub(crate) fn down(&mut self, one: NodeId, two: NodeId) -> Result<(), String> {
        self.cut.insert(pair(one, two));
        self.flying.retain(|flight| pair(flight.from, flight.to) != pair(one, two));
        for (node, other) in [(one, two), (two, one)] {
            if self.node(node).is_ok() {
                self.input(node, Input::Down(other))?;
            }
        }
        Ok(())
    }

    pub(crate) fn up(&mut self, one: NodeId, two: NodeId) -> Result<(), String> {
        self.cut.remove(&pair(one, two));
        for (node, other) in [(one, two), (two, one)] {
            self.node(other)?;
            self.input(node, Input::Up(other))?;
        }
        Ok(())
    }

    pub(crate) fn accepting(&mut self, id: NodeId, accepting: bool) -> Result<(), String> {
        self.input(id, Input::Accepting(accepting))
    }

    fn input(&mut self, id: NodeId, input: Input) -> Result<(), String> {
        self.one_input(id, input)?;
        self.end_turn(id)
    }

    /// As a node's loop does: what is due is done before it waits again.
    fn end_turn(&mut self, id: NodeId) -> Result<(), String> {
        while self.nodes[&id].up && self.nodes[&id].next_wake().is_some_and(|due| due <= self.now) {
            self.one_input(id, Input::Tick)?;
        }
        Ok(())
    }

    fn one_input(&mut self, id: NodeId, input: Input) -> Result<(), String> {
        let (now, wall) = (self.now, self.wall());
        let mut out = Vec::new();
        let mut fault = None;
        let node = self.node(id)?;
        let written = match &mut node.machine {
            Machine::Coordinator(machine) => {
                machine.handle(now, wall, for_coordinator(input), &mut out);
                Vec::new()
            }
            Machine::Participant { machine, disk, waiting } => {
                machine.handle(now, for_participant(input), &mut **disk, &mut out);
                disk.store.commit();
                waiting.append(&mut out);
                let stored = disk.store.recover().txns.into_iter().collect();
                machine.check_invariants(&disk.store, &stored)?;
                machine.check_stored_mail(&disk.store.recover(), &disk.store)?;
                fault = machine.fault().map(ToString::to_string);
                if disk.store.is_synced() {
                    out = std::mem::take(waiting);
                }
                std::mem::take(&mut disk.written)
            }
        };
        if !written.is_empty() {
            let written: Vec<String> = written.iter().map(|write| self.contents.write(write)).collect();
            self.line(format!("{} writes: {}", name(id), written.join(", ")));
        }
        if let Some(fault) = fault {
            // Whoever runs it stops it.
            self.line(format!("{} stops: {fault}", name(id)));
            return self.crash(id, false);
        }
        self.send(id, out)
    }

    fn send(&mut self, from: NodeId, messages: Vec<(Peer, Message)>) -> Result<(), String> {
        for (to, message) in messages {
            message.check().map_err(|wrong| format!("{} sends a malformed message: {wrong}", name(from)))?;
            let text = self.contents.message(&message);
            match to {
                Peer::Node(to) => {
                    let connected =
                        self.nodes.get(&to).is_some_and(|n| n.up) && !self.cut.contains(&pair(from, to));
                    let fate = if connected { "" } else { "not connected: " };
                    self.line(format!("{} -> {}: {fate}{text}", name(from), name(to)));
                    if connected {
                        self.flying.push(Flight { from, to, message });
                    }
                }
                Peer::Client(connection) => {
                    let client = self.connections.iter().find(|(_, number)| **number == connection);
                    let client = client.map_or("nobody".to_string(), |((client, _), _)| client.to_string());
                    self.line(format!("{} -> {client}: {text}", name(from)));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn show(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        let mut lines = Vec::new();
        let Stage { nodes, contents, .. } = self;
        let node = nodes.get(&id).ok_or("no such node")?;
        match &node.machine {
            Machine::Coordinator(machine) => {
                let sizes = machine.sizes();
                lines.push(
                    sizes
                        .iter()
                        .take(2)
                        .map(|(name, size)| format!("{name} {size}"))
                        .collect::<Vec<_>>()
                        .join(", "),
                );
            }
            Machine::Participant { machine, disk, .. } => {
                for doubt in machine.in_doubt(now) {
                    let subject = contents.subject(&doubt.subject.txn, doubt.subject.digest);
                    let state = if doubt.queued { "waits for locks" } else { "in doubt" };
                    let pledged = if doubt.pledged { ", pledged" } else { "" };
                    let missing: Vec<String> = doubt.missing.iter().map(|node| name(*node)).collect();
                    let missing = if missing.is_empty() {
                        String::new()
                    } else {
                        format!(", silent: {}", missing.join(" "))
                    };
                    let records: Vec<&str> = doubt.records.iter().map(RecordId::as_str).collect();
                    let by = notation::sponsor(doubt.sponsor);
                    lines
                        .push(format!("{subject} {state} for {by}{pledged}{missing}: {}", records.join(" ")));
                }
                // By the text of their ids, whatever order the machine keeps them in.
                lines.sort();
                let undecided = lines.len();
                for (txn, record) in disk.store.recover().txns {
                    if let TxnRecord::Decided(_) = record {
                        lines.push(format!("holds {}", contents.held(&txn, &record)));
                    }
                }
                lines[undecided..].sort();
                let sizes = machine.sizes(now);
                let locked =
                    sizes.iter().find(|(name, _)| *name == "records_locked").map_or(0, |(_, size)| *size);
                if locked > 0 {
                    lines.push(format!("records locked or waited for: {locked}"));
                }
                let mail = ["outbox_messages", "outbox_waiting", "mailbox_messages", "dead_letters"];
                let held = sizes.iter().filter(|(name, size)| mail.contains(name) && *size > 0);
                lines.extend(held.map(|(name, size)| format!("{name} {size}")));
                for (record, version) in disk.store.records_after(None, None, 100) {
                    lines.push(format!("{record} v{version}{}", fields(&disk.store, &record)));
                }
            }
        }
        self.lines.extend(lines.into_iter().map(|line| format!("{}: {line}", name(id))));
        Ok(())
    }
}

fn fields(store: &MemoryStore, record: &RecordId) -> String {
    let all =
        Step { index: 0, operation: Operation::Read { record: record.clone(), what: Selection::Record } };
    let Ok(results) = workspace::evaluate(&[all], store) else { return String::new() };
    let Some((_, ReadResult::Record(Some(record)))) = results.into_iter().next() else {
        return String::new();
    };
    let show = |(name, held): (&FieldName, &FieldContent)| format!(" {name} {}", content(held));
    record.fields.iter().map(show).collect()
}

impl Node {
    fn next_wake(&self) -> Option<Time> {
        match &self.machine {
            Machine::Coordinator(machine) => machine.next_wake(),
            Machine::Participant { machine, .. } => machine.next_wake(),
        }
    }

    fn is_unsynced(&self) -> bool {
        match &self.machine {
            Machine::Coordinator(_) => false,
            Machine::Participant { disk, .. } => self.up && !disk.store.is_synced(),
        }
    }
}

fn for_coordinator(input: Input) -> coordinator::Input {
    match input {
        Input::Message(from, message) => coordinator::Input::Message(from, *message),
        Input::ClientUp(connection, client) => coordinator::Input::ClientUp(connection, client),
        Input::Up(node) => coordinator::Input::Up(node),
        Input::Down(node) => coordinator::Input::Down(Peer::Node(node)),
        Input::Tick | Input::Accepting(_) => coordinator::Input::Tick,
    }
}

fn for_participant(input: Input) -> participant::Input {
    match input {
        Input::Message(from, message) => participant::Input::Message(from, *message),
        Input::Up(node) => participant::Input::Up(node),
        Input::Down(node) => participant::Input::Down(Peer::Node(node)),
        Input::Accepting(accepting) => participant::Input::Accepting(accepting),
        Input::ClientUp(connection, client) => participant::Input::Client(connection, client),
        Input::Tick => participant::Input::Tick,
    }
}

fn pair(one: NodeId, two: NodeId) -> (NodeId, NodeId) {
    if one < two { (one, two) } else { (two, one) }
}
