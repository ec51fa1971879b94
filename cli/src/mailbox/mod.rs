//! `assent mailbox`: mailboxes and their messages, from the shell.
//!
//! What only looks or finishes goes straight to the node that holds the mailbox, and works when no coordinator does.

mod delete;
mod failures;
mod finish;
mod list;
mod pages;
mod receive;
mod send;
mod settings;

use crate::{context::Global, failure::Failure, status::Status};
use assent_client::Nodes;
use clap::{Args, Subcommand};

/// Mailboxes and messages.
#[derive(Debug, Args)]
pub(crate) struct MailboxArgs {
    #[command(subcommand)]
    command: MailboxCommand,
}

#[derive(Debug, Subcommand)]
enum MailboxCommand {
    /// Make a mailbox
    #[command(
        after_help = "Examples:\n  assent mailbox create orders\n  assent mailbox create orders --deliveries-max 3 --consumer shop --consumer admin"
    )]
    Create(settings::CreateArgs),
    /// List the mailboxes: how much is in each, and who waits
    #[command(after_help = "Example:\n  assent mailbox list")]
    List(list::ListArgs),
    /// Show a mailbox: its settings, what is in it, and what is on its way to it
    #[command(after_help = "Example:\n  assent mailbox show orders")]
    Show(settings::ShowArgs),
    /// Change settings of a mailbox
    #[command(
        after_help = "Examples:\n  assent mailbox set orders --depth-max 1000000\n  assent mailbox set orders --add-consumer shop\n  assent mailbox set orders --everybody"
    )]
    Set(settings::SetArgs),
    /// Delete a mailbox: one that is empty, or with all that is in it
    #[command(
        after_help = "Examples:\n  assent mailbox delete orders\n  assent mailbox delete orders --discard\n\nWhat is sent to it afterwards waits where it was sent, until the mailbox is made again."
    )]
    Delete(delete::DeleteArgs),
    /// Send a message, in a transaction of its own
    #[command(
        after_help = "Examples:\n  assent mailbox send orders 'one book' --message-key s17 --header kind=book\n  assent mailbox send orders --file order.bin\n\nTo change records in the same transaction: assent transact"
    )]
    Send(send::SendArgs),
    /// Receive messages, under a lease or for good
    #[command(
        after_help = "Examples:\n  assent mailbox receive orders --wait-ms 5000\n  assent mailbox receive orders --follow --acknowledge\n  assent mailbox receive orders --max 100 --take --json"
    )]
    Receive(receive::ReceiveArgs),
    /// Finish a message that was received
    #[command(after_help = "Example:\n  assent mailbox acknowledge orders 17 --lease 3.42")]
    Acknowledge(finish::AcknowledgeArgs),
    /// Keep a message for longer that was received
    #[command(after_help = "Example:\n  assent mailbox extend orders 17 --lease 3.42 --lease-ms 60000")]
    Extend(finish::ExtendArgs),
    /// Give a message back that was received
    #[command(
        after_help = "Examples:\n  assent mailbox release orders 17 --lease 3.42\n  assent mailbox release orders 17 --lease 3.42 --cause 'the printer is on fire' --delay-ms 60000"
    )]
    Release(finish::ReleaseArgs),
    /// Show the messages in a mailbox, and take none
    #[command(after_help = "Example:\n  assent mailbox messages orders --max 10")]
    Messages(pages::MessagesArgs),
    /// Show what waits in the outboxes, by mailbox
    #[command(after_help = "Example:\n  assent mailbox outbox")]
    Outbox(list::OutboxArgs),
    /// Look at, redrive and purge messages whose deliveries have failed too often
    Dead(pages::DeadArgs),
}

/// Runs the command.
pub(crate) fn run(args: MailboxArgs, global: &Global) -> Result<Status, Failure> {
    match args.command {
        MailboxCommand::Create(args) => settings::create(&args, global),
        MailboxCommand::List(args) => list::list(&args, global),
        MailboxCommand::Show(args) => settings::show(&args, global),
        MailboxCommand::Set(args) => settings::set(&args, global),
        MailboxCommand::Delete(args) => delete::run(&args, global),
        MailboxCommand::Send(args) => send::run(args, global),
        MailboxCommand::Receive(args) => receive::run(&args, global),
        MailboxCommand::Acknowledge(args) => finish::acknowledge(&args, global),
        MailboxCommand::Extend(args) => finish::extend(&args, global),
        MailboxCommand::Release(args) => finish::release(&args, global),
        MailboxCommand::Messages(args) => pages::messages(&args, global),
        MailboxCommand::Outbox(args) => list::outbox(&args, global),
        MailboxCommand::Dead(args) => pages::dead(args, global),
    }
}

/// Asks nodes directly, and waits as long as `--deadline-ms` says.
fn nodes(global: &Global) -> Result<Nodes, Failure> {
    let mut config = global.client_config()?;
    config.query_deadline = global.deadline();
    Ok(Nodes::new(&config))
}
