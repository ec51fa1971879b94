//! One suite for every store: the same writes, commits, syncs and restarts on the store in memory, which is simple
//! enough to be right, and on RocksDB, and after every step both must answer every question alike.

#[path = "conformance/mail.rs"]
mod mail;

use assent_protocol::{
    ids::{ClientName, Digest, FieldName, Member, RecordId, Sequence, SessionId, TxnId, Version},
    memory::MemoryStore,
    operation::Value,
    outcome::{AbortReason, Outcome},
    storage::{ClientRecord, Decided, Field, GrantRecord, Recovered, Store, TxnRecord, Write},
};
use assent_queue::{RocksStore, StoreConfig};
use proptest::{collection::vec, prelude::*};
use std::sync::Arc;
use tempfile::TempDir;

/// Names that are prefixes of each other, that hold separators and bytes that sort late, and that are of all lengths.
const RECORDS: [&str; 7] = ["a/b", "a/b/c", "a/bc", "ab/c", "student/1", "student/10", "é/\u{10ffff}"];
const FIELDS: [&str; 4] = ["a", "ab", "b/c", "\u{10ffff}"];
const MEMBERS: [&str; 4] = ["a", "ab", "b/a", "\u{10ffff}x"];
const CLIENTS: [&str; 3] = ["c", "cc", "d"];

#[derive(Clone, Debug)]
enum Step {
    Write(Box<Write>),
    Mail(mail::MailStep),
    Commit,
    Sync,
    /// The process ends and starts again: what was not committed is gone.
    Restart,
}

fn record() -> impl Strategy<Value = RecordId> {
    prop::sample::select(&RECORDS[..]).prop_map(|text| RecordId::new(text).expect("valid"))
}

fn field() -> impl Strategy<Value = FieldName> {
    prop::sample::select(&FIELDS[..]).prop_map(|text| FieldName::new(text).expect("valid"))
}

fn member() -> impl Strategy<Value = Member> {
    prop::sample::select(&MEMBERS[..]).prop_map(|text| Member::new(text).expect("valid"))
}

fn client() -> impl Strategy<Value = ClientName> {
    prop::sample::select(&CLIENTS[..]).prop_map(|text| ClientName::new(text).expect("valid"))
}

fn session() -> impl Strategy<Value = SessionId> {
    prop::sample::select(&[0, 1, 255, 256, u64::MAX][..]).prop_map(SessionId)
}

fn txn() -> impl Strategy<Value = TxnId> {
    (client(), session(), prop::sample::select(&[1, 256, u64::MAX][..]))
        .prop_map(|(client, session, sequence)| TxnId { client, session, sequence: Sequence(sequence) })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Int),
        "[a-z]{0,4}".prop_map(Value::Text),
        // Longer than what is cached.
        vec(any::<u8>(), 300..400).prop_map(Value::Bytes),
    ]
}

fn held() -> impl Strategy<Value = Field> {
    prop_oneof![
        value().prop_map(Field::Value),
        any::<u64>().prop_map(Field::List),
        any::<u64>().prop_map(Field::Set)
    ]
}

fn decided(byte: u8) -> TxnRecord {
    TxnRecord::Decided(Arc::new(Decided {
        digest: Digest([byte; 32]),
        participants: vec![],
        outcome: Outcome::Aborted(AbortReason::Conflict),
        results: vec![],
    }))
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        3 => (record(), any::<u64>()).prop_map(|(record, version)| Write::PutRecord(record, Version(version))),
        1 => record().prop_map(Write::DeleteRecord),
        3 => (record(), field(), held()).prop_map(|(record, field, held)| Write::PutField(record, field, held)),
        3 => (record(), field(), 0..4u64, value())
            .prop_map(|(record, field, index, value)| Write::PutItem(record, field, index, value)),
        3 => (record(), field(), member())
            .prop_map(|(record, field, member)| Write::PutMember(record, field, member)),
        2 => (record(), field(), member())
            .prop_map(|(record, field, member)| Write::DeleteMember(record, field, member)),
        1 => (record(), field()).prop_map(|(record, field)| Write::DeleteField(record, field)),
        2 => (txn(), any::<u8>()).prop_map(|(txn, byte)| Write::PutTxn(txn, decided(byte))),
        1 => txn().prop_map(Write::DeleteTxn),
        2 => (client(), session(), any::<u64>())
            .prop_map(|(client, session, sequence)| Write::PutWatermark(client, session, Sequence(sequence))),
        1 => (client(), session()).prop_map(|(client, session)| Write::DeleteWatermark(client, session)),
        1 => (client(), session()).prop_map(|(client, last)| {
            Write::PutClient(client, ClientRecord { ended: vec![(SessionId(0), last)] })
        }),
        1 => (client(), session())
            .prop_map(|(client, last)| Write::PutGrant(client, GrantRecord { last, open: vec![last] })),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => write().prop_map(|write| Step::Write(Box::new(write))),
        20 => mail::step().prop_map(Step::Mail),
        6 => Just(Step::Commit),
        2 => Just(Step::Sync),
        1 => Just(Step::Restart),
    ]
}

fn config(dir: &TempDir, cached_entries_max: usize) -> StoreConfig {
    StoreConfig {
        // Small, so that flushes and files are met too.
        memtable_bytes: 64 << 10,
        cached_entries_max,
        cached_message_bytes: cached_entries_max * 100,
        reserve_bytes: 0,
        ..StoreConfig::new(dir.path(), assent_protocol::ids::NodeId(1), "students-1")
    }
}

/// Both stores, step by step.
struct Pair {
    dir: TempDir,
    memory: MemoryStore,
    rocks: Option<RocksStore>,
    boots: u64,
    cached_entries_max: usize,
}

impl Pair {
    fn new(cached_entries_max: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder for the test");
        let (rocks, recovered) = RocksStore::open(config(&dir, cached_entries_max)).expect("opens");
        assert_eq!(recovered, Recovered::default());
        assert_eq!(rocks.boot(), 1);
        Pair { dir, memory: MemoryStore::new(), rocks: Some(rocks), boots: 1, cached_entries_max }
    }

    fn rocks(&mut self) -> &mut RocksStore {
        self.rocks.as_mut().expect("it is open between steps")
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Write(write) => {
                self.memory.write((*write).clone());
                self.rocks().write(*write);
            }
            Step::Mail(step) => {
                for write in mail::writes(step, &self.memory) {
                    self.memory.write(write.clone());
                    self.rocks().write(write);
                }
            }
            Step::Commit => {
                self.memory.commit();
                self.rocks().commit().expect("commits");
            }
            Step::Sync => {
                self.memory.commit();
                self.memory.sync();
                self.rocks().commit().expect("commits");
                self.rocks().syncer().sync().expect("syncs");
            }
            Step::Restart => {
                let committed = self.memory.unsynced() - usize::from(self.memory.has_pending());
                self.memory.crash_keeping(committed);
                self.rocks = None;
                let (rocks, recovered) =
                    RocksStore::open(config(&self.dir, self.cached_entries_max)).expect("opens again");
                self.boots += 1;
                assert_eq!(rocks.boot(), self.boots);
                assert_eq!(recovered, self.memory.recover());
                self.rocks = Some(rocks);
            }
        }
        let pending = self.memory.has_pending();
        assert_eq!(self.rocks().has_pending(), pending);
    }

    fn write(&mut self, write: Write) {
        self.run(Step::Write(Box::new(write)));
    }

    fn check(&self) {
        let rocks = self.rocks.as_ref().expect("it is open between steps");
        check_content(&self.memory, rocks);
        check_scans(&self.memory, rocks);
        mail::check(&self.memory, rocks);
    }
}

fn check_content(memory: &impl Store, rocks: &impl Store) {
    for record in RECORDS.map(|text| RecordId::new(text).expect("valid")) {
        assert_eq!(memory.record(&record), rocks.record(&record), "{record}");
        assert_eq!(memory.fields(&record), rocks.fields(&record), "{record}");
        for field in FIELDS.map(|text| FieldName::new(text).expect("valid")) {
            assert_eq!(memory.field(&record, &field), rocks.field(&record, &field), "{record} {field}");
            assert_eq!(memory.items(&record, &field), rocks.items(&record, &field), "{record} {field}");
            assert_eq!(memory.members(&record, &field), rocks.members(&record, &field), "{record} {field}");
            for member in MEMBERS.map(|text| Member::new(text).expect("valid")) {
                let there = memory.contains(&record, &field, &member);
                assert_eq!(there, rocks.contains(&record, &field, &member), "{record} {field} {member}");
            }
        }
    }
    for client in CLIENTS.map(|text| ClientName::new(text).expect("valid")) {
        assert_eq!(memory.grant(&client), rocks.grant(&client), "{client}");
    }
}

fn check_scans(memory: &impl Store, rocks: &impl Store) {
    let others = ["a/a", "student/zzz"];
    let after = RECORDS.iter().chain(&others).map(|text| Some(RecordId::new(text).expect("valid")));
    for after in after.chain([None]) {
        for table in [None, Some("a"), Some("student"), Some("é"), Some("none"), Some("a/b"), Some("")] {
            for limit in [0, 1, 3, 100] {
                let found = rocks.records_after(table, after.as_ref(), limit);
                assert_eq!(
                    memory.records_after(table, after.as_ref(), limit),
                    found,
                    "{table:?} {after:?} {limit}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn stores_answer_alike(
        steps in vec(step(), 1..120),
        // A cache that forgets all the time, one that keeps about what there is, and one that forgets nothing.
        cached in prop::sample::select(&[8, 50, 60, 70, 10_000][..]),
    ) {
        let mut pair = Pair::new(cached);
        for step in steps {
            pair.run(step);
            pair.check();
        }
        pair.run(Step::Commit);
        pair.run(Step::Restart);
        pair.check();
    }
}

#[test]
fn deleted_record_stays_empty_when_it_comes_back_in_the_same_batch() {
    let mut pair = Pair::new(8);
    let record = RecordId::new("a/b").expect("valid");
    let field = FieldName::new("a").expect("valid");
    let member = Member::new("a").expect("valid");
    let fill = [
        Write::PutRecord(record.clone(), Version(1)),
        Write::PutField(record.clone(), field.clone(), Field::Set(1)),
        Write::PutMember(record.clone(), field.clone(), member.clone()),
        Write::PutItem(record.clone(), field.clone(), 0, Value::Int(1)),
    ];
    let empty = [Write::DeleteRecord(record.clone()), Write::PutRecord(record.clone(), Version(2))];
    for write in fill.iter().chain(&empty).chain(&fill[1..2]).chain(&empty).cloned() {
        pair.write(write);
        pair.check();
    }
    pair.run(Step::Commit);
    pair.check();
    for write in fill.iter().chain(&empty).cloned() {
        pair.write(write);
    }
    pair.check();
    pair.run(Step::Sync);
    pair.run(Step::Restart);
    pair.check();
    let rocks = pair.rocks();
    assert_eq!(rocks.record(&record), Some(Version(2)));
    assert!(rocks.fields(&record).is_empty() && rocks.members(&record, &field).is_empty());
}

#[test]
fn large_set_is_deleted_whole() {
    let mut pair = Pair::new(8);
    let record = RecordId::new("a/b").expect("valid");
    let neighbour = RecordId::new("a/bc").expect("valid");
    let field = FieldName::new("a").expect("valid");
    for record in [&record, &neighbour] {
        for i in 0..3000 {
            let member = Member::new(&format!("s{i}")).expect("valid");
            pair.write(Write::PutMember(record.clone(), field.clone(), member));
        }
    }
    pair.run(Step::Commit);
    pair.write(Write::DeleteRecord(record.clone()));
    pair.check();
    pair.run(Step::Commit);
    pair.check();
    pair.run(Step::Restart);
    pair.check();
    assert_eq!(pair.rocks().members(&neighbour, &field).len(), 3000);
    assert!(pair.rocks().members(&record, &field).is_empty());
}

#[test]
fn record_of_many_fields_is_read_back_whole() {
    let mut pair = Pair::new(50);
    let record = RecordId::new("a/b").expect("valid");
    let name = |i: u64| FieldName::new(&format!("field{}", i % 40)).expect("valid");
    let value = |i: u64| match i % 3 {
        0 => Field::Value(Value::Bytes(vec![7; 300])),
        _ => Field::Set(i),
    };
    // More than a row takes, in and out of it, over several batches and a restart.
    for i in 0..400 {
        let field = name(i * 7 % 61);
        pair.write(match i % 4 {
            3 => Write::DeleteField(record.clone(), field),
            _ => Write::PutField(record.clone(), field, value(i)),
        });
        match i % 50 {
            20 | 33 => pair.run(Step::Commit),
            49 => pair.run(Step::Restart),
            _ => {}
        }
        let rocks = pair.rocks.as_ref().expect("it is open between steps");
        assert_eq!(pair.memory.fields(&record), rocks.fields(&record), "{i}");
        for field in (0..40).map(name) {
            assert_eq!(pair.memory.field(&record, &field), rocks.field(&record, &field), "{i} {field}");
        }
    }
    pair.write(Write::DeleteRecord(record.clone()));
    pair.check();
    pair.run(Step::Commit);
    pair.run(Step::Restart);
    pair.check();
}

#[test]
fn memory_crash_keeps_whole_batches() {
    let mut memory = MemoryStore::new();
    let record = RecordId::new("a/b").expect("valid");
    for version in 1..=3 {
        memory.write(Write::PutRecord(record.clone(), Version(version)));
        memory.write(Write::PutField(
            record.clone(),
            FieldName::new("a").expect("valid"),
            Field::Set(version),
        ));
        memory.commit();
    }
    assert_eq!(memory.unsynced(), 3);
    memory.sync_batches(1);
    for (kept, version) in [(0, 1), (1, 2), (2, 3), (9, 3)] {
        let mut crashed = memory.clone();
        crashed.crash_keeping(kept);
        assert_eq!(crashed.record(&record), Some(Version(version)));
        assert_eq!(crashed.field(&record, &FieldName::new("a").expect("valid")), Some(Field::Set(version)));
        assert!(crashed.is_synced());
    }
    memory.crash();
    assert_eq!(memory.record(&record), Some(Version(1)));
}
