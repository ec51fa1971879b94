//! The phases of a run: what comes first, the load with its faults, healing, what comes last, and forgetting. Each has a
//! bound of virtual time: what has not come to an end by then never will (liveness).

use super::{AUDITOR, Event, World, trace};
use crate::simulator::{options::Lasting, properties::Violation};
use std::fmt::Write as _;

/// Where a run is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    /// The operations that come before all others. No faults yet.
    Setup,
    /// Load and faults.
    Load,
    /// One fault lasts, and everything else must go on without it.
    Lasting,
    /// No faults any more: every client must come to its end.
    Healed,
    /// The operations that come after all others.
    Last,
    /// Everything must be forgotten.
    Drain,
}

/// How long a fault lasts that would last for ever, beyond the time in which requests must be answered, in microseconds.
const LASTING_US: u64 = 10_000_000;
/// While one fault lasts, nothing may stay undecided for longer than this beyond its deadline, in milliseconds.
const UNDECIDED_MS_MAX: u64 = 8_000;
/// A request that some coordinator can serve is answered in this time, beyond what a sponsor that reaches nobody goes on
/// trying, in microseconds.
const UNANSWERED_US_MAX: u64 = 20_000_000;
/// Where nothing goes wrong at all, in this time, in microseconds.
const UNANSWERED_PATIENT_US_MAX: u64 = 5_000_000;
/// After healing, nothing may stay undecided for longer than this, in milliseconds.
const UNDECIDED_HEALED_MS_MAX: u64 = 40_000;
/// No message may come any more when none was left for this long, in microseconds.
const DRAINED_US: u64 = 2_000_000;
const SECOND_US: u64 = 1_000_000;

impl World<'_> {
    /// Whether faults happen now.
    pub(super) fn faults_happen(&self) -> bool {
        matches!(self.phase, Phase::Load | Phase::Lasting)
    }

    /// Goes to the next phase when this one is over. Says whether the run is.
    pub(super) fn go_on(&mut self) -> Result<bool, Violation> {
        let looks = self.phase == Phase::Healed && self.consumed && self.summary.steps.is_multiple_of(16);
        let drained = looks && self.stays_drained();
        match self.phase {
            Phase::Setup if self.clients[AUDITOR].is_done() => self.begin_load(),
            Phase::Load if self.now_us >= self.load_until_us() => match self.options.lasting {
                Lasting::None => self.heal()?,
                _ => self.enter(Phase::Lasting),
            },
            Phase::Lasting if self.now_us >= self.phase_since_us + self.unanswered_us_max() + LASTING_US => {
                self.heal()?
            }
            Phase::Healed if drained => {
                self.clients.iter_mut().for_each(|client| client.stop());
                for client in 1..self.clients.len() {
                    self.wake_client(client, 1);
                }
            }
            Phase::Healed if self.clients.iter().skip(1).all(|client| client.is_done()) => {
                let last = self.workload.last();
                self.clients[AUDITOR].follow(last);
                self.wake_client(AUDITOR, 1);
                self.enter(Phase::Last);
            }
            Phase::Last if self.clients[AUDITOR].is_done() => {
                self.clients[AUDITOR].closing = true;
                self.wake_client(AUDITOR, 1);
                self.enter(Phase::Drain);
            }
            _ => {}
        }
        let over_us = self.bound_us();
        if self.now_us > self.phase_since_us + over_us {
            let words = format!("not over after {} virtual s: {}", over_us / SECOND_US, self.what_is_left());
            return Err(Violation::undecided("liveness", words));
        }
        let cheap = self.phase == Phase::Drain
            && self.clients.iter().all(|client| client.is_gone())
            && self.nodes.iter().all(|node| !node.up || node.machine.held() == 0);
        if cheap && self.left().is_none() {
            for place in 0..self.nodes.len() {
                self.check_machine(place)?;
            }
            self.properties.ended()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// For so long that what a client asked for before it died has come or never will.
    fn stays_drained(&mut self) -> bool {
        if self.is_drained() {
            self.now_us >= *self.drained_since_us.get_or_insert(self.now_us) + DRAINED_US
        } else {
            self.drained_since_us = None;
            false
        }
    }

    /// Nobody sends anything more, and no message is left.
    fn is_drained(&self) -> bool {
        let sends = |client: &&crate::simulator::client::Client| !client.consumes();
        self.clients.iter().any(|client| client.consumes())
            && self.clients.iter().skip(1).filter(sends).all(|client| client.is_done())
            && self
                .nodes
                .iter()
                .all(|node| node.dead || node.up && node.machine.mail(node.clock.local(self.now_us)) == 0)
    }

    fn enter(&mut self, phase: Phase) {
        trace!(self, "phase {phase:?}");
        self.phase = phase;
        self.phase_since_us = self.now_us;
    }

    fn begin_load(&mut self) {
        self.enter(Phase::Load);
        self.network.begin_faults();
        match self.options.lasting {
            Lasting::None => self.plan_faults(),
            _ => {
                self.plan_lasting();
            }
        }
        for client in 1..self.clients.len() {
            let in_us = 1 + self.client_random.below(1_000);
            self.clients[client].closing = true;
            self.wake_client(client, in_us);
        }
        self.put(100_000, Event::Probe);
    }

    fn load_until_us(&self) -> u64 {
        self.phase_since_us + self.options.ms_of_faults * 1000
    }

    /// From now on nothing goes wrong any more; what is dead for ever stays dead.
    fn heal(&mut self) -> Result<(), Violation> {
        self.enter(Phase::Healed);
        self.network.heal();
        self.options.sync_us_max = self.options.sync_us_max.min(3_000);
        self.options.think_us_max = self.options.think_us_max.min(2_000);
        for fault in 0..self.planned.len() {
            self.fault_ends(fault)?;
        }
        for place in 0..self.nodes.len() {
            self.nodes[place].paused_until_us = 0;
            self.nodes[place].slow_until_us = 0;
            self.nodes[place].fails_next_sync = false;
            self.nodes[place].dies_after = None;
            self.start(place)?;
            self.set_full(place, false)?;
        }
        for one in 0..self.nodes.len() {
            for two in one + 1..self.nodes.len() {
                self.notice(one, two, true);
            }
        }
        Ok(())
    }

    /// How long a phase may last.
    fn bound_us(&self) -> u64 {
        let seconds = match self.phase {
            Phase::Setup | Phase::Last => 300,
            Phase::Load | Phase::Lasting => return u64::MAX / 2,
            Phase::Healed => 600 + 10 * self.options.requests * self.options.processes,
            // Exchanges of outcomes back off to 256 times the first pause, and idle sessions must have ended before.
            Phase::Drain => {
                600 + (3 * 256 * self.options.exchange_ms + 2 * self.options.session_idle_ms) / 1000
            }
        };
        seconds * SECOND_US
    }

    /// Looks, ever more rarely, whether anything is blocked.
    pub(super) fn probe(&mut self) -> Result<(), Violation> {
        let in_us = (self.now_us / 8).clamp(100_000, 5 * SECOND_US);
        self.put(in_us, Event::Probe);
        self.check_answered()?;
        let bound_ms = match self.phase {
            Phase::Lasting => UNDECIDED_MS_MAX + 2 * self.options.deadline_ms_max,
            Phase::Healed | Phase::Last | Phase::Drain => UNDECIDED_HEALED_MS_MAX,
            Phase::Setup | Phase::Load => return Ok(()),
        };
        for node in self.nodes.iter().filter(|node| node.up && !node.disk_hangs) {
            let undecided = node.machine.undecided(node.clock.local(self.now_us));
            if let Some(blocked) = undecided.iter().find(|one| one.age_ms > bound_ms) {
                let words = format!(
                    "{} has not decided {} for {} ms: {blocked:?}",
                    node.name, blocked.subject.txn, blocked.age_ms
                );
                return Err(Violation::undecided("nobody is blocked", words));
            }
        }
        Ok(())
    }

    /// With all participants up, and a coordinator that reaches them all, every request is answered.
    fn check_answered(&self) -> Result<(), Violation> {
        let lasts = matches!(self.options.lasting, Lasting::CoordinatorDies | Lasting::LinkCut);
        let served = lasts && self.phase == Phase::Lasting && self.options.coordinators > 1;
        let bound_us = match (served, self.options.patient) {
            (_, 1) => UNANSWERED_PATIENT_US_MAX,
            (true, _) => self.unanswered_us_max(),
            (false, _) => return Ok(()),
        };
        for client in &self.clients {
            if client.oldest_open_us().is_some_and(|begun_us| begun_us + bound_us < self.now_us) {
                return Err(Violation::undecided("nobody is blocked", client.what_is_open()));
            }
        }
        Ok(())
    }

    /// A sponsor that is cut off from a participant ends its attempt at the deadline, or says that it can't; then another
    /// coordinator has a deadline of its own.
    fn unanswered_us_max(&self) -> u64 {
        2 * self.options.deadline_ms_max * 1000 + UNANSWERED_US_MAX
    }

    /// What machines still hold; none if nothing.
    fn left(&self) -> Option<String> {
        let up = self.nodes.iter().filter(|node| node.up);
        let left = up.filter_map(|node| {
            let left = node.machine.left(node.clock.local(self.now_us))?;
            Some(format!("{} holds {left}", node.name))
        });
        let left: Vec<String> = left.collect();
        if left.is_empty() { None } else { Some(left.join("; ")) }
    }

    pub(super) fn what_is_left(&self) -> String {
        let clients = self.clients.iter().filter(|client| !client.is_gone());
        let open: Vec<String> = clients.map(|client| client.what_is_open()).collect();
        format!("{:?}; {}; {}", self.phase, open.join("; "), self.left().unwrap_or_default())
    }
}
