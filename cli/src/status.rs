//! How the program ends: every exit status, in one place.
//!
//! Scripts depend on these numbers. They are append-only: a number is never given another meaning.

use std::process::ExitCode;

/// Makes the enum and its table from one list, so that neither can miss an entry of the other.
macro_rules! statuses {
    ($($name:ident = $code:literal, $label:literal, $meaning:literal;)*) => {
        /// An exit status of the program.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
    Done = 0, "done", "It worked: committed, found, verified, or cleanly imported.";
    Failed = 1, "failed", "Something else went wrong; the message says what.";
    Usage = 2, "usage", "The command line or the input can't be understood; nothing was sent for it.";
    Config = 3, "config", "A configuration, cluster, certificate or key file is missing or wrong.";
    Unreachable = 4, "unreachable", "A node did not answer in time, or did not get ready.";
    Aborted = 5, "aborted", "A transaction was refused or aborted; it has changed nothing and never will.";
    Unknown = 6, "unknown", "The outcome of a transaction is not known yet; ask with `assent outcome ID`.";
    NotFound = 7, "not-found", "There is no such record, transaction or node.";
    DirtyInput = 8, "dirty-input", "The import is complete, but its input is wrong in places or contradicts itself.";
    WrongResult = 9, "wrong-result", "What the cluster holds is not what it should hold.";
    NotExecuted = 10, "not-executed", "A transaction was not executed: too much was in flight. Try again.";
    Node = 11, "node", "A node could not start or had to stop: its port, its disk or its database.";
    Refused = 12, "refused", "A mailbox refused it: the lease is lost or another client's, the client is not permitted, or the mailbox is to be deleted and not empty. Nothing has changed.";
}

impl Status {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// The table for `--help`.
    pub(crate) fn table() -> String {
        let mut table = String::from("Exit statuses:\n");
        for status in Status::ALL {
            table.push_str(&format!("  {:>2}  {:<13} {}\n", status.code(), status.label(), status.meaning()));
        }
        table
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

    #[test]
    fn every_status_is_in_the_manual() {
        let manual = include_str!("../../docs/cli.md");
        for status in Status::ALL {
            let row = format!("| {} | `{}` | {} |", status.code(), status.label(), status.meaning());
            assert!(manual.contains(&row), "docs/cli.md lacks the row: {row}");
        }
    }

    #[test]
    fn numbers_are_given_once() {
        assert!(Status::ALL.is_sorted_by(|a, b| a.code() < b.code()));
    }
}
