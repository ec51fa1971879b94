//! The transaction that changes a student's courses, and what its refusals mean. Pure.

use super::{
    ACTIVE, OPEN, Refused, SCHEDULE_MAX,
    catalogue::{CourseLimits, StudentLimits},
    course_record, student_record,
};
use crate::transaction::Transaction;
use assent_protocol::outcome::{Refusal, RefusalKind};
use std::{collections::BTreeSet, ops::Bound};

/// The change of a student's courses.
pub(super) fn transaction(
    student: &str,
    limits: &StudentLimits,
    leaving: &[CourseLimits],
    joining: &[CourseLimits],
) -> Result<Transaction, Refused> {
    check(leaving, joining)?;
    let own = student_record(student);
    let mut all = Transaction::new();
    if !joining.is_empty() {
        all = all.require_equals(&own, "status", ACTIVE);
    }
    // Leaving first: its places in the schedule are free for what is joined.
    for course in leaving {
        all = all.remove(&own, "schedule", &course.id, None);
    }
    for course in joining {
        all = all.insert(&own, "schedule", &course.id, SCHEDULE_MAX);
    }
    // One operation for the sum: several on one counter would only weigh more.
    let delta = credits(joining).saturating_sub(credits(leaving));
    if delta != 0 {
        // Less never breaks a limit.
        let max = limits.credits_max.filter(|_| delta > 0).map_or(Bound::Unbounded, Bound::Included);
        all = all.add(&own, "credits", delta, (Bound::Unbounded, max));
    }
    for course in leaving {
        all = all.remove(course_record(&course.id), "roster", student, None);
    }
    for course in joining {
        let record = course_record(&course.id);
        all = all.require_equals(&record, "state", OPEN);
        all = all.insert(&record, "roster", student, course.capacity);
    }
    Ok(all)
}

fn check(leaving: &[CourseLimits], joining: &[CourseLimits]) -> Result<(), Refused> {
    if leaving.is_empty() && joining.is_empty() {
        return Err(Refused::NoCourse);
    }
    let mut named = BTreeSet::new();
    match leaving.iter().chain(joining).find(|course| !named.insert(&course.id)) {
        Some(course) => Err(Refused::CourseNamedTwice { course: course.id.clone() }),
        None => Ok(()),
    }
}

fn credits(courses: &[CourseLimits]) -> i64 {
    courses.iter().fold(0, |sum, course| sum.saturating_add(course.credits))
}

impl Refused {
    /// A refusal of one of the registrar's operations in the university's words; none if it means something else.
    pub fn from_refusal(refusal: &Refusal) -> Option<Refused> {
        let id = refusal.record.id().to_owned();
        let member = refusal.member.as_ref().map(ToString::to_string);
        let field = refusal.field.as_ref().map(|field| field.as_str());
        match (refusal.record.table(), refusal.kind, field) {
            ("student", RefusalKind::Absent, None) => Some(Refused::StudentExists { student: id }),
            ("course", RefusalKind::Absent, None) => Some(Refused::CourseExists { course: id }),
            ("student", RefusalKind::Equals, Some("status")) => {
                Some(Refused::StudentInactive { student: id })
            }
            ("course", RefusalKind::Equals, Some("state")) => Some(Refused::CourseClosed { course: id }),
            ("student", RefusalKind::Bound, Some("schedule")) => Some(Refused::ScheduleFull { student: id }),
            ("student", RefusalKind::Bound, Some("credits")) => Some(Refused::CreditLimit { student: id }),
            ("course", RefusalKind::Bound, Some("roster")) => Some(Refused::CourseFull { course: id }),
            ("student", RefusalKind::MemberExists, Some("schedule")) => {
                Some(Refused::AlreadyEnrolled { student: id, course: member? })
            }
            ("course", RefusalKind::MemberExists, Some("roster")) => {
                Some(Refused::AlreadyEnrolled { student: member?, course: id })
            }
            ("student", RefusalKind::MemberAbsent, Some("schedule")) => {
                Some(Refused::NotEnrolled { student: id, course: member? })
            }
            ("course", RefusalKind::MemberAbsent, Some("roster")) => {
                Some(Refused::NotEnrolled { student: member?, course: id })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_protocol::{
        ids::{FieldName, Member},
        operation::Operation,
    };

    const LIMITS: StudentLimits = StudentLimits { credits_max: Some(30) };

    fn course(id: &str, credits: i64, capacity: Option<u64>) -> CourseLimits {
        CourseLimits { id: id.to_owned(), credits, capacity }
    }

    fn told(record: &str, kind: RefusalKind, field: &str, member: Option<&str>) -> Option<Refused> {
        Refused::from_refusal(&Refusal {
            operation: 0,
            kind,
            record: record.parse().expect("valid"),
            field: Some(field)
                .filter(|field| !field.is_empty())
                .map(|field| FieldName::new(field).expect("valid")),
            member: member.map(|member| Member::new(member).expect("valid")),
        })
    }

    #[test]
    fn an_enrolment_checks_and_bounds_both_sides() {
        let enrolment = transaction("s17", &LIMITS, &[], &[course("CS101", 6, Some(40))]);
        let expected = Transaction::new()
            .require_equals("student/s17", "status", "active")
            .insert("student/s17", "schedule", "CS101", SCHEDULE_MAX)
            .add("student/s17", "credits", 6, ..=30)
            .require_equals("course/CS101", "state", "open")
            .insert("course/CS101", "roster", "s17", 40);
        assert_eq!(enrolment, Ok(expected));
    }

    #[test]
    fn a_drop_is_the_reverse_and_needs_no_one_active() {
        let drop = transaction("s17", &LIMITS, &[course("CS101", 6, Some(40)), course("A", 0, None)], &[]);
        let expected = Transaction::new()
            .remove("student/s17", "schedule", "CS101", None)
            .remove("student/s17", "schedule", "A", None)
            .add("student/s17", "credits", -6, ..)
            .remove("course/CS101", "roster", "s17", None)
            .remove("course/A", "roster", "s17", None);
        assert_eq!(drop, Ok(expected));
    }

    #[test]
    fn a_transfer_counts_credits_once_and_every_course_may_be_named_once() {
        let (one, other) = ([course("A", 6, None)], [course("B", 6, None)]);
        let transfer = transaction("s17", &LIMITS, &one, &other).expect("allowed");
        assert!(!transfer.operations().iter().any(|operation| matches!(operation, Operation::Add { .. })));
        let twice = transaction("s17", &LIMITS, &one, &one);
        assert_eq!(twice, Err(Refused::CourseNamedTwice { course: "A".to_owned() }));
        assert_eq!(transaction("s17", &LIMITS, &[], &[]), Err(Refused::NoCourse));
    }

    #[test]
    fn refusals_are_told_in_the_words_of_the_university() {
        let (student, course) = (|| "s17".to_owned(), || "CS101".to_owned());
        let enrolled = Some(Refused::AlreadyEnrolled { student: student(), course: course() });
        assert_eq!(told("student/s17", RefusalKind::MemberExists, "schedule", Some("CS101")), enrolled);
        assert_eq!(told("course/CS101", RefusalKind::MemberExists, "roster", Some("s17")), enrolled);
        let not_enrolled = Some(Refused::NotEnrolled { student: student(), course: course() });
        assert_eq!(told("student/s17", RefusalKind::MemberAbsent, "schedule", Some("CS101")), not_enrolled);
        assert_eq!(told("course/CS101", RefusalKind::MemberAbsent, "roster", Some("s17")), not_enrolled);
        let full = Some(Refused::CourseFull { course: course() });
        assert_eq!(told("course/CS101", RefusalKind::Bound, "roster", Some("s17")), full);
        let limit = Some(Refused::CreditLimit { student: student() });
        assert_eq!(told("student/s17", RefusalKind::Bound, "credits", None), limit);
        let exists = Some(Refused::StudentExists { student: student() });
        assert_eq!(told("student/s17", RefusalKind::Absent, "", None), exists);
        assert_eq!(told("course/CS101", RefusalKind::WrongType, "roster", None), None);
        assert_eq!(told("lecture/CS101", RefusalKind::Bound, "roster", None), None);
    }
}
