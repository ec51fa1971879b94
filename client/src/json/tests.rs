use super::*;
use crate::{
    outcome::{Abort, NotExecuted, Outcome, Reason, Receipt},
    transaction::Transaction,
};
use assent_protocol::{
    ids::{FieldName, Member, NodeId, RecordId, TxnId, Version},
    operation::{FieldContent, ReadResult, RecordContent, Value},
    outcome::{AbortReason, Malformed, Refusal, RefusalKind},
};
use serde_json::json;
use std::collections::BTreeMap;

fn one(operation: &str) -> Result<Transaction, JsonError> {
    transaction(&format!("{{\"ops\": [{operation}]}}"))
}

fn wrong(operation: &str) -> String {
    one(operation).expect_err("it is wrong").to_string()
}

#[test]
fn every_operation_of_the_documentation_is_read() {
    let text = r#"{"ops": [
        {"op":"require","record":"course/CS101","exists":true},
        {"op":"require","record":"course/CS101","absent":true},
        {"op":"require","record":"course/CS101","exists":false},
        {"op":"require","record":"course/CS101","field":"state","equals":"open"},
        {"op":"require","record":"course/CS101","field":"credits","at_least":3},
        {"op":"require","record":"course/CS101","field":"roster","contains":"s17"},
        {"op":"require","record":"course/CS101","version":7},
        {"op":"set","record":"student/s17","field":"photo","value":{"bytes":"00fF"}},
        {"op":"delete","record":"student/s17"},
        {"op":"append","record":"list/3","field":"items","value":7},
        {"op":"add","record":"student/s17","field":"credits","delta":6,"min":0,"max":60},
        {"op":"add","record":"student/s17","field":"credits","delta":-6},
        {"op":"insert","record":"course/CS101","field":"roster","member":"s17","max":40},
        {"op":"remove","record":"course/CS101","field":"roster","member":"s17","min":1},
        {"op":"read","record":"list/3"},
        {"op":"read","record":"list/3","field":"items"},
        {"op":"read","record":"list/3","field":"items","count":true},
        {"op":"read","record":"course/CS101","field":"roster","member":"s17"}
    ]}"#;
    let expected = Transaction::new()
        .require_exists("course/CS101")
        .require_absent("course/CS101")
        .require_absent("course/CS101")
        .require_equals("course/CS101", "state", "open")
        .require_at_least("course/CS101", "credits", 3)
        .require_contains("course/CS101", "roster", "s17")
        .require_version("course/CS101", 7)
        .set("student/s17", "photo", vec![0, 0xff])
        .delete("student/s17")
        .append("list/3", "items", 7)
        .add("student/s17", "credits", 6, 0..=60)
        .add("student/s17", "credits", -6, ..)
        .insert("course/CS101", "roster", "s17", 40)
        .remove("course/CS101", "roster", "s17", 1)
        .read("list/3")
        .read_field("list/3", "items")
        .read_count("list/3", "items")
        .read_member("course/CS101", "roster", "s17");
    assert_eq!(transaction(text), Ok(expected));
}

#[test]
fn an_id_makes_it_a_repeat() {
    let repeat = transaction(r#"{"id":"app:7:9","ops":[{"op":"read","record":"list/3"}]}"#).expect("right");
    let id: TxnId = "app:7:9".parse().expect("valid");
    assert_eq!(repeat, Transaction::new().read("list/3").repeat_of(id));
    let error = transaction(r#"{"id":"app:7","ops":[]}"#).expect_err("no id");
    assert_eq!(error.key.as_deref(), Some("id"));
}

#[test]
fn what_is_wrong_is_named_with_its_operation_and_key() {
    let error = |text: &str| transaction(text).expect_err("it is wrong").to_string();
    assert!(error("{").starts_with("it is not JSON: "));
    assert_eq!(error("[]"), "a transaction is an object, not a list");
    assert_eq!(error("{}"), "key \"ops\": it is missing");
    assert_eq!(error(r#"{"ops":7}"#), "key \"ops\": it must be a list, not the number 7");
    assert_eq!(error(r#"{"ops":[]}"#), "key \"ops\": it holds no operation");
    assert!(error(r#"{"ops":[],"opps":1}"#).starts_with("key \"opps\": it is not known here"));
    assert!(error(r#"{"ops":[],"ops":[]}"#).contains("the key \"ops\" is there twice"));

    assert_eq!(
        wrong(r#"{"op":"explode","record":"a/b"}"#),
        "operation 0: key \"op\": there is no operation \"explode\"; there are require, set, delete, append, add, insert, remove, read, send, acknowledge"
    );
    assert_eq!(wrong(r#"{"record":"a/b"}"#), "operation 0: key \"op\": it is missing");
    assert_eq!(wrong("7"), "operation 0: an operation is an object, not the number 7");
    assert_eq!(wrong(r#"{"op":"delete"}"#), "operation 0: key \"record\": it is missing");
    assert_eq!(
        wrong(r#"{"op":"delete","record":"ab"}"#),
        "operation 0: key \"record\": record \"ab\" is not valid: it must be table/id"
    );
    assert_eq!(
        wrong(r#"{"op":"delete","record":"a/b","field":"c"}"#),
        "operation 0: key \"field\": it is not known here; delete has only record"
    );
    assert_eq!(
        wrong(r#"{"op":"add","record":"a/b","field":"c","delta":"6"}"#),
        "operation 0: key \"delta\": it must be a whole number of 64 bits, not the text \"6\""
    );
    assert_eq!(
        wrong(r#"{"op":"add","record":"a/b","field":"c","delta":1.5}"#),
        "operation 0: key \"delta\": it must be a whole number of 64 bits, not the number 1.5"
    );
    assert_eq!(
        wrong(r#"{"op":"insert","record":"a/b","field":"c","member":"d","max":-1}"#),
        "operation 0: key \"max\": it must be a whole number from 0, not the number -1"
    );
    assert_eq!(
        wrong(r#"{"op":"add","record":"a/b","field":"c","delta":1,"min":9,"max":3}"#),
        "operation 0: min is greater than max"
    );
    assert!(
        wrong(r#"{"op":"set","record":"a/b","field":"c","value":null}"#)
            .contains("key \"value\": it must be")
    );
    assert!(wrong(r#"{"op":"set","record":"a/b","field":"c","value":{"bytes":"0"}}"#).contains("is no hex"));
    assert!(
        wrong(r#"{"op":"set","record":"a/b","field":"c","value":9223372036854775808}"#)
            .contains("key \"value\"")
    );
    assert!(wrong(r#"{"op":"require","record":"a/b"}"#).contains("require needs one of exists"));
    assert!(
        wrong(r#"{"op":"require","record":"a/b","exists":true,"version":1}"#)
            .contains("\"exists\" is there too")
    );
    assert!(wrong(r#"{"op":"require","record":"a/b","exists":true,"field":"c"}"#).contains("key \"field\""));
    assert!(wrong(r#"{"op":"read","record":"a/b","count":true}"#).contains("key \"count\""));
    assert!(
        wrong(r#"{"op":"read","record":"a/b","field":"c","count":true,"member":"d"}"#)
            .contains("key \"count\"")
    );
}

fn id() -> TxnId {
    "app:7:9".parse().expect("valid")
}

#[test]
fn a_commit_is_printed_with_its_reads() {
    let name = |text: &str| FieldName::new(text).expect("valid");
    let fields = BTreeMap::from([
        (name("credits"), FieldContent::Value(Value::Int(6))),
        (name("log"), FieldContent::List(vec![Value::Text("a".to_owned()), Value::Bytes(vec![255])])),
        (name("schedule"), FieldContent::Set(vec![Member::new("CS101").expect("valid")])),
    ]);
    let transaction = Transaction::new()
        .delete("a/b")
        .read("student/s17")
        .read("student/s18")
        .read_field("student/s17", "credits")
        .read_field("student/s17", "nothing")
        .read_count("student/s17", "schedule")
        .read_member("student/s17", "schedule", "CS101");
    let reads = vec![
        ReadResult::Record(Some(RecordContent { version: Version(3), fields })),
        ReadResult::Record(None),
        ReadResult::Field(Some(FieldContent::Value(Value::Int(6)))),
        ReadResult::Field(None),
        ReadResult::Count(1),
        ReadResult::Member(true),
    ];
    let committed = Outcome::Committed(Receipt { id: id(), reads, attempts: 1, confirmation: None });
    let expected = json!({
        "id": "app:7:9",
        "outcome": "committed",
        "reads": [
            {"operation": 1, "record": "student/s17", "exists": true, "version": 3,
             "fields": {"credits": 6, "log": ["a", {"bytes": "ff"}], "schedule": {"set": ["CS101"]}}},
            {"operation": 2, "record": "student/s18", "exists": false},
            {"operation": 3, "record": "student/s17", "field": "credits", "value": 6},
            {"operation": 4, "record": "student/s17", "field": "nothing", "value": null},
            {"operation": 5, "record": "student/s17", "field": "schedule", "count": 1},
            {"operation": 6, "record": "student/s17", "field": "schedule", "member": "CS101", "present": true},
        ],
    });
    assert_eq!(outcome(&committed, transaction.operations()), expected);
}

#[test]
fn an_abort_is_printed_with_its_reason() {
    let record = RecordId::new("course/CS101").expect("valid");
    let refusal = |kind, field: Option<&str>, member: Option<&str>| {
        Reason::Aborted(AbortReason::Refused(Refusal {
            operation: 2,
            kind,
            record: record.clone(),
            field: field.map(|field| FieldName::new(field).expect("valid")),
            member: member.map(|member| Member::new(member).expect("valid")),
        }))
    };
    let mut full = reason(&refusal(RefusalKind::Bound, Some("roster"), Some("s17")));
    assert!(full["message"].as_str().is_some_and(|message| message.contains("course/CS101")));
    full["message"] = "".into();
    let expected = json!({"kind": "bound", "operation": 2, "record": "course/CS101", "field": "roster",
        "member": "s17", "message": ""});
    assert_eq!(full, expected);
    let closed = reason(&refusal(RefusalKind::Equals, Some("state"), None));
    assert_eq!((&closed["kind"], &closed["requires"]), (&json!("requirement"), &json!("equals")));
    assert_eq!(reason(&Reason::Aborted(AbortReason::Misplaced(NodeId(4))))["node"], 4);
    let malformed = Reason::NotExecuted(NotExecuted::Malformed(Malformed::Operation(3)));
    assert_eq!(reason(&malformed)["operation"], 3);

    let abort = Abort::not_executed(None, NotExecuted::Overloaded, 1);
    let printed = outcome(&Outcome::Aborted(abort), &[]);
    assert_eq!(printed["outcome"], "aborted");
    assert_eq!(printed["reason"]["kind"], "overloaded");
    assert!(printed.get("id").is_none());
}
