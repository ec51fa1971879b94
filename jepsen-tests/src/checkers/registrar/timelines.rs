//! The story of each pair of student and course, and of each course's state: is there an order that explains it?
//!
//! An enrolment needs the student to be absent, and a drop needs the student to be there; so a change that is lost, done
//! twice or done although it was refused shows in the next acknowledged change, and not only in a read.

use super::{Limits, reads::Seen};
use crate::{
    checkers::{
        parts::int_at,
        presence::{Act, Explained, explain},
        spans::{Span, anomaly},
    },
    verdict::Anomaly,
};
use std::collections::BTreeMap;

/// What a history says of one bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Says {
    /// An enrolment: absent, then present.
    Enrols,
    /// A drop: present, then absent.
    Drops,
    /// A course was opened or closed.
    SetsOpen(bool),
    /// An enrolment needs the course to be open.
    NeedsOpen,
    /// A read saw it so.
    Saw(bool),
    /// A refusal says that it was so.
    Refused(bool),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Bit {
    Enrolled(i64, i64),
    Open(i64),
}

type Timelines<'h> = BTreeMap<Bit, Vec<(Says, Span<'h>)>>;

/// What can't be explained, and how many bits were given up.
pub(super) fn judge(
    spans: &[Span<'_>],
    reads: &[(Span<'_>, Seen)],
    limits: &Limits,
) -> (Vec<Anomaly>, usize) {
    let mut timelines = Timelines::new();
    for span in spans {
        for (bit, says) in changes(span) {
            timelines.entry(bit).or_default().push((says, *span));
        }
    }
    for (span, seen) in reads {
        for (bit, saw) in bits_seen(seen, limits) {
            timelines.entry(bit).or_default().push((Says::Saw(saw), *span));
        }
    }
    let (mut anomalies, mut given_up) = (Vec::new(), 0);
    for (bit, told) in timelines {
        let acts: Vec<Act> = told.iter().map(|(says, span)| act(*says, span)).collect();
        match explain(matches!(bit, Bit::Open(_)), &acts) {
            Explained::Yes => {}
            Explained::No(index) => anomalies.push(unexplained(bit, &told, index)),
            Explained::GivenUp => given_up += 1,
        }
    }
    (anomalies, given_up)
}

/// What an enrolment, drop, transfer, opening or closing says, as it ended.
fn changes(span: &Span<'_>) -> Vec<(Bit, Says)> {
    let value = &span.invoke.value;
    let student = int_at(value, "student");
    let (out_of, into) = match span.f() {
        "enrol" => (None, int_at(value, "course")),
        "drop" => (int_at(value, "course"), None),
        "transfer" => (int_at(value, "from"), int_at(value, "to")),
        "open" | "close" if span.failed().is_none() => {
            let says = Says::SetsOpen(span.f() == "open");
            return int_at(value, "course").map(|course| (Bit::Open(course), says)).into_iter().collect();
        }
        _ => return Vec::new(),
    };
    let pair =
        |course: Option<i64>| student.zip(course).map(|(student, course)| Bit::Enrolled(student, course));
    let (out_of, into, course) = (pair(out_of), pair(into), into.map(Bit::Open));
    let says: &[(Option<Bit>, Says)] = if span.failed().is_none() {
        &[(out_of, Says::Drops), (into, Says::Enrols), (course, Says::NeedsOpen)]
    } else if span.refused_as("member_exists").is_some() {
        &[(into, Says::Refused(true))]
    } else if span.refused_as("member_absent").is_some() {
        &[(out_of, Says::Refused(false))]
    } else if span.refused_as("requirement").is_some() {
        // Students stay active, so it is the course that is closed.
        &[(course, Says::Refused(false))]
    } else {
        &[]
    };
    says.iter().filter_map(|(bit, says)| Some(((*bit)?, *says))).collect()
}

/// What a read says of pairs and of courses. Where its two sides differ, that was found already.
fn bits_seen(seen: &Seen, limits: &Limits) -> BTreeMap<Bit, bool> {
    let mut bits = BTreeMap::new();
    for (id, student) in &seen.students {
        for course in limits.courses.keys().chain(&student.schedule) {
            bits.insert(Bit::Enrolled(*id, *course), student.schedule.contains(course));
        }
    }
    for (id, course) in &seen.courses {
        bits.insert(Bit::Open(*id), course.open);
        for student in limits.students.keys().chain(&course.roster) {
            let there = course.roster.contains(student);
            let differs =
                bits.insert(Bit::Enrolled(*student, *id), there).is_some_and(|other| other != there);
            if differs {
                bits.remove(&Bit::Enrolled(*student, *id));
            }
        }
    }
    bits
}

fn act(says: Says, span: &Span<'_>) -> Act {
    let (requires, sets) = match says {
        Says::Enrols => (Some(false), Some(true)),
        Says::Drops => (Some(true), Some(false)),
        Says::SetsOpen(open) => (None, Some(open)),
        Says::NeedsOpen => (Some(true), None),
        Says::Saw(so) | Says::Refused(so) => (Some(so), None),
    };
    let is_answer = matches!(says, Says::Refused(_));
    let end = if is_answer { span.failed() } else { span.ok() };
    Act { begin: span.invoke.index, end: end.map(|end| end.index), requires, sets }
}

fn unexplained(bit: Bit, told: &[(Says, Span<'_>)], index: usize) -> Anomaly {
    let (says, span) = told[index];
    let line = span.end.map_or(span.invoke.index, |end| end.index);
    let what = match bit {
        Bit::Enrolled(student, course) => format!("student {student} in course {course}"),
        Bit::Open(course) => format!("course {course} open"),
    };
    let (class, claim) = match (bit, says) {
        (Bit::Enrolled(..), Says::Saw(false)) => ("lost enrolment", format!("does not find {what}")),
        (Bit::Enrolled(..), Says::Saw(true)) => ("phantom enrolment", format!("finds {what}")),
        (_, Says::Enrols) => ("enrolled twice", format!("acknowledges {what}, who was there already")),
        (_, Says::Drops) => {
            ("dropped from nowhere", format!("acknowledges a drop of {what}, who was not there"))
        }
        (_, Says::NeedsOpen) => {
            ("enrolled while closed", format!("acknowledges an enrolment that needs {what}"))
        }
        (_, Says::Refused(so)) => ("refused without cause", format!("is refused because {what} is {so}")),
        (_, Says::Saw(so)) => ("wrong state", format!("reads that {what} is {so}")),
        (_, Says::SetsOpen(open)) => ("wrong state", format!("makes it {open} that {what}")),
    };
    let before = told.iter().filter(|(says, other)| changes_bit(*says) && other.is_before(span.invoke.index));
    let last = before.max_by_key(|(_, other)| other.ok().map(|end| end.index));
    let because = match last {
        Some((_, last)) => format!(
            "the last acknowledged change before it is the {} of index {}",
            last.f(),
            last.ok().map_or(last.invoke.index, |end| end.index)
        ),
        None => "no acknowledged change came before it".to_owned(),
    };
    let words =
        format!("Index {line} {claim}; {because}, and no order of what was under way or unknown explains it");
    let lines = last.map(|(_, last)| last.lines()).unwrap_or_default();
    anomaly(class, words, [span.lines(), lines].concat())
}

fn changes_bit(says: Says) -> bool {
    match says {
        Says::Enrols | Says::Drops | Says::SetsOpen(_) => true,
        Says::NeedsOpen | Says::Saw(_) | Says::Refused(_) => false,
    }
}
