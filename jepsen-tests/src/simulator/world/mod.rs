//! The simulated cluster: nodes with their disks and clocks, the network, the clients, and one thread that runs them all
//! in virtual time.
//!
//! The files below: `nodes` (a node's turn, its syncs, start and crash), `post` (messages), `faults` (what goes wrong, with
//! `victims`), `phases` (load, heal, and what must come to an end by when).

mod faults;
mod nodes;
mod phases;
mod post;
mod victims;

use super::{
    agenda::Agenda,
    client::{Client, Desk, Sends},
    history::Recorder,
    machines,
    network::Network,
    options::Options,
    panics,
    properties::{Properties, Violation},
    routes::Routes,
    summary::Summary,
    words::Line,
};
use crate::{history::History, random::Random, run::Fault, workload::Workload};
use assent_protocol::{
    directory::Directory,
    ids::{NodeId, Peer},
    message::Message,
};
use faults::Planned;
use nodes::Node;
use phases::Phase;
use post::Connection;
use std::{cell::RefCell, collections::BTreeMap, fmt::Write as _};

/// Writes a line of the trace, if there is one; the words are only made then.
macro_rules! trace {
    ($world:expr, $($words:tt)*) => {
        if let Some(trace) = &mut $world.trace {
            let _ = write!(trace, "{:>12.6} ", $world.now_us as f64 / 1e6);
            let _ = writeln!(trace, $($words)*);
        }
    };
}
pub(super) use trace;

/// What happens.
enum Event {
    ToNode {
        place: usize,
        from: Peer,
        epochs: (u64, u64),
        message: Message,
    },
    ToClient {
        connection: u64,
        message: Message,
    },
    Wake(usize),
    Synced {
        place: usize,
        epoch: u64,
    },
    BackgroundSync {
        place: usize,
        epoch: u64,
    },
    Client(usize),
    Restart {
        place: usize,
        epoch: u64,
    },
    Notice {
        place: usize,
        other: usize,
        epochs: (u64, u64),
        up: bool,
    },
    FaultBegins(usize),
    FaultEnds(usize),
    /// The silent half of a link that was cut one way is given up, too.
    Severs(usize),
    /// Looks after what must have come to an end.
    Probe,
}

/// The cluster and everything around it.
pub(super) struct World<'w> {
    options: Options,
    agenda: Agenda<Event>,
    now_us: u64,
    directory: Directory,
    nodes: Vec<Node>,
    network: Network,
    routes: Routes,
    clients: Vec<Client>,
    connections: Vec<Connection>,
    workload: &'w mut dyn Workload,
    recorder: Recorder,
    properties: Properties,
    planned: Vec<Planned>,
    phase: Phase,
    /// When the phase began.
    phase_since_us: u64,
    /// Since when no message has been left, if none is.
    drained_since_us: Option<u64>,
    /// Chance of clients, of nodes, of faults: apart, so that taking one fault away disturbs the rest less.
    client_random: Random,
    node_random: Random,
    fault_random: Random,
    next_process: u64,
    summary: Summary,
    trace: Option<String>,
    /// There are consumers of messages.
    consumed: bool,
}

/// What a run came to.
pub(super) struct Ended {
    pub(super) result: Result<(), (Violation, u64)>,
    pub(super) summary: Summary,
    pub(super) history: History,
    pub(super) faults: Vec<Fault>,
    pub(super) trace: Option<String>,
}

/// The auditor: it runs what comes first and last, and never fails.
const AUDITOR: usize = 0;
/// Many times what a run takes. One that takes more is a storm: what is said makes others say ever more.
const STEPS_MAX: u64 = 20_000_000;

impl<'w> World<'w> {
    pub(super) fn new(options: &Options, workload: &'w mut dyn Workload, traced: bool) -> Self {
        let participants: Vec<NodeId> = (1..=options.participants).map(|id| NodeId(id as u16)).collect();
        let directory = Directory::new(BTreeMap::new(), participants);
        let mut fault_random = Random::new(options.seed ^ 0x6661_756c);
        let seats = machines::cluster(options, &directory);
        let nodes: Vec<Node> =
            seats.into_iter().map(|seat| Node::new(seat, options, &mut fault_random)).collect();
        let serving = nodes.iter().enumerate().filter(|(_, node)| node.serves_clients);
        let routes = Routes::new(serving.map(|(place, _)| place).collect());
        let mut next_process = 0;
        let mut clients = vec![Client::auditor(&mut next_process)];
        clients.extend(
            (0..options.clients as usize).map(|index| Client::new(index, options, &mut next_process)),
        );
        let mut mail_random = Random::new(options.seed ^ 0x636f_6e73);
        let consumers = (0..).map_while(|index| Some((index, workload.consumes(index, &mut mail_random)?)));
        let consumers: Vec<Client> =
            consumers.map(|(index, taking)| Client::consumer(index, taking, &mut next_process)).collect();
        let consumed = !consumers.is_empty();
        clients.extend(consumers);
        World {
            consumed,
            agenda: Agenda::new(),
            now_us: 1,
            network: Network::new(options, nodes.len()),
            directory,
            nodes,
            routes,
            clients,
            connections: Vec::new(),
            workload,
            recorder: Recorder::default(),
            properties: Properties::new(),
            planned: Vec::new(),
            phase: Phase::Setup,
            phase_since_us: 0,
            drained_since_us: None,
            client_random: Random::new(options.seed ^ 0x636c_6965),
            node_random: Random::new(options.seed ^ 0x6e6f_6465),
            fault_random,
            next_process,
            summary: Summary::default(),
            trace: traced.then(|| format!("{options}\n")),
            options: options.clone(),
        }
    }

    /// Runs until everything is done and forgotten, or a property is violated.
    pub(super) fn run(mut self) -> Ended {
        let result = panics::caught(|| self.run_to_end());
        if let Err(violation) = &result {
            trace!(self, "VIOLATED {}: {}", violation.property, violation.words);
        }
        for place in 0..self.nodes.len() {
            self.collect_figures(place);
        }
        for client in &self.clients {
            self.summary.add_client(&client.counts);
        }
        self.summary.virtual_ms = self.now_us / 1000;
        self.summary.count_fault("lost", self.network.lost);
        self.summary.count_fault("doubled", self.network.doubled);
        self.summary.count_fault("reordered", self.network.reordered);
        self.summary.count_fault("misdirected", self.network.misdirected);
        let faults = self.planned.iter().filter_map(|planned| planned.record(&self.nodes, &self.clients));
        Ended {
            result: result.map_err(|violation| (violation, self.now_us)),
            faults: faults.collect(),
            summary: self.summary,
            history: self.recorder.into_history(),
            trace: self.trace,
        }
    }

    fn run_to_end(&mut self) -> Result<(), Violation> {
        for place in 0..self.nodes.len() {
            self.start(place)?;
        }
        let first = self.workload.first();
        self.clients[AUDITOR].follow(first);
        self.wake_client(AUDITOR, 1);
        while let Some((at_us, event)) = self.agenda.take() {
            self.now_us = at_us;
            self.summary.steps += 1;
            self.happen(event)?;
            if self.go_on()? {
                return Ok(());
            }
            if self.summary.steps >= STEPS_MAX {
                let words = format!("{STEPS_MAX} steps and no end: {}", self.what_is_left());
                return Err(Violation::undecided("storm", words));
            }
        }
        Err(Violation::undecided("liveness", format!("nothing happens any more: {}", self.what_is_left())))
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::ToNode { place, from, epochs, message } => self.deliver(place, from, epochs, message),
            Event::ToClient { connection, message } => self.deliver_to_client(connection, message),
            Event::Wake(place) => self.wake(place),
            Event::Synced { place, epoch } => self.on_synced(place, epoch),
            Event::BackgroundSync { place, epoch } => {
                self.on_background_sync(place, epoch);
                Ok(())
            }
            Event::Client(client) => self.client_turn(client),
            Event::Restart { place, epoch } if self.nodes[place].epoch == epoch => self.start(place),
            Event::Restart { .. } => Ok(()),
            Event::Notice { place, other, epochs, up } => self.on_notice(place, other, epochs, up),
            Event::FaultBegins(fault) => self.fault_begins(fault),
            Event::FaultEnds(fault) => self.fault_ends(fault),
            Event::Severs(fault) => {
                self.sever(fault);
                Ok(())
            }
            Event::Probe => self.probe(),
        }
    }

    fn put(&mut self, in_us: u64, event: Event) {
        self.agenda.put(self.now_us + in_us, event);
    }

    /// The client gets a turn no later than in this time.
    fn wake_client(&mut self, client: usize, in_us: u64) {
        let at_us = self.now_us + in_us.max(1);
        if at_us < self.clients[client].wake_us {
            self.clients[client].wake_us = at_us;
            self.agenda.put(at_us, Event::Client(client));
        }
    }

    fn client_turn(&mut self, client: usize) -> Result<(), Violation> {
        if self.clients[client].wake_us != self.now_us {
            // Another turn has come before this one.
            return Ok(());
        }
        self.clients[client].wake_us = u64::MAX;
        let mut sends = Sends::new();
        let next_us = self.at_desk(client, |client, desk| client.turn(desk, &mut sends))?;
        for (place, message) in sends {
            self.client_says(client, place, message)?;
        }
        if let Some(next_us) = next_us {
            self.wake_client(client, next_us.saturating_sub(self.now_us));
        }
        Ok(())
    }

    /// Gives a client all that it works with.
    fn at_desk<T>(
        &mut self,
        client: usize,
        act: impl FnOnce(&mut Client, &mut Desk<'_>) -> T,
    ) -> Result<T, Violation> {
        let lines = self.recorder.len();
        let properties = RefCell::new(&mut self.properties);
        let wrong = RefCell::new(Ok(()));
        let judge = |check: &mut dyn FnMut(&mut Properties) -> Result<(), Violation>| {
            if wrong.borrow().is_ok() {
                *wrong.borrow_mut() = check(&mut properties.borrow_mut());
            }
        };
        let clock = &self.nodes[client % self.nodes.len()].clock;
        let mut desk = Desk {
            now_us: self.now_us,
            // A client's wall clock is as wrong as that of some node.
            wall: clock.wall(self.now_us),
            options: &self.options,
            directory: &self.directory,
            workload: self.workload,
            history: &mut self.recorder,
            random: &mut self.client_random,
            routes: &self.routes,
            next_process: &mut self.next_process,
            healed: self.phase >= Phase::Healed,
            begun: &mut |asked| judge(&mut |properties| properties.begun(&asked)),
            disowned: &mut |subject| judge(&mut |properties| properties.disowned(subject)),
        };
        let result = act(&mut self.clients[client], &mut desk);
        for line in self.recorder.from(lines) {
            trace!(self, "history {}", Line(line));
        }
        wrong.into_inner().map(|()| result)
    }
}
