//! Where the operations of a transaction go, fixed once for all attempts: the id stands for just this (R12).

use crate::{outcome::NotExecuted, transaction::Transaction};
use assent_protocol::{
    codec,
    digest::digest,
    directory::Directory,
    ids::Digest,
    message::{Branch, OPERATIONS_MAX, PARTICIPANTS_MAX},
    operation::{Check, Operation, Step},
};

/// Bytes of one request at most: what a frame may hold, less what a coordinator adds.
const REQUEST_BYTES_MAX: usize = codec::FRAME_BYTES_MAX - 64 * 1024;

/// A transaction by participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Sorted by participant; the steps of each in the client's order.
    pub(crate) branches: Vec<Branch>,
    /// What the id stands for.
    pub(crate) digest: Digest,
    /// Whether anything is changed.
    pub(crate) writes: bool,
}

impl Placement {
    /// Of nothing: where operations that aren't needed any more are put.
    pub(crate) fn empty() -> Placement {
        Placement { branches: Vec::new(), digest: Digest([0; 32]), writes: false }
    }
}

/// Checks the transaction and groups its operations by who executes them.
pub(crate) fn place(transaction: Transaction, directory: &Directory) -> Result<Placement, NotExecuted> {
    check(&transaction)?;
    let writes = transaction.is_write();
    let mut branches: Vec<Branch> = Vec::new();
    for (index, operation) in (0_u16..).zip(transaction.operations) {
        let participant = directory.locate(operation.record());
        let step = Step { index, operation };
        // Few participants, and neighbours often share one: looking from the end beats a map.
        match branches.iter_mut().rev().find(|branch| branch.participant == participant) {
            Some(branch) => branch.steps.push(step),
            None => branches.push(Branch { participant, steps: vec![step] }),
        }
    }
    branches.sort_by_key(|branch| branch.participant);
    if branches.len() > PARTICIPANTS_MAX {
        return invalid(None, format!("it touches {} participants, more than 64", branches.len()));
    }
    Ok(Placement { digest: digest(&branches), branches, writes })
}

/// The operations of a placement in the order in which they were given.
pub(crate) fn operations(branches: &[Branch]) -> Vec<Operation> {
    let mut steps: Vec<&Step> = branches.iter().flat_map(|branch| &branch.steps).collect();
    steps.sort_by_key(|step| step.index);
    steps.into_iter().map(|step| step.operation.clone()).collect()
}

fn check(transaction: &Transaction) -> Result<(), NotExecuted> {
    if let Some((operation, why)) = &transaction.invalid {
        return invalid(Some(*operation), why.to_string());
    }
    let operations = &transaction.operations;
    if operations.is_empty() {
        return invalid(None, "it has no operations".to_owned());
    }
    if operations.len() > OPERATIONS_MAX {
        return invalid(None, format!("it has {} operations, more than 4096", operations.len()));
    }
    let mut bytes = 0;
    for (index, operation) in operations.iter().enumerate() {
        operation.check().or_else(|why| invalid(Some(index), why.to_owned()))?;
        bytes += weight(operation);
    }
    if bytes > REQUEST_BYTES_MAX {
        return invalid(None, format!("it takes about {bytes} bytes, more than {REQUEST_BYTES_MAX}"));
    }
    Ok(())
}

fn invalid<T>(operation: Option<usize>, why: String) -> Result<T, NotExecuted> {
    Err(NotExecuted::Invalid { operation, why })
}

/// Bytes of the encoded operation, never too few.
fn weight(operation: &Operation) -> usize {
    // Numbers, variants and lengths of one operation take less than 64 bytes together; names are at most 256 each.
    const NAMES_BYTES_MAX: usize = 64 + 256 + 64 + 256;
    match operation {
        Operation::Set { value, .. }
        | Operation::Append { value, .. }
        | Operation::Require { check: Check::Equals(_, value), .. } => NAMES_BYTES_MAX + value.len(),
        // Beside its texts, a header has two lengths.
        Operation::Send { draft, .. } => NAMES_BYTES_MAX + draft.bytes() + 16 * draft.headers.len(),
        Operation::Require { .. }
        | Operation::Delete { .. }
        | Operation::Add { .. }
        | Operation::Insert { .. }
        | Operation::Remove { .. }
        | Operation::Read { .. }
        | Operation::Acknowledge { .. } => NAMES_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::NewMessage;
    use assent_protocol::{
        ids::NodeId,
        mail::{
            DELAY_MS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, KEY_BYTES_MAX, LeaseId, MAILBOX_BYTES_MAX, Mailbox,
            PAYLOAD_BYTES_MAX, Position,
        },
        operation::VALUE_BYTES_MAX,
    };
    use std::collections::BTreeMap;

    fn directory() -> Directory {
        let nodes = |ids: &[u16]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        let tables =
            BTreeMap::from([("course".to_owned(), nodes(&[5])), ("student".to_owned(), nodes(&[3]))]);
        Directory::new(tables, nodes(&[3, 4, 5]))
    }

    fn why(transaction: Transaction) -> String {
        place(transaction, &directory()).expect_err("it is wrong").to_string()
    }

    #[test]
    fn operations_are_grouped_by_participant_and_keep_their_indexes() {
        let transaction = Transaction::new()
            .insert("course/CS101", "roster", "s17", 40)
            .insert("student/s17", "schedule", "CS101", None)
            .read_count("course/CS101", "roster")
            .add("student/s17", "credits", 6, ..=60);
        let given = transaction.operations().to_vec();
        let placement = place(transaction, &directory()).expect("it is right");
        let indexes: Vec<(u16, Vec<u16>)> = placement
            .branches
            .iter()
            .map(|branch| (branch.participant.0, branch.steps.iter().map(|step| step.index).collect()))
            .collect();
        assert_eq!(indexes, [(3, vec![1, 3]), (5, vec![0, 2])]);
        assert_eq!(operations(&placement.branches), given);
        assert_eq!(placement.digest, digest(&placement.branches));
        assert!(placement.writes);
    }

    #[test]
    fn the_same_operations_always_have_the_same_digest_and_others_another() {
        let place = |transaction: Transaction| place(transaction, &directory()).expect("it is right");
        let one = || Transaction::new().read("student/1").read("course/1");
        assert_eq!(place(one()), place(one()));
        assert!(!place(one()).writes);
        assert_ne!(place(one()).digest, place(Transaction::new().read("course/1").read("student/1")).digest);
    }

    #[test]
    fn what_is_wrong_in_itself_is_not_sent() {
        assert_eq!(why(Transaction::new()), "it has no operations");
        let text = why(Transaction::new().read("student/1").read("student").read(""));
        assert_eq!(text, "operation 1: record \"student\" is not valid: it must be table/id");
        let text = why(Transaction::new().set("a/b", "c", "x".repeat(VALUE_BYTES_MAX + 1)));
        assert_eq!(text, "operation 0: the value is longer than 65,536 bytes");
        let many = (0..=OPERATIONS_MAX).fold(Transaction::new(), |all, _| all.read("a/b"));
        assert_eq!(why(many), "it has 4097 operations, more than 4096");
        let large =
            (0..200).fold(Transaction::new(), |all, _| all.set("a/b", "c", "x".repeat(VALUE_BYTES_MAX)));
        assert!(why(large).starts_with("it takes about"));
    }

    #[test]
    fn an_operation_never_takes_more_bytes_than_it_is_weighed() {
        let longest = format!("t/{}", "r".repeat(254));
        let message = NewMessage::new("m".repeat(MAILBOX_BYTES_MAX), vec![0; PAYLOAD_BYTES_MAX])
            .key("k".repeat(KEY_BYTES_MAX))
            .delay(std::time::Duration::from_millis(DELAY_MS_MAX.into()))
            .from(&longest);
        let transaction = Transaction::new()
            .insert(&longest, "f".repeat(64), "m".repeat(256), u64::MAX)
            .add(&longest, "f".repeat(64), i64::MIN, i64::MIN..=i64::MAX)
            .require_contains(&longest, "f".repeat(64), "m".repeat(256))
            .set(&longest, "f".repeat(64), "v".repeat(VALUE_BYTES_MAX))
            .push(Operation::Acknowledge {
                mailbox: Mailbox::new(&"m".repeat(MAILBOX_BYTES_MAX)).expect("valid"),
                position: Position(u64::MAX),
                lease: LeaseId { boot: u64::MAX, serial: u64::MAX },
            })
            .send((0..HEADERS_MAX).fold(message, |message, n| {
                message.header(format!("{n:0>128}"), "v".repeat(HEADER_BYTES_MAX / HEADERS_MAX - 128))
            }));
        assert!(transaction.invalid.is_none());
        for (index, operation) in (4096..).zip(transaction.operations) {
            let weight = weight(&operation);
            assert_eq!(operation.check(), Ok(()));
            assert!(codec::encode(&Step { index, operation }).len() <= weight);
        }
    }
}
