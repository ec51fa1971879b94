//! The summary in the end.

use super::faults::Fault;
use crate::{
    latency::Percentiles, output::thousands, status::Status, tally::Tally, verify::report::VerifyReport,
};
use serde::Serialize;
use std::{fmt, io::IsTerminal};

/// Differences that are printed as text; JSON has all.
const SHOWN: usize = 10;

/// Everything that the demonstration came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DemoReport {
    pub(super) students: u64,
    pub(super) courses: u64,
    pub(super) courses_full: u64,
    pub(super) seconds: f64,
    pub(super) committed: u64,
    pub(super) transactions_per_second: f64,
    pub(super) latency: Percentiles,
    pub(super) refused: Tally,
    /// Tries that came to nothing and were followed by another one.
    pub(super) retried: u64,
    /// Outcomes that were unknown at first, and then learnt.
    pub(super) unknown_at_first: u64,
    /// Transactions that participants settled among themselves, summed over them.
    pub(super) resolved_by_peers: u64,
    pub(super) faults: Vec<Fault>,
    pub(super) verification: VerifyReport,
    /// Where the records differ from what was acknowledged.
    pub(super) differences: Vec<String>,
    pub(super) result: &'static str,
}

impl DemoReport {
    /// Whether everything is as it was promised.
    pub(super) fn status(&self) -> Status {
        if self.differences.is_empty() { self.verification.status() } else { Status::WrongResult }
    }
}

impl fmt::Display for DemoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paint = Paint::for_stdout();
        let n = thousands;
        writeln!(f)?;
        writeln!(
            f,
            "{}",
            paint.bold(&format!(
                "Registration: {} students, {} courses ({} of them full), {:.1} s",
                n(self.students),
                n(self.courses),
                n(self.courses_full),
                self.seconds
            ))
        )?;
        let rate = n(self.transactions_per_second as u64);
        writeln!(f, "  committed          {:>9}   {rate} per second", n(self.committed))?;
        writeln!(f, "                                 {}", self.latency)?;
        writeln!(f, "  refused            {:>9}   {}", n(self.refused.total()), self.refused)?;
        writeln!(f, "  retried            {:>9}", n(self.retried))?;
        writeln!(f, "  resolved by peers  {:>9}   without a coordinator", n(self.resolved_by_peers))?;
        for fault in &self.faults {
            let after = fault.back_after_s.map_or_else(
                || "for good".to_owned(),
                |seconds| format!("back and ready after {seconds:.1} s"),
            );
            writeln!(f, "  killed             {:>7.1} s   {}, {after}", fault.at_s, fault.node)?;
        }
        writeln!(f)?;
        self.write_verification(f, paint)
    }
}

impl DemoReport {
    fn write_verification(&self, f: &mut fmt::Formatter<'_>, paint: Paint) -> fmt::Result {
        let seen = &self.verification;
        writeln!(
            f,
            "{}",
            paint.bold(&format!("Verification: every record on every participant, {:.1} s", seen.seconds))
        )?;
        let mut check = |holds: bool, text: String| {
            let mark = if holds { paint.green("✓") } else { paint.red("✗") };
            writeln!(f, "  {mark} {text}")
        };
        use crate::verify::report::Kind;
        let none = |kinds: &[Kind]| !seen.violations.iter().any(|violation| kinds.contains(&violation.kind));
        check(
            none(&[Kind::HalfEnrolment]),
            format!("both sides of all {} enrolments agree", thousands(seen.enrolments)),
        )?;
        check(
            none(&[Kind::OverCapacity, Kind::CreditsOutOfBounds, Kind::CreditsSum]),
            "no course is over its capacity, no student over the credits allowed".to_owned(),
        )?;
        check(
            none(&[Kind::Misplaced, Kind::WrongType]),
            "every record is where and what it should be".to_owned(),
        )?;
        check(none(&[Kind::InDoubt]), "no transaction is left in doubt".to_owned())?;
        check(
            self.differences.is_empty(),
            format!("all {} acknowledged changes are there, and no refused one", thousands(self.committed)),
        )?;
        for wrong in
            seen.violations.iter().map(|violation| &violation.what).chain(&self.differences).take(SHOWN)
        {
            writeln!(f, "    {wrong}")?;
        }
        writeln!(f)?;
        match self.status() {
            Status::Done => writeln!(f, "{}", paint.green("Everything is as it was promised.")),
            _ => writeln!(f, "{}", paint.red("NOT as promised: see above.")),
        }
    }
}

/// Colours, where there is someone to see them.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn for_stdout() -> Paint {
        Paint(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none())
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn green(self, text: &str) -> String {
        self.with("1;32", text)
    }

    fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
