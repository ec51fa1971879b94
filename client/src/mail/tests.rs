//! Where messages are kept, what a repeat may conclude, and what is refused before it is sent.

use super::*;
use crate::{NotExecuted, Reason, json, placement::place, transaction::Transaction};
use assent_protocol::{
    directory::Directory,
    ids::{FieldName, Member, NodeId, Stamp, Version},
    mail::{DELAY_MS_MAX, Draft, Envelope, PAYLOAD_BYTES_MAX},
    message,
    operation::{FieldContent, Operation, RecordContent, Value},
    outcome::{AbortReason, Refusal, RefusalKind},
};
use std::{collections::BTreeMap, sync::Arc};

fn froms(transaction: &Transaction) -> Vec<&str> {
    let from = |operation: &'_ Operation| matches!(operation, Operation::Send { .. });
    transaction.operations().iter().filter(|o| from(o)).map(|o| o.record().as_str()).collect()
}

fn message(mailbox: &str) -> NewMessage {
    NewMessage::new(mailbox, "hello")
}

fn delivery(lease: Option<&str>) -> Delivery {
    let mailbox = Mailbox::new("orders").expect("valid");
    let draft = Draft {
        mailbox: mailbox.clone(),
        key: None,
        headers: BTreeMap::new(),
        payload: b"x".to_vec(),
        delay_ms: 0,
    };
    let envelope =
        Envelope { id: "app:7:9/0".parse().expect("valid"), sent: Stamp(1), draft: Arc::new(draft) };
    let lease = lease.map(|lease| lease.parse().expect("valid"));
    let inner = message::Delivery { position: Position(17), lease, envelope, delivery: 1 };
    Delivery::new(mailbox, inner, None)
}

#[test]
fn a_message_is_kept_where_the_first_change_is_wherever_it_is_put() {
    let before = Transaction::new().send(message("a")).send(message("b")).set("student/s1", "name", "Ada");
    assert_eq!(froms(&before), ["student/s1", "student/s1"]);
    let after =
        Transaction::new().set("student/s1", "name", "Ada").send(message("a")).set("course/c", "t", 1);
    assert_eq!(froms(&after), ["student/s1"]);
    let reads = Transaction::new().read("course/c").require_exists("list/1").send(message("a"));
    assert_eq!(froms(&reads), ["mailbox/a"]);
    let only = Transaction::new().send(message("a")).send(message("b"));
    assert_eq!(froms(&only), ["mailbox/a", "mailbox/a"]);
    let named = Transaction::new().send(message("a")).send(message("b").from("list/7")).set("list/8", "x", 1);
    assert_eq!(froms(&named), ["list/7", "list/7"]);
    let finishing = Transaction::new().send(message("a")).acknowledge(&delivery(Some("3.42")));
    assert_eq!(froms(&finishing), ["mailbox/orders"]);
    let json = r#"{"ops":[{"op":"send","mailbox":"a","payload":"hello"},{"op":"set","record":"student/s1","field":"name","value":"Ada"}]}"#;
    let read = json::transaction(json).expect("right");
    assert_eq!(read, Transaction::new().send(message("a")).set("student/s1", "name", "Ada"));
    assert_eq!(froms(&read), ["student/s1"]);
}

#[test]
fn a_message_adds_no_participant() {
    let nodes: Vec<NodeId> = (3..40).map(NodeId).collect();
    let directory = Directory::new(BTreeMap::new(), nodes);
    let transaction = (0..100).fold(Transaction::new(), |all, n| all.send(message(&format!("box{n}"))));
    let placement = place(transaction.set("student/s1", "name", "Ada"), &directory).expect("right");
    assert_eq!(placement.branches.len(), 1);
    assert!(placement.writes);
}

#[test]
fn what_is_wrong_with_a_message_is_said_before_it_is_sent() {
    let directory = Directory::new(BTreeMap::new(), vec![NodeId(3)]);
    let why = |transaction| place(transaction, &directory).expect_err("it is wrong").to_string();
    let long = NewMessage::new("orders", vec![0; PAYLOAD_BYTES_MAX + 1]);
    assert_eq!(why(Transaction::new().send(long)), "operation 0: the payload is longer than 262,144 bytes");
    let slow = message("orders").delay(Duration::from_millis(u64::from(DELAY_MS_MAX) + 1));
    assert_eq!(why(Transaction::new().send(slow)), "operation 0: the delay is longer than 30 days");
    let never = message("orders").delay(Duration::MAX);
    assert_eq!(why(Transaction::new().send(never)), "operation 0: the delay is longer than 30 days");
    assert!(why(Transaction::new().send(message("or/ders"))).contains("mailbox \"or/ders\""));
    assert!(why(Transaction::new().send(message("orders").key("k".repeat(257)))).contains("key"));
    assert!(why(Transaction::new().acknowledge(&delivery(None))).contains("acknowledged on receipt"));
    let nobody = MailboxSettings { consumers: Some([].into()), ..MailboxSettings::default() };
    assert!(why(Transaction::new().create_mailbox("orders", &nobody)).contains("there is none"));
}

#[test]
fn messages_of_the_documentation_are_read_and_written() {
    let text = r#"{"ops":[
        {"op":"send","mailbox":"orders","key":"s17","headers":{"kind":"book"},"payload":"one","delay_ms":5,"from":"student/s17"},
        {"op":"send","mailbox":"orders","payload":{"base64":"AP8="},"key":null,"from":null,"headers":null,"delay_ms":null},
        {"op":"acknowledge","mailbox":"orders","message":17,"lease":"3.42"}
    ]}"#;
    let expected = Transaction::new()
        .send(
            NewMessage::new("orders", "one")
                .key("s17")
                .header("kind", "book")
                .delay(Duration::from_millis(5))
                .from("student/s17"),
        )
        .send(NewMessage::new("orders", vec![0, 0xff]))
        .acknowledge(&delivery(Some("3.42")));
    assert_eq!(json::transaction(text), Ok(expected));
    let wrong = |operation: &str| {
        json::transaction(&format!("{{\"ops\":[{operation}]}}")).expect_err("it is wrong").to_string()
    };
    assert_eq!(wrong(r#"{"op":"send","mailbox":"orders"}"#), "operation 0: key \"payload\": it is missing");
    let error = wrong(r#"{"op":"send","mailbox":"orders","payload":{"base64":"!"}}"#);
    assert_eq!(error, "operation 0: key \"payload\": it is no base64");
    let error = wrong(r#"{"op":"send","mailbox":"orders","payload":"x","headers":{"a":1}}"#);
    assert_eq!(error, "operation 0: key \"headers\": \"a\" must be text, not the number 1");
    let error = wrong(r#"{"op":"send","mailbox":"orders","payload":"x","colour":1}"#);
    assert!(error.contains("send has mailbox, payload"), "{error}");
    let error = wrong(r#"{"op":"acknowledge","mailbox":"orders","message":17,"lease":"x"}"#);
    assert!(error.contains("boot.serial"), "{error}");
    let shown = json::delivery(&delivery(Some("3.42")));
    assert_eq!(
        (&shown["message"], &shown["lease"], &shown["payload"]),
        (&17.into(), &"3.42".into(), &"x".into())
    );
    assert_eq!(json::payload(&[0, 0xff]), serde_json::json!({ "base64": "AP8=" }));
}

#[test]
fn a_full_outbox_is_tried_again_and_a_lost_lease_is_not() {
    let refused = |kind| {
        let record = Mailbox::new("orders").expect("valid").record().clone();
        Reason::Aborted(AbortReason::Refused(Refusal {
            operation: 0,
            kind,
            record,
            field: None,
            member: None,
        }))
    };
    assert!(refused(RefusalKind::OutboxFull).is_transient());
    for (kind, word) in [
        (RefusalKind::MessageAbsent, "message_absent"),
        (RefusalKind::LeaseLost, "lease_lost"),
        (RefusalKind::ForeignLease, "foreign_lease"),
    ] {
        let reason = refused(kind);
        assert!(!reason.is_transient() && calls::is_lost(&reason));
        assert_eq!(reason.kind(), word);
    }
    assert!(!calls::is_lost(&Reason::NotExecuted(NotExecuted::Closed)));
}

#[test]
fn settings_go_into_a_record_and_come_back() {
    let name = |name: &str| assent_protocol::ids::ClientName::new(name).expect("valid");
    let settings = MailboxSettings {
        depth_max: 7,
        deliveries_max: 3,
        backoff: Duration::from_millis(20),
        backoff_max: Duration::from_secs(2),
        consumers: Some([name("ada"), name("bob")].into()),
    };
    let made = Transaction::new().create_mailbox("orders", &settings);
    let mut content = RecordContent { version: Version(1), fields: BTreeMap::new() };
    for operation in made.operations() {
        match operation {
            Operation::Set { field, value, .. } => {
                content.fields.insert(field.clone(), FieldContent::Value(value.clone()));
            }
            Operation::Insert { field, member, .. } => {
                let set = content.fields.entry(field.clone()).or_insert(FieldContent::Set(Vec::new()));
                let FieldContent::Set(members) = set else { panic!("a set") };
                members.push(member.clone());
            }
            Operation::Require { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(MailboxSettings::from_record(&content), settings);
    let odd = FieldContent::Value(Value::Text("many".to_owned()));
    content.fields.insert(FieldName::new("depth_max").expect("valid"), odd);
    assert_eq!(MailboxSettings::from_record(&content).depth_max, MailboxSettings::default().depth_max);
}

#[test]
fn a_change_of_settings_writes_what_differs() {
    let name = |name: &str| assent_protocol::ids::ClientName::new(name).expect("valid");
    let mailbox = Mailbox::new("orders").expect("valid");
    let old = MailboxSettings { consumers: Some([name("ada")].into()), ..MailboxSettings::default() };
    let new = MailboxSettings { depth_max: 5, consumers: Some([name("bob")].into()), ..old.clone() };
    let expected = Transaction::new()
        .require_version(mailbox.record(), 4)
        .set(mailbox.record(), "depth_max", 5_i64)
        .insert(mailbox.record(), "consumers", Member::new("bob").expect("valid"), None)
        .remove(mailbox.record(), "consumers", Member::new("ada").expect("valid"), None);
    assert_eq!(Transaction::new().change_mailbox(&mailbox, 4, &old, &new), expected);
    let open = MailboxSettings { consumers: None, ..old.clone() };
    let change = Transaction::new().change_mailbox(&mailbox, 4, &old, &open);
    assert!(matches!(change.operations()[1], Operation::Delete { .. }), "{change:?}");
}
