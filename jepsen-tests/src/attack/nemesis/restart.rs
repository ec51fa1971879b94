//! Restarts: in a storm, which hits a node while it recovers, and one after the other, as when a version is rolled out.

use super::{AttackError, Drawn, Environment, Nemesis, Planned, Random, Shape};
use crate::attack::environment::node::NodeHandle;
use std::time::Duration;

/// How long a node may take to end when it is asked to. One that takes longer is killed, as a supervisor would do.
const GRACE: Duration = Duration::from_secs(10);
/// How long it may take to get ready before the next one is restarted.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// Between two questions whether it is ready.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Kills and starts again and again.
pub(super) struct Storm;

impl Nemesis for Storm {
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn> {
        let (targets, gap_ms) = (shape.some(random), 30 + random.below(300).cast_signed());
        let detail = format!("SIGKILL and a start every {gap_ms} ms");
        Some(Drawn::of(targets, detail).figure("gap_ms", gap_ms))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        let gap = Duration::from_millis(fault.drawn.get("gap_ms")?.unsigned_abs());
        let until = std::time::Instant::now() + Duration::from_millis(fault.for_ms);
        while std::time::Instant::now() < until {
            for name in &fault.drawn.targets {
                let node = cluster.node(name)?;
                node.kill();
                node.start()?;
            }
            if !cluster.interrupt.sleep(gap) {
                break;
            }
        }
        Ok(())
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        fault.drawn.targets.iter().try_for_each(|name| cluster.node(name)?.start())
    }
}

/// One after the other: asked to end (SIGTERM), started, waited for.
pub(super) struct Rolling;

impl Nemesis for Rolling {
    fn draw(&self, shape: &mut Shape, _: &mut Random) -> Option<Drawn> {
        Some(Drawn::of(shape.nodes(), "SIGTERM and a start, one after the other"))
    }

    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        roll(fault, cluster, |_| Ok(()))
    }

    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError> {
        fault.drawn.targets.iter().try_for_each(|name| cluster.node(name)?.start())
    }
}

/// Restarts nodes one after the other; something may be done to each while it is down.
pub(super) fn roll(
    fault: &Planned,
    cluster: &Environment,
    while_down: impl Fn(&NodeHandle) -> Result<(), AttackError>,
) -> Result<(), AttackError> {
    for name in &fault.drawn.targets {
        let node = cluster.node(name)?;
        node.terminate(GRACE);
        while_down(node)?;
        node.start()?;
        let started = std::time::Instant::now();
        // What never gets ready is noticed after the run; here it must not stop the others from being restarted.
        while node.runs() && node.readiness().is_err() && started.elapsed() < READY_WITHIN {
            if !cluster.interrupt.sleep(POLL_EVERY) {
                return Ok(());
            }
        }
    }
    Ok(())
}
