//! The pure parts: names, what travels, what is remembered, and a handler behind its face.

use super::{
    handler::{Called, handler},
    keeping::left_behind,
    names::{CallId, MethodName, ServiceName},
    wire::{Answer, Call, Fault, Semantics, record_of, short},
    *,
};
use crate::{mail::NewMessage, transaction::Transaction};
use assent_protocol::{
    ids::{ClientName, FieldName, Member, Version},
    mail::{Draft, HEADER_BYTES_MAX, Mailbox, PAYLOAD_BYTES_MAX},
    operation::{Check, FieldContent, Operation, RecordContent, VALUE_BYTES_MAX, Value},
};
use std::collections::BTreeMap;

fn id(text: &str) -> CallId {
    CallId::new(text).expect("valid")
}

fn call() -> Call {
    Call {
        service: ServiceName::new("bank").expect("valid"),
        id: id("order-7"),
        method: MethodName::new("deposit", 3).expect("valid"),
        semantics: Semantics::ExactlyOnce,
        deadline_ms: 1_790_000_000_123,
        reply_to: Mailbox::new("reply.app.1").expect("valid"),
        may_repeat: true,
    }
}

fn draft(message: NewMessage) -> Draft {
    let transaction = Transaction::new().send(message);
    let Some(Operation::Send { draft, .. }) = transaction.operations().first() else {
        panic!("{transaction:?}")
    };
    assert_eq!(transaction.operations()[0].check(), Ok(()));
    (**draft).clone()
}

#[test]
fn the_longest_names_make_valid_mailboxes_records_and_headers() {
    let service = ServiceName::new(&"s".repeat(56)).expect("valid");
    assert_eq!(service.mailbox().name().len(), 64);
    let longest = Call {
        service: service.clone(),
        id: id(&"i".repeat(96)),
        method: MethodName::new(&"m".repeat(64), u32::MAX).expect("valid"),
        reply_to: Mailbox::new(&"r".repeat(64)).expect("valid"),
        deadline_ms: u64::MAX,
        ..call()
    };
    let client = ClientName::new(&"c".repeat(64)).expect("valid");
    assert!(record_of(&longest, &client).as_str().len() < 256);
    let draft = draft(longest.message(vec![0; PAYLOAD_BYTES_MAX]));
    assert!(
        draft.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() < HEADER_BYTES_MAX
    );
    assert!(ServiceName::new(&"s".repeat(57)).is_err());
    for wrong in ["", "a/b", "a:b", "a b", "ä"] {
        assert!(ServiceName::new(wrong).is_err() && CallId::new(wrong).is_err(), "{wrong:?}");
        assert!(MethodName::new(wrong, 1).is_err(), "{wrong:?}");
    }
    assert_eq!("deposit@3".parse(), Ok(call().method));
    for wrong in ["deposit", "deposit@", "deposit@x", "@3", "deposit@4294967296", "a@b@3"] {
        assert!(wrong.parse::<MethodName>().is_err(), "{wrong:?}");
    }
    assert_ne!(CallId::random(), CallId::random());
    assert!(CallId::new(CallId::random().as_str()).is_ok());
}

#[test]
fn a_call_is_read_as_it_was_written_and_what_is_none_says_why() {
    for semantics in [Semantics::AtMostOnce, Semantics::AtLeastOnce, Semantics::ExactlyOnce] {
        for may_repeat in [false, true] {
            let call = Call { semantics, may_repeat, ..call() };
            let draft = draft(call.message(b"{}".to_vec()));
            assert_eq!(draft.key.as_ref().map(|key| key.as_str()), Some("order-7"), "one at a time");
            assert_eq!(Call::read(&call.service, &draft.headers), Ok(call));
        }
    }
    let headers = draft(call().message(Vec::new())).headers;
    let wrong = |name: &str, value: Option<&str>| {
        let mut headers = headers.clone();
        headers.remove(name).expect("it is there");
        headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        Call::read(&call().service, &headers).expect_err("it is wrong")
    };
    for name in ["call", "method", "semantics", "deadline", "reply-to"] {
        assert_eq!(wrong(name, None), format!("it is no call: it has no header {name:?}"));
    }
    assert!(wrong("call", Some("a:b")).contains("call \"a:b\" is not valid"));
    assert!(wrong("method", Some("x")).contains("it must be name@version"));
    assert_eq!(wrong("semantics", Some("twice")), "\"twice\" is no semantics");
    assert_eq!(wrong("deadline", Some("soon")), "the deadline \"soon\" is no number");
    assert!(wrong("reply-to", Some("a/b")).contains("mailbox"));
}

#[test]
fn a_repeat_is_told_from_another_call_by_method_version_and_arguments() {
    let digest = call().digest(b"1");
    let later = Call { deadline_ms: 0, reply_to: Mailbox::new("other").expect("valid"), ..call() };
    assert_eq!(later.digest(b"1"), digest);
    assert_ne!(call().digest(b"2"), digest);
    let newer = Call { method: MethodName::new("deposit", 4).expect("valid"), ..call() };
    assert_ne!(newer.digest(b"1"), digest);
}

fn faults() -> [(Fault, bool); 5] {
    let why = "why".to_owned();
    [
        (Fault::UnknownMethod { has: vec!["deposit@3".to_owned()] }, false),
        (Fault::BadArguments { why: why.clone() }, false),
        (Fault::IdReused { method: "deposit@3".to_owned() }, false),
        (Fault::Failed { why: why.clone() }, true),
        (Fault::Refused { kind: "bound".to_owned(), why }, true),
    ]
}

#[test]
fn answers_travel_and_only_those_of_the_handler_are_remembered() {
    let answers = faults().map(|(fault, remembered)| (Answer::Fault(fault), remembered));
    for (answer, remembered) in answers.into_iter().chain([(Answer::Reply(b"42".to_vec()), true)]) {
        assert_eq!(answer.is_remembered(), remembered, "{answer:?}");
        let transaction = Transaction::new().send(answer.message(&call()));
        assert_eq!(
            transaction.operations()[0].record().as_str(),
            "mailbox/reply.app.1",
            "kept where it goes"
        );
        let draft = draft(answer.message(&call()));
        let whose = ("bank".to_owned(), "order-7".to_owned());
        assert_eq!(Answer::read(&draft.headers, &draft.payload), Some((whose, Ok(answer))));
    }
    assert_eq!(Answer::read(&BTreeMap::new(), b"42"), None);
    let mut headers = draft(Answer::Fault(Fault::failed("x")).message(&call())).headers;
    let (_, answer) = Answer::read(&headers, br#"{"fault":"of the future"}"#).expect("it is an answer");
    assert!(answer.expect_err("of another kind").contains("unknown kind"));
    headers.insert("result".to_owned(), "perhaps".to_owned());
    let (_, answer) = Answer::read(&headers, b"").expect("it is an answer");
    assert_eq!(answer, Err("\"perhaps\" is no result of a call".to_owned()));
}

/// The record that a transaction writes.
fn written(transaction: &Transaction) -> RecordContent {
    let mut content = RecordContent { version: Version(1), fields: BTreeMap::new() };
    for operation in transaction.operations() {
        assert_eq!(operation.check(), Ok(()));
        match operation {
            Operation::Set { field, value, .. } => {
                content.fields.insert(field.clone(), FieldContent::Value(value.clone()));
            }
            Operation::Require { check: Check::Absent, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    content
}

#[test]
fn what_is_remembered_comes_back_whole_however_long() {
    let record = record_of(&call(), &ClientName::new("app").expect("valid"));
    assert_eq!(record.as_str(), "call/bank:app:order-7");
    for bytes in [0, 1, VALUE_BYTES_MAX, VALUE_BYTES_MAX + 1, PAYLOAD_BYTES_MAX] {
        let payload: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
        let answer = Answer::Reply(payload);
        let transaction = answer.remember(&call(), &record, call().digest(b"1"), 5, Transaction::new());
        let guard = Operation::Require { record: record.clone(), check: Check::Absent };
        assert_eq!(transaction.operations()[0], guard, "never twice");
        let remembered = Answer::remembered(&written(&transaction));
        assert_eq!(remembered, Ok((call().digest(b"1"), "deposit@3".to_owned(), answer)), "{bytes} bytes");
    }
    let fault = Answer::Fault(Fault::failed("no"));
    let transaction = fault.remember(&call(), &record, Vec::new(), 5, Transaction::new());
    let mut content = written(&transaction);
    assert_eq!(Answer::remembered(&content).expect("it is whole").2, fault);
    content.fields.remove(&FieldName::new("asked").expect("valid"));
    assert!(Answer::remembered(&content).expect_err("it is not whole").contains("no digest"));
}

#[test]
fn explanations_are_cut_between_letters() {
    assert_eq!(short("why"), "why");
    let long = short(format!("x{}", "ä".repeat(10_000)));
    assert_eq!(long.len(), 4095);
    assert!(long.ends_with('ä'));
}

#[tokio::test]
async fn a_handler_takes_json_and_never_panics() {
    let called = || Called {
        id: id("1"),
        caller: ClientName::new("app").expect("valid"),
        method: call().method,
        semantics: Semantics::AtLeastOnce,
    };
    let handler = handler(|wish: String, transaction: Transaction, called: Called| {
        assert!(wish != "panic at once", "on purpose, at once");
        async move {
            match wish.as_str() {
                "panic" => panic!("on purpose, for {}", called.caller),
                "fail" => Err("it does not like this one".to_owned()),
                "long" => Ok((transaction, "x".repeat(PAYLOAD_BYTES_MAX))),
                _ => Ok((transaction.set("a/b", "c", 1), wish)),
            }
        }
    });
    let expected = Ok((Transaction::new().set("a/b", "c", 1), br#""hello""#.to_vec()));
    assert_eq!(handler(called(), br#""hello""#).await, expected);
    let fails = async |arguments: &str| match handler(called(), arguments.as_bytes()).await {
        Err(fault) => fault,
        Ok(ran) => panic!("{ran:?}"),
    };
    assert!(matches!(fails("7").await, Fault::BadArguments { .. }));
    assert!(matches!(fails("\"x").await, Fault::BadArguments { .. }));
    assert_eq!(fails("\"fail\"").await, Fault::failed("it does not like this one"));
    assert_eq!(fails("\"panic\"").await, Fault::failed("it panicked: on purpose, for app"));
    assert_eq!(fails("\"panic at once\"").await, Fault::failed("it panicked: on purpose, at once"));
    assert_eq!(fails("\"long\"").await, Fault::failed("the reply takes 262146 bytes, more than 262144"));
}

#[tokio::test]
async fn a_pending_call_gives_its_reply_once_in_whichever_way() {
    let (tell, hear) = tokio::sync::oneshot::channel::<()>();
    let mut pending = Pending::spawn(id("1"), async move {
        hear.await.expect("it is told");
        Ok(7)
    });
    assert_eq!(pending.poll_now().await, None);
    assert!(!pending.is_ready());
    tell.send(()).expect("it waits");
    let others = [Pending::ended(id("2"), Ok(8)), Pending::spawn(id("3"), async { Ok(9) })];
    assert_eq!(join_all(others).await, [Ok(8), Ok(9)]);
    while !pending.is_ready() {
        tokio::task::yield_now().await;
    }
    assert_eq!(pending.poll_now().await, Some(Ok(7)));
    assert_eq!(pending.poll_now().await, None);
    assert!(matches!(pending.await, Err(CallError::NoReplies(_))));
}

#[test]
fn errors_say_whether_anything_has_happened() {
    for (fault, _) in faults() {
        let call = call();
        let error = CallError::of(fault, &call.service, call.method, call.id);
        assert!(error.is_definite(), "{error}");
    }
    let method = call().method;
    assert!(!CallError::Unknown { id: id("1"), method: method.clone() }.is_definite());
    let bad = CallError::BadReply { id: id("1"), method, why: "x".to_owned(), reply: Vec::new() };
    assert!(!bad.is_definite());
    let has = vec!["deposit@3".to_owned(), "balance@1".to_owned()];
    let fault = Fault::UnknownMethod { has };
    let error = CallError::of(fault, &call().service, MethodName::new("deposit", 4).expect("valid"), id("1"));
    assert_eq!(error.to_string(), "the service bank has no deposit@4; it has deposit@3, balance@1");
}

#[test]
fn only_what_is_this_clients_and_need_not_be_kept_is_left_behind() {
    let app = ClientName::new("app").expect("valid");
    let content = |consumers: &[&str], until: Option<i64>| {
        let member = |name: &&str| Member::new(name).expect("valid");
        let consumers = FieldContent::Set(consumers.iter().map(member).collect());
        let mut fields = vec![(FieldName::new("consumers").expect("valid"), consumers)];
        if let Some(until) = until {
            let until = FieldContent::Value(Value::Int(until));
            fields.push((FieldName::new("kept_until_ms").expect("valid"), until));
        }
        RecordContent { version: Version(1), fields: fields.into_iter().collect() }
    };
    let mailbox = Mailbox::new("reply.app.1").expect("valid");
    let found =
        |mailbox: &Mailbox, content: &RecordContent| left_behind(mailbox.record(), content, &app, 1_000);
    assert_eq!(found(&mailbox, &content(&["app"], Some(999))), Some((mailbox.clone(), 999)));
    assert_eq!(found(&mailbox, &content(&["app"], Some(1_000))), None, "its time has not passed");
    assert_eq!(found(&mailbox, &content(&["app"], None)), None, "nothing says until when");
    assert_eq!(found(&mailbox, &content(&["app", "bob"], Some(0))), None, "others use it");
    // Of a client whose name begins with this one's.
    let other = Mailbox::new("reply.app.2.1").expect("valid");
    assert_eq!(found(&other, &content(&["app.2"], Some(0))), None);
    let orders = Mailbox::new("orders").expect("valid");
    assert_eq!(found(&orders, &content(&["app"], Some(0))), None, "it is no mailbox for replies");
    let record = assent_protocol::ids::RecordId::new("reply/app").expect("valid");
    assert_eq!(left_behind(&record, &content(&["app"], Some(0)), &app, 1_000), None);
}
