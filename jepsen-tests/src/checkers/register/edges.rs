//! Dependencies between transactions, from what is known of the order of each register's versions.

use super::versions::{Register, Version};
use crate::checkers::{
    graph::{Builder, Edge, Graph, Kind, Touch},
    transactions::{Key, Transactions, Txn},
    words,
};

/// The graph.
pub(super) fn graph(transactions: &Transactions<'_>, registers: &[Register<'_>]) -> Graph {
    let mut builder = Builder::new(transactions.list.len());
    for (key, register) in registers.iter().enumerate() {
        let edges = Edges { key: key as Key, register };
        edges.read(&mut builder);
        edges.nil_first(&mut builder);
        edges.overwritten(&mut builder);
        edges.timed(&mut builder);
    }
    builder.finish()
}

/// The dependencies that one register shows.
struct Edges<'r, 'a> {
    key: Key,
    register: &'r Register<'a>,
}

impl Edges<'_, '_> {
    /// A read comes after the write of what it saw.
    fn read(&self, builder: &mut Builder) {
        for (number, version) in self.versions() {
            let Some(writer) = version.writer else { continue };
            for reader in &version.readers {
                let edge = Edge {
                    from: writer,
                    to: *reader,
                    kind: Kind::Read,
                    key: self.key,
                    earlier: number,
                    later: number,
                };
                builder.edge(edge);
            }
        }
        for (writer, reader, _) in &self.register.within {
            let edge =
                Edge { from: *writer, to: *reader, kind: Kind::Read, key: self.key, earlier: 0, later: 0 };
            builder.edge(edge);
        }
    }

    /// Who read nil comes before all who wrote.
    fn nil_first(&self, builder: &mut Builder) {
        let writers: Vec<Touch> = self
            .versions()
            .filter_map(|(number, version)| touch(version.writer?, number, Kind::Write))
            .collect();
        let readers = self.touching(0, Kind::Write, Kind::Anti);
        builder.all_before_all(self.key, &readers, &writers);
    }

    /// What was read and then written over comes right before what it was written over with.
    fn overwritten(&self, builder: &mut Builder) {
        for (number, version) in self.versions().skip(1) {
            let after: Vec<Touch> = (version.overwriters.iter())
                .filter_map(|(txn, later)| touch(*txn, *later, Kind::Write))
                .collect();
            let before = self.touching(number, Kind::Write, Kind::Anti);
            builder.all_before_all(self.key, &before, &after);
        }
    }

    /// Version a comes before b if a transaction that touched a had ended before one began that touched b. Of all such
    /// pairs only those are taken from which the others follow: of the versions behind a, with m the first of them that
    /// anybody had behind him, all that were wanted last before that moment, and m. All others come behind m.
    fn timed(&self, builder: &mut Builder) {
        let mut order: Vec<(u32, u32)> =
            self.versions().skip(1).map(|(number, version)| (version.wanted.0, number)).collect();
        order.sort_unstable();
        let firsts = self.firsts_settled(&order);
        for (number, version) in self.versions().skip(1) {
            let settled = version.settled.0;
            let from = order.partition_point(|(wanted, _)| *wanted <= settled);
            let first = firsts[from].into_iter().flatten().find(|first| *first != number);
            let Some(first) = first else { continue };
            let moment = self.register.versions[first as usize].settled.0;
            let behind =
                order[from..].iter().take_while(|(wanted, _)| *wanted <= moment).map(|(_, behind)| *behind);
            let after: Vec<Touch> = (behind.filter(|behind| *behind != number && *behind != first))
                .chain([first])
                .filter_map(|behind| {
                    touch(self.register.versions[behind as usize].writer?, behind, Kind::Write)
                })
                .collect();
            let before = self.touching(number, Kind::WriteTimed, Kind::AntiTimed);
            builder.all_before_all(self.key, &before, &after);
        }
    }

    /// For each place in `order`, the two versions from there on that were settled first.
    fn firsts_settled(&self, order: &[(u32, u32)]) -> Vec<[Option<u32>; 2]> {
        let settled = |number: u32| self.register.versions[number as usize].settled.0;
        let mut firsts = vec![[None, None]; order.len() + 1];
        for place in (0..order.len()).rev() {
            let number = order[place].1;
            let [first, second] = firsts[place + 1];
            firsts[place] = match (first, second) {
                (None, _) => [Some(number), None],
                (Some(best), _) if settled(number) < settled(best) => [Some(number), first],
                (Some(_), Some(next)) if settled(next) <= settled(number) => [first, second],
                (Some(_), _) => [first, Some(number)],
            };
        }
        firsts
    }

    fn versions(&self) -> impl Iterator<Item = (u32, &Version<'_>)> {
        (0..).zip(&self.register.versions)
    }

    /// Who wrote a version, and who read it.
    fn touching(&self, number: u32, wrote: Kind, read: Kind) -> Vec<Touch> {
        let version = &self.register.versions[number as usize];
        let writer = version.writer.and_then(|txn| touch(txn, number, wrote));
        let readers = version.readers.iter().filter_map(|txn| touch(*txn, number, read));
        writer.into_iter().chain(readers).collect()
    }
}

// An option, so that chains over writers that may be absent stay short.
fn touch(txn: Txn, version: u32, kind: Kind) -> Option<Touch> {
    Some(Touch { txn, version, kind })
}

/// Why one transaction comes before another, in words.
pub(super) fn because(
    edge: &Edge,
    from: &str,
    to: &str,
    transactions: &Transactions<'_>,
    registers: &[Register<'_>],
) -> String {
    let register = &registers[edge.key as usize];
    let key = transactions.key(edge.key);
    let version = |number: u32| &register.versions[number as usize];
    let (earlier, later) = (version(edge.earlier), version(edge.later));
    let (before, after) = (words::short(earlier.value), words::short(later.value));
    match edge.kind {
        Kind::Read if edge.earlier == 0 => {
            let of = |(writer, reader, _): &&(Txn, Txn, _)| (*writer, *reader) == (edge.from, edge.to);
            let value =
                register.within.iter().find(of).map_or_else(String::new, |(.., value)| words::short(value));
            format!("{to} read {value} from key {key}, which {from} had written")
        }
        Kind::Read => format!("{to} read {before} from key {key}, which {from} had written"),
        Kind::Write => {
            format!("{from} wrote {before} to key {key}, which {to} read and wrote over with {after}")
        }
        Kind::Anti | Kind::Through => {
            format!("{from} read {before} from key {key}, before {to} wrote {after} there")
        }
        Kind::WriteTimed | Kind::AntiTimed => {
            let did = if edge.kind == Kind::WriteTimed { "wrote" } else { "read" };
            let place = |txn: Txn| words::place(&transactions.of(txn).operation);
            format!(
                "{from} {did} {before} at key {key}, and {to} wrote {after} there later, as the transaction {} that had \
                 {before} there ended before the one {} began that had {after}",
                place(earlier.settled.1),
                place(later.wanted.1),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::Value, random::Random};

    /// Who reaches whom, from who reaches whom in one step.
    fn closure(mut reaches: Vec<Vec<bool>>) -> Vec<Vec<bool>> {
        for via in 0..reaches.len() {
            for from in 0..reaches.len() {
                for to in 0..reaches.len() {
                    reaches[from][to] |= reaches[from][via] && reaches[via][to];
                }
            }
        }
        reaches
    }

    #[test]
    fn few_edges_order_versions_as_all_pairs_do() {
        let mut random = Random::new(5);
        let mut ordered = 0;
        for round in 0..3_000 {
            let count = 2 + random.below(7) as usize;
            let version = |random: &mut Random, txn: Txn| {
                // Half of the times settled long after it was wanted, so that the order is often possible.
                let wanted = 2 * random.below(20) as u32;
                let settled = if random.chance(700) {
                    wanted + 1 + 2 * random.below(9) as u32
                } else {
                    2 * random.below(20) as u32 + 1
                };
                Version {
                    value: &Value::Nil,
                    writer: Some(txn),
                    readers: Vec::new(),
                    overwriters: Vec::new(),
                    settled: (settled, txn),
                    wanted: (wanted, txn),
                }
            };
            // Version 0 is nil; the writer of version n is transaction n.
            let versions: Vec<Version<'_>> =
                (0..=count).map(|txn| version(&mut random, txn as Txn)).collect();
            let mut all = vec![vec![false; count + 1]; count + 1];
            for (from, one) in versions.iter().enumerate().skip(1) {
                for (to, other) in versions.iter().enumerate().skip(1) {
                    all[from][to] = from != to && one.settled.0 < other.wanted.0;
                }
            }
            let register = Register { versions, within: Vec::new() };
            let mut builder = Builder::new(count + 1);
            Edges { key: 0, register: &register }.timed(&mut builder);
            let graph = builder.finish();
            let mut few = vec![vec![false; graph.nodes() as usize]; graph.nodes() as usize];
            for edge in graph.edges() {
                few[edge.from as usize][edge.to as usize] = true;
            }
            let (all, few) = (closure(all), closure(few));
            let possible = (0..=count).all(|number| !all[number][number]);
            let also = (0..=count).all(|number| !few[number][number]);
            assert_eq!(possible, also, "round {round}: {:?}", register.versions);
            if possible {
                ordered += 1;
                for from in 0..=count {
                    assert_eq!(all[from], few[from][..=count], "round {round}: {:?}", register.versions);
                }
            }
        }
        assert!((500..2_500).contains(&ordered), "{ordered}");
    }
}
