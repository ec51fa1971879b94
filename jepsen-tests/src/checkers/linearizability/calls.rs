//! The calls on each register, in the order in which they begin and end.

use crate::{
    checkers::words,
    history::{Operation, Outcome, Value},
};
use std::collections::HashMap;

/// What a call does; values by their place in [`Register::values`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    /// It finds this value.
    Read(u32),
    /// It leaves this value.
    Write(u32),
    /// It finds the first and leaves the second.
    Swap(u32, u32),
}

/// A call that happened, or may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) act: Act,
    /// Its operation, by its place in the history's operations.
    pub(super) operation: usize,
    /// The place of its first line.
    pub(super) begun: usize,
    /// The place of its last line; none if its outcome is unknown.
    pub(super) ended: Option<usize>,
}

impl Call {
    /// The value that the register must hold for it.
    pub(super) fn needs(&self) -> Option<u32> {
        match self.act {
            Act::Read(value) | Act::Swap(value, _) => Some(value),
            Act::Write(_) => None,
        }
    }

    /// The value that it leaves, if it changes the register.
    pub(super) fn leaves(&self) -> Option<u32> {
        match self.act {
            Act::Write(value) | Act::Swap(_, value) => Some(value),
            Act::Read(_) => None,
        }
    }
}

/// A register and its calls.
#[derive(Debug)]
pub(super) struct Register<'a> {
    pub(super) key: &'a Value,
    /// In the order in which they began.
    pub(super) calls: Vec<Call>,
    /// All values; the first is the one before all writes.
    pub(super) values: Vec<&'a Value>,
    numbers: HashMap<&'a Value, u32>,
    /// Operations that failed, with the value that they would have left.
    failed: Vec<(usize, u32)>,
}

impl<'a> Register<'a> {
    fn new(key: &'a Value, initial: &'a Value) -> Self {
        let numbers = HashMap::from([(initial, 0)]);
        Register { key, calls: Vec::new(), values: vec![initial], numbers, failed: Vec::new() }
    }

    fn number(&mut self, value: &'a Value) -> u32 {
        *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            self.values.len() as u32 - 1
        })
    }

    /// The operations that wrote, or would have written, a value.
    pub(super) fn wrote(&self, value: u32) -> impl Iterator<Item = usize> {
        let calls =
            self.calls.iter().filter(move |call| call.leaves() == Some(value)).map(|call| call.operation);
        let failed =
            self.failed.iter().filter(move |(_, left)| *left == value).map(|(operation, _)| *operation);
        calls.chain(failed)
    }
}

/// The registers, in the order in which they are first met. What is no such operation makes the history impossible to
/// judge.
pub(super) fn registers<'a>(
    operations: &[Operation<'a>],
    initial: &'a Value,
) -> Result<Vec<Register<'a>>, String> {
    let mut registers: Vec<Register<'a>> = Vec::new();
    let mut places = HashMap::new();
    for (number, operation) in operations.iter().enumerate() {
        let f = operation.invocation.f.as_str();
        if !matches!(f, "read" | "write" | "cas") {
            continue;
        }
        let Some((key, value)) = pair(operation.value()) else { return Err(misshapen(operation)) };
        let place = *places.entry(key).or_insert_with(|| {
            registers.push(Register::new(key, initial));
            registers.len() - 1
        });
        let register = &mut registers[place];
        let act = match f {
            "read" if operation.outcome() != Outcome::Ok || *value == Value::Nil => continue,
            "read" => Act::Read(register.number(value)),
            "write" => Act::Write(register.number(value)),
            _ => {
                let (old, new) = pair(value).ok_or_else(|| misshapen(operation))?;
                Act::Swap(register.number(old), register.number(new))
            }
        };
        let ended = match operation.outcome() {
            Outcome::Ok => operation.ended_at,
            Outcome::Unknown => None,
            Outcome::Fail => {
                let (Act::Read(left) | Act::Write(left) | Act::Swap(_, left)) = act;
                register.failed.push((number, left));
                continue;
            }
        };
        register.calls.push(Call { act, operation: number, begun: operation.begun_at, ended });
    }
    if registers.is_empty() {
        return Err("not judged: the history has no operation :read, :write or :cas".into());
    }
    Ok(registers)
}

fn pair(value: &Value) -> Option<(&Value, &Value)> {
    let Value::Vector(parts) = value else { return None };
    let [first, second] = parts.as_slice() else { return None };
    Some((first, second))
}

fn misshapen(operation: &Operation<'_>) -> String {
    format!(
        "not judged: the :{} of index {} has the value {}; it must be [key value], for a :cas [key [old new]]",
        operation.invocation.f,
        operation.invocation.index,
        words::short(operation.value()),
    )
}
