//! `assent mailbox list`, `outbox`: what is in all mailboxes, and what is on its way to them.

use super::nodes;
use crate::{
    context::{self, Global},
    failure::Failure,
    output::thousands,
    status::Status,
};
use assent_client::{
    NodeId, NodeReply, Nodes, RecordContent, RecordId,
    mail::{Mailbox, MailboxFigures, OutboxFigures},
};
use clap::Args;
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// Nothing to choose.
#[derive(Debug, Args)]
pub(super) struct ListArgs {}

/// Nothing to choose.
#[derive(Debug, Args)]
pub(super) struct OutboxArgs {}

/// What a mailbox holds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Held {
    /// Where it is.
    pub(super) node: String,
    /// Messages outlive a record that was deleted.
    exists: bool,
    depth: u64,
    ready: u64,
    leased: u64,
    receivers: u64,
    dead: u64,
    oldest_ms: u64,
    dead_oldest_ms: u64,
}

impl Held {
    fn new(node: &str, figures: &MailboxFigures) -> Held {
        Held {
            node: node.to_owned(),
            exists: figures.exists,
            depth: figures.depth,
            ready: figures.ready,
            leased: figures.leased,
            receivers: figures.receivers,
            dead: figures.dead,
            oldest_ms: figures.oldest_ms,
            dead_oldest_ms: figures.dead_oldest_ms,
        }
    }

    fn empty(node: &str) -> Held {
        Held {
            node: node.to_owned(),
            exists: true,
            depth: 0,
            ready: 0,
            leased: 0,
            receivers: 0,
            dead: 0,
            oldest_ms: 0,
            dead_oldest_ms: 0,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Held { depth, ready, leased, receivers, dead, .. } = self;
        write!(
            f,
            "{}: {} ready, {} leased; {} consumers wait; {} dead letters",
            thousands(*depth),
            thousands(*ready),
            thousands(*leased),
            thousands(*receivers),
            thousands(*dead)
        )?;
        if *depth > 0 {
            write!(f, "; the oldest is {:.1} s old", self.oldest_ms as f64 / 1e3)?;
        }
        if !self.exists {
            f.write_str("; its record was deleted")?;
        }
        Ok(())
    }
}

/// Messages on their way from one node to one mailbox.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Stream {
    mailbox: String,
    from: String,
    to: String,
    /// Numbered, and not known to have arrived.
    waiting: u64,
    oldest_ms: u64,
    /// The mailbox takes nothing now: it is full, or absent.
    held_back: bool,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stream { mailbox, from, to, waiting, oldest_ms, .. } = self;
        let held_back = if self.held_back { "; held back: the mailbox is full or absent" } else { "" };
        let age = *oldest_ms as f64 / 1e3;
        let waiting = thousands(*waiting);
        write!(f, "{waiting} from {from} to {mailbox} on {to}, for {age:.1} s{held_back}")
    }
}

/// What all participants say.
pub(super) struct Seen {
    mailboxes: BTreeMap<String, Held>,
    streams: Vec<Stream>,
    outboxes: BTreeMap<String, Outbox>,
    unanswered: BTreeMap<String, String>,
}

/// The outbox of one node as a whole.
#[derive(Debug, Serialize)]
struct Outbox {
    messages: u64,
    bytes: u64,
    /// Committed, and behind a transaction in doubt.
    waiting: u64,
}

/// Asks all participants.
pub(super) async fn look(nodes: &Nodes) -> Seen {
    let (records, mailboxes, outboxes) =
        tokio::join!(nodes.scan(Some("mailbox")), nodes.mailboxes(), nodes.outboxes());
    put_together(records, mailboxes, outboxes)
}

fn put_together(
    records: Vec<NodeReply<Vec<(RecordId, RecordContent)>>>,
    mailboxes: Vec<NodeReply<Vec<MailboxFigures>>>,
    outboxes: Vec<NodeReply<OutboxFigures>>,
) -> Seen {
    let names: BTreeMap<NodeId, String> =
        mailboxes.iter().map(|reply| (reply.node, reply.name.clone())).collect();
    let name = |id: NodeId| names.get(&id).cloned().unwrap_or_else(|| format!("node {id}"));
    let mut seen = Seen {
        mailboxes: BTreeMap::new(),
        streams: Vec::new(),
        outboxes: BTreeMap::new(),
        unanswered: BTreeMap::new(),
    };
    for NodeReply { name, reply, .. } in records {
        match reply {
            Ok(records) => {
                let found = records.iter().filter_map(|(record, _)| Mailbox::of_record(record));
                seen.mailboxes.extend(found.map(|mailbox| (mailbox.name().to_owned(), Held::empty(&name))));
            }
            Err(error) => drop(seen.unanswered.insert(name, error.to_string())),
        }
    }
    for NodeReply { name, reply, .. } in mailboxes {
        match reply {
            Ok(figures) => {
                let held = |one: &MailboxFigures| (one.mailbox.name().to_owned(), Held::new(&name, one));
                // One that nobody has made, and that is empty, is only an echo of who asked for it.
                let real = figures.iter().filter(|one| one.exists || one.depth + one.dead > 0);
                seen.mailboxes.extend(real.map(held));
            }
            Err(error) => drop(seen.unanswered.insert(name, error.to_string())),
        }
    }
    for NodeReply { name: from, reply, .. } in outboxes {
        match reply {
            Ok(OutboxFigures { streams, waiting, messages, bytes }) => {
                seen.streams.extend(streams.into_iter().filter(|one| one.last > one.acked).map(|one| {
                    Stream {
                        mailbox: one.mailbox.name().to_owned(),
                        from: from.clone(),
                        to: name(one.destination),
                        waiting: one.last.0 - one.acked.0,
                        oldest_ms: one.oldest_ms,
                        held_back: one.held_back,
                    }
                }));
                seen.outboxes.insert(from, Outbox { messages, bytes, waiting });
            }
            Err(error) => drop(seen.unanswered.insert(from, error.to_string())),
        }
    }
    seen
}

impl Seen {
    /// Why a node could not be asked, for each of these.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = String> + '_ {
        self.unanswered.iter().map(|(node, why)| format!("{node}: {why}"))
    }

    /// The messages of a mailbox, its dead letters, and what is on its way to it, as far as nodes have answered.
    pub(super) fn counts(&self, mailbox: &Mailbox) -> (u64, u64, u64) {
        let held = self.mailboxes.get(mailbox.name());
        let coming = self.streams.iter().filter(|stream| stream.mailbox == mailbox.name());
        let coming = coming.map(|stream| stream.waiting).sum();
        (held.map_or(0, |held| held.depth), held.map_or(0, |held| held.dead), coming)
    }

    /// One mailbox, and what is on its way to it from the nodes that answered. An error: its node may be silent.
    pub(super) fn of(self, mailbox: &Mailbox) -> Result<(Held, Vec<Stream>), String> {
        let Some(held) = self.mailboxes.get(mailbox.name()).cloned() else {
            let silent: Vec<String> =
                self.unanswered.into_iter().map(|(node, why)| format!("{node}: {why}")).collect();
            return Err(if silent.is_empty() {
                "no node has it any more".to_owned()
            } else {
                silent.join("; ")
            });
        };
        Ok((held, self.streams.into_iter().filter(|stream| stream.mailbox == mailbox.name()).collect()))
    }
}

/// What `list` prints.
#[derive(Debug, Serialize)]
struct Listed {
    mailboxes: BTreeMap<String, Held>,
    unanswered: BTreeMap<String, String>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (node, why) in &self.unanswered {
            writeln!(f, "{node} could not be asked: {why}")?;
        }
        let width = self.mailboxes.keys().map(String::len).max().unwrap_or(0);
        for (name, held) in &self.mailboxes {
            writeln!(f, "{name:<width$}  {held}  ({})", held.node)?;
        }
        writeln!(f, "{} mailboxes", self.mailboxes.len())
    }
}

/// What `outbox` prints.
#[derive(Debug, Serialize)]
struct ShownOutbox {
    nodes: BTreeMap<String, Outbox>,
    streams: Vec<Stream>,
    unanswered: BTreeMap<String, String>,
}

impl fmt::Display for ShownOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (node, why) in &self.unanswered {
            writeln!(f, "{node} could not be asked: {why}")?;
        }
        for stream in &self.streams {
            writeln!(f, "{stream}")?;
        }
        for (node, outbox) in &self.nodes {
            let (messages, bytes) = (thousands(outbox.messages), thousands(outbox.bytes));
            write!(f, "{node}: {messages} messages in the outbox, about {bytes} bytes")?;
            match outbox.waiting {
                0 => writeln!(f)?,
                waiting => writeln!(f, "; {} wait for transactions in doubt", thousands(waiting))?,
            }
        }
        Ok(())
    }
}

/// Runs `list`.
pub(super) fn list(_args: &ListArgs, global: &Global) -> Result<Status, Failure> {
    let seen = seen(global)?;
    global.output().print(&Listed { mailboxes: seen.mailboxes, unanswered: seen.unanswered.clone() })?;
    Ok(status(&seen.unanswered))
}

/// Runs `outbox`.
pub(super) fn outbox(_args: &OutboxArgs, global: &Global) -> Result<Status, Failure> {
    let seen = seen(global)?;
    let unanswered = seen.unanswered.clone();
    global.output().print(&ShownOutbox { nodes: seen.outboxes, streams: seen.streams, unanswered })?;
    Ok(status(&seen.unanswered))
}

fn seen(global: &Global) -> Result<Seen, Failure> {
    context::block_on(async {
        let nodes = nodes(global)?;
        let seen = look(&nodes).await;
        nodes.close().await;
        Ok(seen)
    })
}

fn status(unanswered: &BTreeMap<String, String>) -> Status {
    if unanswered.is_empty() { Status::Done } else { Status::Unreachable }
}
