//! Whether the bounds of all that is in doubt hold, whichever of it commits: what escrow locks promise (O'Neil 1986).
//!
//! Worked out from what is stored, without the lock table: a second opinion on it.

use assent_protocol::{
    ids::{FieldName, RecordId, TxnId},
    operation::{Operation, Value},
    storage::{Field, Store, TxnRecord, Yes},
};
use std::collections::BTreeMap;

/// One change of an amount, with its bounds.
struct Change {
    delta: i128,
    min: Option<i128>,
    max: Option<i128>,
}

/// The changes of one field, by transaction.
type Changes<'a> = BTreeMap<(&'a RecordId, &'a FieldName), BTreeMap<&'a TxnId, Vec<Change>>>;

/// Says which bound could break.
pub(super) fn check<S: Store>(store: &S, txns: &[(TxnId, TxnRecord)]) -> Result<(), String> {
    let mut changes = Changes::new();
    for (txn, record) in txns {
        if let TxnRecord::Yes(yes) = record {
            gather(txn, yes, &mut changes);
        }
    }
    for ((record, field), of_txns) in &changes {
        let amount = match store.field(record, field) {
            Some(Field::Value(Value::Int(value))) => i128::from(value),
            Some(Field::Set(members)) => i128::from(members),
            Some(Field::Value(_) | Field::List(_)) | None => 0,
        };
        for (txn, own) in of_txns {
            let others = of_txns.iter().filter(|(other, _)| other != &txn);
            let nets = others.map(|(_, changes)| changes.iter().map(|change| change.delta).sum::<i128>());
            let (falls, rises) =
                nets.fold((0, 0), |(falls, rises), net| (falls + net.min(0), rises + net.max(0)));
            let mut sum = amount;
            for change in own {
                sum += change.delta;
                let low = change.min.is_some_and(|min| sum + falls < min);
                let high = change.max.is_some_and(|max| sum + rises > max);
                if low || high {
                    return Err(format!("a bound of {txn} on {record} {field} breaks if others commit"));
                }
            }
        }
    }
    Ok(())
}

/// What a vote changes in escrow. Where it sets or deletes as well, it is alone, and its operations see for themselves.
fn gather<'a>(txn: &'a TxnId, yes: &'a Yes, changes: &mut Changes<'a>) {
    let alone = |record: &RecordId| {
        yes.steps.iter().any(|step| match &step.operation {
            Operation::Set { record: other, .. } | Operation::Delete { record: other } => other == record,
            _ => false,
        })
    };
    for step in &yes.steps {
        let (record, field, change) = match &step.operation {
            Operation::Add { record, field, delta, min, max } => {
                let (min, max) = (min.map(i128::from), max.map(i128::from));
                (record, field, Change { delta: i128::from(*delta), min, max })
            }
            Operation::Insert { record, field, max, .. } => {
                (record, field, Change { delta: 1, min: None, max: max.map(i128::from) })
            }
            Operation::Remove { record, field, min, .. } => {
                (record, field, Change { delta: -1, min: min.map(i128::from), max: None })
            }
            _ => continue,
        };
        if !alone(record) {
            changes.entry((record, field)).or_default().entry(txn).or_default().push(change);
        }
    }
}
