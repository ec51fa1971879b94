//! Nodes stop where they are (SIGSTOP), as a virtual machine does that is moved, and go on as if nothing had been.

use super::{AttackError, Drawn, Environment, Nemesis, Planned, Random, Shape};

pub(super) struct Stop;

impl Nemesis for Stop {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        Some(Drawn::of(shape.some(random), "SIGSTOP, then SIGCONT"))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        fault.drawn.targets.iter().try_for_each(|name| cluster.node(name).map(|node| node.pause(true)))
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        fault.drawn.targets.iter().try_for_each(|name| cluster.node(name).map(|node| node.pause(false)))
    }
}
