//! Whether the lab itself stood still: on a machine that is overloaded or was suspended, a long silence is no fault of the
//! cluster's, and a reader of the run has to know.

use crate::attack::recording::Recording;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(50);
/// Standing still for less is not worth a word.
const WORTH_A_WORD: Duration = Duration::from_millis(500);
/// How each note begins.
pub(crate) const STOOD_STILL: &str = "the lab itself stood still";
/// Words at most.
const NOTES_MAX: usize = 20;

/// Looks at the clock all the time.
#[derive(Debug)]
pub(super) struct Stalls {
    notes: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Stalls {
    /// Begins to look, in the thread in which the clients are.
    pub(super) fn watch(recording: Arc<Recording>) -> Stalls {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let found = Arc::clone(&notes);
        let task = tokio::spawn(async move {
            loop {
                let from = Duration::from_nanos(recording.now_ns());
                tokio::time::sleep(EVERY).await;
                let took = Duration::from_nanos(recording.now_ns()) - from;
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                if took > WORTH_A_WORD && found.len() < NOTES_MAX {
                    let (at, lost) = (from.as_secs_f64(), took.as_secs_f64());
                    found.push(format!("{STOOD_STILL} for {lost:.1} s from {at:.1} s on"));
                }
            }
        });
        Stalls { notes, task }
    }

    /// What was found.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.task.abort();
    }
}
