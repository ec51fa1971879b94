//! Receives from one mailbox, with some messages prepared for the next call.
//!
//! Every call may be dropped before it ends: what had arrived for it is kept for the next one, and given back when the
//! consumer itself is dropped.

use super::{Delivery, MailError, Receiving};
use crate::client::Client;
use assent_protocol::{
    mail::{DELIVERY_MAX, LeaseId, Mailbox, Position, WAIT_MS_MAX},
    message::{Finish, MailboxRefusal},
};
use std::{collections::VecDeque, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// How a consumer receives. [`ConsumerConfig::default`] gives the defaults.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerConfig {
    /// How long a message may be worked on before it goes to somebody else. Default: 30 s, at most 12 hours. Higher lets a
    /// dead consumer's messages wait longer; lower wants [`Client::extend`] for long work.
    pub lease: Duration,
    /// Messages that are received ahead, so that the next call need not wait. Default: 0. Higher saves round trips, and
    /// keeps messages from other consumers; their leases begin when they arrive here.
    pub prefetch: u16,
}

impl Default for ConsumerConfig {
    fn default() -> ConsumerConfig {
        ConsumerConfig { lease: Duration::from_secs(30), prefetch: 0 }
    }
}

/// Receives from one mailbox. Several consumers, of one client or many, share a mailbox's messages.
///
/// ```no_run
/// # use assent_client::{Client, mail::ConsumerConfig};
/// # use std::time::Duration;
/// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let mut consumer = client.consumer("orders", ConsumerConfig::default())?;
/// for message in consumer.receive(16, Duration::from_secs(20)).await? {
///     println!("{}", message.text().unwrap_or_default());
///     client.acknowledge(&message).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Consumer {
    client: Client,
    mailbox: Mailbox,
    config: ConsumerConfig,
    ready: VecDeque<Delivery>,
    fetching: Option<oneshot::Receiver<Result<Vec<Delivery>, MailError>>>,
}

impl Consumer {
    pub(super) fn new(client: Client, mailbox: Mailbox, config: ConsumerConfig) -> Consumer {
        Consumer { client, mailbox, config, ready: VecDeque::new(), fetching: None }
    }

    /// The mailbox.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Up to `max` messages, as soon as there is one; none if there was none within `wait` (at most 60 s). They are this
    /// client's until their leases run out. A node that is away is waited for within `wait`. If an answer is lost on the
    /// way, its messages come again when their leases have run out, and that counts as a failed delivery.
    pub async fn receive(&mut self, max: u16, wait: Duration) -> Result<Vec<Delivery>, MailError> {
        let max = max.clamp(1, DELIVERY_MAX as u16);
        let wait = wait.min(Duration::from_millis(WAIT_MS_MAX.into()));
        let until = Instant::now() + wait;
        loop {
            // Too late to begin with these: others have the time. They are in the order in which they came.
            let old = self.ready.iter().take_while(|delivery| delivery.is_old()).count();
            give_back(&self.client, &self.mailbox, self.ready.drain(..old).collect());
            if !self.ready.is_empty() {
                let count = self.ready.len().min(max.into());
                let taken = self.ready.drain(..count).collect();
                if self.ready.len() < usize::from(self.config.prefetch).div_ceil(2) {
                    self.fetch(self.config.prefetch, wait);
                }
                return Ok(taken);
            }
            self.fetch(max.saturating_add(self.config.prefetch).min(DELIVERY_MAX as u16), wait);
            let Some(fetching) = &mut self.fetching else { continue };
            // What was asked answers by itself at about the same moment; the rest is its way back.
            let patience = until + self.client.nodes().patience();
            match timeout_at(patience, fetching).await {
                Ok(answer) => {
                    self.fetching = None;
                    // Without an answer, its task has gone with the runtime.
                    let Ok(answer) = answer else { return Ok(Vec::new()) };
                    let deliveries = answer?;
                    if deliveries.is_empty() && Instant::now() >= until {
                        return Ok(Vec::new());
                    }
                    self.ready.extend(deliveries);
                }
                // It was asked by an earlier call that could wait for longer, and goes on.
                Err(_) => return Ok(Vec::new()),
            }
        }
    }

    /// The next message, or none if there was none within `wait`: [`Consumer::receive`] of one.
    pub async fn next(&mut self, wait: Duration) -> Result<Option<Delivery>, MailError> {
        Ok(self.receive(1, wait).await?.pop())
    }

    /// Up to `max` messages that are acknowledged before they are seen: at most once. What is in an answer that is lost
    /// ([`MailError::Unknown`]), or in a process that dies, is lost.
    pub async fn receive_and_forget(&self, max: u16, wait: Duration) -> Result<Vec<Delivery>, MailError> {
        self.client.receive(&self.mailbox, &Receiving { max, lease: None, wait }).await
    }

    /// [`Client::acknowledge`]: at least once.
    pub async fn acknowledge(&self, delivery: &Delivery) -> Result<(), MailError> {
        self.client.acknowledge(delivery).await
    }

    /// [`Client::acknowledge_all`]: at least once.
    pub async fn acknowledge_all(
        &self,
        deliveries: &[Delivery],
    ) -> Result<Vec<Result<(), MailboxRefusal>>, MailError> {
        self.client.acknowledge_all(deliveries).await
    }

    /// [`Client::release`]: the delivery has failed.
    pub async fn release(
        &self,
        delivery: &Delivery,
        cause: &str,
        delay: Option<Duration>,
    ) -> Result<(), MailError> {
        self.client.release(delivery, cause, delay).await
    }

    /// [`Client::extend`]: the work goes on.
    pub async fn extend(&self, delivery: &Delivery, lease: Duration) -> Result<(), MailError> {
        self.client.extend(delivery, lease).await
    }

    /// Asks for messages, unless that is under way. On a task of its own, so that it outlives a call that is dropped.
    fn fetch(&mut self, max: u16, wait: Duration) {
        if self.fetching.is_some() || max == 0 {
            return;
        }
        let (tell, hear) = oneshot::channel();
        let (client, mailbox) = (self.client.clone(), self.mailbox.clone());
        let receiving = Receiving { max, lease: Some(self.config.lease), wait };
        tokio::spawn(async move {
            let received = client.receive(&mailbox, &receiving).await;
            if let Err(Ok(unheard)) = tell.send(received) {
                give_back(&client, &mailbox, unheard);
            }
        });
        self.fetching = Some(hear);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        give_back(&self.client, &self.mailbox, self.ready.drain(..).collect());
    }
}

/// In the background. If it fails, the leases run out.
fn give_back(client: &Client, mailbox: &Mailbox, deliveries: Vec<Delivery>) {
    let places: Vec<(Position, LeaseId)> = deliveries.iter().filter_map(Delivery::place).collect();
    if places.is_empty() {
        return;
    }
    let (client, mailbox) = (client.clone(), mailbox.clone());
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            let how = Finish::Release { delay_ms: None, cause: None };
            if let Err(error) = client.nodes().finish(&mailbox, &places, &how).await {
                tracing::debug!(%mailbox, %error, "messages could not be given back; their leases run out");
            }
        });
    }
}
