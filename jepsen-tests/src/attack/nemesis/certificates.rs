//! Certificates and keys are exchanged for new ones of the same authority. A node reads its own only when it starts, so
//! this is a rolling restart; old and new ones live side by side meanwhile.

use super::{AttackError, Drawn, Environment, Nemesis, Planned, Random, Shape, restart::roll};
use crate::attack::environment::layout::reissue;

pub(super) struct Certificates;

impl Nemesis for Certificates {
    fn draw(&self, shape: &mut Shape, _: &mut Random) -> Option<Drawn> {
        let detail =
            "a new certificate and key of the same authority, with a restart, one node after the other";
        Some(Drawn::of(shape.nodes(), detail))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        roll(fault, cluster, |node| reissue(&cluster.layout, &node.node))
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        fault.drawn.targets.iter().try_for_each(|name| cluster.node(name)?.start())
    }
}
