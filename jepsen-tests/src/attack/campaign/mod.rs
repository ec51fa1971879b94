//! A campaign: many attacks on real clusters, planned whole; a folder for each, and one table of what they came to.
//!
//! What an attack came to is written when it has ended, beside what it leaves behind. So a campaign that was interrupted goes
//! on where it was, and may be made part by part. An attack that finds something wrong, or that can't be made, is told in
//! the table and keeps no other from being made.
//!
//! Not here: how one attack is made. Invariant: an attack that is told in the table has ended, and was made with the
//! settings of the campaign.

mod plan;
mod table;

pub use plan::{Part, Planned, WORKLOADS, plan};
pub use table::table;

use super::{AttackError, AttackOptions, Kind, Network, error::file, runner};
use crate::{
    checkers::availability::Figures,
    run::Run,
    verdict::Finding,
    workloads::{WorkloadOptions, by_name},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// The settings, in a campaign's folder.
const SETTINGS: &str = "campaign.json";
/// What an attack came to, in a campaign's folder.
const RESULTS: &str = "results";
/// The table, in a campaign's folder.
pub const TABLE: &str = "table.md";

/// What is chosen for a campaign: it is the same for all its attacks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// How long clients work in an attack, in seconds; default 60.
    pub seconds: u64,
    /// How long they do in the long one, in seconds; default 1,800.
    pub long_seconds: u64,
    /// The seed of the first attack; each further one has the next. Default 1.
    pub seed: u64,
    /// Which workload meets which kind of fault alone: another with each round. Default 0.
    pub round: u64,
    /// Coordinators; default 2.
    pub coordinators: u16,
    /// Participants; default 3.
    pub participants: u16,
    /// Logical clients; default 6. Fewer of them, and longer pauses, leave more of the machine to others.
    pub processes: u16,
    /// After so long an operation is unknown, in milliseconds; default 2,000.
    pub deadline_ms: u64,
    /// A client rests so long between two operations, in milliseconds; default 25.
    pub pause_ms: u64,
    /// How the nodes are kept apart; default `Automatic`.
    pub network: Network,
}

impl Settings {
    /// Refuses what can't be attacked.
    ///
    /// # Errors
    /// The first figure that can't be.
    pub fn check(&self) -> Result<(), AttackError> {
        let longest = self.seconds.max(self.long_seconds);
        self.options(Path::new(""), self.seed, longest).check()
    }

    fn options(&self, folder: &Path, seed: u64, seconds: u64) -> AttackOptions {
        AttackOptions {
            coordinators: self.coordinators,
            participants: self.participants,
            processes: self.processes,
            clients: self.processes.min(2),
            duration: Duration::from_secs(seconds),
            deadline: Duration::from_millis(self.deadline_ms),
            pause: Duration::from_millis(self.pause_ms),
            network: self.network,
            ..AttackOptions::new(folder, seed)
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seconds: 60,
            long_seconds: 1_800,
            seed: 1,
            round: 0,
            coordinators: 2,
            participants: 3,
            processes: 6,
            deadline_ms: 2_000,
            pause_ms: 25,
            network: Network::Automatic,
        }
    }
}

/// What an attack of a campaign came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Made {
    /// What was planned.
    pub planned: Planned,
    /// When it ended, as in RFC 3339.
    pub ended: String,
    /// Its folder, in that of the campaign.
    pub folder: PathBuf,
    /// How it ended.
    pub end: End,
}

/// How an attack of a campaign ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It was judged.
    Judged {
        /// The worst finding.
        finding: Finding,
        /// Who found it; empty where everything holds.
        by: Vec<String>,
        /// How long clients waited, and for what.
        figures: Figures,
        /// What else a reader of the run should know.
        notes: Vec<String>,
    },
    /// No fault was left, and an operation could not be committed all the same.
    Stuck {
        /// What is known of it.
        why: String,
    },
    /// It could not be made, or not be finished, by no fault of the cluster's.
    NotMade {
        /// Why.
        why: String,
    },
}

impl Made {
    /// What was found; none if nothing could be judged.
    pub fn finding(&self) -> Option<Finding> {
        match &self.end {
            End::Judged { finding, .. } => Some(*finding),
            End::Stuck { .. } => Some(Finding::Undecided),
            End::NotMade { .. } => None,
        }
    }
}

/// A campaign and its folder.
#[derive(Debug)]
pub struct Campaign {
    folder: PathBuf,
    settings: Settings,
    binary: Option<PathBuf>,
}

impl Campaign {
    /// Begins a campaign in a folder, which is made if it is not there, or goes on with the one that is in it. `binary` is the
    /// `assent` program; none: where [`AttackOptions::binary`] says.
    ///
    /// # Errors
    /// If a campaign with other settings is there, or the folder can't be written.
    pub fn open(folder: &Path, settings: Settings, binary: Option<PathBuf>) -> Result<Campaign, AttackError> {
        let results = folder.join(RESULTS);
        fs::create_dir_all(&results).map_err(file("make", &results))?;
        let path = folder.join(SETTINGS);
        match read::<Settings>(&path)? {
            Some(other) if other != settings => {
                return Err(AttackError::OtherCampaign { folder: folder.to_owned(), settings: SETTINGS });
            }
            Some(_) => {}
            None => write(&path, &settings)?,
        }
        Ok(Campaign { folder: folder.to_owned(), settings, binary })
    }

    /// What an attack came to, if it has ended. One that could not be made counts as not ended.
    ///
    /// # Errors
    /// If that can't be read.
    pub fn made(&self, planned: &Planned) -> Result<Option<Made>, AttackError> {
        Ok(self.told(planned)?.filter(|made| made.finding().is_some()))
    }

    fn told(&self, planned: &Planned) -> Result<Option<Made>, AttackError> {
        read(&self.result_of(planned))
    }

    fn result_of(&self, planned: &Planned) -> PathBuf {
        self.folder.join(RESULTS).join(format!("{}.json", planned.name))
    }

    /// Makes an attack, and writes down what it came to.
    ///
    /// # Errors
    /// If it was interrupted, or a file of the campaign can't be written: then the campaign can't go on.
    pub fn make(&self, planned: &Planned) -> Result<Made, AttackError> {
        let folder = self.fresh(&planned.name);
        let end = match catch_unwind(AssertUnwindSafe(|| self.attack(planned, &folder))) {
            Ok(Ok(end)) => end,
            Ok(Err(AttackError::Interrupted)) => return Err(AttackError::Interrupted),
            Ok(Err(error @ AttackError::NotCommitted { .. })) => End::Stuck { why: error.to_string() },
            Ok(Err(error)) => End::NotMade { why: error.to_string() },
            // Everything that it had made is gone; what it said is on standard error.
            Err(_) => End::NotMade { why: "the lab itself panicked".to_owned() },
        };
        let made = Made {
            planned: planned.clone(),
            ended: super::files::date(SystemTime::now()),
            folder: folder.strip_prefix(&self.folder).unwrap_or(&folder).to_owned(),
            end,
        };
        write(&self.result_of(planned), &made)?;
        Ok(made)
    }

    /// A folder in which there is nothing yet: one that was interrupted leaves what it had to be looked at.
    fn fresh(&self, name: &str) -> PathBuf {
        let further = (2..).map(|number| format!("{name}.{number}"));
        let mut all = std::iter::once(name.to_owned()).chain(further).map(|name| self.folder.join(name));
        all.find(|folder| !folder.exists()).expect("some number is free")
    }

    fn attack(&self, planned: &Planned, folder: &Path) -> Result<End, AttackError> {
        let participants = self.settings.participants;
        let workload = WorkloadOptions { participants, ..WorkloadOptions::default() };
        let strange = |option, value: &str, why: String| {
            let value = value.to_owned();
            AttackError::Option { option, value, why }
        };
        let workload = by_name(&planned.workload, &workload)
            .ok_or_else(|| strange("workload", &planned.workload, "there is none of this name".to_owned()))?;
        let nemeses = Kind::list(&planned.nemesis)
            .map_err(|error| strange("nemesis", &planned.nemesis, error.to_string()))?;
        let options = AttackOptions {
            nemeses,
            binary: self.binary.clone(),
            ..self.settings.options(folder, planned.seed, planned.seconds)
        };
        let (run, history) = runner::account(&options, workload)?;
        let figures = Figures::of(&history, &run.faults);
        Ok(judged(run, figures))
    }

    /// Writes the table of all attacks that were told of, and gives them.
    ///
    /// # Errors
    /// If it can't be written, or a result can't be read.
    pub fn write_table(&self) -> Result<Vec<Made>, AttackError> {
        let mut all = Vec::new();
        for planned in plan(&self.settings) {
            all.extend(self.told(&planned)?);
        }
        let path = self.folder.join(TABLE);
        fs::write(&path, table(&self.settings, &all)).map_err(file("write", &path))?;
        Ok(all)
    }
}

fn judged(run: Run, figures: Figures) -> End {
    let finding = run.verdicts.iter().map(|verdict| verdict.finding).max().unwrap_or(Finding::Unknown);
    let by = run.verdicts.iter().filter(|verdict| verdict.finding == finding && finding != Finding::Holds);
    let by = by.map(|verdict| verdict.checker.clone()).collect();
    End::Judged { finding, by, figures, notes: run.notes }
}

/// Reads a file of a campaign; none if it is not there.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, AttackError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file("read", path)(error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| file("understand", path)(error.into()))
}

/// Writes a file of a campaign, whole or not at all.
fn write(path: &Path, what: &impl Serialize) -> Result<(), AttackError> {
    let text = serde_json::to_string_pretty(what).map_err(|error| file("write", path)(error.into()))?;
    let beside = path.with_extension("new");
    fs::write(&beside, text + "\n").map_err(file("write", &beside))?;
    fs::rename(&beside, path).map_err(file("write", path))
}
