//! Liveness: from a state, the fair continuation. No more faults, everything that is sent arrives, every timer fires at
//! its time, on clocks that run alike. It must end with everything decided on every participant that is up.
//!
//! It has no choices, so it either decides, or comes to rest, or comes back to where it was: then it goes on so for ever.
//! Times beyond the model's horizon never come, so what only they would decide counts as stuck.

use super::{
    cast::NODES_MAX,
    config::{Patience, Syncs},
    state::{State, connected, place},
    tables::{Event, LocalId, MessageId, Step, TO_CLIENT, Tables},
    words,
};
use assent_protocol::message::Message;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, PoisonError, RwLock},
};

/// Deliveries without time passing, at most.
const DELIVERIES_MAX: usize = 10_000;
/// How long a continuation may take, in milliseconds.
const DECIDED_MS_MAX: u64 = 60_000;

/// What becomes of the past when the faults end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Past {
    /// What is down stays down, what is cut stays cut, what is under way is lost (but see [`Patience::Real`]).
    Lost,
    /// What is down stays down, what is cut stays cut; everything that was ever sent arrives once more, first.
    Late,
    /// Everything starts and connects again, what is under way is lost.
    Healed,
}

impl Past {
    pub(super) const ALL: [Past; 3] = [Past::Lost, Past::Late, Past::Healed];
}

/// What decides how it goes on, and whether messages must arrive.
type Key = (([LocalId; NODES_MAX], u32), bool);

/// How long continuations take, from where everything is at rest, in milliseconds.
#[derive(Default)]
pub(super) struct Fair {
    known: RwLock<HashMap<Key, u64>>,
    longest: RwLock<u64>,
}

/// A continuation that runs.
struct Run<'a> {
    tables: &'a Tables,
    state: State,
    flying: VecDeque<(u8, MessageId)>,
    elapsed_ms: u64,
    /// Whether what was sent must arrive in its mailbox: where that is up and can be reached.
    arrives: bool,
    told: Option<Vec<String>>,
}

impl Fair {
    /// Whether every way on from the state decides.
    pub(super) fn decides(&self, tables: &Tables, state: &State) -> bool {
        Past::ALL.iter().all(|past| self.run(&mut Run::new(tables, state, *past, None)).is_ok())
    }

    /// What happens where it does not.
    pub(super) fn tell(&self, tables: &Tables, state: &State) -> Vec<String> {
        for past in Past::ALL {
            let mut run = Run::new(tables, state, past, Some(Vec::new()));
            if let Err(why) = self.run(&mut run) {
                let mut lines = vec![format!("then, fairly ({past:?}):")];
                lines.extend(run.told.unwrap_or_default());
                lines.push(why);
                return lines;
            }
        }
        Vec::new()
    }

    /// The longest that any has taken, in milliseconds.
    pub(super) fn longest_ms(&self) -> u64 {
        *self.longest.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, run: &mut Run<'_>) -> Result<(), String> {
        let mut passed: Vec<(Key, u64)> = Vec::new();
        let total = loop {
            run.deliver_all()?;
            if run.is_decided() {
                break run.elapsed_ms;
            }
            let key = (run.state.at_rest(), run.arrives);
            if run.told.is_none()
                && let Some(rest) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&key)
            {
                break run.elapsed_ms + rest;
            }
            if passed.iter().any(|(before, _)| *before == key) {
                return Err(format!("after {} ms it is where it was: undecided for ever", run.elapsed_ms));
            }
            passed.push((key, run.elapsed_ms));
            if run.elapsed_ms > DECIDED_MS_MAX {
                return Err(format!("undecided after {} ms", run.elapsed_ms));
            }
            run.pass()?;
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(passed.into_iter().map(|(key, at)| (key, total - at)));
        let mut longest = self.longest.write().unwrap_or_else(PoisonError::into_inner);
        *longest = total.max(*longest);
        Ok(())
    }
}

impl<'a> Run<'a> {
    fn new(tables: &'a Tables, state: &State, past: Past, told: Option<Vec<String>>) -> Self {
        let arrives = past == Past::Healed;
        let mut run =
            Run { tables, state: state.clone(), flying: VecDeque::new(), elapsed_ms: 0, arrives, told };
        match past {
            Past::Lost => run.keep_questions(),
            Past::Late => {
                for node in 0..tables.cast.nodes() {
                    let to = u8::try_from(node).expect("there are few nodes");
                    run.flying
                        .extend(tables.messages(state.soups[node]).iter().map(|message| (to, *message)));
                }
            }
            Past::Healed => {
                run.keep_questions();
                run.state = state.healed(tables);
            }
        }
        for (node, other) in connected(tables) {
            // It may have to notice that the connection is lost before it notices that it is back.
            while let Some(step) = run.state.take_notice(tables, None, node, other) {
                run.send(node, &step);
            }
        }
        run
    }

    /// Where a wrong suspicion is no part of the search, a question to a sponsor that is well is not lost, nor its answer.
    fn keep_questions(&mut self) {
        if self.tables.cast.config.patience == Patience::Any {
            return;
        }
        let waits = |one: usize, other: usize| {
            let waits_for = self.tables.view(self.state.nodes[one]).waits_for;
            waits_for & (1 << other) != 0 && self.state.can_connect(self.tables, one, other)
        };
        for node in 0..self.tables.cast.nodes() {
            let to = place(node);
            for message in self.tables.messages(self.state.soups[node]).iter() {
                let envelope = self.tables.message(*message);
                let from = usize::from(envelope.from);
                let kept = match &envelope.message {
                    Message::AskSponsor { .. } => waits(from, node),
                    Message::SponsorSays { .. } => waits(node, from),
                    _ => false,
                };
                if kept {
                    self.flying.push_back((to, *message));
                }
            }
        }
    }

    fn send(&mut self, node: usize, step: &Arc<Step>) {
        for (to, message) in &step.sent {
            self.flying.push_back((*to, *message));
            if let Some(told) = &mut self.told {
                told.push(format!("    {}", words::sent(self.tables, node, *to, *message)));
            }
        }
    }

    fn take(&mut self, node: usize, event: Event) {
        let step = self.tables.step(node, self.state.nodes[node], event);
        self.state.nodes[node] = step.next;
        self.send(node, &step);
    }

    /// Until nothing is under way and everything is durable.
    fn deliver_all(&mut self) -> Result<(), String> {
        for _ in 0..DELIVERIES_MAX {
            let Some((to, message)) = self.flying.pop_front() else {
                if self.sync_all() {
                    continue;
                }
                return Ok(());
            };
            let (from, node) = (usize::from(self.tables.message(message).from), usize::from(to));
            let arrives = to != TO_CLIENT
                && self.tables.view(self.state.nodes[node]).up
                && !self.state.is_cut(from, node);
            if arrives {
                if let Some(told) = &mut self.told {
                    told.push(format!("deliver {}", words::sent(self.tables, from, to, message)));
                }
                self.take(node, Event::Deliver(message));
            }
        }
        Err(format!("it does not come to rest in {DELIVERIES_MAX} deliveries"))
    }

    fn sync_all(&mut self) -> bool {
        if self.tables.cast.config.syncs == Syncs::Together {
            return false;
        }
        let mut synced = false;
        for node in 0..self.tables.cast.config.participants {
            let view = self.tables.view(self.state.nodes[node]);
            if view.up && !view.synced {
                self.take(node, Event::Sync);
                synced = true;
            }
        }
        synced
    }

    fn is_decided(&self) -> bool {
        let participants = &self.state.nodes[..self.tables.cast.config.participants];
        participants.iter().all(|local| {
            let view = self.tables.view(*local);
            !view.undecided && (view.post.is_sent() || !self.arrives)
        })
    }

    /// Time passes, until the first wake of all.
    fn pass(&mut self) -> Result<(), String> {
        let nodes = 0..self.tables.cast.nodes();
        let wakes = nodes.clone().filter_map(|node| self.tables.view(self.state.nodes[node]).wake_ms);
        let ms = wakes.min().ok_or("undecided, and nobody will do anything")?;
        self.elapsed_ms += ms;
        if let Some(told) = &mut self.told {
            told.push(format!("wait {ms}ms"));
        }
        let ms = u32::try_from(ms).expect("the horizon is near");
        for node in nodes {
            if self.tables.view(self.state.nodes[node]).up {
                self.take(node, Event::Pass(ms));
            }
        }
        Ok(())
    }
}
