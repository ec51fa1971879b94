//! Verdicts as a command prints them.

use super::Status;
use assent_lab::verdict::{Finding, Verdict};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// More anomalies of one checker are only counted; JSON has all.
const ANOMALIES_SHOWN_MAX: usize = 5;
/// More lines of one anomaly are only counted.
const LINES_SHOWN_MAX: usize = 12;

/// What was judged, and how.
#[derive(Serialize)]
pub(crate) struct Judged {
    /// The history, or the folder of the run.
    pub(crate) of: PathBuf,
    /// The exit status, by name.
    status: &'static str,
    /// How many operations clients began.
    operations: usize,
    /// What each checker says.
    verdicts: Vec<Verdict>,
    /// Checkers that found nothing of theirs to judge.
    not_judged_by: Vec<String>,
}

impl Judged {
    /// All verdicts count.
    pub(crate) fn new(of: PathBuf, operations: usize, verdicts: Vec<Verdict>) -> Judged {
        let status = Status::of(&verdicts).label();
        Judged { of, status, operations, verdicts, not_judged_by: Vec::new() }
    }

    /// Of checkers that were not chosen, those count that could tell; if none could, nobody could.
    pub(crate) fn by_any(of: PathBuf, operations: usize, verdicts: Vec<Verdict>) -> Judged {
        let (told, silent): (Vec<_>, Vec<_>) =
            verdicts.into_iter().partition(|verdict| verdict.finding != Finding::Unknown);
        if told.is_empty() {
            return Judged::new(of, operations, silent);
        }
        let not_judged_by = silent.into_iter().map(|verdict| verdict.checker).collect();
        Judged { not_judged_by, ..Judged::new(of, operations, told) }
    }

    /// How the program ends.
    pub(crate) fn status(&self) -> Status {
        Status::of(&self.verdicts)
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} operations", self.of.display(), self.operations)?;
        for verdict in &self.verdicts {
            write_verdict(f, verdict)?;
        }
        if !self.not_judged_by.is_empty() {
            writeln!(f, "  nothing to judge for {}", self.not_judged_by.join(", "))?;
        }
        Ok(())
    }
}

fn write_verdict(f: &mut fmt::Formatter<'_>, verdict: &Verdict) -> fmt::Result {
    let word = match verdict.finding {
        Finding::Holds => "holds",
        Finding::Unknown => "unknown",
        Finding::Undecided => "UNDECIDED",
        Finding::Violated => "VIOLATED",
    };
    writeln!(f, "  {word:<8}  {}: {}", verdict.checker, verdict.summary)?;
    for anomaly in verdict.anomalies.iter().take(ANOMALIES_SHOWN_MAX) {
        writeln!(f, "            {}: {}", anomaly.class, anomaly.words.replace('\n', "\n            "))?;
        let lines: Vec<String> = anomaly.events.iter().take(LINES_SHOWN_MAX).map(u64::to_string).collect();
        let more = anomaly.events.len().saturating_sub(LINES_SHOWN_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if !lines.is_empty() {
            writeln!(f, "            lines of index {}{more}", lines.join(", "))?;
        }
    }
    match verdict.anomalies.len().saturating_sub(ANOMALIES_SHOWN_MAX) {
        0 => Ok(()),
        more => writeln!(f, "            and {more} more anomalies"),
    }
}
