//! The client: what an application holds. Decides in which session, how often and until when; how one request gets
//! through is `request`'s business.

use crate::{
    config::ClientConfig,
    handle::{Doubt, Handle},
    journal::{Journal, JournalError},
    link::{Link, stamp_now},
    nodes::{NodeReply, Nodes, Report},
    outcome::{Abort, NotExecuted, Outcome, Reason, Receipt},
    placement::{Placement, place},
    random::Backoff,
    recovery::{Recovered, Recovery},
    request::{Conclusion, Request},
    session::Session,
    transaction::Transaction,
};
use assent_protocol::{
    directory::Directory,
    ids::{ClientName, InvalidName, NodeId, RecordId, SessionId, Stamp, TxnId},
    message::{DEADLINE_MS_MAX, InDoubt, Intent},
    operation::RecordContent,
};
use assent_transport::{Cluster, Dial, Endpoint, EndpointConfig, Role, TransportError};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, timeout_at},
};

/// Connections to the coordinators, and a session in which requests are numbered. Clones share both; they can be used
/// at the same time, and moved between threads. Works on any tokio runtime, which must outlive it.
///
/// **Calls** end in one of the three ways of [`Outcome`], at the latest at their deadline
/// ([`Transaction::deadline`], or else [`ClientConfig::deadline`]). [`Client::submit`] runs a transaction once;
/// [`Client::run_with_retries`] is what applications mostly want; [`Client::resolve`] finds out about an Unknown.
///
/// **A call that is dropped** before it ends may have happened or not, and its outcome is lost with it: in the
/// background it is settled, so that it doesn't hold up the session.
///
/// **With a journal**, answers want to be confirmed ([`Outcome::confirm`]), and [`Client::recovered`] gives what an
/// earlier process had left.
#[derive(Clone)]
pub struct Client {
    link: Arc<Link>,
    current: Arc<Current>,
    recovery: Arc<Recovery>,
    nodes: Arc<Nodes>,
}

/// The session in use. A session that the cluster has ended is replaced.
struct Current {
    session: Mutex<Arc<Session>>,
    renewing: tokio::sync::Mutex<()>,
    closed: AtomicBool,
}

/// Why a client could not be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The endpoint did not start.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The certificate is not a client's.
    #[error(
        "the certificate names the {role} {name}; a client needs one with the role client: assent keys issue"
    )]
    NotAClient {
        /// Its role.
        role: Role,
        /// Its name.
        name: String,
    },
    /// The certificate's name can't be that of a client.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No coordinator granted a session in time.
    #[error("no session within {waited_ms} ms; the coordinators: {coordinators}")]
    NoSession {
        /// How long it was tried, in milliseconds.
        waited_ms: u64,
        /// What is known of each.
        coordinators: String,
    },
}

impl Client {
    /// Connects, opens a session, and begins to replay what the journal holds (see [`Client::recovered`]).
    pub async fn connect(config: ClientConfig) -> Result<Client, ConnectError> {
        let (role, name) = (config.identity.role(), config.identity.name());
        if role != Role::Client {
            return Err(ConnectError::NotAClient { role, name: name.to_owned() });
        }
        let name = ClientName::new(name)?;
        let (journal, unfinished) = match &config.journal {
            Some(path) => {
                let (journal, unfinished) = Journal::open(path, &name)?;
                (Some(Arc::new(journal)), unfinished)
            }
            None => (None, Vec::new()),
        };
        let cluster = Arc::new(config.cluster.clone());
        let dial = EndpointConfig::new(config.identity.clone(), cluster, None, Dial::Coordinators);
        let (endpoint, events) = Endpoint::start(dial).await?;
        let link = Link::start(config, name, journal, Box::new(endpoint), events);
        match Client::over(Arc::clone(&link)).await {
            Ok(client) => {
                client.recovery.replay(&link, unfinished);
                Ok(client)
            }
            Err(error) => {
                link.close().await;
                Err(error)
            }
        }
    }

    /// A client with a session of its own over connections that there are.
    pub(crate) async fn over(link: Arc<Link>) -> Result<Client, ConnectError> {
        let nodes = Arc::new(Nodes::new(&link.config));
        let session = open(&link).await?;
        Ok(Client { link, current: Current::new(session), recovery: Arc::default(), nodes })
    }

    /// Another session over the same connections, which prefers the next coordinator. Many sessions spread the load
    /// over the coordinators, and an Unknown holds up only its own.
    pub async fn session(&self) -> Result<Client, ConnectError> {
        let session = open(&self.link).await?;
        Ok(Client { current: Current::new(session), ..self.clone() })
    }

    /// The client's name, from its certificate.
    pub fn name(&self) -> &ClientName {
        &self.link.name
    }

    /// The session in which requests are numbered now.
    pub fn session_id(&self) -> SessionId {
        self.current.session().id
    }

    /// Requests of this session that are under way, unresolved or unconfirmed.
    pub fn outstanding(&self) -> usize {
        self.current.session().outstanding()
    }

    /// Where the nodes are.
    pub fn cluster(&self) -> &Cluster {
        &self.link.config.cluster
    }

    /// Runs a transaction once. Lost connections and dead coordinators are dealt with on the way, under the same id;
    /// an abort is final. With [`Transaction::repeat_of`], repeats an earlier attempt instead.
    pub async fn submit(&self, transaction: Transaction) -> Outcome {
        self.submit_as(transaction, Intent::Repeat).await
    }

    /// Runs a transaction until it is committed, refused for a reason that will not pass, or the deadline comes. Each
    /// further try is a new transaction with the age of the first, so that it is not always the one that gives way.
    pub async fn run_with_retries(&self, transaction: Transaction) -> Outcome {
        if transaction.repeats.is_some() {
            return self.submit(transaction).await;
        }
        let until = self.until(transaction.deadline);
        let stamp = transaction.stamp.unwrap_or_else(stamp_now);
        let note = transaction.note.clone();
        let mut placement = match place(transaction, &self.link.directory) {
            Ok(placement) => placement,
            Err(wrong) => return Outcome::Aborted(Abort::not_executed(None, wrong, 1)),
        };
        let mut backoff = Backoff::new(self.link.config.retry_delay_max);
        let mut attempts = 0;
        let mut before: Option<Abort> = None;
        loop {
            attempts += 1;
            let abort = match self.run_once(&mut placement, stamp, &note, attempts, until).await {
                Outcome::Aborted(abort) => abort,
                outcome => return outcome,
            };
            // That there was no time for one more try says less than why the one before it failed.
            let abort = match before {
                Some(before) if abort.reason == Reason::NotExecuted(NotExecuted::Late) => before,
                _ => abort,
            };
            let again = Instant::now() + backoff.pause(&self.link.random);
            if !abort.reason.is_transient() || again >= until {
                return Outcome::Aborted(abort);
            }
            abort.confirm();
            before = Some(abort);
            tokio::time::sleep_until(again).await;
        }
    }

    /// Learns an unknown outcome. If the transaction has not run yet, it is aborted and never will. Ends in Unknown
    /// again if [`ClientConfig::deadline`] comes first. Any client of the same connections can be asked.
    pub async fn resolve(&self, handle: &Handle) -> Outcome {
        handle.resolve(self.until(None)).await
    }

    /// Learns what became of an earlier attempt of this very transaction ([`Transaction::repeat_of`]), and aborts it
    /// if it has not run: like [`Client::resolve`], for who has only the id and the operations.
    pub async fn settle(&self, transaction: Transaction) -> Outcome {
        self.submit_as(transaction, Intent::Settle).await
    }

    /// Lets go of an unknown outcome, which then may never be known. The session goes on without it.
    pub fn give_up(&self, handle: Handle) {
        handle.give_up();
    }

    /// The outcomes of what the journal held when this client was connected; waits until all are there. Each is given
    /// once, and wants to be confirmed. Empty without a journal, and the second time.
    pub async fn recovered(&self) -> Vec<Recovered> {
        self.recovery.take().await
    }

    /// Undecided transactions, asked of every participant. The first question opens connections to the nodes.
    pub async fn in_doubt(&self) -> Vec<NodeReply<Vec<InDoubt>>> {
        self.nodes.in_doubt().await
    }

    /// What became of a transaction of any client, asked of every participant. Changes nothing; for people.
    pub async fn outcome(&self, id: &TxnId) -> Report {
        self.nodes.outcome(id).await
    }

    /// Every record, or every record of one table, asked of every participant. Each record is consistent in itself
    /// only: for a consistent view, read them in a transaction.
    pub async fn scan(&self, table: Option<&str>) -> Vec<NodeReply<Vec<(RecordId, RecordContent)>>> {
        self.nodes.scan(table).await
    }

    /// One page of the records of one participant after a record, and whether there are more.
    pub async fn scan_page(
        &self,
        node: NodeId,
        table: Option<&str>,
        after: Option<&RecordId>,
    ) -> NodeReply<(Vec<(RecordId, RecordContent)>, bool)> {
        self.nodes.scan_page(node, table, after).await
    }

    /// Figures, asked of every node.
    pub async fn status(&self) -> Vec<NodeReply<Vec<(String, u64)>>> {
        self.nodes.status().await
    }

    /// Where records are.
    pub(crate) fn directory(&self) -> &Directory {
        &self.link.directory
    }

    /// What asks nodes directly.
    pub(crate) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Ends the session, for all clones of this client, and with the last session of these connections the connections
    /// too. To be called when nothing is under way. A session of which something is unresolved or unconfirmed is left open, so that the cluster keeps
    /// the answers.
    pub async fn close(self) {
        self.current.closed.store(true, Ordering::SeqCst);
        let session = self.current.session();
        if session.outstanding() == 0 {
            self.link.close_session(&session).await;
        } else {
            session.mark_ended();
        }
        if !self.link.has_other_sessions(&session) {
            tokio::join!(self.nodes.close(), self.link.close());
        }
    }

    async fn submit_as(&self, mut transaction: Transaction, repeating: Intent) -> Outcome {
        let until = self.until(transaction.deadline);
        let stamp = transaction.stamp.unwrap_or_else(stamp_now);
        let repeats = transaction.repeats.take();
        let note = std::mem::take(&mut transaction.note);
        let placed = place(transaction, &self.link.directory);
        match (placed, repeats) {
            (Ok(mut placement), Some(id)) => {
                let known = self.repeat(&mut placement, id, stamp, repeating, until).await;
                known.unwrap_or_else(|wrong| Outcome::Aborted(Abort::not_executed(None, wrong, 1)))
            }
            (Ok(mut placement), None) => self.run_once(&mut placement, stamp, &note, 1, until).await,
            (Err(wrong), _) => Outcome::Aborted(Abort::not_executed(None, wrong, 1)),
        }
    }

    /// One transaction under a new id. The operations are back in the placement after an abort.
    async fn run_once(
        &self,
        placement: &mut Placement,
        stamp: Stamp,
        note: &str,
        attempts: u32,
        until: Instant,
    ) -> Outcome {
        let not_executed = |reason| Outcome::Aborted(Abort::not_executed(None, reason, attempts));
        let _permit = match self.permit(until).await {
            Ok(permit) => permit,
            Err(reason) => return not_executed(reason),
        };
        loop {
            let session = self.current.session();
            if session.has_ended() || session.is_stale(stamp_now()) {
                match self.renew(&session, until).await {
                    Ok(()) => continue,
                    Err(reason) => return not_executed(reason),
                }
            }
            let Some(sequence) = session.next(until).await else {
                return not_executed(NotExecuted::SessionFull);
            };
            let mut request =
                Request::first(Arc::clone(&self.link), Arc::clone(&session), sequence, stamp, placement);
            let conclusion = match request.write_down(note).await {
                Ok(()) => request.drive(Intent::First, until).await,
                Err(conclusion) => conclusion,
            };
            if conclusion == Conclusion::SessionEnded {
                // Nothing has changed and nothing will under this id: once more, under one of a new session.
                if let Err(doubt) = request.not_executed().await {
                    return Outcome::Unknown(Handle::new(request, doubt, attempts));
                }
                placement.branches = request.take_branches();
                continue;
            }
            return conclude(request, conclusion, placement, attempts).await;
        }
    }

    /// An earlier attempt again, under its id. An error: it can't be one of this client's.
    async fn repeat(
        &self,
        placement: &mut Placement,
        id: TxnId,
        stamp: Stamp,
        intent: Intent,
        until: Instant,
    ) -> Result<Outcome, NotExecuted> {
        let wrong = |why: String| Err(NotExecuted::Invalid { operation: None, why });
        if id.client != self.link.name {
            return wrong(format!(
                "{id} is a transaction of the client {}, and this is {}",
                id.client, self.link.name
            ));
        }
        // What only reads leaves nothing to settle.
        let intent = if placement.writes { intent } else { Intent::Repeat };
        let session = Some(self.current.session()).filter(|session| session.id == id.session);
        if session.as_ref().is_some_and(|session| id.sequence >= session.end()) || id.sequence.0 == 0 {
            return wrong(format!("{id} was never given to a transaction"));
        }
        let mut request = Request::repeat(Arc::clone(&self.link), session, id, stamp, placement);
        let conclusion = match self.permit(until).await {
            Ok(_permit) => request.drive(intent, until).await,
            Err(NotExecuted::Closed) => Conclusion::Unknown(Doubt::Closed),
            Err(_) => Conclusion::Unknown(Doubt::Deadline),
        };
        Ok(conclude(request, conclusion, placement, 1).await)
    }

    async fn permit(&self, until: Instant) -> Result<SemaphorePermit<'_>, NotExecuted> {
        if let Ok(permit) = self.link.permits.try_acquire() {
            return Ok(permit);
        }
        match timeout_at(until, self.link.permits.acquire()).await {
            Ok(Ok(permit)) if Instant::now() < until => Ok(permit),
            Ok(Err(_)) => Err(NotExecuted::Closed),
            Ok(Ok(_)) | Err(_) => Err(NotExecuted::Overloaded),
        }
    }

    /// Puts a new session in the place of one that the cluster has ended.
    async fn renew(&self, ended: &Arc<Session>, until: Instant) -> Result<(), NotExecuted> {
        let Ok(_turn) = timeout_at(until, self.current.renewing.lock()).await else {
            return Err(NotExecuted::SessionEnded);
        };
        if self.link.is_closed() || self.current.closed.load(Ordering::SeqCst) {
            return Err(NotExecuted::Closed);
        }
        if Arc::ptr_eq(&self.current.session(), ended) {
            let session = self.link.open_session(until).await.ok_or(NotExecuted::SessionEnded)?;
            ended.mark_ended();
            tracing::info!(ended = %ended.id, opened = %session.id, "the cluster had ended the session; a new one was opened");
            *self.current.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
        }
        Ok(())
    }

    fn until(&self, deadline: Option<Duration>) -> Instant {
        let longest = Duration::from_millis(DEADLINE_MS_MAX.into());
        Instant::now() + deadline.unwrap_or(self.link.config.deadline).min(longest)
    }
}

impl Current {
    fn new(session: Arc<Session>) -> Arc<Current> {
        Arc::new(Current {
            session: Mutex::new(session),
            renewing: tokio::sync::Mutex::new(()),
            closed: AtomicBool::new(false),
        })
    }

    fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn open(link: &Link) -> Result<Arc<Session>, ConnectError> {
    let wait = link.config.connect_deadline.min(Duration::from_secs(3600));
    link.open_session(Instant::now() + wait).await.ok_or_else(|| ConnectError::NoSession {
        waited_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        coordinators: link.trouble(),
    })
}

/// Turns the end of a request into an outcome; the operations go back into the placement unless they are still needed.
pub(crate) async fn conclude(
    mut request: Request,
    conclusion: Conclusion,
    placement: &mut Placement,
    attempts: u32,
) -> Outcome {
    let outcome = match conclusion {
        Conclusion::Committed(results) => Outcome::Committed(Receipt::new(&mut request, results, attempts)),
        Conclusion::Aborted(reason) => Outcome::Aborted(Abort::new(&mut request, reason, attempts)),
        Conclusion::Unknown(doubt) => return Outcome::Unknown(Handle::new(request, doubt, attempts)),
        Conclusion::NotExecuted(_) | Conclusion::SessionEnded => {
            if let Err(doubt) = request.not_executed().await {
                return Outcome::Unknown(Handle::new(request, doubt, attempts));
            }
            let reason = match conclusion {
                Conclusion::NotExecuted(reason) => reason,
                _ => NotExecuted::SessionEnded,
            };
            Outcome::Aborted(Abort::not_executed(Some(request.subject().txn.clone()), reason, attempts))
        }
    };
    placement.branches = request.take_branches();
    outcome
}

#[cfg(test)]
impl Client {
    /// This client with other connections to nodes.
    pub(crate) fn with_nodes(self, nodes: Arc<Nodes>) -> Client {
        Client { nodes, ..self }
    }
}

/// For tests: a client over a scripted cluster.
#[cfg(test)]
pub(crate) async fn scripted(
    config: ClientConfig,
    journal: Option<Arc<Journal>>,
    unfinished: Vec<crate::journal::Unfinished>,
    carrier: Box<dyn crate::carrier::Carrier>,
    events: tokio::sync::mpsc::Receiver<assent_transport::Event>,
) -> Client {
    let name = ClientName::new("app").expect("valid");
    let link = Link::start(config, name, journal, carrier, events);
    let client = Client::over(Arc::clone(&link)).await.expect("the script opens a session");
    client.recovery.replay(&link, unfinished);
    client
}
