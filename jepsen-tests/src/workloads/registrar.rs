//! Students and courses, as the client's registrar keeps them: a student is in a course's roster exactly when the
//! course is in the student's schedule.
//!
//! Records `student/s` {status, credits, schedule} and `course/c` {state, roster}.
//!
//! | `:f` | `:value` |
//! | --- | --- |
//! | `:add-student`, `:add-course` | `{:student s :credits-max n}`, `{:course c :credits n :capacity n}` |
//! | `:enrol`, `:drop` | `{:student s :course c}` |
//! | `:transfer` | `{:student s :from c :to c}` |
//! | `:open`, `:close` | `{:course c}` |
//! | `:read` | `{:students [s …] :courses [c …]}`, all in one transaction; then `{:students {s {:schedule [c …] :credits n}} :courses {c {:roster [s …] :state "open"}}}` |

mod transactions;

use super::{
    WorkloadOptions,
    values::{map, seen, word},
};
use crate::{
    checkers,
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::operation::{Operation, ReadResult, Selection};
use std::{collections::BTreeSet, slice};

/// Enough for two or three courses.
const CREDITS_MAX: i64 = 7;

/// Enrolments, drops and transfers, courses that open and close, and reads of schedules and rosters.
pub struct Registrar {
    students: i64,
    courses: i64,
    capacity: u64,
    /// Who is probably where, so that most drops and transfers have a chance.
    enrolled: BTreeSet<(i64, i64)>,
    closed: BTreeSet<i64>,
}

impl Registrar {
    /// As many students as there are keys, and half as many courses, with places for about half of the students.
    pub fn new(options: &WorkloadOptions) -> Self {
        let students = options.within_bounds().keys.max(2);
        Registrar {
            students: students as i64,
            courses: (students as i64 / 2).max(2),
            capacity: (students / 2).max(1),
            enrolled: BTreeSet::new(),
            closed: BTreeSet::new(),
        }
    }

    fn any_student(&self, random: &mut Random) -> i64 {
        random.below(self.students as u64) as i64
    }

    fn any_course(&self, random: &mut Random) -> i64 {
        random.below(self.courses as u64) as i64
    }

    fn any_pair(&self, random: &mut Random) -> (i64, i64) {
        (self.any_student(random), self.any_course(random))
    }

    fn enrolled_pair(&self, random: &mut Random) -> (i64, i64) {
        if self.enrolled.is_empty() || random.chance(150) {
            return self.any_pair(random);
        }
        let nth = random.below(self.enrolled.len() as u64) as usize;
        self.enrolled.iter().nth(nth).copied().unwrap_or_default()
    }

    fn enrol(&self, random: &mut Random) -> Invocation {
        let (student, course) = self.any_pair(random);
        let value = map([("student", Value::Int(student)), ("course", Value::Int(course))]);
        let operations = transactions::change(student, &[], &[course], self.capacity);
        Invocation::new("enrol", value, operations)
    }

    fn drop(&self, random: &mut Random) -> Invocation {
        let (student, course) = self.enrolled_pair(random);
        let value = map([("student", Value::Int(student)), ("course", Value::Int(course))]);
        Invocation::new("drop", value, transactions::change(student, &[course], &[], self.capacity))
    }

    fn transfer(&self, random: &mut Random) -> Invocation {
        let (student, from) = self.enrolled_pair(random);
        let to = (from + 1 + random.below(self.courses as u64 - 1) as i64) % self.courses;
        let value =
            map([("student", Value::Int(student)), ("from", Value::Int(from)), ("to", Value::Int(to))]);
        Invocation::new("transfer", value, transactions::change(student, &[from], &[to], self.capacity))
    }

    fn open_or_close(&self, random: &mut Random) -> Invocation {
        let (course, open) = match self.closed.first() {
            Some(closed) => (*closed, true),
            None => (self.any_course(random), false),
        };
        let value = map([("course", Value::Int(course))]);
        let f = if open { "open" } else { "close" };
        Invocation::new(f, value, vec![transactions::set_state(course, open)])
    }

    fn read(&self, random: &mut Random) -> Invocation {
        let (student, course) = self.any_pair(random);
        let (students, courses) = match random.below(6) {
            0 => (vec![student], vec![]),
            1 => (vec![], vec![course]),
            2 | 3 => (vec![student], vec![course]),
            4 => (vec![student, (student + 1) % self.students], vec![course, (course + 1) % self.courses]),
            _ => return self.read_all(),
        };
        read(&students, &courses, random.chance(500))
    }

    fn read_all(&self) -> Invocation {
        let (students, courses): (Vec<_>, Vec<_>) =
            ((0..self.students).collect(), (0..self.courses).collect());
        read(&students, &courses, false)
    }
}

impl Workload for Registrar {
    fn name(&self) -> &'static str {
        "registrar"
    }

    fn first(&mut self) -> Vec<Invocation> {
        let students = (0..self.students).map(|student| {
            let value = map([("student", Value::Int(student)), ("credits-max", Value::Int(CREDITS_MAX))]);
            Invocation::new("add-student", value, transactions::add_student(student))
        });
        let courses = (0..self.courses).map(|course| {
            let capacity = Value::Int(i64::try_from(self.capacity).unwrap_or(i64::MAX));
            let credits = Value::Int(transactions::credits(course));
            let value = map([("course", Value::Int(course)), ("credits", credits), ("capacity", capacity)]);
            Invocation::new("add-course", value, transactions::add_course(course, self.capacity))
        });
        students.chain(courses).collect()
    }

    fn next(&mut self, _process: u64, random: &mut Random) -> Option<Invocation> {
        Some(match random.below(100) {
            0..=34 => self.enrol(random),
            35..=49 => self.drop(random),
            50..=64 => self.transfer(random),
            65..=70 => self.open_or_close(random),
            _ => self.read(random),
        })
    }

    fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        let Completion::Committed(reads) = completion else { return invocation.value.clone() };
        for operation in &invocation.operations {
            self.believe(operation);
        }
        if invocation.f == "read" { told(invocation, reads) } else { invocation.value.clone() }
    }

    fn last(&mut self) -> Vec<Invocation> {
        vec![self.read_all()]
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        vec![checkers::registrar::check(history)]
    }
}

impl Registrar {
    fn believe(&mut self, operation: &Operation) {
        let (table, Ok(id)) = (operation.record().table(), operation.record().id().parse::<i64>()) else {
            return;
        };
        match operation {
            Operation::Insert { member, .. } if table == "student" => {
                self.enrolled.extend(member.as_str().parse().ok().map(|course| (id, course)));
            }
            Operation::Remove { member, .. } if table == "student" => {
                self.enrolled.retain(|pair| (pair.0, pair.1.to_string().as_str()) != (id, member.as_str()));
            }
            Operation::Set { value, .. } if table == "course" => {
                let is_open = *value == transactions::state(true);
                let _ = if is_open { self.closed.remove(&id) } else { self.closed.insert(id) };
            }
            Operation::Insert { .. }
            | Operation::Remove { .. }
            | Operation::Set { .. }
            | Operation::Require { .. }
            | Operation::Delete { .. }
            | Operation::Append { .. }
            | Operation::Add { .. }
            | Operation::Read { .. }
            | Operation::Send { .. }
            | Operation::Acknowledge { .. } => {}
        }
    }
}

/// Reads whole records, or field by field: the locks differ.
fn read(students: &[i64], courses: &[i64], by_field: bool) -> Invocation {
    let list = |ids: &[i64]| Value::Vector(ids.iter().map(|id| Value::Int(*id)).collect());
    let value = map([("students", list(students)), ("courses", list(courses))]);
    Invocation::new("read", value, transactions::read(students, courses, by_field))
}

/// What a read saw, by student and course.
fn told(invocation: &Invocation, results: &[ReadResult]) -> Value {
    let (mut students, mut courses) = (Vec::new(), Vec::new());
    let mut results = results.iter();
    for operation in &invocation.operations {
        let Operation::Read { record, what } = operation else { continue };
        let fields = fields_seen(what, &mut results);
        let id = record.id().parse().map_or_else(|_| Value::Text(record.id().to_owned()), Value::Int);
        let side = if record.table() == "student" { &mut students } else { &mut courses };
        match side.last_mut() {
            Some((last, Value::Map(known))) if *last == id => known.extend(fields),
            _ => side.push((id, Value::Map(fields))),
        }
    }
    map([("students", Value::Map(students)), ("courses", Value::Map(courses))])
}

fn fields_seen(what: &Selection, results: &mut slice::Iter<'_, ReadResult>) -> Vec<(Value, Value)> {
    match (what, seen(results)) {
        (Selection::Field(name), value) => vec![(word(name.as_str()), value)],
        (_, Value::Map(fields)) => fields,
        (_, other) => vec![(word("record"), other)],
    }
}
