//! Who calls: one mailbox for all replies, and the calls that wait for them.
//!
//! A call is sent by one transaction, under one id. Only what certainly never will run is sent again, so that no call is in
//! its service's mailbox twice unless the application repeats it.

use super::{
    error::CallError,
    keeping::{Keeper, PREFIX, remove_left_behind},
    names::{CallId, ServiceName, random},
    replies,
    stub::Stub,
    wire::{Answer, Call},
};
use crate::{
    client::Client,
    handle::Handle,
    outcome::{Abort, Outcome, Reason},
    transaction::Transaction,
};
use assent_protocol::{
    ids::{InvalidName, RecordId},
    mail::Mailbox,
    outcome::RefusalKind,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

/// Between two questions for an outcome that is unknown.
const AGAIN: Duration = Duration::from_millis(50);

/// How a caller works. [`CallerConfig::default`] gives the defaults.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallerConfig {
    /// How long a call may take, unless its options say otherwise. Default: 10 s. A service does not begin with a call whose
    /// time is over; the clocks of caller and service should agree to a small part of it.
    pub timeout: Duration,
    /// The last part of the name of the mailbox for replies, `reply.CLIENT.INSTANCE`. Default: a random one. A process that
    /// gives a fixed one, its own among all processes of this client's name, takes over its mailbox after a crash;
    /// a random one is left behind by a crash, until another caller of this client starts and `keep` is over.
    pub instance: Option<String>,
    /// How long the mailbox for replies is kept after the deadline of the last call, at least. Default: 1 h. After that, any
    /// caller of this client that starts removes it: its process must have died, or has no use for it until it calls again.
    /// Lower removes sooner what was left behind, and must be more than the clocks of this client's machines differ.
    pub keep: Duration,
}

impl Default for CallerConfig {
    fn default() -> CallerConfig {
        CallerConfig { timeout: Duration::from_secs(10), instance: None, keep: Duration::from_secs(3600) }
    }
}

/// What a caller has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CallerFigures {
    /// Calls that were begun.
    pub begun: u64,
    /// Calls that were answered, if only with an error.
    pub answered: u64,
    /// Calls that were not answered in time.
    pub unanswered: u64,
    /// Replies for which nobody waited any more.
    pub late: u64,
    /// Calls whose reply was confirmed: the services remember nothing of them any more.
    pub confirmed: u64,
    /// Mailboxes for replies that others had left behind, and that this one has removed.
    pub removed: u64,
}

/// Calls services. Clones share one mailbox for replies, which is left behind by who does not [`close`](Caller::close).
///
/// ```no_run
/// use assent_client::{Client, calls::{CallError, CallOptions, Caller, CallerConfig, join_all}};
///
/// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let caller = Caller::start(&client, CallerConfig::default()).await?;
/// let bank = caller.find("bank").await?;
/// let balance = bank.method::<String, i64>("balance", 1)?;
/// // One, and wait for it:
/// println!("{}", balance.call(&"ada".to_owned(), CallOptions::at_least_once()).await?);
/// // Many at the same time:
/// let all = ["ada", "bob"].map(|who| balance.begin(&who.to_owned(), CallOptions::at_least_once()));
/// for balance in join_all(all).await {
///     println!("{}", balance?);
/// }
/// // One, to be looked at now and then:
/// let mut pending = balance.begin(&"ada".to_owned(), CallOptions::at_most_once());
/// while pending.poll_now().await.is_none() { /* something else */ }
/// caller.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Caller {
    pub(super) inner: Arc<Inner>,
    end: Arc<End>,
}

/// What ends with the last clone.
struct End {
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Service and call.
pub(super) type Whose = (String, String);
type Waiting = HashMap<Whose, Vec<oneshot::Sender<Result<Answer, String>>>>;

/// What the calls of one caller share.
pub(super) struct Inner {
    pub(super) client: Client,
    pub(super) replies: Mailbox,
    pub(super) timeout: Duration,
    keeper: Keeper,
    waiting: Mutex<Waiting>,
    confirm: mpsc::UnboundedSender<RecordId>,
    pub(super) counts: Counts,
}

#[derive(Default)]
pub(super) struct Counts {
    begun: AtomicU64,
    answered: AtomicU64,
    unanswered: AtomicU64,
    late: AtomicU64,
    confirmed: AtomicU64,
    removed: AtomicU64,
}

impl Caller {
    /// Makes the mailbox for replies, or takes it over. In the background, removes those that callers of this client have left
    /// behind when they were killed.
    pub async fn start(client: &Client, config: CallerConfig) -> Result<Caller, CallError> {
        let wrong = |error: InvalidName| CallError::NoReplies(error.to_string());
        let name = client.name().as_str();
        let instance = config.instance.unwrap_or_else(|| format!("{:016x}", random()));
        // Two long names may begin alike; their instances are different all the same.
        let replies =
            Mailbox::new(&format!("{PREFIX}{}.{instance}", &name[..name.len().min(32)])).map_err(wrong)?;
        let keeper = Keeper::new(config.keep);
        keeper.make(client, &replies).await?;
        let (confirm, confirmed) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            client: client.clone(),
            replies,
            timeout: config.timeout,
            keeper,
            waiting: Mutex::default(),
            confirm,
            counts: Counts::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let tasks = vec![
            tokio::spawn(replies::listen(Arc::clone(&inner), stopped.clone())),
            tokio::spawn(replies::confirm(Arc::clone(&inner), confirmed, stopped.clone())),
            tokio::spawn(tidy(Arc::clone(&inner), stopped)),
        ];
        Ok(Caller { inner, end: Arc::new(End { stop, tasks: Mutex::new(tasks) }) })
    }

    /// Finds a service by its name: what it has, and how it is called. A service of which no instance runs is found too;
    /// calls wait for one until their deadlines.
    pub async fn find(&self, service: &str) -> Result<Stub, CallError> {
        let service = ServiceName::new(service).map_err(|error| CallError::NotSent(invalid(&error)))?;
        let record = match self.inner.client.run_with_retries(Transaction::new().read(service.record())).await
        {
            Outcome::Committed(receipt) => {
                receipt.confirm();
                receipt.record(0).cloned()
            }
            Outcome::Aborted(abort) => return Err(CallError::NotSent(abort.reason)),
            Outcome::Unknown(handle) => return Err(CallError::NoReplies(handle.doubt().to_string())),
        };
        match record {
            Some(record) => Ok(Stub::new(self.clone(), service, &record)),
            None => Err(CallError::NoService(service)),
        }
    }

    /// The mailbox for replies.
    pub fn mailbox(&self) -> &Mailbox {
        &self.inner.replies
    }

    /// What was done so far.
    pub fn figures(&self) -> CallerFigures {
        self.inner.counts.figures()
    }

    /// Confirms what is left to confirm, and deletes the mailbox, for all clones. Calls that are under way are given up:
    /// their services find their caller gone.
    pub async fn close(self) -> CallerFigures {
        let _ = self.end.stop.send(true);
        let tasks = std::mem::take(&mut *lock(&self.end.tasks));
        for task in tasks {
            // It panics only where something here is wrong, and that was reported.
            let _ = task.await;
        }
        replies::delete(&self.inner).await;
        lock(&self.inner.waiting).clear();
        self.figures()
    }
}

/// Removes what others have left behind, unless the caller is closed or dropped before that.
async fn tidy(inner: Arc<Inner>, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        removed = remove_left_behind(&inner.client, &inner.replies) => add(&inner.counts.removed, removed),
        _ = stopped.changed() => {}
    }
}

fn invalid(error: &InvalidName) -> Reason {
    Reason::NotExecuted(crate::NotExecuted::Invalid { operation: None, why: error.to_string() })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    /// An id that no other call has, such that what is remembered of the call is where its service's mailbox is, if that can
    /// be had: the commit then has one participant less.
    pub(super) fn new_id(&self, service: &ServiceName) -> CallId {
        let directory = self.client.directory();
        let home = directory.locate(service.mailbox().record());
        let mut ids = std::iter::repeat_with(CallId::random);
        let near = |id: &CallId| directory.locate(&service.call(self.client.name(), id)) == home;
        ids.by_ref().take(64).find(near).or_else(|| ids.next()).expect("there is always another one")
    }

    /// Makes the mailbox for replies again, which somebody has deleted.
    pub(super) async fn make_mailbox(&self) -> Result<(), CallError> {
        self.keeper.make(&self.client, &self.replies).await
    }

    /// Sends a call, and waits for its answer.
    pub(super) async fn run(
        &self,
        call: &Call,
        arguments: Vec<u8>,
        until: Instant,
    ) -> Result<Answer, CallError> {
        add(&self.counts.begun, 1);
        let whose: Whose = (call.service.as_str().to_owned(), call.id.as_str().to_owned());
        let (tell, mut hear) = oneshot::channel();
        lock(&self.waiting).entry(whose.clone()).or_default().push(tell);
        let answer = {
            let sending = self.send(call, arguments, until);
            tokio::pin!(sending);
            let mut sent = false;
            loop {
                tokio::select! {
                    biased;
                    // None: the caller was closed.
                    answer = &mut hear => break answer.ok(),
                    result = &mut sending, if !sent => match result {
                        Ok(()) => sent = true,
                        Err(error) => {
                            self.forget(&whose);
                            return Err(error);
                        }
                    },
                    () = sleep_until(until) => break None,
                }
            }
        };
        self.forget(&whose);
        let (id, method) = (call.id.clone(), call.method.clone());
        match answer {
            Some(Ok(answer)) => {
                add(&self.counts.answered, 1);
                Ok(answer)
            }
            Some(Err(why)) => {
                add(&self.counts.answered, 1);
                Err(CallError::BadReply { id, method, why, reply: Vec::new() })
            }
            None => {
                add(&self.counts.unanswered, 1);
                Err(CallError::Unknown { id, method })
            }
        }
    }

    /// Until it is certain that the call is in its mailbox, or never will be, or time is up.
    async fn send(&self, call: &Call, arguments: Vec<u8>, until: Instant) -> Result<(), CallError> {
        self.keeper.cover(&self.client, &self.replies, call.deadline_ms).await?;
        let message = call.message(arguments);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let transaction = Transaction::new().send(message.clone()).deadline(left);
            let outcome = match self.client.run_with_retries(transaction).await {
                Outcome::Unknown(handle) => match self.settle(handle, until).await {
                    Some(outcome) => outcome,
                    // The reply will tell.
                    None => return Ok(()),
                },
                outcome => outcome,
            };
            outcome.confirm();
            match outcome {
                Outcome::Committed(_) | Outcome::Unknown(_) => return Ok(()),
                Outcome::Aborted(abort) if abort.reason.is_transient() && Instant::now() < until => {
                    sleep(AGAIN).await;
                }
                Outcome::Aborted(abort) => return Err(not_sent(call, abort)),
            }
        }
    }

    async fn settle(&self, handle: Handle, until: Instant) -> Option<Outcome> {
        let given_up = GivenUp { client: &self.client, handle };
        while Instant::now() < until {
            match self.client.resolve(&given_up.handle).await {
                Outcome::Unknown(_) => sleep(AGAIN).await,
                outcome => return Some(outcome),
            }
        }
        None
    }

    fn forget(&self, whose: &Whose) {
        let mut waiting = lock(&self.waiting);
        if let Some(tells) = waiting.get_mut(whose) {
            // Another call of the same id may be under way here.
            tells.retain(|tell| !tell.is_closed());
            if tells.is_empty() {
                waiting.remove(whose);
            }
        }
    }

    /// A reply has come.
    pub(super) fn answered(&self, whose: &Whose, answer: &Result<Answer, String>) {
        let tells = lock(&self.waiting).remove(whose).unwrap_or_default();
        let mut heard = false;
        for tell in tells {
            heard |= tell.send(answer.clone()).is_ok();
        }
        if !heard {
            add(&self.counts.late, 1);
        }
    }

    /// Forgets a call whose id nobody has but this process, in the background.
    pub(super) fn confirm(&self, record: RecordId) {
        // Closed: the record stays, and says so.
        let _ = self.confirm.send(record);
    }

    pub(super) fn confirmed(&self, calls: usize) {
        add(&self.counts.confirmed, calls as u64);
    }
}

/// Lets go of an outcome for which nobody asks any more, so that it does not hold up the session.
struct GivenUp<'a> {
    client: &'a Client,
    handle: Handle,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.client.give_up(self.handle.clone());
    }
}

fn not_sent(call: &Call, abort: Abort) -> CallError {
    match abort.refusal() {
        Some(refusal) if refusal.kind == RefusalKind::MailboxAbsent => {
            CallError::NoService(call.service.clone())
        }
        Some(_) | None => CallError::NotSent(abort.reason),
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Counts {
    fn figures(&self) -> CallerFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CallerFigures {
            begun: read(&self.begun),
            answered: read(&self.answered),
            unanswered: read(&self.unanswered),
            late: read(&self.late),
            confirmed: read(&self.confirmed),
            removed: read(&self.removed),
        }
    }
}
