//! Commands about students, courses and enrolments, and how those look as records.

pub(crate) mod course;
pub(crate) mod enroll;
pub(crate) mod records;
pub(crate) mod student;

use crate::{
    context::{self, Global},
    failure::Failure,
    output::Output,
    settle,
    status::Status,
};
use assent_client::{
    Receipt,
    registrar::{self, Registrar},
};
use serde::Serialize;
use std::fmt;

/// A change that has happened.
#[derive(Debug, Serialize)]
struct Committed {
    outcome: &'static str,
    id: String,
    #[serde(skip)]
    text: String,
}

impl fmt::Display for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Prints that a change has happened. `text` says it in the past tense, for people.
fn print_committed(out: Output, receipt: &Receipt, text: String) -> Result<Status, Failure> {
    out.print(&Committed { outcome: "committed", id: receipt.id.to_string(), text })?;
    Ok(Status::Done)
}

/// Connects, makes one call, and closes the session whatever came of it.
fn call<T>(
    global: &Global,
    what: &str,
    call: impl AsyncFnOnce(&Registrar) -> Result<T, registrar::Failure>,
) -> Result<T, Failure> {
    context::block_on(async {
        let registrar = Registrar::new(global.connect().await?);
        let result = call(&registrar).await.map_err(|failure| explain(failure, what));
        registrar.client().clone().close().await;
        result
    })
}

/// A library's failure as one of this program.
fn explain(failure: registrar::Failure, what: &str) -> Failure {
    use registrar::Refused;
    match failure {
        registrar::Failure::Refused(refused) => {
            let status = match &refused {
                Refused::UnknownStudent { .. } | Refused::UnknownCourse { .. } => Status::NotFound,
                Refused::CourseNamedTwice { .. } | Refused::NoCourse => Status::Usage,
                Refused::StudentExists { .. }
                | Refused::CourseExists { .. }
                | Refused::StudentInactive { .. }
                | Refused::CourseClosed { .. }
                | Refused::CourseFull { .. }
                | Refused::CreditLimit { .. }
                | Refused::ScheduleFull { .. }
                | Refused::AlreadyEnrolled { .. }
                | Refused::NotEnrolled { .. } => Status::Aborted,
            };
            let remedy = match &refused {
                Refused::UnknownStudent { .. } => "add the student: assent student add ID --name NAME",
                Refused::UnknownCourse { .. } => "add the course: assent course add ID --title TITLE",
                Refused::CourseNamedTwice { .. } => "name each course once",
                Refused::NoCourse => "name at least one course",
                Refused::StudentExists { .. } => "choose another id, or show it: assent student show ID",
                Refused::CourseExists { .. } => "choose another id, or show it: assent course show ID",
                Refused::CourseFull { .. } | Refused::CourseClosed { .. } => {
                    "choose another course; nothing has changed"
                }
                Refused::CreditLimit { .. } | Refused::ScheduleFull { .. } => {
                    "drop another course first: assent drop STUDENT COURSE"
                }
                Refused::StudentInactive { .. } => "see the record: assent student show ID",
                Refused::AlreadyEnrolled { .. } | Refused::NotEnrolled { .. } => {
                    "see the schedule: assent student show ID; nothing has changed"
                }
            };
            Failure::new(status, format!("could not {what}")).cause(refused).remedy(remedy)
        }
        registrar::Failure::Aborted(abort) => settle::aborted(&abort, what),
        registrar::Failure::Unknown(handle) => settle::unknown(&handle, what),
    }
}

/// Ids in a row, folded after so many.
fn list(ids: &[String]) -> String {
    if ids.is_empty() { "none".to_owned() } else { ids.join(" ") }
}
