//! The workload of messages: transactions that change records and send, and consumers that process what arrives: one commit
//! for the effect, the acknowledgement and the message that is sent on; or acknowledged plainly; or on receipt.
//!
//! Mailboxes `work`, `second`, `plain` and `receipt`, as many of them as the run's plan wants. An effect is an item in a list of
//! its mailbox and key, in records `effect/…`, field `done`; a list ends where the next thousands of messages begin.
//!
//! | `:f` | `:value` | |
//! | --- | --- | --- |
//! | `:settings` | `{:mailbox :work :finish :transaction :ordered true :sends-on :second}` | makes or changes a mailbox; says how its messages are finished (`:transaction`, `:plain`, `:on-receipt`), whether their order is kept, and where they are sent on to |
//! | `:send` | `[[number mailbox key from] …]` | key nil for none; `from` is the record from whose participant it is sent |
//! | `:process` | `[number mailbox]` | the effect, and what belongs to it |
//! | `:receive` | `[mailbox nil]`, then `[mailbox [number …]]` | of real clusters: what a consumer was given |
//! | `:acknowledge` | `[number mailbox]` | of real clusters: after the effect |
//! | `:effects` | `[mailbox key nil]`, then `[mailbox key [[number …] …]]` | at the end: all lists of a mailbox and key, in the order in which messages took effect |

mod plan;

use super::values::{field, map, word};
use crate::{
    checkers,
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Manner, Taking, Workload},
};
use assent_protocol::{
    ids::RecordId,
    mail::{Draft, Mailbox, MessageKey},
    message::Delivery,
    operation::{FieldContent, Operation, ReadResult, Selection, Value as Stored},
};
use plan::{DEPTH_MAX, Plan};
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
/// Messages of which the effects are in lists of their own: more would make long lists, which are written whole.
const PAGE: i64 = 4_000;

/// The workload. One for each run.
#[derive(Default)]
pub struct Messages {
    plan: Plan,
    drawn: bool,
    next_unique: i64,
}

impl Messages {
    fn settings(&self, mailbox: usize, depth_max: i64) -> Vec<Operation> {
        let settings = [
            ("depth_max", depth_max),
            ("deliveries_max", self.plan.deliveries_max),
            ("backoff_ms", 5),
            ("backoff_ms_max", 50),
        ];
        let record = mailbox_of(mailbox).record().clone();
        let set = |(name, value): (&'static str, i64)| Operation::Set {
            record: record.clone(),
            field: field(name),
            value: Stored::Int(value),
        };
        settings.into_iter().map(set).collect()
    }

    fn create(&self, mailbox: usize, depth_max: i64) -> Invocation {
        let finish = match manner_of(mailbox) {
            Manner::Transaction => "transaction",
            Manner::Plain => "plain",
            Manner::OnReceipt => "on-receipt",
        };
        let sends_on = if self.sends_on(mailbox) { word(MAILBOXES[SECOND]) } else { Value::Nil };
        let told = map([
            ("mailbox", word(MAILBOXES[mailbox])),
            ("finish", word(finish)),
            ("ordered", Value::Bool(self.plan.is_ordered())),
            ("sends-on", sends_on),
        ]);
        Invocation::new("settings", told, self.settings(mailbox, depth_max))
    }

    fn sends_on(&self, mailbox: usize) -> bool {
        mailbox == WORK && self.plan.sends_on
    }

    /// All lists of effects of a mailbox and key.
    fn read(&self, mailbox: usize, key: i64) -> Invocation {
        let pages = 0..=self.next_unique / PAGE;
        let read = |page| Operation::Read {
            record: effect_of(mailbox, key, page),
            what: Selection::Field(field("done")),
        };
        let told = vec![word(MAILBOXES[mailbox]), key_value(key), Value::Nil];
        Invocation::new("effects", Value::Vector(told), pages.map(read).collect())
    }
}

impl Workload for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn consumes(&mut self, consumer: u64, random: &mut Random) -> Option<Taking> {
        if !std::mem::replace(&mut self.drawn, true) {
            self.plan = Plan::drawn(random);
        }
        let mailbox = *self.plan.consumers.get(usize::try_from(consumer).ok()?)?;
        let Plan { lease_ms, max, .. } = self.plan;
        Some(Taking { mailbox: mailbox_of(mailbox), manner: manner_of(mailbox), lease_ms, max })
    }

    fn first(&mut self) -> Vec<Invocation> {
        let mut mailboxes = self.plan.mailboxes();
        mailboxes.retain(|mailbox| !(self.plan.late && *mailbox == WORK));
        mailboxes.into_iter().map(|mailbox| self.create(mailbox, self.plan.depth_max)).collect()
    }

    fn next(&mut self, _process: u64, random: &mut Random) -> Option<Invocation> {
        let from = random.below(SOURCES);
        let mut operations = Vec::new();
        if !random.chance(self.plan.sends_only_per_mille) {
            for source in [from, random.below(SOURCES)] {
                let (record, value) = (source_of(source), Stored::Int(self.next_unique));
                operations.push(Operation::Append { record, field: field("sent"), value });
            }
            operations.truncate(1 + random.below(2) as usize);
        }
        let mut sends = Vec::new();
        for _ in 0..1 + random.below(3) {
            self.next_unique += 1;
            let mailbox = *random.pick(&self.plan.consumers);
            let keyless = random.chance(self.plan.keyless_per_mille);
            let key = if keyless { KEYLESS } else { random.below(KEYS as u64) as i64 };
            let delayed = random.chance(self.plan.delay_per_mille);
            let delay_ms = if delayed { random.below(100) as u32 } else { 0 };
            operations.push(send(source_of(from), mailbox, key, self.next_unique, delay_ms));
            let (number, from) = (Value::Int(self.next_unique), Value::Int(from as i64));
            sends.push(Value::Vector(vec![number, word(MAILBOXES[mailbox]), key_value(key), from]));
        }
        Some(Invocation::new("send", Value::Vector(sends), operations))
    }

    fn process(&mut self, taking: &Taking, delivery: &Delivery) -> Invocation {
        let mailbox = MAILBOXES.iter().position(|name| *name == taking.mailbox.name()).unwrap_or(WORK);
        let draft = &delivery.envelope.draft;
        let number = number_of(delivery);
        let key = draft.key.as_ref().map_or(KEYLESS, |key| key.as_str().parse().unwrap_or(i64::MIN));
        let mut operations = Vec::new();
        if let (Manner::Transaction, Some(lease)) = (taking.manner, delivery.lease) {
            let (mailbox, position) = (taking.mailbox.clone(), delivery.position);
            operations.push(Operation::Acknowledge { mailbox, position, lease });
        }
        let record = effect_of(mailbox, key, number / PAGE);
        if self.sends_on(mailbox) {
            operations.push(send(record.clone(), SECOND, key, number, 0));
        }
        operations.push(Operation::Append { record, field: field("done"), value: Stored::Int(number) });
        let told = Value::Vector(vec![Value::Int(number), word(MAILBOXES[mailbox])]);
        Invocation::new("process", told, operations)
    }

    fn told(&self, delivery: &Delivery) -> Value {
        Value::Int(number_of(delivery))
    }

    fn tend(&mut self, taking: &Taking) -> Option<Invocation> {
        let mailbox = MAILBOXES.iter().position(|name| *name == taking.mailbox.name())?;
        // Room for everything: an outbox that is full of what waits for a full mailbox must come to its end.
        Some(self.create(mailbox, DEPTH_MAX))
    }

    fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        match (invocation.f.as_str(), &invocation.value, completion) {
            ("effects", Value::Vector(asked), Completion::Committed(results)) => {
                let pages = if results.len() == invocation.operations.len() {
                    Value::Vector(results.iter().map(numbers).collect())
                } else {
                    word("missing")
                };
                Value::Vector(asked.iter().take(2).cloned().chain([pages]).collect())
            }
            _ => invocation.value.clone(),
        }
    }

    fn last(&mut self) -> Vec<Invocation> {
        let of = |mailbox| (KEYLESS..KEYS).map(move |key| (mailbox, key));
        let all = self.plan.mailboxes().into_iter().flat_map(of);
        all.map(|(mailbox, key)| self.read(mailbox, key)).collect()
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        vec![checkers::messages::check(history)]
    }
}

fn send(from: RecordId, mailbox: usize, key: i64, value: i64, delay_ms: u32) -> Operation {
    let key = (key != KEYLESS).then(|| MessageKey::new(&key.to_string()).expect("a number is a key"));
    let (mailbox, payload) = (mailbox_of(mailbox), value.to_string().into_bytes());
    let draft = Draft { mailbox, key, headers: BTreeMap::new(), payload, delay_ms };
    Operation::Send { from, draft: Arc::new(draft) }
}

fn manner_of(mailbox: usize) -> Manner {
    match mailbox {
        PLAIN => Manner::Plain,
        RECEIPT => Manner::OnReceipt,
        _ => Manner::Transaction,
    }
}

fn mailbox_of(mailbox: usize) -> Mailbox {
    Mailbox::new(MAILBOXES[mailbox]).expect("a word is a mailbox")
}

fn record(text: &str) -> RecordId {
    RecordId::new(text).expect("a table with an id is a record")
}

fn source_of(source: u64) -> RecordId {
    record(&format!("source/s{source}"))
}

fn effect_of(mailbox: usize, key: i64, page: i64) -> RecordId {
    let of = format!("effect/{}{key}", MAILBOXES[mailbox]);
    record(&if page == 0 { of } else { format!("{of}.{page}") })
}

fn key_value(key: i64) -> Value {
    if key == KEYLESS { Value::Nil } else { Value::Int(key) }
}

/// The number that a message says; of one that no client here has sent, one that nobody sends.
fn number_of(delivery: &Delivery) -> i64 {
    String::from_utf8_lossy(&delivery.envelope.draft.payload).parse().unwrap_or(i64::MIN)
}

fn numbers(result: &ReadResult) -> Value {
    let items = match result {
        ReadResult::Field(Some(FieldContent::List(items))) => items.as_slice(),
        _ => &[],
    };
    let number = |item: &Stored| if let Stored::Int(value) = item { *value } else { i64::MIN };
    Value::Vector(items.iter().map(|item| Value::Int(number(item))).collect())
}
