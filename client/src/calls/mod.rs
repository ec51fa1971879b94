//! Calls: a request to a service by name, and its reply, over messages.
//!
//! - [`Service`]: typed methods by name and version, in as many instances as one likes: each call goes to one that is there,
//! - [`Caller`], [`Stub`], [`Method`]: finds a service by its name, and calls its methods; [`Pending`] is a call under way,
//! - [`CallOptions`]: what a call promises, chosen for each one.
//!
//! A call is a message in the mailbox `service.NAME`, so it is durable before it is run, needs nobody to be there yet, and
//! is run by another instance if the first one dies. What it then promises:
//!
//! | | the handler runs | its effects | a repeat of the same id | synced writes before the reply |
//! | --- | --- | --- | --- | --- |
//! | [`AtMostOnce`](Semantics::AtMostOnce) | once or never | once or never | runs | 3, one after the other: call, acknowledgement, effects with the reply |
//! | [`AtLeastOnce`](Semantics::AtLeastOnce) | again if its instance dies | once for each time that it runs to its end | runs | 2: call, effects with the reply |
//! | [`ExactlyOnce`](Semantics::ExactlyOnce) | again if its instance dies before the commit | once | gets the first reply | 2: call; effects, reply, duplicate record and acknowledgement in one commit |
//!
//! Effects are what the handler puts into the transaction that it is given. What it does besides is done each time that it
//! runs; [`Called::id`] is then the idempotency key.
//!
//! The way of a call, and what remains of one whose caller is gone, are in `docs/messages.md`; why it is so, in
//! `docs/decisions/0009-calls.md`.

mod caller;
mod error;
mod handler;
mod keeping;
mod names;
mod pending;
mod replies;
mod service;
mod stub;
#[cfg(test)]
mod tests;
mod wire;
mod work;

pub use caller::{Caller, CallerConfig, CallerFigures};
pub use error::{CallError, ServiceError};
pub use handler::Called;
pub use names::{CallId, MethodName, ServiceName};
pub use pending::{Pending, join_all};
pub use service::{RunningService, Service, ServiceConfig, ServiceFigures};
pub use stub::{CallOptions, Method, Stub};
pub use wire::Semantics;
