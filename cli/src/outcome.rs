//! `assent outcome`: what became of a transaction, as the participants tell it. Changes nothing.

use crate::{
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use assent_client::{Held, NodeReply, Nodes, Reason, Report, TxnId, Verdict, json};
use clap::Args;
use serde::Serialize;
use std::fmt;

/// Which transaction.
#[derive(Debug, Args)]
pub(crate) struct OutcomeArgs {
    /// The id, as CLIENT:SESSION:SEQUENCE
    id: TxnId,
}

/// What is known.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<serde_json::Value>,
    participants: Vec<String>,
    nodes: Vec<ShownNode>,
    #[serde(skip)]
    in_words: String,
}

#[derive(Debug, Serialize)]
struct ShownNode {
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.id, self.in_words)?;
        for node in &self.nodes {
            let said = node.holds.as_deref().or(node.error.as_deref()).unwrap_or("-");
            writeln!(f, "  {:<16} {said}", node.node)?;
        }
        Ok(())
    }
}

/// Runs the command.
pub(crate) fn run(args: &OutcomeArgs, global: &Global) -> Result<Status, Failure> {
    let cluster = global.load_cluster()?;
    let report = context::block_on(async {
        // Without a session: this has to work when no coordinator does.
        let nodes = Nodes::new(&global.client_config()?);
        let report = nodes.outcome(&args.id).await;
        nodes.close().await;
        Ok(report)
    })?;
    let (outcome, in_words, status) = conclude(&report.verdict);
    let name = |id| cluster.node(id).map_or_else(|| format!("node {id}"), |node| node.name.clone());
    let reason = match &report.verdict {
        Verdict::Aborted(reason) => Some(json::reason(&Reason::Aborted(reason.clone()))),
        Verdict::Committed(_)
        | Verdict::InDoubt
        | Verdict::NotHeld
        | Verdict::Forgotten
        | Verdict::Unknown => None,
    };
    let Report { id, participants, nodes, .. } = report;
    global.output().print(&Shown {
        id: id.to_string(),
        outcome,
        reason,
        participants: participants.into_iter().map(name).collect(),
        nodes: nodes.into_iter().map(shown).collect(),
        in_words,
    })?;
    Ok(status)
}

fn conclude(verdict: &Verdict) -> (&'static str, String, Status) {
    match verdict {
        Verdict::Committed(_) => ("committed", "committed".to_owned(), Status::Done),
        Verdict::Aborted(reason) => {
            ("aborted", format!("aborted: {}", Reason::Aborted(reason.clone())), Status::Aborted)
        }
        Verdict::InDoubt => {
            ("in-doubt", "in doubt: voted on, and no outcome is known yet".to_owned(), Status::Unknown)
        }
        Verdict::NotHeld => {
            ("not-held", "nothing is held of it: it has not run".to_owned(), Status::NotFound)
        }
        Verdict::Forgotten => (
            "forgotten",
            "nothing is held of it any more: if it ran, its client has had the answer".to_owned(),
            Status::NotFound,
        ),
        Verdict::Unknown => (
            "unknown",
            "unknown: no one who answers holds anything, and not everyone answers".to_owned(),
            Status::Unknown,
        ),
    }
}

fn shown(reply: NodeReply<Held>) -> ShownNode {
    let (holds, error) = match reply.reply {
        Ok(held) => (Some(in_words(&held)), None),
        Err(error) => (None, Some(error.to_string())),
    };
    ShownNode { node: reply.name, holds, error }
}

fn in_words(held: &Held) -> String {
    match held {
        Held::Blank => "nothing".to_owned(),
        Held::Queued(sponsor) => format!("waits for locks, for coordinator {}", sponsor.node),
        Held::Yes { sponsor, pledged: false } => format!("voted yes, to coordinator {}", sponsor.node),
        Held::Yes { sponsor, pledged: true } => {
            format!("voted yes, to coordinator {}, and pledged it", sponsor.node)
        }
        Held::Committed(_) => "committed".to_owned(),
        Held::Aborted(reason) => format!("aborted: {}", Reason::Aborted(reason.clone())),
        Held::Expired => {
            "nothing any more: its client has had the answer, or its session has ended".to_owned()
        }
        Held::IdReused => "another transaction under the same id".to_owned(),
        Held::Declined(reason) => {
            format!("nothing, and takes nothing now: {}", Reason::Aborted(reason.clone()))
        }
    }
}
