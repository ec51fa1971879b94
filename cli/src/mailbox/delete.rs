//! `assent mailbox delete`: the end of a mailbox.
//!
//! A mailbox exists while its record does; messages outlive the record. So what is in it is looked at first, and ended
//! first if that is wanted. No lock keeps out what is sent at the same moment: it is counted afterwards, and not lost.

use super::{
    failures,
    list::{self, Seen},
    nodes,
};
use crate::{
    context::{self, Global},
    failure::Failure,
    output::thousands,
    status::Status,
};
use assent_client::{
    Client, Nodes, Transaction,
    mail::{Mailbox, Manage},
};
use clap::Args;
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// Between two looks at a mailbox into which messages still come.
const AGAIN: Duration = Duration::from_millis(50);

/// Which mailbox.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The mailbox
    mailbox: Mailbox,
    /// Delete for good what is in it, dead letters and messages on their way too, whoever works on them
    #[arg(long)]
    discard: bool,
}

/// Messages of a mailbox, by where they are.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
struct Content {
    messages: u64,
    dead_letters: u64,
    /// In the outboxes of their sources.
    coming: u64,
}

impl Content {
    fn of(mailbox: &Mailbox, seen: &Seen) -> Content {
        let (messages, dead_letters, coming) = seen.counts(mailbox);
        Content { messages, dead_letters, coming }
    }

    fn is_empty(self) -> bool {
        self == Content { messages: 0, dead_letters: 0, coming: 0 }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { messages, dead_letters, coming } = *self;
        let (messages, dead, coming) = (thousands(messages), thousands(dead_letters), thousands(coming));
        write!(f, "{messages} messages, {dead} dead letters and {coming} messages on their way")
    }
}

/// What was done.
#[derive(Serialize)]
struct Deleted {
    mailbox: String,
    id: String,
    /// Messages that were discarded.
    discarded: u64,
    /// Dead letters that were purged.
    purged: u64,
    /// What came at the last moment: it is kept, and waits for the mailbox to be made again. Null: a node could not be asked.
    left: Option<Content>,
}

impl fmt::Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Deleted { mailbox, discarded, purged, .. } = self;
        write!(f, "deleted mailbox {mailbox}")?;
        if discarded + purged > 0 {
            let (discarded, purged) = (thousands(*discarded), thousands(*purged));
            write!(f, ", with {discarded} messages and {purged} dead letters")?;
        }
        match self.left.filter(|left| !left.is_empty()) {
            Some(left) => write!(f, "; since then there are {left}, until it is made again"),
            None => Ok(()),
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &DeleteArgs, global: &Global) -> Result<Status, Failure> {
    let deleted = context::block_on(async {
        let client = global.connect().await?;
        let nodes = nodes(global)?;
        let deleted = delete(args, global, &client, &nodes).await;
        nodes.close().await;
        client.close().await;
        deleted
    })?;
    global.output().print(&deleted)?;
    Ok(Status::Done)
}

async fn delete(
    args: &DeleteArgs,
    global: &Global,
    client: &Client,
    nodes: &Nodes,
) -> Result<Deleted, Failure> {
    let mailbox = &args.mailbox;
    let what = format!("delete the mailbox {mailbox}");
    let exists = Transaction::new().require_exists(mailbox.record());
    failures::ended(client.run_with_retries(exists).await, mailbox, &what)?;
    let (mut discarded, mut purged) = (0, 0);
    let until = Instant::now() + global.deadline();
    loop {
        let content = content(nodes, mailbox, &what).await?;
        if content.is_empty() {
            break;
        }
        if !args.discard {
            return Err(Failure::new(Status::Refused, format!("could not {what}"))
                .cause(format!("it is not empty: {content}"))
                .remedy(format!(
                    "finish them; or delete them for good: assent mailbox delete {mailbox} --discard"
                )));
        }
        let manage = async |how| {
            let done = nodes.manage(mailbox, how).await;
            done.map_err(|error| failures::failed(&error, mailbox, &format!("discard what is in {mailbox}")))
        };
        let done = (manage(Manage::Discard).await?, manage(Manage::Purge(None)).await?);
        discarded += done.0;
        purged += done.1;
        if done == (0, 0) {
            if Instant::now() >= until {
                return Err(Failure::new(Status::NotExecuted, format!("could not {what}"))
                    .cause(format!(
                        "{discarded} messages and {purged} dead letters were discarded, and it is not empty: {content}"
                    ))
                    .remedy("try again when no transaction is in doubt (assent in-doubt)"));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
    let deleting = Transaction::new().delete(mailbox.record());
    let receipt = failures::ended(client.run_with_retries(deleting).await, mailbox, &what)?;
    let left = content(nodes, mailbox, &what).await.ok();
    Ok(Deleted { mailbox: mailbox.name().to_owned(), id: receipt.id.to_string(), discarded, purged, left })
}

/// What all nodes know of a mailbox. One that is silent may have messages for it.
async fn content(nodes: &Nodes, mailbox: &Mailbox, what: &str) -> Result<Content, Failure> {
    let seen = list::look(nodes).await;
    let silent: Vec<String> = seen.unanswered().collect();
    if silent.is_empty() {
        return Ok(Content::of(mailbox, &seen));
    }
    Err(Failure::new(Status::Unreachable, format!("could not {what}"))
        .cause(silent.join("; "))
        .remedy("see which node is away: assent cluster status; each may have messages for the mailbox"))
}
