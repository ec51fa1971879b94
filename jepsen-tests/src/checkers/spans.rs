//! Operations as checkers see them: from where in the history to where each may have taken effect.
//!
//! The order of lines is the order in real time. What is known to have happened did so between its two lines; what is not
//! known, at any time since its first, or never; what failed, never.

use crate::{
    history::{Event, History, Kind, Process, Value},
    verdict::{Anomaly, Finding, Verdict},
};
use std::collections::BTreeMap;

/// Violations of one class that a verdict lists; more are counted only, since one mistake may show in every later read.
const ANOMALIES_PER_CLASS_MAX: usize = 10;

/// One operation of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'h> {
    pub(super) invoke: &'h Event,
    pub(super) end: Option<&'h Event>,
}

/// All operations in the order in which they began. Lines that don't pair up are left out: who loads a history has said so.
pub(super) fn spans(history: &History) -> Vec<Span<'_>> {
    let mut spans: Vec<Span<'_>> = Vec::new();
    let mut open = BTreeMap::new();
    for event in &history.events {
        let Process::Client(process) = event.process else { continue };
        if event.kind == Kind::Invoke {
            open.insert(process, spans.len());
            spans.push(Span { invoke: event, end: None });
        } else if let Some(index) = open.remove(&process) {
            spans[index].end = Some(event);
        }
    }
    spans
}

impl<'h> Span<'h> {
    fn end_of(&self, kind: Kind) -> Option<&'h Event> {
        self.end.filter(|end| end.kind == kind)
    }

    pub(super) fn f(&self) -> &'h str {
        &self.invoke.f
    }

    /// Its last line, if it has happened.
    pub(super) fn ok(&self) -> Option<&'h Event> {
        self.end_of(Kind::Ok)
    }

    /// Its last line, if it has not happened.
    pub(super) fn failed(&self) -> Option<&'h Event> {
        self.end_of(Kind::Fail)
    }

    /// Its last line, if it was refused for this reason.
    pub(super) fn refused_as(&self, reason: &str) -> Option<&'h Event> {
        self.failed().filter(|end| end.error.as_deref() == Some(reason))
    }

    /// What was asked for, and came out if that is known.
    pub(super) fn value(&self) -> &'h Value {
        self.ok().map_or(&self.invoke.value, |end| &end.value)
    }

    /// Whether it has happened before this line, for sure.
    pub(super) fn is_before(&self, index: u64) -> bool {
        self.ok().is_some_and(|end| end.index < index)
    }

    /// Whether it may have happened before this line.
    pub(super) fn may_be_before(&self, index: u64) -> bool {
        self.failed().is_none() && self.invoke.index < index
    }

    /// Both of its lines, for an anomaly.
    pub(super) fn lines(&self) -> Vec<u64> {
        [Some(self.invoke), self.end].into_iter().flatten().map(|event| event.index).collect()
    }
}

/// A violation.
pub(super) fn anomaly(class: &str, words: String, mut events: Vec<u64>) -> Anomaly {
    events.sort_unstable();
    events.dedup();
    Anomaly { class: class.to_owned(), words, events }
}

/// The verdict over what was found; `judged` says whether there was anything to judge.
pub(super) fn verdict(
    checker: &str,
    mut summary: String,
    mut anomalies: Vec<Anomaly>,
    judged: bool,
) -> Verdict {
    let finding = match (anomalies.is_empty(), judged) {
        (false, _) => Finding::Violated,
        (true, true) => Finding::Holds,
        (true, false) => Finding::Unknown,
    };
    if !anomalies.is_empty() {
        let mut counts = BTreeMap::new();
        anomalies.retain(|anomaly| {
            let count = counts.entry(anomaly.class.clone()).or_insert(0_usize);
            *count += 1;
            *count <= ANOMALIES_PER_CLASS_MAX
        });
        let counts: Vec<_> = counts.iter().map(|(class, count)| format!("{class}: {count}")).collect();
        summary = format!("{summary}; violations: {}", counts.join(", "));
    }
    Verdict { checker: checker.to_owned(), finding, summary, anomalies, tables: Vec::new() }
}

/// Goes through operations in the order in which they began, and tells at each moment which have happened for sure and
/// which may have. Moments come in order of their `from`. With each operation goes what it does.
pub(super) struct Sweep<'h, T> {
    coming: std::iter::Peekable<std::vec::IntoIter<(Span<'h>, T)>>,
    pending: Vec<(Span<'h>, T)>,
}

impl<'h, T> Sweep<'h, T> {
    pub(super) fn new(all: Vec<(Span<'h>, T)>) -> Self {
        Sweep { coming: all.into_iter().peekable(), pending: Vec::new() }
    }

    /// What those do that have become certain before the line `from`, each told once.
    pub(super) fn certain(&mut self, from: u64, to: u64) -> impl Iterator<Item = T> {
        while let Some(next) = self.coming.next_if(|(span, _)| span.invoke.index < to) {
            if next.0.failed().is_none() {
                self.pending.push(next);
            }
        }
        self.pending.extract_if(.., move |(span, _)| span.is_before(from)).map(|(_, does)| does)
    }

    /// What those do that may have happened before the line `to`, and are not certain yet.
    pub(super) fn possible(&self, to: u64) -> impl Iterator<Item = &(Span<'h>, T)> {
        self.pending.iter().filter(move |(span, _)| span.may_be_before(to))
    }
}
