//! The keys of the database: the only place that knows their bytes.
//!
//! Every key starts with a tag that says what it is. Tags are only ever added; a retired one stays reserved. Names
//! inside a key are preceded by their length, so that the keys of one record or field share a prefix that no key of
//! another has, except for the last name, which runs to the end and so keeps its order.
//!
//! | tag | column family | key | value |
//! | --- | --- | --- | --- |
//! | 0x01 | meta | what | see `identity.rs` |
//! | 0x08 | records | record | its row: version and small fields, see `rows.rs` |
//! | 0x10 | content | record length, record, field | a field that is not in the row |
//! | 0x11 | content | record length, record, field length, field, index | item |
//! | 0x12 | content | record length, record, field length, field, member | empty |
//! | 0x20 | transactions | client length, client, session, sequence | what is held |
//! | 0x30 | sessions | client length, client, session | watermark |
//! | 0x31 | sessions | client | ended sessions |
//! | 0x32 | sessions | client | granted sessions |
//! | 0x40 | messages | mailbox, 0, number | a released message, see `mail.rs` |
//! | 0x41 | messages | mailbox, 0, place | a message in a mailbox |
//! | 0x42 | messages | mailbox, 0, place | a dead letter |
//! | 0x43 | messages | place of the vote, operation | a message that waits |
//! | 0x50 | streams | mailbox, 0 | up to where a stream has been acknowledged |
//! | 0x51 | streams | mailbox, 0, source | how far a stream has arrived |
//! | 0x52 | streams | mailbox, 0 | where a mailbox begins and ends |
//!
//! The family `bodies` has keys of `messages`. No name of a mailbox holds a zero: their keys sort as their names do. Numbers are big endian, so that keys sort as the numbers do.

use assent_protocol::{
    ids::{ClientName, FieldName, InvalidName, Member, NodeId, RecordId, Sequence, SessionId, TxnId},
    mail::{Mailbox, VotePosition},
};

const META: u8 = 0x01;
const RECORD: u8 = 0x08;
const FIELD: u8 = 0x10;
const ITEM: u8 = 0x11;
const MEMBER: u8 = 0x12;
const TXN: u8 = 0x20;
const WATERMARK: u8 = 0x30;
const CLIENT: u8 = 0x31;
const GRANT: u8 = 0x32;
const OUTGOING: u8 = 0x40;
const MESSAGE: u8 = 0x41;
const DEAD: u8 = 0x42;
const WAITING: u8 = 0x43;
const ACKNOWLEDGED: u8 = 0x50;
const ARRIVED: u8 = 0x51;
const MARK: u8 = 0x52;

/// The column families, by name.
pub(crate) mod families {
    pub(crate) const META: &str = "meta";
    pub(crate) const RECORDS: &str = "records";
    pub(crate) const CONTENT: &str = "content";
    pub(crate) const TRANSACTIONS: &str = "transactions";
    pub(crate) const SESSIONS: &str = "sessions";
    pub(crate) const MESSAGES: &str = "messages";
    pub(crate) const BODIES: &str = "bodies";
    pub(crate) const STREAMS: &str = "streams";
    pub(crate) const ALL: [&str; 8] =
        [META, RECORDS, CONTENT, TRANSACTIONS, SESSIONS, MESSAGES, BODIES, STREAMS];
}

/// What a mailbox has many of, each under a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Numbered {
    Outgoing,
    Message,
    Dead,
}

impl Numbered {
    fn tag(self) -> u8 {
        match self {
            Numbered::Outgoing => OUTGOING,
            Numbered::Message => MESSAGE,
            Numbered::Dead => DEAD,
        }
    }
}

/// A buffer in which keys are built, one after the other.
#[derive(Default)]
pub(crate) struct Key(Vec<u8>);

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Key {
    fn start(&mut self, tag: u8) -> &mut Self {
        self.0.clear();
        self.0.push(tag);
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn long_name(&mut self, name: &str) -> &mut Self {
        // The types of names keep them far shorter than this.
        let bytes = u16::try_from(name.len()).expect("a checked name is at most 256 bytes");
        self.raw(&bytes.to_be_bytes()).raw(name.as_bytes())
    }

    fn short_name(&mut self, name: &str) -> &mut Self {
        let bytes = u8::try_from(name.len()).expect("a checked name is at most 64 bytes");
        self.raw(&[bytes]).raw(name.as_bytes())
    }

    pub(crate) fn meta(&mut self, what: &str) -> &mut Self {
        self.start(META).raw(what.as_bytes())
    }

    pub(crate) fn record(&mut self, record: &RecordId) -> &mut Self {
        self.start(RECORD).raw(record.as_str().as_bytes())
    }

    /// The first key that a record of this table can have; with no table, that any record can have.
    pub(crate) fn records_of(&mut self, table: Option<&str>) -> &mut Self {
        self.start(RECORD);
        if let Some(table) = table {
            self.raw(table.as_bytes()).raw(b"/");
        }
        self
    }

    /// The prefix of the record's fields.
    pub(crate) fn fields(&mut self, record: &RecordId) -> &mut Self {
        self.start(FIELD).long_name(record.as_str())
    }

    pub(crate) fn field(&mut self, record: &RecordId, field: &FieldName) -> &mut Self {
        self.fields(record).raw(field.as_str().as_bytes())
    }

    /// The prefix of the items of all the record's lists.
    pub(crate) fn items_of_record(&mut self, record: &RecordId) -> &mut Self {
        self.start(ITEM).long_name(record.as_str())
    }

    /// The prefix of the list's items.
    pub(crate) fn items(&mut self, record: &RecordId, field: &FieldName) -> &mut Self {
        self.items_of_record(record).short_name(field.as_str())
    }

    pub(crate) fn item(&mut self, record: &RecordId, field: &FieldName, index: u64) -> &mut Self {
        self.items(record, field).raw(&index.to_be_bytes())
    }

    /// The prefix of the members of all the record's sets.
    pub(crate) fn members_of_record(&mut self, record: &RecordId) -> &mut Self {
        self.start(MEMBER).long_name(record.as_str())
    }

    /// The prefix of the set's members.
    pub(crate) fn members(&mut self, record: &RecordId, field: &FieldName) -> &mut Self {
        self.members_of_record(record).short_name(field.as_str())
    }

    pub(crate) fn member(&mut self, record: &RecordId, field: &FieldName, member: &Member) -> &mut Self {
        self.members(record, field).raw(member.as_str().as_bytes())
    }

    /// The prefix of all transactions.
    pub(crate) fn txns(&mut self) -> &mut Self {
        self.start(TXN)
    }

    pub(crate) fn txn(&mut self, txn: &TxnId) -> &mut Self {
        self.start(TXN)
            .short_name(txn.client.as_str())
            .raw(&txn.session.0.to_be_bytes())
            .raw(&txn.sequence.0.to_be_bytes())
    }

    /// The prefix of all watermarks.
    pub(crate) fn watermarks(&mut self) -> &mut Self {
        self.start(WATERMARK)
    }

    pub(crate) fn watermark(&mut self, client: &ClientName, session: SessionId) -> &mut Self {
        self.start(WATERMARK).short_name(client.as_str()).raw(&session.0.to_be_bytes())
    }

    /// The prefix of all clients' ended sessions.
    pub(crate) fn clients(&mut self) -> &mut Self {
        self.start(CLIENT)
    }

    pub(crate) fn client(&mut self, client: &ClientName) -> &mut Self {
        self.start(CLIENT).raw(client.as_str().as_bytes())
    }

    /// The prefix of all clients' granted sessions.
    pub(crate) fn grants(&mut self) -> &mut Self {
        self.start(GRANT)
    }

    pub(crate) fn grant(&mut self, client: &ClientName) -> &mut Self {
        self.start(GRANT).raw(client.as_str().as_bytes())
    }

    /// The prefix of all of a kind.
    pub(crate) fn all_numbered(&mut self, kind: Numbered) -> &mut Self {
        self.start(kind.tag())
    }

    /// The prefix of those of a mailbox.
    pub(crate) fn numbered_of(&mut self, kind: Numbered, mailbox: &Mailbox) -> &mut Self {
        self.start(kind.tag()).ended_name(mailbox.name())
    }

    pub(crate) fn numbered(&mut self, kind: Numbered, mailbox: &Mailbox, number: u64) -> &mut Self {
        self.numbered_of(kind, mailbox).raw(&number.to_be_bytes())
    }

    /// The prefix of all messages that wait.
    pub(crate) fn all_waiting(&mut self) -> &mut Self {
        self.start(WAITING)
    }

    pub(crate) fn waiting(&mut self, position: VotePosition, operation: u16) -> &mut Self {
        self.start(WAITING).raw(&position.0.to_be_bytes()).raw(&operation.to_be_bytes())
    }

    /// The prefix of all acknowledgements of streams.
    pub(crate) fn all_acknowledged(&mut self) -> &mut Self {
        self.start(ACKNOWLEDGED)
    }

    pub(crate) fn acknowledged(&mut self, mailbox: &Mailbox) -> &mut Self {
        self.start(ACKNOWLEDGED).ended_name(mailbox.name())
    }

    /// The prefix of all streams that arrive.
    pub(crate) fn all_arrived(&mut self) -> &mut Self {
        self.start(ARRIVED)
    }

    pub(crate) fn arrived(&mut self, mailbox: &Mailbox, source: NodeId) -> &mut Self {
        self.start(ARRIVED).ended_name(mailbox.name()).raw(&source.0.to_be_bytes())
    }

    /// The prefix of all mailboxes' marks.
    pub(crate) fn all_marks(&mut self) -> &mut Self {
        self.start(MARK)
    }

    pub(crate) fn mark(&mut self, mailbox: &Mailbox) -> &mut Self {
        self.start(MARK).ended_name(mailbox.name())
    }

    fn ended_name(&mut self, name: &str) -> &mut Self {
        self.raw(name.as_bytes()).raw(&[0])
    }

    /// The first key after all that start with this one.
    pub(crate) fn end(&self) -> Vec<u8> {
        let mut end = self.0.clone();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return end;
            }
        }
        unreachable!("a key starts with a tag, and no tag is 0xff")
    }
}

/// A key that no version of this program wrote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// Too short, or its lengths don't fit.
    #[error("a key is cut off")]
    Short,
    /// A name in it breaks the rules for names.
    #[error("a key holds a bad name: {0}")]
    Name(#[from] InvalidName),
    /// A name in it is not UTF-8.
    #[error("a key holds a name that is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
}

/// The record of a record key.
pub(crate) fn parse_record(key: &[u8]) -> Result<RecordId, KeyError> {
    Ok(RecordId::new(text(rest(key, 1)?)?)?)
}

/// The field of a field key; `prefix` is what [`Key::fields`] gives.
pub(crate) fn parse_field(key: &[u8], prefix: usize) -> Result<FieldName, KeyError> {
    Ok(FieldName::new(text(rest(key, prefix)?)?)?)
}

/// The index of an item key; `prefix` is the length of what [`Key::items`] gives.
pub(crate) fn parse_item(key: &[u8], prefix: usize) -> Result<u64, KeyError> {
    number(rest(key, prefix)?)
}

/// The member of a member key; `prefix` is the length of what [`Key::members`] gives.
pub(crate) fn parse_member(key: &[u8], prefix: usize) -> Result<Member, KeyError> {
    Ok(Member::new(text(rest(key, prefix)?)?)?)
}

/// The transaction of a transaction key.
pub(crate) fn parse_txn(key: &[u8]) -> Result<TxnId, KeyError> {
    let (client, numbers) = client_and_rest(key)?;
    let (session, sequence) = numbers.split_at_checked(8).ok_or(KeyError::Short)?;
    Ok(TxnId { client, session: SessionId(number(session)?), sequence: Sequence(number(sequence)?) })
}

/// The session of a watermark key.
pub(crate) fn parse_watermark(key: &[u8]) -> Result<(ClientName, SessionId), KeyError> {
    let (client, session) = client_and_rest(key)?;
    Ok((client, SessionId(number(session)?)))
}

/// The client of a key of ended or granted sessions.
pub(crate) fn parse_client(key: &[u8]) -> Result<ClientName, KeyError> {
    Ok(ClientName::new(text(rest(key, 1)?)?)?)
}

/// The mailbox and the number of a numbered key.
pub(crate) fn parse_numbered(key: &[u8]) -> Result<(Mailbox, u64), KeyError> {
    let (mailbox, tail) = mailbox_and_rest(key)?;
    Ok((mailbox, number(tail)?))
}

/// The place of a message that waits. Which of its operations it is, it says itself.
pub(crate) fn parse_waiting(key: &[u8]) -> Result<VotePosition, KeyError> {
    let (position, _operation) = rest(key, 1)?.split_at_checked(8).ok_or(KeyError::Short)?;
    Ok(VotePosition(number(position)?))
}

/// The mailbox of a key that holds nothing else.
pub(crate) fn parse_mailbox(key: &[u8]) -> Result<Mailbox, KeyError> {
    Ok(mailbox_and_rest(key)?.0)
}

/// The mailbox and the source of a stream that arrives.
pub(crate) fn parse_arrived(key: &[u8]) -> Result<(Mailbox, NodeId), KeyError> {
    let (mailbox, source) = mailbox_and_rest(key)?;
    Ok((mailbox, NodeId(u16::from_be_bytes(source.try_into().map_err(|_| KeyError::Short)?))))
}

fn mailbox_and_rest(key: &[u8]) -> Result<(Mailbox, &[u8]), KeyError> {
    let named = rest(key, 1)?;
    let end = named.iter().position(|byte| *byte == 0).ok_or(KeyError::Short)?;
    Ok((Mailbox::new(text(&named[..end])?)?, &named[end + 1..]))
}

fn client_and_rest(key: &[u8]) -> Result<(ClientName, &[u8]), KeyError> {
    let length = usize::from(*key.get(1).ok_or(KeyError::Short)?);
    let (name, tail) = rest(key, 2)?.split_at_checked(length).ok_or(KeyError::Short)?;
    Ok((ClientName::new(text(name)?)?, tail))
}

fn rest(key: &[u8], from: usize) -> Result<&[u8], KeyError> {
    key.get(from..).ok_or(KeyError::Short)
}

fn text(bytes: &[u8]) -> Result<&str, KeyError> {
    Ok(std::str::from_utf8(bytes)?)
}

fn number(bytes: &[u8]) -> Result<u64, KeyError> {
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| KeyError::Short)?))
}
