//! What flows from where to where: the same for the play and all of its workers.

use crate::stage::{Failure, number_from};
use assent_client::{
    Client, Transaction,
    mail::{Mailbox, MailboxSettings},
};

/// Senders' ranges of numbers: each has a record of its own, which says where it is.
pub(crate) const LANES: u64 = 12;
/// Numbers whose fields are in one record.
pub(crate) const NUMBERS_PER_RECORD: u64 = 64;
/// Records that count together, so that transactions seldom meet at one.
pub(crate) const COUNTERS: u64 = 16;

#[derive(Clone)]
pub(crate) struct Flow {
    pub(crate) messages: u64,
    /// Messages in one transaction of a sender or counter.
    pub(crate) batch: u64,
    /// Messages in one transaction of a passer.
    pub(crate) pass_batch: u64,
    pub(crate) first: Mailbox,
    pub(crate) second: Mailbox,
}

impl Flow {
    /// As the environment says, with mailboxes on different participants: so that messages have a way between them.
    pub(crate) fn new(client: &Client) -> Result<Flow, Failure> {
        let directory = client.cluster().directory();
        let first = Mailbox::new("first")?;
        let mut names = (0..100).filter_map(|n| Mailbox::new(&format!("second-{n}")).ok());
        let elsewhere =
            |other: &Mailbox| directory.locate(other.record()) != directory.locate(first.record());
        let second = names.find(elsewhere).ok_or("there is only one participant")?;
        let batch = |name, default| Ok::<_, Failure>(number_from(name, default)?.clamp(1, 1000));
        let (batch, pass_batch) = (batch("BATCH", 16)?, batch("PASS_BATCH", 1)?);
        Ok(Flow { messages: number_from("MESSAGES", 12_000)?, batch, pass_batch, first, second })
    }

    /// The transaction that makes what there must be.
    pub(crate) fn opening(&self) -> Transaction {
        // A worker that is killed has failed to deal with what it held.
        let settings = MailboxSettings { deliveries_max: 1_000_000, ..MailboxSettings::default() };
        let opening =
            Transaction::new().create_mailbox(&self.first, &settings).create_mailbox(&self.second, &settings);
        (0..LANES).fold(opening, |all, lane| all.set(source(lane), "next", 0))
    }

    /// The first number of a lane; that of the one behind the last is the end.
    pub(crate) fn begin(&self, lane: u64) -> u64 {
        self.messages * lane / LANES
    }
}

/// How many messages a lane has sent.
pub(crate) fn source(lane: u64) -> String {
    format!("source/{lane}")
}

/// Where a number is counted.
pub(crate) fn place(number: u64) -> (String, String) {
    (format!("tally/{}", number / NUMBERS_PER_RECORD), format!("n{}", number % NUMBERS_PER_RECORD))
}

/// The number that is counted at a place.
pub(crate) fn number(record: &str, field: &str) -> Option<u64> {
    let block: u64 = record.parse().ok()?;
    let within: u64 = field.strip_prefix('n')?.parse().ok()?;
    Some(block * NUMBERS_PER_RECORD + within)
}
