//! `assent demo` and `assent bench`: small, from beginning to end.

mod common;

use common::{Cluster, assent};
use serde_json::json;
use tempfile::tempdir;

#[test]
fn a_small_demonstration_ends_verified_with_its_kills_having_happened() {
    let report = assent([
        "demo",
        "--students",
        "200",
        "--courses",
        "20",
        "--clients",
        "8",
        "--seconds",
        "4",
        "--json",
    ])
    .ends_with(0)
    .json();
    assert_eq!(report["result"], "done");
    let faults = report["faults"].as_array().expect("faults");
    assert_eq!(faults.len(), 2);
    assert_eq!((&faults[0]["node"], &faults[0]["back_after_s"]), (&json!("coordinator-1"), &json!(null)));
    assert!(faults[1]["back_after_s"].as_f64() > Some(0.0));
    assert!(report["committed"].as_u64() > Some(0));
    assert_eq!(report["verification"]["violations"], json!([]));
}

#[test]
fn a_benchmark_of_a_cluster_leaves_it_in_order() {
    let cluster = Cluster::up();
    let args = [
        "bench",
        "--clients",
        "4",
        "--seconds",
        "1",
        "--warm-up",
        "0",
        "--students",
        "40",
        "--courses",
        "1",
        "--json",
    ];
    let report = cluster.assent(args).ends_with(0).json();
    assert!(report["committed"].as_u64() > Some(0), "{report}");
    assert!(report["fdatasync_per_second"].as_u64() > Some(0), "{report}");
    assert!(report["latency"]["p50_us"].as_u64() > Some(0), "{report}");
    cluster.assent(["verify", "--quiet-cluster"]).ends_with(0);
}

#[test]
fn a_benchmark_of_messages_finishes_them_all_and_its_history_before() {
    let cluster = Cluster::up();
    let bench = |args: &[&str]| {
        let always = ["bench", "--messages", "--seconds", "1", "--warm-up", "0", "--json"];
        cluster.assent(always.iter().chain(args))
    };
    for finish in ["transaction", "acknowledge", "receipt"] {
        let args = ["--history", "3000", "--finish", finish, "--mailbox", finish, "--relayed"];
        let report = bench(&args).ends_with(0).json();
        assert_eq!((&report["history"], &report["missing"]), (&json!(3000), &json!(0)), "{report}");
        assert!(report["finished"].as_u64() > Some(0), "{report}");
        assert!(report["receive"]["p50_us"].as_u64() > Some(0), "{report}");
        // The history, the messages of the load, and those that were received one after the other.
        let last = cluster.assent(["mailbox", "send", finish, "last", "--json"]).ends_with(0);
        let received = cluster.assent(["mailbox", "receive", finish, "--json"]).ends_with(0).json();
        assert!(received["message"].as_u64() > Some(4000), "{last:?} {received}");
        assert_eq!(received["payload"], "last", "nothing is left of the run");
        bench(&args).ends_with(2).says("there are messages in");
    }

    for args in [vec!["--idle"], vec!["--idle", "--relayed"]] {
        let report = bench(&args).ends_with(0).json();
        assert!(report["messages"].as_u64() > Some(0), "{report}");
        let p50 = |what: &str| report[what]["p50_us"].as_i64().expect("a figure");
        assert!(p50("to_consumer") > 0 && p50("to_commit") > 0 && p50("question") > 0, "{report}");
        assert!(p50("fdatasync") > 0 && p50("loopback") > 0, "{report}");
        // At least the sync of the mailbox is in between, where that is another node's.
        assert!(args.len() == 1 || p50("after_commit") > 0, "{report}");
    }
    bench(&["--idle", "--in-flight", "2"]).ends_with(2);
}

#[test]
fn a_temporary_cluster_does_not_take_the_place_of_another() {
    let dir = tempdir().expect("a directory");
    std::fs::write(dir.path().join("cluster.toml"), "").expect("it is writable");
    let path = dir.path().to_str().expect("a plain name");
    assent(["bench", "--dir", path]).ends_with(2).says(path).says("remedy:");
    assent(["bench", "--clients", "10", "--students", "5"]).ends_with(2).says("remedy:");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(assent(["completions", shell]).ends_with(0).out.contains("assent"));
    }
}

#[test]
fn help_shows_the_exit_statuses() {
    assert!(assent(["--help"]).ends_with(0).out.contains("wrong-result"));
}
