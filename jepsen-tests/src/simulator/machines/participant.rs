//! The participant's machine over a disk that forgets.

use super::{Disk, Input, Machine, Options, escrow};
use assent_protocol::{
    directory::Directory,
    ids::{NodeId, Peer, Stamp, Time},
    message::{InDoubt, Message},
    participant::{self, Limits, Participant, ParticipantConfig},
};

/// What a participant counts of messages that it keeps.
const MAIL: [&str; 3] = ["outbox_messages", "mailbox_messages", "dead_letters"];

struct ParticipantNode {
    config: ParticipantConfig,
    machine: Participant,
    disk: Disk,
}

pub(super) fn machine(node: NodeId, options: &Options, directory: &Directory) -> Box<dyn Machine> {
    let limits = Limits {
        vote_age_ms: options.vote_age_ms,
        sponsor_patience_ms: options.sponsor_patience_ms,
        retry_ms: options.retry_ms,
        waiting_max: options.waiting_max as usize,
        exchange_ms: options.exchange_ms,
        session_idle_ms: options.session_idle_ms,
        outbox_messages_max: options.outbox_max,
        relay_retry_ms: options.relay_retry_ms,
        ..Limits::default()
    };
    let config = ParticipantConfig { node, boot: 0, started_s: 1_000, directory: directory.clone(), limits };
    let disk = Disk::default();
    let machine = recover(&config, &disk, Time(0));
    Box::new(ParticipantNode { config, machine, disk })
}

fn recover(config: &ParticipantConfig, disk: &Disk, now: Time) -> Participant {
    Participant::recover(config.clone(), disk.store().recover(), disk, now)
}

impl Machine for ParticipantNode {
    fn start(&mut self, epoch: u64, now: Time) {
        self.config.boot = epoch;
        self.config.started_s = 1_000 + epoch as u32;
        self.machine = recover(&self.config, &self.disk, now);
    }

    fn handle(&mut self, now: Time, _: Stamp, input: Input, out: &mut Vec<(Peer, Message)>) {
        let input = match input {
            Input::Message(from, message) => participant::Input::Message(from, message),
            Input::Up(other) => participant::Input::Up(other),
            Input::Down(peer) => participant::Input::Down(peer),
            Input::Tick => participant::Input::Tick,
            Input::Accepting(accepting) => participant::Input::Accepting(accepting),
            Input::ClientUp(connection, name) => participant::Input::Client(connection, name),
        };
        self.machine.handle(now, input, &mut self.disk, out);
        // Nobody publishes them here.
        self.machine.take_spans().for_each(drop);
    }

    fn next_wake(&self) -> Option<Time> {
        self.machine.next_wake()
    }

    fn disk(&mut self) -> Option<&mut Disk> {
        Some(&mut self.disk)
    }

    fn check(&self) -> Result<(), String> {
        let recovered = self.disk.store().recover();
        self.machine.check_stored_mail(&recovered, &self.disk)?;
        if let Some(fault) = self.machine.fault() {
            return Err(fault.to_string());
        }
        let stored = recovered.txns;
        escrow::check(&self.disk, &stored)?;
        let stored = stored.into_iter().collect();
        self.machine.check_invariants(&self.disk, &stored)?;
        match self.machine.figures().iter().find(|(name, count)| *name == "hazards" && *count > 0) {
            Some((_, count)) => Err(format!("it was told {count} times of an outcome that can't be")),
            None => Ok(()),
        }
    }

    fn held(&self) -> usize {
        self.disk.held()
    }

    fn left(&self, now: Time) -> Option<String> {
        let stored = self.disk.store().recover().txns;
        if !stored.is_empty() {
            return Some(format!("{stored:?}"));
        }
        // What is known of sessions, and boundaries of time, are not about a transaction.
        let counts = ["in_doubt", "waiting", "transactions_held", "records_locked"];
        let sizes = self.machine.sizes(now);
        let left = |(name, size): &&(&str, u64)| (counts.contains(name) || MAIL.contains(name)) && *size > 0;
        let left: Vec<_> = sizes.iter().filter(left).collect();
        if left.is_empty() { None } else { Some(format!("{left:?}")) }
    }

    fn mail(&self, now: Time) -> u64 {
        let sizes = self.machine.sizes(now);
        let counts = |name: &str| MAIL.contains(&name) || ["in_doubt", "waiting"].contains(&name);
        sizes.iter().filter(|(name, _)| counts(name)).map(|(_, size)| size).sum()
    }

    fn undecided(&self, now: Time) -> Vec<InDoubt> {
        self.machine.in_doubt(now)
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        self.machine.figures()
    }
}
