//! What the registrar's transactions do to records: the same operations as the client library's registrar.

use super::CREDITS_MAX;
use crate::workloads::{keys::record, values::field};
use assent_protocol::{
    ids::Member,
    operation::{Check, Operation, Selection, Value as Stored},
};

/// What a course counts.
pub(super) fn credits(course: i64) -> i64 {
    2 + course % 3
}

/// How a course's state is stored.
pub(super) fn state(open: bool) -> Stored {
    Stored::Text(if open { "open" } else { "closed" }.to_owned())
}

pub(super) fn set_state(course: i64, open: bool) -> Operation {
    Operation::Set { record: record("course", course), field: field("state"), value: state(open) }
}

/// With what `assent verify` compares: the credits of schedules, the lengths of rosters.
pub(super) fn add_course(course: i64, capacity: u64) -> Vec<Operation> {
    let set = |name, number| {
        let value = Stored::Int(number);
        Operation::Set { record: record("course", course), field: field(name), value }
    };
    let capacity = i64::try_from(capacity).unwrap_or(i64::MAX);
    vec![set_state(course, true), set("credits", credits(course)), set("capacity", capacity)]
}

pub(super) fn add_student(student: i64) -> Vec<Operation> {
    let set = |name, value| Operation::Set { record: record("student", student), field: field(name), value };
    vec![set("status", Stored::Text("active".to_owned())), set("credits", Stored::Int(0))]
}

/// Takes a student out of some courses and into others. Leaving comes first: what it frees can be taken.
pub(super) fn change(student: i64, leaving: &[i64], joining: &[i64], capacity: u64) -> Vec<Operation> {
    let own = record("student", student);
    let mut operations = Vec::new();
    if !joining.is_empty() {
        let check = Check::Equals(field("status"), Stored::Text("active".to_owned()));
        operations.push(Operation::Require { record: own.clone(), check });
    }
    let schedule = field("schedule");
    operations.extend(leaving.iter().map(|course| Operation::Remove {
        record: own.clone(),
        field: schedule.clone(),
        member: member(*course),
        min: None,
    }));
    operations.extend(joining.iter().map(|course| Operation::Insert {
        record: own.clone(),
        field: schedule.clone(),
        member: member(*course),
        max: None,
    }));
    let sum = |courses: &[i64]| courses.iter().map(|course| credits(*course)).sum::<i64>();
    let delta = sum(joining) - sum(leaving);
    if delta != 0 {
        let max = (delta > 0).then_some(CREDITS_MAX);
        operations.push(Operation::Add { record: own, field: field("credits"), delta, min: None, max });
    }
    operations.extend(leaving.iter().map(|course| Operation::Remove {
        record: record("course", *course),
        field: field("roster"),
        member: member(student),
        min: None,
    }));
    for course in joining {
        let course = record("course", *course);
        let check = Check::Equals(field("state"), state(true));
        operations.push(Operation::Require { record: course.clone(), check });
        operations.push(Operation::Insert {
            record: course,
            field: field("roster"),
            member: member(student),
            max: Some(capacity),
        });
    }
    operations
}

/// Reads students and courses, as whole records or field by field.
pub(super) fn read(students: &[i64], courses: &[i64], by_field: bool) -> Vec<Operation> {
    let mut operations = Vec::new();
    let sides = [("student", students, ["schedule", "credits"]), ("course", courses, ["roster", "state"])];
    for (table, ids, fields) in sides {
        for id in ids {
            let record = record(table, *id);
            if by_field {
                operations.extend(fields.map(|name| Operation::Read {
                    record: record.clone(),
                    what: Selection::Field(field(name)),
                }));
            } else {
                operations.push(Operation::Read { record, what: Selection::Record });
            }
        }
    }
    operations
}

fn member(id: i64) -> Member {
    Member::new(&id.to_string()).expect("a number is a member")
}
