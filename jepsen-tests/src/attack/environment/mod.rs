//! The cluster under attack: its network, its files, its processes. Made as a whole, and removed as a whole.
//!
//! Not here: what is done to it (`nemesis`), and what it is asked (`runner`).

pub(crate) mod binary;
pub(crate) mod command;
mod disk;
pub(crate) mod layout;
mod ledger;
pub(crate) mod links;
mod namespaces;
pub(crate) mod node;
mod probe;
mod process;
mod relay;
mod shim;

use super::{
    error::AttackError,
    interrupt::Interrupt,
    options::{AttackOptions, Network},
};
use assent_protocol::ids::NodeId;
use assent_transport::Node;
use disk::Disk;
use layout::Layout;
use ledger::Ledger;
use links::{By, Links, States};
use namespaces::Namespaces;
use node::{NodeHandle, Start};
use relay::Relay;
use shim::Shim;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

/// Between two questions whether a node is ready.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// What the faults of a run need, beside processes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Needs {
    /// Links that can be cut, or lose.
    pub(crate) links: bool,
    /// Links that can do more than that.
    pub(crate) relay: bool,
    /// Disks and clocks that lie.
    pub(crate) shim: bool,
    /// Disks that get full.
    pub(crate) disks: bool,
}

/// A cluster that runs. Dropping it ends and removes everything but the run's folder.
#[derive(Debug)]
pub(crate) struct Environment {
    // Dropped in this order: processes, then the relay, then mounts and namespaces.
    pub(crate) nodes: Vec<NodeHandle>,
    pub(crate) links: Links,
    pub(crate) layout: Layout,
    /// What a reader of the run should know of how it was made.
    pub(crate) notes: Vec<String>,
    pub(crate) interrupt: Interrupt,
    _ledger: Arc<Ledger>,
}

/// Where everything is.
struct Ground {
    namespaces: Option<Namespaces>,
    nodes: Vec<Node>,
    /// Where the lab itself is.
    own: IpAddr,
}

impl Environment {
    /// Makes the network and the files, starts all nodes, and waits until they are ready.
    pub(crate) fn make(
        options: &AttackOptions,
        clients: &[String],
        needs: Needs,
        interrupt: Interrupt,
    ) -> Result<Environment, AttackError> {
        let program = binary::assent(options)?;
        let library = if needs.shim { Some(shim::find(options)?) } else { None };
        library.as_deref().map(shim::check).transpose()?;
        let mut notes = ledger::remove_leftovers();
        let layout = Layout::make(&options.folder)?;
        let ledger = Arc::new(Ledger::open()?);
        let ground = Ground::make(options, &ledger, &mut notes)?;
        let (links, addresses) = lay_links(&ground, needs, options.seed, &mut notes)?;
        let places: Vec<String> = ground.nodes.iter().map(|node| node.name.clone()).collect();
        let place = |name: &str| places.iter().position(|other| other == name).unwrap_or(places.len());
        layout::write(&layout, &ground.nodes, clients, &options.log, |from, to| {
            addresses(place(from), place(&to.name)).unwrap_or(to.address)
        })?;
        let mut nodes = Vec::new();
        for node in &ground.nodes {
            let start = Start {
                binary: program.clone(),
                namespace: ground.namespaces.as_ref().map(|namespaces| namespaces.of_node(&node.name)),
                library: library.clone(),
                folder: layout.node(&node.name),
                log: layout.log(&node.name),
            };
            nodes.push(handle(node, start, needs, &ledger)?);
        }
        let made = Environment { nodes, links, layout, notes, interrupt, _ledger: ledger };
        made.nodes.iter().try_for_each(NodeHandle::start)?;
        made.await_ready(Duration::from_secs(60))?;
        Ok(made)
    }

    /// A node by its name.
    pub(crate) fn node(&self, name: &str) -> Result<&NodeHandle, AttackError> {
        let found = self.nodes.iter().find(|node| node.name() == name);
        found.ok_or_else(|| {
            AttackError::Layout(format!("the schedule names {name:?}, and no node is called that"))
        })
    }

    /// Waits until all nodes that were not killed for good are ready; starts none.
    pub(crate) fn await_ready(&self, limit: Duration) -> Result<(), AttackError> {
        let started = Instant::now();
        for node in self.nodes.iter().filter(|node| !node.is_gone()) {
            while let Err(why) = node.readiness() {
                self.interrupt.check()?;
                if started.elapsed() >= limit || !node.runs() {
                    return Err(node
                        .wrong(&format!("it is not ready after {} s: {why}", started.elapsed().as_secs())));
                }
                std::thread::sleep(POLL_EVERY);
            }
        }
        Ok(())
    }

    /// Ends all nodes, and saves what would go with the environment.
    pub(crate) fn save(&self) -> Result<(), AttackError> {
        self.nodes.iter().for_each(NodeHandle::kill);
        self.nodes.iter().filter_map(|node| node.disk.as_ref()).try_for_each(Disk::save)
    }

    /// Ends every fault, and starts what is down and was not killed for good.
    pub(crate) fn heal(&self) -> Result<(), AttackError> {
        self.links.heal()?;
        for node in &self.nodes {
            if let Some(shim) = &node.shim {
                shim.clear()?;
            }
            if let Some(disk) = &node.disk {
                disk.give_room()?;
            }
            node.pause(false);
            node.start()?;
        }
        Ok(())
    }
}

fn handle(node: &Node, start: Start, needs: Needs, ledger: &Arc<Ledger>) -> Result<NodeHandle, AttackError> {
    let shim = if needs.shim { Some(Shim::make(&start.folder.join("shim"))?) } else { None };
    let participant = node.role == assent_transport::Role::Participant;
    let disk = if needs.disks && participant {
        Some(Disk::mount(&start.folder.join("data"), ledger)?)
    } else {
        None
    };
    Ok(NodeHandle::new(node.clone(), start, shim, disk, Arc::clone(ledger)))
}

impl Ground {
    fn make(
        options: &AttackOptions,
        ledger: &Ledger,
        notes: &mut Vec<String>,
    ) -> Result<Ground, AttackError> {
        match options.network {
            Network::Loopback => Ground::on_loopback(options),
            Network::Namespaces => Ground::in_namespaces(options, ledger),
            Network::Automatic => Ground::in_namespaces(options, ledger).or_else(|why| {
                notes.push(format!(
                    "all nodes are on loopback, since they can't be in network namespaces: {why}"
                ));
                Ground::on_loopback(options)
            }),
        }
    }

    fn in_namespaces(options: &AttackOptions, ledger: &Ledger) -> Result<Ground, AttackError> {
        Namespaces::check()?;
        let roster = layout::roster(options);
        let names: Vec<String> = roster.iter().map(|(_, name)| name.clone()).collect();
        let namespaces = Namespaces::make(&names, ledger)?;
        let nodes = (1..).zip(roster).enumerate().map(|(index, (id, (role, name)))| {
            let (address, http) = namespaces.node(index);
            Node { id: NodeId(id), role, name, address, http: Some(http) }
        });
        Ok(Ground { nodes: nodes.collect(), own: namespaces.clients(), namespaces: Some(namespaces) })
    }

    fn on_loopback(options: &AttackOptions) -> Result<Ground, AttackError> {
        let own: IpAddr = Ipv4Addr::LOCALHOST.into();
        let wrong =
            |error: std::io::Error| AttackError::Network(format!("no free port on loopback: {error}"));
        // All sockets stay open until every port is found, so that none is found twice.
        let (mut held, mut nodes) = (Vec::new(), Vec::new());
        for (id, (role, name)) in (1..).zip(layout::roster(options)) {
            let udp = UdpSocket::bind((own, 0)).map_err(wrong)?;
            let tcp = TcpListener::bind((own, 0)).map_err(wrong)?;
            let (address, http) = (udp.local_addr().map_err(wrong)?, tcp.local_addr().map_err(wrong)?);
            nodes.push(Node { id: NodeId(id), role, name, address, http: Some(http) });
            held.push((udp, tcp));
        }
        Ok(Ground { namespaces: None, nodes, own })
    }
}

/// The address at which an end, by its place, reaches a node; none: the node's own.
type Addresses = Box<dyn Fn(usize, usize) -> Option<SocketAddr>>;

/// Chooses how links are made to fail.
fn lay_links(
    ground: &Ground,
    needs: Needs,
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<(Links, Addresses), AttackError> {
    let mut ends: Vec<String> = ground.nodes.iter().map(|node| node.name.clone()).collect();
    ends.push(layout::CLIENTS.to_owned());
    let states = States::default();
    let direct: Addresses = Box::new(|_, _| None);
    match &ground.namespaces {
        _ if needs.relay || (needs.links && ground.namespaces.is_none()) => {
            let nodes: Vec<SocketAddr> = ground.nodes.iter().map(|node| node.address).collect();
            let relay = Relay::start(ground.own, &nodes, Arc::clone(&states), seed)?;
            notes.push(
                "faults of the network are made by a relay that every packet passes through".to_owned(),
            );
            let seen: std::collections::BTreeMap<_, _> = (0..ends.len())
                .flat_map(|from| (0..nodes.len()).map(move |to| (from, to)))
                .filter_map(|link| Some((link, relay.address(link)?)))
                .collect();
            let addresses: Addresses = Box::new(move |from, to| seen.get(&(from, to)).copied());
            Ok((Links::new(ends, states, By::Relay(relay))?, addresses))
        }
        Some(namespaces) if needs.links => {
            let mut addresses: Vec<IpAddr> = ground.nodes.iter().map(|node| node.address.ip()).collect();
            addresses.push(ground.own);
            let by = By::Rules { namespace: namespaces.switch(), addresses };
            Ok((Links::new(ends, states, by)?, direct))
        }
        Some(_) | None => Ok((Links::new(ends, states, By::Nothing)?, direct)),
    }
}
