//! One line or event of an import as one transaction.
//!
//! Every job puts a marker of its line into the student's record, in the same transaction as its effect. So whoever
//! runs the import again is refused there, and the effect takes place once, also where a later line has undone it.

use crate::registrar::records::{self, Enrolment, Place};
use assent_client::Transaction;

/// The set of a student's record that holds the markers.
const MARKERS: &str = "imports";

/// Jobs that must run one after the other; different chains run side by side.
pub(super) type Chain = Vec<Job>;

/// One transaction of an import.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// The line that it comes from.
    pub(super) line: u64,
    /// What it does.
    pub(super) change: Transaction,
    /// One read that finds something if the job was done already.
    pub(super) trace: Transaction,
}

/// Whom a job is about, and which line it comes from.
pub(super) struct Origin<'a> {
    /// The name of the data set.
    pub(super) dataset: &'a str,
    /// The line.
    pub(super) line: u64,
    /// Tells two jobs of one line apart; empty if there is only one.
    pub(super) part: &'a str,
    /// The student's id.
    pub(super) student: &'a str,
}

/// How a job meets its student.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Student {
    /// The job creates the record.
    New,
    /// An earlier job of the same chain has created it.
    Known,
}

impl Job {
    /// A course, created unless it is there.
    pub(super) fn course(id: &str, title: &str) -> Job {
        Job {
            line: 0,
            change: records::create_course(Transaction::new(), id, title, 1, None),
            trace: Transaction::new().read_field(records::course(id), records::CREDITS),
        }
    }

    /// Enrols a student in courses (id and credits): in all of them or in none.
    pub(super) fn enrol(origin: &Origin<'_>, student: Student, courses: &[(&str, i64)]) -> Job {
        let mut job = Job::begin(origin, student);
        let courses: Vec<Place<'_>> =
            courses.iter().map(|&(course, credits)| place(course, credits)).collect();
        job.change = origin.enrolment(&courses).enrol(job.change);
        job
    }

    /// Takes a student out of a course.
    pub(super) fn drop(origin: &Origin<'_>, course: &str, credits: i64) -> Job {
        let mut job = Job::begin(origin, Student::Known);
        job.change = origin.enrolment(&[place(course, credits)]).drop(job.change);
        job
    }

    fn begin(origin: &Origin<'_>, student: Student) -> Job {
        let record = records::student(origin.student);
        let marker = match origin.part {
            "" => format!("{}:{}", origin.dataset, origin.line),
            part => format!("{}:{}:{part}", origin.dataset, origin.line),
        };
        let change = match student {
            Student::New => records::create_student(Transaction::new(), origin.student, origin.student, None),
            Student::Known => records::require_active(Transaction::new(), origin.student),
        };
        Job {
            line: origin.line,
            change: change.insert(&record, MARKERS, &marker, None),
            trace: Transaction::new().read_member(&record, MARKERS, &marker),
        }
    }
}

impl Origin<'_> {
    fn enrolment<'a>(&'a self, courses: &'a [Place<'a>]) -> Enrolment<'a> {
        Enrolment { student: self.student, credits_max: None, courses }
    }
}

/// A course as the data has it: everyone who is in the file gets in.
fn place(course: &str, credits: i64) -> Place<'_> {
    Place { course, credits, capacity: None }
}
