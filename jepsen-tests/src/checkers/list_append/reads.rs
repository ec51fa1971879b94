//! What was read of each list, the order of its elements, and what is wrong without looking at any cycle.

use crate::{
    checkers::{
        report::Report,
        transactions::{Action, Key, Transactions, Txn, Writer},
        words,
    },
    history::{Outcome, Value},
};
use std::collections::{HashMap, HashSet};

/// A read of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'a> {
    /// By whom.
    pub(super) txn: Txn,
    /// All that it saw.
    pub(super) whole: &'a [Value],
    /// How many of the elements are not its own appends: the state on which the transaction began.
    pub(super) external: usize,
    /// Whether it is the transaction's first of this list.
    pub(super) first: bool,
    /// Whether the longest read begins like it.
    pub(super) fits: bool,
}

/// A list, as all reads together show it.
#[derive(Debug, Default)]
pub(super) struct List<'a> {
    /// In the order in which the transactions began.
    pub(super) reads: Vec<Read<'a>>,
    /// The longest read: the order of all versions, as version n has the first n elements.
    pub(super) order: &'a [Value],
    /// Who appended each element of `order`; none where nobody did, or it stands there twice.
    pub(super) writers: Vec<Option<Writer>>,
    /// Who read `order`.
    pub(super) longest: Option<Txn>,
    /// Transactions with an append that no read has, if they are committed, with the first such value. Their versions
    /// are numbered on after those of `order`.
    pub(super) unseen: Vec<(Txn, &'a Value)>,
    /// Appends, in order of their transactions.
    appends: Vec<(Txn, &'a Value)>,
}

/// Reads every committed transaction, and finds the order of every list. What is no list makes the history impossible to
/// judge.
pub(super) fn gather<'a>(
    transactions: &Transactions<'a>,
    report: &mut Report,
) -> Result<Vec<List<'a>>, String> {
    let mut lists: Vec<List<'a>> = transactions.keys.iter().map(|_| List::default()).collect();
    for txn in 0..transactions.list.len() as Txn {
        gather_transaction(txn, transactions, &mut lists, report)?;
    }
    for (key, list) in lists.iter_mut().enumerate() {
        list.find_order(key as Key, transactions);
    }
    Ok(lists)
}

/// What a transaction knows of a list at one of its steps.
struct Known<'a> {
    key: Key,
    external: Option<&'a [Value]>,
    own: Vec<&'a Value>,
}

fn gather_transaction<'a>(
    txn: Txn,
    transactions: &Transactions<'a>,
    lists: &mut [List<'a>],
    report: &mut Report,
) -> Result<(), String> {
    let mut known: Vec<Known<'a>> = Vec::new();
    for action in &transactions.of(txn).actions {
        let (Action::Write { key, .. } | Action::Read { key, .. }) = *action;
        let place = known.iter().position(|known| known.key == key).unwrap_or_else(|| {
            known.push(Known { key, external: None, own: Vec::new() });
            known.len() - 1
        });
        let known = &mut known[place];
        let seen = match *action {
            Action::Write { value, .. } => {
                known.own.push(value);
                lists[key as usize].appends.push((txn, value));
                continue;
            }
            Action::Read { seen: Value::Vector(seen), .. } => seen.as_slice(),
            Action::Read { seen: Value::Nil, .. } => &[],
            Action::Read { seen, .. } => {
                return Err(format!(
                    "not judged: transaction {} read {} from key {}, which is no list",
                    words::place(&transactions.of(txn).operation),
                    words::short(seen),
                    transactions.key(key),
                ));
            }
        };
        let first = known.external.is_none();
        match known.take(seen) {
            Ok(external) => {
                let read = Read { txn, whole: seen, external, first, fits: true };
                lists[key as usize].reads.push(read);
            }
            Err(expected) => report.add("internal", || internal(txn, key, seen, &expected, transactions)),
        }
    }
    Ok(())
}

impl<'a> Known<'a> {
    /// How many elements of a read are not the transaction's own; or what the read should have been.
    fn take(&mut self, seen: &'a [Value]) -> Result<usize, String> {
        let own = self.own.len();
        let external = seen.len().checked_sub(own);
        let fits = |external: &usize| seen[*external..].iter().eq(self.own.iter().copied());
        match (external.filter(fits), self.external) {
            (Some(external), None) => {
                self.external = Some(&seen[..external]);
                Ok(external)
            }
            (Some(external), Some(before)) if seen[..external] == *before => Ok(external),
            (_, before) => {
                let own: Vec<Value> = self.own.iter().map(|value| (*value).clone()).collect();
                Err(match before {
                    Some(before) => words::list(&[before, &own].concat()),
                    None => format!("a list that ends with {}", words::list(&own)),
                })
            }
        }
    }
}

fn internal(
    txn: Txn,
    key: Key,
    seen: &[Value],
    expected: &str,
    transactions: &Transactions<'_>,
) -> (String, Vec<u64>) {
    let words = format!(
        "{} read key {} as {}, but by its own steps before it had to be {expected}.",
        words::named(1, txn, transactions),
        transactions.key(key),
        words::list(seen),
    );
    (words, words::lines(&[txn], transactions))
}

impl<'a> List<'a> {
    fn find_order(&mut self, key: Key, transactions: &Transactions<'a>) {
        // The first of the longest, so that the words do not hang on how a sort breaks ties.
        let Some(longest) = self.reads.iter().rev().max_by_key(|read| read.whole.len()).copied() else {
            return;
        };
        self.order = longest.whole;
        self.longest = Some(longest.txn);
        let mut met = HashSet::new();
        self.writers = self
            .order
            .iter()
            .map(|value| if met.insert(value) { transactions.writer(key, value) } else { None })
            .collect();
        for read in &mut self.reads {
            read.fits = self.order.starts_with(read.whole);
            if !read.fits {
                met.extend(read.whole);
            }
        }
        for (txn, value) in &self.appends {
            let again = self.unseen.last().is_some_and(|(last, _)| last == txn);
            if !again && !met.contains(value) {
                self.unseen.push((*txn, *value));
            }
        }
    }

    /// The read that shows the order.
    fn longest_reader(&self) -> Txn {
        self.longest.expect("a list with elements was read")
    }
}

/// Reports all that needs no cycle. Gives the transactions of lost appends and torn reads: the cycles through them say the
/// same again.
pub(super) fn judge(transactions: &Transactions<'_>, lists: &[List<'_>], report: &mut Report) -> Vec<bool> {
    let mut told = vec![false; transactions.list.len()];
    for (key, list) in lists.iter().enumerate() {
        let key = key as Key;
        let judge = Judge { key, list, transactions };
        if list.longest.is_some() {
            judge.elements(list.order, list.longest_reader(), report);
        }
        for read in &list.reads {
            if !read.fits {
                judge.elements(read.whole, read.txn, report);
                judge.incompatible(read, report);
            }
            judge.external(read, report, &mut told);
        }
        judge.lost(report, &mut told);
    }
    told
}

/// One list before the judge.
struct Judge<'l, 'a> {
    key: Key,
    list: &'l List<'a>,
    transactions: &'l Transactions<'a>,
}

impl Judge<'_, '_> {
    fn name(&self, number: usize, txn: Txn) -> String {
        words::named(number, txn, self.transactions)
    }

    /// `T1 (index 4) read key 7 as [1 2]`.
    fn reading(&self, number: usize, txn: Txn, seen: &[Value]) -> String {
        let key = self.transactions.key(self.key);
        format!("{} read key {key} as {}", self.name(number, txn), words::list(seen))
    }

    fn lines(&self, txns: &[Txn]) -> Vec<u64> {
        words::lines(txns, self.transactions)
    }

    /// Elements that are there twice, or from nowhere, or from a transaction that failed.
    fn elements(&self, seen: &[Value], reader: Txn, report: &mut Report) {
        let mut met = HashSet::new();
        for (place, value) in seen.iter().enumerate() {
            let up_to = &seen[..=place];
            if !met.insert(value) {
                report.add("duplicate elements", || {
                    let words = format!("{}: {value} is there twice.", self.reading(1, reader, up_to));
                    (words, self.lines(&[reader]))
                });
                continue;
            }
            match self.transactions.writer(self.key, value) {
                None => report.add("garbage read", || {
                    let words =
                        format!("{}, but nobody ever appended {value}.", self.reading(1, reader, up_to));
                    (words, self.lines(&[reader]))
                }),
                Some(writer) if self.transactions.of(writer.txn).outcome == Outcome::Fail => {
                    report.add("G1a", || {
                        let words = format!(
                            "{}, but {}, which appended {value}, had failed: it said that nothing of it would ever be seen.",
                            self.reading(1, reader, up_to),
                            self.name(2, writer.txn),
                        );
                        (words, self.lines(&[reader, writer.txn]))
                    });
                }
                Some(_) => {}
            }
        }
    }

    /// Neither begins like the other.
    fn incompatible(&self, read: &Read<'_>, report: &mut Report) {
        let longest = self.list.longest_reader();
        report.add("incompatible order", || {
            let same = read.whole.iter().zip(self.list.order).take_while(|(one, other)| one == other).count();
            let words = format!(
                "{}, and {}: they differ at place {}, so neither list can have grown from the other.",
                self.reading(1, read.txn, &read.whole[..=same]),
                self.reading(2, longest, &self.list.order[..=same]),
                same + 1,
            );
            (words, self.lines(&[read.txn, longest]))
        });
    }

    /// The state on which a transaction began: it must be one between transactions, and from before its own appends.
    fn external(&self, read: &Read<'_>, report: &mut Report, told: &mut [bool]) {
        if !read.first || read.external == 0 {
            return;
        }
        let external = &read.whole[..read.external];
        let writer = |value| self.transactions.writer(self.key, value);
        let own = |action: &&Action<'_>| match action {
            Action::Write { key, value } => *key == self.key && external.contains(value),
            Action::Read { .. } => false,
        };
        if self.transactions.of(read.txn).actions.iter().any(|action| own(&action)) {
            report.add("internal", || {
                let words = format!(
                    "{}, with what it itself appended only later or at another place.",
                    self.reading(1, read.txn, external)
                );
                (words, self.lines(&[read.txn]))
            });
            return;
        }
        let Some(last) = writer(&external[read.external - 1]) else { return };
        let later = |action: &&Action<'_>| matches!(action, Action::Write { key, .. } if *key == self.key);
        let after = &self.transactions.of(last.txn).actions[last.action as usize + 1..];
        if let Some(Action::Write { value, .. }) = after.iter().find(later) {
            told[read.txn as usize] = true;
            told[last.txn as usize] = true;
            report.add("G1b", || {
                let words = format!(
                    "{}, which is a state within {}: that went on to append {value} to the same key.",
                    self.reading(1, read.txn, external),
                    self.name(2, last.txn),
                );
                (words, self.lines(&[read.txn, last.txn]))
            });
        }
    }

    /// Acknowledged appends that are gone: the last read began after the acknowledgement, and after every read that has
    /// them had ended.
    fn lost(&self, report: &mut Report, told: &mut [bool]) {
        let reads = &self.list.reads;
        let Some(last) = reads.last() else { return };
        let last_begun = self.transactions.of(last.txn).begun;
        let seen_until = self.seen_until();
        for (txn, value) in &self.list.appends {
            let ended = self.transactions.of(*txn).ended;
            let gone = ended < last_begun && seen_until.get(value).is_none_or(|until| *until < last_begun);
            if gone {
                told[*txn as usize] = true;
                told[last.txn as usize] = true;
                report.add("lost append", || self.lost_words(*txn, value, last));
            }
        }
    }

    /// For each element, the end of the last read that has it.
    fn seen_until(&self) -> HashMap<&Value, u32> {
        let mut until = HashMap::new();
        let mut see = |value, ended: u32| {
            let until = until.entry(value).or_insert(0);
            *until = ended.max(*until);
        };
        // Of reads that fit, one that has an element has all before it.
        let mut by_length = vec![0; self.list.order.len() + 1];
        for read in &self.list.reads {
            let ended = self.transactions.of(read.txn).ended;
            if read.fits {
                by_length[read.whole.len()] = ended.max(by_length[read.whole.len()]);
            } else {
                read.whole.iter().for_each(|value| see(value, ended));
            }
        }
        let mut longer = 0;
        for (value, ended) in self.list.order.iter().zip(&by_length[1..]).rev() {
            longer = longer.max(*ended);
            see(value, longer);
        }
        until
    }

    fn lost_words(&self, txn: Txn, value: &Value, last: &Read<'_>) -> (String, Vec<u64>) {
        let end = self.transactions.of(txn).operation.completion.map_or(0, |event| event.index);
        let mut txns = vec![txn, last.txn];
        let mut words = format!(
            "{} appended {value} to key {} and was acknowledged at index {end}, but it is gone: {}, and nobody read that \
             key later",
            self.name(1, txn),
            self.transactions.key(self.key),
            self.reading(2, last.txn, last.whole),
        );
        if let Some(seen) = self.list.reads.iter().find(|read| read.whole.contains(value)) {
            txns.push(seen.txn);
            words.push_str(&format!("; before, {} had seen it", self.name(3, seen.txn)));
        }
        (words + ".", self.lines(&txns))
    }
}
