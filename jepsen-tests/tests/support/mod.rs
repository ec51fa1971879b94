//! Histories for the checkers' tests: operations with the moments of their begin and end, laid out as lines.

pub(crate) mod transactions;

use assent_lab::history::{History, Outcome, Recorder, Value};

/// An operation of a history that is being made up.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    /// When it begins; moments of different operations may be equal.
    pub(crate) begin: u64,
    /// When it ends.
    pub(crate) end: u64,
    /// How.
    pub(crate) outcome: Outcome,
    /// Its name.
    pub(crate) f: &'static str,
    /// What is asked for.
    pub(crate) asked: Value,
    /// What comes out.
    pub(crate) got: Value,
}

/// The history of these operations, each by a process that is free.
pub(crate) fn history(ops: &[Op]) -> History {
    let mut moments: Vec<(u64, bool, usize)> = Vec::new();
    for (number, op) in ops.iter().enumerate() {
        assert!(op.begin < op.end, "an operation takes time");
        // At the same moment, begins come before ends: side by side.
        moments.extend([(op.begin, false, number), (op.end, true, number)]);
    }
    moments.sort_unstable();
    let mut recorder = Recorder::new(ops.len() as u64);
    let mut free: Vec<u64> = (0..ops.len() as u64).rev().collect();
    let mut processes = vec![0; ops.len()];
    for (time_ns, ends, number) in moments {
        let op = &ops[number];
        if !ends {
            processes[number] = free.pop().expect("as many as operations");
            recorder.invoke(time_ns, processes[number], op.f, op.asked.clone(), None);
            continue;
        }
        let process = processes[number];
        free.push(match op.outcome {
            Outcome::Ok => {
                recorder.ok(time_ns, process, op.got.clone());
                process
            }
            Outcome::Fail => {
                recorder.fail(time_ns, process, op.asked.clone(), Some("conflict".into()));
                process
            }
            Outcome::Unknown => recorder.info(time_ns, process, op.asked.clone(), None),
        });
    }
    recorder.finish()
}

/// `:word`.
pub(crate) fn keyword(word: &str) -> Value {
    Value::Keyword(word.into())
}

/// `[…]`.
pub(crate) fn vector(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Vector(values.into_iter().collect())
}
