//! A relay for UDP, in the path of every link: loses, doubles, delays, overtakes and slows what passes.
//!
//! Each end sees the others at addresses of the relay: one listening socket per link, and towards the other end one
//! socket per caller, so that answers find their way back. It never looks into a packet.

mod fate;
mod lane;

use super::links::{Link, States};
use crate::{attack::error::AttackError, random::Random};
use lane::{Lane, Outlet};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{IpAddr, SocketAddr, UdpSocket as StdSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{net::UdpSocket, sync::oneshot, time::timeout};

/// The largest packet, in bytes.
const PACKET_BYTES_MAX: usize = 64 * 1024;
/// A caller that hears nothing for so long is forgotten; connections are kept alive far more often.
const IDLE: Duration = Duration::from_secs(60);

/// A relay that runs.
#[derive(Debug)]
pub(crate) struct Relay {
    addresses: BTreeMap<Link, SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What all tasks share.
struct Shared {
    states: States,
    bind: IpAddr,
    seeds: AtomicU64,
}

impl Relay {
    /// Starts one for all links to these nodes; the end after the last node are the clients. Sockets are bound to `bind`.
    pub(crate) fn start(
        bind: IpAddr,
        nodes: &[SocketAddr],
        states: States,
        seed: u64,
    ) -> Result<Relay, AttackError> {
        let wrong =
            |error: io::Error| AttackError::Network(format!("the relay could not be started: {error}"));
        let mut listeners = Vec::new();
        for (to, node) in nodes.iter().enumerate() {
            for from in (0..=nodes.len()).filter(|from| *from != to) {
                let socket = StdSocket::bind((bind, 0)).map_err(wrong)?;
                socket.set_nonblocking(true).map_err(wrong)?;
                listeners.push(((from, to), socket, *node));
            }
        }
        let addresses = listeners.iter().map(|(link, socket, _)| Ok((*link, socket.local_addr()?)));
        let addresses = addresses.collect::<io::Result<_>>().map_err(wrong)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(wrong)?;
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::new(Shared { states, bind, seeds: AtomicU64::new(seed) });
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
            runtime.block_on(async move {
                for (link, socket, node) in listeners {
                    if let Ok(socket) = UdpSocket::from_std(socket) {
                        tokio::spawn(listen(Arc::clone(&shared), link, Arc::new(socket), node));
                    }
                }
                let _ = stopped.await;
            });
        });
        Ok(Relay { addresses, stop: Some(stop), thread: Some(thread.map_err(wrong)?) })
    }

    /// Where one end reaches another.
    pub(crate) fn address(&self, link: Link) -> Option<SocketAddr> {
        self.addresses.get(&link).copied()
    }

    /// Whether it still runs.
    pub(crate) fn check(&self) -> Result<(), AttackError> {
        match &self.thread {
            Some(thread) if !thread.is_finished() => Ok(()),
            _ => Err(AttackError::Network("the relay has ended".to_owned())),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        // It ends by itself even if it has panicked; what it said then is on standard error.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

type Flows = Arc<Mutex<HashMap<SocketAddr, Lane>>>;

/// Takes what one end sends to another.
async fn listen(shared: Arc<Shared>, link: Link, socket: Arc<UdpSocket>, node: SocketAddr) {
    let flows = Flows::default();
    let mut packet = vec![0; PACKET_BYTES_MAX];
    loop {
        // An error is about an earlier packet that found nobody.
        let Ok((bytes, caller)) = socket.recv_from(&mut packet).await else { continue };
        let known = flows.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&caller);
        if !known {
            let Ok(lane) = open(&shared, link, &socket, node, caller, &flows).await else { continue };
            flows.lock().unwrap_or_else(PoisonError::into_inner).insert(caller, lane);
        }
        if let Some(lane) = flows.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&caller) {
            lane.pass(&shared.states, &packet[..bytes]);
        }
    }
}

/// A new caller: a socket of its own towards the node, and a task that brings the answers back.
async fn open(
    shared: &Arc<Shared>,
    (from, to): Link,
    listener: &Arc<UdpSocket>,
    node: SocketAddr,
    caller: SocketAddr,
    flows: &Flows,
) -> io::Result<Lane> {
    let towards = UdpSocket::bind((shared.bind, 0)).await?;
    towards.connect(node).await?;
    // Of a new socket it is not known yet that it can send, and the first packet would be lost.
    towards.writable().await?;
    let towards = Arc::new(towards);
    let random = || Random::new(shared.seeds.fetch_add(1, Ordering::Relaxed));
    let mut back = Lane::new((to, from), Outlet::To(Arc::clone(listener), caller), random());
    let (flows, states, answers) = (Arc::clone(flows), Arc::clone(&shared.states), Arc::clone(&towards));
    tokio::spawn(async move {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        while let Ok(received) = timeout(IDLE, answers.recv(&mut packet)).await {
            // An error says that the node was not there for an earlier packet: it may come back.
            if let Ok(bytes) = received {
                back.pass(&states, &packet[..bytes]);
            }
        }
        flows.lock().unwrap_or_else(PoisonError::into_inner).remove(&caller);
    });
    Ok(Lane::new((from, to), Outlet::Connected(towards), random()))
}

#[cfg(test)]
mod tests;
