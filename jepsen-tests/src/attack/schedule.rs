//! The schedule: which faults, when, on whom. Drawn from the seed before the run, so that the same seed plans the same.

use super::nemesis::{Kind, Planned, Shape, Side};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Nothing happens for so long at first, so that a history has a quiet beginning to compare with.
const CALM_MS: u64 = 1_000;
/// Between two faults of the same side, at least and at most.
const GAP_MS: (u64, u64) = (300, 2_000);
/// How long a fault lasts, at least and at most.
const LENGTH_MS: (u64, u64) = (300, 3_500);

/// The plan of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Schedule {
    /// What it was drawn from.
    pub seed: u64,
    /// How long the clients work, in milliseconds.
    pub duration_ms: u64,
    /// The faults, in the order of their beginnings.
    pub faults: Vec<Planned>,
}

impl Schedule {
    /// Draws one. At most one fault of processes and one of the network happen at the same time.
    pub fn draw(seed: u64, duration: Duration, kinds: &[Kind], shape: &Shape) -> Schedule {
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut random = Random::new(seed);
        let mut shape = shape.clone();
        // A node that is killed for good may not be hit later on: so the sides are drawn in turns, by time.
        let mut next = [Side::Nodes, Side::Network].map(|side| (CALM_MS + random.below(GAP_MS.1), side));
        let mut faults = Vec::new();
        loop {
            next.sort();
            let (at_ms, side) = next[0];
            if at_ms + LENGTH_MS.0 > duration_ms {
                break;
            }
            let fault = draw_one(&mut random, &mut shape, kinds, side, at_ms, duration_ms);
            let over_ms = fault.as_ref().map_or(at_ms, |fault| at_ms + fault.for_ms);
            faults.extend(fault);
            next[0].0 = over_ms + between(&mut random, GAP_MS);
        }
        Schedule { seed, duration_ms, faults }
    }

    /// The faults of one side, in order.
    pub(crate) fn of(&self, side: Side) -> impl Iterator<Item = &Planned> {
        self.faults.iter().filter(move |fault| fault.kind.side() == side)
    }
}

fn draw_one(
    random: &mut Random,
    shape: &mut Shape,
    kinds: &[Kind],
    side: Side,
    at_ms: u64,
    duration_ms: u64,
) -> Option<Planned> {
    let kinds: Vec<Kind> = kinds.iter().copied().filter(|kind| kind.side() == side).collect();
    if kinds.is_empty() {
        return None;
    }
    let kind = *random.pick(&kinds);
    let for_ms = between(random, LENGTH_MS).min(duration_ms - at_ms);
    let drawn = kind.nemesis().draw(shape, random)?;
    Some(Planned { at_ms, for_ms, kind, drawn })
}

fn between(random: &mut Random, (least, most): (u64, u64)) -> u64 {
    least + random.below(most - least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        let names = |kind: &str, count: u32| (1..=count).map(|number| format!("{kind}-{number}")).collect();
        Shape { coordinators: names("coordinator", 3), participants: names("students", 3) }
    }

    fn draw(seed: u64, kinds: &[Kind]) -> Schedule {
        Schedule::draw(seed, Duration::from_secs(300), kinds, &shape())
    }

    #[test]
    fn the_same_seed_plans_the_same_and_another_seed_another() {
        assert_eq!(draw(7, &Kind::ALL), draw(7, &Kind::ALL));
        assert_ne!(draw(7, &Kind::ALL).faults, draw(8, &Kind::ALL).faults);
    }

    #[test]
    fn a_schedule_comes_back_from_its_file() {
        let schedule = draw(7, &Kind::ALL);
        let text = serde_json::to_string(&schedule).expect("it can be written");
        assert_eq!(serde_json::from_str::<Schedule>(&text).expect("it can be read"), schedule);
    }

    #[test]
    fn faults_of_one_side_never_overlap_and_end_with_the_run() {
        for seed in 0..50 {
            let schedule = draw(seed, &Kind::ALL);
            for side in [Side::Nodes, Side::Network] {
                let faults: Vec<&Planned> = schedule.of(side).collect();
                assert!(faults.len() > 30);
                assert!(faults.windows(2).all(|pair| pair[0].at_ms + pair[0].for_ms < pair[1].at_ms));
            }
            assert!(schedule.faults.iter().all(|fault| fault.at_ms + fault.for_ms <= schedule.duration_ms));
        }
    }

    #[test]
    fn one_coordinator_is_always_left_and_the_killed_are_hit_no_more() {
        for seed in 0..50 {
            let mut gone: Vec<String> = Vec::new();
            for fault in draw(seed, &Kind::ALL).of(Side::Nodes) {
                assert!(fault.drawn.targets.iter().all(|name| !gone.contains(name)), "{fault:?}");
                if fault.kind == Kind::KillForever {
                    gone.extend(fault.drawn.targets.clone());
                }
            }
            assert!(gone.len() <= 2);
        }
    }

    #[test]
    fn every_kind_is_drawn_some_time() {
        let drawn: std::collections::BTreeSet<Kind> =
            (0..20).flat_map(|seed| draw(seed, &Kind::ALL).faults).map(|fault| fault.kind).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), Kind::ALL);
    }

    #[test]
    fn without_kinds_nothing_is_planned() {
        assert_eq!(draw(7, &[]).faults, []);
    }
}
