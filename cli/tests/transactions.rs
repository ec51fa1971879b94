//! `assent transact`, `get`, `outcome`, `in-doubt`: the shapes that docs/cli.md promises.

mod common;

use common::Cluster;
use serde_json::{Value, json};

const COURSE: &str = r#"{"ops":[{"op":"require","record":"course/CS101","exists":false},{"op":"set","record":"course/CS101","field":"state","value":"open"}]}"#;

#[test]
fn results_come_in_the_order_given() {
    let cluster = Cluster::up();
    let lines = [
        COURSE,
        r#"{"ops":[{"op":"insert","record":"course/CS101","field":"roster","member":"s1","max":1},{"op":"read","record":"course/CS101"}]}"#,
        r#"{"ops":[{"op":"insert","record":"course/CS101","field":"roster","member":"s2","max":1}]}"#,
        r#"{"ops":[{"op":"add","record":"student/s1","field":"credits","delta":6,"min":0,"max":60},{"op":"append","record":"list/3","field":"items","value":7},{"op":"read","record":"list/3"}]}"#,
    ]
    .join("\n\n");
    let ran = cluster.transact(&lines).ends_with(5);
    let results = ran.json_lines();
    let outcomes: Vec<&Value> = results.iter().map(|result| &result["outcome"]).collect();
    assert_eq!(outcomes, ["committed", "committed", "aborted", "committed"]);
    let reason = &results[2]["reason"];
    assert_eq!(reason["kind"], "bound");
    assert_eq!((&reason["record"], &reason["field"]), (&json!("course/CS101"), &json!("roster")));
    assert_eq!(results[1]["reads"].as_array().map(Vec::len), Some(1));
    assert!(results.iter().all(|result| result["index"].is_null()));
    assert!(results[3]["reads"][0].to_string().contains('7'));
}

#[test]
fn a_failed_requirement_names_the_record() {
    let cluster = Cluster::up();
    let line = r#"{"ops":[{"op":"require","record":"student/nobody","exists":true}]}"#;
    let result = cluster.transact(line).ends_with(5).json();
    assert_eq!(result["reason"]["kind"], "requirement");
    assert_eq!(result["reason"]["record"], "student/nobody");
}

#[test]
fn many_clients_give_every_result_its_index() {
    let cluster = Cluster::up();
    let lines: Vec<String> = (0..200)
        .map(|n| format!(r#"{{"ops":[{{"op":"add","record":"counter/one","field":"n","delta":1}},{{"op":"set","record":"item/{n}","field":"n","value":{n}}}]}}"#))
        .collect();
    let ran = cluster.assent_with(["transact", "-", "--clients", "8"], &lines.join("\n")).ends_with(0);
    let mut indexes: Vec<u64> =
        ran.json_lines().iter().filter_map(|result| result["index"].as_u64()).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..200).collect::<Vec<u64>>());
    let counter = cluster.assent(["get", "counter/one", "--field", "n", "--json"]).ends_with(0).json();
    assert_eq!(counter["value"], 200);
}

#[test]
fn what_is_no_transaction_is_refused_and_the_rest_goes_on() {
    let cluster = Cluster::up();
    let wrong = [
        "not json",
        "[]",
        r#"{"ops":[{"op":"fly","record":"a/b"}]}"#,
        r#"{"ops":[{"op":"read","record":"no-table"}]}"#,
        r#"{"ops":[{"op":"set","record":"a/b","field":"f"}]}"#,
        r#"{"ops":[{"op":"read","record":"a/b","colour":1}]}"#,
    ];
    let lines = format!("{}\n{COURSE}\n", wrong.join("\n"));
    let ran = cluster.transact(&lines).ends_with(2);
    let results = ran.json_lines();
    assert_eq!(results.len(), wrong.len() + 1);
    for (line, result) in wrong.iter().zip(&results) {
        assert_eq!(result["outcome"], "aborted", "{line}: {result}");
        assert!(result["reason"]["kind"].is_string(), "{line}: {result}");
    }
    assert!(results[2].to_string().contains("fly"));
    assert_eq!(results[wrong.len()]["outcome"], "committed");
}

#[test]
fn a_repeat_by_id_takes_effect_once() {
    let cluster = Cluster::up();
    let ops = r#"[{"op":"add","record":"counter/one","field":"n","delta":1}]"#;
    let first = cluster.transact(&format!(r#"{{"ops":{ops}}}"#)).ends_with(0).json();
    let id = first["id"].as_str().expect("it has an id");
    let repeat = cluster.transact(&format!(r#"{{"id":"{id}","ops":{ops}}}"#));
    // The session of the first run has ended by then: the repeat learns the outcome, or that it is too late to ask.
    assert!([0, 6].contains(&repeat.status), "{repeat:?}");
    let counter = cluster.assent(["get", "counter/one", "--field", "n", "--json"]).ends_with(0).json();
    assert_eq!(counter["value"], 1);
}

#[test]
fn too_much_in_one_transaction_is_refused_here() {
    let cluster = Cluster::up();
    let read = |n: usize| format!(r#"{{"op":"read","record":"item/{n}"}}"#);
    let ops: Vec<String> = (0..5000).map(read).collect();
    let result = cluster.transact(&format!(r#"{{"ops":[{}]}}"#, ops.join(","))).ends_with(2).json();
    assert_eq!(result["outcome"], "aborted");
}

#[test]
fn a_record_is_shown_and_an_unknown_one_is_not_found() {
    let cluster = Cluster::up();
    cluster.transact(COURSE).ends_with(0);
    let shown = cluster.assent(["get", "course/CS101", "--json"]).ends_with(0).json();
    assert_eq!(shown["record"], "course/CS101");
    assert!(shown.to_string().contains("open"));
    cluster.assent(["get", "course/CS101"]).ends_with(0);
    cluster.assent(["get", "course/CS999"]).ends_with(7).says("course/CS999").says("remedy:");
    cluster
        .assent(["get", "course/CS101", "--field", "colour"])
        .ends_with(7)
        .says("colour")
        .explains_itself();
    cluster.assent(["get", "no-table"]).ends_with(2).says("table/id");
}

#[test]
fn nothing_is_in_doubt_at_rest() {
    let cluster = Cluster::up();
    cluster.transact(COURSE).ends_with(0);
    let shown = cluster.assent(["in-doubt", "--json"]).ends_with(0).json();
    assert_eq!(shown["unanswered"], json!({}));
    // It answers when a participant is away, and also when no coordinator is there any more.
    cluster.assent(["cluster", "kill", "students-2", "coordinator-1", "coordinator-2"]).ends_with(0);
    let shown = cluster.assent(["in-doubt", "--json"]).ends_with(4).json();
    assert!(shown["unanswered"]["students-2"].is_string());
}

#[test]
fn participants_answer_for_themselves_when_every_coordinator_is_dead() {
    let cluster = Cluster::up();
    let id = cluster.transact(COURSE).ends_with(0).json()["id"].clone();
    cluster.assent(["cluster", "kill", "coordinator-1", "coordinator-2"]).ends_with(0);
    cluster.assent(["verify", "--quiet-cluster"]).ends_with(0);
    cluster.assent(["in-doubt"]).ends_with(0);
    let outcome = cluster.assent(["outcome", id.as_str().expect("an id"), "--json"]).json();
    assert!(outcome["outcome"].is_string(), "{outcome}");
}

#[test]
fn an_outcome_is_told_by_the_participants() {
    let cluster = Cluster::up();
    let never = cluster.assent(["outcome", "admin:1:1", "--json"]).ends_with(7).json();
    assert_eq!(never["outcome"], "not-held");
    cluster.assent(["outcome", "nonsense"]).ends_with(2);
}

#[test]
fn an_unreachable_cluster_is_said_to_be_one() {
    let cluster = Cluster::up();
    cluster.assent(["cluster", "down"]).ends_with(0);
    cluster.assent(["get", "course/CS101"]).ends_with(4).says("coordinator").explains_itself();
}

#[test]
fn errors_are_json_too_where_results_are() {
    let cluster = Cluster::up();
    let ran = cluster.assent(["get", "course/CS999", "--json"]).ends_with(7);
    let error: Value = serde_json::from_str(&ran.err).expect("it is JSON");
    assert_eq!((&error["status"], &error["kind"]), (&json!(7), &json!("not-found")));
    assert!(error["remedy"].is_string());
}
