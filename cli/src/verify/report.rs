//! What a verification says.

use crate::{output::thousands, status::Status};
use serde::Serialize;
use std::fmt;

/// Violations that are printed as text; JSON has all.
const SHOWN: usize = 50;

/// What was checked, and what is wrong.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VerifyReport {
    /// Student records.
    pub(crate) students: u64,
    /// Course records.
    pub(crate) courses: u64,
    /// Entries of all schedules.
    pub(crate) enrolments: u64,
    /// Pairs that the scans saw on one side only, read again on both sides at one moment.
    pub(crate) pairs_reread: u64,
    /// Records whose bounds looked wrong, read again together with what they depend on.
    pub(crate) records_reread: u64,
    /// Undecided transactions, summed over the participants.
    pub(crate) in_doubt: u64,
    /// What is wrong.
    pub(crate) violations: Vec<Violation>,
    /// How long it took.
    pub(crate) seconds: f64,
    /// The label of the exit status.
    pub(crate) result: &'static str,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Violation {
    /// What kind of thing.
    pub(crate) kind: Kind,
    /// Which, exactly.
    pub(crate) what: String,
}

/// What can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A schedule entry without its roster entry, or the reverse.
    HalfEnrolment,
    /// A roster above its course's capacity.
    OverCapacity,
    /// Credits below 0 or above what the student may have.
    CreditsOutOfBounds,
    /// Credits that are not the sum of those of the courses.
    CreditsSum,
    /// A record on a participant that does not own it.
    Misplaced,
    /// A field that holds another type than it should.
    WrongType,
    /// A transaction in doubt on a quiet cluster.
    InDoubt,
}

impl VerifyReport {
    /// Whether all is well.
    pub(crate) fn status(&self) -> Status {
        if self.violations.is_empty() { Status::Done } else { Status::WrongResult }
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(f, "WRONG  {}", violation.what)?;
        }
        if self.violations.len() > SHOWN {
            writeln!(f, "WRONG  … and {} more", thousands((self.violations.len() - SHOWN) as u64))?;
        }
        writeln!(
            f,
            "{} students, {} courses, {} enrolments; {} pairs and {} records read again; {} in doubt; {:.1} s",
            thousands(self.students),
            thousands(self.courses),
            thousands(self.enrolments),
            thousands(self.pairs_reread),
            thousands(self.records_reread),
            thousands(self.in_doubt),
            self.seconds
        )?;
        if self.violations.is_empty() {
            writeln!(f, "verified: both sides of every enrolment agree, and every bound holds")
        } else {
            writeln!(f, "NOT verified: {} violations", thousands(self.violations.len() as u64))
        }
    }
}
