//! Transactions and outcomes as JSON, as the `assent` program reads and prints them. The shapes are documented, with
//! every operation and every reason, in `docs/transactions.md`; they only ever grow.
//!
//! Reading is strict: an unknown operation, a missing, surplus or repeated key, and a value of the wrong type are
//! errors that name the operation and the key.

mod mail;
mod object;
mod parse;
mod print;

pub use mail::{delivery, from_base64, payload, stored, to_base64};
pub use object::JsonError;
pub use parse::{operation, transaction, transaction_value};
pub use print::{field, outcome, read, reason, record, value};

#[cfg(test)]
mod tests;
