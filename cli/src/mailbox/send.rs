//! `assent mailbox send`: one message, in a transaction of its own.

use super::failures;
use crate::{
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use assent_client::{
    RecordId, Transaction,
    mail::{Mailbox, NewMessage},
};
use clap::Args;
use serde::Serialize;
use std::{fmt, io::Read, path::PathBuf, time::Duration};

/// Bytes of a payload that are read: one more than may be sent, so that what is too long is said to be so.
const READ_BYTES_MAX: u64 = 256 * 1024 + 1;

/// What is sent.
#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// Where to
    mailbox: Mailbox,
    /// What it says, at most 262144 bytes; - is standard input
    #[arg(required_unless_present = "file")]
    payload: Option<String>,
    /// What it says, from a file
    #[arg(long, value_name = "FILE", conflicts_with = "payload")]
    file: Option<PathBuf>,
    /// Messages of one key are delivered one at a time, in order
    #[arg(long, value_name = "KEY")]
    message_key: Option<String>,
    /// A header; may be given several times
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Deliver it this long after its arrival
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=2_592_000_000))]
    delay_ms: Option<u64>,
    /// The record whose node keeps the message until it has arrived [default: the mailbox's]
    #[arg(long, value_name = "RECORD")]
    from: Option<RecordId>,
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("it must be NAME=VALUE".to_owned()),
    }
}

/// What was sent.
#[derive(Debug, Serialize)]
struct Sent {
    mailbox: String,
    /// The message's id, for ever.
    message_id: String,
    /// The transaction.
    id: String,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent {} to {}", self.message_id, self.mailbox)
    }
}

/// Runs the command.
pub(super) fn run(args: SendArgs, global: &Global) -> Result<Status, Failure> {
    let payload = payload(&args)?;
    let mut message = NewMessage::new(&args.mailbox, payload);
    if let Some(key) = &args.message_key {
        message = message.key(key);
    }
    for (name, value) in args.headers {
        message = message.header(name, value);
    }
    if let Some(delay_ms) = args.delay_ms {
        message = message.delay(Duration::from_millis(delay_ms));
    }
    if let Some(from) = args.from {
        message = message.from(from);
    }
    let outcome = context::block_on(async {
        let client = global.connect().await?;
        let outcome = client.run_with_retries(Transaction::new().send(message)).await;
        client.close().await;
        Ok(outcome)
    })?;
    let receipt = failures::ended(outcome, &args.mailbox, &format!("send to {}", args.mailbox))?;
    global.output().print(&Sent {
        mailbox: args.mailbox.name().to_owned(),
        message_id: format!("{}/0", receipt.id),
        id: receipt.id.to_string(),
    })?;
    Ok(Status::Done)
}

fn payload(args: &SendArgs) -> Result<Vec<u8>, Failure> {
    let unable = |what: String| {
        move |error: std::io::Error| {
            Failure::new(Status::Usage, format!("could not read {what}"))
                .cause(error)
                .remedy("name a file that exists and that you may read")
        }
    };
    let mut bytes = Vec::new();
    match (&args.payload, &args.file) {
        (Some(text), _) if text != "-" => return Ok(text.clone().into_bytes()),
        (_, Some(path)) => {
            let unable = unable(path.display().to_string());
            let file = std::fs::File::open(path).map_err(&unable)?;
            file.take(READ_BYTES_MAX).read_to_end(&mut bytes).map_err(&unable)?;
        }
        (_, None) => {
            let unable = unable("standard input".to_owned());
            std::io::stdin().take(READ_BYTES_MAX).read_to_end(&mut bytes).map_err(unable)?;
        }
    }
    Ok(bytes)
}
