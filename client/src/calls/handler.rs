//! A method's function behind one face for all types: JSON in, a transaction and JSON out, and no panic.

use super::{
    names::{CallId, MethodName},
    wire::{Fault, Semantics},
};
use crate::transaction::Transaction;
use assent_protocol::{ids::ClientName, mail::PAYLOAD_BYTES_MAX};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    any::Any,
    fmt::Display,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

/// Which call a handler is run for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Called {
    /// Together with the caller, the idempotency key for effects outside of the cluster.
    pub id: CallId,
    /// Who calls: the name in its certificate.
    pub caller: ClientName,
    /// What was called.
    pub method: MethodName,
    /// What the caller was promised.
    pub semantics: Semantics,
}

type Ran = Result<(Transaction, Vec<u8>), Fault>;

/// A method's function, with its types forgotten.
pub(super) type Handler = dyn Fn(Called, &[u8]) -> Pin<Box<dyn Future<Output = Ran> + Send>> + Send + Sync;

/// Forgets the types of a method's function.
pub(super) fn handler<A, R, F, O, E>(function: F) -> Box<Handler>
where
    A: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    F: Fn(A, Transaction, Called) -> O + Send + Sync + 'static,
    O: Future<Output = Result<(Transaction, R), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    Box::new(move |called, arguments| {
        let arguments = match serde_json::from_slice::<A>(arguments) {
            Ok(arguments) => arguments,
            Err(error) => return Box::pin(async move { Err(Fault::bad_arguments(error)) }),
        };
        // What the function does before its first `await` may panic, too.
        match catch_unwind(AssertUnwindSafe(|| function(arguments, Transaction::new(), called))) {
            Ok(running) => Box::pin(async move {
                match unpanicked(running).await? {
                    Ok((transaction, reply)) => Ok((transaction, encode(&reply)?)),
                    Err(error) => Err(Fault::failed(error)),
                }
            }),
            Err(panic) => Box::pin(async move { Err(said(&*panic)) }),
        }
    })
}

fn encode<R: Serialize>(reply: &R) -> Result<Vec<u8>, Fault> {
    let reply = serde_json::to_vec(reply)
        .map_err(|error| Fault::failed(format!("the reply can't be encoded: {error}")))?;
    if reply.len() > PAYLOAD_BYTES_MAX {
        let bytes = reply.len();
        return Err(Fault::failed(format!("the reply takes {bytes} bytes, more than {PAYLOAD_BYTES_MAX}")));
    }
    Ok(reply)
}

/// The same future, whose panic is a fault.
async fn unpanicked<T>(future: impl Future<Output = T>) -> Result<T, Fault> {
    let mut future = Box::pin(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(said(&*panic))),
    })
    .await
}

fn said(panic: &(dyn Any + Send)) -> Fault {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Fault::failed(format!("it panicked: {}", words.unwrap_or("without words")))
}
