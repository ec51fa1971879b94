//! Wall clocks that are off, or jump. The protocol uses them only for ages and dates, so nothing may depend on them.

use super::{AttackError, Drawn, Environment, Nemesis, Planned, Random, Shape};
use crate::attack::environment::node::NodeHandle;
use std::time::{Duration, Instant};

const MS_US: i64 = 1_000;

/// An offset that stays until the end.
pub(super) struct Offset;

impl Nemesis for Offset {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        // From what badly kept clocks show to what a wrong date is: 50 ms, seconds, an hour, two years.
        let largest_ms = *random.pick(&[50_i64, 2_000, 3_600_000, 2 * 365 * 86_400_000]);
        let size_ms = largest_ms / 2 + random.below(largest_ms.unsigned_abs() / 2).cast_signed();
        let offset_ms = if random.chance(500) { size_ms } else { -size_ms };
        let detail = format!("the wall clock is off by {offset_ms} ms");
        Some(Drawn::of(shape.some(random), detail).figure("offset_ms", offset_ms))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        set(fault, cluster, fault.drawn.get("offset_ms")? * MS_US)
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        set(fault, cluster, 0)
    }
}

/// Jumps to and fro.
pub(super) struct Jumps;

impl Nemesis for Jumps {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        let size_ms = *random.pick(&[200_i64, 5_000, 600_000]);
        let every_ms = 20 + random.below(200).cast_signed();
        let detail = format!("the wall clock jumps by {size_ms} ms to and fro, every {every_ms} ms");
        let drawn = Drawn::of(shape.some(random), detail);
        Some(drawn.figure("size_ms", size_ms).figure("every_ms", every_ms))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        let size_us = fault.drawn.get("size_ms")? * MS_US;
        let every = Duration::from_millis(fault.drawn.get("every_ms")?.unsigned_abs());
        let until = Instant::now() + Duration::from_millis(fault.for_ms);
        for offset_us in [size_us, 0, -size_us, 0].into_iter().cycle() {
            set(fault, cluster, offset_us)?;
            if Instant::now() >= until || !cluster.interrupt.sleep(every) {
                break;
            }
        }
        Ok(())
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        set(fault, cluster, 0)
    }
}

fn set(fault: &Planned, cluster: &Environment, offset_us: i64) -> Result<(), AttackError> {
    let nodes = fault.drawn.targets.iter().map(|name| cluster.node(name));
    let set_one = |node: &NodeHandle| node.shim.as_ref().map_or(Ok(()), |shim| shim.set_clock(offset_us));
    nodes.into_iter().try_for_each(|node| set_one(node?))
}
