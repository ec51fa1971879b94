//! Mailboxes as records: what a mailbox may hold, and who may use it. Made and changed by ordinary transactions.

use crate::{names::Named, transaction::Transaction};
use assent_protocol::{
    ids::{ClientName, FieldName, InvalidName, Member, RecordId},
    mail::{Mailbox, settings},
    operation::{FieldContent, Operation, RecordContent, Value},
};
use std::{collections::BTreeSet, time::Duration};

/// The settings of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailboxSettings {
    /// Messages that it may hold; more wait in the outboxes of their sources. Default: 100,000. Each takes some 150 bytes
    /// of memory beside its place on the disk.
    pub depth_max: u64,
    /// Failed deliveries of one message before it becomes a dead letter. Default: 10.
    pub deliveries_max: u64,
    /// How long a message rests after its first failed delivery; twice as long after each further one. Default: 100 ms.
    pub backoff: Duration,
    /// The longest rest. Default: 60 s.
    pub backoff_max: Duration,
    /// The clients that may receive, finish and manage. Default: none are named, and everybody may. If all that were named
    /// are taken away, nobody may.
    pub consumers: Option<BTreeSet<ClientName>>,
}

impl Default for MailboxSettings {
    fn default() -> MailboxSettings {
        let number = |(_, default): (&str, i64)| u64::try_from(default).unwrap_or(0);
        MailboxSettings {
            depth_max: number(settings::DEPTH_MAX),
            deliveries_max: number(settings::DELIVERIES_MAX),
            backoff: Duration::from_millis(number(settings::BACKOFF_MS)),
            backoff_max: Duration::from_millis(number(settings::BACKOFF_MS_MAX)),
            consumers: None,
        }
    }
}

impl MailboxSettings {
    /// What the record of a mailbox says. A setting that is missing, or no number, has its default.
    pub fn from_record(content: &RecordContent) -> MailboxSettings {
        let field = |name: &str| {
            content.fields.iter().find(|(field, _)| field.as_str() == name).map(|(_, content)| content)
        };
        let number = |(name, default): (&str, i64)| {
            let number = match field(name) {
                Some(FieldContent::Value(Value::Int(number))) => *number,
                Some(_) | None => default,
            };
            u64::try_from(number).unwrap_or(0)
        };
        let consumers = match field(settings::CONSUMERS) {
            // A member that is no client's name is nobody's.
            Some(FieldContent::Set(members)) => {
                Some(members.iter().filter_map(|member| ClientName::new(member.as_str()).ok()).collect())
            }
            Some(_) | None => None,
        };
        MailboxSettings {
            depth_max: number(settings::DEPTH_MAX),
            deliveries_max: number(settings::DELIVERIES_MAX),
            backoff: Duration::from_millis(number(settings::BACKOFF_MS)),
            backoff_max: Duration::from_millis(number(settings::BACKOFF_MS_MAX)),
            consumers,
        }
    }

    fn numbers(&self) -> [(&'static str, i64); 4] {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        [
            (settings::DEPTH_MAX.0, count(self.depth_max)),
            (settings::DELIVERIES_MAX.0, count(self.deliveries_max)),
            (settings::BACKOFF_MS.0, ms(self.backoff)),
            (settings::BACKOFF_MS_MAX.0, ms(self.backoff_max)),
        ]
    }
}

impl Transaction {
    /// Makes a mailbox; refused if there is one of this name. It exists as soon as the transaction has committed, and may be
    /// sent to in this very transaction. To name consumers that are nobody is an error.
    pub fn create_mailbox(self, mailbox: impl Named<Mailbox>, settings: &MailboxSettings) -> Self {
        let mailbox = match mailbox.named() {
            Ok(mailbox) => mailbox,
            Err(error) => return self.with(|| Err(error)),
        };
        if settings.consumers.as_ref().is_some_and(BTreeSet::is_empty) {
            let why = "it names its consumers, and there is none";
            let text = mailbox.name().to_owned();
            return self.with(|| Err(InvalidName { what: "mailbox", text, why }));
        }
        settings.write(mailbox.record(), self.require_absent(mailbox.record()))
    }

    /// Changes what differs between two settings of a mailbox that has this version, as both were read.
    pub(crate) fn change_mailbox(
        self,
        mailbox: &Mailbox,
        version: u64,
        old: &MailboxSettings,
        new: &MailboxSettings,
    ) -> Self {
        let record = mailbox.record();
        let mut change = self.require_version(record, version);
        if old.consumers.is_some() && new.consumers.is_none() {
            // A set can be emptied, but it goes away only with its record.
            return new.write(record, change.delete(record));
        }
        for ((name, old), (_, new)) in old.numbers().into_iter().zip(new.numbers()) {
            if old != new {
                change = change.set(record, name, new);
            }
        }
        let none = BTreeSet::new();
        let (had, has) = (old.consumers.as_ref().unwrap_or(&none), new.consumers.as_ref().unwrap_or(&none));
        let change =
            has.difference(had).fold(change, |change, name| change.push(consumer(record, name, true)));
        had.difference(has).fold(change, |change, name| change.push(consumer(record, name, false)))
    }
}

impl MailboxSettings {
    fn write(&self, record: &RecordId, transaction: Transaction) -> Transaction {
        let numbers = self.numbers().into_iter();
        let transaction = numbers.fold(transaction, |all, (name, number)| all.set(record, name, number));
        let consumers = self.consumers.iter().flatten();
        consumers.fold(transaction, |all, name| all.push(consumer(record, name, true)))
    }
}

fn consumer(record: &RecordId, name: &ClientName, may: bool) -> Operation {
    let field = FieldName::new(settings::CONSUMERS).expect("it is a valid name");
    let member = Member::new(name.as_str()).expect("a client's name is a valid member");
    let record = record.clone();
    match may {
        true => Operation::Insert { record, field, member, max: None },
        false => Operation::Remove { record, field, member, min: None },
    }
}
