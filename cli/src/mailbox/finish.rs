//! `assent mailbox acknowledge`, `release`, `extend`: the end of a delivery, or more time for it. Whoever has the client's certificate can finish what it
//! has received, also from another process.

use super::{failures, nodes};
use crate::{
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use assent_client::{
    Nodes,
    mail::{Finish, LeaseId, MailError, Mailbox, Position},
};
use clap::Args;
use serde::Serialize;
use std::fmt;

/// Which message.
#[derive(Debug, Args)]
pub(super) struct AcknowledgeArgs {
    /// The mailbox
    mailbox: Mailbox,
    /// The message's number, as it was received
    message: u64,
    /// The lease, as it was received
    #[arg(long, value_name = "LEASE")]
    lease: LeaseId,
}

/// Which message, and why.
#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// The mailbox
    mailbox: Mailbox,
    /// The message's number, as it was received
    message: u64,
    /// The lease, as it was received
    #[arg(long, value_name = "LEASE")]
    lease: LeaseId,
    /// Why the delivery has failed, at most 1024 bytes; without it, it has not, and is not counted
    #[arg(long, value_name = "TEXT")]
    cause: Option<String>,
    /// How long it rests [default: not at all, or with a cause as the mailbox's settings say]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(0..=2_592_000_000))]
    delay_ms: Option<u32>,
}

/// Which message, and for how long.
#[derive(Debug, Args)]
pub(super) struct ExtendArgs {
    /// The mailbox
    mailbox: Mailbox,
    /// The message's number, as it was received
    message: u64,
    /// The lease, as it was received
    #[arg(long, value_name = "LEASE")]
    lease: LeaseId,
    /// How long the lease lasts from now
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=43_200_000))]
    lease_ms: u32,
}

#[derive(Debug, Serialize)]
struct Done {
    mailbox: String,
    message: u64,
    done: &'static str,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} message {} of {}", self.done, self.message, self.mailbox)
    }
}

/// Runs `acknowledge`.
pub(super) fn acknowledge(args: &AcknowledgeArgs, global: &Global) -> Result<Status, Failure> {
    let place = (Position(args.message), args.lease);
    finish(global, &args.mailbox, place, &Finish::Acknowledge, "acknowledge", "acknowledged")
}

/// Runs `release`.
pub(super) fn release(args: &ReleaseArgs, global: &Global) -> Result<Status, Failure> {
    let how = Finish::Release { delay_ms: args.delay_ms, cause: args.cause.clone() };
    finish(global, &args.mailbox, (Position(args.message), args.lease), &how, "release", "released")
}

/// Runs `extend`.
pub(super) fn extend(args: &ExtendArgs, global: &Global) -> Result<Status, Failure> {
    let place = (Position(args.message), args.lease);
    finish(global, &args.mailbox, place, &Finish::Extend(args.lease_ms), "extend the lease of", "extended")
}

/// Acknowledges what was just received.
pub(super) async fn acknowledge_one(
    nodes: &Nodes,
    mailbox: &Mailbox,
    place: (Position, LeaseId),
) -> Result<(), Failure> {
    one(nodes, mailbox, place, &Finish::Acknowledge, "acknowledge").await
}

fn finish(
    global: &Global,
    mailbox: &Mailbox,
    place: (Position, LeaseId),
    how: &Finish,
    what: &str,
    done: &'static str,
) -> Result<Status, Failure> {
    context::block_on(async {
        let nodes = nodes(global)?;
        let finished = one(&nodes, mailbox, place, how, what).await;
        nodes.close().await;
        finished
    })?;
    global.output().print(&Done { mailbox: mailbox.name().to_owned(), message: place.0.0, done })?;
    Ok(Status::Done)
}

async fn one(
    nodes: &Nodes,
    mailbox: &Mailbox,
    place: (Position, LeaseId),
    how: &Finish,
    what: &str,
) -> Result<(), Failure> {
    let finished = match nodes.finish(mailbox, &[place], how).await {
        Ok(results) => results.into_iter().try_for_each(|result| result.map_err(MailError::Refused)),
        Err(error) => Err(error),
    };
    finished.map_err(|error| {
        failures::failed(&error, mailbox, &format!("{what} message {} of {mailbox}", place.0))
    })
}
