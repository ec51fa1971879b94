//! How long clients waited: the longest time without a success, and how soon after each fault something succeeded again.
//!
//! Figures first. A finding of its own only where the caller has declared a bound: how long is too long depends on the
//! machine, the load and the fault, and a slow machine proves nothing.

use super::spans::{Span, anomaly, spans, verdict};
use crate::{
    history::{Event, History, Kind},
    run::Fault,
    verdict::{Anomaly, Finding, Table, Verdict},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Times that may not be exceeded; none: only told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Bounds {
    /// Longest time without a success, in the whole run, in milliseconds.
    pub silence_ms_max: Option<u64>,
    /// Longest time from the beginning of a fault to the end of the first successful operation that was begun since, in
    /// milliseconds.
    pub unblocked_ms_max: Option<u64>,
}

/// How operations ended, and how long clients waited: the figures of [`check`] as numbers.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Operations that have happened.
    pub ok: u64,
    /// Operations that have not happened, and never will.
    pub failed: u64,
    /// Operations of which nobody knows.
    pub unknown: u64,
    /// The longest time without a success.
    pub silence_ns: u64,
    /// For each fault: from its beginning to the end of the first successful operation that was begun since; none where
    /// there was no such operation.
    pub unblocked_ns: Vec<Option<u64>>,
}

impl Figures {
    /// Those of a history, and of the faults of its run, in their order; both are on one clock.
    pub fn of(history: &History, faults: &[Fault]) -> Figures {
        let spans = spans(history);
        let (from_ns, to_ns) = window(history);
        let successes = successes(&spans);
        let Counts { ok, fail, info, slowest_ns: _ } = Counts::of(spans.iter());
        let unblocked_ns = faults.iter().map(|fault| {
            let measured = Measured::of(fault, &spans, &successes, to_ns);
            measured.unblocked.map(|at_ns| at_ns.saturating_sub(fault.from_ns))
        });
        Figures {
            ok,
            failed: fail,
            unknown: info,
            silence_ns: silence(&successes, from_ns, to_ns).ns,
            unblocked_ns: unblocked_ns.collect(),
        }
    }
}

fn window(history: &History) -> (u64, u64) {
    let time_ns = |event: Option<&Event>| event.map_or(0, |event| event.time_ns);
    (time_ns(history.events.first()), time_ns(history.events.last()))
}

/// The last lines of what has happened, in order.
fn successes<'h>(spans: &[Span<'h>]) -> Vec<&'h Event> {
    let mut successes: Vec<_> = spans.iter().filter_map(Span::ok).collect();
    successes.sort_unstable_by_key(|event| event.index);
    successes
}

/// Measures a history and the faults of its run; both are on one clock.
pub fn check(history: &History, faults: &[Fault], bounds: &Bounds) -> Verdict {
    let spans = spans(history);
    let (from_ns, to_ns) = window(history);
    let successes = successes(&spans);
    let silence = silence(&successes, from_ns, to_ns);
    let measured: Vec<_> =
        faults.iter().map(|fault| Measured::of(fault, &spans, &successes, to_ns)).collect();

    let mut anomalies = Vec::new();
    if let Some(max) = bounds.silence_ms_max.filter(|max| silence.ns > max.saturating_mul(1_000_000)) {
        let words = format!(
            "nothing succeeded for {} ms from {} s on, where {max} ms are allowed",
            ms(silence.ns),
            seconds(silence.from_ns)
        );
        anomalies.push(anomaly("silence", words, silence.events.clone()));
    }
    if let Some(max) = bounds.unblocked_ms_max {
        anomalies.extend(measured.iter().filter_map(|one| one.judge(max)));
    }
    let summary = format!(
        "{} of {} operations succeeded; the longest time without a success is {} ms; {} faults",
        successes.len(),
        spans.len(),
        ms(silence.ns),
        faults.len()
    );
    let mut verdict = verdict("availability", summary, anomalies, !successes.is_empty());
    if verdict.finding == Finding::Violated {
        verdict.finding = Finding::Undecided;
    }
    verdict.tables.push(overall(&spans, &silence));
    if !measured.is_empty() {
        verdict.tables.push(per_fault(&measured));
    }
    verdict
}

/// A time without a success.
#[derive(Clone, Default)]
struct Silence {
    ns: u64,
    from_ns: u64,
    /// The successes before and after it.
    events: Vec<u64>,
}

fn silence(successes: &[&Event], from_ns: u64, to_ns: u64) -> Silence {
    let mut longest = Silence::default();
    let mut last = (from_ns, None);
    let inside = successes.iter().filter(|event| (from_ns..=to_ns).contains(&event.time_ns));
    let moments = inside.map(|event| (event.time_ns, Some(event.index))).chain([(to_ns, None)]);
    for (time_ns, index) in moments {
        let ns = time_ns.saturating_sub(last.0);
        if ns > longest.ns {
            longest =
                Silence { ns, from_ns: last.0, events: [last.1, index].into_iter().flatten().collect() };
        }
        last = (time_ns, index);
    }
    longest
}

/// How operations ended, and the slowest that did.
#[derive(Default)]
struct Counts {
    ok: u64,
    fail: u64,
    info: u64,
    slowest_ns: u64,
}

impl Counts {
    fn of<'s, 'h: 's>(spans: impl Iterator<Item = &'s Span<'h>>) -> Counts {
        let mut counts = Counts::default();
        for span in spans {
            match span.end.map(|end| end.kind) {
                Some(Kind::Ok) => counts.ok += 1,
                Some(Kind::Fail) => counts.fail += 1,
                // Without an end, nobody knows either.
                Some(Kind::Info | Kind::Invoke) | None => counts.info += 1,
            }
            let took = span.end.map_or(0, |end| end.time_ns.saturating_sub(span.invoke.time_ns));
            counts.slowest_ns = counts.slowest_ns.max(took);
        }
        counts
    }

    fn cells(&self) -> [String; 4] {
        [self.ok.to_string(), self.fail.to_string(), self.info.to_string(), ms(self.slowest_ns)]
    }
}

struct Measured<'f> {
    fault: &'f Fault,
    counts: Counts,
    silence: Silence,
    next_success: Option<u64>,
    unblocked: Option<u64>,
    /// How long operations were begun after it came: none of them can have waited longer.
    tried_for_ns: u64,
}

impl<'f> Measured<'f> {
    fn of(fault: &'f Fault, spans: &[Span<'_>], successes: &[&Event], end_ns: u64) -> Self {
        let (from_ns, to_ns) = (fault.from_ns, fault.to_ns.unwrap_or(end_ns));
        let during = spans.iter().filter(|span| {
            let ended_ns = span.end.map_or(u64::MAX, |end| end.time_ns);
            span.invoke.time_ns <= to_ns && ended_ns >= from_ns
        });
        // An answer may have been under way when the fault came: only what was begun since shows that work goes on.
        let begun_since = spans.iter().filter(|span| span.invoke.time_ns >= from_ns);
        let first_begun = begun_since.clone().map(|span| span.invoke.time_ns).min();
        Measured {
            fault,
            counts: Counts::of(during),
            silence: silence(successes, from_ns, to_ns),
            next_success: successes.iter().map(|event| event.time_ns).find(|time_ns| *time_ns >= from_ns),
            unblocked: begun_since.filter_map(|span| span.ok().map(|end| end.time_ns)).min(),
            tried_for_ns: first_begun.map_or(0, |_| end_ns.saturating_sub(from_ns)),
        }
    }

    fn after(&self, time_ns: Option<u64>) -> String {
        time_ns.map_or_else(|| "never".to_owned(), |time_ns| ms(time_ns.saturating_sub(self.fault.from_ns)))
    }

    fn judge(&self, max: u64) -> Option<Anomaly> {
        let Fault { kind, targets, from_ns, .. } = self.fault;
        let waited_ns = self.unblocked.map_or(self.tried_for_ns, |at| at.saturating_sub(*from_ns));
        let late = waited_ns > max.saturating_mul(1_000_000);
        late.then(|| {
            let words = format!(
                "after the {kind} of {} at {} s, the first operation begun since that succeeded did so after: {} (ms); {max} ms \
                 are allowed",
                targets.join(", "),
                seconds(*from_ns),
                self.after(self.unblocked)
            );
            anomaly("blocked", words, self.silence.events.clone())
        })
    }
}

fn overall(spans: &[Span<'_>], silence: &Silence) -> Table {
    let mut by_f: BTreeMap<&str, Vec<Span<'_>>> = BTreeMap::new();
    for span in spans {
        by_f.entry(span.f()).or_default().push(*span);
    }
    let row = |name: &str, counts: Counts, silence: String| {
        let mut row = vec![name.to_owned()];
        row.extend(counts.cells());
        row.push(silence);
        row
    };
    let mut rows = vec![row("all", Counts::of(spans.iter()), ms(silence.ns))];
    // How long one kind of operation had no success is a matter of how often it is asked for.
    rows.extend(by_f.into_iter().map(|(f, spans)| row(f, Counts::of(spans.iter()), String::new())));
    let columns = ["operation", "ok", "failed", "unknown", "slowest (ms)", "longest without a success (ms)"];
    table("Operations", &columns, rows)
}

fn per_fault(measured: &[Measured<'_>]) -> Table {
    let rows = measured.iter().map(|one| {
        let fault = one.fault;
        let lasted = fault.to_ns.map(|to_ns| seconds(to_ns.saturating_sub(fault.from_ns)));
        let mut row = vec![
            fault.kind.clone(),
            fault.targets.join(", "),
            seconds(fault.from_ns),
            lasted.unwrap_or_else(|| "to the end".to_owned()),
        ];
        row.extend(one.counts.cells());
        row.extend([ms(one.silence.ns), one.after(one.next_success), one.after(one.unblocked)]);
        row
    });
    let columns = [
        "fault",
        "of",
        "at (s)",
        "lasted (s)",
        "ok",
        "failed",
        "unknown",
        "slowest (ms)",
        "longest without a success (ms)",
        "next success after (ms)",
        "of what was begun since, after (ms)",
    ];
    table("Faults, and how soon something succeeded again", &columns, rows.collect())
}

fn table(title: &str, columns: &[&str], rows: Vec<Vec<String>>) -> Table {
    Table {
        title: title.to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        rows,
    }
}

fn ms(ns: u64) -> String {
    format!("{:.1}", ns as f64 / 1e6)
}

fn seconds(ns: u64) -> String {
    format!("{:.3}", ns as f64 / 1e9)
}
