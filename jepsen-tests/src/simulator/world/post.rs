//! Messages: who may still hear them, and what is noted of them on the way.

use super::{Event, World, trace};
use crate::simulator::{
    disk::Outbox,
    machines::{COORDINATORS_FROM, Input},
    properties::Violation,
    words::Words,
};
use assent_protocol::{
    ids::{NodeId, Peer},
    message::Message,
};
use std::fmt::Write as _;

/// A client's connection to a node. Its number is its place, from 1, and never used again.
pub(super) struct Connection {
    pub(super) client: usize,
    pub(super) place: usize,
    pub(super) open: bool,
}

impl World<'_> {
    /// The place of a node; none if there is no such node.
    fn place_of(&self, id: NodeId) -> Option<usize> {
        let participants = self.options.participants as usize;
        let place = if id.0 >= COORDINATORS_FROM {
            participants + usize::from(id.0 - COORDINATORS_FROM)
        } else {
            usize::from(id.0.checked_sub(1)?)
        };
        self.nodes.get(place).filter(|node| node.id == id).map(|_| place)
    }

    /// A node says all of this, if it does not crash in between.
    pub(super) fn say(&mut self, place: usize, said: Outbox) -> Result<(), Violation> {
        let crashes = self.options.crash_at_send_per_mille > 0
            && said.len() > 1
            && self.faults_happen()
            && self.fault_random.chance(self.options.crash_at_send_per_mille);
        let count = if crashes { self.fault_random.below(said.len() as u64) as usize } else { said.len() };
        for (to, message) in said.into_iter().take(count) {
            let last = self.dies_now(place, &message);
            self.say_one(place, to, message)?;
            if last {
                return self.crash(place, "node gone");
            }
        }
        if crashes { self.crash_for_a_while(place, "crash at send") } else { Ok(()) }
    }

    /// A node that is to die in the midst of settling something says the last of it.
    fn dies_now(&mut self, place: usize, message: &Message) -> bool {
        let settles = matches!(
            message,
            Message::Peek { .. } | Message::Resolve { .. } | Message::Tell { .. } | Message::Pledged { .. }
        );
        let Some(left) = self.nodes[place].dies_after.as_mut().filter(|_| settles) else { return false };
        *left -= 1;
        let now = *left == 0;
        if now {
            self.nodes[place].dies_after = None;
        }
        now
    }

    pub(super) fn say_one(&mut self, from: usize, to: Peer, message: Message) -> Result<(), Violation> {
        self.properties.said(self.nodes[from].id, to, &message)?;
        match to {
            Peer::Node(id) => {
                let Some(place) = self.place_of(id) else {
                    let words =
                        format!("{} speaks to node {id}, which does not exist", self.nodes[from].name);
                    return Err(Violation::new("messages", words));
                };
                let epochs = (self.nodes[from].epoch, self.nodes[place].epoch);
                let from_peer = Peer::Node(self.nodes[from].id);
                self.misdirect(from, place, &message);
                let arrivals = self.network.arrivals(from, place, self.now_us);
                self.put_copies(arrivals, message, |message| Event::ToNode {
                    place,
                    from: from_peer,
                    epochs,
                    message,
                });
            }
            Peer::Client(connection) => {
                let arrivals = self.network.client_arrivals(self.now_us);
                self.put_copies(arrivals, message, |message| Event::ToClient { connection, message });
            }
        }
        Ok(())
    }

    /// A request about a transaction reaches a participant that it is not for, which is on the list or is not (R12).
    fn misdirect(&mut self, from: usize, place: usize, message: &Message) {
        let participants = self.options.participants as usize;
        let about = matches!(
            message,
            Message::Prepare(_) | Message::Veto { .. } | Message::Resolve { .. } | Message::Peek { .. }
        );
        if !about || participants < 2 || !self.network.misdirects() {
            return;
        }
        let other = (place + 1 + self.fault_random.below(participants as u64 - 1) as usize) % participants;
        let epochs = (self.nodes[from].epoch, self.nodes[other].epoch);
        let teller = Peer::Node(self.nodes[from].id);
        if other != from
            && let Some(at_us) = self.network.arrivals(from, other, self.now_us)[0]
        {
            let message = message.clone();
            self.agenda.put(at_us, Event::ToNode { place: other, from: teller, epochs, message });
        }
    }

    fn put_copies(&mut self, arrivals: [Option<u64>; 2], message: Message, event: impl Fn(Message) -> Event) {
        match arrivals {
            [None, _] => {}
            [Some(at_us), None] => self.agenda.put(at_us, event(message)),
            [Some(one_us), Some(two_us)] => {
                self.agenda.put(one_us, event(message.clone()));
                self.agenda.put(two_us, event(message));
            }
        }
    }

    pub(super) fn deliver(
        &mut self,
        place: usize,
        from: Peer,
        epochs: (u64, u64),
        message: Message,
    ) -> Result<(), Violation> {
        if self.nodes[place].epoch != epochs.1
            || !self.nodes[place].up
            || !self.may_arrive(place, from, epochs.0)
        {
            return Ok(());
        }
        if let Some(until_us) = self.paused_until(place) {
            self.agenda.put(until_us, Event::ToNode { place, from, epochs, message });
            return Ok(());
        }
        if self.trace.is_some() {
            let teller = match from {
                Peer::Node(id) => {
                    self.place_of(id).map_or(String::new(), |place| self.nodes[place].name.clone())
                }
                Peer::Client(connection) => self.client_name(connection),
            };
            trace!(self, "{teller} -> {}: {}", self.nodes[place].name, Words(&message));
        }
        self.summary.messages += 1;
        message
            .check()
            .map_err(|wrong| Violation::new("messages", format!("{}: {wrong}", Words(&message))))?;
        self.input(place, Input::Message(from, message))
    }

    /// What a process said before it crashed may still arrive, until its next process connects.
    fn may_arrive(&self, place: usize, from: Peer, epoch: u64) -> bool {
        match from {
            Peer::Client(connection) => self.connections[connection as usize - 1].open,
            Peer::Node(id) => self.place_of(id).is_some_and(|teller| {
                let node = &self.nodes[teller];
                let lives = node.epoch == epoch || node.epoch == epoch + 1 && !node.up;
                lives && self.network.is_whole(teller, place)
            }),
        }
    }

    fn client_name(&self, connection: u64) -> String {
        let client = self.connections[connection as usize - 1].client;
        self.clients[client].name.to_string()
    }

    pub(super) fn deliver_to_client(&mut self, connection: u64, message: Message) -> Result<(), Violation> {
        let Connection { client, open, .. } = self.connections[connection as usize - 1];
        if !open {
            return Ok(());
        }
        trace!(self, "-> {}: {}", self.clients[client].name, Words(&message));
        self.summary.messages += 1;
        if let Message::Answer { subject, answer } = &message {
            self.properties.answered(subject, answer)?;
        }
        self.at_desk(client, |client, desk| client.on_message(message, desk))?;
        self.wake_client(client, 1);
        Ok(())
    }

    /// A client says something through a coordinator, over a new connection if there is none.
    pub(super) fn client_says(
        &mut self,
        client: usize,
        place: usize,
        message: Message,
    ) -> Result<(), Violation> {
        if !self.nodes[place].up {
            return Ok(());
        }
        self.properties.asked(&self.clients[client].name, &message)?;
        let known = self
            .connections
            .iter()
            .rposition(|known| known.open && known.client == client && known.place == place);
        let connection = match known {
            Some(known) => known as u64 + 1,
            None => {
                self.connections.push(Connection { client, place, open: true });
                let connection = self.connections.len() as u64;
                let name = self.clients[client].name.clone();
                self.input(place, Input::ClientUp(connection, name))?;
                connection
            }
        };
        let epochs = (0, self.nodes[place].epoch);
        let arrivals = self.network.client_arrivals(self.now_us);
        let from = Peer::Client(connection);
        self.put_copies(arrivals, message, |message| Event::ToNode { place, from, epochs, message });
        Ok(())
    }

    /// A client's connections end; the nodes notice at once.
    pub(super) fn disconnect(&mut self, client: usize) -> Result<(), Violation> {
        for place in 0..self.connections.len() {
            let connection = &mut self.connections[place];
            if connection.client == client && connection.open {
                connection.open = false;
                let node = connection.place;
                if self.nodes[node].up {
                    self.input(node, Input::Down(Peer::Client(place as u64 + 1)))?;
                }
                self.clients[client].on_lost(node, self.now_us, &mut self.client_random);
            }
        }
        self.wake_client(client, 1);
        Ok(())
    }

    /// A node is gone: its clients lose their connections to it.
    pub(super) fn lose_clients_of(&mut self, place: usize) {
        for index in 0..self.connections.len() {
            if self.connections[index].place == place && self.connections[index].open {
                self.connections[index].open = false;
                let client = self.connections[index].client;
                self.clients[client].on_lost(place, self.now_us, &mut self.client_random);
                self.wake_client(client, 1);
            }
        }
    }

    /// Both ends of a link learn of it, or of its loss, a little later.
    pub(super) fn notice(&mut self, one: usize, two: usize, up: bool) {
        for (place, other) in [(one, two), (two, one)] {
            let epochs = (self.nodes[place].epoch, self.nodes[other].epoch);
            let bound_us = if up { 20_000 } else { 300_000 };
            let in_us = 1 + self.fault_random.below(bound_us);
            self.put(in_us, Event::Notice { place, other, epochs, up });
        }
    }

    pub(super) fn on_notice(
        &mut self,
        place: usize,
        other: usize,
        epochs: (u64, u64),
        up: bool,
    ) -> Result<(), Violation> {
        let (own, its) = (&self.nodes[place], &self.nodes[other]);
        let connected = self.network.connects(place, other) && its.up;
        let current = own.epoch == epochs.0 && its.epoch == epochs.1;
        if !own.up || connected != up || (up && !current) {
            return Ok(());
        }
        if let Some(until_us) = self.paused_until(place) {
            self.agenda.put(until_us, Event::Notice { place, other, epochs, up });
            return Ok(());
        }
        let id = self.nodes[other].id;
        trace!(
            self,
            "{} {} {}",
            self.nodes[place].name,
            if up { "connects to" } else { "loses" },
            self.nodes[other].name
        );
        self.input(place, if up { Input::Up(id) } else { Input::Down(Peer::Node(id)) })
    }
}
