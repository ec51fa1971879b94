//! `assent student`, `course`, `enroll`, `drop`: typed refusals with their statuses.

mod common;

use common::Cluster;
use serde_json::json;

fn university() -> Cluster {
    let cluster = Cluster::up();
    cluster.assent(["student", "add", "s1", "--name", "Ada", "--credits-max", "10"]).ends_with(0);
    cluster.assent(["student", "add", "s2"]).ends_with(0);
    cluster
        .assent(["course", "add", "C1", "--title", "Logic", "--credits", "6", "--capacity", "1"])
        .ends_with(0);
    cluster.assent(["course", "add", "C2", "--credits", "4"]).ends_with(0);
    cluster.assent(["course", "add", "C3", "--credits", "4"]).ends_with(0);
    cluster
}

fn schedule(cluster: &Cluster, student: &str) -> serde_json::Value {
    cluster.assent(["student", "show", student, "--json"]).ends_with(0).json()
}

#[test]
fn enrolling_changes_both_sides_and_dropping_changes_them_back() {
    let cluster = university();
    cluster.assent(["enroll", "s1", "C1", "C2"]).ends_with(0);
    let student = schedule(&cluster, "s1");
    assert_eq!((&student["schedule"], &student["credits"]), (&json!(["C1", "C2"]), &json!(10)));
    let course = cluster.assent(["course", "show", "C1", "--json"]).ends_with(0).json();
    assert_eq!((&course["roster"], &course["students"]), (&json!(["s1"]), &json!(1)));
    cluster.assent(["drop", "s1", "C1"]).ends_with(0);
    let student = schedule(&cluster, "s1");
    assert_eq!((&student["schedule"], &student["credits"]), (&json!(["C2"]), &json!(4)));
    cluster.assent(["verify", "--quiet-cluster"]).ends_with(0);
}

#[test]
fn all_courses_or_none() {
    let cluster = university();
    cluster.assent(["enroll", "s2", "C1"]).ends_with(0);
    cluster.assent(["enroll", "s1", "C2", "C1"]).ends_with(5).says("full").explains_itself();
    assert_eq!(schedule(&cluster, "s1")["schedule"], json!([]));
    cluster.assent(["verify", "--quiet-cluster"]).ends_with(0);
}

#[test]
fn every_refusal_says_which_rule_was_in_the_way() {
    let cluster = university();
    cluster.assent(["enroll", "s1", "C2"]).ends_with(0);
    cluster.assent(["enroll", "s1", "C2"]).ends_with(5).says("already").explains_itself();
    cluster.assent(["enroll", "s1", "C1", "C3"]).ends_with(5).says("credits").explains_itself();
    cluster.assent(["drop", "s1", "C3"]).ends_with(5).says("not enrolled").explains_itself();
    cluster.assent(["enroll", "nobody", "C2"]).ends_with(7).says("nobody").explains_itself();
    cluster.assent(["enroll", "s1", "C9"]).ends_with(7).says("C9").explains_itself();
    cluster.assent(["enroll", "s1", "C3", "C3"]).ends_with(2).says("twice").explains_itself();
    cluster.assent(["enroll", "s1"]).ends_with(2);
    cluster.assent(["student", "add", "s1"]).ends_with(5).says("already").explains_itself();
    cluster.assent(["course", "add", "C1"]).ends_with(5).says("already").explains_itself();
    cluster.assent(["student", "show", "nobody"]).ends_with(7).explains_itself();
    cluster.assent(["course", "show", "C9"]).ends_with(7).explains_itself();
}

#[test]
fn a_wrong_id_is_refused_before_anything_is_sent() {
    let cluster = university();
    cluster.assent(["student", "add", ""]).ends_with(2).explains_itself();
    cluster.assent(["student", "add", &"x".repeat(300)]).ends_with(2).explains_itself();
}
