//! The mixed workload: every kind of operation on a few hot records. Enrolments, drops, transfers, appends, reads, and
//! touches that require, set and delete; with strong checks of its own (`check.rs`).
//!
//! Values in the history: an append is `[v [log …] read?]`, what it read last; a read of logs one list per log; of
//! accounts one balance each; of one log `[[log] [v …]]`; of duty who is on; of the registrar `[[credits [course …]] …] [[student …] …]`.

mod check;
mod draw;
mod shape;

use crate::{
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::{
    ids::{FieldName, Member, RecordId},
    operation::{FieldContent, ReadResult, RecordContent, Value as Stored},
};

/// Members of a roster, and credits of a student, at most.
const ROSTER_MAX: u64 = 2;
/// An account may not fall below this.
const BALANCE_MIN: i64 = -3;
const ACCOUNTS: u64 = 4;
const LOGS: u64 = 3;
const STUDENTS: u64 = 3;
const COURSES: u64 = 2;
const DOCTORS: u64 = 2;

/// The workload. One for each run.
#[derive(Default)]
pub struct Mixed {
    next_unique: i64,
    mixture: Option<draw::Mixture>,
}

impl Workload for Mixed {
    fn name(&self) -> &'static str {
        "mixed"
    }

    fn first(&mut self) -> Vec<Invocation> {
        vec![draw::begin_duty()]
    }

    fn next(&mut self, _process: u64, random: &mut Random) -> Option<Invocation> {
        self.next_unique += 1;
        let mixture = *self.mixture.get_or_insert_with(|| draw::Mixture::drawn(random));
        Some(draw::draw(mixture, random, self.next_unique))
    }

    fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        let Completion::Committed(results) = completion else { return invocation.value.clone() };
        match invocation.f.as_str() {
            "append" if !results.is_empty() => {
                let Value::Vector(mut value) = invocation.value.clone() else { return Value::Nil };
                value.push(integers(&results[0]));
                Value::Vector(value)
            }
            "read-logs" => Value::Vector(results.iter().map(integers).collect()),
            "read-log" => {
                let log = invocation.value.clone();
                Value::Vector(vec![log, results.first().map_or(Value::Nil, integers)])
            }
            "read-accounts" | "read-duty" => {
                Value::Vector(results.iter().map(|result| Value::Int(integer(result))).collect())
            }
            "read-registrar" => registrar(results),
            _ => invocation.value.clone(),
        }
    }

    fn last(&mut self) -> Vec<Invocation> {
        vec![draw::read_logs(), draw::read_accounts(), draw::read_registrar(), draw::read_duty()]
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        vec![check::check(history)]
    }
}

fn record(text: &str) -> RecordId {
    RecordId::new(text).expect("a table with an id is a record")
}

fn field(text: &str) -> FieldName {
    FieldName::new(text).expect("a word is a field")
}

fn member(text: &str) -> Member {
    Member::new(text).expect("a word is a member")
}

fn student(index: u64) -> RecordId {
    record(&format!("student/s{index}"))
}

fn course(index: u64) -> RecordId {
    record(&format!("course/c{index}"))
}

fn integer(result: &ReadResult) -> i64 {
    match result {
        ReadResult::Field(Some(FieldContent::Value(Stored::Int(value)))) => *value,
        _ => 0,
    }
}

fn integers(result: &ReadResult) -> Value {
    let items = match result {
        ReadResult::Field(Some(FieldContent::List(items))) => items.as_slice(),
        _ => &[],
    };
    let integer = |item: &Stored| if let Stored::Int(value) = item { *value } else { i64::MIN };
    Value::Vector(items.iter().map(|item| Value::Int(integer(item))).collect())
}

fn members(content: Option<&RecordContent>, of: &str) -> Value {
    let set = content.and_then(|content| content.fields.get(&field(of)));
    let members = match set {
        Some(FieldContent::Set(members)) => members.as_slice(),
        _ => &[],
    };
    Value::Vector(members.iter().map(|member| Value::Text(member.as_str().into())).collect())
}

/// Students first, then courses.
fn registrar(results: &[ReadResult]) -> Value {
    let contents = results.iter().map(|result| match result {
        ReadResult::Record(content) => content.as_ref(),
        _ => None,
    });
    let contents: Vec<Option<&RecordContent>> = contents.collect();
    let (students, courses) = contents.split_at(contents.len().min(STUDENTS as usize));
    let student = |content: &Option<&RecordContent>| {
        let credits = content.and_then(|content| content.fields.get(&field("credits")));
        let credits = match credits {
            Some(FieldContent::Value(Stored::Int(credits))) => *credits,
            _ => 0,
        };
        Value::Vector(vec![Value::Int(credits), members(*content, "schedule")])
    };
    Value::Vector(vec![
        Value::Vector(students.iter().map(student).collect()),
        Value::Vector(courses.iter().map(|content| members(*content, "roster")).collect()),
    ])
}
