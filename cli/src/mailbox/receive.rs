//! `assent mailbox receive`: messages as they come, under a lease or for good.

use super::{failures, nodes};
use crate::{
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use assent_client::{
    Nodes, json,
    mail::{Delivery, MailError, Mailbox, Receiving},
};
use clap::Args;
use serde::{Serialize, Serializer};
use std::{fmt, time::Duration};

/// How long one request waits while messages are followed.
const FOLLOW_WAIT: Duration = Duration::from_secs(20);
/// After the mailbox's node could not be asked, while messages are followed.
const FOLLOW_PAUSE: Duration = Duration::from_millis(500);

/// What is received, and how.
#[derive(Debug, Args)]
pub(super) struct ReceiveArgs {
    /// The mailbox
    mailbox: Mailbox,
    /// Messages at most
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    max: u16,
    /// How long they are nobody else's
    #[arg(long, default_value_t = 30_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=43_200_000))]
    lease_ms: u64,
    /// How long to wait for the first one
    #[arg(long, default_value_t = 0, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=60_000))]
    wait_ms: u64,
    /// Acknowledge on receipt: at most once, what is lost on the way is gone
    #[arg(long, conflicts_with = "acknowledge")]
    take: bool,
    /// Acknowledge each after it was printed: at least once
    #[arg(long)]
    acknowledge: bool,
    /// Go on until interrupted
    #[arg(long, conflicts_with = "wait_ms")]
    follow: bool,
}

/// A message, as it is shown.
struct Shown(Delivery);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::delivery(&self.0).serialize(serializer)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delivery = &self.0;
        write!(f, "{}", delivery.position())?;
        if let Some(lease) = delivery.lease() {
            write!(f, "  lease {lease}")?;
        }
        if let Some(key) = delivery.key() {
            write!(f, "  key {key}")?;
        }
        if delivery.attempt() > 1 {
            write!(f, "  delivery {}", delivery.attempt())?;
        }
        writeln!(f, "  {}", delivery.id())?;
        for (name, value) in delivery.headers() {
            writeln!(f, "  {name}: {value}")?;
        }
        show_payload(f, delivery.payload())
    }
}

/// Text as it is, anything else as base64.
pub(super) fn show_payload(f: &mut fmt::Formatter<'_>, payload: &[u8]) -> fmt::Result {
    match std::str::from_utf8(payload) {
        Ok(text) => writeln!(f, "  {}", text.trim_end().replace('\n', "\n  ")),
        Err(_) => writeln!(f, "  base64 {}", json::to_base64(payload)),
    }
}

/// Runs the command.
pub(super) fn run(args: &ReceiveArgs, global: &Global) -> Result<Status, Failure> {
    let receiving = Receiving {
        max: args.max,
        lease: (!args.take).then(|| Duration::from_millis(args.lease_ms)),
        wait: if args.follow { FOLLOW_WAIT } else { Duration::from_millis(args.wait_ms) },
    };
    let received = async {
        let nodes = nodes(global)?;
        let received = receive(args, global, &nodes, &receiving).await;
        nodes.close().await;
        received
    };
    if args.follow { context::block_on_until_interrupted(received) } else { context::block_on(received) }
}

async fn receive(
    args: &ReceiveArgs,
    global: &Global,
    nodes: &Nodes,
    receiving: &Receiving,
) -> Result<Status, Failure> {
    let mailbox = &args.mailbox;
    loop {
        let deliveries = match nodes.receive(mailbox, receiving).await {
            Ok(deliveries) => deliveries,
            Err(error @ (MailError::NotSent(_) | MailError::Unknown(_))) if args.follow => {
                eprintln!("trying again: {error}");
                tokio::time::sleep(FOLLOW_PAUSE).await;
                continue;
            }
            Err(error) => {
                return Err(failures::failed(&error, mailbox, &format!("receive from {mailbox}")));
            }
        };
        for delivery in deliveries {
            let place = delivery.lease().map(|lease| (delivery.position(), lease));
            global.output().print(&Shown(delivery))?;
            if let Some(place) = place.filter(|_| args.acknowledge) {
                super::finish::acknowledge_one(nodes, mailbox, place).await?;
            }
        }
        if !args.follow {
            return Ok(Status::Done);
        }
    }
}
