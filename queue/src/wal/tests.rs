//! Damages real logs in every way that fits into a second, and says for each what must be noticed.

use super::*;
use crate::{RocksStore, StoreConfig};
use assent_protocol::{
    ids::{FieldName, NodeId, RecordId},
    operation::Value,
    storage::{Field, Store, Write},
};
use tempfile::TempDir;

/// A log as RocksDB wrote it, and where its batches end.
struct Log {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Log {
    /// Writes a batch with a value of each of these sizes; `sync` says whether each is synced before the next.
    fn write(sizes: &[usize], sync: bool) -> Log {
        let dir = tempfile::tempdir().expect("a folder for the test");
        let config = StoreConfig { reserve_bytes: 0, ..StoreConfig::new(dir.path(), NodeId(1), "n") };
        let (mut store, _) = RocksStore::open(config).expect("opens");
        let file = log_files(dir.path()).expect("lists").pop().expect("there is a log");
        let mut ends = vec![fs::metadata(&file).expect("is there").len() as usize];
        for size in sizes {
            let record = RecordId::new("student/1").expect("valid");
            let field = FieldName::new("f").expect("valid");
            store.write(Write::PutField(record, field, Field::Value(Value::Bytes(vec![7; *size]))));
            store.commit().expect("commits");
            if sync {
                store.syncer().sync().expect("syncs");
            }
            ends.push(fs::metadata(&file).expect("is there").len() as usize);
        }
        // Read before the store is closed, which would add a last mark.
        Log { bytes: fs::read(&file).expect("reads"), ends }
    }

    fn last_start(&self) -> usize {
        self.ends[self.ends.len() - 2]
    }

    /// Where the batch starts that holds this byte.
    fn start_of(&self, at: usize) -> usize {
        self.ends.iter().copied().filter(|end| *end <= at).max().unwrap_or(0)
    }
}

/// What is found in a folder with these logs, oldest first.
fn look(dir: &TempDir, logs: &[&[u8]]) -> Result<Option<Cut>, WalError> {
    for (index, bytes) in logs.iter().enumerate() {
        fs::write(dir.path().join(format!("{:06}.log", 4 + index)), bytes).expect("writes");
    }
    inspect(dir.path())
}

fn assert_damaged(found: &Result<Option<Cut>, WalError>, offset: usize, what: &str) {
    let right = matches!(found, Err(WalError::Damaged { offset: at, .. }) if *at == offset as u64);
    assert!(right, "{what}: {found:?}, not damage at {offset}");
}

fn assert_cut(found: &Result<Option<Cut>, WalError>, offset: usize, what: &str) {
    let right = matches!(found, Ok(Some(cut)) if cut.offset == offset as u64);
    assert!(right, "{what}: {found:?}, not a cut at {offset}");
}

#[test]
fn sound_logs_are_left_alone() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    for sizes in [&[][..], &[1; 20], &[100_000, 1, 70_000]] {
        let log = Log::write(sizes, true);
        assert!(matches!(look(&dir, &[&log.bytes]), Ok(None)));
    }
    // A record may start anywhere in a block, also where not even its header's payload fits.
    for size in 32_500..32_768 {
        if size % 16 == 0 || size > 32_640 {
            let log = Log::write(&[size, 40, 40], false);
            assert!(matches!(look(&dir, &[&log.bytes]), Ok(None)), "{size}");
        }
    }
}

#[test]
fn every_flipped_byte_of_what_was_synced_is_noticed() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let log = Log::write(&[30; 10], true);
    for at in 0..log.bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bytes = log.bytes.clone();
            bytes[at] ^= mask;
            let found = look(&dir, &[&bytes]);
            // Nothing says of the last batch that it was synced: it is as good as torn.
            if at < log.last_start() {
                assert_damaged(&found, log.start_of(at), &format!("byte {at} ^ {mask:#x}"));
            } else {
                assert_cut(&found, log.last_start(), &format!("byte {at} ^ {mask:#x}"));
            }
        }
    }
}

#[test]
fn every_flipped_byte_of_a_long_record_is_noticed() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let log = Log::write(&[10, 100_000, 10, 10], true);
    for at in (log.ends[1]..log.ends[2]).step_by(997) {
        let mut bytes = log.bytes.clone();
        bytes[at] ^= 0xff;
        assert_damaged(&look(&dir, &[&bytes]), log.ends[1], &format!("byte {at}"));
    }
}

#[test]
fn zeroed_sectors_are_noticed() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let log = Log::write(&[300; 40], true);
    for start in (0..log.last_start() - 512).step_by(512) {
        let mut bytes = log.bytes.clone();
        bytes[start..start + 512].fill(0);
        // The bytes that it begins with may have been zeros: the end of the mark of a batch that is still whole.
        let first = (start..start + 512).find(|at| log.bytes[*at] != 0).expect("no sector is all zeros");
        assert_damaged(&look(&dir, &[&bytes]), log.start_of(first), &format!("sector at {start}"));
    }
}

#[test]
fn every_truncation_is_cut_at_the_last_whole_batch() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let log = Log::write(&[30; 6], true);
    for length in 0..log.bytes.len() {
        let found = look(&dir, &[&log.bytes[..length]]);
        if length == log.start_of(length) {
            assert!(matches!(found, Ok(None)), "{length}: {found:?}");
        } else {
            assert_cut(&found, log.start_of(length), &format!("{length} bytes"));
        }
    }
}

#[test]
fn torn_write_takes_what_was_written_after_it_along() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    // None of these was synced, and a disk may write their pages in any order.
    let log = Log::write(&[30; 10], false);
    for at in log.ends[1]..log.bytes.len() {
        let mut bytes = log.bytes.clone();
        bytes[at] ^= 0xff;
        assert_cut(&look(&dir, &[&bytes]), log.start_of(at), &format!("byte {at}"));
    }
}

#[test]
fn damage_is_noticed_across_files() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let log = Log::write(&[30; 6], true);
    let (old, new) = log.bytes.split_at(log.ends[3]);
    assert!(matches!(look(&dir, &[old, new]), Ok(None)));
    let mut torn = old.to_vec();
    torn.truncate(torn.len() - 3);
    assert_damaged(&look(&dir, &[&torn, new]), log.ends[2], "the end of the older file");
    // A whole batch is missing at the end of a file. RocksDB knows from its manifest whether the file is needed.
    assert!(matches!(look(&dir, &[&log.bytes[..log.ends[2]], new]), Ok(None)));
}

#[test]
fn torn_write_is_cut_across_files() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let log = Log::write(&[30; 6], false);
    let (old, new) = log.bytes.split_at(log.ends[3]);
    let torn = &old[..old.len() - 3];
    let found = look(&dir, &[torn, new]);
    assert_cut(&found, log.ends[2], "the end of the older file");
    let found = found.expect("no damage").expect("a cut");
    assert_eq!(found.later, [dir.path().join("000005.log")]);
    assert_eq!(found.bytes as usize, torn.len() - log.ends[2] + new.len());
    cut(&found).expect("cuts");
    assert!(matches!(inspect(dir.path()), Ok(None)));
    assert_eq!(fs::read(dir.path().join("000004.log")).expect("reads"), &log.bytes[..log.ends[2]]);
    assert_eq!(fs::read(dir.path().join("000005.log")).expect("reads"), []);
    // A whole batch is missing between two files, and no mark covers it.
    let found = look(&dir, &[&log.bytes[..log.ends[2]], new]);
    assert!(
        matches!(&found, Ok(Some(cut)) if cut.offset == 0 && cut.file.ends_with("000005.log")),
        "{found:?}"
    );
}
