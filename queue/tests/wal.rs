//! The recovery mode in effect, shown on damaged databases: what was synced is never dropped silently, and a torn last
//! write needs nobody. See `docs/decisions/0002-wal-recovery.md`.

use assent_protocol::{
    ids::{NodeId, RecordId, Version},
    storage::{Store, Write},
};
use assent_queue::{RocksStore, StoreConfig, StoreError};
use rocksdb::{DB, DBRecoveryMode, Options};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const BATCHES: u64 = 200;

fn config(dir: &Path) -> StoreConfig {
    StoreConfig { reserve_bytes: 0, ..StoreConfig::new(dir, NodeId(1), "students-1") }
}

fn student(number: u64) -> RecordId {
    RecordId::new(&format!("student/{number}")).expect("valid")
}

fn commit(store: &mut RocksStore, number: u64) {
    // Two records in a batch: half a batch would show.
    store.write(Write::PutRecord(student(number), Version(number)));
    store.write(Write::PutRecord(student(number + 1_000_000), Version(number)));
    store.commit().expect("commits");
}

/// How many batches a store holds; they must be the first ones, and whole.
fn batches(store: &RocksStore) -> u64 {
    let held = (1..).take_while(|number| store.record(&student(*number)).is_some()).count() as u64;
    for number in 1..=BATCHES + 20 {
        let expected = (number <= held).then_some(Version(number));
        assert_eq!(store.record(&student(number)), expected);
        assert_eq!(store.record(&student(number + 1_000_000)), expected);
    }
    held
}

/// The files of a database at this moment, as a crash would leave them.
fn copy(dir: &Path) -> TempDir {
    let target = tempfile::tempdir().expect("a folder for the test");
    for entry in fs::read_dir(dir).expect("lists") {
        let entry = entry.expect("lists");
        fs::copy(entry.path(), target.path().join(entry.file_name())).expect("copies");
    }
    target
}

/// A database that crashed after 200 synced batches, and then some that were not synced.
fn crashed(unsynced: u64) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let (mut store, _) = RocksStore::open(config(dir.path())).expect("opens");
    for number in 1..=BATCHES {
        commit(&mut store, number);
        store.syncer().sync().expect("syncs");
    }
    for number in BATCHES + 1..=BATCHES + unsynced {
        commit(&mut store, number);
    }
    copy(dir.path())
}

fn log_file(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists").path());
    let logs = files.filter(|file| file.extension().is_some_and(|extension| extension == "log"));
    logs.filter(|file| fs::metadata(file).expect("is there").len() > 0).max().expect("there is a log")
}

fn damage(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let file = log_file(dir);
    let mut bytes = fs::read(&file).expect("reads");
    change(&mut bytes);
    fs::write(file, bytes).expect("writes");
}

fn assert_refused(dir: &Path) {
    let before = fs::read(log_file(dir)).expect("reads");
    match RocksStore::open(config(dir)) {
        Ok((store, _)) => panic!("it opens, with {} batches", batches(&store)),
        Err(error) => {
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains(".log is bad at byte") && text.contains("restore this node"), "{text}");
        }
    }
    assert_eq!(fs::read(log_file(dir)).expect("reads"), before, "what is refused stays as it was");
}

#[test]
fn options_in_effect_are_those_that_were_decided() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let (_store, _) = RocksStore::open(config(dir.path())).expect("opens");
    let files = fs::read_dir(dir.path()).expect("lists").map(|entry| entry.expect("lists").path());
    let options =
        files.filter(|file| file.to_string_lossy().contains("OPTIONS-")).max().expect("RocksDB writes one");
    let text = fs::read_to_string(options).expect("reads");
    for line in [
        "wal_recovery_mode=kAbsoluteConsistency",
        "recycle_log_file_num=0",
        "track_and_verify_wals_in_manifest=true",
        "paranoid_checks=true",
        "manual_wal_flush=false",
        "unordered_write=false",
        "enable_pipelined_write=false",
        "allow_concurrent_memtable_write=false",
        "avoid_flush_during_recovery=false",
        "max_total_wal_size=268435456",
    ] {
        assert!(text.lines().any(|have| have.trim() == line), "{line} is not in effect");
    }
}

#[test]
fn crash_without_damage_opens_with_everything() {
    let dir = crashed(5);
    let (store, _) = RocksStore::open(config(dir.path())).expect("opens");
    assert_eq!(batches(&store), BATCHES + 5);
}

#[test]
fn flipped_byte_in_the_middle_is_refused() {
    let dir = crashed(0);
    let length = fs::metadata(log_file(dir.path())).expect("is there").len() as usize;
    for at in (0..length * 9 / 10).step_by(length / 23) {
        damage(dir.path(), |bytes| bytes[at] ^= 0x40);
        assert_refused(dir.path());
        damage(dir.path(), |bytes| bytes[at] ^= 0x40);
    }
    let (store, _) = RocksStore::open(config(dir.path())).expect("opens when it is whole again");
    assert_eq!(batches(&store), BATCHES);
}

#[test]
fn zeroed_sector_in_the_middle_is_refused() {
    let dir = crashed(0);
    damage(dir.path(), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 512].fill(0);
    });
    assert_refused(dir.path());
}

#[test]
fn torn_last_write_opens_without_it() {
    let dir = crashed(0);
    for (cut, kept) in [(1, BATCHES - 1), (0, BATCHES - 1), (30, BATCHES - 2)] {
        damage(dir.path(), |bytes| bytes.truncate(bytes.len() - cut));
        let torn = copy(dir.path());
        let (store, _) = RocksStore::open(config(torn.path())).expect("opens");
        assert!(batches(&store) >= kept.min(BATCHES - 2) && batches(&store) < BATCHES);
    }
}

#[test]
fn torn_write_amid_unsynced_ones_opens_without_any_of_them() {
    let dir = crashed(10);
    damage(dir.path(), |bytes| {
        // Eight batches of these ten are whole behind it: the disk wrote its pages in another order.
        let batch = bytes.len() / (BATCHES as usize + 10);
        let at = bytes.len() - 9 * batch;
        bytes[at..at + 16].fill(0);
    });
    let (mut store, _) = RocksStore::open(config(dir.path())).expect("opens");
    let held = batches(&store);
    assert!((BATCHES..BATCHES + 3).contains(&held), "{held}");
    // It goes on from there.
    commit(&mut store, held + 1);
    drop(store);
    assert_eq!(batches(&RocksStore::open(config(dir.path())).expect("opens").0), held + 1);
}

#[test]
fn after_a_clean_shutdown_damage_anywhere_is_refused() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let (mut store, _) = RocksStore::open(config(dir.path())).expect("opens");
    for number in 1..=10 {
        commit(&mut store, number);
    }
    let length = fs::metadata(log_file(dir.path())).expect("is there").len() as usize;
    drop(store);
    for at in (0..length).step_by(7) {
        damage(dir.path(), |bytes| bytes[at] ^= 1);
        assert_refused(dir.path());
        damage(dir.path(), |bytes| bytes[at] ^= 1);
    }
}

#[test]
fn missing_log_is_refused() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let small = |dir: &Path| StoreConfig { memtable_bytes: 64 << 10, ..config(dir) };
    let (mut store, _) = RocksStore::open(small(dir.path())).expect("opens");
    let logs = |dir: &Path| {
        let files = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists").path());
        let mut logs: Vec<_> =
            files.filter(|file| file.extension().is_some_and(|ext| ext == "log")).collect();
        logs.sort();
        logs
    };
    let mut number = 0;
    let crashed = loop {
        number += 1;
        commit(&mut store, number);
        store.syncer().sync().expect("syncs");
        let now = copy(dir.path());
        if logs(now.path()).len() > 1 {
            break now;
        }
    };
    let whole = copy(crashed.path());
    RocksStore::open(small(whole.path())).expect("opens with all its logs");
    fs::remove_file(&logs(crashed.path())[0]).expect("removes");
    match RocksStore::open(small(crashed.path())) {
        Ok(_) => panic!("it opens without a log that it needs"),
        Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{error}"),
    }
}

/// Where the record starts that is in the middle of a log of one block.
fn middle_record(bytes: &[u8]) -> usize {
    assert!(bytes.len() < 32 << 10, "the records of one block follow each other without gaps");
    let mut start = 0;
    while start < bytes.len() / 2 {
        start += 7 + usize::from(u16::from_le_bytes([bytes[start + 4], bytes[start + 5]]));
    }
    start
}

/// Why the log is looked through before RocksDB does: alone, it drops synced writes without a word. When this fails, a
/// new RocksDB does better, and the decision may be looked at again.
#[test]
fn rocksdb_alone_drops_synced_writes_silently() {
    let held = |dir: &Path, mode: DBRecoveryMode| -> Result<usize, rocksdb::Error> {
        let mut options = Options::default();
        options.set_wal_recovery_mode(mode);
        let names = DB::list_cf(&Options::default(), dir).expect("lists");
        let db = DB::open_cf(&options, dir, names)?;
        let records = db.cf_handle("records").expect("is there");
        let key = |number: u64| format!("\x08student/{number}");
        Ok((1..=BATCHES).filter(|number| db.get_cf(records, key(*number)).expect("reads").is_some()).count())
    };
    let changed = |change: fn(&mut Vec<u8>)| {
        let dir = crashed(0);
        damage(dir.path(), change);
        dir
    };
    let flipped = changed(|bytes| {
        let start = middle_record(bytes);
        bytes[start + 20] ^= 1;
    });
    let length = changed(|bytes| {
        let start = middle_record(bytes);
        bytes[start + 5] = 0x7f;
    });
    // A page that was written and is not there: all zeros, here from the start of a batch.
    let zeroed = changed(|bytes| {
        let start = middle_record(bytes);
        bytes[start..start + 4096].fill(0);
    });
    let torn = changed(|bytes| bytes.truncate(bytes.len() - 3));
    let modes = [
        DBRecoveryMode::AbsoluteConsistency,
        DBRecoveryMode::TolerateCorruptedTailRecords,
        DBRecoveryMode::PointInTime,
    ];
    let found = |dir: &TempDir| modes.map(|mode| held(copy(dir.path()).path(), mode).ok());
    assert_eq!(found(&flipped), [None, None, Some(101)]);
    assert_eq!(found(&length), [None, Some(101), Some(101)]);
    assert_eq!(found(&zeroed), [Some(101), Some(101), Some(101)]);
    assert_eq!(found(&torn), [None, Some(199), Some(199)]);
    for damaged in [&flipped, &length, &zeroed] {
        assert_refused(damaged.path());
    }
    assert_eq!(batches(&RocksStore::open(config(torn.path())).expect("opens").0), 199);
}
