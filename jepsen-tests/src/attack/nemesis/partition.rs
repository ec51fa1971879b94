//! Partitions: links that are cut, in the shapes in which networks break.

use super::{AttackError, Drawn, Environment, Nemesis, Planned, Random, Shape};
use crate::attack::environment::layout::CLIENTS;

/// The shapes.
pub(super) enum Partition {
    /// Two sides; clients reach both.
    Halves,
    /// One node by itself, sometimes cut off from clients too.
    Node,
    /// One node in one direction.
    OneWay,
    /// Coordinators that clients reach and participants don't.
    Coordinators,
    /// A ring in which each node has two neighbours.
    Ring,
}

impl Nemesis for Partition {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        let nodes = shuffled(shape.nodes(), random);
        match self {
            Partition::Halves => {
                let (left, right) = nodes.split_at(nodes.len().div_ceil(2));
                let detail = format!("{} | {}", left.join(" "), right.join(" "));
                Some(cut(both_ways(left, right), nodes.clone(), detail))
            }
            Partition::Node => {
                let (one, others) = nodes.split_at(1);
                let with_clients = random.chance(300);
                let mut others = others.to_vec();
                others.extend(with_clients.then(|| CLIENTS.to_owned()));
                let detail = if with_clients { "from nodes and clients" } else { "from all nodes" };
                Some(cut(both_ways(one, &others), one.to_vec(), detail.to_owned()))
            }
            Partition::OneWay => {
                let (one, others) = nodes.split_at(1);
                let hears = random.chance(500);
                let (from, to) = if hears { (one, others) } else { (others, one) };
                let detail =
                    if hears { "hears all nodes and is not heard" } else { "is heard and hears no node" };
                Some(cut(one_way(from, to), one.to_vec(), detail.to_owned()))
            }
            Partition::Coordinators => {
                let all = random.chance(300);
                let targets = if all {
                    shape.coordinators.clone()
                } else {
                    vec![random.pick(&shape.coordinators).clone()]
                };
                let links = both_ways(&targets, &shape.participants);
                Some(cut(links, targets, "from all participants, not from clients".to_owned()))
            }
            Partition::Ring => {
                // Of three nodes, each is a neighbour of each.
                if nodes.len() < 4 {
                    return None;
                }
                let links = off_the_ring(&nodes);
                let detail = format!("a ring: {}", nodes.join(" "));
                Some(cut(links, nodes, detail))
            }
        }
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        cluster.links.change(&fault.drawn.links, |link| link.cut = true)
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        cluster.links.change(&fault.drawn.links, |link| link.cut = false)
    }
}

fn cut(links: Vec<[String; 2]>, targets: Vec<String>, detail: String) -> Drawn {
    Drawn { links, ..Drawn::of(targets, detail) }
}

fn one_way(from: &[String], to: &[String]) -> Vec<[String; 2]> {
    from.iter().flat_map(|from| to.iter().map(move |to| [from.clone(), to.clone()])).collect()
}

fn both_ways(left: &[String], right: &[String]) -> Vec<[String; 2]> {
    [one_way(left, right), one_way(right, left)].concat()
}

/// Every link but those of neighbours.
fn off_the_ring(nodes: &[String]) -> Vec<[String; 2]> {
    let count = nodes.len();
    let near = |a: usize, b: usize| (a + 1) % count == b || (b + 1) % count == a;
    let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
    let cut = pairs.filter(|(a, b)| a != b && !near(*a, *b));
    cut.map(|(a, b)| [nodes[a].clone(), nodes[b].clone()]).collect()
}

/// Fisher and Yates.
fn shuffled(mut nodes: Vec<String>, random: &mut Random) -> Vec<String> {
    for last in (1..nodes.len()).rev() {
        nodes.swap(last, random.below(last as u64 + 1) as usize);
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("n{number}")).collect()
    }

    #[test]
    fn halves_cut_every_link_between_the_sides_and_none_within() {
        let nodes = names(5);
        let (left, right) = nodes.split_at(3);
        let links = both_ways(left, right);
        assert_eq!(links.len(), 12);
        assert!(links.iter().all(|[from, to]| left.contains(from) != left.contains(to)));
    }

    #[test]
    fn on_a_ring_each_node_keeps_two_neighbours() {
        let nodes = names(5);
        let links = off_the_ring(&nodes);
        for node in &nodes {
            let heard = nodes
                .iter()
                .filter(|other| *other != node && !links.contains(&[(*other).clone(), node.clone()]));
            assert_eq!(heard.count(), 2);
        }
    }

    #[test]
    fn shuffling_keeps_every_node() {
        let mut random = Random::new(3);
        let mut nodes = shuffled(names(7), &mut random);
        assert_ne!(nodes, names(7));
        nodes.sort();
        assert_eq!(nodes, names(7));
    }
}
