//! Faults: one file per kind, all behind one trait. What is hit, when and how hard is drawn before the run (`schedule`);
//! here it is done to the cluster, and undone.
//!
//! Not here: when. Invariant: after [`Nemesis::end`] the fault is over, whatever became of its begin.

mod certificates;
mod clock;
mod disk;
mod kill;
mod link;
mod partition;
mod restart;
mod stop;
mod sync;

use super::{
    environment::{Environment, Needs},
    error::AttackError,
};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The kinds of faults.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nodes are killed, and started again.
    Kill,
    /// A coordinator is killed and never comes back; one is always left.
    KillForever,
    /// Nodes stop where they are, and go on.
    Stop,
    /// A node is killed again and again, mostly before it is ready.
    RestartStorm,
    /// Each node in turn is asked to end, and started again.
    RollingRestart,
    /// Each node in turn gets a new certificate and key, and is started again to take them.
    Certificates,
    /// The wall clock of a node is off.
    ClockOffset,
    /// The wall clock of a node jumps to and fro.
    ClockJumps,
    /// The disk of a participant has no room for new work, or none at all.
    DiskFull,
    /// Every sync of a participant fails, until it has stopped.
    SyncFails,
    /// Every sync of a participant takes long.
    SyncSlow,
    /// The nodes are in two halves.
    PartitionHalves,
    /// A node hears nobody and is heard by nobody.
    PartitionNode,
    /// A node is heard and hears nobody, or the reverse.
    PartitionOneWay,
    /// A coordinator has clients and no participants.
    PartitionCoordinators,
    /// Each node has only two neighbours.
    PartitionRing,
    /// Links lose packets.
    Loss,
    /// Links bring packets twice.
    Duplication,
    /// On links packets overtake each other.
    Reordering,
    /// Links take long.
    Delay,
    /// Links are slow and drop what they can't hold.
    Rate,
}

/// What a fault touches. Two faults at the same time never touch the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Side {
    Nodes,
    Network,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 21] = [
        Kind::Kill,
        Kind::KillForever,
        Kind::Stop,
        Kind::RestartStorm,
        Kind::RollingRestart,
        Kind::Certificates,
        Kind::ClockOffset,
        Kind::ClockJumps,
        Kind::DiskFull,
        Kind::SyncFails,
        Kind::SyncSlow,
        Kind::PartitionHalves,
        Kind::PartitionNode,
        Kind::PartitionOneWay,
        Kind::PartitionCoordinators,
        Kind::PartitionRing,
        Kind::Loss,
        Kind::Duplication,
        Kind::Reordering,
        Kind::Delay,
        Kind::Rate,
    ];

    /// Its name, as `kill-forever`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Kill => "kill",
            Kind::KillForever => "kill-forever",
            Kind::Stop => "stop",
            Kind::RestartStorm => "restart-storm",
            Kind::RollingRestart => "rolling-restart",
            Kind::Certificates => "certificates",
            Kind::ClockOffset => "clock-offset",
            Kind::ClockJumps => "clock-jumps",
            Kind::DiskFull => "disk-full",
            Kind::SyncFails => "sync-fails",
            Kind::SyncSlow => "sync-slow",
            Kind::PartitionHalves => "partition-halves",
            Kind::PartitionNode => "partition-node",
            Kind::PartitionOneWay => "partition-one-way",
            Kind::PartitionCoordinators => "partition-coordinators",
            Kind::PartitionRing => "partition-ring",
            Kind::Loss => "loss",
            Kind::Duplication => "duplication",
            Kind::Reordering => "reordering",
            Kind::Delay => "delay",
            Kind::Rate => "rate",
        }
    }

    /// Kinds by their names, separated by commas. Also `partitions`, `network` (those and what links do), `clock`,
    /// `disk`, `mixed` (all), `passing` (all that end: in a long run, what is killed for good would soon be gone for the
    /// rest of it), and `none`.
    pub fn list(text: &str) -> Result<Vec<Kind>, UnknownKind> {
        let mut kinds = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "none" => {}
                "mixed" => kinds.extend(Kind::ALL),
                "passing" => kinds.extend(Kind::ALL.into_iter().filter(|kind| !kind.nemesis().is_forever())),
                "partitions" => {
                    kinds.extend(Kind::ALL.into_iter().filter(|kind| kind.name().starts_with("partition-")))
                }
                "network" => kinds.extend(Kind::ALL.into_iter().filter(|kind| kind.side() == Side::Network)),
                "clock" => kinds.extend([Kind::ClockOffset, Kind::ClockJumps]),
                "disk" => kinds.extend([Kind::DiskFull, Kind::SyncFails, Kind::SyncSlow]),
                name => kinds.push(name.parse()?),
            }
        }
        kinds.sort();
        kinds.dedup();
        Ok(kinds)
    }

    /// The shortest text from which [`Kind::list`] makes these kinds, which are in order.
    pub fn in_one_word(kinds: &[Kind]) -> String {
        let group = ["none", "mixed", "passing"]
            .into_iter()
            .find(|group| Kind::list(group).is_ok_and(|all| all == kinds));
        let names = || kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(",");
        group.map_or_else(names, str::to_owned)
    }

    pub(crate) fn side(self) -> Side {
        match self {
            Kind::Kill
            | Kind::KillForever
            | Kind::Stop
            | Kind::RestartStorm
            | Kind::RollingRestart
            | Kind::Certificates
            | Kind::ClockOffset
            | Kind::ClockJumps
            | Kind::DiskFull
            | Kind::SyncFails
            | Kind::SyncSlow => Side::Nodes,
            Kind::PartitionHalves
            | Kind::PartitionNode
            | Kind::PartitionOneWay
            | Kind::PartitionCoordinators
            | Kind::PartitionRing
            | Kind::Loss
            | Kind::Duplication
            | Kind::Reordering
            | Kind::Delay
            | Kind::Rate => Side::Network,
        }
    }

    /// What the environment must have for it.
    pub(crate) fn needs(self) -> Needs {
        Needs {
            links: self.side() == Side::Network,
            relay: matches!(self, Kind::Duplication | Kind::Reordering | Kind::Delay | Kind::Rate),
            shim: matches!(self, Kind::ClockOffset | Kind::ClockJumps | Kind::SyncFails | Kind::SyncSlow),
            disks: self == Kind::DiskFull,
        }
    }

    /// What does it.
    pub(crate) fn nemesis(self) -> &'static dyn Nemesis {
        match self {
            Kind::Kill => &kill::Kill,
            Kind::KillForever => &kill::KillForever,
            Kind::Stop => &stop::Stop,
            Kind::RestartStorm => &restart::Storm,
            Kind::RollingRestart => &restart::Rolling,
            Kind::Certificates => &certificates::Certificates,
            Kind::ClockOffset => &clock::Offset,
            Kind::ClockJumps => &clock::Jumps,
            Kind::DiskFull => &disk::Full,
            Kind::SyncFails => &sync::Fails,
            Kind::SyncSlow => &sync::Slow,
            Kind::PartitionHalves => &partition::Partition::Halves,
            Kind::PartitionNode => &partition::Partition::Node,
            Kind::PartitionOneWay => &partition::Partition::OneWay,
            Kind::PartitionCoordinators => &partition::Partition::Coordinators,
            Kind::PartitionRing => &partition::Partition::Ring,
            Kind::Loss => &link::Links::Loss,
            Kind::Duplication => &link::Links::Duplication,
            Kind::Reordering => &link::Links::Reordering,
            Kind::Delay => &link::Links::Delay,
            Kind::Rate => &link::Links::Rate,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no kind's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no nemesis; there are: {all}, and partitions, network, clock, disk, mixed, passing, none", all = Kind::ALL.map(Kind::name).join(", "))]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Kind, UnknownKind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

/// One fault as it is planned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// When it begins, in milliseconds from the beginning of the clients' work.
    pub at_ms: u64,
    /// How long it lasts, in milliseconds.
    pub for_ms: u64,
    /// Its kind.
    pub kind: Kind,
    /// What of it was drawn.
    #[serde(flatten)]
    pub drawn: Drawn,
}

/// What is drawn of a fault.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Drawn {
    /// The nodes that it hits, by name; `clients` are all clients.
    pub targets: Vec<String>,
    /// The links that it hits, from and to; empty where it hits nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<[String; 2]>,
    /// Its figures, each with its unit in its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, i64>,
    /// The same in words.
    pub detail: String,
}

impl Drawn {
    /// Of some nodes.
    pub(crate) fn of(targets: Vec<String>, detail: impl Into<String>) -> Drawn {
        Drawn { targets, detail: detail.into(), ..Drawn::default() }
    }

    pub(crate) fn figure(mut self, name: &str, value: i64) -> Drawn {
        self.figures.insert(name.to_owned(), value);
        self
    }

    /// A figure that was drawn; an edited schedule may lack it.
    pub(crate) fn get(&self, name: &str) -> Result<i64, AttackError> {
        self.figures.get(name).copied().ok_or_else(|| AttackError::Option {
            option: "schedule",
            value: self.detail.clone(),
            why: format!("a fault lacks its figure {name:?}"),
        })
    }
}

/// The cluster as far as a schedule knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Its coordinators that were not killed for good so far.
    pub coordinators: Vec<String>,
    /// Its participants.
    pub participants: Vec<String>,
}

impl Shape {
    /// All nodes.
    pub(crate) fn nodes(&self) -> Vec<String> {
        self.coordinators.iter().chain(&self.participants).cloned().collect()
    }

    /// Some nodes, as faults of processes hit them: often one, sometimes all of a role, rarely all.
    pub(crate) fn some(&self, random: &mut Random) -> Vec<String> {
        match random.below(10) {
            0 => self.nodes(),
            1 | 2 => self.coordinators.clone(),
            3 => self.participants.clone(),
            4 | 5 => vec![random.pick(&self.coordinators).clone(), random.pick(&self.participants).clone()],
            _ => vec![random.pick(&self.nodes()).clone()],
        }
    }

    /// One participant.
    pub(crate) fn participant(&self, random: &mut Random) -> Vec<String> {
        vec![random.pick(&self.participants).clone()]
    }
}

/// One kind of fault.
pub(crate) trait Nemesis: Sync {
    /// Draws whom it hits and how hard; none if there is nobody to hit. What it takes away for good it takes out of the shape.
    fn draw(&self, shape: &mut Shape, random: &mut Random) -> Option<Drawn>;

    /// Makes it. May take as long as the fault: it then asks whether it is to go on.
    fn begin(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError>;

    /// Ends it.
    fn end(&self, fault: &Planned, cluster: &Environment) -> Result<(), AttackError>;

    /// Whether it is never over.
    fn is_forever(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_written_the_same_way() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).expect("a name"), kind.name());
        }
    }

    #[test]
    fn groups_stand_for_their_kinds_and_unknown_names_are_named() {
        assert_eq!(Kind::list("mixed").expect("known"), Kind::ALL);
        assert_eq!(Kind::list("partitions,kill, kill").expect("known").len(), 6);
        assert_eq!(Kind::list("none").expect("known"), []);
        let passing = Kind::list("passing").expect("known");
        assert_eq!(passing.len(), Kind::ALL.len() - 1);
        assert!(!passing.contains(&Kind::KillForever));
        for text in ["none", "mixed", "passing", "kill", "kill,stop"] {
            assert_eq!(Kind::in_one_word(&Kind::list(text).expect("known")), text);
        }
        let error = Kind::list("kill,fire").expect_err("unknown");
        assert!(error.to_string().contains("\"fire\"") && error.to_string().contains("disk-full"));
    }
}
