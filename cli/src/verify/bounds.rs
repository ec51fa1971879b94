//! Bounds: no roster above its capacity, credits within their limits and equal to those of the courses.
//!
//! A scan shows each record at one moment, and credits and capacities of courses hardly ever change. So what
//! looks right is right, and what looks wrong is read again at one moment before it is called wrong.

use super::{
    report::{Kind, Violation},
    university::{Student, University},
};
use crate::{failure::Failure, registrar::records, settle::Settler};
use assent_client::Transaction;
use assent_protocol::{
    ids::RecordId,
    operation::{FieldContent, ReadResult, Value},
};
use std::collections::BTreeMap;

/// How often a student is read again whose schedule changes from one read to the next.
const ROUNDS_MAX: usize = 20;

/// Courses that look too full.
pub(super) fn full_looking(university: &University) -> Vec<String> {
    let too_full = |size: usize, capacity: Option<i64>| capacity.is_some_and(|most| size as i64 > most);
    university
        .courses
        .iter()
        .filter(|(_, course)| too_full(course.roster.len(), course.capacity))
        .map(|(id, _)| id.clone())
        .collect()
}

/// Students whose credits look wrong.
pub(super) fn odd_looking(university: &University) -> Vec<String> {
    let credits: BTreeMap<String, i64> =
        university.courses.iter().map(|(id, course)| (id.clone(), course.credits)).collect();
    university
        .students
        .iter()
        .filter(|(id, student)| !wrong(id, student, &credits).is_empty())
        .map(|(id, _)| id.clone())
        .collect()
}

/// Reads a course again.
pub(super) async fn reread_course(session: &mut Settler, id: &str) -> Result<Option<Violation>, Failure> {
    let record = records::course(id);
    let reads =
        Transaction::new().read_count(&record, records::ROSTER).read_field(&record, records::CAPACITY);
    let seen = session.read(reads).await?;
    let [ReadResult::Count(size), ReadResult::Field(Some(FieldContent::Value(Value::Int(capacity))))] =
        &seen[..]
    else {
        return Ok(None);
    };
    let what = format!("course {id} has {size} students, above its capacity of {capacity}");
    Ok((*size as i64 > *capacity).then_some(Violation { kind: Kind::OverCapacity, what }))
}

/// Reads a student again, together with the courses of the schedule.
pub(super) async fn reread_student(session: &mut Settler, id: &str) -> Result<Vec<Violation>, Failure> {
    let Ok(record) = RecordId::new(&records::student(id)) else { return Ok(Vec::new()) };
    let mut courses: Vec<String> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let reads = courses.iter().fold(Transaction::new().read(&record), |reads, course| {
            reads.read_field(records::course(course), records::CREDITS)
        });
        let mut seen = session.read(reads).await?.into_iter();
        let Some(ReadResult::Record(Some(content))) = seen.next() else { return Ok(Vec::new()) };
        let mut own = University::default();
        let student = own.student(&record, &content);
        if student.schedule.iter().all(|course| courses.contains(course)) {
            let credits = courses
                .into_iter()
                .zip(seen.map(|seen| match seen {
                    ReadResult::Field(Some(FieldContent::Value(Value::Int(credits)))) => credits,
                    _ => 0,
                }))
                .collect();
            return Ok(wrong(id, &student, &credits));
        }
        courses = student.schedule.into_iter().collect();
    }
    Ok(Vec::new())
}

/// What is wrong with a student's credits, if the courses have these.
fn wrong(id: &str, student: &Student, credits: &BTreeMap<String, i64>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let sum: i64 = student.schedule.iter().filter_map(|course| credits.get(course)).sum();
    if student.credits != sum {
        let what = format!(
            "student {id} has {} credits, and the courses of the schedule have {sum}",
            student.credits
        );
        violations.push(Violation { kind: Kind::CreditsSum, what });
    }
    let most = student.credits_max.unwrap_or(i64::MAX);
    if !(0..=most).contains(&student.credits) {
        let limits =
            student.credits_max.map_or_else(|| "below 0".to_owned(), |max| format!("not within 0 and {max}"));
        let what = format!("student {id} has {} credits, {limits}", student.credits);
        violations.push(Violation { kind: Kind::CreditsOutOfBounds, what });
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_credits_are_seen() {
        let credits = BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 4)]);
        let student = |credits, credits_max, courses: &[&str]| Student {
            credits,
            credits_max,
            schedule: courses.iter().map(|&course| course.to_owned()).collect(),
        };
        assert!(wrong("s", &student(7, Some(7), &["a", "b"]), &credits).is_empty());
        assert!(wrong("s", &student(0, None, &[]), &credits).is_empty());
        assert_eq!(wrong("s", &student(3, None, &["a", "b"]), &credits)[0].kind, Kind::CreditsSum);
        assert_eq!(wrong("s", &student(7, Some(6), &["a", "b"]), &credits)[0].kind, Kind::CreditsOutOfBounds);
    }
}
