//! Machines over real databases, wired by hand: what is sent arrives once, whatever dies in between, and a database that is an
//! older copy is noticed.

use assent_protocol::{
    directory::Directory,
    ids::{
        ClientName, Digest, FieldName, Incarnation, Member, NodeId, Peer, RecordId, Sequence, SessionId,
        Sponsor, Stamp, Subject, Time, TxnId,
    },
    mail::{Draft, Mailbox, MessageId, MessageKey, Position},
    message::{Delivery, Finish, Held, Manage, Message, Prepare, Receive, Reply},
    operation::{Operation, Step, Value},
    participant::{Input, Limits, Participant, ParticipantConfig},
    storage::Store,
};
use assent_queue::{RocksStore, StoreConfig};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};
use tempfile::TempDir;

const SOURCE: NodeId = NodeId(1);
const TARGET: NodeId = NodeId(2);
const COORDINATOR: NodeId = NodeId(9);
const CONSUMER: Peer = Peer::Client(7);

fn record(text: &str) -> RecordId {
    RecordId::new(text).expect("valid")
}

fn field(text: &str) -> FieldName {
    FieldName::new(text).expect("valid")
}

fn orders() -> Mailbox {
    Mailbox::new("orders").expect("valid")
}

fn consumer() -> ClientName {
    ClientName::new("consumer").expect("valid")
}

/// A participant, as a process runs it: database and machine, but no network.
struct Node {
    id: NodeId,
    dir: TempDir,
    /// None only while it is down.
    running: Option<(RocksStore, Participant)>,
    now: Time,
    inbox: Vec<Input>,
    starts: u32,
}

/// What happens to a process in one turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    /// Nothing of the turn reaches the disk.
    DiesBeforeCommit,
    /// All of it is on the disk, and nobody hears of it.
    DiesAfterSync,
}

impl Node {
    fn new(id: NodeId) -> Node {
        let dir = tempfile::tempdir().expect("a folder for the test");
        let mut node = Node { id, dir, running: None, now: Time(0), inbox: Vec::new(), starts: 0 };
        node.start();
        node
    }

    fn start(&mut self) {
        let config = StoreConfig {
            reserve_bytes: 0,
            ..StoreConfig::new(self.dir.path(), self.id, self.id.to_string())
        };
        let (store, recovered) = RocksStore::open(config).expect("opens");
        let tables = [("student", SOURCE), ("mailbox", TARGET), ("ledger", TARGET)];
        let tables = tables.map(|(table, node)| (table.to_string(), vec![node]));
        let config = ParticipantConfig {
            node: self.id,
            boot: store.boot(),
            started_s: 1_000_000,
            directory: Directory::new(BTreeMap::from(tables), vec![SOURCE, TARGET]),
            limits: Limits::default(),
        };
        let machine = Participant::recover(config, recovered, &store, self.now);
        self.running = Some((store, machine));
        self.inbox = vec![Input::Up(self.peer()), Input::Client(7, consumer())];
        self.starts += 1;
    }

    fn stop(&mut self) {
        self.running = None;
    }

    fn peer(&self) -> NodeId {
        if self.id == SOURCE { TARGET } else { SOURCE }
    }

    fn machine(&self) -> &Participant {
        &self.running.as_ref().expect("it runs").1
    }

    fn store(&self) -> &RocksStore {
        &self.running.as_ref().expect("it runs").0
    }

    /// One turn of its loop. Returns what leaves; nothing if it died.
    fn turn(&mut self, fate: Fate) -> Vec<(Peer, Message)> {
        self.now = self.now.after_ms(400);
        let mut out = Vec::new();
        let (store, machine) = self.running.as_mut().expect("it runs");
        for input in std::mem::take(&mut self.inbox) {
            machine.handle(self.now, input, store, &mut out);
        }
        if machine.next_wake().is_some_and(|due| due <= self.now) {
            machine.handle(self.now, Input::Tick, store, &mut out);
        }
        if fate != Fate::DiesBeforeCommit {
            store.commit().expect("commits");
            store.syncer().sync().expect("syncs");
        }
        if fate == Fate::Lives {
            return out;
        }
        self.stop();
        self.start();
        Vec::new()
    }
}

/// Both participants, a coordinator and a consumer that know what they have been told, and nothing else.
struct World {
    source: Node,
    target: Node,
    answered: BTreeMap<Sequence, Held>,
    deliveries: Vec<Delivery>,
    /// How many dead letters each request about them has moved.
    managed: Vec<u64>,
    seed: u64,
    crashes: u32,
}

impl World {
    fn new(seed: u64) -> World {
        let mut world = World::without_mailbox(seed);
        world.create_mailbox();
        world
    }

    fn without_mailbox(seed: u64) -> World {
        World {
            source: Node::new(SOURCE),
            target: Node::new(TARGET),
            answered: BTreeMap::new(),
            deliveries: Vec::new(),
            managed: Vec::new(),
            seed,
            crashes: 0,
        }
    }

    /// Its messages are dead letters after one failure.
    fn create_mailbox(&mut self) {
        let (record, field) = (orders().record().clone(), field("deliveries_max"));
        self.ask(TARGET, Sequence(1_000_000), vec![Operation::Set { record, field, value: Value::Int(1) }]);
        self.settle();
        assert_eq!(self.answered.get(&Sequence(1_000_000)), Some(&Held::Committed(Vec::new())));
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        if id == SOURCE { &mut self.source } else { &mut self.target }
    }

    /// A transaction of one participant.
    fn ask(&mut self, node: NodeId, sequence: Sequence, operations: Vec<Operation>) {
        let txn = TxnId { client: consumer(), session: SessionId(1), sequence };
        let steps = operations.into_iter().zip(0..).map(|(operation, index)| Step { index, operation });
        let prepare = Prepare {
            subject: Subject { txn, digest: Digest([sequence.0 as u8; 32]) },
            participants: vec![node],
            sponsor: Sponsor { node: COORDINATOR, incarnation: Incarnation(1), attempt: sequence.0 },
            stamp: Stamp(sequence.0),
            deadline_ms: 1000,
            watermark: Sequence(0),
            steps: steps.collect(),
        };
        let input = Input::Message(Peer::Node(COORDINATOR), Message::Prepare(Box::new(prepare)));
        self.node(node).inbox.push(input);
    }

    fn fate(&mut self) -> Fate {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match self.seed >> 33 & 15 {
            0 => Fate::DiesBeforeCommit,
            1 | 2 => Fate::DiesAfterSync,
            _ => Fate::Lives,
        }
    }

    /// One turn of each; the network takes what leaves to whoever is there.
    fn round(&mut self, deaths: bool) {
        for id in [SOURCE, TARGET] {
            let fate = if deaths { self.fate() } else { Fate::Lives };
            let out = self.node(id).turn(fate);
            if fate != Fate::Lives {
                self.crashes += 1;
                let other = self.node(id).peer();
                let inbox = &mut self.node(other).inbox;
                inbox.extend([Input::Down(Peer::Node(id)), Input::Up(id)]);
            }
            for (to, message) in out {
                match (to, message) {
                    (Peer::Node(COORDINATOR), Message::Standing { subject, held }) => {
                        self.answered.insert(subject.txn.sequence, held);
                    }
                    (CONSUMER, Message::Received { deliveries, .. }) => {
                        self.deliveries.extend(deliveries.expect("it may receive"));
                    }
                    (CONSUMER, Message::Managed { done, .. }) => {
                        self.managed.push(done.expect("they are there"));
                    }
                    (Peer::Node(node), message) if node != COORDINATOR => {
                        self.node(node).inbox.push(Input::Message(Peer::Node(id), message));
                    }
                    (_, _) => {}
                }
            }
        }
    }

    fn settle(&mut self) {
        (0..12).for_each(|_| self.round(false));
    }

    /// Sends by transactions with these numbers, two messages each, until all are known to be committed.
    fn send(&mut self, sequences: std::ops::Range<u64>, deaths: bool) {
        for round in 0.. {
            let missing: Vec<u64> =
                sequences.clone().filter(|number| !self.answered.contains_key(&Sequence(*number))).collect();
            if missing.is_empty() {
                return;
            }
            assert!(round < 1000, "{missing:?} are never committed");
            for number in missing.into_iter().take(3) {
                self.ask(SOURCE, Sequence(number), transfer(number));
            }
            self.round(deaths);
        }
    }

    fn source_fault(&self) -> String {
        self.source.machine().fault().expect("it is noticed").to_string()
    }
}

/// Changes a record, and sends a message with a key and one without; some are long.
fn transfer(number: u64) -> Vec<Operation> {
    let student = record("student/1");
    let payload = if number.is_multiple_of(3) { 20_000 } else { 20 };
    let draft = |key: Option<&str>| {
        let key = key.map(|key| MessageKey::new(key).expect("valid"));
        let payload = vec![number as u8; payload];
        Arc::new(Draft { mailbox: orders(), key, headers: BTreeMap::new(), payload, delay_ms: 0 })
    };
    vec![
        Operation::Set { record: student.clone(), field: field("n"), value: Value::Int(number as i64) },
        Operation::Send { from: student.clone(), draft: draft(Some("k")) },
        Operation::Send { from: student, draft: draft(None) },
    ]
}

fn sent(sequences: std::ops::Range<u64>) -> BTreeSet<String> {
    let id = |number, operation| MessageId {
        txn: TxnId { client: consumer(), session: SessionId(1), sequence: Sequence(number) },
        operation,
    };
    sequences.flat_map(|number| [id(number, 1), id(number, 2)]).map(|id| id.to_string()).collect()
}

/// The ids in the mailbox, in their order.
fn arrived(target: &Node) -> Vec<MessageId> {
    let Reply::Mail { messages, more: false } =
        target.machine().mail_page(&orders(), false, None, target.store())
    else {
        panic!("a page of messages is a page of messages");
    };
    messages.into_iter().map(|(_, stored)| stored.envelope.id).collect()
}

fn receive(request: u64) -> Input {
    let receive = Receive { request, mailbox: orders(), max: 4, lease_ms: Some(10_000), wait_ms: 0 };
    Input::Message(CONSUMER, Message::Receive(Box::new(receive)))
}

#[test]
fn what_is_sent_arrives_once_and_is_finished_once_whatever_dies() {
    for seed in 1..=3 {
        let mut world = World::new(seed);
        world.send(1..25, true);
        // A death now and then while the rest is carried, and at last none.
        (0..10).for_each(|_| world.round(true));
        world.settle();
        let ids = arrived(&world.target);
        let names: Vec<String> = ids.iter().map(MessageId::to_string).collect();
        assert_eq!(BTreeSet::from_iter(names.clone()), sent(1..25), "seed {seed}");
        assert_eq!(names.len(), 48, "seed {seed}: none twice");
        let keyed: Vec<Sequence> =
            ids.iter().filter(|id| id.operation == 1).map(|id| id.txn.sequence).collect();
        assert!(keyed.is_sorted(), "seed {seed}: {keyed:?}");
        let Reply::Outbox { messages, .. } =
            world.source.machine().outbox(world.source.now, world.source.store())
        else {
            panic!("an outbox is an outbox");
        };
        assert_eq!(messages, 0, "seed {seed}: everything is known to have arrived");

        // Each is entered into a ledger, which takes nothing twice, in the transaction that finishes it.
        let ledger = (record("ledger/1"), field("done"));
        let mut sequence = 2_000_000;
        for round in 0.. {
            assert!(round < 1000, "seed {seed}: the mailbox is never empty");
            world.target.inbox.push(receive(round));
            world.round(true);
            for delivery in std::mem::take(&mut world.deliveries) {
                sequence += 1;
                let member = Member::new(&delivery.envelope.id.to_string()).expect("valid");
                let (position, lease) = (delivery.position, delivery.lease.expect("it has one"));
                let enter = Operation::Insert {
                    record: ledger.0.clone(),
                    field: ledger.1.clone(),
                    member,
                    max: None,
                };
                let finish = Operation::Acknowledge { mailbox: orders(), position, lease };
                world.ask(TARGET, Sequence(sequence), vec![enter, finish]);
            }
            if world.target.machine().mailboxes(world.target.now, world.target.store())[0].depth == 0 {
                break;
            }
        }
        let done = world.target.store().members(&ledger.0, &ledger.1);
        let done: BTreeSet<String> = done.iter().map(Member::to_string).collect();
        assert_eq!(done, sent(1..25), "seed {seed}");
        assert!(world.crashes >= 5, "seed {seed}: only {} deaths", world.crashes);
        // What was finished is finished after a start as well.
        world.target.stop();
        world.target.start();
        assert_eq!(arrived(&world.target), []);
    }
}

/// Takes up to four messages, and fails those whose operation is one of these.
fn fail(world: &mut World, request: u64, operations: &[u16]) {
    world.target.inbox.push(receive(request));
    world.round(false);
    let failed = std::mem::take(&mut world.deliveries);
    let failed = failed.iter().filter(|delivery| operations.contains(&delivery.envelope.id.operation));
    let deliveries =
        failed.map(|delivery| (delivery.position, delivery.lease.expect("it has one"))).collect();
    let how = Finish::Release { delay_ms: None, cause: Some("no".to_string()) };
    let finish = Message::Finish { request, mailbox: orders(), deliveries, how };
    world.target.inbox.push(Input::Message(CONSUMER, finish));
    world.settle();
}

#[test]
fn no_place_is_given_twice_and_no_dead_letter_is_lost() {
    let mut world = World::new(0);
    world.send(1..2, false);
    world.settle();
    // The last one dies while the first is still there: then the place of the last is known from nothing but its mark.
    fail(&mut world, 1, &[1]);
    assert_eq!(world.target.store().dead_after(&orders(), None, 100), [Position(2)], "the last one");
    world.target.stop();
    world.target.start();
    world.send(2..4, false);
    world.settle();
    for request in 2..6 {
        fail(&mut world, request, &[1, 2]);
    }
    let store = world.target.store();
    let dead = store.dead_after(&orders(), None, 100).into_iter();
    let dead = dead.map(|place| store.dead(&orders(), place).expect("it is stored"));
    let ids = dead.map(|stored| stored.envelope.id.to_string());
    assert_eq!(ids.collect::<BTreeSet<_>>(), sent(1..4));
}

/// Asks again until as many dead letters have been moved.
fn manage(world: &mut World, what: impl Fn(usize) -> Manage, letters: usize) -> Vec<u64> {
    world.managed.clear();
    while world.managed.iter().sum::<u64>() < letters as u64 {
        let done = world.managed.iter().sum::<u64>() as usize;
        let manage = Message::Manage { request: 1, mailbox: orders(), what: what(done) };
        world.target.inbox.push(Input::Message(CONSUMER, manage));
        world.round(false);
        assert!(world.managed.last() != Some(&0), "{:?} of {letters} are moved", world.managed);
    }
    world.managed.clone()
}

#[test]
fn long_dead_letters_are_read_and_moved_a_few_at_a_time() {
    const LETTERS: usize = 12;
    let mut world = World::new(0);
    for number in 0..LETTERS as u64 {
        let payload = vec![number as u8; 250_000];
        let draft = Draft { mailbox: orders(), key: None, headers: BTreeMap::new(), payload, delay_ms: 0 };
        let send = Operation::Send { from: record("student/1"), draft: Arc::new(draft) };
        world.ask(SOURCE, Sequence(number + 1), vec![send]);
        world.settle();
    }
    let kill_all = |world: &mut World| {
        for request in 0..LETTERS as u64 {
            fail(world, request, &[0]);
        }
        let places = world.target.store().dead_after(&orders(), None, 100);
        assert_eq!(places.len(), LETTERS, "all are dead letters");
        places
    };
    let places = kill_all(&mut world);

    let mut listed = Vec::new();
    loop {
        let (machine, store) = (world.target.machine(), world.target.store());
        let Reply::Mail { messages, more } =
            machine.mail_page(&orders(), true, listed.last().copied(), store)
        else {
            panic!("a page of messages is a page of messages");
        };
        assert_eq!(messages.len(), 4, "as many as make a megabyte");
        listed.extend(messages.into_iter().map(|(place, _)| place));
        if !more {
            break;
        }
    }
    assert_eq!(listed, places);

    assert_eq!(manage(&mut world, |_| Manage::Redrive(None), LETTERS), [4, 4, 4]);
    let places = kill_all(&mut world);
    // Named ones, in whatever order: the first of them by place.
    let named = |done: usize| Manage::Redrive(Some(places[done..].iter().rev().copied().collect()));
    assert_eq!(manage(&mut world, named, LETTERS), [4, 4, 4]);
    let ids: BTreeSet<MessageId> = {
        let (machine, store) = (world.target.machine(), world.target.store());
        let place = |place: u64| store.mail(&orders(), Position(place)).map(|stored| stored.envelope.id);
        let depth = machine.mailboxes(world.target.now, store)[0].depth;
        assert_eq!(depth, LETTERS as u64);
        (1..100).filter_map(place).collect()
    };
    assert_eq!(ids.len(), LETTERS, "each is there once");
    kill_all(&mut world);
    assert_eq!(manage(&mut world, |_| Manage::Purge(None), LETTERS), [12], "nothing is read");
}

#[test]
fn messages_wait_until_their_mailbox_is_created() {
    let mut world = World::without_mailbox(0);
    world.send(1..3, false);
    world.settle();
    assert_eq!(arrived(&world.target), []);
    world.create_mailbox();
    world.settle();
    let names = arrived(&world.target).iter().map(MessageId::to_string).collect::<BTreeSet<_>>();
    assert_eq!(names, sent(1..3));
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("reads") {
        let entry = entry.expect("reads");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
}

/// Stops a node, and returns a copy of its database; the node goes on.
fn backup(node: &mut Node) -> TempDir {
    node.stop();
    let copied = tempfile::tempdir().expect("a folder for the copy");
    copy(node.dir.path(), copied.path());
    node.start();
    copied
}

fn restore(node: &mut Node, copied: TempDir) {
    node.stop();
    node.dir = copied;
    node.start();
}

#[test]
fn source_with_an_older_copy_of_its_database_notices() {
    // It gives numbers again that others hold: fewer than it gave before, as many, and more.
    for again in [1, 2, 4] {
        let mut world = World::new(0);
        world.send(1..3, false);
        world.settle();
        let copied = backup(&mut world.source);
        world.settle();
        world.send(3..5, false);
        world.settle();
        assert_eq!(arrived(&world.target).len(), 8);
        assert!(world.source.machine().fault().is_none());
        restore(&mut world.source, copied);
        world.settle();
        assert!(world.source.machine().fault().is_none(), "nobody has told it anything yet");
        for number in 10..10 + again {
            world.ask(SOURCE, Sequence(number), transfer(number));
        }
        world.settle();
        let fault = world.source_fault();
        assert!(fault.contains("mailbox orders holds message 8 of this participant"), "{fault}");
        assert!(fault.contains("an older copy"), "{fault}");
        assert_eq!(arrived(&world.target).len(), 8, "nothing is taken under a number that was given twice");
        // It says nothing any more.
        world.source.inbox.push(Input::Up(TARGET));
        world.ask(SOURCE, Sequence(20), transfer(20));
        assert_eq!(world.source.turn(Fate::Lives), []);
    }
}

#[test]
fn target_with_an_older_copy_of_its_database_notices() {
    let mut world = World::new(0);
    world.send(1..3, false);
    world.settle();
    let copied = backup(&mut world.target);
    world.settle();
    world.send(3..5, false);
    world.settle();
    restore(&mut world.target, copied);
    world.send(5..6, false);
    world.settle();
    let fault = world.target.machine().fault().expect("it is noticed").to_string();
    assert!(
        fault.contains("acknowledged message 8 of node 1 for mailbox orders, and holds only 4"),
        "{fault}"
    );
    assert!(fault.contains("an older copy"), "{fault}");
    assert!(world.source.machine().fault().is_none(), "the source has lost nothing");
    assert_eq!(arrived(&world.target).len(), 4);
}
