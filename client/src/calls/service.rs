//! A service: typed methods, published under a name, and run for whoever calls.
//!
//! Here is what an application says; `work` is what becomes of one call.

use super::{
    error::ServiceError,
    handler::{Called, Handler, handler},
    names::{MethodName, ServiceName},
    work::{Counts, Shared},
};
use crate::{
    client::Client,
    mail::{MailboxSettings, Processor, ProcessorConfig, ProcessorFigures},
    outcome::Outcome,
    transaction::Transaction,
};
use assent_protocol::{
    ids::{FieldName, InvalidName, RecordId},
    operation::{FieldContent, RecordContent},
    outcome::RefusalKind,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
    future::Future,
    sync::Arc,
};

/// The set of what a service has, in its record.
const METHODS: &str = "methods";

/// How a service works. [`ServiceConfig::default`] gives the defaults.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServiceConfig {
    /// How calls are received and committed. Its lease is how long the calls of an instance that died wait at most for
    /// another one.
    pub processor: ProcessorConfig,
    /// The mailbox of calls, for whoever makes it first.
    pub mailbox: MailboxSettings,
}

/// Typed methods under one name.
///
/// A method's function gets the arguments, a transaction, and which call it is run for; it returns the transaction with what
/// it changes and sends, and the reply. Effects and reply are one commit, whatever the call promises. If the commit is
/// refused because of what records hold, the caller is told that ([`CallError::Refused`](super::CallError::Refused)); if a
/// version that the function required has changed meanwhile, the function is run again at once. An error or a panic is the
/// caller's to see ([`CallError::Failed`](super::CallError::Failed)), and nothing is changed. Errors with a type of their own
/// are better put into the reply.
///
/// ```no_run
/// use assent_client::{Client, ClientConfig, calls::{Service, ServiceConfig}};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Deposit { account: String, cents: i64 }
///
/// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let bank = Service::new("bank")?
///     .method("deposit", 1, |deposit: Deposit, transaction, _| async move {
///         let account = format!("account/{}", deposit.account);
///         Ok::<_, String>((transaction.add(account, "cents", deposit.cents, 0..), deposit.cents))
///     })?
///     .start(&client, ServiceConfig::default())
///     .await?;
/// tokio::signal::ctrl_c().await?;
/// println!("{}", bank.shut_down().await);
/// # Ok(())
/// # }
/// ```
pub struct Service {
    name: ServiceName,
    methods: BTreeMap<MethodName, Box<Handler>>,
}

impl Service {
    /// Without methods yet.
    pub fn new(name: &str) -> Result<Service, InvalidName> {
        Ok(Service { name: ServiceName::new(name)?, methods: BTreeMap::new() })
    }

    /// One more method. Arguments and replies travel as JSON: what decodes is compatible, and what does not is another
    /// version.
    pub fn method<A, R, F, O, E>(
        mut self,
        name: &str,
        version: u32,
        function: F,
    ) -> Result<Service, ServiceError>
    where
        A: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(A, Transaction, Called) -> O + Send + Sync + 'static,
        O: Future<Output = Result<(Transaction, R), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let method = MethodName::new(name, version)?;
        match self.methods.insert(method.clone(), handler(function)) {
            None => Ok(self),
            Some(_) => Err(ServiceError::Twice(method)),
        }
    }

    /// Makes the mailbox `service.NAME` if there is none, adds the methods to the record `service/NAME`, and begins to run
    /// calls. Any number of instances may run; each call is run by one of them.
    ///
    /// A method that an instance has published stays in the record when its instances are gone, since others may have it:
    /// calls to it then wait until their deadlines. [`Service::withdraw`] takes it out.
    pub async fn start(self, client: &Client, config: ServiceConfig) -> Result<RunningService, ServiceError> {
        let Service { name, methods } = self;
        let exists = |outcome: &Outcome| refused_as(outcome, RefusalKind::Absent);
        let made = client.create_mailbox(name.mailbox(), &config.mailbox).await;
        let made = resolved(client, made).await;
        if !made.is_committed() && !exists(&made) {
            return Err(ServiceError::NotPublished(words(&made)));
        }
        publish(client, &name, methods.keys()).await?;
        let shared = Arc::new(Shared { name: name.clone(), methods, counts: Counts::default() });
        let working = Arc::clone(&shared);
        let processor = Processor::over(client, name.mailbox().clone(), config.processor, move |worker| {
            let shared = Arc::clone(&working);
            async move { shared.work(worker).await }
        });
        Ok(RunningService { processor, shared })
    }

    /// Takes methods that no instance has any more out of the record of a service. Calls to them are answered with
    /// [`CallError::UnknownMethod`](super::CallError::UnknownMethod) from then on.
    pub async fn withdraw(
        client: &Client,
        service: &ServiceName,
        methods: impl IntoIterator<Item = MethodName>,
    ) -> Outcome {
        let transaction = methods.into_iter().fold(Transaction::new(), |all, method| {
            all.remove(service.record(), METHODS, method.to_string(), None)
        });
        client.run_with_retries(transaction).await
    }
}

/// Adds what is missing.
async fn publish(
    client: &Client,
    name: &ServiceName,
    methods: impl Iterator<Item = &MethodName>,
) -> Result<(), ServiceError> {
    let mine: BTreeSet<String> = methods.map(MethodName::to_string).collect();
    loop {
        let there = read(client, name.record()).await.map_err(ServiceError::NotPublished)?;
        let there = there.as_ref().map(methods_of).unwrap_or_default();
        let missing: Vec<&String> = mine.difference(&there).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let add = missing
            .into_iter()
            .fold(Transaction::new(), |all, m| all.insert(name.record(), METHODS, m, None));
        let added = client.run_with_retries(add).await;
        let added = resolved(client, added).await;
        // Another instance was faster.
        if !added.is_committed() && !refused_as(&added, RefusalKind::MemberExists) {
            return Err(ServiceError::NotPublished(words(&added)));
        }
    }
}

/// What a service has, as its record says.
pub(super) fn methods_of(record: &RecordContent) -> BTreeSet<String> {
    let field = FieldName::new(METHODS).expect("it is a valid name");
    match record.fields.get(&field) {
        Some(FieldContent::Set(methods)) => methods.iter().map(|method| method.as_str().to_owned()).collect(),
        Some(_) | None => BTreeSet::new(),
    }
}

/// A record as a consistent read saw it, or in words why not.
pub(super) async fn read(client: &Client, record: &RecordId) -> Result<Option<RecordContent>, String> {
    match client.run_with_retries(Transaction::new().read(record)).await {
        Outcome::Committed(receipt) => {
            receipt.confirm();
            Ok(receipt.record(0).cloned())
        }
        outcome => Err(words(&outcome)),
    }
}

/// An outcome that is unknown is asked for once more.
pub(super) async fn resolved(client: &Client, outcome: Outcome) -> Outcome {
    let outcome = match outcome {
        Outcome::Unknown(handle) => match client.resolve(&handle).await {
            Outcome::Unknown(handle) => {
                client.give_up(handle.clone());
                Outcome::Unknown(handle)
            }
            outcome => outcome,
        },
        outcome => outcome,
    };
    outcome.confirm();
    outcome
}

pub(super) fn refused_as(outcome: &Outcome, kind: RefusalKind) -> bool {
    matches!(outcome, Outcome::Aborted(abort) if abort.refusal().is_some_and(|refusal| refusal.kind == kind))
}

pub(super) fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Committed(_) => "it has happened".to_owned(),
        Outcome::Aborted(abort) => abort.to_string(),
        Outcome::Unknown(handle) => handle.doubt().to_string(),
    }
}

/// One instance of a service. Dropped, it receives no more calls, and ends what it has begun in the background.
#[must_use = "it stops when it is dropped"]
pub struct RunningService {
    processor: Processor,
    shared: Arc<Shared>,
}

impl RunningService {
    /// Its name.
    pub fn name(&self) -> &ServiceName {
        &self.shared.name
    }

    /// What this instance has done so far.
    pub fn figures(&self) -> ServiceFigures {
        self.shared.counts.figures(self.processor.figures())
    }

    /// Receives nothing more, waits for what has begun (at most [`ProcessorConfig::drain`]), and says what it has done.
    pub async fn shut_down(self) -> ServiceFigures {
        let figures = self.processor.shut_down().await;
        self.shared.counts.figures(figures)
    }
}

/// What one instance of a service has done so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServiceFigures {
    /// Calls whose handler's effects and reply were committed.
    pub replied: u64,
    /// Calls that were answered with an error: an unknown method, arguments that do not decode, a handler that failed, or
    /// effects that were refused.
    pub faults: u64,
    /// Repeats that got the answer of the first.
    pub repeated: u64,
    /// Calls that were not run, because their deadline had passed: nobody waits for the reply any more.
    pub expired: u64,
    /// Calls whose caller was gone when they were answered: its mailbox was deleted.
    pub orphaned: u64,
    /// Calls of methods that another instance has: they were given back.
    pub passed_on: u64,
    /// Messages that are no calls; they become dead letters.
    pub malformed: u64,
    /// What is known of the messages.
    pub messages: ProcessorFigures,
}

impl fmt::Display for ServiceFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServiceFigures { replied, faults, repeated, expired, orphaned, passed_on, malformed, messages } =
            self;
        write!(
            f,
            "{replied} replied, {faults} answered with errors, {repeated} repeats, {expired} expired, {orphaned} \
             without a caller, {passed_on} passed on, {malformed} malformed; messages: {messages}"
        )
    }
}
