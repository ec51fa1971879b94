//! What one read saw, judged by itself: both sides of each pair, bounds, and credits that are those of the schedule.

use super::Limits;
use crate::{
    checkers::{
        parts::{at, entries, int, int_at, ints_or_none},
        spans::{Span, anomaly},
    },
    history::Value,
    verdict::Anomaly,
};
use std::collections::{BTreeMap, BTreeSet};

/// What one transaction saw.
pub(super) struct Seen {
    pub(super) students: BTreeMap<i64, Student>,
    pub(super) courses: BTreeMap<i64, Course>,
}

pub(super) struct Student {
    pub(super) schedule: Vec<i64>,
    pub(super) credits: i64,
}

pub(super) struct Course {
    pub(super) roster: Vec<i64>,
    pub(super) open: bool,
}

impl Seen {
    /// The parts of a read's value, or what can't be understood.
    pub(super) fn of(value: &Value) -> Result<Seen, String> {
        let student = |value: &Value| {
            let schedule = ints_or_none(at(value, "schedule"))?;
            Some(Student { schedule, credits: int_at(value, "credits")? })
        };
        let course = |value: &Value| {
            let open = match at(value, "state")? {
                Value::Text(state) => match state.as_str() {
                    "open" => true,
                    "closed" => false,
                    _ => return None,
                },
                _ => return None,
            };
            Some(Course { roster: ints_or_none(at(value, "roster"))?, open })
        };
        Ok(Seen { students: side(value, "students", student)?, courses: side(value, "courses", course)? })
    }

    pub(super) fn is_of_both_sides(&self) -> bool {
        !self.students.is_empty() && !self.courses.is_empty()
    }
}

fn side<T>(value: &Value, name: &str, of: impl Fn(&Value) -> Option<T>) -> Result<BTreeMap<i64, T>, String> {
    let all = at(value, name).and_then(entries).ok_or_else(|| format!("it has no {name}"))?;
    let read = all.iter().map(|(id, fields)| {
        let understood = int(id).zip(of(fields));
        understood.ok_or_else(|| match at(fields, "record") {
            Some(Value::Nil) => format!("{id:?} of its {name} is not there at all, though it was added"),
            Some(_) | None => format!("{id:?} of its {name} is {fields:?}"),
        })
    });
    read.collect()
}

pub(super) fn unreadable(span: &Span<'_>, what: &str) -> Anomaly {
    let words = format!("Index {} does not read students and courses as they can be: {what}", line(span));
    anomaly("impossible read", words, span.lines())
}

pub(super) fn judge(seen: &Seen, span: &Span<'_>, limits: &Limits) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let mut note = |class, words: String| {
        found.push(anomaly(class, format!("Index {} reads {words}", line(span)), span.lines()));
    };
    for (id, student) in &seen.students {
        for (course, read) in &seen.courses {
            match (student.schedule.contains(course), read.roster.contains(id)) {
                (true, false) => note(
                    "half an enrolment",
                    format!("course {course} in the schedule of student {id}, who is not in its roster"),
                ),
                (false, true) => note(
                    "half an enrolment",
                    format!("student {id} in the roster of course {course}, which is not in the schedule"),
                ),
                (true, true) | (false, false) => {}
            }
        }
        if student.schedule.iter().collect::<BTreeSet<_>>().len() < student.schedule.len() {
            note("listed twice", format!("a course twice in the schedule of student {id}"));
        }
        let credits =
            student.schedule.iter().map(|course| limits.courses.get(course).map_or(0, |it| it.credits));
        let credits: i64 = credits.fold(0, i64::saturating_add);
        if credits != student.credits {
            let of = student.credits;
            note("wrong credits", format!("{of} credits of student {id}, whose courses make {credits}"));
        }
        if let Some(max) = limits.students.get(id).filter(|max| student.credits > **max) {
            let of = student.credits;
            note("too many credits", format!("{of} credits of student {id}, who may have {max}"));
        }
    }
    for (id, course) in &seen.courses {
        if course.roster.iter().collect::<BTreeSet<_>>().len() < course.roster.len() {
            note("listed twice", format!("a student twice in the roster of course {id}"));
        }
        let full = limits.courses.get(id).map(|limit| limit.capacity);
        if let Some(capacity) = full.filter(|capacity| course.roster.len() as i64 > *capacity) {
            let students = course.roster.len();
            note("over capacity", format!("{students} students in course {id}, which has {capacity} places"));
        }
    }
    found
}

fn line(span: &Span<'_>) -> u64 {
    span.end.map_or(span.invoke.index, |end| end.index)
}
