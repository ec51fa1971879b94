//! What a benchmark says.

use crate::{
    latency::{Percentiles, SignedPercentiles},
    output::thousands,
    tally::Tally,
};
use serde::Serialize;
use std::fmt;

/// The figures of one run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BenchReport {
    /// Sessions in the closed loop.
    pub(super) clients: u64,
    /// How long was measured, after the warm-up.
    pub(super) seconds: f64,
    /// Students that enrol and drop.
    pub(super) students: u64,
    /// Courses that they choose from.
    pub(super) courses: u64,
    /// Transactions committed.
    pub(super) committed: u64,
    /// Those of them that enrolled.
    pub(super) enrolled: u64,
    /// Those of them that dropped.
    pub(super) dropped: u64,
    /// Committed transactions per second.
    pub(super) transactions_per_second: f64,
    /// From the first try to the commit.
    pub(super) latency: Percentiles,
    /// Tries that were aborted, by reason; each was tried again.
    pub(super) aborts: Tally,
    /// Aborted tries for each try.
    pub(super) abort_rate: f64,
    /// Outcomes that were unknown at the end of a call, and then learnt.
    pub(super) unknown: u64,
    /// fdatasync calls per second on the cluster's disk, just before.
    pub(super) fdatasync_per_second: Option<u64>,
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} clients, {} students, {} courses, {:.1} s",
            thousands(self.clients),
            thousands(self.students),
            thousands(self.courses),
            self.seconds
        )?;
        writeln!(f, "  committed   {} txn/s", thousands(self.transactions_per_second as u64))?;
        writeln!(
            f,
            "              {} in all: {} enrolled, {} dropped",
            thousands(self.committed),
            thousands(self.enrolled),
            thousands(self.dropped)
        )?;
        writeln!(f, "  latency     {}", self.latency)?;
        writeln!(
            f,
            "  aborted     {}  ({:.2} % of the tries; all tried again)",
            self.aborts,
            self.abort_rate * 100.0
        )?;
        if self.unknown > 0 {
            writeln!(f, "  unknown     {} at first, learnt later", thousands(self.unknown))?;
        }
        match self.fdatasync_per_second {
            Some(rate) => {
                writeln!(f, "  fdatasync   {} per second on the same disk, just before", thousands(rate))
            }
            None => writeln!(f, "  fdatasync   not measured: the cluster's disk is not here"),
        }
    }
}

/// The figures of one run of messages.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MessagesReport {
    /// Messages under way in the closed loop.
    pub(super) in_flight: u64,
    /// Messages that had gone through the mailbox before.
    pub(super) history: u64,
    /// Bytes of each.
    pub(super) payload_bytes: u64,
    /// How they were finished.
    pub(super) finish: &'static str,
    /// They were kept by another participant than the mailbox's.
    pub(super) relayed: bool,
    /// How long was measured, after the warm-up.
    pub(super) seconds: f64,
    /// Messages finished.
    pub(super) finished: u64,
    /// Per second.
    pub(super) messages_per_second: f64,
    /// From before the sending to the end.
    pub(super) latency: Percentiles,
    /// Receiving one message that is ready, from the question to the answer; after the load.
    pub(super) receive: Percentiles,
    /// Deliveries that were not the first, warm-up included.
    pub(super) redelivered: u64,
    /// Messages that did not come to an end within a minute.
    pub(super) missing: u64,
    /// fdatasync calls per second on the cluster's disk, just before.
    pub(super) fdatasync_per_second: Option<u64>,
}

impl fmt::Display for MessagesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages of {} bytes in flight, finished by {}{}{}, {:.1} s",
            thousands(self.in_flight),
            thousands(self.payload_bytes),
            self.finish,
            if self.relayed { ", relayed" } else { "" },
            after(self.history),
            self.seconds
        )?;
        let per_second = thousands(self.messages_per_second as u64);
        writeln!(f, "  finished    {per_second} messages/s ({} in all)", thousands(self.finished))?;
        writeln!(f, "  latency     {}", self.latency)?;
        writeln!(f, "  receive     {}  (one that is ready)", self.receive)?;
        if self.redelivered > 0 {
            writeln!(f, "  redelivered {}", thousands(self.redelivered))?;
        }
        if self.missing > 0 {
            writeln!(f, "  missing     {}", thousands(self.missing))?;
        }
        match self.fdatasync_per_second {
            Some(rate) => {
                writeln!(f, "  fdatasync   {} per second on the same disk, just before", thousands(rate))
            }
            None => writeln!(f, "  fdatasync   not measured: the cluster's disk is not here"),
        }
    }
}

/// The figures of one message at a time on an idle system.
#[derive(Clone, Debug, Serialize)]
pub(super) struct IdleReport {
    /// Bytes of each message.
    pub(super) payload_bytes: u64,
    /// They were kept by another participant than the mailbox's.
    pub(super) relayed: bool,
    /// Messages that had gone through the mailbox before.
    pub(super) history: u64,
    /// Messages measured.
    pub(super) messages: u64,
    /// From asking for the commit of the sending until the waiting consumer has the message.
    pub(super) to_consumer: Percentiles,
    /// From asking for the commit until the sender hears of it.
    pub(super) to_commit: Percentiles,
    /// From the sender's hearing of the commit until the consumer has the message; below zero, the consumer was first.
    pub(super) after_commit: SignedPercentiles,
    /// Appending to a file on the cluster's disk, and syncing it.
    pub(super) fdatasync: Option<Percentiles>,
    /// A datagram to another thread and back, over loopback.
    pub(super) loopback: Percentiles,
    /// A question to the mailbox's node, and its answer.
    pub(super) question: Percentiles,
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages of {} bytes, one at a time on an idle system{}{}",
            thousands(self.messages),
            thousands(self.payload_bytes),
            if self.relayed { ", relayed" } else { "" },
            after(self.history),
        )?;
        writeln!(f, "  to consumer   {}  (since the commit was asked for)", self.to_consumer)?;
        writeln!(f, "  to commit     {}  (acknowledged to the sender)", self.to_commit)?;
        writeln!(f, "  after commit  {}  (from that to the consumer)", self.after_commit)?;
        match self.fdatasync {
            Some(fdatasync) => writeln!(f, "  fdatasync     {fdatasync}  (on the same disk)")?,
            None => writeln!(f, "  fdatasync     not measured: the cluster's disk is not here")?,
        }
        writeln!(f, "  loopback      {}  (a datagram to a thread and back)", self.loopback)?;
        writeln!(f, "  question      {}  (to the mailbox's node, and its answer)", self.question)
    }
}

/// What was before, if anything was.
fn after(history: u64) -> String {
    if history == 0 { String::new() } else { format!(", after {} others", thousands(history)) }
}
