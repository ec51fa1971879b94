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
    let mut adding = Vec::new();
    let mut bounds = BTreeMap::new();
    for one in transactions {
        let adds: Vec<Add> = adds(&one.parts).collect();
        bounds.extend(adds.iter().map(|add| (add.counter, (add.min, add.max))));
        if !adds.is_empty() {
            adding.push((one.span, adds));
        }
    }
    let mut judge = Judge { sweep: Sweep::new(adding), certain: BTreeMap::new(), bounds };
    transactions.iter().flat_map(|one| judge.judge(one)).collect()
}

struct Add {
    counter: i64,
    delta: i64,
    min: i64,
    max: i64,
}

fn adds(parts: &[(&str, i64, &Value)]) -> impl Iterator<Item = Add> {
    parts.iter().filter(|(name, ..)| *name == "add").filter_map(|(_, counter, with)| {
        let [delta, min, max] = ints(with)?[..] else { return None };
        Some(Add { counter: *counter, delta, min, max })
    })
}

struct Judge<'h> {
    sweep: Sweep<'h, Vec<Add>>,
    certain: BTreeMap<i64, i64>,
    bounds: BTreeMap<i64, (i64, i64)>,
}

impl<'h> Judge<'h> {
    fn judge(&mut self, one: &Transaction<'h>) -> Vec<Anomaly> {
        let refused = one.span.refused_as("bound");
        match (one.span.ok(), refused) {
            (Some(end), _) if one.parts.iter().any(|(name, ..)| *name == "count") => {
                self.advance(&one.span, end);
                let parts = one.parts.iter().enumerate();
                let reads = parts.filter(|(_, (name, ..))| *name == "count");
                reads.flat_map(|(place, _)| self.judge_read(one, place, end)).collect()
            }
            (None, Some(end)) => {
                self.advance(&one.span, end);
                self.judge_refusal(one, end).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn advance(&mut self, span: &Span<'h>, end: &Event) {
        for add in self.sweep.certain(span.invoke.index, end.index).flatten() {
            let sum = self.certain.entry(add.counter).or_default();
            *sum = sum.saturating_add(add.delta);
        }
    }

    /// What the counter can be to a transaction; its own adds are left out.
    fn sum(&self, one: &Transaction<'h>, counter: i64, end: &Event) -> Sum {
        let possible = self.sweep.possible(end.index);
        let others = possible.filter(|(span, _)| span.invoke.index != one.span.invoke.index);
        let adds = others.flat_map(|(_, adds)| adds).filter(|add| add.counter == counter);
        Sum {
            certain: self.certain.get(&counter).copied().unwrap_or(0),
            // Adds of one transaction happen together; as changes on their own they explain more, never less.
            possible: adds.map(|add| add.delta).collect(),
        }
    }

    fn judge_read(&self, one: &Transaction<'h>, place: usize, end: &Event) -> Vec<Anomaly> {
        let (line, (_, counter, saw)) = (end.index, one.parts[place]);
        let Some(count) = int(saw) else {
            let words = format!("Index {line} does not tell what it read in counter {counter}");
            return vec![anomaly("incomplete read", words, one.span.lines())];
        };
        let mut anomalies = Vec::new();
        let bounds = self.bounds.get(&counter);
        if let Some((min, max)) = bounds.filter(|(min, max)| count < *min || count > *max) {
            let words =
                format!("Index {line} reads {count} in counter {counter}, whose bounds are {min} and {max}");
            anomalies.push(anomaly("out of bounds", words, one.span.lines()));
        }
        let mut sum = self.sum(one, counter, end);
        let own = adds(&one.parts[..place]).filter(|add| add.counter == counter);
        sum.certain = own.fold(sum.certain, |sum, add| sum.saturating_add(add.delta));
        if !sum.can_be(count) {
            let words = format!(
                "Index {line} reads {count} in counter {counter}: what was acknowledged before it began makes {}, and what \
                 was under way or unknown, any part of it, does not explain the difference (at least {}, at most {})",
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
        let (least, most) = (sum.least(), sum.most());
        let fits = least.saturating_add(add.delta) >= add.min && most.saturating_add(add.delta) <= add.max;
        fits.then(|| {
            let words = format!(
                "Index {} says that {} can't be added to counter {}, but it was between {least} and {most} all the time",
                end.index, add.delta, add.counter
            );
            anomaly("refused without cause", words, one.span.lines())
        })
    }
}
