//! A process that is killed loses nothing that it had synced, and no batch by half.
//!
//! Not shown here: a machine that loses power. That is `tests/wal.rs`, on files as such a crash leaves them.

use assent_protocol::{
    ids::{FieldName, Member, NodeId, RecordId, Version},
    storage::{Field, Store, Write},
};
use assent_queue::{RocksStore, StoreConfig};
use std::{
    env,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

/// Set for the process that is to be killed: its folder.
const CHILD_DIR: &str = "ASSENT_QUEUE_CRASH_DIR";
const KILLS: usize = 12;

fn open(dir: &Path) -> RocksStore {
    // Small memtables, so that some kills meet a flush and a change of logs.
    let config = StoreConfig {
        memtable_bytes: 256 << 10,
        reserve_bytes: 0,
        ..StoreConfig::new(dir, NodeId(1), "students-1")
    };
    RocksStore::open(config).expect("opens").0
}

fn roster() -> (RecordId, FieldName) {
    (RecordId::new("course/1").expect("valid"), FieldName::new("roster").expect("valid"))
}

fn enrolled(store: &RocksStore) -> u64 {
    let (course, roster) = roster();
    let members = store.members(&course, &roster).len() as u64;
    assert_eq!(store.record(&course).unwrap_or_default(), Version(members), "half a batch");
    let count = store.field(&course, &roster);
    assert_eq!(count, (members > 0).then_some(Field::Set(members)), "half a batch");
    members
}

/// What the child does: enrols one student per batch, and says each time how many are durable.
fn enrol_for_ever(dir: &Path) -> ! {
    let mut store = open(dir);
    let (course, roster) = roster();
    let mut count = enrolled(&store);
    let mut out = std::io::stdout();
    loop {
        count += 1;
        let member = Member::new(&format!("s{count:09}")).expect("valid");
        store.write(Write::PutMember(course.clone(), roster.clone(), member));
        store.write(Write::PutField(course.clone(), roster.clone(), Field::Set(count)));
        store.write(Write::PutRecord(course.clone(), Version(count)));
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
