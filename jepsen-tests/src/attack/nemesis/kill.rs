//! Nodes end as by a crash (SIGKILL): what the kernel has of their writes stays, what they had in memory is gone.

use super::{AttackError, Drawn, Environment, Nemesis, Planned, Random, Shape};

/// Killed, and started again.
pub(super) struct Kill;

impl Nemesis for Kill {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        Some(Drawn::of(shape.some(random), "SIGKILL"))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        fault.drawn.targets.iter().try_for_each(|name| cluster.node(name).map(|node| node.kill()))
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        fault.drawn.targets.iter().try_for_each(|name| cluster.node(name)?.start())
    }
}

/// Killed for good: only coordinators, and never the last one.
pub(super) struct KillForever;

impl Nemesis for KillForever {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        if shape.coordinators.len() < 2 {
            return None;
        }
        let victim = random.below(shape.coordinators.len() as u64) as usize;
        Some(Drawn::of(vec![shape.coordinators.remove(victim)], "SIGKILL, never started again"))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        fault.drawn.targets.iter().try_for_each(|name| cluster.node(name).map(|node| node.kill_forever()))
    }

    fn end(&self, _: &Planned, _: &Environment) -> Result<(), AttackError> {
        Ok(())
    }

    fn is_forever(&self) -> bool {
        true
    }
}
