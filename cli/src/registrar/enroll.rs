//! `assent enroll` and `assent drop`: one student, several courses, all or none.

use super::{call, print_committed};
use crate::{context::Global, failure::Failure, status::Status};
use clap::Args;

/// Who, and which courses.
#[derive(Debug, Args)]
pub(crate) struct EnrollArgs {
    /// The student's id
    student: String,
    /// The courses' ids
    #[arg(required = true, value_name = "COURSE")]
    courses: Vec<String>,
}

impl EnrollArgs {
    fn courses(&self) -> Vec<&str> {
        self.courses.iter().map(String::as_str).collect()
    }
}

/// Runs `assent enroll`.
pub(crate) fn enroll(args: &EnrollArgs, global: &Global) -> Result<Status, Failure> {
    let (student, courses) = (&args.student, args.courses.join(", "));
    let what = format!("enrol {student} in {courses}");
    let receipt = call(global, &what, async |registrar| registrar.enroll(student, &args.courses()).await)?;
    print_committed(global.output(), &receipt, format!("{student} is enrolled in {courses}"))
}

/// Runs `assent drop`.
pub(crate) fn drop(args: &EnrollArgs, global: &Global) -> Result<Status, Failure> {
    let (student, courses) = (&args.student, args.courses.join(", "));
    let what = format!("drop {student} from {courses}");
    let receipt = call(global, &what, async |registrar| registrar.drop(student, &args.courses()).await)?;
    print_committed(global.output(), &receipt, format!("{student} has dropped {courses}"))
}
