//! One direction of one flow: passes packets on, now or later.

use super::fate;
use crate::{
    attack::environment::links::{Link, LinkState, States},
    random::Random,
};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::SocketAddr,
    sync::{Arc, PoisonError},
    time::Instant,
};
use tokio::{
    net::UdpSocket,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::sleep_until,
};

/// Where packets go.
#[derive(Clone)]
pub(crate) enum Outlet {
    /// To the only peer of a socket.
    Connected(Arc<UdpSocket>),
    /// To one of many.
    To(Arc<UdpSocket>, SocketAddr),
}

/// One direction of one flow.
pub(crate) struct Lane {
    link: Link,
    outlet: Outlet,
    random: Random,
    free_at: Instant,
    later: UnboundedSender<Late>,
}

/// A packet with its moment, and its number among those of the lane: at one moment, what came first goes first.
type Late = (Instant, u64, Vec<u8>);

impl Lane {
    pub(crate) fn new(link: Link, outlet: Outlet, random: Random) -> Lane {
        let (later, rest) = unbounded_channel();
        tokio::spawn(deliver(rest, outlet.clone()));
        Lane { link, outlet, random, free_at: Instant::now(), later }
    }

    /// Passes a packet on, as the link is now. What waits is bounded by the link's rate and delay.
    pub(crate) fn pass(&mut self, states: &States, packet: &[u8]) {
        let state = {
            let states = states.read().unwrap_or_else(PoisonError::into_inner);
            states.get(&self.link).copied()
        };
        let Some(state) = state.filter(|state| *state != LinkState::default()) else {
            self.outlet.send(packet);
            return;
        };
        let now = Instant::now();
        let arrivals = fate::decide(&state, &mut self.random, now, packet.len(), &mut self.free_at);
        for at in arrivals.into_iter().flatten() {
            if at <= now {
                self.outlet.send(packet);
            } else {
                // It only fails when the relay ends.
                let _ = self.later.send((at, 0, packet.to_vec()));
            }
        }
    }
}

impl Outlet {
    /// Sends at once or never: a full socket loses packets, as any network does.
    fn send(&self, packet: &[u8]) {
        let _ = match self {
            Outlet::Connected(socket) => socket.try_send(packet),
            Outlet::To(socket, to) => socket.try_send_to(packet, *to),
        };
    }
}

/// Sends each packet at its moment, until the lane is gone.
async fn deliver(mut coming: UnboundedReceiver<Late>, outlet: Outlet) {
    let mut waiting: BinaryHeap<Reverse<Late>> = BinaryHeap::new();
    let mut number = 0;
    loop {
        let next = waiting.peek().map(|Reverse((at, ..))| tokio::time::Instant::from_std(*at));
        tokio::select! {
            packet = coming.recv() => {
                let Some((at, _, packet)) = packet else { return };
                number += 1;
                waiting.push(Reverse((at, number, packet)));
            }
            () = async { match next { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {
                if let Some(Reverse((_, _, packet))) = waiting.pop() {
                    outlet.send(&packet);
                }
            }
        }
    }
}
