//! The workload of messages: transactions that change records and send, and consumers that process what arrives: one commit
//! for the effect, the acknowledgement and the message that is sent on; or acknowledged plainly; or on receipt.
//!
//! Values in the history: a send is `[[v mailbox key from] …]` with -1 for no key; processing is `[v mailbox]`; a read of
//! effects is `[mailbox key [v …]]`, in the order in which they took effect. An effect is an item in a list of its key.

mod check;

use crate::{
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Manner, Taking, Workload},
};
use assent_protocol::{
    ids::{FieldName, RecordId},
    mail::{Draft, Mailbox, MessageKey},
    message::Delivery,
    operation::{FieldContent, Operation, ReadResult, Selection, Value as Stored},
};
use std::{collections::BTreeMap, sync::Arc};

/// Transactional, and sends on to the next.
const WORK: usize = 0;
/// Transactional.
const SECOND: usize = 1;
/// Acknowledged plainly: at least once.
const PLAIN: usize = 2;
/// Acknowledged on receipt: at most once.
const RECEIPT: usize = 3;
const MAILBOXES: [&str; 4] = ["work", "second", "plain", "receipt"];
const KEYS: i64 = 3;
const SOURCES: u64 = 3;
/// A message without a key.
const KEYLESS: i64 = -1;
/// So many failures nobody has: order is kept, which dead letters leave.
const NEVER: i64 = 1_000_000;

/// What a run is about.
#[derive(Clone, Debug)]
struct Plan {
    consumers: Vec<usize>,
    lease_ms: u32,
    max: u16,
    depth_max: i64,
    deliveries_max: i64,
    /// The first mailbox is created when somebody asks for it.
    late: bool,
    keyless_per_mille: u64,
    delay_per_mille: u64,
    sends_only_per_mille: u64,
    sends_on: bool,
}

impl Plan {
    fn drawn(random: &mut Random) -> Plan {
        let mut consumers = vec![WORK, SECOND];
        if random.chance(500) {
            consumers.push(WORK);
        }
        if random.chance(300) {
            consumers.push(PLAIN);
        }
        if random.chance(200) {
            consumers.push(RECEIPT);
        }
        Plan {
            consumers,
            lease_ms: *random.pick(&[5, 30, 200, 1_000]),
            max: 1 + random.below(4) as u16,
            depth_max: if random.chance(300) { 1 + random.below(4) as i64 } else { 10_000 },
            deliveries_max: if random.chance(250) { 1 + random.below(3) as i64 } else { NEVER },
            late: random.chance(200),
            keyless_per_mille: *random.pick(&[0, 200, 1_000]),
            delay_per_mille: *random.pick(&[0, 0, 200]),
            sends_only_per_mille: *random.pick(&[0, 200, 700]),
            sends_on: random.chance(700),
        }
    }
}

/// The workload. One for each run.
#[derive(Default)]
pub struct Messages {
    plan: Option<Plan>,
    next_unique: i64,
}

impl Messages {
    fn plan(&self) -> &Plan {
        self.plan.as_ref().expect("consumers are asked for first")
    }

    fn settings(&self, mailbox: usize, depth_max: i64) -> Vec<Operation> {
        let settings = [
            ("depth_max", depth_max),
            ("deliveries_max", self.plan().deliveries_max),
            ("backoff_ms", 5),
            ("backoff_ms_max", 50),
        ];
        let record = mailbox_of(mailbox).record().clone();
        let set = |(name, value): (&str, i64)| Operation::Set {
            record: record.clone(),
            field: field(name),
            value: Stored::Int(value),
        };
        settings.into_iter().map(set).collect()
    }

    fn create(&self, mailbox: usize, depth_max: i64) -> Invocation {
        Invocation::new("settings", Value::Int(mailbox as i64), self.settings(mailbox, depth_max))
    }
}

impl Workload for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn consumes(&mut self, consumer: u64, random: &mut Random) -> Option<Taking> {
        let plan = self.plan.get_or_insert_with(|| Plan::drawn(random));
        let mailbox = *plan.consumers.get(consumer as usize)?;
        let manner = match mailbox {
            PLAIN => Manner::Plain,
            RECEIPT => Manner::OnReceipt,
            _ => Manner::Transaction,
        };
        Some(Taking { mailbox: mailbox_of(mailbox), manner, lease_ms: plan.lease_ms, max: plan.max })
    }

    fn first(&mut self) -> Vec<Invocation> {
        let plan = self.plan().clone();
        let mut mailboxes: Vec<usize> = (0..MAILBOXES.len()).filter(|m| plan.consumers.contains(m)).collect();
        mailboxes.retain(|mailbox| !(plan.late && *mailbox == WORK));
        mailboxes.into_iter().map(|mailbox| self.create(mailbox, plan.depth_max)).collect()
    }

    fn next(&mut self, _process: u64, random: &mut Random) -> Option<Invocation> {
        let plan = self.plan().clone();
        let from = random.below(SOURCES);
        let mut operations = Vec::new();
        if !random.chance(plan.sends_only_per_mille) {
            for source in [from, random.below(SOURCES)] {
                let (record, value) = (source_of(source), Stored::Int(self.next_unique));
                operations.push(Operation::Append { record, field: field("sent"), value });
            }
            operations.truncate(1 + random.below(2) as usize);
        }
        let mut sends = Vec::new();
        for _ in 0..1 + random.below(3) {
            self.next_unique += 1;
            let mailbox = *random.pick(&plan.consumers);
            let keyless = random.chance(plan.keyless_per_mille);
            let key = if keyless { KEYLESS } else { random.below(KEYS as u64) as i64 };
            let delay_ms = if random.chance(plan.delay_per_mille) { random.below(100) as u32 } else { 0 };
            operations.push(send(source_of(from), mailbox, key, self.next_unique, delay_ms));
            let told = [self.next_unique, mailbox as i64, key, from as i64];
            sends.push(Value::Vector(told.into_iter().map(Value::Int).collect()));
        }
        Some(Invocation::new("send", Value::Vector(sends), operations))
    }

    fn process(&mut self, taking: &Taking, delivery: &Delivery) -> Invocation {
        let mailbox = MAILBOXES.iter().position(|name| *name == taking.mailbox.name()).unwrap_or(WORK);
        let draft = &delivery.envelope.draft;
        let value = String::from_utf8_lossy(&draft.payload).parse().unwrap_or(i64::MIN);
        let key = draft.key.as_ref().map_or(KEYLESS, |key| key.as_str().parse().unwrap_or(i64::MIN));
        let mut operations = Vec::new();
        if let (Manner::Transaction, Some(lease)) = (taking.manner, delivery.lease) {
            let (mailbox, position) = (taking.mailbox.clone(), delivery.position);
            operations.push(Operation::Acknowledge { mailbox, position, lease });
        }
        let record = effect_of(mailbox, key);
        if mailbox == WORK && self.plan().sends_on {
            operations.push(send(record.clone(), SECOND, key, value, 0));
        }
        operations.push(Operation::Append { record, field: field("done"), value: Stored::Int(value) });
        let told = Value::Vector(vec![Value::Int(value), Value::Int(mailbox as i64)]);
        Invocation::new("process", told, operations)
    }

    fn tend(&mut self, taking: &Taking) -> Option<Invocation> {
        let mailbox = MAILBOXES.iter().position(|name| *name == taking.mailbox.name())?;
        // Room for everything: an outbox that is full of what waits for a full mailbox must come to its end.
        Some(self.create(mailbox, 10_000))
    }

    fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        let Completion::Committed(results) = completion else { return invocation.value.clone() };
        match (invocation.f.as_str(), &invocation.value, results.first()) {
            ("effects", Value::Vector(told), Some(result)) => {
                let mut told = told.clone();
                told.push(integers(result));
                Value::Vector(told)
            }
            _ => invocation.value.clone(),
        }
    }

    fn last(&mut self) -> Vec<Invocation> {
        let read = |(mailbox, key): (usize, i64)| {
            let read =
                Operation::Read { record: effect_of(mailbox, key), what: Selection::Field(field("done")) };
            Invocation::new(
                "effects",
                Value::Vector(vec![Value::Int(mailbox as i64), Value::Int(key)]),
                vec![read],
            )
        };
        let all = (0..MAILBOXES.len()).filter(|mailbox| self.plan().consumers.contains(mailbox));
        all.flat_map(|mailbox| (KEYLESS..KEYS).map(move |key| (mailbox, key))).map(read).collect()
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        let plan = self.plan();
        vec![check::check(history, plan.deliveries_max == NEVER, plan.sends_on)]
    }
}

fn send(from: RecordId, mailbox: usize, key: i64, value: i64, delay_ms: u32) -> Operation {
    let key = (key != KEYLESS).then(|| MessageKey::new(&key.to_string()).expect("a number is a key"));
    let (mailbox, payload) = (mailbox_of(mailbox), value.to_string().into_bytes());
    let draft = Draft { mailbox, key, headers: BTreeMap::new(), payload, delay_ms };
    Operation::Send { from, draft: Arc::new(draft) }
}

fn mailbox_of(mailbox: usize) -> Mailbox {
    Mailbox::new(MAILBOXES[mailbox]).expect("a word is a mailbox")
}

fn record(text: &str) -> RecordId {
    RecordId::new(text).expect("a table with an id is a record")
}

fn field(text: &str) -> FieldName {
    FieldName::new(text).expect("a word is a field")
}

fn source_of(source: u64) -> RecordId {
    record(&format!("source/s{source}"))
}

fn effect_of(mailbox: usize, key: i64) -> RecordId {
    record(&format!("effect/{}{key}", MAILBOXES[mailbox]))
}

fn integers(result: &ReadResult) -> Value {
    let items = match result {
        ReadResult::Field(Some(FieldContent::List(items))) => items.as_slice(),
        _ => &[],
    };
    let integer = |item: &Stored| if let Stored::Int(value) = item { *value } else { i64::MIN };
    Value::Vector(items.iter().map(|item| Value::Int(integer(item))).collect())
}
