//! A student is in a course's roster exactly when the course is in the student's schedule, to every reader; no course is
//! over its capacity, no student over the credits; and each enrolment, drop and refusal is what the order of events allows.
//!
//! Reads histories as `workloads/registrar.rs` describes them. The first two are judged on what each read saw, the last by
//! a search for an order, one pair of student and course at a time (`presence.rs`).

mod reads;
mod timelines;

use super::{
    parts::int_at,
    spans::{Span, spans, verdict},
};
use crate::{
    history::History,
    verdict::{Finding, Verdict},
};
use reads::Seen;
use std::collections::BTreeMap;

/// Judges a history of students and courses.
pub fn check(history: &History) -> Verdict {
    let spans = spans(history);
    let limits = Limits::of(&spans);
    let mut anomalies = Vec::new();
    let mut reads = Vec::new();
    for span in spans.iter().filter(|span| span.f() == "read") {
        let Some(end) = span.ok() else { continue };
        match Seen::of(&end.value) {
            Ok(seen) => {
                anomalies.extend(reads::judge(&seen, span, &limits));
                reads.push((*span, seen));
            }
            Err(what) => anomalies.push(reads::unreadable(span, &what)),
        }
    }
    let both = reads.iter().filter(|(_, seen)| seen.is_of_both_sides()).count();
    let (of_timelines, given_up) = timelines::judge(&spans, &reads, &limits);
    anomalies.extend(of_timelines);
    let changes = |span: &&Span<'_>| matches!(span.f(), "enrol" | "drop" | "transfer") && span.ok().is_some();
    let changed = spans.iter().filter(changes).count();
    let mut summary =
        format!("{changed} acknowledged changes, {} reads, {both} of them of both sides", reads.len());
    if given_up > 0 {
        summary = format!("{summary}; {given_up} pairs have too many unknown outcomes to find an order");
    }
    let verdict = verdict("registrar", summary, anomalies, changed > 0 && both > 0);
    match verdict.finding {
        Finding::Holds if given_up > 0 => Verdict { finding: Finding::Unknown, ..verdict },
        Finding::Holds | Finding::Unknown | Finding::Undecided | Finding::Violated => verdict,
    }
}

/// What was said of students and courses when they were added.
struct Limits {
    /// Credits at most.
    students: BTreeMap<i64, i64>,
    courses: BTreeMap<i64, Course>,
}

struct Course {
    credits: i64,
    capacity: i64,
}

impl Limits {
    fn of(spans: &[Span<'_>]) -> Limits {
        let mut limits = Limits { students: BTreeMap::new(), courses: BTreeMap::new() };
        for span in spans {
            let value = &span.invoke.value;
            if span.f() == "add-student" {
                limits.students.extend(int_at(value, "student").zip(int_at(value, "credits-max")));
            } else if span.f() == "add-course" {
                let course = int_at(value, "credits").zip(int_at(value, "capacity"));
                let course = course.map(|(credits, capacity)| Course { credits, capacity });
                limits.courses.extend(int_at(value, "course").zip(course));
            }
        }
        limits
    }
}
