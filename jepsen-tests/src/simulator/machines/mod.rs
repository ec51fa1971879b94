//! The kinds of machines that a cluster is made of, one file each. What the world must know of a kind is [`Machine`].

mod coordinator;
mod escrow;
mod participant;

use super::{disk::Disk, options::Options};
use assent_protocol::{
    directory::Directory,
    ids::{ClientName, NodeId, Peer, Stamp, Time},
    message::{InDoubt, Message},
};

/// What happens to a machine of any kind. A kind ignores what it has no use for.
pub(crate) enum Input {
    /// A message has arrived.
    Message(Peer, Message),
    /// A client is connected.
    ClientUp(u64, ClientName),
    /// A node is connected.
    Up(NodeId),
    /// A node or client is not connected any more.
    Down(Peer),
    /// Time has passed.
    Tick,
    /// Whether there is room on the disk.
    Accepting(bool),
}

/// One machine with its disk, if it has one. The process starts and crashes; the disk stays.
pub(crate) trait Machine: Send {
    /// Starts the process from what its disk holds. `epoch` counts its starts.
    fn start(&mut self, epoch: u64, now: Time);
    /// Takes one input. What it says waits for the disk, where there is one.
    fn handle(&mut self, now: Time, wall: Stamp, input: Input, out: &mut Vec<(Peer, Message)>);
    /// When it needs a tick.
    fn next_wake(&self) -> Option<Time>;
    /// Its disk.
    fn disk(&mut self) -> Option<&mut Disk>;
    /// Its own invariants.
    fn check(&self) -> Result<(), String>;
    /// How many transactions it remembers anything of.
    fn held(&self) -> usize;
    /// What it would still have to forget, in words; none if nothing.
    fn left(&self, now: Time) -> Option<String>;
    /// Messages that are kept, and transactions that may yet send some.
    fn mail(&self, now: Time) -> u64;
    /// Transactions that are not decided here.
    fn undecided(&self, now: Time) -> Vec<InDoubt>;
    /// Counts since the process started.
    fn figures(&self) -> Vec<(&'static str, u64)>;
}

/// A node before it has started.
pub(crate) struct Seat {
    /// Its number.
    pub(crate) id: NodeId,
    /// What the trace calls it.
    pub(crate) name: String,
    /// Clients talk to it.
    pub(crate) serves_clients: bool,
    /// The machine.
    pub(crate) machine: Box<dyn Machine>,
}

/// Coordinators are numbered from here; participants from 1.
pub(crate) const COORDINATORS_FROM: u16 = 101;

/// All nodes of a cluster, participants first.
pub(crate) fn cluster(options: &Options, directory: &Directory) -> Vec<Seat> {
    let participants = directory.participants().iter().map(|id| Seat {
        id: *id,
        name: format!("p{}", id.0),
        serves_clients: false,
        machine: participant::machine(*id, options, directory),
    });
    let coordinators = (0..options.coordinators).map(|index| {
        let id = NodeId(COORDINATORS_FROM + index as u16);
        Seat {
            id,
            name: format!("c{}", index + 1),
            serves_clients: true,
            machine: coordinator::machine(id, options, directory),
        }
    });
    participants.chain(coordinators).collect()
}
