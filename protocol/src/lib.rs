//! Decides: the commit protocol of Assent as two state machines, with everything they speak.
//!
//! This crate is not allowed to do anything: no IO, no clock, no randomness, no threads. `no_std`
//! makes the compiler hold it to that. Time, ids and messages come in through `handle`, messages
//! and writes go out, and whoever runs the machine carries them out.
//!
//! Where to find what:
//! - [`participant`]: the machine that votes (rules R1, R2, R4 to R12 of `docs/protocol.md`),
//! - [`coordinator`]: the machine that drives transactions (R1, R3, R5, R6, R10),
//! - [`locks`]: who may run beside whom, with escrow and wound-wait,
//! - [`workspace`]: what operations do to records,
//! - [`storage`]: what a participant needs from its disk, [`memory`]: a disk for tests that forgets
//!   what was not synced,
//! - [`canonical`]: machines that no future input can tell apart, made equal, for models,
//! - [`table`] and [`agenda`]: what the machines keep their state in,
//! - [`mail`]: messages between applications: outbox, relay, mailboxes,
//! - [`message`] and [`codec`]: what is said, and the only place that knows its bytes,
//! - [`canary`]: the rules broken one by one, for tests of the tests; not in what ships.
#![no_std]
extern crate alloc;

pub mod agenda;
pub mod canary;
pub mod canonical;
pub mod codec;
pub mod coordinator;
pub mod digest;
pub mod directory;
mod few;
pub mod ids;
pub mod locks;
pub mod mail;
mod members;
pub mod memory;
pub mod message;
pub mod operation;
pub mod outcome;
pub mod participant;
pub mod span;
pub mod storage;
pub mod table;
pub mod workspace;
