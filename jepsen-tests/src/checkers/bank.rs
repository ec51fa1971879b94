//! Money neither comes nor goes: every read of all accounts sums up to what there was in the beginning, no account is below
//! its minimum, and each balance is what the acknowledged transfers make it, give or take those under way or unknown.
//!
//! Reads histories as `workloads/bank.rs` describes them. The total shows half a transfer; the balances show a whole
//! one that is lost, done twice, or done although it was refused, and a read of old balances; and a transfer that was
//! refused although there was money enough at any time is wrong too.

use super::{
    parts::{at, int_at, int_map},
    spans::{Span, Sweep, anomaly, spans, verdict},
    sums::Sum,
};
use crate::{
    history::{Event, History, Value},
    verdict::{Anomaly, Verdict},
};
use std::collections::BTreeMap;

/// Judges a history of the bank.
pub fn check(history: &History) -> Verdict {
    let spans = spans(history);
    let opening = spans.iter().find(|span| span.f() == "open" && span.failed().is_none());
    let Some(mut ledger) = opening.and_then(|span| Ledger::open(&span.invoke.value)) else {
        return verdict("bank", "no accounts were opened".to_owned(), Vec::new(), false);
    };
    let transfers = spans.iter().filter(|span| span.f() == "transfer");
    let transfers: Vec<_> = transfers.map(|span| (*span, changes(span))).collect();
    let acknowledged = transfers.iter().filter(|(span, _)| span.ok().is_some()).count();
    let mut sweep = Sweep::new(transfers);
    let (mut reads, mut anomalies) = (0_u64, Vec::new());
    for span in &spans {
        match span.f() {
            "read" | "audit" => {
                if let Some(end) = span.ok() {
                    reads += 1;
                    ledger.advance(&mut sweep, span.invoke, end);
                    ledger.judge_read(&sweep, span, end, &mut anomalies);
                }
            }
            "transfer" => {
                if let Some(end) = span.refused_as("bound") {
                    ledger.advance(&mut sweep, span.invoke, end);
                    anomalies.extend(ledger.judge_refusal(&sweep, span, end));
                }
            }
            _ => {}
        }
    }
    let summary = format!("{reads} reads of all accounts, {acknowledged} acknowledged transfers");
    verdict("bank", summary, anomalies, reads > 0 && acknowledged > 0)
}

/// What a transfer does to which accounts.
type Changes = Vec<(i64, i64)>;

/// What every account holds for sure.
struct Ledger {
    min: i64,
    total: i64,
    certain: BTreeMap<i64, i64>,
}

impl Ledger {
    fn open(value: &Value) -> Option<Ledger> {
        let certain: BTreeMap<i64, i64> = int_map(at(value, "balances")?)?.into_iter().collect();
        let total = certain.values().try_fold(0_i64, |sum, balance| sum.checked_add(*balance))?;
        Some(Ledger { min: int_at(value, "min")?, total, certain })
    }

    fn advance<'h>(&mut self, sweep: &mut Sweep<'h, Changes>, from: &'h Event, to: &'h Event) {
        for (account, change) in sweep.certain(from.index, to.index).flatten() {
            let balance = self.certain.entry(account).or_default();
            *balance = balance.saturating_add(change);
        }
    }

    /// What each account can hold at a moment.
    fn balances(&self, sweep: &Sweep<'_, Changes>, to: &Event) -> BTreeMap<i64, Sum> {
        let sum =
            |(account, certain): (&i64, &i64)| (*account, Sum { certain: *certain, possible: Vec::new() });
        let mut sums: BTreeMap<i64, Sum> = self.certain.iter().map(sum).collect();
        for (account, change) in sweep.possible(to.index).flat_map(|(_, changes)| changes) {
            sums.entry(*account).or_default().possible.push(*change);
        }
        sums
    }

    fn judge_read(
        &self,
        sweep: &Sweep<'_, Changes>,
        span: &Span<'_>,
        end: &Event,
        anomalies: &mut Vec<Anomaly>,
    ) {
        let line = end.index;
        let read = int_map(&end.value).map(|read| read.into_iter().collect::<BTreeMap<_, _>>());
        let Some(read) = read.filter(|read| read.keys().eq(self.certain.keys())) else {
            let words = format!("Index {line} does not tell a balance of each account");
            return anomalies.push(anomaly("incomplete read", words, span.lines()));
        };
        let total: i64 = read.values().fold(0, |sum, balance| sum.saturating_add(*balance));
        if total != self.total {
            let words = format!(
                "Index {line} reads {total} in all accounts together, where there is always {}: it saw a part of a transfer",
                self.total
            );
            anomalies.push(anomaly("total changed", words, span.lines()));
        }
        let sums = self.balances(sweep, end);
        for (account, balance) in read {
            if balance < self.min {
                let words = format!(
                    "Index {line} reads {balance} in account {account}, which may not hold less than {}",
                    self.min
                );
                anomalies.push(anomaly("overdrawn", words, span.lines()));
            }
            let sum = &sums[&account];
            if !sum.can_be(balance) {
                let words = format!(
                    "Index {line} reads {balance} in account {account}: what was acknowledged before it began makes {}, and \
                     what was under way or unknown, any part of it, does not explain the difference (at least {}, at most {})",
                    sum.certain,
                    sum.least(),
                    sum.most()
                );
                anomalies.push(anomaly("unexplained balance", words, span.lines()));
            }
        }
    }

    fn judge_refusal(&self, sweep: &Sweep<'_, Changes>, span: &Span<'_>, end: &Event) -> Option<Anomaly> {
        let (from, amount) = (int_at(&span.invoke.value, "from")?, int_at(&span.invoke.value, "amount")?);
        let least = self.balances(sweep, end).get(&from)?.least();
        (least.saturating_sub(amount) >= self.min).then(|| {
            let words = format!(
                "Index {} says that account {from} could not give {amount}, but it held at least {least} all the time",
                end.index
            );
            anomaly("refused without cause", words, span.lines())
        })
    }
}

fn changes(transfer: &Span<'_>) -> Changes {
    let value = &transfer.invoke.value;
    match (int_at(value, "from"), int_at(value, "to"), int_at(value, "amount")) {
        (Some(from), Some(to), Some(amount)) if from != to => {
            vec![(from, amount.saturating_neg()), (to, amount)]
        }
        _ => Vec::new(),
    }
}
