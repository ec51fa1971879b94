//! What calls look like to who calls: a service that was found, its methods with their types, and what each call promises.

use super::{
    caller::Caller,
    error::CallError,
    names::{CallId, MethodName, ServiceName},
    pending::Pending,
    service::methods_of,
    wire::{Answer, Call, Semantics, now_ms},
};
use crate::{outcome::Outcome, transaction::Transaction};
use assent_protocol::{ids::InvalidName, operation::RecordContent};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeSet, marker::PhantomData, sync::Arc, time::Duration};
use tokio::time::Instant;

/// What one call promises.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "they are given to a call"]
pub struct CallOptions {
    semantics: Semantics,
    timeout: Option<Duration>,
    id: Option<CallId>,
}

impl CallOptions {
    fn new(semantics: Semantics) -> CallOptions {
        CallOptions { semantics, timeout: None, id: None }
    }

    /// The handler is run once or never.
    pub fn at_most_once() -> CallOptions {
        CallOptions::new(Semantics::AtMostOnce)
    }

    /// The handler may run several times: for methods where that does no harm.
    pub fn at_least_once() -> CallOptions {
        CallOptions::new(Semantics::AtLeastOnce)
    }

    /// The handler's effects happen once, and every repeat gets the first reply.
    pub fn exactly_once() -> CallOptions {
        CallOptions::new(Semantics::ExactlyOnce)
    }

    /// How long it may take, instead of [`CallerConfig::timeout`](super::CallerConfig::timeout).
    pub fn timeout(mut self, timeout: Duration) -> CallOptions {
        self.timeout = Some(timeout);
        self
    }

    /// Under an id of the application's own. A later call with the same id, method and arguments, from any process of this
    /// client's name, is a repeat: if the call promises exactly once, it gets the first reply, after any crash, and waits for
    /// it while the first one runs. What is remembered for that stays until [`Stub::confirm`].
    ///
    /// Without it, a call has an id that nobody else knows, and is confirmed as soon as its reply has been decoded.
    pub fn id(mut self, id: CallId) -> CallOptions {
        self.id = Some(id);
        self
    }
}

/// A service that was found by its name.
#[derive(Clone)]
pub struct Stub {
    caller: Caller,
    service: ServiceName,
    methods: BTreeSet<String>,
}

impl Stub {
    pub(super) fn new(caller: Caller, service: ServiceName, record: &RecordContent) -> Stub {
        Stub { caller, service, methods: methods_of(record) }
    }

    /// Its name.
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// What it had when it was found: `name@version`.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(String::as_str)
    }

    /// A method with its types. That the service has it is found out by calling it, for it may come to have it.
    pub fn method<A: Serialize, R: DeserializeOwned>(
        &self,
        name: &str,
        version: u32,
    ) -> Result<Method<A, R>, InvalidName> {
        Ok(Method { stub: self.clone(), name: MethodName::new(name, version)?, types: PhantomData })
    }

    /// Says that the reply of a call under an id of the application's own is not needed any more. The id is free again then:
    /// a repeat would run anew.
    pub async fn confirm(&self, id: &CallId) -> Outcome {
        self.caller.inner.client.run_with_retries(self.confirming(Transaction::new(), id)).await
    }

    /// The same in a transaction: what the application makes of the reply, and that it has done so, are one commit. Refused
    /// if nothing is remembered, so that it is done once.
    pub fn confirming(&self, transaction: Transaction, id: &CallId) -> Transaction {
        transaction.delete(self.service.call(self.caller.inner.client.name(), id))
    }
}

/// A method of a service, with its types.
pub struct Method<A, R> {
    stub: Stub,
    name: MethodName,
    types: PhantomData<fn(A) -> R>,
}

impl<A, R> Clone for Method<A, R> {
    fn clone(&self) -> Method<A, R> {
        Method { stub: self.stub.clone(), name: self.name.clone(), types: PhantomData }
    }
}

impl<A: Serialize, R: DeserializeOwned + Send + 'static> Method<A, R> {
    /// Name and version.
    pub fn name(&self) -> &MethodName {
        &self.name
    }

    /// Calls it, and waits for the reply. Dropped, the call goes on: see [`Pending`].
    pub async fn call(&self, arguments: &A, options: CallOptions) -> Result<R, CallError> {
        self.begin(arguments, options).await
    }

    /// Begins a call, in the background.
    pub fn begin(&self, arguments: &A, options: CallOptions) -> Pending<R> {
        let inner = Arc::clone(&self.stub.caller.inner);
        let service = self.stub.service.clone();
        let chosen = options.id.is_some();
        let id = options.id.unwrap_or_else(|| inner.new_id(&service));
        let method = self.name.clone();
        let arguments = match serde_json::to_vec(arguments) {
            Ok(arguments) => arguments,
            Err(error) => {
                let error = CallError::BadArguments { method, why: error.to_string() };
                return Pending::ended(id, Err(error));
            }
        };
        let timeout = options.timeout.unwrap_or(inner.timeout);
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let call = Call {
            service,
            id: id.clone(),
            method,
            semantics: options.semantics,
            deadline_ms: now_ms().saturating_add(millis),
            reply_to: inner.replies.clone(),
            may_repeat: chosen,
        };
        // What is too long for a clock is for ever.
        let until = Instant::now() + timeout.min(Duration::from_secs(365 * 24 * 3600));
        Pending::spawn(id, async move {
            let answer = inner.run(&call, arguments, until).await?;
            let forget = call.semantics == Semantics::ExactlyOnce && !chosen && answer.is_remembered();
            let reply = decode(answer, &call);
            // Nobody can repeat it; but a reply that does not decode is kept for who can.
            if forget && !matches!(reply, Err(CallError::BadReply { .. })) {
                inner.confirm(call.service.call(inner.client.name(), &call.id));
            }
            reply
        })
    }
}

fn decode<R: DeserializeOwned>(answer: Answer, call: &Call) -> Result<R, CallError> {
    let (id, method) = (call.id.clone(), call.method.clone());
    match answer {
        Answer::Reply(reply) => serde_json::from_slice(&reply).map_err(|error| CallError::BadReply {
            id,
            method,
            why: error.to_string(),
            reply,
        }),
        Answer::Fault(fault) => Err(CallError::of(fault, &call.service, method, id)),
    }
}
