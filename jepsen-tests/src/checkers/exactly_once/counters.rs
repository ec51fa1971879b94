//! Counters: each the sum of the acknowledged adds, and of some of those under way or unknown; within its bounds; and no
//! add refused that fits whatever the others become.

use super::Transaction;
use crate::{
    checkers::{
        parts::{int, ints},
        spans::{Span, Sweep, anomaly},
        sums::Sum,
    },
    history::{Event, Value},
    verdict::Anomaly,
};
use std::collections::BTreeMap;

pub(super) fn judge(transactions: &[Transaction<'_>]) -> Vec<Anomaly> {
    let adding = transactions.iter().filter(|one| adds(&one.parts).next().is_some());
    let mut judge = Judge {
        parts: adding.clone().map(|one| (one.span.invoke.index, &one.parts[..])).collect(),
        sweep: Sweep::new(adding.map(|one| one.span).collect()),
        certain: BTreeMap::new(),
    };
    transactions.iter().flat_map(|one| judge.judge(one)).collect()
}

type Parts<'h> = [(&'h str, i64, &'h Value)];

struct Add {
    counter: i64,
    delta: i64,
    min: i64,
    max: i64,
}

fn adds(parts: &Parts<'_>) -> impl Iterator<Item = Add> {
    parts.iter().filter(|(name, ..)| *name == "add").filter_map(|(_, counter, with)| {
        let [delta, min, max] = ints(with)?[..] else { return None };
        Some(Add { counter: *counter, delta, min, max })
    })
}

struct Judge<'t, 'h> {
    /// The micro-operations of who adds, by the line where it began.
    parts: BTreeMap<u64, &'t Parts<'h>>,
    sweep: Sweep<'h>,
    certain: BTreeMap<i64, i64>,
}

impl<'h> Judge<'_, 'h> {
    fn judge(&mut self, one: &Transaction<'h>) -> Vec<Anomaly> {
        let refused = one.span.refused_as("bound");
        match (one.span.ok(), refused) {
            (Some(end), _) if one.parts.iter().any(|(name, ..)| *name == "count") => {
                self.advance(&one.span, end);
                let reads = one.parts.iter().enumerate().filter(|(_, (name, ..))| *name == "count");
                reads
                    .flat_map(|(place, (_, counter, saw))| self.judge_read(one, place, *counter, saw, end))
                    .collect()
            }
            (None, Some(end)) => {
                self.advance(&one.span, end);
                self.judge_refusal(one, end).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn advance(&mut self, span: &Span<'h>, end: &Event) {
        for certain in self.sweep.certain(span.invoke.index, end.index) {
            for add in adds(self.parts[&certain.invoke.index]) {
                let sum = self.certain.entry(add.counter).or_default();
                *sum = sum.saturating_add(add.delta);
            }
        }
    }

    /// What the counter can be to a transaction; its own adds are left out.
    fn sum(&self, one: &Transaction<'h>, counter: i64, end: &Event) -> Sum {
        let others = self.sweep.possible(end.index).filter(|span| span.invoke.index != one.span.invoke.index);
        let possible = others.flat_map(|span| adds(self.parts[&span.invoke.index]));
        Sum {
            certain: self.certain.get(&counter).copied().unwrap_or(0),
            // Adds of one transaction happen together; as changes on their own they explain more, never less.
            possible: possible.filter(|add| add.counter == counter).map(|add| add.delta).collect(),
        }
    }

    fn judge_read(
        &self,
        one: &Transaction<'h>,
        place: usize,
        counter: i64,
        saw: &Value,
        end: &Event,
    ) -> Vec<Anomaly> {
        let line = end.index;
        let Some(count) = int(saw) else {
            let words = format!("line {line} does not tell what it read in counter {counter}");
            return vec![anomaly("incomplete read", words, one.span.lines())];
        };
        let mut anomalies = Vec::new();
        let bounds = self.parts.values().flat_map(|parts| adds(parts)).find(|add| add.counter == counter);
        if let Some(Add { min, max, .. }) = bounds.filter(|add| count < add.min || count > add.max) {
            let words =
                format!("line {line} reads {count} in counter {counter}, whose bounds are {min} and {max}");
            anomalies.push(anomaly("out of bounds", words, one.span.lines()));
        }
        let mut sum = self.sum(one, counter, end);
        let own = adds(&one.parts[..place]).filter(|add| add.counter == counter);
        sum.certain = own.fold(sum.certain, |sum, add| sum.saturating_add(add.delta));
        if !sum.can_be(count) {
            let words = format!(
                "line {line} reads {count} in counter {counter}: what was acknowledged before it began makes {}, and what was \
                 under way or unknown, any part of it, does not explain the difference (at least {}, at most {})",
                sum.certain,
                sum.least(),
                sum.most()
            );
            anomalies.push(anomaly("unexplained count", words, one.span.lines()));
        }
        anomalies
    }

    fn judge_refusal(&self, one: &Transaction<'h>, end: &Event) -> Option<Anomaly> {
        let mut all = adds(&one.parts);
        // With several bounds in one transaction, nobody says which was broken.
        let (Some(add), None) = (all.next(), all.next()) else { return None };
        let sum = self.sum(one, add.counter, end);
        let fits = sum.least().saturating_add(add.delta) >= add.min
            && sum.most().saturating_add(add.delta) <= add.max;
        fits.then(|| {
            let words = format!(
                "line {} says that {} can't be added to counter {}, but it was between {} and {} all the time",
                end.index,
                add.delta,
                add.counter,
                sum.least(),
                sum.most()
            );
            anomaly("refused without cause", words, one.span.lines())
        })
    }
}
