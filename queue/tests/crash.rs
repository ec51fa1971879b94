//! A process that is killed loses nothing that it had synced, and no batch by half.
//!
//! Not shown here: a machine that loses power. That is `tests/wal.rs`, on files as such a crash leaves them.

use assent_protocol::{
    ids::{ClientName, FieldName, Member, NodeId, RecordId, Sequence, SessionId, Stamp, TxnId, Version},
    mail::{Arrived, Draft, Envelope, Mailbox, MailboxMark, MessageId, Position, Stored, StreamSequence},
    storage::{Field, Recovered, Store, Write},
};
use assent_queue::{RocksStore, StoreConfig};
use std::{
    env,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

/// Set for the process that is to be killed: its folder.
const CHILD_DIR: &str = "ASSENT_QUEUE_CRASH_DIR";
const KILLS: usize = 12;
/// Messages that are under way, or in the mailbox, at any time.
const MESSAGES: u64 = 10;

fn open(dir: &Path) -> (RocksStore, Recovered) {
    // Small memtables, so that some kills meet a flush and a change of logs.
    let config = StoreConfig {
        memtable_bytes: 256 << 10,
        reserve_bytes: 0,
        ..StoreConfig::new(dir, NodeId(1), "students-1")
    };
    RocksStore::open(config).expect("opens")
}

fn roster() -> (RecordId, FieldName) {
    (RecordId::new("course/1").expect("valid"), FieldName::new("roster").expect("valid"))
}

fn enrolled((store, recovered): &(RocksStore, Recovered)) -> u64 {
    let (course, roster) = roster();
    let members = store.members(&course, &roster).len() as u64;
    assert_eq!(store.record(&course).unwrap_or_default(), Version(members), "half a batch");
    let count = store.field(&course, &roster);
    assert_eq!(count, (members > 0).then_some(Field::Set(members)), "half a batch");
    check_messages(store, recovered, members);
    members
}

/// The last messages are in the outbox and in the mailbox, and the numbers beside them say so.
fn check_messages(store: &RocksStore, recovered: &Recovered, count: u64) {
    let mail = &recovered.mail;
    let gone = count.saturating_sub(MESSAGES);
    let numbers: Vec<u64> = (gone + 1..=count).collect();
    let outgoing: Vec<u64> = mail.outgoing.iter().map(|(_, sequence, _)| sequence.0).collect();
    let places: Vec<u64> = mail.messages.iter().map(|message| message.position.0).collect();
    assert_eq!((&outgoing, &places), (&numbers, &numbers), "half a batch");
    if count > 0 {
        assert_eq!(mail.acknowledged, [(mailbox(), StreamSequence(gone))], "half a batch");
        assert_eq!(mail.arrived, [(mailbox(), NodeId(2), arrived(count))], "half a batch");
    }
    for number in numbers {
        assert_eq!(store.outgoing(&mailbox(), StreamSequence(number)), Some(envelope(number)));
        assert_eq!(store.mail(&mailbox(), Position(number)), Some(stored(number)));
    }
}

fn mailbox() -> Mailbox {
    Mailbox::new("enrolled").expect("valid")
}

/// Every seventh one is long.
fn envelope(number: u64) -> Envelope {
    let client = ClientName::new("c").expect("valid");
    let txn = TxnId { client, session: SessionId(1), sequence: Sequence(number) };
    let payload = vec![number as u8; if number.is_multiple_of(7) { 9_000 } else { 90 }];
    let draft = Draft { mailbox: mailbox(), key: None, headers: Default::default(), payload, delay_ms: 0 };
    Envelope { id: MessageId { txn, operation: 0 }, sent: Stamp(number), draft: Arc::new(draft) }
}

fn stored(number: u64) -> Stored {
    let (source, arrived, due) = (NodeId(2), Stamp(number), Stamp(0));
    Stored { envelope: envelope(number), source, arrived, due, failed: 0, failures: Vec::new() }
}

fn arrived(number: u64) -> Arrived {
    Arrived { last: StreamSequence(number), id: envelope(number).id }
}

/// Sends and takes in the message of this number, and ends the one that is old.
fn send(store: &mut RocksStore, number: u64) {
    store.write(Write::PutOutgoing(StreamSequence(number), Box::new(envelope(number))));
    store.write(Write::PutMessage(Position(number), Box::new(stored(number))));
    store.write(Write::PutArrived(mailbox(), NodeId(2), arrived(number)));
    let gone = number.saturating_sub(MESSAGES);
    store.write(Write::PutAcknowledged(mailbox(), StreamSequence(gone)));
    if gone > 0 {
        store.write(Write::DeleteOutgoing(mailbox(), StreamSequence(gone)));
        store.write(Write::DeleteMessage(mailbox(), Position(gone)));
        let mark = MailboxMark { next: Position(number + 1), head: Position(gone + 1) };
        store.write(Write::PutMailbox(mailbox(), mark));
    }
}

/// What the child does: enrols one student per batch with a message about it, and says each time how many are durable.
fn enrol_for_ever(dir: &Path) -> ! {
    let opened = open(dir);
    let (course, roster) = roster();
    let mut count = enrolled(&opened);
    let (mut store, _) = opened;
    let mut out = std::io::stdout();
    loop {
        count += 1;
        let member = Member::new(&format!("s{count:09}")).expect("valid");
        store.write(Write::PutMember(course.clone(), roster.clone(), member));
        store.write(Write::PutField(course.clone(), roster.clone(), Field::Set(count)));
        store.write(Write::PutRecord(course.clone(), Version(count)));
        send(&mut store, count);
        store.commit().expect("commits");
        if count.is_multiple_of(3) {
            store.syncer().sync().expect("syncs");
            writeln!(out, "synced {count}").and_then(|()| out.flush()).expect("the parent listens");
        }
    }
}

#[test]
fn killed_process_keeps_what_was_synced() {
    if let Some(dir) = env::var_os(CHILD_DIR) {
        enrol_for_ever(Path::new(&dir));
    }
    let dir = tempfile::tempdir().expect("a folder for the test");
    let mut promised = 0;
    for kill in 1..=KILLS {
        let mut child = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "killed_process_keeps_what_was_synced", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut synced =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("synced ")?.parse::<u64>().ok());
        promised = synced.nth(kill * 97).expect("it syncs until it is killed");
        child.kill().expect("SIGKILL");
        // What it said before it died counts too.
        promised = synced.last().unwrap_or(promised);
        child.wait().expect("it is dead");
        let held = enrolled(&open(dir.path()));
        assert!(held >= promised, "{held} are there, {promised} were promised");
    }
    assert!(promised > 1000);
}
