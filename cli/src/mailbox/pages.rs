//! `assent mailbox messages`, `dead …`: what is stored, page by page, and what is done with dead letters.

use super::{failures, nodes, receive::show_payload};
use crate::{
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use assent_client::{
    Nodes, json,
    mail::{Cause, Mailbox, Manage, Position, Stored},
};
use clap::{Args, Subcommand};
use serde::{Serialize, Serializer};
use std::fmt;

/// Which messages.
#[derive(Debug, Args)]
pub(super) struct MessagesArgs {
    /// The mailbox
    mailbox: Mailbox,
    /// Only those after this one
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// How many at most
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: u64,
}

/// Dead letters.
#[derive(Debug, Args)]
pub(super) struct DeadArgs {
    #[command(subcommand)]
    command: DeadCommand,
}

#[derive(Debug, Subcommand)]
enum DeadCommand {
    /// List dead letters
    #[command(after_help = "Example:\n  assent mailbox dead list orders")]
    List(MessagesArgs),
    /// Show a dead letter and its failures
    #[command(after_help = "Example:\n  assent mailbox dead show orders 17")]
    Show(DeadShowArgs),
    /// Put dead letters back into their mailbox, as new messages with their old ids
    #[command(
        after_help = "Examples:\n  assent mailbox dead redrive orders 17 18\n  assent mailbox dead redrive orders --all"
    )]
    Redrive(DeadManageArgs),
    /// Delete dead letters for good
    #[command(
        after_help = "Examples:\n  assent mailbox dead purge orders 17\n  assent mailbox dead purge orders --all"
    )]
    Purge(DeadManageArgs),
}

#[derive(Debug, Args)]
struct DeadShowArgs {
    /// The mailbox
    mailbox: Mailbox,
    /// The dead letter's number
    message: u64,
}

#[derive(Debug, Args)]
struct DeadManageArgs {
    /// The mailbox
    mailbox: Mailbox,
    /// Their numbers: all of them, or none if one is not there
    #[arg(required_unless_present = "all", num_args = 1..=1024)]
    messages: Vec<u64>,
    /// All that there are
    #[arg(long, conflicts_with = "messages")]
    all: bool,
}

/// A message in its mailbox, as it is shown.
struct Shown(Position, Stored);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::stored(self.0, &self.1).serialize(serializer)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(position, stored) = self;
        let draft = &stored.envelope.draft;
        write!(f, "{position}")?;
        if let Some(key) = &draft.key {
            write!(f, "  key {}", key.as_str())?;
        }
        writeln!(f, "  {}", stored.envelope.id)?;
        for (name, value) in &draft.headers {
            writeln!(f, "  {name}: {value}")?;
        }
        show_payload(f, &draft.payload)?;
        if stored.failed > 0 {
            writeln!(f, "  {} deliveries have failed", stored.failed)?;
        }
        for failure in &stored.failures {
            let cause = match &failure.cause {
                Cause::LeaseExpired => "the lease ran out",
                Cause::Failed(words) => words,
            };
            writeln!(f, "    {}: {cause}", failure.consumer)?;
        }
        Ok(())
    }
}

#[derive(Debug, Serialize)]
struct Managed {
    mailbox: String,
    done: u64,
    #[serde(skip)]
    what: &'static str,
}

impl fmt::Display for Managed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} dead letters of {}", self.what, self.done, self.mailbox)
    }
}

/// Runs `messages`.
pub(super) fn messages(args: &MessagesArgs, global: &Global) -> Result<Status, Failure> {
    show_pages(args, global, false)
}

/// Runs `dead`.
pub(super) fn dead(args: DeadArgs, global: &Global) -> Result<Status, Failure> {
    match args.command {
        DeadCommand::List(args) => show_pages(&args, global, true),
        DeadCommand::Show(args) => show_dead(&args, global),
        DeadCommand::Redrive(args) => {
            manage(&args, global, "redrive", ("redrove", "redriven"), Manage::Redrive)
        }
        DeadCommand::Purge(args) => manage(&args, global, "purge", ("purged", "purged"), Manage::Purge),
    }
}

async fn page(
    nodes: &Nodes,
    mailbox: &Mailbox,
    dead: bool,
    after: Option<Position>,
) -> Result<(Vec<(Position, Stored)>, bool), Failure> {
    let page =
        if dead { nodes.dead_letters(mailbox, after).await } else { nodes.messages(mailbox, after).await };
    page.reply.map_err(|error| failures::unread(&error, mailbox))
}

fn show_pages(args: &MessagesArgs, global: &Global, dead: bool) -> Result<Status, Failure> {
    context::block_on(async {
        let nodes = nodes(global)?;
        let mut after = args.after.map(Position);
        let mut left = args.max;
        loop {
            let (messages, more) = page(&nodes, &args.mailbox, dead, after).await?;
            let last = messages.last().map(|(position, _)| *position);
            for (position, stored) in messages {
                if left == 0 {
                    break;
                }
                left -= 1;
                global.output().print(&Shown(position, stored))?;
            }
            // A page that says that there are more, and gives none, would be asked for ever.
            if !more || left == 0 || last.is_none() || last <= after {
                break;
            }
            after = last;
        }
        nodes.close().await;
        Ok(Status::Done)
    })
}

fn show_dead(args: &DeadShowArgs, global: &Global) -> Result<Status, Failure> {
    let position = Position(args.message);
    let found = context::block_on(async {
        let nodes = nodes(global)?;
        let (messages, _) = page(&nodes, &args.mailbox, true, position.previous()).await?;
        nodes.close().await;
        Ok(messages.into_iter().next().filter(|(at, _)| *at == position))
    })?;
    let Some((position, stored)) = found else {
        return Err(Failure::new(
            Status::NotFound,
            format!("{} has no dead letter {position}", args.mailbox),
        )
        .cause("it was redriven or purged, or has never been one")
        .remedy(format!("see which there are: assent mailbox dead list {}", args.mailbox)));
    };
    global.output().print(&Shown(position, stored))?;
    Ok(Status::Done)
}

/// How many there are now.
async fn dead_letters(nodes: &Nodes, mailbox: &Mailbox) -> Result<u64, Failure> {
    let figures = nodes.mailbox(mailbox).await.reply.map_err(|error| failures::unread(&error, mailbox))?;
    Ok(figures.map_or(0, |figures| figures.dead))
}

fn manage(
    args: &DeadManageArgs,
    global: &Global,
    what: &str,
    (did, were): (&'static str, &'static str),
    manage: fn(Option<Vec<Position>>) -> Manage,
) -> Result<Status, Failure> {
    let mailbox = &args.mailbox;
    let mut places: Vec<Position> = args.messages.iter().copied().map(Position).collect();
    places.sort_unstable();
    places.dedup();
    let done = context::block_on(async {
        let nodes = nodes(global)?;
        // Those that die meanwhile are left: what is redriven may die again at once, and this would never end.
        let there = if args.all { dead_letters(&nodes, mailbox).await? } else { places.len() as u64 };
        let mut done = 0;
        // One request takes as many as it may, the first ones.
        loop {
            let named = (!args.all).then(|| places[done as usize..].to_vec());
            let some = nodes.manage(mailbox, manage(named)).await.map_err(|error| {
                let before = if done > 0 { format!(" (after {done} were {were})") } else { String::new() };
                failures::failed(&error, mailbox, &format!("{what} dead letters of {mailbox}{before}"))
            })?;
            done += some;
            if done >= there || some == 0 {
                break;
            }
        }
        nodes.close().await;
        Ok(done)
    })?;
    global.output().print(&Managed { mailbox: mailbox.name().to_owned(), done, what: did })?;
    Ok(Status::Done)
}
