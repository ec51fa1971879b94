//! What every play needs of a client: connect, commit whatever is killed meanwhile, read, and wait until all is quiet.

use super::Failure;
use assent_client::{
    Abort, Client, ClientConfig, Doubt, FieldContent, NotExecuted, Outcome, Reason, Receipt, RecordContent,
    Transaction, Value,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long a cluster may take to get quiet: for a machine under any load.
const QUIET_WITHIN: Duration = Duration::from_secs(300);
/// How long nothing may come before nothing more is waited for: what is missing then is lost.
const STILL: Duration = Duration::from_secs(120);
/// How often in a row everything must have been found empty: a message may move from where was not yet looked to where
/// was looked already.
const QUIET_LOOKS: u32 = 5;

/// A number from the environment.
pub(crate) fn number_from(variable: &str, default: u64) -> Result<u64, Failure> {
    match std::env::var(variable) {
        Ok(text) => text.parse().map_err(|_| format!("{variable} is no number: {text}").into()),
        Err(_) => Ok(default),
    }
}

/// Connects as the client of the local cluster in a directory.
pub(crate) async fn connect(dir: &Path) -> Result<Client, Failure> {
    let keys = dir.join("keys");
    let mut config = ClientConfig::load(
        dir.join("cluster.toml"),
        keys.join("client-admin.crt"),
        keys.join("client-admin.key"),
        keys.join("ca.crt"),
    )?;
    config.connect_deadline = Duration::from_secs(60);
    Ok(Client::connect(config).await?)
}

/// Commits, or is refused for good, whatever is killed meanwhile.
pub(crate) async fn commit(client: &Client, transaction: &Transaction) -> Result<Receipt, Abort> {
    loop {
        let mut outcome = client.run_with_retries(transaction.clone()).await;
        while let Outcome::Unknown(handle) = &outcome {
            assert!(
                handle.doubt() == Doubt::Deadline,
                "an outcome can't be learnt any more: {:?}",
                handle.doubt()
            );
            outcome = client.resolve(handle).await;
        }
        match outcome {
            Outcome::Committed(receipt) => return Ok(receipt),
            Outcome::Aborted(abort) if !passes(&abort.reason) => return Err(abort),
            Outcome::Aborted(_) | Outcome::Unknown(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Whether it is worth trying again, however long nodes are away.
fn passes(reason: &Reason) -> bool {
    reason.is_transient()
        || matches!(
            reason,
            Reason::NotExecuted(
                NotExecuted::Late
                    | NotExecuted::Unreachable(_)
                    | NotExecuted::SessionFull
                    | NotExecuted::SessionEnded
                    | NotExecuted::Unanswered
            )
        )
}

/// Reads a record; none if there is none.
pub(crate) async fn read(client: &Client, record: &str) -> Result<Option<RecordContent>, Failure> {
    let receipt = commit(client, &Transaction::new().read(record)).await;
    Ok(receipt.map_err(|abort| format!("{record} can't be read: {abort}"))?.record(0).cloned())
}

fn field<'a>(record: &'a RecordContent, name: &str) -> Option<&'a FieldContent> {
    record.fields.iter().find(|(field, _)| field.as_str() == name).map(|(_, content)| content)
}

/// An integer of a record; 0 if it is not there.
pub(crate) fn integer(record: &RecordContent, name: &str) -> i64 {
    match field(record, name) {
        Some(FieldContent::Value(Value::Int(number))) => *number,
        Some(_) | None => 0,
    }
}

/// A text of a record; empty if it is not there.
pub(crate) fn text(record: &RecordContent, name: &str) -> String {
    match field(record, name) {
        Some(FieldContent::Value(Value::Text(text))) => text.clone(),
        Some(_) | None => String::new(),
    }
}

/// The texts of a list.
pub(crate) fn list(record: &RecordContent, name: &str) -> Vec<String> {
    match field(record, name) {
        Some(FieldContent::List(items)) => {
            let text =
                |item: &Value| if let Value::Text(text) = item { text.clone() } else { format!("{item:?}") };
            items.iter().map(text).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// The members of a set.
pub(crate) fn set(record: &RecordContent, name: &str) -> Vec<String> {
    match field(record, name) {
        Some(FieldContent::Set(members)) => members.iter().map(ToString::to_string).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// The sum of one field over all records of a table; none if a node is away.
pub(crate) async fn sum(client: &Client, table: &str, name: &str) -> Option<i64> {
    let mut sum = 0;
    for node in client.scan(Some(table)).await {
        sum += node.reply.ok()?.iter().map(|(_, record)| integer(record, name)).sum::<i64>();
    }
    Some(sum)
}

/// What is counted towards a goal, with when it last got more.
pub(crate) struct Progress {
    pub(crate) count: i64,
    moved: Instant,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress { count: 0, moved: Instant::now() }
    }

    /// What was found, if anything could be asked.
    pub(crate) fn reached(&mut self, count: Option<i64>) {
        if let Some(count) = count.filter(|count| *count != self.count) {
            *self = Progress { count, moved: Instant::now() };
        }
    }

    /// Whether nothing more is to be expected: more than enough is there, or no more has come for very long.
    pub(crate) fn is_over(&self, goal: i64) -> bool {
        self.count >= goal || self.moved.elapsed() > STILL
    }
}

/// Waits until no message is anywhere and nothing is in doubt. A dead letter is an error: nothing here may fail for good.
pub(crate) async fn quiet(client: &Client) -> Result<(), Failure> {
    let began = Instant::now();
    let mut looks = 0;
    while looks < QUIET_LOOKS {
        if began.elapsed() > QUIET_WITHIN {
            return Err(format!("not quiet after {QUIET_WITHIN:?}: {:?}", client.mailboxes().await).into());
        }
        looks = if look(client).await? { looks + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn look(client: &Client) -> Result<bool, Failure> {
    let mut empty = true;
    for node in client.mailboxes().await {
        let Ok(mailboxes) = node.reply else { return Ok(false) };
        for mailbox in mailboxes {
            if mailbox.dead > 0 {
                let dead = client.dead_letters(&mailbox.mailbox, None).await;
                return Err(format!("dead letters in {}: {dead:?}", mailbox.mailbox).into());
            }
            empty &= mailbox.depth == 0;
        }
    }
    for node in client.outboxes().await {
        let Ok(outbox) = node.reply else { return Ok(false) };
        empty &= outbox.messages == 0 && outbox.waiting == 0;
    }
    for node in client.in_doubt().await {
        let Ok(in_doubt) = node.reply else { return Ok(false) };
        empty &= in_doubt.is_empty();
    }
    Ok(empty)
}
