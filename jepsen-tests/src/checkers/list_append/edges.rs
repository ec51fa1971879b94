//! Dependencies between transactions, from the order of each list's elements.
//!
//! Version n of a list has the first n elements of its order; versions above count on through the appends that no read
//! has, whose order among themselves is not known.

use super::reads::{List, Read};
use crate::checkers::{
    graph::{Builder, Edge, Graph, Kind, Touch},
    transactions::{Key, Transactions, Txn},
    words,
};

/// The graph, and which transactions are in it: those that are committed, as told or as seen.
pub(super) fn graph(transactions: &Transactions<'_>, lists: &[List<'_>]) -> (Graph, Vec<bool>) {
    let included = included(transactions, lists);
    let mut builder = Builder::new(transactions.list.len());
    for (key, list) in lists.iter().enumerate() {
        if list.longest.is_some() {
            Edges { key: key as Key, list, transactions, included: &included }.build(&mut builder);
        }
    }
    (builder.finish(), included)
}

fn included(transactions: &Transactions<'_>, lists: &[List<'_>]) -> Vec<bool> {
    let mut included: Vec<bool> =
        (0..transactions.list.len() as Txn).map(|txn| transactions.is_committed(txn)).collect();
    let mut seen = |txn: Txn| {
        let failed = transactions.of(txn).outcome == crate::history::Outcome::Fail;
        included[txn as usize] |= !failed;
    };
    for (key, list) in lists.iter().enumerate() {
        list.writers.iter().flatten().for_each(|writer| seen(writer.txn));
        for read in list.reads.iter().filter(|read| !read.fits) {
            let writers = read.whole.iter().filter_map(|value| transactions.writer(key as Key, value));
            writers.for_each(|writer| seen(writer.txn));
        }
    }
    included
}

/// The dependencies that one list shows.
struct Edges<'l, 'a> {
    key: Key,
    list: &'l List<'a>,
    transactions: &'l Transactions<'a>,
    included: &'l [bool],
}

impl Edges<'_, '_> {
    fn build(&self, builder: &mut Builder) {
        let elements: Vec<(u32, Txn)> = self.elements().collect();
        for pair in elements.windows(2) {
            let ((earlier, from), (later, to)) = (pair[0], pair[1]);
            builder.edge(self.edge(from, to, Kind::Write, earlier, later));
        }
        for read in self.list.reads.iter().filter(|read| read.first) {
            self.read(read, &elements, builder);
        }
        self.unseen(elements.last(), builder);
    }

    /// Versions with who made them, if that is in the graph.
    fn elements(&self) -> impl Iterator<Item = (u32, Txn)> {
        let made = self.list.writers.iter().zip(1..);
        made.filter_map(|(writer, version)| writer.map(|writer| (version, writer.txn)))
            .filter(|(_, txn)| self.included[*txn as usize])
    }

    /// A read comes after who made what it saw, and before who made what is next.
    fn read(&self, read: &Read<'_>, elements: &[(u32, Txn)], builder: &mut Builder) {
        let external = read.external as u32;
        if !read.fits {
            // Its order is not the list's, but what it saw was written before.
            let writers = read.whole[..read.external].iter().rev();
            let writer = writers
                .filter_map(|value| self.transactions.writer(self.key, value))
                .find(|writer| self.included[writer.txn as usize]);
            if let Some(writer) = writer {
                builder.edge(self.edge(writer.txn, read.txn, Kind::Read, external, external));
            }
            return;
        }
        let next = elements.partition_point(|(version, _)| *version <= external);
        if let Some((version, writer)) = next.checked_sub(1).map(|last| elements[last]) {
            builder.edge(self.edge(writer, read.txn, Kind::Read, version, external));
        }
        if let Some((version, writer)) = elements.get(next) {
            builder.edge(self.edge(read.txn, *writer, Kind::Anti, external, *version));
        }
    }

    /// What no read has comes after all that was read, and after who read all of it.
    fn unseen(&self, last: Option<&(u32, Txn)>, builder: &mut Builder) {
        let length = self.list.order.len();
        let unseen: Vec<Touch> = (self.list.unseen.iter().zip(length as u32 + 1..))
            .filter(|((txn, _), _)| self.included[*txn as usize])
            .map(|((txn, _), version)| Touch { txn: *txn, version, kind: Kind::Write })
            .collect();
        let mut before: Vec<Touch> = (self.list.reads.iter())
            .filter(|read| read.first && read.fits && read.external == length)
            .map(|read| Touch { txn: read.txn, version: length as u32, kind: Kind::Anti })
            .collect();
        before.extend(last.map(|(version, txn)| Touch { txn: *txn, version: *version, kind: Kind::Write }));
        builder.all_before_all(self.key, &before, &unseen);
    }

    fn edge(&self, from: Txn, to: Txn, kind: Kind, earlier: u32, later: u32) -> Edge {
        Edge { from, to, kind, key: self.key, earlier, later }
    }
}

/// Why one transaction comes before another, in words.
pub(super) fn because(
    edge: &Edge,
    from: &str,
    to: &str,
    transactions: &Transactions<'_>,
    lists: &[List<'_>],
) -> String {
    let list = &lists[edge.key as usize];
    let key = transactions.key(edge.key);
    let length = list.order.len() as u32;
    let value = |version: u32| {
        let place = version as usize - 1;
        let value = list.order.get(place).unwrap_or_else(|| list.unseen[place - list.order.len()].1);
        words::short(value)
    };
    let read = |txn: Txn| {
        let of = |read: &&Read<'_>| read.txn == txn && read.first;
        list.reads.iter().find(of).map_or_else(String::new, |read| words::list(&read.whole[..read.external]))
    };
    match edge.kind {
        Kind::Write | Kind::WriteTimed if edge.later > length => format!(
            "{from} appended {} to key {key} before {to} appended {}, which is in no list that was read",
            value(edge.earlier),
            value(edge.later)
        ),
        Kind::Write | Kind::WriteTimed => {
            let order = words::list(&list.order[..edge.later as usize]);
            let (earlier, later) = (value(edge.earlier), value(edge.later));
            format!(
                "{from} appended {earlier} to key {key} before {to} appended {later}, as a read of {order} shows"
            )
        }
        Kind::Read => format!("{to} read key {key} as {}, with what {from} had appended", read(edge.to)),
        Kind::Anti | Kind::AntiTimed | Kind::Through => {
            let later = value(edge.later);
            format!("{from} read key {key} as {}, without the {later} that {to} appended", read(edge.from))
        }
    }
}
