//! `assent in-doubt`: undecided transactions of all participants, put together by transaction.

use crate::{
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use assent_client::{InDoubt, NodeId, NodeReply, Nodes};
use assent_transport::Cluster;
use clap::Args;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Records that are printed for a transaction as text; JSON has all.
const RECORDS_SHOWN: usize = 8;

/// Nothing to choose.
#[derive(Debug, Args)]
pub(crate) struct InDoubtArgs {}

/// Everything undecided.
#[derive(Debug, Serialize)]
struct Shown {
    transactions: Vec<Undecided>,
    /// Nodes that could not be asked, and why.
    unanswered: BTreeMap<String, String>,
}

/// One undecided transaction.
#[derive(Debug, Default, Serialize)]
struct Undecided {
    id: String,
    /// The longest time that a participant has had it.
    age_ms: u64,
    coordinator: String,
    participants: Vec<String>,
    /// What each participant that holds it says: "queued", "yes" or "pledged".
    votes: BTreeMap<String, &'static str>,
    /// Participants that did not answer: neither us nor those who asked them.
    missing: BTreeSet<String>,
    /// The records that wait.
    records: BTreeSet<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (node, why) in &self.unanswered {
            writeln!(f, "{node} could not be asked: {why}")?;
        }
        for transaction in &self.transactions {
            write!(f, "{transaction}")?;
        }
        writeln!(f, "{} transactions in doubt", self.transactions.len())
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let votes: Vec<String> = self.votes.iter().map(|(node, vote)| format!("{node} {vote}")).collect();
        writeln!(f, "{}  {:.1} s old, driven by {}", self.id, self.age_ms as f64 / 1e3, self.coordinator)?;
        writeln!(f, "  of       {}", self.participants.join(", "))?;
        writeln!(f, "  votes    {}", votes.join(", "))?;
        if !self.missing.is_empty() {
            writeln!(f, "  missing  {}", self.missing.iter().cloned().collect::<Vec<_>>().join(", "))?;
        }
        let shown: Vec<&str> = self.records.iter().take(RECORDS_SHOWN).map(String::as_str).collect();
        let more = self.records.len().saturating_sub(RECORDS_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(f, "  waiting  {}{more}", shown.join(", "))
    }
}

/// Runs the command.
pub(crate) fn run(_args: &InDoubtArgs, global: &Global) -> Result<Status, Failure> {
    let cluster = global.load_cluster()?;
    let replies = context::block_on(async {
        // Without a session: this has to work when no coordinator does.
        let nodes = Nodes::new(&global.client_config()?);
        let replies = nodes.in_doubt().await;
        nodes.close().await;
        Ok(replies)
    })?;
    let shown = put_together(&cluster, replies);
    global.output().print(&shown)?;
    Ok(if shown.unanswered.is_empty() { Status::Done } else { Status::Unreachable })
}

fn put_together(cluster: &Cluster, replies: Vec<NodeReply<Vec<InDoubt>>>) -> Shown {
    let name = |id: NodeId| cluster.node(id).map_or_else(|| format!("node {id}"), |node| node.name.clone());
    let mut unanswered = BTreeMap::new();
    let mut by_id: BTreeMap<String, Undecided> = BTreeMap::new();
    for reply in replies {
        let held = match reply.reply {
            Ok(held) => held,
            Err(error) => {
                unanswered.insert(reply.name, error.to_string());
                continue;
            }
        };
        for one in held {
            let id = one.subject.txn.to_string();
            let entry = by_id.entry(id.clone()).or_insert_with(|| Undecided { id, ..Undecided::default() });
            entry.age_ms = entry.age_ms.max(one.age_ms);
            entry.coordinator = name(one.sponsor.node);
            entry.participants = one.participants.into_iter().map(name).collect();
            entry.missing.extend(one.missing.into_iter().map(name));
            entry.records.extend(one.records.iter().map(|record| record.as_str().to_owned()));
            entry.votes.insert(reply.name.clone(), vote(one.queued, one.pledged));
        }
    }
    for entry in by_id.values_mut() {
        let silent = entry.participants.iter().filter(|name| unanswered.contains_key(*name));
        entry.missing.extend(silent.cloned());
    }
    let mut transactions: Vec<Undecided> = by_id.into_values().collect();
    transactions.sort_by_key(|entry| std::cmp::Reverse(entry.age_ms));
    Shown { transactions, unanswered }
}

fn vote(queued: bool, pledged: bool) -> &'static str {
    match (queued, pledged) {
        (true, _) => "queued",
        (false, true) => "pledged",
        (false, false) => "yes",
    }
}
