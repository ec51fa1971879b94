//! The consumers of a workload of messages: each has a name and a connection of its own, takes messages as the workload says, and
//! writes down what it sees as operations. Until the faults are over it also sleeps past its leases, gives messages back,
//! forgets some, and dies with what it has.
//!
//! Here is one consumer's life; `message` is what it does with one message, `hands` are its numbers in the history, `drain`
//! tells when everything has come to its end.

mod drain;
mod hands;
mod message;

use super::clients::Shared;
use crate::{
    attack::{environment::Environment, options::AttackOptions, recording::End},
    history::Value,
    random::Random,
    workload::{Completion, Invocation, Manner, Taking, Workload},
};
use assent_client::{
    Client, ClientConfig, ConnectError,
    mail::{Consumer as Receiver, ConsumerConfig, Delivery, MailError, MailboxRefusal},
};
pub(super) use drain::{BACKLOG_MAX, watch};
use hands::{Hands, Open};
use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

/// What chance of consumers begins with, as in the simulator: a seed plans the same run in both.
const CHANCE: u64 = 0x636f_6e73;
/// Real nodes take so much longer than simulated ones.
const LEASE_FACTOR: u32 = 10;
/// A longer lease would let a key wait for half of the run for one that died.
const LEASE_MS_MAX: u32 = 2_000;
/// Leases when the faults are over.
const LEASE_HEALED: Duration = Duration::from_secs(5);
/// How long it waits at a mailbox.
const WAIT: Duration = Duration::from_secs(1);
/// Between two questions at a mailbox that could not be asked.
const PAUSE: Duration = Duration::from_millis(50);
/// Messages that one has at a time, at most.
const MESSAGES_MAX: usize = 5;
/// Numbers in the history that each has at first: to receive, to look after the mailbox, and for each message.
pub(super) const HANDS: u64 = 2 + MESSAGES_MAX as u64;
/// The shortest and the longest life of one that dies.
const LIFE_MS: (u64, u64) = (2_000, 20_000);
/// How often it looks for dead letters.
const REDRIVE_EVERY: Duration = Duration::from_millis(400);

/// The name in the certificate of a consumer.
pub(super) fn name(number: usize) -> String {
    format!("consumer-{}", number + 1)
}

/// What the workload's consumers take.
pub(super) fn takings(workload: &mut dyn Workload, seed: u64) -> Vec<Taking> {
    let mut random = Random::new(seed ^ CHANCE);
    (0..).map_while(|consumer| workload.consumes(consumer, &mut random)).collect()
}

/// What all consumers share.
#[derive(Default)]
struct State {
    /// The faults are over: everything is to come to its end.
    healed: AtomicBool,
    /// Nobody takes anything more.
    stopped: AtomicBool,
    /// Messages that somebody has.
    busy: AtomicU64,
    received: AtomicU64,
    /// Consumers that died.
    died: AtomicU64,
    /// Messages that were had for longer than their leases, given back, or forgotten.
    mistreated: AtomicU64,
    redriven: AtomicU64,
}

impl State {
    fn is_healed(&self) -> bool {
        self.healed.load(Ordering::SeqCst)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// The consumers of a run. Dropped, they are gone at once.
pub(super) struct Consumers {
    state: Arc<State>,
    tasks: JoinSet<()>,
}

impl Consumers {
    /// Starts them. Their numbers in the history begin with `process`.
    pub(super) fn start(
        options: &AttackOptions,
        shared: &Arc<Shared>,
        takings: Vec<Taking>,
        process: u64,
    ) -> Consumers {
        let state = Arc::new(State::default());
        let mut tasks = JoinSet::new();
        for (number, taking) in takings.into_iter().enumerate() {
            let first = process + number as u64 * HANDS;
            let random = Random::new(options.seed.wrapping_add(CHANCE << 8).wrapping_add(number as u64));
            let consumer = Arc::new(Consumer {
                number,
                taking,
                shared: Arc::clone(shared),
                state: Arc::clone(&state),
                hands: Hands::new(first..first + HANDS),
                random: Mutex::new(random),
                tended: AtomicBool::new(false),
            });
            tasks.spawn(consumer.run());
        }
        Consumers { state, tasks }
    }

    /// Whether the workload has none.
    pub(super) fn is_none(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The faults are over.
    pub(super) fn heal(&self) {
        self.state.healed.store(true, Ordering::SeqCst);
    }

    /// Waits until they have ended what they have, and take nothing more.
    pub(super) async fn stop(mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// One consumer, through all its lives.
struct Consumer {
    number: usize,
    taking: Taking,
    shared: Arc<Shared>,
    state: Arc<State>,
    hands: Arc<Hands>,
    random: Mutex<Random>,
    /// It has looked after its mailbox since the faults are over.
    tended: AtomicBool,
}

/// A question at the mailbox, which gives the receiver back with the answer.
type Receiving = Pin<Box<dyn Future<Output = (Receiver, Result<Vec<Delivery>, MailError>)> + Send>>;

/// How a life ends.
enum Ended {
    Stopped,
    Died,
}

impl Consumer {
    fn chance(&self, per_mille: u64) -> bool {
        self.drawn(|random| random.chance(per_mille))
    }

    fn drawn<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lease(&self) -> Duration {
        if self.state.is_healed() {
            return LEASE_HEALED;
        }
        let lease_ms = self.taking.lease_ms.saturating_mul(LEASE_FACTOR).min(LEASE_MS_MAX);
        Duration::from_millis(lease_ms.into())
    }

    fn mailbox(&self) -> Value {
        Value::Keyword(self.taking.mailbox.name().to_owned())
    }

    fn open(self: &Arc<Self>, invocation: Invocation) -> Open {
        self.hands.begin(&self.shared, invocation)
    }

    async fn run(self: Arc<Self>) {
        while !self.state.is_stopped() {
            match connect(&self.shared.cluster, &name(self.number), self.shared.deadline).await {
                Ok(client) => match self.live(&client).await {
                    Ended::Stopped => client.close().await,
                    // Nothing is said to anybody.
                    Ended::Died => drop(client),
                },
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// From its start until it is stopped, or dies with all that it has.
    async fn live(self: &Arc<Self>, client: &Client) -> Ended {
        let life = self.drawn(|random| LIFE_MS.0 + random.below(LIFE_MS.1 - LIFE_MS.0));
        let death = Instant::now() + Duration::from_millis(life);
        let mut tasks = JoinSet::new();
        let mut aside = JoinSet::new();
        aside.spawn(Arc::clone(self).look_for_dead_letters(client.clone()));
        let mut idle: Option<Receiver> = None;
        let mut leased = Duration::ZERO;
        let mut receiving: Option<Receiving> = None;
        let mut open = None;
        loop {
            if self.state.is_stopped() && receiving.is_none() {
                break;
            }
            if self.state.is_healed() && !self.tended.swap(true, Ordering::SeqCst) {
                self.tend(client).await;
            }
            if receiving.is_none() && tasks.len() < MESSAGES_MAX && !self.state.is_stopped() {
                let lease = self.lease();
                let receiver = idle.take().filter(|_| leased == lease);
                let receiver = receiver.or_else(|| self.receiver(client, lease));
                let Some(receiver) = receiver else { break };
                open.get_or_insert_with(|| self.open(self.receive(Value::Nil)));
                let max = usize::from(self.taking.max).min(MESSAGES_MAX - tasks.len()) as u16;
                receiving = Some(receive(receiver, self.taking.manner, max));
                leased = lease;
            }
            let dies =
                async { if self.state.is_healed() { pending().await } else { sleep_until(death).await } };
            tokio::select! {
                () = dies => {
                    if self.state.is_healed() {
                        continue;
                    }
                    // What it has begun is told as unknown: its operations end with their tasks.
                    self.state.died.fetch_add(1, Ordering::SeqCst);
                    tasks.shutdown().await;
                    return Ended::Died;
                }
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended && let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
                (receiver, received) = answered(&mut receiving) => {
                    receiving = None;
                    idle = Some(receiver);
                    match received {
                        Ok(deliveries) => self.take(client, deliveries, &mut open, &mut tasks),
                        Err(error) => {
                            if let Some(open) = open.take() {
                                open.end(failure(&error), &Completion::Unknown, None);
                            }
                            self.could_not_receive(client, &error).await;
                        }
                    }
                }
            }
        }
        while tasks.join_next().await.is_some() {}
        if let Some(open) = open {
            // Each of its questions was answered, and with nothing.
            let nothing = self.receive(Value::Vector(Vec::new())).value;
            open.end(End::Ok, &Completion::Committed(Vec::new()), Some(nothing));
        }
        Ended::Stopped
    }

    fn receiver(&self, client: &Client, lease: Duration) -> Option<Receiver> {
        client.consumer(&self.taking.mailbox, ConsumerConfig { lease, prefetch: 0 }).ok()
    }

    fn receive(&self, what: Value) -> Invocation {
        Invocation::new("receive", Value::Vector(vec![self.mailbox(), what]), Vec::new())
    }

    fn take(
        self: &Arc<Self>,
        client: &Client,
        deliveries: Vec<Delivery>,
        open: &mut Option<Open>,
        tasks: &mut JoinSet<()>,
    ) {
        if deliveries.is_empty() {
            // The same question goes on, so that an answer that was under way is none to a later one.
            return;
        }
        self.state.received.fetch_add(deliveries.len() as u64, Ordering::SeqCst);
        let told = deliveries.iter().map(|delivery| self.shared.workload().told(&message::inner(delivery)));
        let told = self.receive(Value::Vector(told.collect())).value;
        if let Some(open) = open.take() {
            open.end(End::Ok, &Completion::Committed(Vec::new()), Some(told));
        }
        for delivery in deliveries {
            let busy = message::Busy::new(&self.state);
            let (consumer, client) = (Arc::clone(self), client.clone());
            tasks.spawn(async move {
                consumer.handle(&client, &delivery).await;
                drop(busy);
            });
        }
    }

    async fn could_not_receive(self: &Arc<Self>, client: &Client, error: &MailError) {
        let is_absent = matches!(error, MailError::Refused(MailboxRefusal::MailboxAbsent));
        if is_absent && (self.state.is_healed() || self.chance(200)) {
            self.tend(client).await;
        }
        sleep(PAUSE).await;
    }

    /// Looks after its mailbox: as often as it takes when the faults are over, else once.
    async fn tend(self: &Arc<Self>, client: &Client) {
        loop {
            let Some(invocation) = self.shared.workload().tend(&self.taking) else { return };
            let committed = matches!(self.commit(client, &invocation).await, message::Committed::Yes);
            if committed || !self.state.is_healed() || self.state.is_stopped() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    async fn look_for_dead_letters(self: Arc<Self>, client: Client) {
        loop {
            sleep(REDRIVE_EVERY).await;
            if !self.state.is_healed() && !self.chance(300) {
                continue;
            }
            // One of which it is not known may be done again: those that it put back are no dead letters any more.
            if let Ok(count) = client.redrive(&self.taking.mailbox, None).await {
                self.state.redriven.fetch_add(count, Ordering::SeqCst);
            }
        }
    }
}

/// Connects with the name of a consumer.
async fn connect(cluster: &Environment, name: &str, deadline: Duration) -> Result<Client, String> {
    let [certificate, key, authority] = cluster.layout.client_identity(name);
    let config = ClientConfig::load(cluster.layout.clients_file(), certificate, key, authority);
    let mut config = config.map_err(|error| error.to_string())?;
    config.deadline = deadline;
    config.prepare_deadline = deadline / 2;
    Client::connect(config).await.map_err(|error: ConnectError| error.to_string())
}

fn receive(mut receiver: Receiver, manner: Manner, max: u16) -> Receiving {
    Box::pin(async move {
        let received = match manner {
            Manner::OnReceipt => receiver.receive_and_forget(max, WAIT).await,
            Manner::Transaction | Manner::Plain => receiver.receive(max, WAIT).await,
        };
        (receiver, received)
    })
}

/// What a question came to; never, where none is asked.
async fn answered(receiving: &mut Option<Receiving>) -> (Receiver, Result<Vec<Delivery>, MailError>) {
    match receiving {
        Some(receiving) => receiving.await,
        None => pending().await,
    }
}

/// How a call about messages ends in the history.
fn failure(error: &MailError) -> End {
    let words = format!("{}: {error}", error.kind());
    if error.is_definite() { End::Fail(words) } else { End::Info(words) }
}
