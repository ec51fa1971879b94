use super::*;
use assent_protocol::{
    digest::digest,
    ids::{NodeId, RecordId, Stamp, Subject, TxnId},
    message::{Branch, Intent},
    operation::{Operation, Step},
};
use std::fs;

fn client(name: &str) -> ClientName {
    ClientName::new(name).expect("valid")
}

fn begin(session: u64, sequence: u64) -> Begin {
    let record = RecordId::new("student/s17").expect("valid");
    let steps = vec![Step { index: 0, operation: Operation::Delete { record } }];
    let branches = vec![Branch { participant: NodeId(3), steps }];
    let txn = TxnId { client: client("app"), session: SessionId(session), sequence: Sequence(sequence) };
    Begin {
        subject: Subject { txn, digest: digest(&branches) },
        intent: Intent::First,
        stamp: Stamp(17),
        deadline_ms: 2000,
        watermark: Sequence(1),
        branches,
    }
}

fn slots(unfinished: &[Unfinished]) -> Vec<(u64, u64)> {
    let txn = |one: &Unfinished| one.begin.subject.txn.clone();
    unfinished.iter().map(|one| (txn(one).session.0, txn(one).sequence.0)).collect()
}

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("journal")
}

#[tokio::test]
async fn what_was_begun_and_not_finished_comes_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, unfinished) = Journal::open(&path(&dir), &client("app")).expect("new");
    assert_eq!(unfinished, []);
    for sequence in 1..=3 {
        journal.begin(&begin(9, sequence), "line 7").await.expect("written");
    }
    journal.finish((SessionId(9), Sequence(2)), None).done().await.expect("written");
    drop(journal);
    let (journal, unfinished) = Journal::open(&path(&dir), &client("app")).expect("good");
    assert_eq!(slots(&unfinished), [(9, 1), (9, 3)]);
    assert_eq!(unfinished[0], Unfinished { begin: Box::new(begin(9, 1)), note: "line 7".to_owned() });
    drop(journal);
}

#[tokio::test]
async fn a_request_is_settled_in_its_session_once_its_end_is_synced() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, _) = Journal::open(&path(&dir), &client("app")).expect("new");
    let session = Arc::new(Session::resume(SessionId(9), 0, [Sequence(4), Sequence(5)]));
    journal.finish((SessionId(9), Sequence(4)), Some(Arc::clone(&session))).done().await.expect("written");
    assert_eq!(session.watermark(), Sequence(5));
}

#[test]
fn one_process_has_it_and_only_its_client() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = |name: &str| Journal::open(&path(&dir), &client(name)).map(|(journal, _)| journal);
    let held = open("app").expect("new");
    assert!(matches!(open("app"), Err(JournalError::InUse { .. })));
    drop(held);
    assert!(matches!(open("other"), Err(JournalError::Owner { .. })));
    drop(open("app").expect("free again"));
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_a_damaged_middle_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, _) = Journal::open(&path(&dir), &client("app")).expect("new");
    journal.begin(&begin(9, 1), "").await.expect("written");
    journal.begin(&begin(9, 2), "").await.expect("written");
    drop(journal);
    let whole = fs::read(path(&dir)).expect("readable");

    fs::write(path(&dir), &whole[..whole.len() - 5]).expect("writable");
    let (journal, unfinished) = Journal::open(&path(&dir), &client("app")).expect("torn");
    assert_eq!(slots(&unfinished), [(9, 1)]);
    journal.begin(&begin(9, 3), "").await.expect("written");
    drop(journal);
    let (journal, unfinished) = Journal::open(&path(&dir), &client("app")).expect("good");
    assert_eq!(slots(&unfinished), [(9, 1), (9, 3)]);
    drop(journal);

    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(path(&dir), &damaged).expect("writable");
    let error = Journal::open(&path(&dir), &client("app")).map(|_| ()).expect_err("damaged");
    assert!(matches!(error, JournalError::Corrupt { .. }), "{error}");
    assert_eq!(fs::read(path(&dir)).expect("readable"), damaged, "a refused file is left as it is");
}

#[test]
fn another_file_or_version_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let refused = |bytes: &[u8]| {
        fs::write(path(&dir), bytes).expect("writable");
        let error = Journal::open(&path(&dir), &client("app")).map(|_| ()).expect_err("not ours");
        assert_eq!(fs::read(path(&dir)).expect("readable"), bytes);
        error
    };
    assert!(matches!(refused(b"[[node]]\nid = 1\n"), JournalError::NotAJournal { .. }));
    let newer = frames::encode(&Entry::Owner { version: 2, client: client("app") });
    assert!(matches!(refused(&frames::frame([newer.as_slice()])), JournalError::Version { found: 2, .. }));
    let headless = frames::encode(&Entry::Finished { session: SessionId(1), sequence: Sequence(1) });
    assert!(matches!(refused(&frames::frame([headless.as_slice()])), JournalError::NotAJournal { .. }));
}

#[tokio::test]
async fn a_long_journal_is_written_anew_with_what_is_unfinished() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, _) = Journal::open(&path(&dir), &client("app")).expect("new");
    let note = "x".repeat(256 * 1024);
    journal.begin(&begin(9, 1), "kept").await.expect("written");
    for sequence in 2..40 {
        journal.begin(&begin(9, sequence), &note).await.expect("written");
        journal.finish((SessionId(9), Sequence(sequence)), None).done().await.expect("written");
    }
    drop(journal);
    assert!(fs::metadata(path(&dir)).expect("there").len() < 5 * 1024 * 1024);
    let (journal, unfinished) = Journal::open(&path(&dir), &client("app")).expect("good");
    assert_eq!(slots(&unfinished), [(9, 1)]);
    drop(journal);
}
