//! Where all messages are: how many wait while clients are at work, and whether everything comes to its end afterwards.

use super::{super::ending, Consumers};
use crate::{
    attack::{environment::Environment, error::AttackError},
    verdict::{Anomaly, Verdict},
};
use assent_client::Client;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Clients send nothing more while so many messages wait: what is sent in a run must come to its end after it.
pub(in super::super) const BACKLOG_MAX: u64 = 300;
/// How often it is looked how many wait.
const COUNT_EVERY: Duration = Duration::from_millis(250);
/// How long after all faults messages may be on their way.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Counts the messages that wait, as far as nodes answer.
pub(in super::super) async fn watch(client: Client, waiting: Arc<AtomicU64>) {
    loop {
        let outboxes = client.outboxes().await.into_iter().filter_map(|node| node.reply.ok());
        let mut count: u64 = outboxes.map(|outbox| outbox.messages).sum();
        let mailboxes = client.mailboxes().await.into_iter().filter_map(|node| node.reply.ok());
        count += mailboxes.flatten().map(|mailbox| mailbox.depth + mailbox.dead).sum::<u64>();
        waiting.store(count, Ordering::SeqCst);
        tokio::time::sleep(COUNT_EVERY).await;
    }
}

impl Consumers {
    /// Waits until every mailbox and outbox of the cluster is empty and nobody has a message, or too long.
    pub(in super::super) async fn drained(
        &self,
        client: &Client,
        cluster: &Environment,
    ) -> Result<Verdict, AttackError> {
        let started = Instant::now();
        loop {
            cluster.interrupt.check()?;
            let anomalies = self.left(client).await;
            let waited = started.elapsed();
            if anomalies.is_empty() || waited > DRAINED_WITHIN {
                let count = |of: &AtomicU64| of.load(Ordering::SeqCst);
                let summary = format!(
                    "waited for {:.1} s after the faults; {} messages were delivered, {} of these had for too long, given \
                     back or forgotten on purpose, {} dead letters put back; consumers died {} times",
                    waited.as_secs_f64(),
                    count(&self.state.received),
                    count(&self.state.mistreated),
                    count(&self.state.redriven),
                    count(&self.state.died),
                );
                return Ok(ending::undecided("no message is left", summary, anomalies));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What is left. A message goes from an outbox to a mailbox, and only a consumer that has it moves it on: if nobody had
    /// one at first and none was received while first outboxes and then mailboxes were looked at, none is overlooked.
    async fn left(&self, client: &Client) -> Vec<Anomaly> {
        let mut anomalies = Vec::new();
        let mut found = |class: &str, words: String| {
            anomalies.push(Anomaly { class: class.to_owned(), words, events: Vec::new() });
        };
        let received = self.state.received.load(Ordering::SeqCst);
        let busy = self.state.busy.load(Ordering::SeqCst);
        for node in client.outboxes().await {
            match node.reply {
                Ok(outbox) => {
                    let moves = outbox.streams.iter().any(|stream| stream.last != stream.acked);
                    if moves || outbox.messages > 0 || outbox.waiting > 0 {
                        found("still in an outbox", format!("{} holds {outbox:?}", node.name));
                    }
                }
                Err(error) => found("no answer", format!("{}: {error}", node.name)),
            }
        }
        for node in client.mailboxes().await {
            match node.reply {
                Ok(mailboxes) => {
                    for mailbox in mailboxes.into_iter().filter(|mailbox| mailbox.depth + mailbox.dead > 0) {
                        found("still in a mailbox", format!("{} holds {mailbox:?}", node.name));
                    }
                }
                Err(error) => found("no answer", format!("{}: {error}", node.name)),
            }
        }
        if busy > 0 || received != self.state.received.load(Ordering::SeqCst) {
            found("still at work", format!("consumers have {busy} messages"));
        }
        anomalies
    }
}
