//! Who takes part: names, the directory, the machines as they start, and the requests as messages.

use super::{
    config::{
        COORDINATORS_MAX, Content, FOR_EVER_MS, ModelConfig, PARTICIPANTS_MAX, Request, TRANSACTIONS_MAX,
    },
    letters,
};
use assent_protocol::{
    canonical::ORIGIN,
    coordinator::{self, Coordinator, CoordinatorConfig},
    digest::digest,
    directory::Directory,
    ids::{
        ClientName, FieldName, Incarnation, NodeId, Peer, RecordId, Sequence, SessionId, Stamp, Subject,
        TxnId,
    },
    memory::MemoryStore,
    message::{Begin, Branch, Intent, Message},
    operation::{Operation, Selection, Step, Value},
    participant::{self, Participant, ParticipantConfig},
};

/// Nodes, at most: participants first, then coordinators.
pub(super) const NODES_MAX: usize = PARTICIPANTS_MAX + COORDINATORS_MAX;
/// How the transcripts call participants, and the table that each of them holds.
const PARTICIPANTS: [(&str, &str); PARTICIPANTS_MAX] =
    [("students", "student"), ("courses", "course"), ("teachers", "teacher")];
/// Coordinators are numbered from here, participants from 1.
const COORDINATORS_FROM: u16 = 101;
/// All waits of the machines, in milliseconds.
const WAIT_MS: u64 = 100;
/// What would be due later than this never is, in milliseconds.
pub(super) const HORIZON_MS: u64 = 1_000;
/// What is due later than this comes in fair continuations only, in milliseconds.
pub(super) const NEAR_MS: u64 = 200;
/// The client's connection to each coordinator.
pub(super) const CLIENT: Peer = Peer::Client(1);
/// The wall clock, in microseconds. It stands still: it is only ever used as an age.
pub(super) const WALL: Stamp = Stamp(1_000_000_000);

/// One transaction that clients ask for: an id with a content.
pub(super) struct Transaction {
    pub(super) subject: Subject,
    /// The request that names its content.
    pub(super) request: Request,
}

pub(super) struct Cast {
    pub(super) config: ModelConfig,
    pub(super) transactions: Vec<Transaction>,
    directory: Directory,
    client: ClientName,
}

impl Cast {
    pub(super) fn new(config: &ModelConfig) -> Self {
        let participants: Vec<NodeId> = (1..).map(NodeId).take(config.participants).collect();
        let tables =
            PARTICIPANTS.iter().zip(&participants).map(|((_, table), node)| ((*table).into(), vec![*node]));
        let mut cast = Cast {
            config: config.clone(),
            transactions: Vec::new(),
            directory: Directory::new(tables.collect(), participants),
            client: ClientName::new("a").expect("a letter is a name"),
        };
        for request in &config.requests {
            let subject = cast.subject(request);
            if cast.transaction(&subject).is_none() {
                cast.transactions.push(Transaction { subject, request: request.clone() });
            }
        }
        assert!(cast.transactions.len() <= TRANSACTIONS_MAX, "more transactions than a state has room for");
        cast
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.config.participants + self.config.coordinators
    }

    pub(super) fn is_participant(&self, node: usize) -> bool {
        node < self.config.participants
    }

    pub(super) fn id(&self, node: usize) -> NodeId {
        let number = u16::try_from(node).expect("there are few nodes");
        match number.checked_sub(u16::try_from(self.config.participants).expect("there are few nodes")) {
            Some(coordinator) => NodeId(COORDINATORS_FROM + coordinator),
            None => NodeId(1 + number),
        }
    }

    pub(super) fn node(&self, id: NodeId) -> usize {
        match id.0.checked_sub(COORDINATORS_FROM) {
            Some(coordinator) => self.config.participants + usize::from(coordinator),
            None => usize::from(id.0) - 1,
        }
    }

    pub(super) fn name(&self, node: usize) -> String {
        match node.checked_sub(self.config.participants) {
            Some(coordinator) => format!("coordinator-{}", coordinator + 1),
            None => PARTICIPANTS[node].0.to_string(),
        }
    }

    /// Whether any transaction sends messages.
    pub(super) fn sends(&self) -> bool {
        self.config.requests.iter().any(|request| request.sends > 0)
    }

    /// Whether any transaction writes nothing.
    pub(super) fn looks(&self) -> bool {
        self.config.requests.iter().any(|request| !request.writes())
    }

    /// A participant's disk before it starts for the first time: the mailbox is there.
    pub(super) fn disk(&self, node: usize) -> MemoryStore {
        let mut store = MemoryStore::new();
        if self.sends() && node == letters::DESTINATION {
            letters::create_mailbox(&self.directory, self.config.depth_max, &mut store);
        }
        store
    }

    /// The transaction that a subject names, by its place.
    pub(super) fn transaction(&self, subject: &Subject) -> Option<usize> {
        self.transactions.iter().position(|transaction| transaction.subject == *subject)
    }

    /// The bit of a transaction by its place; none of one that writes nothing: nobody has to hold anything of it.
    pub(super) fn written(&self, place: usize) -> u8 {
        if self.transactions[place].request.writes() { 1 << place } else { 0 }
    }

    /// Which record it is about, on a participant that is on its list.
    pub(super) fn record(&self, transaction: &Transaction, participant: usize) -> Option<RecordId> {
        let request = &transaction.request;
        (participant < request.participants).then(|| record(participant, request.record))
    }

    fn branches(&self, request: &Request) -> Vec<Branch> {
        let branch = |participant: usize| {
            let index = u16::try_from(2 * participant).expect("there are few participants");
            let record = record(participant, request.record);
            let append = || Step {
                index,
                operation: Operation::Append {
                    record: record.clone(),
                    field: field(),
                    value: Value::Int(request.value),
                },
            };
            let read = || Step {
                index: index + 1,
                operation: Operation::Read { record: record.clone(), what: Selection::Field(field()) },
            };
            let mut steps = match request.content {
                Content::Append => vec![append()],
                Content::AppendAndRead => vec![append(), read()],
                Content::Read => vec![read()],
            };
            if participant == letters::SOURCE {
                steps.extend(letters::sends(&self.directory, request, &record));
            }
            Branch { participant: self.id(participant), steps }
        };
        (0..request.participants).map(branch).collect()
    }

    /// Of which participant an operation is, by its index in the transaction.
    pub(super) fn participant_of(&self, operation: u16) -> usize {
        usize::from(operation) / 2
    }

    fn subject(&self, request: &Request) -> Subject {
        let txn = TxnId {
            client: self.client.clone(),
            session: SessionId(1),
            sequence: Sequence(request.sequence),
        };
        Subject { txn, digest: digest(&self.branches(request)) }
    }

    pub(super) fn begin(&self, request: usize) -> Message {
        let request = &self.config.requests[request];
        Message::Begin(Box::new(Begin {
            subject: self.subject(request),
            intent: request.intent,
            stamp: Stamp(WALL.0 - 1_000 + request.stamp),
            deadline_ms: self.config.deadline_ms,
            watermark: Sequence(request.watermark),
            branches: self.branches(request),
        }))
    }

    pub(super) fn participant(&self, node: usize, starts: u8, store: &MemoryStore) -> Participant {
        let limits = participant::Limits {
            vote_age_ms: WAIT_MS,
            sponsor_patience_ms: WAIT_MS,
            retry_ms: WAIT_MS,
            wound_delay_ms: WAIT_MS / 2,
            waiting_max: 4,
            gather_ms: 0,
            exchange_ms: self.config.exchange_ms,
            session_idle_ms: FOR_EVER_MS,
            relay_retry_ms: WAIT_MS,
            ..participant::Limits::default()
        };
        let config = ParticipantConfig {
            node: self.id(node),
            boot: u64::from(starts),
            started_s: 0,
            directory: self.directory.clone(),
            limits,
        };
        Participant::recover(config, store.recover(), store, ORIGIN)
    }

    pub(super) fn coordinator(&self, node: usize, starts: u8) -> Coordinator {
        let limits = coordinator::Limits {
            retry_ms: WAIT_MS,
            sponsor_patience_ms: WAIT_MS,
            tells_max: self.config.tells_max,
            tell_again_ms: if self.config.tells_max == 0 { FOR_EVER_MS } else { HORIZON_MS },
            settle_ms: self.config.settle_ms,
            gather_ms: 0,
            ..coordinator::Limits::default()
        };
        let mut coordinator = Coordinator::new(CoordinatorConfig {
            node: self.id(node),
            incarnation: Incarnation(u128::from(starts)),
            directory: self.directory.clone(),
            limits,
        });
        let client = coordinator::Input::ClientUp(1, self.client.clone());
        coordinator.handle(ORIGIN, WALL, client, &mut Vec::new());
        coordinator
    }

    pub(super) fn first_intent(&self, request: usize) -> Intent {
        self.config.requests[request].intent
    }
}

fn record(participant: usize, id: &str) -> RecordId {
    RecordId::new(&format!("{}/{id}", PARTICIPANTS[participant].1)).expect("table/id is a record")
}

pub(super) fn field() -> FieldName {
    FieldName::new("items").expect("a word is a field")
}
