//! What was deleted costs nothing: a mailbox that has seen many messages is read like a fresh one.
//!
//! Counted by RocksDB itself: over how many deleted keys its reads went.

use assent_protocol::{
    ids::{ClientName, NodeId, Sequence, SessionId, Stamp, TxnId},
    mail::{Draft, Envelope, Mailbox, MailboxMark, MessageId, MessageKey, Position, Stored, StreamSequence},
    storage::{Recovered, Store, Write},
};
use assent_queue::{RocksStore, StoreConfig};
use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};
use std::{path::Path, sync::Arc};

/// Messages that came and went.
const SEEN: u64 = 50_000;
/// Messages that are there.
const HELD: u64 = 10;

fn open(dir: &Path) -> (RocksStore, Recovered) {
    // Nothing comes from memory.
    let config =
        StoreConfig { reserve_bytes: 0, cached_message_bytes: 0, ..StoreConfig::new(dir, NodeId(1), "one") };
    RocksStore::open(config).expect("opens")
}

fn envelope(number: u64) -> Envelope {
    let client = ClientName::new("c").expect("valid");
    let txn = TxnId { client, session: SessionId(1), sequence: Sequence(number) };
    let key = Some(MessageKey::new("k").expect("valid"));
    let draft =
        Draft { mailbox: orders(), key, headers: Default::default(), payload: vec![7; 20], delay_ms: 0 };
    Envelope { id: MessageId { txn, operation: 0 }, sent: Stamp(1), draft: Arc::new(draft) }
}

fn stored(number: u64) -> Box<Stored> {
    let (arrived, due) = (Stamp(1), Stamp(0));
    let envelope = envelope(number);
    Box::new(Stored { envelope, source: NodeId(2), arrived, due, failed: 0, failures: Vec::new() })
}

fn orders() -> Mailbox {
    Mailbox::new("orders").expect("valid")
}

fn skipped(read: impl FnOnce()) -> u64 {
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut context = PerfContext::default();
    context.reset();
    read();
    let skipped = context.metric(PerfMetric::InternalDeleteSkippedCount)
        + context.metric(PerfMetric::InternalKeySkippedCount);
    set_perf_stats(PerfStatsLevel::Disable);
    skipped
}

#[test]
fn nothing_is_read_over_what_was_deleted() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let (mut store, _) = open(dir.path());
    for number in 1..=SEEN {
        store.write(Write::PutOutgoing(StreamSequence(number), Box::new(envelope(number))));
        store.write(Write::PutMessage(Position(number), stored(number)));
        if let Some(gone) = number.checked_sub(HELD).filter(|gone| *gone > 0) {
            store.write(Write::DeleteOutgoing(orders(), StreamSequence(gone)));
            store.write(Write::PutAcknowledged(orders(), StreamSequence(gone)));
            store.write(Write::DeleteMessage(orders(), Position(gone)));
            // As often as the machine says so.
            if gone.is_multiple_of(1024) {
                let mark = MailboxMark { next: Position(number + 1), head: Position(gone + 1) };
                store.write(Write::PutMailbox(orders(), mark));
            }
        }
        store.write(Write::PutDead(Position(number), stored(number)));
        store.commit().expect("commits");
        store.write(Write::DeleteDead(orders(), Position(number)));
    }
    store.write(Write::PutDead(Position(SEEN), stored(SEEN)));
    store.commit().expect("commits");
    let read = skipped(|| {
        assert_eq!(store.outgoing(&orders(), StreamSequence(SEEN)), Some(envelope(SEEN)));
        assert_eq!(store.outgoing(&orders(), StreamSequence(1)), None);
        assert_eq!(store.mail(&orders(), Position(SEEN)), Some(*stored(SEEN)));
        assert_eq!(store.mail(&orders(), Position(1)), None);
        assert_eq!(store.dead_after(&orders(), None, 100), [Position(SEEN)]);
        assert_eq!(store.dead(&orders(), Position(SEEN)), Some(*stored(SEEN)));
    });
    assert_eq!(read, 0, "single reads");

    store.write(Write::DeleteDead(orders(), Position(SEEN)));
    store.commit().expect("commits");
    drop(store);
    let mut recovered = None;
    let start = skipped(|| recovered = Some(open(dir.path()).1));
    let mail = recovered.expect("it was opened").mail;
    assert_eq!((mail.outgoing.len() as u64, mail.messages.len() as u64), (HELD, HELD));
    assert_eq!(mail.dead, []);
    println!("a start read over {start} deleted keys");
    // Less than a mark's worth in the mailbox. Dead letters are looked for everywhere: all that were purged since RocksDB
    // has compacted their file.
    assert!(start < 1024 + SEEN + 100, "a start read over {start} deleted keys");
}
