//! Values in lists: each acknowledged one once, each refused one never, and no list that changes its past.

use super::Transaction;
use crate::{
    checkers::{
        parts::{int, ints},
        spans::{Span, anomaly},
    },
    verdict::Anomaly,
};
use std::collections::{BTreeMap, BTreeSet};

/// Who appended which value to a list, in the order in which they began.
type Writers<'h> = BTreeMap<i64, BTreeMap<i64, Span<'h>>>;

pub(super) fn judge(transactions: &[Transaction<'_>]) -> Vec<Anomaly> {
    let mut writers = Writers::new();
    for one in transactions {
        for (_, key, with) in one.parts.iter().filter(|(name, ..)| *name == "append") {
            if let Some(value) = int(with) {
                writers.entry(*key).or_default().insert(value, one.span);
            }
        }
    }
    let mut anomalies = Vec::new();
    let mut read_lists: BTreeMap<i64, Vec<(u64, Vec<i64>)>> = BTreeMap::new();
    for one in transactions {
        let Some(end) = one.span.ok() else { continue };
        for (place, (_, key, with)) in one.parts.iter().enumerate().filter(|(_, (name, ..))| *name == "items")
        {
            let Some(list) = ints(with) else {
                let words = format!("Index {} does not tell what it read in list {key}", end.index);
                anomalies.push(anomaly("incomplete read", words, one.span.lines()));
                continue;
            };
            judge_read(one, place, *key, &list, writers.get(key), &mut anomalies);
            read_lists.entry(*key).or_default().push((end.index, list));
        }
    }
    for (key, lists) in read_lists {
        anomalies.extend(judge_order(key, &lists));
    }
    anomalies
}

fn judge_read(
    one: &Transaction<'_>,
    place: usize,
    key: i64,
    list: &[i64],
    writers: Option<&BTreeMap<i64, Span<'_>>>,
    anomalies: &mut Vec<Anomaly>,
) {
    let line = one.span.end.map_or(one.span.invoke.index, |end| end.index);
    let own = |parts: &[(&str, i64, &crate::history::Value)]| -> BTreeSet<i64> {
        let appends = parts.iter().filter(|(name, of, _)| *name == "append" && *of == key);
        appends.filter_map(|(_, _, with)| int(with)).collect()
    };
    let (own_before, own_after) = (own(&one.parts[..place]), own(&one.parts[place..]));
    let mut there = BTreeSet::new();
    for value in list {
        if !there.insert(*value) {
            let words =
                format!("Index {line} reads {value} in list {key} more than once: it was applied again");
            let lines = writers.and_then(|all| all.get(value)).map(Span::lines).unwrap_or_default();
            anomalies.push(anomaly("applied twice", words, [one.span.lines(), lines].concat()));
            continue;
        }
        match writers.and_then(|all| all.get(value)) {
            None => {
                let words = format!("Index {line} reads {value} in list {key}, which nobody appended");
                anomalies.push(anomaly("from nowhere", words, one.span.lines()));
            }
            Some(writer) if writer.failed().is_some() => {
                let words = format!(
                    "Index {line} reads {value} in list {key}, but the transaction of index {} that appends it was aborted",
                    writer.invoke.index
                );
                anomalies.push(anomaly(
                    "applied though aborted",
                    words,
                    [one.span.lines(), writer.lines()].concat(),
                ));
            }
            Some(writer) if writer.invoke.index > line || own_after.contains(value) => {
                let words = format!(
                    "Index {line} reads {value} in list {key} before the append of index {} was its turn",
                    writer.invoke.index
                );
                anomalies.push(anomaly("seen too early", words, [one.span.lines(), writer.lines()].concat()));
            }
            Some(_) => {}
        }
    }
    let due = writers
        .into_iter()
        .flatten()
        .filter(|(value, writer)| own_before.contains(value) || writer.is_before(one.span.invoke.index));
    for (value, writer) in due.filter(|(value, _)| !there.contains(value)) {
        let words = format!(
            "Index {line} lacks {value} in list {key}, which index {} appended before",
            writer.ok().map_or(writer.invoke.index, |end| end.index)
        );
        anomalies.push(anomaly("lost", words, [one.span.lines(), writer.lines()].concat()));
    }
}

/// Lists only grow, at their end: each that was read is the beginning of the longest.
fn judge_order(key: i64, lists: &[(u64, Vec<i64>)]) -> Vec<Anomaly> {
    let Some((longest_line, longest)) = lists.iter().max_by_key(|(_, list)| list.len()) else {
        return Vec::new();
    };
    let differ = lists.iter().filter(|(_, list)| !longest.starts_with(list));
    let anomalies = differ.map(|(line, list)| {
        let words = format!(
            "Index {line} reads list {key} as {list:?}, and index {longest_line} as {longest:?}: one is not how the other began"
        );
        anomaly("order changed", words, vec![*line, *longest_line])
    });
    anomalies.collect()
}
