//! What can be wrong with a folder before any work begins: each has its own error, with cause and remedy.

use assent_protocol::{
    codec,
    ids::{
        ClientName, Digest, Incarnation, NodeId, RecordId, Sequence, SessionId, Sponsor, Stamp, TxnId,
        Version,
    },
    storage::{Store, TxnRecord, Write, Yes},
};
use assent_queue::{RocksStore, STORAGE_VERSION, StoreConfig, StoreError};
use rocksdb::{DB, Options};
use std::{fs, path::Path};

fn config(dir: &Path) -> StoreConfig {
    StoreConfig { reserve_bytes: 0, ..StoreConfig::new(dir, NodeId(1), "students-1") }
}

fn refusal(config: StoreConfig) -> StoreError {
    match RocksStore::open(config) {
        Ok(_) => panic!("it opens"),
        Err(error) => error,
    }
}

#[test]
fn folder_that_can_not_be_written_is_named() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("writes");
    for bad in [file.join("below"), file, "/proc/assent".into()] {
        let error = refusal(config(&bad));
        assert!(matches!(&error, StoreError::Unwritable { dir, .. } if *dir == bad), "{error}");
        assert!(error.to_string().contains("choose another"), "{error}");
    }
}

#[test]
fn database_in_use_is_refused_with_its_holder() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let (store, _) = RocksStore::open(config(dir.path())).expect("opens");
    let error = refusal(config(dir.path()));
    let holder_named =
        matches!(&error, StoreError::Locked { holder, .. } if *holder == std::process::id().to_string());
    assert!(holder_named, "{error}");
    let syncer = store.syncer();
    drop(store);
    assert!(matches!(refusal(config(dir.path())), StoreError::Locked { .. }), "a syncer keeps it open");
    drop(syncer);
    RocksStore::open(config(dir.path())).expect("opens when it is free again");
}

#[test]
fn database_of_a_newer_version_is_refused_with_both_numbers_and_unchanged() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    RocksStore::open(config(dir.path())).expect("opens");
    {
        let names = DB::list_cf(&Options::default(), dir.path()).expect("lists");
        let mut db = DB::open_cf(&Options::default(), dir.path(), names).expect("opens");
        db.create_cf("future", &Options::default()).expect("creates");
        let meta = db.cf_handle("meta").expect("is there");
        db.put_cf(meta, b"\x01storage_version", codec::encode(&(STORAGE_VERSION + 1))).expect("puts");
    }
    let error = refusal(config(dir.path()));
    assert!(
        matches!(error, StoreError::NewerVersion { found, known, .. } if (found, known) == (STORAGE_VERSION + 1, STORAGE_VERSION)),
        "{error}"
    );
    let names = DB::list_cf(&Options::default(), dir.path()).expect("lists");
    let db = DB::open_cf(&Options::default(), dir.path(), names).expect("opens");
    let boot = db.get_cf(db.cf_handle("meta").expect("is there"), b"\x01boot").expect("reads");
    assert_eq!(boot, Some(codec::encode(&1u64)));
}

#[test]
fn database_of_another_node_is_refused_with_both_names() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    RocksStore::open(config(dir.path())).expect("opens");
    for (node, name) in [(2, "students-1"), (1, "courses-1")] {
        let error = refusal(StoreConfig { node: NodeId(node), name: name.into(), ..config(dir.path()) });
        assert!(matches!(error, StoreError::OtherNode { .. }), "{error}");
        assert!(error.to_string().contains("students-1") && error.to_string().contains(name), "{error}");
    }
    assert_eq!(RocksStore::open(config(dir.path())).expect("opens").0.boot(), 2, "a refusal is no boot");
}

#[test]
fn database_of_version_1_is_opened_with_its_votes_and_raised() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    RocksStore::open(config(dir.path())).expect("opens");
    let client = ClientName::new("c").expect("valid");
    let txn = TxnId { client, session: SessionId(1), sequence: Sequence(1) };
    let yes = TxnRecord::Yes(std::sync::Arc::new(Yes {
        digest: Digest([7; 32]),
        participants: vec![NodeId(1), NodeId(2)],
        sponsor: Sponsor { node: NodeId(3), incarnation: Incarnation(4), attempt: 5 },
        stamp: Stamp(6),
        deadline_ms: 7,
        pledged: true,
        steps: Vec::new(),
        results: Vec::new(),
        position: None,
    }));
    let key = b"\x20\x01c\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01";
    {
        let names = DB::list_cf(&Options::default(), dir.path()).expect("lists");
        let mut db = DB::open_cf(&Options::default(), dir.path(), names).expect("opens");
        for name in ["messages", "bodies", "streams"] {
            db.drop_cf(name).expect("drops");
        }
        let put = |family, key: &[u8], value: &[u8]| {
            db.put_cf(db.cf_handle(family).expect("is there"), key, value).expect("puts");
        };
        put("meta", b"\x01storage_version", &codec::encode(&1u32));
        put("transactions", key, &codec::encode(&yes));
    }
    for _ in 0..2 {
        let (_, recovered) = RocksStore::open(config(dir.path())).expect("opens");
        assert_eq!(recovered.txns, [(txn.clone(), yes.clone())]);
    }
    let names = DB::list_cf(&Options::default(), dir.path()).expect("lists");
    let db = DB::open_cf(&Options::default(), dir.path(), names).expect("opens");
    let version = db.get_cf(db.cf_handle("meta").expect("is there"), b"\x01storage_version").expect("reads");
    assert_eq!(version, Some(codec::encode(&STORAGE_VERSION)));
    let held = db.get_cf(db.cf_handle("transactions").expect("is there"), key).expect("reads");
    assert_eq!(held, Some(codec::encode(&yes)));
}

#[test]
fn data_without_a_version_is_refused() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let (mut store, _) = RocksStore::open(config(dir.path())).expect("opens");
    store.write(Write::PutRecord(RecordId::new("student/1").expect("valid"), Version(1)));
    store.commit().expect("commits");
    drop(store);
    {
        let names = DB::list_cf(&Options::default(), dir.path()).expect("lists");
        let db = DB::open_cf(&Options::default(), dir.path(), names).expect("opens");
        db.delete_cf(db.cf_handle("meta").expect("is there"), b"\x01storage_version").expect("deletes");
    }
    let error = refusal(config(dir.path()));
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn damaged_value_is_refused_when_it_is_loaded() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    RocksStore::open(config(dir.path())).expect("opens");
    {
        let names = DB::list_cf(&Options::default(), dir.path()).expect("lists");
        let db = DB::open_cf(&Options::default(), dir.path(), names).expect("opens");
        let transactions = db.cf_handle("transactions").expect("is there");
        db.put_cf(transactions, b"\x20\x01c\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01", b"\xff").expect("puts");
    }
    let error = refusal(config(dir.path()));
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn nearly_full_disk_takes_no_new_work_and_still_writes() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let (mut store, _) =
        RocksStore::open(StoreConfig { reserve_bytes: u64::MAX, ..config(dir.path()) }).expect("opens");
    assert!(!store.accepting());
    store.write(Write::PutRecord(RecordId::new("student/1").expect("valid"), Version(1)));
    store.commit().expect("outcomes may draw on the reserve");
    assert!(!store.refresh_space().expect("tells"));
    drop(store);
    let (store, _) = RocksStore::open(config(dir.path())).expect("opens");
    assert!(store.accepting());
}
