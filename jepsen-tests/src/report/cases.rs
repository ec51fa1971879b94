//! The anomalies: each with its words, a figure of its operations close up, and their lines of the history.

use super::{
    faults,
    figure::{AXIS, Figure, LEFT, Px, RIGHT, Time},
    operations::{self, Operation},
    words,
};
use crate::{
    history::{Event, History, Kind, Process},
    run::Fault,
    verdict::{Anomaly, Verdict},
};
use maud::{Markup, Render, html};
use std::collections::{BTreeMap, BTreeSet};

/// More anomalies are counted, and not shown.
pub(super) const CASES_MAX: usize = 60;
/// More operations of one anomaly are not drawn.
const DRAWN_MAX: usize = 24;
/// More lines of one anomaly are not listed.
const LINES_MAX: usize = 60;
/// Lines before and after each that belongs to the anomaly.
const CONTEXT: usize = 2;
/// More of a value is cut off.
const VALUE_CHARS_MAX: usize = 600;

/// One anomaly with the operations that show it.
pub(super) struct Case<'a> {
    /// As `A1`.
    pub(super) id: String,
    checker: &'a str,
    anomaly: &'a Anomaly,
    pub(super) operations: Vec<Operation<'a>>,
}

/// The anomalies that are shown. Each checker's clearest come first, so that one checker with many doesn't hide others.
pub(super) fn cases<'a>(verdicts: &'a [Verdict], operations: &[Operation<'a>]) -> Vec<Case<'a>> {
    let mut of_line: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, operation) in operations.iter().enumerate() {
        of_line.insert(operation.invocation.index, at);
        of_line.extend(operation.completion.map(|event| (event.index, at)));
    }
    let deepest = verdicts.iter().map(|verdict| verdict.anomalies.len()).max().unwrap_or(0);
    let in_turn = (0..deepest).flat_map(|rank| {
        verdicts.iter().filter_map(move |verdict| Some((verdict, verdict.anomalies.get(rank)?)))
    });
    in_turn
        .take(CASES_MAX)
        .enumerate()
        .map(|(number, (verdict, anomaly))| {
            let places: BTreeSet<usize> =
                anomaly.events.iter().filter_map(|line| of_line.get(line).copied()).collect();
            Case {
                id: format!("A{}", number + 1),
                checker: &verdict.checker,
                anomaly,
                operations: places.into_iter().map(|at| operations[at]).collect(),
            }
        })
        .collect()
}

impl Case<'_> {
    /// Whether a verdict holds it.
    pub(super) fn is_of(&self, verdict: &Verdict) -> bool {
        verdict.anomalies.iter().any(|anomaly| std::ptr::eq(anomaly, self.anomaly))
    }

    /// As `G1c`.
    pub(super) fn class(&self) -> &str {
        &self.anomaly.class
    }

    /// Everything about it.
    pub(super) fn section(&self, history: &History, all_faults: &[Fault]) -> Markup {
        html! {
            article id=(self.id) class="case" {
                h3 { span class="case-id" { (self.id) } (self.anomaly.class) span class="muted" { "found by " (self.checker) } }
                p class="case-words" { (self.anomaly.words) }
                (self.faults(all_faults))
                @if !self.operations.is_empty() { (self.figure(all_faults)) }
                (self.lines(history))
            }
        }
    }

    /// From the first to the last moment of its operations.
    fn span_ns(&self) -> Option<(u64, u64)> {
        let from = self.operations.iter().map(Operation::begin_ns).min()?;
        let to = self.operations.iter().filter_map(Operation::end_ns).max().unwrap_or(from);
        Some((from, to))
    }

    fn faults(&self, all: &[Fault]) -> Markup {
        let Some((from, to)) = self.span_ns() else { return html! {} };
        let overlaps = |fault: &Fault| fault.from_ns <= to && fault.to_ns.is_none_or(|end| end >= from);
        let near: Vec<String> = all
            .iter()
            .enumerate()
            .filter(|(_, fault)| overlaps(fault))
            .map(|(number, fault)| faults::words_of(number, fault))
            .collect();
        html! {
            p class="muted" {
                @match near.len() {
                    0 => "No fault at the time.",
                    1..=8 => { "Faults at the time: " (near.join("; ")) "." },
                    many => { (words::count(many, "fault")) " at the time, among them " (near[..8].join("; ")) "." },
                }
            }
        }
    }

    fn figure(&self, all_faults: &[Fault]) -> Markup {
        const ROW: f64 = 34.0;
        let drawn = &self.operations[..self.operations.len().min(DRAWN_MAX)];
        let from = drawn.iter().map(Operation::begin_ns).min().unwrap_or(0);
        let to = drawn.iter().filter_map(Operation::end_ns).max().unwrap_or(from);
        let edge = to.saturating_sub(from) / 20 + 1_000;
        let time = Time::between(from.saturating_sub(edge), to.saturating_add(edge));
        let bottom = ROW * drawn.len() as f64 + 4.0;
        let body = html! {
            (time.bands(&in_window(all_faults, &time), 0.0, bottom))
            (time.axis(0.0, bottom))
            @for (row, operation) in drawn.iter().enumerate() {
                (close_up(operation, &time, ROW * row as f64, ROW))
            }
        };
        let left_out = self.operations.len() - drawn.len();
        Figure {
            id: &format!("{}-operations", self.id),
            title: "Its operations",
            description: drawn.iter().map(Operation::words).collect::<Vec<_>>().join("; "),
            caption: html! {
                "Each bar lasts from the invocation to the completion; what ended before another began must seem to have happened before it."
                @if left_out > 0 { " " (words::count(left_out, "more operation")) " not drawn." }
            },
            height: bottom + AXIS,
            body,
        }
        .render()
    }

    fn lines(&self, history: &History) -> Markup {
        let mut own: BTreeSet<u64> = self.anomaly.events.iter().copied().collect();
        for operation in &self.operations {
            own.insert(operation.invocation.index);
            own.extend(operation.completion.map(|event| event.index));
        }
        let at = |line: &u64| history.events.binary_search_by_key(line, |event| event.index).ok();
        let own: Vec<usize> = own.iter().filter_map(at).collect();
        let left_out = own.len().saturating_sub(LINES_MAX);
        let own = &own[..own.len() - left_out];
        let shown: BTreeSet<usize> = own
            .iter()
            .flat_map(|&at| at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(history.events.len()))
            .collect();
        let mut before = None;
        html! {
            @if !own.is_empty() {
                details open[own.len() <= 24] {
                    summary { (words::count(own.len(), "line")) " of the history, with those around them" }
                    div class="wide" { table class="lines" {
                        thead { tr { th class="n" { "line" } th class="n" { "time (s)" } th class="n" { "process" } th { "type" } th { "f" } th { "value" } th { "error" } th { "transaction" } } }
                        tbody {
                            @for at in shown {
                                @let skipped = before.map_or(0, |before: usize| at - before - 1);
                                @if skipped > 0 {
                                    tr class="gap" { td colspan="8" { "⋯ " (words::count(skipped, "line")) } }
                                }
                                (line(&history.events[at], own.binary_search(&at).is_ok()))
                                @let _ = before.replace(at);
                            }
                        }
                    } }
                    @if left_out > 0 { p class="muted" { (words::count(left_out, "more line")) " in history.ndjson." } }
                }
            }
        }
    }
}

/// The faults that a close-up shows: those outside would lie on its edge.
fn in_window(all: &[Fault], time: &Time) -> Vec<Fault> {
    all.iter()
        .filter(|fault| fault.from_ns < time.end_ns() && fault.to_ns.is_none_or(|to| to > time.begin_ns()))
        .cloned()
        .collect()
}

/// One operation in a row of its own, its value above its bar.
fn close_up(operation: &Operation, time: &Time, top: f64, height: f64) -> Markup {
    let from = time.x(operation.begin_ns());
    let to = time.x(operation.end_ns().unwrap_or(u64::MAX)).max(from + 2.0);
    let value = &operation.completion.unwrap_or(operation.invocation).value;
    // Texts begin at bars of the left half and end at bars of the right half: so they stay inside.
    let (anchor, x) = if from < (LEFT + RIGHT) / 2.0 { ("start", from) } else { ("end", to) };
    let outcome = operations::name(operation.outcome);
    html! {
        text class="tick" x=(Px(LEFT - 8.0)) y=(Px(top + height - 6.0)) text-anchor="end" { "process " (operation.process) }
        text class="value" x=(Px(x)) y=(Px(top + 14.0)) text-anchor=(anchor) {
            tspan class="strong" { (operation.invocation.f) " " (outcome) } " " (words::value(value, 110))
        }
        rect class={ "bar " (outcome) } x=(Px(from)) y=(Px(top + 19.0)) width=(Px(to - from)) height=(Px(height - 23.0)) rx="2" {
            title { (operation.words()) }
        }
    }
}

/// One line of the history.
fn line(event: &Event, is_own: bool) -> Markup {
    let kind = match event.kind {
        Kind::Invoke => "invoke",
        Kind::Ok => "ok",
        Kind::Fail => "fail",
        Kind::Info => "info",
    };
    let class = match (event.process, is_own) {
        (_, true) => "own",
        (Process::Nemesis, false) => "nemesis",
        (Process::Client(_), false) => "context",
    };
    html! {
        tr class=(class) {
            td class="n" { (event.index) }
            td class="n" { (words::microseconds(event.time_ns)) }
            td class="n" { (words::process(event.process)) }
            td { (kind) }
            td { (event.f) }
            td { (words::value(&event.value, VALUE_CHARS_MAX)) }
            td { (event.error.as_deref().map(|error| words::short(error, VALUE_CHARS_MAX)).unwrap_or_default()) }
            td { (event.txn.as_deref().unwrap_or_default()) }
        }
    }
}
