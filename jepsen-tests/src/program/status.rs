//! How the program ends: every exit status, in one place.
//!
//! Scripts depend on these numbers. They are append-only: a number is never given another meaning.

use assent_lab::verdict::{Finding, Verdict};
use std::process::ExitCode;

/// Makes the enum and its table from one list, so that neither can miss an entry of the other.
macro_rules! statuses {
    ($($name:ident = $code:literal, $label:literal, $meaning:literal;)*) => {
        /// An exit status of the program.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum Status {
            $(#[doc = $meaning] $name = $code,)*
        }

        impl Status {
            /// Every status, in order.
            pub(crate) const ALL: &[Status] = &[$(Status::$name,)*];

            /// A short stable name, for JSON.
            pub(crate) fn label(self) -> &'static str {
                match self { $(Status::$name => $label,)* }
            }

            /// What it means, in one sentence.
            pub(crate) fn meaning(self) -> &'static str {
                match self { $(Status::$name => $meaning,)* }
            }
        }
    };
}

statuses! {
    Holds = 0, "holds", "Everything that was judged holds, or the command did what it was asked for.";
    Violated = 1, "violated", "A promise is broken: an outcome, an answer or a record is wrong.";
    Usage = 2, "usage", "The command line or a file can't be understood; nothing was run.";
    Undecided = 3, "undecided", "Nothing is wrong, but something was not decided within its bound.";
    Environment = 4, "environment", "The run could not be set up or finished: a program, a right, a port, a disk.";
    Unknown = 5, "unknown", "A checker could not tell: too little happened, or its search was given up.";
    Interrupted = 130, "interrupted", "Ctrl-C or SIGTERM; what the run had made was removed.";
}

impl Status {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// What verdicts come to. Where nobody has judged, nothing is known.
    pub(crate) fn of(verdicts: &[Verdict]) -> Status {
        verdicts.iter().map(|verdict| verdict.finding.into()).reduce(Status::or).unwrap_or(Status::Unknown)
    }

    /// The worse of two findings: a broken promise before what is undecided, that before what could not be run,
    /// and that before what is not known.
    pub(crate) fn or(self, other: Status) -> Status {
        let rank = |status| match status {
            Status::Violated => 4,
            Status::Undecided => 3,
            Status::Environment => 2,
            Status::Unknown => 1,
            Status::Holds | Status::Usage | Status::Interrupted => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// The table for `--help`.
    pub(crate) fn table() -> String {
        let mut table = String::from("Exit statuses:\n");
        for status in Status::ALL {
            table.push_str(&format!("  {:>3}  {:<12} {}\n", status.code(), status.label(), status.meaning()));
        }
        table
    }
}

impl From<Finding> for Status {
    fn from(finding: Finding) -> Status {
        match finding {
            Finding::Holds => Status::Holds,
            Finding::Unknown => Status::Unknown,
            Finding::Undecided => Status::Undecided,
            Finding::Violated => Status::Violated,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(checker: &str, finding: Finding) -> Verdict {
        let (checker, summary) = (checker.to_owned(), String::new());
        Verdict { checker, finding, summary, anomalies: Vec::new(), tables: Vec::new() }
    }

    #[test]
    fn a_broken_promise_counts_more_than_what_is_undecided_or_unknown() {
        let unknown = verdict("bank", Finding::Unknown);
        let late = verdict("availability", Finding::Undecided);
        let broken = verdict("bank", Finding::Violated);
        let holds = verdict("bank", Finding::Holds);
        assert_eq!(Status::of(std::slice::from_ref(&holds)), Status::Holds);
        assert_eq!(Status::of(&[holds.clone(), unknown.clone()]), Status::Unknown);
        assert_eq!(Status::of(&[late.clone(), unknown]), Status::Undecided);
        assert_eq!(Status::of(&[broken, late, holds]), Status::Violated);
        assert_eq!(Status::of(&[]), Status::Unknown);
    }

    #[test]
    fn every_status_is_in_the_manual() {
        let manual = include_str!("../../../docs/lab.md");
        for status in Status::ALL {
            let row = format!("| {} | `{}` | {} |", status.code(), status.label(), status.meaning());
            assert!(manual.contains(&row), "docs/lab.md lacks the row: {row}");
        }
    }

    #[test]
    fn numbers_are_given_once() {
        assert!(Status::ALL.is_sorted_by(|a, b| a.code() < b.code()));
    }
}
