//! What goes wrong, planned when the load begins: one kind, its victims, its beginning and its end.

use super::{Client, Event, Node, World, trace};
use crate::{
    run::Fault,
    simulator::{machines::Input, options::Lasting, properties::Violation},
};
use std::fmt::Write as _;

/// A fault that is planned, happens or has happened.
pub(super) struct Planned {
    kind: &'static str,
    what: What,
    /// When it began; none if it has not.
    began_us: Option<u64>,
    ended_us: Option<u64>,
}

/// Victims are places of nodes or clients.
enum What {
    Crash(usize),
    Die(usize),
    Cut {
        links: Vec<(usize, usize)>,
        silent: bool,
    },
    CutOneWay {
        from: usize,
        to: usize,
        severed: bool,
    },
    FullDisk(usize),
    FailSync(usize),
    SlowDisk(usize),
    DiskHangs(usize),
    /// It loses a link, and dies in the midst of settling what that left behind.
    CutThenDies {
        one: usize,
        two: usize,
    },
    Pause(usize),
    ClockJump(usize),
    Disconnect(usize),
    ClientCrash {
        client: usize,
        journal: bool,
    },
    ClientDeath(usize),
}

impl Planned {
    /// For the account of the run; none if it never came to it.
    pub(super) fn record(&self, nodes: &[Node], clients: &[Client]) -> Option<Fault> {
        let node = |place: &usize| vec![nodes[*place].name.clone()];
        let client = |place: &usize| vec![clients[*place].name.to_string()];
        let link = |from: usize, to: usize| format!("{}-{}", nodes[from].name, nodes[to].name);
        let (targets, detail) = match &self.what {
            What::Crash(place)
            | What::Die(place)
            | What::FullDisk(place)
            | What::FailSync(place)
            | What::SlowDisk(place)
            | What::DiskHangs(place)
            | What::Pause(place)
            | What::ClockJump(place) => (node(place), String::new()),
            What::Cut { links, silent } => {
                let links = links.iter().map(|(from, to)| link(*from, *to)).collect();
                (links, if *silent { "nobody notices".into() } else { String::new() })
            }
            What::CutThenDies { one, two } => (vec![link(*one, *two)], "then one end dies".into()),
            What::CutOneWay { from, to, .. } => (vec![link(*from, *to)], "one way first".into()),
            What::Disconnect(place) | What::ClientDeath(place) => (client(place), String::new()),
            What::ClientCrash { client: place, journal } => {
                (client(place), if *journal { "with its journal".into() } else { String::new() })
            }
        };
        let from_ns = self.began_us? * 1000;
        let to_ns = self.ended_us.map(|us| us * 1000);
        Some(Fault { kind: self.kind.into(), targets, from_ns, to_ns, detail })
    }
}

impl World<'_> {
    /// Draws when which fault happens to whom.
    pub(super) fn plan_faults(&mut self) {
        let options = self.options.clone();
        let span_us = options.ms_of_faults * 1000;
        for _ in 0..options.crashes {
            let place = self.any_node();
            let long = self.fault_random.chance(300);
            self.plan("crash", What::Crash(place), if long { span_us } else { 50_000 });
        }
        for _ in 0..options.coordinator_deaths {
            let place = self.any_coordinator();
            self.plan("coordinator death", What::Die(place), 0);
        }
        for _ in 0..options.cuts {
            let links = vec![self.any_link()];
            self.plan_cut("cut", links, span_us);
        }
        for _ in 0..options.one_way_cuts {
            let (from, to) = self.any_link();
            self.plan("one-way cut", What::CutOneWay { from, to, severed: false }, span_us);
        }
        for _ in 0..options.partitions {
            let links = self.any_partition();
            self.plan_cut("partition", links, span_us);
        }
        for _ in 0..options.flaps {
            let link = self.any_link();
            for _ in 0..2 + self.fault_random.below(5) {
                self.plan_cut("flap", vec![link], 60_000);
            }
        }
        for _ in 0..options.full_disks {
            let place = self.any_participant();
            self.plan("full disk", What::FullDisk(place), span_us / 2);
        }
        for _ in 0..options.failed_syncs {
            let place = self.any_participant();
            self.plan("failing sync", What::FailSync(place), 0);
        }
        for _ in 0..options.slow_disks {
            let place = self.any_participant();
            self.plan("slow disk", What::SlowDisk(place), span_us / 2);
        }
        for _ in 0..options.pauses {
            let place = self.any_node();
            let long = self.fault_random.chance(300);
            self.plan("pause", What::Pause(place), if long { span_us } else { 300_000 });
        }
        for _ in 0..options.wall_jumps {
            let place = self.any_node();
            self.plan("wall clock jump", What::ClockJump(place), 0);
        }
        self.plan_client_faults();
    }

    fn plan_client_faults(&mut self) {
        let options = self.options.clone();
        for _ in 0..options.client_disconnects {
            let client = self.any_client();
            self.plan("client disconnect", What::Disconnect(client), 0);
        }
        for _ in 0..options.client_crashes {
            let what =
                What::ClientCrash { client: self.any_client(), journal: self.fault_random.chance(600) };
            self.plan("client crash", what, options.ms_of_faults * 500);
        }
        for _ in 0..options.client_deaths {
            let client = self.any_client();
            self.plan("client death", What::ClientDeath(client), 0);
        }
        if self.consumed {
            self.plan_consumer_faults();
        }
    }

    fn plan_consumer_faults(&mut self) {
        let options = self.options.clone();
        for _ in 0..options.consumer_crashes {
            let (client, journal) = (self.any_consumer(), self.fault_random.chance(500));
            let what = What::ClientCrash { client, journal };
            self.plan("consumer crash", what, options.ms_of_faults * 500);
        }
        for _ in 0..options.consumer_disconnects {
            let client = self.any_consumer();
            self.plan("consumer disconnect", What::Disconnect(client), 0);
        }
    }

    fn plan_cut(&mut self, kind: &'static str, links: Vec<(usize, usize)>, lasts_us: u64) {
        let silent = self.fault_random.chance(self.options.silent_per_mille);
        self.plan(kind, What::Cut { links, silent }, lasts_us);
    }

    /// Some time within the span of faults, for at most so long.
    fn plan(&mut self, kind: &'static str, what: What, lasts_us_max: u64) {
        let begins_us = 1 + self.fault_random.below(self.options.ms_of_faults * 1000);
        let lasts_us = 1 + self.fault_random.below(lasts_us_max.max(1));
        self.plan_at(kind, what, begins_us, Some(lasts_us));
    }

    fn plan_at(&mut self, kind: &'static str, what: What, begins_us: u64, lasts_us: Option<u64>) {
        let fault = self.planned.len();
        self.planned.push(Planned { kind, what, began_us: None, ended_us: None });
        self.put(begins_us, Event::FaultBegins(fault));
        if let Some(lasts_us) = lasts_us {
            self.put(begins_us + lasts_us, Event::FaultEnds(fault));
        }
    }

    /// The one fault that never heals. Gives when it begins.
    pub(super) fn plan_lasting(&mut self) -> u64 {
        let begins_us = 1 + self.fault_random.below(self.options.ms_of_faults * 1000);
        match self.options.lasting {
            Lasting::None => {}
            Lasting::CoordinatorDies => {
                let place = self.any_coordinator();
                self.plan_at("coordinator gone", What::Crash(place), begins_us, None);
            }
            Lasting::ParticipantDies => {
                let place = self.any_participant();
                self.plan_at("participant gone", What::Crash(place), begins_us, None);
            }
            Lasting::DiskHangs => {
                let place = self.any_participant();
                self.plan_at("hanging disk", What::DiskHangs(place), begins_us, None);
            }
            Lasting::LinkCut => {
                let links = vec![self.any_link()];
                self.plan_at("link gone", What::Cut { links, silent: false }, begins_us, None);
            }
            Lasting::CutThenDies => {
                let (one, two) = self.any_link();
                self.plan_at("link gone", What::CutThenDies { one, two }, begins_us, None);
                let dies_us = begins_us + 1 + self.fault_random.below(1_500_000);
                self.plan_at("node gone", What::Crash(one), dies_us, None);
            }
        }
        begins_us
    }

    pub(super) fn fault_begins(&mut self, fault: usize) -> Result<(), Violation> {
        if !self.faults_happen() {
            return Ok(());
        }
        let kind = self.planned[fault].kind;
        trace!(self, "{kind} begins");
        self.planned[fault].began_us = Some(self.now_us);
        self.summary.count_fault(kind, 1);
        let what = std::mem::replace(&mut self.planned[fault].what, What::Crash(0));
        let result = self.begin(fault, &what);
        self.planned[fault].what = what;
        result
    }

    fn begin(&mut self, fault: usize, what: &What) -> Result<(), Violation> {
        match what {
            What::Crash(place) => self.crash(*place, "crash"),
            What::Die(place) => {
                let others = self.nodes.iter().filter(|node| node.serves_clients && !node.dead);
                if others.count() > 1 {
                    self.crash(*place, "crash")?;
                    self.nodes[*place].dead = true;
                }
                Ok(())
            }
            What::CutThenDies { one, two } => {
                self.cut(*one, *two);
                self.notice(*one, *two, false);
                self.nodes[*one].dies_after = Some(1 + self.fault_random.below(6));
                Ok(())
            }
            What::Cut { links, silent } => {
                for (one, two) in links {
                    self.cut(*one, *two);
                    if !silent {
                        self.notice(*one, *two, false);
                    }
                }
                Ok(())
            }
            What::CutOneWay { from, to, .. } => {
                self.network.cut(*from, *to);
                trace!(self, "cut {} -> {}", self.nodes[*from].name, self.nodes[*to].name);
                let severs_us = 1 + self.fault_random.below(500_000);
                self.put(severs_us, Event::Severs(fault));
                Ok(())
            }
            What::FullDisk(place) => self.set_full(*place, true),
            What::FailSync(place) => {
                self.nodes[*place].fails_next_sync = true;
                Ok(())
            }
            What::SlowDisk(place) => {
                self.nodes[*place].slow_until_us = u64::MAX;
                Ok(())
            }
            What::DiskHangs(place) => {
                self.nodes[*place].disk_hangs = true;
                Ok(())
            }
            What::Pause(place) => {
                // The end is known: it is put in already.
                let lasts_us = 1 + self.fault_random.below(400_000);
                self.nodes[*place].paused_until_us = self.now_us + lasts_us;
                Ok(())
            }
            What::ClockJump(place) => {
                self.nodes[*place].clock.jump(&mut self.fault_random);
                Ok(())
            }
            What::Disconnect(client) => self.disconnect(*client),
            What::ClientCrash { client, journal } => self.crash_client(*client, true, *journal),
            What::ClientDeath(client) => self.crash_client(*client, false, false),
        }
    }

    fn cut(&mut self, one: usize, two: usize) {
        trace!(self, "cut {} - {}", self.nodes[one].name, self.nodes[two].name);
        self.network.cut(one, two);
        self.network.cut(two, one);
    }

    pub(super) fn fault_ends(&mut self, fault: usize) -> Result<(), Violation> {
        if self.planned[fault].began_us.is_none() || self.planned[fault].ended_us.is_some() {
            return Ok(());
        }
        trace!(self, "{} ends", self.planned[fault].kind);
        self.planned[fault].ended_us = Some(self.now_us);
        let what = std::mem::replace(&mut self.planned[fault].what, What::Crash(0));
        let result = self.end(&what);
        self.planned[fault].what = what;
        result
    }

    fn end(&mut self, what: &What) -> Result<(), Violation> {
        match what {
            What::Crash(place) => self.start(*place),
            What::Cut { links, silent } => {
                for (one, two) in links {
                    let whole = self.network.mend(*one, *two) & self.network.mend(*two, *one);
                    if whole && !silent {
                        self.notice(*one, *two, true);
                    }
                }
                Ok(())
            }
            What::CutOneWay { from, to, severed } => {
                let there = self.network.mend(*from, *to);
                let back = if *severed { self.network.mend(*to, *from) } else { true };
                if there && back {
                    self.notice(*from, *to, true);
                }
                Ok(())
            }
            What::FullDisk(place) => self.set_full(*place, false),
            What::SlowDisk(place) => {
                self.nodes[*place].slow_until_us = 0;
                Ok(())
            }
            What::DiskHangs(place) => {
                // What hung is begun anew.
                self.nodes[*place].disk_hangs = false;
                self.crash_for_a_while(*place, "crash")
            }
            // Healing mends all links.
            What::CutThenDies { one, .. } => self.start(*one),
            What::Die(_)
            | What::FailSync(_)
            | What::Pause(_)
            | What::ClockJump(_)
            | What::Disconnect(_)
            | What::ClientCrash { .. }
            | What::ClientDeath(_) => Ok(()),
        }
    }

    /// A connection needs both directions: the ends notice that one is gone, and give up the other.
    pub(super) fn sever(&mut self, fault: usize) {
        if self.planned[fault].ended_us.is_some() {
            return;
        }
        if let What::CutOneWay { from, to, severed } = &mut self.planned[fault].what {
            *severed = true;
            let (from, to) = (*from, *to);
            self.network.cut(to, from);
            self.notice(from, to, false);
        }
    }

    pub(super) fn set_full(&mut self, place: usize, full: bool) -> Result<(), Violation> {
        self.nodes[place].full = full;
        if self.nodes[place].up { self.input(place, Input::Accepting(!full)) } else { Ok(()) }
    }

    fn crash_client(&mut self, client: usize, comes_back: bool, journal: bool) -> Result<(), Violation> {
        let back_us = 1 + self.fault_random.below(self.options.ms_of_faults * 500);
        let until_us = comes_back.then_some(self.now_us + back_us);
        self.disconnect(client)?;
        self.at_desk(client, |client, desk| client.crash(until_us, journal, desk))?;
        self.wake_client(client, back_us);
        Ok(())
    }
}
