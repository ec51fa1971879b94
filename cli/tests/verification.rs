//! `assent verify` finds what is wrong, whatever made it so.

mod common;

use common::Cluster;

fn violations(cluster: &Cluster) -> Vec<String> {
    let report = cluster.assent(["verify", "--quiet-cluster", "--json"]).ends_with(9).json();
    let found = report["violations"].as_array().expect("violations");
    found.iter().filter_map(|violation| violation["kind"].as_str()).map(str::to_owned).collect()
}

#[test]
fn a_cluster_in_order_is_verified() {
    let cluster = Cluster::up();
    cluster.assent(["student", "add", "s1"]).ends_with(0);
    cluster.assent(["course", "add", "C1", "--capacity", "1"]).ends_with(0);
    cluster.assent(["enroll", "s1", "C1"]).ends_with(0);
    let report = cluster.assent(["verify", "--quiet-cluster", "--json"]).ends_with(0).json();
    assert_eq!(
        (&report["students"], &report["enrolments"], &report["in_doubt"]),
        (&1.into(), &1.into(), &0.into())
    );
    cluster.assent(["verify"]).ends_with(0);
}

#[test]
fn half_an_enrolment_is_found_on_either_side() {
    let cluster = Cluster::up();
    cluster
        .transact(r#"{"ops":[{"op":"insert","record":"student/s1","field":"schedule","member":"C1"}]}"#)
        .ends_with(0);
    cluster
        .transact(r#"{"ops":[{"op":"insert","record":"course/C2","field":"roster","member":"s2"}]}"#)
        .ends_with(0);
    assert_eq!(violations(&cluster), ["half-enrolment", "half-enrolment"]);
}

#[test]
fn broken_bounds_are_found() {
    let cluster = Cluster::up();
    let lines = [
        r#"{"ops":[{"op":"set","record":"course/C1","field":"capacity","value":0},{"op":"set","record":"course/C1","field":"credits","value":3},{"op":"insert","record":"course/C1","field":"roster","member":"s1"}]}"#,
        r#"{"ops":[{"op":"insert","record":"student/s1","field":"schedule","member":"C1"},{"op":"set","record":"student/s1","field":"credits","value":5},{"op":"set","record":"student/s1","field":"credits_max","value":4}]}"#,
        r#"{"ops":[{"op":"set","record":"student/s2","field":"schedule","value":"C1"}]}"#,
    ];
    cluster.transact(&lines.join("\n")).ends_with(0);
    let mut found = violations(&cluster);
    found.sort();
    assert_eq!(found, ["credits-out-of-bounds", "credits-sum", "over-capacity", "wrong-type"]);
}

#[test]
fn what_can_not_be_read_is_not_verified() {
    let cluster = Cluster::up();
    cluster.assent(["cluster", "kill", "students-2"]).ends_with(0);
    cluster.assent(["verify"]).ends_with(4).says("students-2").explains_itself();
}
