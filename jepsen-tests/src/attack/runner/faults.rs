//! Carries a schedule out: each side in a thread of its own, at the planned moments; what really happened is written down.

use crate::{
    attack::{
        environment::Environment,
        error::AttackError,
        nemesis::{Planned, Side},
        recording::Recording,
        schedule::Schedule,
    },
    history::Value,
    run::Fault,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What the threads of the nemesis share.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) cluster: Arc<Environment>,
    pub(super) recording: Arc<Recording>,
    pub(super) schedule: Schedule,
    done: Mutex<Vec<Fault>>,
}

impl Faults {
    pub(super) fn new(cluster: Arc<Environment>, recording: Arc<Recording>, schedule: Schedule) -> Faults {
        Faults { cluster, recording, schedule, done: Mutex::default() }
    }

    /// What was done, in the order of the beginnings.
    pub(super) fn done(&self) -> Vec<Fault> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner).clone();
        done.sort_by_key(|fault| fault.from_ns);
        done
    }

    /// Carries out the faults of one side; a fault that has begun is ended, also when the run is over.
    pub(super) fn carry_out(&self, side: Side, began: Instant) -> Result<(), AttackError> {
        for fault in self.schedule.of(side) {
            if !self.cluster.interrupt.sleep_until(began + Duration::from_millis(fault.at_ms)) {
                break;
            }
            // The one before may have taken longer than planned, as a restart does: what should be over is left out.
            if Instant::now() < began + Duration::from_millis(fault.at_ms + fault.for_ms) {
                self.one(fault, began)?;
            }
        }
        Ok(())
    }

    fn one(&self, fault: &Planned, began: Instant) -> Result<(), AttackError> {
        let nemesis = fault.kind.nemesis();
        let value = told(fault);
        let from_ns = self.recording.nemesis(&format!("begin-{}", fault.kind), value.clone());
        let place = self.enter(fault, from_ns);
        nemesis.begin(fault, &self.cluster)?;
        if nemesis.is_forever() {
            return Ok(());
        }
        self.cluster.interrupt.sleep_until(began + Duration::from_millis(fault.at_ms + fault.for_ms));
        nemesis.end(fault, &self.cluster)?;
        let to_ns = self.recording.nemesis(&format!("end-{}", fault.kind), value);
        self.done.lock().unwrap_or_else(PoisonError::into_inner)[place].to_ns = Some(to_ns);
        Ok(())
    }

    fn enter(&self, fault: &Planned, from_ns: u64) -> usize {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push(Fault {
            kind: fault.kind.name().to_owned(),
            targets: fault.drawn.targets.clone(),
            from_ns,
            to_ns: None,
            detail: fault.drawn.detail.clone(),
        });
        done.len() - 1
    }
}

/// What the history says of a fault.
fn told(fault: &Planned) -> Value {
    let targets = fault.drawn.targets.iter().map(|name| Value::Text(name.clone())).collect();
    let keyword = |word: &str| Value::Keyword(word.to_owned());
    Value::Map(vec![
        (keyword("targets"), Value::Vector(targets)),
        (keyword("detail"), Value::Text(fault.drawn.detail.clone())),
    ])
}
