//! The coordinator's machine, which has no disk: what it says leaves at once.

use super::{Disk, Input, Machine, Options};
use assent_protocol::{
    coordinator::{self, Coordinator, CoordinatorConfig, Limits},
    directory::Directory,
    ids::{Incarnation, NodeId, Peer, Stamp, Time},
    message::{InDoubt, Message},
};

struct CoordinatorNode {
    config: CoordinatorConfig,
    machine: Coordinator,
}

pub(super) fn machine(node: NodeId, options: &Options, directory: &Directory) -> Box<dyn Machine> {
    let limits = Limits {
        undecided_max: options.undecided_max as usize,
        sponsor_patience_ms: options.sponsor_patience_ms,
        retry_ms: options.retry_ms,
        tells_max: options.tells_max as u32,
        settle_ms: options.settle_ms,
        ..Limits::default()
    };
    let config =
        CoordinatorConfig { node, incarnation: Incarnation(0), directory: directory.clone(), limits };
    let machine = Coordinator::new(config.clone());
    Box::new(CoordinatorNode { config, machine })
}

impl Machine for CoordinatorNode {
    fn start(&mut self, epoch: u64, _: Time) {
        self.config.incarnation = Incarnation(u128::from(self.config.node.0) << 64 | u128::from(epoch));
        self.machine = Coordinator::new(self.config.clone());
    }

    fn handle(&mut self, now: Time, wall: Stamp, input: Input, out: &mut Vec<(Peer, Message)>) {
        let input = match input {
            Input::Message(from, message) => coordinator::Input::Message(from, message),
            Input::ClientUp(connection, name) => coordinator::Input::ClientUp(connection, name),
            Input::Up(other) => coordinator::Input::Up(other),
            Input::Down(peer) => coordinator::Input::Down(peer),
            Input::Tick => coordinator::Input::Tick,
            Input::Accepting(_) => return,
        };
        self.machine.handle(now, wall, input, out);
        self.machine.take_spans().for_each(drop);
    }

    fn next_wake(&self) -> Option<Time> {
        self.machine.next_wake()
    }

    fn disk(&mut self) -> Option<&mut Disk> {
        None
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn held(&self) -> usize {
        self.size("transactions_held")
    }

    fn left(&self, _: Time) -> Option<String> {
        let left = [("undecided", self.size("undecided")), ("transactions_held", self.held())];
        if left.iter().all(|(_, size)| *size == 0) { None } else { Some(format!("{left:?}")) }
    }

    fn mail(&self, _: Time) -> u64 {
        self.size("undecided") as u64
    }

    fn undecided(&self, _: Time) -> Vec<InDoubt> {
        Vec::new()
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        self.machine.figures()
    }
}

impl CoordinatorNode {
    fn size(&self, which: &str) -> usize {
        let sizes = self.machine.sizes();
        sizes.iter().find(|(name, _)| *name == which).map_or(0, |(_, size)| *size as usize)
    }
}
