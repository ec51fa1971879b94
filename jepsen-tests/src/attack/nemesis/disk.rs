//! A participant's disk gets full: below the reserve, so that it takes no new work and goes on with the rest, or wholly,
//! so that writes fail and it stops.

use super::{AttackError, Drawn, Environment, Nemesis, Planned, Random, Shape};

/// What is left where only the reserve is touched.
const SOME_ROOM_BYTES: u64 = 256 << 20;

pub(super) struct Full;

impl Nemesis for Full {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        let targets = shape.participant(random);
        let (free_bytes, detail) = match random.chance(400) {
            true => (0, "no room at all"),
            false => (SOME_ROOM_BYTES, "256 MiB left, which is less than the reserve"),
        };
        Some(Drawn::of(targets, detail).figure("free_bytes", free_bytes.cast_signed()))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        let free_bytes = fault.drawn.get("free_bytes")?.unsigned_abs();
        for node in fault.drawn.targets.iter().map(|name| cluster.node(name)) {
            let node = node?;
            node.disk_may_fail();
            node.disk.as_ref().map_or(Ok(()), |disk| disk.leave_free(free_bytes))?;
        }
        Ok(())
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        for node in fault.drawn.targets.iter().map(|name| cluster.node(name)) {
            let node = node?;
            node.disk.as_ref().map_or(Ok(()), |disk| disk.give_room())?;
            // It stops when a write fails; one that did not need to goes on.
            node.start()?;
        }
        Ok(())
    }
}
