//! What an import says in the end.

use super::{
    compare::{Compared, Differing},
    input::Remark,
    run::Done,
};
use crate::{output::thousands, status::Status};
use serde::Serialize;
use std::fmt;

/// The result of an import.
#[derive(Debug, Serialize)]
pub(super) struct ImportReport {
    dataset: String,
    /// Lines or rows of the input that were taken.
    pub(super) lines: u64,
    /// Transactions that this run committed.
    committed: u64,
    /// Transactions that an earlier run had committed.
    already_done: u64,
    /// Courses created by this run.
    courses_created: u64,
    /// Transactions tried again, after a conflict or while a node was away.
    retried: u64,
    /// Transactions that the cluster refused: what it held did not go with them.
    refused: Vec<Remark>,
    /// What was wrong with the input.
    remarks: Vec<Remark>,
    /// What is worth knowing and not wrong.
    pub(super) notes: Vec<String>,
    courses: u64,
    enrolments: u64,
    differing: Vec<Differing>,
    seconds: f64,
    result: &'static str,
}

impl ImportReport {
    /// Of a run that has ended.
    pub(super) fn new(dataset: &str, remarks: Vec<Remark>, compared: Compared, done: Done) -> ImportReport {
        let mut report = ImportReport {
            dataset: dataset.to_owned(),
            lines: 0,
            committed: done.committed,
            already_done: done.already_done,
            courses_created: done.courses_created,
            retried: done.retried,
            refused: done.refused,
            remarks,
            notes: Vec::new(),
            courses: compared.courses,
            enrolments: compared.enrolments,
            differing: compared.differing,
            seconds: done.seconds,
            result: "",
        };
        report.result = report.status().label();
        report
    }

    /// Clean, dirty or wrong.
    pub(super) fn status(&self) -> Status {
        if !self.refused.is_empty() || self.differing.iter().any(Differing::is_wrong) {
            Status::WrongResult
        } else if !self.remarks.is_empty() || !self.differing.is_empty() {
            Status::DirtyInput
        } else {
            Status::Done
        }
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for remark in &self.remarks {
            writeln!(f, "input    {remark}")?;
        }
        for refused in &self.refused {
            writeln!(f, "refused  {refused}")?;
        }
        for differing in &self.differing {
            let label = if differing.is_wrong() { "WRONG  " } else { "differs" };
            writeln!(f, "{label}  {differing}")?;
        }
        for note in &self.notes {
            writeln!(f, "note     {note}")?;
        }
        writeln!(
            f,
            "{}: {} lines; {} transactions committed, {} done before, {} refused, {} tried again; {:.1} s",
            self.dataset,
            thousands(self.lines),
            thousands(self.committed),
            thousands(self.already_done),
            thousands(self.refused.len() as u64),
            thousands(self.retried),
            self.seconds
        )?;
        let agree = self.courses - self.differing.len() as u64;
        writeln!(
            f,
            "{} enrolments on the cluster; the counts of {} of {} courses agree with the file",
            thousands(self.enrolments),
            thousands(agree),
            thousands(self.courses)
        )?;
        match self.status() {
            Status::DirtyInput => writeln!(f, "imported, but the input is dirty: see above"),
            Status::WrongResult => writeln!(f, "WRONG: the cluster does not hold what the lines say"),
            _ => writeln!(f, "clean: everything agrees"),
        }
    }
}
