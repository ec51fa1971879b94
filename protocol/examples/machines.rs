//! How much processor time the machines alone take per enrolment: one coordinator, two participants over memory stores,
//! 64 clients, no network and no disk. With the argument `codec`, every message is encoded and decoded on its way; with a
//! number, so many transactions are run (under `valgrind --tool=callgrind` a few thousand are enough).
//!
//! `cargo run --release -p assent-protocol --example machines [codec] [transactions]`

use assent_protocol::{
    codec,
    coordinator::{self, Coordinator, CoordinatorConfig},
    digest::digest,
    directory::Directory,
    ids::{
        ClientName, FieldName, Incarnation, Member, NodeId, Peer, RecordId, Sequence, SessionId, Stamp,
        Subject, Time, TxnId,
    },
    memory::MemoryStore,
    message::{Begin, Branch, Intent, Message},
    operation::{Operation, Step},
    participant::{self, Participant, ParticipantConfig},
};
use std::{collections::BTreeMap, collections::VecDeque, time::Instant};

const CLIENTS: u64 = 64;
const TRANSACTIONS: u64 = 30_000;

struct Run {
    coordinator: Coordinator,
    participants: Vec<(Participant, MemoryStore)>,
    queue: VecDeque<(Peer, Peer, Message)>,
    out: Vec<(Peer, Message)>,
    through_codec: bool,
    now: Time,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let through_codec = arguments.iter().any(|argument| argument == "codec");
    let transactions = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(TRANSACTIONS);
    let (students, courses, driver) = (NodeId(1), NodeId(2), NodeId(3));
    let tables =
        BTreeMap::from([("student".to_string(), vec![students]), ("course".to_string(), vec![courses])]);
    let directory = Directory::new(tables, vec![students, courses]);
    let participants = [students, courses].map(|node| {
        let store = MemoryStore::new();
        let config = ParticipantConfig {
            node,
            boot: 1,
            started_s: 1,
            directory: directory.clone(),
            limits: participant::Limits::default(),
        };
        (Participant::recover(config, store.recover(), &store, Time(1)), store)
    });
    let config = CoordinatorConfig {
        node: driver,
        incarnation: Incarnation(1),
        directory: directory.clone(),
        limits: coordinator::Limits::default(),
    };
    let mut run = Run {
        coordinator: Coordinator::new(config),
        participants: participants.into(),
        queue: VecDeque::new(),
        out: Vec::new(),
        through_codec,
        now: Time(1),
    };
    for node in [students, courses] {
        run.coordinator.handle(run.now, Stamp(1), coordinator::Input::Up(node), &mut run.out);
    }
    let client = ClientName::new("bench")?;
    for connection in 0..CLIENTS {
        run.coordinator.handle(
            run.now,
            Stamp(1),
            coordinator::Input::ClientUp(connection, client.clone()),
            &mut run.out,
        );
        let begin = enrolment(&client, connection, 1)?;
        run.queue.push_back((Peer::Client(connection), Peer::Node(driver), begin));
    }
    let mut next = vec![2; CLIENTS as usize];
    let mut answered = 0;
    let mut messages = 0_u64;
    let start = Instant::now();
    while answered < transactions {
        let Some((from, to, message)) = run.queue.pop_front() else {
            run.tick(driver);
            continue;
        };
        messages += 1;
        match to {
            Peer::Client(connection) => {
                answered += 1;
                let sequence = &mut next[connection as usize];
                let begin = enrolment(&client, connection, *sequence)?;
                *sequence += 1;
                run.queue.push_back((to, Peer::Node(driver), begin));
            }
            Peer::Node(node) => run.deliver(from, node, driver, message),
        }
    }
    let us = start.elapsed().as_micros() as f64 / answered as f64;
    println!(
        "{us:.2} us per enrolment in all three machines, {:.1} messages each",
        messages as f64 / answered as f64
    );
    for (participant, _) in &run.participants {
        println!("{:?}", participant.sizes(run.now));
    }
    Ok(())
}

impl Run {
    fn deliver(&mut self, from: Peer, node: NodeId, driver: NodeId, message: Message) {
        self.now.0 += 1;
        if node == driver {
            let input = coordinator::Input::Message(from, message);
            self.coordinator.handle(self.now, Stamp(self.now.0), input, &mut self.out);
        } else {
            let (machine, store) = &mut self.participants[usize::from(node.0) - 1];
            machine.handle(self.now, participant::Input::Message(from, message), store, &mut self.out);
            if store.unsynced() > 64 {
                store.sync();
            } else {
                store.commit();
            }
        }
        self.post(node);
        if self.coordinator.next_wake().is_some_and(|due| due <= self.now) {
            self.tick(driver);
        }
    }

    fn tick(&mut self, driver: NodeId) {
        self.now.0 += 1000;
        self.coordinator.handle(self.now, Stamp(self.now.0), coordinator::Input::Tick, &mut self.out);
        self.post(driver);
        for index in 0..self.participants.len() {
            let (machine, store) = &mut self.participants[index];
            machine.handle(self.now, participant::Input::Tick, store, &mut self.out);
            self.post(NodeId(index as u16 + 1));
        }
    }

    fn post(&mut self, from: NodeId) {
        for (to, message) in self.out.drain(..) {
            let message = if self.through_codec {
                codec::decode(&codec::encode(&message)).expect("what was encoded decodes")
            } else {
                message
            };
            self.queue.push_back((Peer::Node(from), to, message));
        }
    }
}

/// Each client enrols students of its own, one after the other, in one of a hundred courses.
fn enrolment(
    client: &ClientName,
    connection: u64,
    sequence: u64,
) -> Result<Message, Box<dyn std::error::Error>> {
    let student = RecordId::new(&format!("student/s{connection}-{sequence}"))?;
    let course = RecordId::new(&format!("course/c{}", (connection * 31 + sequence) % 100))?;
    let insert =
        |record: &RecordId, field: &str, member: &str| -> Result<Operation, Box<dyn std::error::Error>> {
            let (field, member) = (FieldName::new(field)?, Member::new(member)?);
            Ok(Operation::Insert { record: record.clone(), field, member, max: Some(1_000_000) })
        };
    let credits = Operation::Add {
        record: student.clone(),
        field: FieldName::new("credits")?,
        delta: 6,
        min: Some(0),
        max: Some(60),
    };
    let steps = vec![
        Step { index: 0, operation: insert(&student, "schedule", course.id())? },
        Step { index: 1, operation: credits },
    ];
    let at_course = vec![Step { index: 2, operation: insert(&course, "roster", student.id())? }];
    let branches =
        vec![Branch { participant: NodeId(1), steps }, Branch { participant: NodeId(2), steps: at_course }];
    let txn = TxnId { client: client.clone(), session: SessionId(connection), sequence: Sequence(sequence) };
    Ok(Message::Begin(Box::new(Begin {
        subject: Subject { txn, digest: digest(&branches) },
        intent: Intent::First,
        stamp: Stamp(sequence),
        deadline_ms: 2000,
        watermark: Sequence(sequence),
        branches,
    })))
}
