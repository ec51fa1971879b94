//! `assent cluster`: processes that are really there, and only those.

mod common;

use common::{Cluster, assent};
use serde_json::Value;

fn node<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .find(|node| node["name"] == name)
        .expect("the node is listed")
}

fn status(cluster: &Cluster, expected: i32) -> Value {
    cluster.assent(["cluster", "status", "--json"]).ends_with(expected).json()
}

#[test]
fn a_new_cluster_is_ready_and_outlives_the_command() {
    let cluster = Cluster::up();
    let report = status(&cluster, 0);
    assert_eq!(report["nodes"].as_array().map(Vec::len), Some(5));
    for node in report["nodes"].as_array().expect("nodes") {
        assert_eq!(node["ready"], true, "{node}");
        let pid = node["pid"].as_i64().expect("it runs");
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}

#[test]
fn a_killed_node_comes_back_and_the_others_never_notice() {
    let cluster = Cluster::up();
    let before = status(&cluster, 0);
    cluster.assent(["cluster", "kill", "students-1", "coordinator-1"]).ends_with(0);
    let killed = status(&cluster, 4);
    assert_eq!(node(&killed, "students-1")["ready"], false);
    assert_eq!(node(&killed, "students-1")["pid"], Value::Null);
    cluster.assent(["cluster", "kill", "students-1"]).ends_with(7).says("does not run");

    cluster.assent(["cluster", "start", "students-1", "coordinator-1"]).ends_with(0);
    let after = status(&cluster, 0);
    assert_ne!(node(&before, "students-1")["pid"], node(&after, "students-1")["pid"]);
    assert_eq!(node(&before, "students-2")["pid"], node(&after, "students-2")["pid"]);
    cluster.assent(["cluster", "start", "students-1"]).ends_with(2).says("runs already");
}

#[test]
fn down_stops_all_and_up_starts_them_with_their_records() {
    let cluster = Cluster::up();
    cluster.assent(["student", "add", "s1"]).ends_with(0);
    cluster.assent(["cluster", "down"]).ends_with(0);
    let stopped = status(&cluster, 4);
    for node in stopped["nodes"].as_array().expect("nodes") {
        assert_eq!(node["state"], "not running");
    }
    assent(["cluster", "up", "--dir", cluster.dir_text()]).ends_with(0);
    cluster.assent(["student", "show", "s1"]).ends_with(0);
}

#[test]
fn a_cluster_keeps_its_nodes() {
    let cluster = Cluster::up();
    assent(["cluster", "up", "--dir", cluster.dir_text(), "--students", "3"])
        .ends_with(2)
        .says("--students 3")
        .explains_itself();
}

#[test]
fn a_pid_of_another_process_is_never_signalled() {
    let cluster = Cluster::up();
    let pid_file = cluster.dir().join("students-1/pid");
    let real = std::fs::read_to_string(&pid_file).expect("it is there");
    // What a pid file looks like after the machine gave the number to somebody else: here, to this test.
    let lines = real.lines().map(|line| {
        if line.starts_with("pid") { format!("pid = {}", std::process::id()) } else { line.to_owned() }
    });
    std::fs::write(&pid_file, lines.collect::<Vec<_>>().join("\n")).expect("it is writable");
    cluster.assent(["cluster", "kill", "students-1"]).ends_with(7);
    std::fs::write(&pid_file, real).expect("it is writable");
    status(&cluster, 0);
}

#[test]
fn an_unknown_node_and_an_unknown_cluster_are_named() {
    let cluster = Cluster::up();
    cluster.assent(["cluster", "kill", "students-9"]).ends_with(7).says("students-9").says("courses-1");
    assent(["cluster", "status", "--dir", "/nonexistent"])
        .ends_with(3)
        .says("/nonexistent")
        .explains_itself();
}

#[test]
fn a_node_that_does_not_get_ready_is_shown_with_the_end_of_its_log() {
    let cluster = Cluster::up();
    cluster.assent(["cluster", "kill", "courses-1"]).ends_with(0);
    std::fs::remove_file(cluster.dir().join("keys/participant-courses-1.key")).expect("it is there");
    cluster
        .assent(["cluster", "start", "courses-1"])
        .ends_with(4)
        .says("courses-1 is not ready")
        .says("participant-courses-1.key")
        .explains_itself();
}
