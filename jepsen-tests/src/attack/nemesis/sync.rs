//! Syncs that fail, after which a node must stop and recover from what is on disk, and syncs that take long.

use super::{AttackError, Drawn, Environment, Nemesis, Planned, Random, Shape};

/// Every sync fails with EIO.
pub(super) struct Fails;

impl Nemesis for Fails {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        Some(Drawn::of(shape.participant(random), "every sync fails with EIO"))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        for node in fault.drawn.targets.iter().map(|name| cluster.node(name)) {
            let node = node?;
            node.disk_may_fail();
            node.shim.as_ref().map_or(Ok(()), |shim| shim.fail_syncs(true))?;
        }
        Ok(())
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        for node in fault.drawn.targets.iter().map(|name| cluster.node(name)) {
            let node = node?;
            node.shim.as_ref().map_or(Ok(()), |shim| shim.fail_syncs(false))?;
            node.start()?;
        }
        Ok(())
    }
}

/// Every sync takes long.
pub(super) struct Slow;

impl Nemesis for Slow {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        let delay_ms = *random.pick(&[20_i64, 100, 500, 1_500]);
        let targets = if random.chance(300) { shape.participants.clone() } else { shape.participant(random) };
        let detail = format!("every sync takes {delay_ms} ms longer");
        Some(Drawn::of(targets, detail).figure("delay_ms", delay_ms))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        set(fault, cluster, fault.drawn.get("delay_ms")?.unsigned_abs() * 1_000)
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        set(fault, cluster, 0)
    }
}

fn set(fault: &Planned, cluster: &Environment, delay_us: u64) -> Result<(), AttackError> {
    let mut nodes = fault.drawn.targets.iter().map(|name| cluster.node(name));
    nodes.try_for_each(|node| node?.shim.as_ref().map_or(Ok(()), |shim| shim.delay_syncs(delay_us)))
}
