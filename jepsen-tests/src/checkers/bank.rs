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
    let transfers: Vec<_> = spans.iter().copied().filter(|span| span.f() == "transfer").collect();
    let acknowledged = transfers.iter().filter(|span| span.ok().is_some()).count();
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

    fn advance<'h>(&mut self, sweep: &mut Sweep<'h>, from: &'h Event, to: &'h Event) {
        for transfer in sweep.certain(from.index, to.index) {
            for (account, change) in changes(&transfer) {
                let balance = self.certain.entry(account).or_default();
                *balance = balance.saturating_add(change);
            }
        }
    }

    fn balance(&self, sweep: &Sweep<'_>, account: i64, to: &Event) -> Sum {
        let possible = sweep.possible(to.index).flat_map(changes);
        Sum {
            certain: self.certain.get(&account).copied().unwrap_or(0),
            possible: possible.filter(|(of, _)| *of == account).map(|(_, change)| change).collect(),
        }
    }

    fn judge_read(&self, sweep: &Sweep<'_>, span: &Span<'_>, end: &Event, anomalies: &mut Vec<Anomaly>) {
        let line = end.index;
        let read = int_map(&end.value).map(|read| read.into_iter().collect::<BTreeMap<_, _>>());
        let Some(read) = read.filter(|read| read.keys().eq(self.certain.keys())) else {
            let words = format!("line {line} does not tell a balance of each account");
            return anomalies.push(anomaly("incomplete read", words, span.lines()));
        };
        let total: i64 = read.values().fold(0, |sum, balance| sum.saturating_add(*balance));
        if total != self.total {
            let words = format!(
                "line {line} reads {total} in all accounts together, where there is always {}: it saw a part of a transfer",
                self.total
            );
            anomalies.push(anomaly("total changed", words, span.lines()));
        }
        for (account, balance) in read {
            if balance < self.min {
                let words = format!(
                    "line {line} reads {balance} in account {account}, which may not hold less than {}",
                    self.min
                );
                anomalies.push(anomaly("overdrawn", words, span.lines()));
            }
            let sum = self.balance(sweep, account, end);
            if !sum.can_be(balance) {
                let words = format!(
                    "line {line} reads {balance} in account {account}: what was acknowledged before it began makes {}, and \
                     what was under way or unknown, any part of it, does not explain the difference (at least {}, at most {})",
                    sum.certain,
                    sum.least(),
                    sum.most()
                );
                anomalies.push(anomaly("unexplained balance", words, span.lines()));
            }
        }
    }

    fn judge_refusal(&self, sweep: &Sweep<'_>, span: &Span<'_>, end: &Event) -> Option<Anomaly> {
        let (from, amount) = (int_at(&span.invoke.value, "from")?, int_at(&span.invoke.value, "amount")?);
        let least = self.balance(sweep, from, end).least();
        (least.saturating_sub(amount) >= self.min).then(|| {
            let words = format!(
                "line {} says that account {from} could not give {amount}, but it held at least {least} all the time",
                end.index
            );
            anomaly("refused without cause", words, span.lines())
        })
    }
}

fn changes(transfer: &Span<'_>) -> Vec<(i64, i64)> {
    let value = &transfer.invoke.value;
    match (int_at(value, "from"), int_at(value, "to"), int_at(value, "amount")) {
        (Some(from), Some(to), Some(amount)) if from != to => {
            vec![(from, amount.saturating_neg()), (to, amount)]
        }
        _ => Vec::new(),
    }
}
