//! Network namespaces: one per node, and one with the switch between them.
//!
//! ```text
//! root (clients, 10.x.y.1) ── p0 ┐
//! node 1 (10.x.y.11), eth0 ── p1 ┼ br0, in the switch's namespace, where all rules are too
//! node 2 (10.x.y.12), eth0 ── p2 ┘
//! ```
//!
//! The switch has a namespace of its own, so that neither its traffic nor its rules meet what else runs on this machine;
//! with the namespaces everything else goes away, the root's one device included.

use super::{
    command,
    ledger::{Entry, Ledger},
};
use crate::attack::error::AttackError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where nodes take connections: each has an address of its own, so that all may have the same ports.
const QUIC_PORT: u16 = 4000;
/// Where they answer HTTP.
const HTTP_PORT: u16 = 4080;
/// The last number of the first node's address.
const FIRST_HOST: u8 = 11;
/// How many networks are tried.
const NETWORKS_TRIED_MAX: u32 = 64;

/// The namespaces of one run; they end with its ledger.
#[derive(Debug)]
pub(crate) struct Namespaces {
    base: String,
    network: [u8; 3],
}

impl Namespaces {
    /// Says what is missing on this machine.
    pub(crate) fn check() -> Result<(), AttackError> {
        if !rustix::process::geteuid().is_root() {
            return Err(AttackError::Missing {
                what: "the right to make network namespaces".to_owned(),
                why: "this is not run by root".to_owned(),
                remedy: "run it as root, as with sudo, or with a network on loopback".to_owned(),
            });
        }
        for (program, package) in [("ip", "iproute2"), ("nft", "nftables")] {
            if command::find(program).is_none() {
                return Err(AttackError::Missing {
                    what: format!("the program `{program}`"),
                    why: "it is not on the path".to_owned(),
                    remedy: format!("apt-get install {package}"),
                });
            }
        }
        Ok(())
    }

    /// Makes them, for nodes with these names.
    pub(crate) fn make(names: &[String], ledger: &Ledger) -> Result<Namespaces, AttackError> {
        let made = Namespaces { base: ledger.name().to_owned(), network: free_network(ledger)? };
        let switch = made.switch();
        made.add(&switch, ledger)?;
        let inside = |arguments: &str| ip(&format!("-n {switch} {arguments}"));
        inside("link add br0 type bridge")?;
        inside("link set br0 up")?;
        let device = made.device();
        ip(&format!("link add {device} type veth peer name p0 netns {switch}"))?;
        inside("link set p0 master br0 up")?;
        ip(&format!("address add {}/24 dev {device}", made.clients()))?;
        ip(&format!("link set {device} up"))?;
        for (index, name) in names.iter().enumerate() {
            let namespace = made.of_node(name);
            made.add(&namespace, ledger)?;
            let port = format!("p{}", index + 1);
            inside(&format!("link add {port} type veth peer name eth0 netns {namespace}"))?;
            inside(&format!("link set {port} master br0 up"))?;
            ip(&format!("-n {namespace} address add {}/24 dev eth0", made.host(index)))?;
            ip(&format!("-n {namespace} link set eth0 up"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
        }
        Ok(made)
    }

    /// The switch's namespace.
    pub(crate) fn switch(&self) -> String {
        format!("{}-switch", self.base)
    }

    /// A node's namespace.
    pub(crate) fn of_node(&self, name: &str) -> String {
        format!("{}-{name}", self.base)
    }

    /// The address of all clients.
    pub(crate) fn clients(&self) -> IpAddr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, 1).into()
    }

    /// Where a node takes connections, and where it answers HTTP.
    pub(crate) fn node(&self, index: usize) -> (SocketAddr, SocketAddr) {
        let host = self.host(index);
        (SocketAddr::new(host, QUIC_PORT), SocketAddr::new(host, HTTP_PORT))
    }

    fn host(&self, index: usize) -> IpAddr {
        let [a, b, c] = self.network;
        // Options allow 64 nodes.
        Ipv4Addr::new(a, b, c, FIRST_HOST + u8::try_from(index).unwrap_or(u8::MAX - FIRST_HOST)).into()
    }

    /// The root's device. Names of devices have 15 bytes at most.
    fn device(&self) -> String {
        let numbers = self.base.trim_start_matches(super::ledger::PREFIX);
        format!("al{}", numbers.replace('-', "x"))
    }

    fn add(&self, namespace: &str, ledger: &Ledger) -> Result<(), AttackError> {
        ledger.enter(Entry::Namespace(namespace.to_owned()))?;
        ip(&format!("netns add {namespace}"))
    }
}

fn ip(arguments: &str) -> Result<(), AttackError> {
    command::run("ip", &arguments.split(' ').collect::<Vec<_>>()).map(|_| ())
}

/// A network 10.x.y that no device of this machine is in.
fn free_network(ledger: &Ledger) -> Result<[u8; 3], AttackError> {
    let taken = command::run("ip", &["-o", "-4", "address"])?;
    // From the run's own name, so that two runs at the same time do not look for the same one.
    let numbers = ledger.name().trim_start_matches(super::ledger::PREFIX);
    let (pid, run) = numbers.split_once('-').unwrap_or((numbers, "0"));
    let [pid, run] = [pid, run].map(|number| number.parse::<u32>().unwrap_or(0));
    let candidates = (0..NETWORKS_TRIED_MAX).map(|more| {
        let number = pid.wrapping_mul(8).wrapping_add(run % 8).wrapping_add(more * 7919);
        // 10.64.0 to 10.191.255
        [10, 64 + (number / 256 % 128) as u8, (number % 256) as u8]
    });
    let mut free = candidates.filter(|[a, b, c]| !taken.contains(&format!(" {a}.{b}.{c}.")));
    free.next().ok_or_else(|| AttackError::Network("no network of 10.64.0.0/10 is free".to_owned()))
}
