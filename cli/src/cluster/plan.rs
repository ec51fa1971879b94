//! Lays a new local cluster out: cluster file, keys, and a configuration per node.
//!
//! The cluster file is written last, so that a directory either has it and is whole, or is laid out again.

use super::layout::Layout;
use crate::{
    failure::{Failure, chain},
    node::{config::NodeFile, logs::LogFormat},
    status::Status,
};
use assent_protocol::ids::NodeId;
use assent_transport::{Authority, Cluster, Node, Role};
use std::{
    collections::BTreeMap,
    fs,
    net::{TcpListener, UdpSocket},
    path::Path,
};

/// The name in the certificate of a local cluster's own client.
pub(crate) const ADMIN: &str = "admin";

/// How many nodes of each kind a new cluster gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Coordinators.
    pub(crate) coordinators: u16,
    /// Participants that hold students.
    pub(crate) students: u16,
    /// Participants that hold courses.
    pub(crate) courses: u16,
}

/// Makes the directory and everything in it.
pub(crate) fn lay_out(layout: &Layout, counts: Counts) -> Result<(), Failure> {
    let unable = |error: &dyn std::fmt::Display| {
        Failure::new(Status::Config, format!("could not lay out a cluster in {}", layout.root().display()))
            .cause(error)
            .remedy("choose a directory that you may write to, with --dir")
    };
    fs::create_dir_all(layout.keys()).map_err(|error| unable(&error))?;
    let planned = plan(counts).map_err(|error| unable(&error))?;
    let authority = if layout.keys().join("ca.key").exists() {
        Authority::load(&layout.keys())
    } else {
        Authority::create(&layout.keys())
    }
    .map_err(|error| unable(&error))?;
    authority.issue_into(&layout.keys(), Role::Client, ADMIN).map_err(|error| unable(&error))?;
    for node in &planned {
        authority.issue_into(&layout.keys(), node.role, &node.name).map_err(|error| unable(&error))?;
        fs::create_dir_all(layout.node(&node.name)).map_err(|error| unable(&error))?;
        write(&layout.node_file(&node.name), &node_file(node)?)?;
    }
    write(&layout.cluster_file(), &cluster_file(&planned)?)
}

/// Chooses names, ids and free ports.
fn plan(counts: Counts) -> std::io::Result<Vec<Node>> {
    let kinds = [
        (Role::Coordinator, "coordinator", counts.coordinators),
        (Role::Participant, "students", counts.students),
        (Role::Participant, "courses", counts.courses),
    ];
    let names = kinds
        .into_iter()
        .flat_map(|(role, kind, count)| (1..=count).map(move |number| (role, format!("{kind}-{number}"))));
    // All sockets stay open until every port is found, so that none is found twice.
    let mut held = Vec::new();
    let mut nodes = Vec::new();
    for (id, (role, name)) in (1..).zip(names) {
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let (address, http) = (udp.local_addr()?, Some(tcp.local_addr()?));
        nodes.push(Node { id: NodeId(id), role, name, address, http });
        held.push((udp, tcp));
    }
    Ok(nodes)
}

/// Students and courses have participants of their own; any other table is spread over all.
fn cluster_file(nodes: &[Node]) -> Result<String, Failure> {
    let of = |kind: &str| -> Vec<String> {
        nodes.iter().map(|node| node.name.clone()).filter(|name| name.starts_with(kind)).collect()
    };
    let tables =
        BTreeMap::from([("student".to_owned(), of("students-")), ("course".to_owned(), of("courses-"))]);
    let cluster = Cluster::new(nodes, &tables)
        .map_err(|error| Failure::new(Status::Failed, "could not plan the cluster").cause(chain(&error)))?;
    Ok(cluster.to_toml())
}

fn node_file(node: &Node) -> Result<String, Failure> {
    let key = format!("../keys/{}-{}", node.role, node.name);
    let file = NodeFile {
        cluster: "../cluster.toml".into(),
        name: node.name.clone(),
        certificate: format!("{key}.crt").into(),
        key: format!("{key}.key").into(),
        authority: "../keys/ca.crt".into(),
        data: (node.role == Role::Participant).then(|| "data".into()),
        log: "info".to_owned(),
        log_format: LogFormat::Text,
    };
    toml::to_string(&file)
        .map_err(|error| Failure::new(Status::Failed, "could not write a node's configuration").cause(error))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    // First beside it, then into place: a crash leaves no half of a file.
    let beside = path.with_extension("new");
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(|error| {
        Failure::new(Status::Config, format!("could not write {}", path.display())).cause(error)
    })
}
