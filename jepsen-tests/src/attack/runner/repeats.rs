//! The same transaction again, under the same id: every repeat must hear what the first answer said.

use super::clients::transaction;
use crate::workload::Invocation;
use assent_client::{AbortReason, Client, Outcome, Reason};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What differed, in words.
#[derive(Debug, Default)]
pub(super) struct Differing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Repeats that heard an answer.
    heard: u64,
    /// Repeats that heard none: unknown, or too old.
    unheard: u64,
    words: Vec<String>,
}

impl Differing {
    /// How many repeats heard an answer, how many none, and what differed.
    pub(super) fn found(&self) -> (u64, u64, Vec<String>) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.heard, state.unheard, state.words.clone())
    }
}

/// Repeats an operation as often as it wants, and compares.
pub(super) async fn check(
    client: &Client,
    invocation: &Invocation,
    first: &Outcome,
    deadline: Duration,
    differing: &Differing,
) {
    let Some(id) = first.id() else { return };
    if Answer::of(first) == Answer::None {
        return;
    }
    for _ in 0..invocation.repeats {
        let again = client.submit(transaction(invocation).repeat_of(id.clone()).deadline(deadline)).await;
        let mut state = differing.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (Answer::of(first), Answer::of(&again)) {
            (_, Answer::None) => state.unheard += 1,
            (before, after) if before == after => state.heard += 1,
            (before, after) => {
                state.words.push(format!("{id} was answered {before:?}, and when repeated {after:?}"))
            }
        }
    }
}

/// An answer, as far as two of one transaction must agree.
#[derive(PartialEq, Debug)]
enum Answer<'a> {
    Committed(&'a [assent_client::ReadResult]),
    /// For whatever reason: one that was resolved may have another than one that was voted on.
    Aborted,
    /// Unknown, not executed, or too old to be known.
    None,
}

impl Answer<'_> {
    fn of(outcome: &Outcome) -> Answer<'_> {
        match outcome {
            Outcome::Committed(receipt) => Answer::Committed(&receipt.reads),
            Outcome::Aborted(abort) => match abort.reason {
                Reason::Aborted(AbortReason::Expired) | Reason::NotExecuted(_) => Answer::None,
                Reason::Aborted(_) => Answer::Aborted,
            },
            Outcome::Unknown(_) => Answer::None,
        }
    }
}
