//! A service of one function: for each message once, whatever crashes.
//!
//! It receives a message, calls the function, and commits what the function changes and sends together with the
//! acknowledgement. Whoever dies before the commit has done nothing; whoever dies after it has done everything. That is the
//! whole of exactly once: nothing is remembered beside the mailbox.
//!
//! Here is the loop over messages; `working` is one message from its delivery to its end, `figures` what is counted.

mod figures;
#[cfg(test)]
mod tests;
mod working;

use super::{Consumer, ConsumerConfig, Delivery, LeaseId, MailError, Position, calls::whole_ms};
use crate::{client::Client, names::Named, transaction::Transaction};
use assent_protocol::{
    ids::InvalidName,
    mail::{DELIVERY_MAX, Mailbox},
    message::Finish,
};
use figures::Counts;
pub use figures::ProcessorFigures;
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::watch,
    task::{self, JoinError, JoinHandle, JoinSet},
    time::{sleep, timeout},
};
pub(crate) use working::{Ended, Tried, Worker};

/// The first pause after a mailbox could not be asked; twice as long after each further one.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How a processor works. [`ProcessorConfig::default`] gives the defaults.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessorConfig {
    /// Messages that are worked on at the same time. Default: 16. Higher gives more load; messages of one key still come
    /// one at a time.
    pub concurrency: u16,
    /// The lease of a message, which is extended as long as the function runs. Default: 30 s, at most 12 hours. Lower gives
    /// the messages of a dead process to others sooner, and extends more often.
    pub lease: Duration,
    /// How long one try to commit may take. Default: 5 s. It is tried again as long as the lease is good.
    pub deadline: Duration,
    /// How long a mailbox is asked to wait for a message. Default: 10 s, at most 60 s. Lower asks more often for nothing.
    pub wait: Duration,
    /// How often the function is called again at once when a record had another version than it required. Default: 8.
    /// After that, the delivery counts as failed.
    pub reruns_max: u32,
    /// How long [`Processor::shut_down`] waits for functions that run. Default: 30 s. What has not ended by then is
    /// stopped, and its message comes again.
    pub drain: Duration,
}

impl Default for ProcessorConfig {
    fn default() -> ProcessorConfig {
        ProcessorConfig {
            concurrency: 16,
            lease: Duration::from_secs(30),
            deadline: Duration::from_secs(5),
            wait: Duration::from_secs(10),
            reruns_max: 8,
            drain: Duration::from_secs(30),
        }
    }
}

/// Processes each message of a mailbox exactly once.
///
/// The function gets the message and a transaction that acknowledges it, and returns the transaction with what it changes
/// and sends. What it does besides, outside of the transaction, is done at least once: it is called again after a crash,
/// and when another one was faster. An error makes the delivery a failed one: the message comes again after a while, and
/// becomes a dead letter after too many failures.
///
/// What was refused because of what records hold is a failure too, except for a version that the function required and that
/// has changed meanwhile: then it is called again at once. Conflicts are tried again with the age of the first try; an
/// unknown outcome is settled before anything else is done with the message.
///
/// ```no_run
/// use assent_client::{Client, ClientConfig, mail::{NewMessage, Processor, ProcessorConfig}};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect(ClientConfig::load("cluster.toml", "app.crt", "app.key", "ca.crt")?).await?;
/// let books = Processor::start(&client, "orders", ProcessorConfig::default(), |message, transaction| async move {
///     let book = message.text().ok_or("the order is no text")?;
///     Ok::<_, &str>(
///         transaction
///             .add(format!("book/{book}"), "stock", -1, 0..)
///             .send(NewMessage::new("parcels", book).key(message.key().unwrap_or("nobody"))),
///     )
/// })?;
/// tokio::signal::ctrl_c().await?;
/// println!("{}", books.shut_down().await);
/// client.close().await;
/// # Ok(())
/// # }
/// ```
///
/// Dropped, it stops receiving, and ends what it has begun in the background.
#[must_use = "it stops when it is dropped"]
pub struct Processor {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    shared: Arc<Shared>,
}

/// What the tasks of one processor share.
struct Shared {
    client: Client,
    mailbox: Mailbox,
    config: ProcessorConfig,
    counts: Counts,
    /// Whose leases are extended.
    running: Mutex<BTreeMap<Position, LeaseId>>,
}

impl Processor {
    /// Starts. A mailbox that does not exist, or a node that is away, is asked again until it is there.
    pub fn start<F, R, E>(
        client: &Client,
        mailbox: impl Named<Mailbox>,
        config: ProcessorConfig,
        function: F,
    ) -> Result<Processor, InvalidName>
    where
        F: Fn(Delivery, Transaction) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Transaction, E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let function = Arc::new(function);
        Ok(Processor::over(client, mailbox.named()?, config, move |worker| {
            let function = Arc::clone(&function);
            async move { worker.work(&*function).await }
        }))
    }

    /// Starts with what does the whole work on one message.
    pub(crate) fn over<W, R>(client: &Client, mailbox: Mailbox, config: ProcessorConfig, work: W) -> Processor
    where
        W: Fn(Worker) -> R + Send + Sync + 'static,
        R: Future<Output = Ended> + Send + 'static,
    {
        let shared = Arc::new(Shared {
            client: client.clone(),
            mailbox,
            config,
            counts: Counts::default(),
            running: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(extend(Arc::downgrade(&shared)));
        let task = tokio::spawn(run(Arc::clone(&shared), work, stopped));
        Processor { stop, task, shared }
    }

    /// What it has done so far.
    pub fn figures(&self) -> ProcessorFigures {
        self.shared.figures()
    }

    /// Receives nothing more, waits for what has begun (at most [`ProcessorConfig::drain`]), and says what it has done.
    pub async fn shut_down(self) -> ProcessorFigures {
        let _ = self.stop.send(true);
        // It panics only where something here is wrong, and that was reported.
        let _ = self.task.await;
        self.shared.figures()
    }
}

impl Shared {
    fn figures(&self) -> ProcessorFigures {
        self.counts.figures(self.running(|running| running.len()))
    }

    fn running<T>(&self, with: impl FnOnce(&mut BTreeMap<Position, LeaseId>) -> T) -> T {
        with(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The messages that are being worked on, by their tasks.
#[derive(Default)]
struct Crew {
    tasks: JoinSet<Ended>,
    messages: HashMap<task::Id, Delivery>,
}

async fn run<W, R>(shared: Arc<Shared>, work: W, mut stopped: watch::Receiver<bool>)
where
    W: Fn(Worker) -> R,
    R: Future<Output = Ended> + Send + 'static,
{
    let config = ConsumerConfig { lease: shared.config.lease, prefetch: 0 };
    let mut consumer = Consumer::new(shared.client.clone(), shared.mailbox.clone(), config);
    let concurrency = usize::from(shared.config.concurrency.max(1));
    let mut crew = Crew::default();
    let mut pause = PAUSE_MIN;
    loop {
        let free = concurrency - crew.tasks.len();
        tokio::select! {
            biased;
            // Also when the processor is dropped.
            _ = stopped.changed() => break,
            Some(ended) = crew.tasks.join_next_with_id() => crew.end(&shared, ended).await,
            received = consumer.receive(free.min(DELIVERY_MAX) as u16, shared.config.wait), if free > 0 => {
                match received {
                    Ok(deliveries) => {
                        pause = PAUSE_MIN;
                        for delivery in deliveries {
                            crew.begin(&shared, &work, delivery);
                        }
                    }
                    Err(error) => {
                        shared.counts.could_not_receive(&error);
                        tracing::debug!(mailbox = %shared.mailbox, %error, "could not receive; trying again");
                        tokio::select! {
                            _ = stopped.changed() => break,
                            () = sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                        }
                    }
                }
            }
        }
    }
    drop(consumer);
    let drained = timeout(shared.config.drain, async {
        while let Some(ended) = crew.tasks.join_next_with_id().await {
            crew.end(&shared, ended).await;
        }
    });
    if drained.await.is_err() {
        tracing::warn!(mailbox = %shared.mailbox, running = crew.tasks.len(), "stopped before every message was done");
        crew.tasks.shutdown().await;
        shared.running(BTreeMap::clear);
    }
}

impl Crew {
    fn begin<W, R>(&mut self, shared: &Arc<Shared>, work: &W, delivery: Delivery)
    where
        W: Fn(Worker) -> R,
        R: Future<Output = Ended> + Send + 'static,
    {
        let Some((position, lease)) = delivery.place() else { return };
        shared.counts.received(delivery.attempt() > 1);
        shared.running(|running| running.insert(position, lease));
        let worker = Worker { shared: Arc::clone(shared), delivery: delivery.clone() };
        let task = self.tasks.spawn(work(worker));
        self.messages.insert(task.id(), delivery);
    }

    async fn end(&mut self, shared: &Shared, ended: Result<(task::Id, Ended), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Some(ended)),
            Err(error) => (error.id(), None),
        };
        let Some(delivery) = self.messages.remove(&id) else { return };
        let lease = delivery.lease();
        shared.running(|running| {
            if running.get(&delivery.position()).copied() == lease {
                running.remove(&delivery.position());
            }
        });
        match ended {
            Some(ended) => shared.counts.ended(&ended),
            None => {
                // In the background: the others go on.
                let failed = Ended::Failed("the function panicked".to_owned());
                shared.counts.ended(&failed);
                let client = shared.client.clone();
                tokio::spawn(async move { client.release(&delivery, "the function panicked", None).await });
            }
        }
    }
}

/// Extends the leases of what is worked on, three times in each.
async fn extend(shared: Weak<Shared>) {
    loop {
        let Some(every) = shared.upgrade().map(|shared| shared.config.lease / 3) else { return };
        sleep(every.max(Duration::from_millis(1))).await;
        let Some(shared) = shared.upgrade() else { return };
        let places: Vec<(Position, LeaseId)> =
            shared.running(|running| running.iter().map(|(position, lease)| (*position, *lease)).collect());
        if places.is_empty() {
            continue;
        }
        let how = Finish::Extend(whole_ms(shared.config.lease));
        match shared.client.nodes().finish(&shared.mailbox, &places, &how).await {
            // One whose lease is lost finds out when it commits.
            Ok(_) => {}
            Err(MailError::Refused(refusal)) => {
                tracing::warn!(mailbox = %shared.mailbox, ?refusal, "leases could not be extended");
            }
            Err(error) => {
                tracing::debug!(mailbox = %shared.mailbox, %error, "leases could not be extended; trying again");
            }
        }
    }
}
