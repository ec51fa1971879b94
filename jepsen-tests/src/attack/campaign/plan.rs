//! Which attacks a campaign is made of.

use super::Settings;
use crate::attack::Kind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The workloads that campaigns go through. Messages have a part of their own, since each kind of fault is to meet them in each
/// round. Not `mixed`: its lists are read whole and only ever grow, so that it is one for
/// the short runs of the simulator.
pub const WORKLOADS: [&str; 6] = ["bank", "exactly_once", "linear", "list_append", "register", "registrar"];
/// The workload of the long attack: its histories tell most.
const OF_THE_LONG_ONE: &str = "list_append";
/// The workload of [`Part::Messages`].
const MESSAGES: &str = "messages";
/// All faults together, as [`Kind::list`] and one who looks for an attack call them.
const MIXED: &str = "mixed";
/// Those of the long attack.
const PASSING: &str = "passing";

/// A part of a campaign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Each kind of fault by itself.
    Alone,
    /// All kinds mixed, with each workload.
    Together,
    /// All kinds that pass mixed, for long.
    Long,
    /// Each kind of fault by itself, and all mixed, with messages and their consumers.
    Messages,
}

impl Part {
    /// One word, as `alone`.
    pub fn name(self) -> &'static str {
        match self {
            Part::Alone => "alone",
            Part::Together => "together",
            Part::Long => "long",
            Part::Messages => "messages",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One attack of a campaign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// Its name, and that of its folder: `alone-kill-bank`.
    pub name: String,
    /// The part that it belongs to.
    pub part: Part,
    /// The faults, as [`Kind::list`] reads them.
    pub nemesis: String,
    /// What clients ask for.
    pub workload: String,
    /// What all chance comes from.
    pub seed: u64,
    /// How long clients work under faults, in seconds.
    pub seconds: u64,
}

impl Planned {
    /// Whether a word stands for it: its name, its part, its faults or its workload.
    pub fn is_called(&self, word: &str) -> bool {
        [self.name.as_str(), self.part.name(), &self.nemesis, &self.workload].contains(&word)
    }
}

/// All attacks of a campaign, in their order: the same for the same settings.
pub fn plan(settings: &Settings) -> Vec<Planned> {
    let mut all = Vec::new();
    let mut add = |part: Part, nemesis: &str, workload: &str, seconds| {
        let name = match part {
            Part::Alone => format!("{part}-{nemesis}-{workload}"),
            Part::Together | Part::Long => format!("{part}-{workload}"),
            Part::Messages => format!("{part}-{nemesis}"),
        };
        let seed = settings.seed + all.len() as u64;
        let (nemesis, workload) = (nemesis.to_owned(), workload.to_owned());
        all.push(Planned { name, part, nemesis, workload, seed, seconds });
    };
    for (kind, place) in Kind::ALL.into_iter().zip(settings.round..) {
        // With as many rounds as there are workloads, each meets each.
        let place = place as usize % WORKLOADS.len();
        add(Part::Alone, kind.name(), WORKLOADS[place], settings.seconds);
    }
    for workload in WORKLOADS {
        add(Part::Together, MIXED, workload, settings.seconds);
    }
    add(Part::Long, PASSING, OF_THE_LONG_ONE, settings.long_seconds);
    // Behind what there was before: names and seeds of these are what a campaign that has begun goes on with.
    for kind in Kind::ALL {
        add(Part::Messages, kind.name(), MESSAGES, settings.seconds);
    }
    add(Part::Messages, MIXED, MESSAGES, settings.seconds);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::{WorkloadOptions, by_name};
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_met_alone_and_every_workload_both_ways() {
        let all = plan(&Settings::default());
        let of = |part| all.iter().filter(move |planned| planned.part == part);
        let alone: Vec<&str> = of(Part::Alone).map(|planned| planned.nemesis.as_str()).collect();
        assert_eq!(alone, Kind::ALL.map(Kind::name));
        for part in [Part::Alone, Part::Together] {
            let met: BTreeSet<&str> = of(part).map(|planned| planned.workload.as_str()).collect();
            assert_eq!(met, WORKLOADS.into());
        }
        assert_eq!(of(Part::Long).count(), 1);
        let of_messages: Vec<&str> = of(Part::Messages).map(|planned| planned.nemesis.as_str()).collect();
        assert_eq!(of_messages, [&Kind::ALL.map(Kind::name)[..], &[MIXED]].concat());
        assert!(of(Part::Messages).all(|planned| planned.workload == MESSAGES));
        for planned in &all {
            assert!(Kind::list(&planned.nemesis).is_ok(), "{planned:?}");
            assert!(by_name(&planned.workload, &WorkloadOptions::default()).is_some(), "{planned:?}");
        }
        let names: BTreeSet<&str> = all.iter().map(|planned| planned.name.as_str()).collect();
        assert_eq!(names.len(), all.len(), "two would share a folder");
    }

    #[test]
    fn a_campaign_that_has_begun_goes_on_with_its_names_and_seeds() {
        let all = plan(&Settings::default());
        let of = |place: usize| (all[place].name.as_str(), all[place].seed);
        assert_eq!(of(0), ("alone-kill-bank", 1));
        assert_eq!(of(20), ("alone-rate-linear", 21));
        assert_eq!(of(26), ("together-registrar", 27));
        assert_eq!(of(27), ("long-list_append", 28));
        assert_eq!(of(28), ("messages-kill", 29));
    }

    #[test]
    fn in_as_many_rounds_as_there_are_workloads_each_meets_each_kind() {
        let rounds = 0..WORKLOADS.len() as u64;
        let met: BTreeSet<String> = rounds
            .flat_map(|round| plan(&Settings { round, ..Settings::default() }))
            .filter(|planned| planned.part == Part::Alone)
            .map(|planned| planned.name)
            .collect();
        assert_eq!(met.len(), WORKLOADS.len() * Kind::ALL.len());
    }
}
