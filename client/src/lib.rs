//! Asks: the library that applications use.
//!
//! ```no_run
//! use assent_client::{Client, ClientConfig, Outcome, Transaction};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(ClientConfig::load("cluster.toml", "app.crt", "app.key", "ca.crt")?).await?;
//! let enrol = Transaction::new()
//!     .require_equals("student/s17", "status", "active")
//!     .insert("student/s17", "schedule", "CS101", 8)
//!     .insert("course/CS101", "roster", "s17", 40);
//! match client.run_with_retries(enrol).await {
//!     Outcome::Committed(receipt) => println!("{} is enrolled", receipt.id),
//!     Outcome::Aborted(abort) => println!("nothing has changed: {abort}"),
//!     Outcome::Unknown(handle) => println!("ask again later: {:?}", client.resolve(&handle).await),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Where to find what:
//! - [`Client`]: connections to all coordinators, and a session in which requests are numbered,
//! - [`Transaction`]: the builder, [`Outcome`]: how a call ends,
//! - [`mail`]: messages that are part of their transaction, consumers, and [`mail::Processor`] for services that process
//!   each message exactly once,
//! - [`calls`]: typed methods of services that are found by name, at most, at least or exactly once,
//! - [`registrar`]: students and courses, typed; it shows how a module of one's own is built on the rest,
//! - [`json`]: transactions and outcomes as JSON, as the `assent` program speaks it,
//! - [`Nodes`], [`NodeReply`], [`Report`]: what nodes say when they are asked directly, also without a session.
//!
//! Not here: what decides (the `protocol` crate), and how bytes travel (`transport`).

pub mod calls;
mod carrier;
mod client;
mod config;
mod handle;
mod journal;
pub mod json;
mod link;
pub mod mail;
mod names;
mod nodes;
mod outcome;
mod placement;
mod random;
mod recovery;
pub mod registrar;
mod request;
mod routes;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod script;
mod session;
mod transaction;
mod window;

pub use assent_protocol::{
    ids::{
        ClientName, Digest, FieldName, InvalidName, Member, NodeId, RecordId, Sequence, SessionId, Stamp,
        TxnId, Version,
    },
    message::{Held, InDoubt},
    operation::{Check, FieldContent, Operation, ReadResult, RecordContent, Selection, Value},
    outcome::{AbortReason, Malformed, Refusal, RefusalKind},
};
pub use assent_transport::{Cluster, ClusterError, Identity, IdentityError, Role};
pub use client::{Client, ConnectError};
pub use config::{ClientConfig, ConfigError};
pub use handle::{Doubt, Handle};
pub use journal::JournalError;
pub use names::{IntoValue, Named};
pub use nodes::{NodeReply, Nodes, QueryError, Report, Verdict};
pub use outcome::{Abort, NotExecuted, Outcome, Reason, Receipt};
pub use recovery::Recovered;
pub use transaction::Transaction;
