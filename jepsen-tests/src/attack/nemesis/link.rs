//! Links that lose, double, reorder, delay, or are slow. Unlike in a partition, everything gets through some time.

use super::{AttackError, Drawn, Environment, Nemesis, Planned, Random, Shape};
use crate::attack::environment::{layout::CLIENTS, links::LinkState};

/// What links do.
pub(super) enum Links {
    Loss,
    Duplication,
    Reordering,
    Delay,
    Rate,
}

impl Nemesis for Links {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        let mut figure = |name: &str, from: &[i64]| (name.to_owned(), *random.pick(from));
        let figures = match self {
            Links::Loss => vec![figure("loss_per_mille", &[10, 50, 150, 300])],
            Links::Duplication => vec![figure("duplicate_per_mille", &[50, 200, 500])],
            Links::Reordering => vec![figure("reorder_per_mille", &[50, 200, 500])],
            Links::Delay => vec![figure("delay_ms", &[5, 20, 80, 200]), figure("jitter_ms", &[0, 5, 40])],
            Links::Rate => vec![figure("rate_kb_s", &[20, 60, 250])],
        };
        let words: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let (targets, links, which) = choose(shape, random);
        let detail = format!("{}, {which}", words.join(", "));
        Some(Drawn { targets, links, figures: figures.into_iter().collect(), detail })
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        let figure = |name| fault.drawn.get(name).map(|value| u32::try_from(value).unwrap_or(0));
        let mut wanted = LinkState::default();
        match self {
            Links::Loss => wanted.loss_per_mille = figure("loss_per_mille")?,
            Links::Duplication => wanted.duplicate_per_mille = figure("duplicate_per_mille")?,
            Links::Reordering => wanted.reorder_per_mille = figure("reorder_per_mille")?,
            Links::Delay => {
                wanted.delay_ms = figure("delay_ms")?;
                wanted.jitter_ms = figure("jitter_ms")?;
            }
            Links::Rate => wanted.rate_kb_s = figure("rate_kb_s")?,
        }
        cluster.links.change(&fault.drawn.links, |link| self.put(link, wanted))
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        cluster.links.change(&fault.drawn.links, |link| self.put(link, LinkState::default()))
    }
}

impl Links {
    /// Changes only what this kind is about.
    fn put(&self, link: &mut LinkState, wanted: LinkState) {
        match self {
            Links::Loss => link.loss_per_mille = wanted.loss_per_mille,
            Links::Duplication => link.duplicate_per_mille = wanted.duplicate_per_mille,
            Links::Reordering => link.reorder_per_mille = wanted.reorder_per_mille,
            Links::Delay => (link.delay_ms, link.jitter_ms) = (wanted.delay_ms, wanted.jitter_ms),
            Links::Rate => link.rate_kb_s = wanted.rate_kb_s,
        }
    }
}

/// All links, or those of one node; clients' links too.
fn choose(shape: &Shape, random: &mut Random) -> (Vec<String>, Vec<[String; 2]>, String) {
    let mut ends = shape.nodes();
    ends.push(CLIENTS.to_owned());
    let all = ends.iter().flat_map(|from| ends.iter().map(move |to| [from.clone(), to.clone()]));
    let links = all.filter(|[from, to]| from != to);
    if random.chance(500) {
        return (ends.clone(), links.collect(), "on all links".to_owned());
    }
    let node = random.pick(&shape.nodes()).clone();
    let of_node = links.filter(|link| link.contains(&node)).collect();
    (vec![node.clone()], of_node, format!("on all links of {node}"))
}
