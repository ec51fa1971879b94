//! `assent mailbox create`, `show`, `set`: mailboxes as records with settings.

use super::{failures, list, nodes};
use crate::{
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use assent_client::{
    ClientName,
    mail::{Mailbox, MailboxSettings},
};
use clap::Args;
use serde::Serialize;
use std::{collections::BTreeSet, fmt, time::Duration};

/// A new mailbox.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Its name: letters, digits, '.', '_', '-'
    mailbox: Mailbox,
    #[command(flatten)]
    numbers: Numbers,
    /// Who may receive, finish and manage; may be given several times [default: everybody]
    #[arg(long = "consumer", value_name = "CLIENT")]
    consumers: Vec<ClientName>,
}

/// Which mailbox.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The mailbox
    mailbox: Mailbox,
}

/// What changes.
#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The mailbox
    mailbox: Mailbox,
    #[command(flatten)]
    numbers: Numbers,
    /// This client may use it from now on; others that are not named may not
    #[arg(long, value_name = "CLIENT")]
    add_consumer: Vec<ClientName>,
    /// This client may not use it any more
    #[arg(long, value_name = "CLIENT")]
    remove_consumer: Vec<ClientName>,
    /// Everybody may use it
    #[arg(long, conflicts_with_all = ["add_consumer", "remove_consumer"])]
    everybody: bool,
}

/// Settings that are numbers.
#[derive(Debug, Args)]
struct Numbers {
    /// Messages that it may hold; more wait in the outboxes of their sources [default: 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    depth_max: Option<u64>,
    /// Failed deliveries before a message becomes a dead letter [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    deliveries_max: Option<u64>,
    /// Rest after the first failed delivery, doubled after each further one [default: 100]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=2_592_000_000))]
    backoff_ms: Option<u64>,
    /// The longest rest [default: 60000]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=2_592_000_000))]
    backoff_ms_max: Option<u64>,
}

impl Numbers {
    fn apply(&self, settings: &mut MailboxSettings) {
        settings.depth_max = self.depth_max.unwrap_or(settings.depth_max);
        settings.deliveries_max = self.deliveries_max.unwrap_or(settings.deliveries_max);
        settings.backoff = self.backoff_ms.map_or(settings.backoff, Duration::from_millis);
        settings.backoff_max = self.backoff_ms_max.map_or(settings.backoff_max, Duration::from_millis);
    }

    fn is_empty(&self) -> bool {
        let Numbers { depth_max, deliveries_max, backoff_ms, backoff_ms_max } = self;
        [depth_max, deliveries_max, backoff_ms, backoff_ms_max].into_iter().all(Option::is_none)
    }
}

/// What was done.
#[derive(Debug, Serialize)]
struct Done {
    mailbox: String,
    id: String,
    #[serde(skip)]
    what: &'static str,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mailbox {}", self.what, self.mailbox)
    }
}

/// Runs `create`.
pub(super) fn create(args: &CreateArgs, global: &Global) -> Result<Status, Failure> {
    let mut settings = MailboxSettings::default();
    args.numbers.apply(&mut settings);
    if !args.consumers.is_empty() {
        settings.consumers = Some(args.consumers.iter().cloned().collect());
    }
    let outcome = context::block_on(async {
        let client = global.connect().await?;
        let outcome = client.create_mailbox(&args.mailbox, &settings).await;
        client.close().await;
        Ok(outcome)
    })?;
    let receipt = failures::ended(outcome, &args.mailbox, &format!("make the mailbox {}", args.mailbox))?;
    let (mailbox, id) = (args.mailbox.name().to_owned(), receipt.id.to_string());
    global.output().print(&Done { mailbox, id, what: "made" })?;
    Ok(Status::Done)
}

/// Runs `set`.
pub(super) fn set(args: &SetArgs, global: &Global) -> Result<Status, Failure> {
    let SetArgs { mailbox, numbers, add_consumer, remove_consumer, everybody } = args;
    if numbers.is_empty() && add_consumer.is_empty() && remove_consumer.is_empty() && !everybody {
        return Err(Failure::new(Status::Usage, "no setting is given")
            .remedy("see what can be set: assent mailbox set --help"));
    }
    let change = |settings: &mut MailboxSettings| {
        numbers.apply(settings);
        if *everybody {
            settings.consumers = None;
        }
        if !add_consumer.is_empty() {
            settings.consumers.get_or_insert_default().extend(add_consumer.iter().cloned());
        }
        // Where everybody may, there is nobody to be taken away.
        if let Some(consumers) = &mut settings.consumers {
            consumers.retain(|name| !remove_consumer.contains(name));
        }
    };
    let outcome = context::block_on(async {
        let client = global.connect().await?;
        let outcome = client.change_mailbox(mailbox, change).await;
        client.close().await;
        Ok(outcome)
    })?;
    let receipt = failures::ended(outcome, mailbox, &format!("change the mailbox {mailbox}"))?;
    let done = Done { mailbox: mailbox.name().to_owned(), id: receipt.id.to_string(), what: "changed" };
    global.output().print(&done)?;
    Ok(Status::Done)
}

/// A mailbox, as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    mailbox: String,
    depth_max: u64,
    deliveries_max: u64,
    backoff_ms: u64,
    backoff_ms_max: u64,
    /// Null: everybody.
    consumers: Option<BTreeSet<String>>,
    #[serde(flatten)]
    held: list::Held,
    coming: Vec<list::Stream>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "mailbox         {} on {}", self.mailbox, self.held.node)?;
        writeln!(f, "messages        {}", self.held)?;
        for stream in &self.coming {
            writeln!(f, "coming          {stream}")?;
        }
        writeln!(f, "depth_max       {}", self.depth_max)?;
        writeln!(f, "deliveries_max  {}", self.deliveries_max)?;
        writeln!(f, "backoff_ms      {} to {}", self.backoff_ms, self.backoff_ms_max)?;
        match &self.consumers {
            None => writeln!(f, "consumers       everybody"),
            Some(names) if names.is_empty() => writeln!(f, "consumers       nobody"),
            Some(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                writeln!(f, "consumers       {}", names.join(", "))
            }
        }
    }
}

/// Runs `show`.
pub(super) fn show(args: &ShowArgs, global: &Global) -> Result<Status, Failure> {
    let mailbox = &args.mailbox;
    let (settings, seen) = context::block_on(async {
        let client = global.connect().await?;
        let settings = client.mailbox_settings(mailbox).await;
        client.close().await;
        let nodes = nodes(global)?;
        let seen = list::look(&nodes).await;
        nodes.close().await;
        Ok((settings, seen))
    })?;
    let what = format!("read the mailbox {mailbox}");
    let settings = match settings {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            return Err(Failure::new(Status::NotFound, format!("there is no mailbox {mailbox}"))
                .cause(format!("there is no record {}", mailbox.record()))
                .remedy(format!(
                    "see which there are: assent mailbox list; or make it: assent mailbox create {mailbox}"
                )));
        }
        Err(outcome) => {
            failures::ended(outcome, mailbox, &what)?;
            return Err(Failure::new(Status::Failed, format!("could not {what}")));
        }
    };
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (held, coming) = seen.of(mailbox).map_err(|error| {
        Failure::new(Status::Unreachable, format!("could not {what}"))
            .cause(error)
            .remedy("see which node is away: assent cluster status")
    })?;
    global.output().print(&Shown {
        mailbox: mailbox.name().to_owned(),
        depth_max: settings.depth_max,
        deliveries_max: settings.deliveries_max,
        backoff_ms: ms(settings.backoff),
        backoff_ms_max: ms(settings.backoff_max),
        consumers: settings
            .consumers
            .map(|names| names.iter().map(|name| name.as_str().to_owned()).collect()),
        held,
        coming,
    })?;
    Ok(Status::Done)
}
