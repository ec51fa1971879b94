//! The judges of reads and writes, which know nothing of what records mean.

use super::Linear;
use crate::{
    checkers::{self, linearizability},
    history::{History, Value},
    verdict::Verdict,
};

pub(super) fn list_append(history: &History) -> Verdict {
    checkers::list_append::check(history)
}

pub(super) fn register(history: &History) -> Verdict {
    checkers::register::check(history)
}

pub(super) fn linearizability(history: &History) -> Verdict {
    let initial = Value::Int(Linear::ABSENT);
    linearizability::check_with(history, &linearizability::Options { initial, ..Default::default() })
}
