//! Both sides of every enrolment: a schedule entry has its roster entry, and the reverse.

use super::{
    report::{Kind, Violation},
    university::University,
};
use crate::{failure::Failure, registrar::records, settle::Settler};
use assent_client::Transaction;
use assent_protocol::operation::ReadResult;
use std::collections::BTreeSet;

/// Pairs in one read. More is faster on a quiet cluster, and disturbed more often on a loaded one.
const BATCH: usize = 50;

/// A student and a course.
pub(super) type Pair<'a> = (&'a str, &'a str);

/// The pairs that the scans saw on one side only.
pub(super) fn one_sided(university: &University) -> Vec<Pair<'_>> {
    let scheduled: BTreeSet<Pair<'_>> = university
        .students
        .iter()
        .flat_map(|(id, student)| student.schedule.iter().map(move |course| (id.as_str(), course.as_str())))
        .collect();
    let rostered: BTreeSet<Pair<'_>> = university
        .courses
        .iter()
        .flat_map(|(id, course)| course.roster.iter().map(move |student| (student.as_str(), id.as_str())))
        .collect();
    scheduled.symmetric_difference(&rostered).copied().collect()
}

/// Reads pairs again, both sides at one moment.
pub(super) async fn reread(session: &mut Settler, pairs: &[Pair<'_>]) -> Result<Vec<Violation>, Failure> {
    let mut violations = Vec::new();
    for batch in pairs.chunks(BATCH) {
        let reads = batch.iter().fold(Transaction::new(), |reads, (student, course)| {
            reads.read_member(records::student(student), records::SCHEDULE, *course).read_member(
                records::course(course),
                records::ROSTER,
                *student,
            )
        });
        let seen = session.read(reads).await?;
        for ((student, course), sides) in batch.iter().zip(seen.chunks(2)) {
            let what = match sides {
                [ReadResult::Member(true), ReadResult::Member(false)] => {
                    format!("student {student} has course {course}, but its roster lacks the student")
                }
                [ReadResult::Member(false), ReadResult::Member(true)] => {
                    format!("course {course} has student {student}, whose schedule lacks the course")
                }
                _ => continue,
            };
            violations.push(Violation { kind: Kind::HalfEnrolment, what });
        }
    }
    Ok(violations)
}
