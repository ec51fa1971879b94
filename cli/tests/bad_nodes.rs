//! Nodes that can't start: each says why, with the documented status, and leaves the others alone.

mod common;

use common::{Cluster, assent, write};
use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
};

/// A cluster's files without its processes: what a node is started from.
struct Files {
    cluster: Cluster,
}

impl Files {
    fn new() -> Files {
        let cluster = Cluster::up();
        cluster.assent(["cluster", "down"]).ends_with(0);
        Files { cluster }
    }

    fn dir(&self) -> &Path {
        self.cluster.dir()
    }

    /// A participant's configuration with something else in it.
    fn config(&self, from: &str, to: &str) -> PathBuf {
        let text = std::fs::read_to_string(self.dir().join("students-1/node.toml")).expect("it is there");
        assert!(text.contains(from), "{from} is not in {text}");
        write(&self.dir().join("students-1"), "changed.toml", text.replace(from, to))
    }

    fn participant(&self, config: &Path) -> common::Ran {
        assent([Path::new("participant"), Path::new("--config"), config])
    }

    fn address(&self, key: &str) -> SocketAddr {
        let text = std::fs::read_to_string(self.cluster.file()).expect("it is there");
        let section =
            text.split("[[node]]").find(|section| section.contains("students-1\"\n")).expect("it is listed");
        let line = section.lines().find(|line| line.starts_with(key)).expect("it has an address");
        line.split('"').nth(1).and_then(|address| address.parse().ok()).expect("it is an address")
    }
}

#[test]
fn bad_toml_is_named_with_its_line() {
    let files = Files::new();
    let config = files.config("data = \"data\"", "data = ");
    files.participant(&config).ends_with(3).says("changed.toml").says("line 6").explains_itself();
}

#[test]
fn an_unknown_key_is_named_with_the_known_ones() {
    let files = Files::new();
    let config = files.config("log =", "logg =");
    files.participant(&config).ends_with(3).says("logg").says("log_format").explains_itself();
}

#[test]
fn a_missing_configuration_is_named() {
    assent(["participant", "--config", "/nonexistent/node.toml"])
        .ends_with(3)
        .says("/nonexistent/node.toml")
        .explains_itself();
}

#[test]
fn a_missing_key_file_is_named() {
    let files = Files::new();
    let config = files.config("participant-students-1.key", "nobody.key");
    files.participant(&config).ends_with(3).says("nobody.key").explains_itself();
}

#[test]
fn the_certificate_of_another_node_is_refused() {
    let files = Files::new();
    let config = files.config("participant-students-1", "participant-students-2");
    files.participant(&config).ends_with(3).says("students-2").explains_itself();
}

#[test]
fn the_certificate_of_another_role_is_refused() {
    let files = Files::new();
    let config = files.config("participant-students-1", "client-admin");
    files.participant(&config).ends_with(3).says("client").explains_itself();
}

#[test]
fn a_name_that_is_not_in_the_cluster_file_is_refused() {
    let files = Files::new();
    let config = files.config("name = \"students-1\"", "name = \"students-7\"");
    files.participant(&config).ends_with(3).says("students-7").explains_itself();
}

#[test]
fn a_coordinator_with_a_data_directory_is_refused() {
    let files = Files::new();
    let config = files.dir().join("students-1/node.toml");
    assent([Path::new("coordinator"), Path::new("--config"), &config])
        .ends_with(3)
        .says("`data`")
        .explains_itself();
}

#[test]
fn a_udp_port_in_use_is_named() {
    let files = Files::new();
    let address = files.address("address");
    let _taken = UdpSocket::bind(address).expect("it is free");
    let config = files.dir().join("students-1/node.toml");
    files.participant(&config).ends_with(11).says(&address.to_string()).explains_itself();
}

#[test]
fn an_http_port_in_use_is_named() {
    let files = Files::new();
    let address = files.address("http");
    let _taken = TcpListener::bind(address).expect("it is free");
    let config = files.dir().join("students-1/node.toml");
    files.participant(&config).ends_with(11).says(&address.to_string()).explains_itself();
}

#[test]
fn a_data_directory_that_can_not_be_written_is_named() {
    let files = Files::new();
    // Below a file, not even the superuser can make a directory.
    write(&files.dir().join("students-1"), "file", "");
    let config = files.config("data = \"data\"", "data = \"file/data\"");
    files.participant(&config).ends_with(11).says("file/data").explains_itself();
}

#[test]
fn a_database_in_use_is_refused() {
    let cluster = Cluster::up();
    // Another node's port, so that the database is what is in the way.
    let text = std::fs::read_to_string(cluster.dir().join("students-1/node.toml")).expect("it is there");
    let text = text.replace("students-1", "students-2").replace("\"data\"", "\"../students-1/data\"");
    let config = write(&cluster.dir().join("students-1"), "changed.toml", text);
    cluster.assent(["cluster", "kill", "students-2"]).ends_with(0);
    assent([Path::new("participant"), Path::new("--config"), &config])
        .ends_with(11)
        .says("data")
        .explains_itself();
}

#[test]
fn a_broken_cluster_file_is_named_with_its_fault() {
    let files = Files::new();
    let text = std::fs::read_to_string(files.cluster.file()).expect("it is there");
    std::fs::write(files.cluster.file(), text.replace("id = 2", "id = 1")).expect("it is writable");
    files.cluster.assent(["get", "student/s1"]).ends_with(3).says("cluster.toml").explains_itself();
    std::fs::write(files.cluster.file(), text).expect("it is writable");
}
