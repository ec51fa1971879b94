//! Each change once: every acknowledged value is in its lists once, every refused one in none, and counters are the sum of
//! what was acknowledged, give or take what is unknown.
//!
//! Reads histories as `workloads/exactly_once.rs` describes them. Every read is judged, and not only the last: a value that
//! is gone for a while was lost to whoever read then.

mod counters;
mod lists;

use super::{
    parts::micro_operations,
    spans::{Span, spans, verdict},
};
use crate::{
    history::{History, Value},
    verdict::Verdict,
};
use std::collections::BTreeMap;

/// Judges a history of lists and counters.
pub fn check(history: &History) -> Verdict {
    let transactions: Vec<Transaction<'_>> = spans(history).into_iter().filter_map(Transaction::of).collect();
    let mut anomalies = lists::judge(&transactions);
    anomalies.extend(counters::judge(&transactions));
    let acknowledged = transactions.iter().filter(|one| one.span.ok().is_some() && one.writes());
    let unread = unread(&transactions);
    let mut summary = format!(
        "{} acknowledged changes, {} reads of lists and counters",
        acknowledged.clone().count(),
        transactions.iter().filter(|one| one.span.ok().is_some()).map(Transaction::reads).sum::<usize>()
    );
    if unread > 0 {
        summary = format!(
            "{summary}; {unread} lists or counters were not read after their last change, so this is not the whole truth"
        );
    }
    verdict("exactly_once", summary, anomalies, acknowledged.count() > 0 && unread == 0)
}

/// A transaction and its micro-operations, with what they saw if it has happened.
struct Transaction<'h> {
    span: Span<'h>,
    parts: Vec<(&'h str, i64, &'h Value)>,
}

impl<'h> Transaction<'h> {
    fn of(span: Span<'h>) -> Option<Self> {
        Some(Transaction { span, parts: micro_operations(span.value())? })
    }

    fn writes(&self) -> bool {
        self.parts.iter().any(|(name, ..)| matches!(*name, "append" | "add"))
    }

    fn reads(&self) -> usize {
        self.parts.iter().filter(|(name, ..)| matches!(*name, "items" | "count")).count()
    }
}

/// How many lists and counters were changed after they were last read.
fn unread(transactions: &[Transaction<'_>]) -> usize {
    let mut changed = BTreeMap::new();
    let mut read = BTreeMap::new();
    for one in transactions {
        let Some(end) = one.span.ok() else { continue };
        for (name, key, _) in &one.parts {
            // A read that began after the end of a change must see it.
            let (last, at, is_list) = match *name {
                "append" => (&mut changed, end.index, true),
                "add" => (&mut changed, end.index, false),
                "items" => (&mut read, one.span.invoke.index, true),
                "count" => (&mut read, one.span.invoke.index, false),
                _ => continue,
            };
            let last = last.entry((is_list, *key)).or_insert(at);
            *last = at.max(*last);
        }
    }
    changed.iter().filter(|(of, changed)| read.get(of).is_none_or(|read| read < changed)).count()
}
