//! One node: its turns, its syncs, how it starts and crashes.

use super::{Event, World, trace};
use crate::{
    random::Random,
    simulator::{
        clock::Clock,
        disk::{Next, Outbox},
        machines::{Input, Machine, Seat},
        options::Options,
        properties::Violation,
    },
};
use assent_protocol::{canary::leaves_early, ids::NodeId};
use std::fmt::Write as _;

pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) name: String,
    pub(super) serves_clients: bool,
    pub(super) machine: Box<dyn Machine>,
    pub(super) clock: Clock,
    /// Rises with every crash; what was meant for an earlier process is lost.
    pub(super) epoch: u64,
    pub(super) up: bool,
    /// For ever.
    pub(super) dead: bool,
    /// When its next tick is put in; the maximum if none is.
    wake_us: u64,
    /// It stands still until then.
    pub(super) paused_until_us: u64,
    /// Its disk is slow until then.
    pub(super) slow_until_us: u64,
    pub(super) full: bool,
    pub(super) fails_next_sync: bool,
    /// No sync ends any more.
    pub(super) disk_hangs: bool,
    /// It dies when it has said so many more things that settle what its sponsor did not.
    pub(super) dies_after: Option<u64>,
    /// Since when somebody waits for locks where nothing is in doubt.
    waits_since_us: Option<u64>,
    background: bool,
    steps: u64,
}

impl Node {
    pub(super) fn new(seat: Seat, options: &Options, random: &mut Random) -> Self {
        Node {
            id: seat.id,
            name: seat.name,
            serves_clients: seat.serves_clients,
            machine: seat.machine,
            clock: Clock::new(random, options.drift_ppm_max, options.wall_skew_ms_max),
            epoch: 0,
            up: false,
            dead: false,
            wake_us: u64::MAX,
            paused_until_us: 0,
            slow_until_us: 0,
            full: false,
            fails_next_sync: false,
            disk_hangs: false,
            dies_after: None,
            waits_since_us: None,
            background: false,
            steps: 0,
        }
    }
}

/// How long somebody may wait for locks while nothing is in doubt: for readers, and for the vote of one that was wounded.
const WAIT_US_MAX: u64 = 45_000;

impl World<'_> {
    /// Until when what happens to a node is put off, because it stands still; none if it doesn't.
    pub(super) fn paused_until(&self, place: usize) -> Option<u64> {
        Some(self.nodes[place].paused_until_us).filter(|until_us| *until_us > self.now_us)
    }

    /// One input, what it writes, and what it says.
    pub(super) fn input(&mut self, place: usize, input: Input) -> Result<(), Violation> {
        if self.options.patient > 0 {
            self.check_waits(place)?;
        }
        let node = &mut self.nodes[place];
        let (now, wall) = (node.clock.local(self.now_us), node.clock.wall(self.now_us));
        let mut said = Outbox::new();
        node.machine.handle(now, wall, input, &mut said);
        // As the program does at the end of a turn: what is due now goes into its batch.
        if self.consumed && node.machine.next_wake().is_some_and(|local| local <= now) {
            node.machine.handle(now, wall, Input::Tick, &mut said);
        }
        node.steps += 1;
        let sampled = node.steps.is_multiple_of(self.options.check_every);
        // Nothing, unless a canary says so.
        let early: Outbox = said.extract_if(.., |(_, message)| leaves_early(message)).collect();
        let next = match node.machine.disk() {
            Some(disk) => disk.end_turn(&mut said),
            None => Next::Send(said),
        };
        if sampled {
            self.check_machine(place)?;
        }
        self.schedule_wake(place);
        for (to, message) in early {
            self.say_one(place, to, message)?;
        }
        self.carry_out(place, next)
    }

    /// Where nothing goes wrong, nobody waits for long beside locks that are free.
    fn check_waits(&mut self, place: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[place];
        let undecided = node.machine.undecided(node.clock.local(self.now_us));
        let waits = !undecided.is_empty() && undecided.iter().all(|one| one.queued);
        node.waits_since_us = if waits { node.waits_since_us.or(Some(self.now_us)) } else { None };
        let waited_us = self.now_us - node.waits_since_us.unwrap_or(self.now_us);
        if waited_us < WAIT_US_MAX {
            return Ok(());
        }
        let words = format!("{}: {} wait beside free locks for {waited_us} us", node.name, undecided.len());
        Err(Violation::undecided("nobody is blocked", words))
    }

    /// The machine's own invariants.
    pub(super) fn check_machine(&self, place: usize) -> Result<(), Violation> {
        let node = &self.nodes[place];
        node.machine.check().map_err(|words| Violation::new("machine", format!("{}: {words}", node.name)))
    }

    fn schedule_wake(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let Some(local) = node.machine.next_wake() else { return };
        let at_us = node.clock.when(local).max(self.now_us + 1);
        if at_us < node.wake_us {
            node.wake_us = at_us;
            self.agenda.put(at_us, Event::Wake(place));
        }
    }

    pub(super) fn wake(&mut self, place: usize) -> Result<(), Violation> {
        if self.nodes[place].wake_us > self.now_us {
            return Ok(());
        }
        if let Some(until_us) = self.paused_until(place) {
            self.agenda.put(until_us, Event::Wake(place));
            return Ok(());
        }
        self.nodes[place].wake_us = u64::MAX;
        let node = &self.nodes[place];
        if !node.up {
            return Ok(());
        }
        if node.machine.next_wake().is_none_or(|local| local > node.clock.local(self.now_us)) {
            self.schedule_wake(place);
            return Ok(());
        }
        self.input(place, Input::Tick)
    }

    /// What a node's runtime does for its disk (R7).
    fn carry_out(&mut self, place: usize, next: Next) -> Result<(), Violation> {
        match next {
            Next::Nothing => Ok(()),
            Next::Send(said) => self.say(place, said),
            Next::Sync => {
                self.sync_takes_time(place);
                Ok(())
            }
            Next::Background => {
                let epoch = self.nodes[place].epoch;
                if !std::mem::replace(&mut self.nodes[place].background, true) {
                    let in_us = self.options.background_sync_ms * 1000;
                    self.put(in_us, Event::BackgroundSync { place, epoch });
                }
                Ok(())
            }
        }
    }

    fn sync_takes_time(&mut self, place: usize) {
        if self.nodes[place].disk_hangs {
            return;
        }
        let mut took_us = 1 + self.node_random.below(self.options.sync_us_max);
        if self.nodes[place].slow_until_us > self.now_us {
            took_us *= 1 + self.node_random.below(100);
        }
        let epoch = self.nodes[place].epoch;
        self.put(took_us, Event::Synced { place, epoch });
    }

    pub(super) fn on_background_sync(&mut self, place: usize, epoch: u64) {
        if self.nodes[place].epoch != epoch {
            return;
        }
        self.nodes[place].background = false;
        if self.nodes[place].machine.disk().is_some_and(|disk| disk.begin_sync()) {
            self.sync_takes_time(place);
        }
    }

    pub(super) fn on_synced(&mut self, place: usize, epoch: u64) -> Result<(), Violation> {
        if self.nodes[place].epoch != epoch || !self.nodes[place].up {
            return Ok(());
        }
        if let Some(until_us) = self.paused_until(place) {
            self.agenda.put(until_us, Event::Synced { place, epoch });
            return Ok(());
        }
        if std::mem::take(&mut self.nodes[place].fails_next_sync) {
            return self.crash_for_a_while(place, "failed sync");
        }
        let mut durable = Vec::new();
        let Some(disk) = self.nodes[place].machine.disk() else { return Ok(()) };
        let freed = disk.end_sync(&mut durable);
        self.note_durable(place, &durable)?;
        if self.faults_happen() && self.fault_random.chance(self.options.crash_at_sync_per_mille) {
            return self.crash_for_a_while(place, "crash at sync");
        }
        self.say(place, freed)?;
        if self.nodes[place].epoch != epoch {
            return Ok(());
        }
        let next = self.nodes[place].machine.disk().map_or(Next::Nothing, |disk| disk.after_sync());
        self.carry_out(place, next)
    }

    fn note_durable(
        &mut self,
        place: usize,
        durable: &[crate::simulator::disk::Durable],
    ) -> Result<(), Violation> {
        let id = self.nodes[place].id;
        durable.iter().try_for_each(|durable| self.properties.durable(id, durable))
    }

    pub(super) fn start(&mut self, place: usize) -> Result<(), Violation> {
        if self.nodes[place].up || self.nodes[place].dead {
            return Ok(());
        }
        trace!(self, "start {}", self.nodes[place].name);
        let node = &mut self.nodes[place];
        node.clock.restart(self.now_us, &mut self.node_random);
        node.machine.start(node.epoch, node.clock.local(self.now_us));
        node.up = true;
        node.wake_us = u64::MAX;
        node.paused_until_us = 0;
        node.background = false;
        node.fails_next_sync = false;
        self.check_machine(place)?;
        for other in 0..self.nodes.len() {
            if other != place && self.nodes[other].up && self.network.connects(place, other) {
                self.notice(place, other, true);
            }
        }
        self.schedule_wake(place);
        if self.nodes[place].full { self.input(place, Input::Accepting(false)) } else { Ok(()) }
    }

    /// The process is gone. Its disk keeps what was synced, and sometimes some of what was not.
    pub(super) fn crash(&mut self, place: usize, why: &'static str) -> Result<(), Violation> {
        if !self.nodes[place].up {
            return Ok(());
        }
        self.check_machine(place)?;
        self.collect_figures(place);
        self.summary.count_fault(why, 1);
        let torn = self.fault_random.chance(self.options.torn_per_mille);
        let node = &mut self.nodes[place];
        node.up = false;
        node.epoch += 1;
        let mut durable = Vec::new();
        if let Some(disk) = node.machine.disk() {
            let unsynced = disk.unsynced() as u64;
            let kept = if torn { self.fault_random.below(unsynced + 1) } else { 0 };
            disk.crash(kept as usize, &mut durable);
            if kept > 0 && kept < unsynced {
                self.summary.count_fault("torn writes", 1);
            }
        }
        trace!(self, "{why} {}", self.nodes[place].name);
        self.note_durable(place, &durable)?;
        self.lose_clients_of(place);
        for other in 0..self.nodes.len() {
            if other != place {
                self.notice(place, other, false);
            }
        }
        Ok(())
    }

    /// Most crashes are short: the process is started again at once.
    pub(super) fn crash_for_a_while(&mut self, place: usize, why: &'static str) -> Result<(), Violation> {
        self.crash(place, why)?;
        let long = self.fault_random.chance(250);
        let bound_us = if long { self.options.ms_of_faults * 1000 } else { 50_000 };
        let epoch = self.nodes[place].epoch;
        let back_us = 1 + self.fault_random.below(bound_us);
        self.put(back_us, Event::Restart { place, epoch });
        Ok(())
    }

    pub(super) fn collect_figures(&mut self, place: usize) {
        if self.nodes[place].up {
            self.summary.add_figures(self.nodes[place].machine.figures());
        }
    }
}
