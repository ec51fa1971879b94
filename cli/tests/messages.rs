//! `assent mailbox`: messages between real processes, killed between every two steps; and everything that a user can do wrong.

mod common;

use common::{Cluster, Ran, assent, write};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Long enough for a node that comes back on a busy machine.
const PATIENCE: &str = "60000";

/// Starts nodes again. Somebody else's connection may sit on a free port for a moment: it is tried until it is gone.
fn start(cluster: &Cluster, nodes: &[&str]) {
    for node in nodes {
        while cluster.assent(["cluster", "start", node]).status == 4 {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    }
}

/// What the tests of this file do with a cluster.
trait Mail {
    fn make(&self, args: &[&str]);
    fn receive(&self, args: &[&str]) -> Vec<Value>;
    fn node_of(&self, mailbox: &str) -> String;
    fn client(&self, name: &str) -> PathBuf;
    fn assent_as(&self, client: &Path, args: &[&str]) -> Ran;
    fn depth(&self, mailbox: &str) -> Value;
}

impl Mail for Cluster {
    fn make(&self, args: &[&str]) {
        self.assent(["mailbox", "create"].iter().chain(args)).ends_with(0);
    }

    fn receive(&self, args: &[&str]) -> Vec<Value> {
        // A lease that no slow machine outlasts.
        let lease: &[&str] = if args.contains(&"--lease-ms") { &[] } else { &["--lease-ms", "3600000"] };
        let args = ["mailbox", "receive", "--json"].iter().chain(args).chain(lease);
        self.assent(args).ends_with(0).json_lines()
    }

    fn node_of(&self, mailbox: &str) -> String {
        let shown = self.assent(["mailbox", "show", mailbox, "--json"]).ends_with(0).json();
        shown["node"].as_str().expect("it is somewhere").to_owned()
    }

    fn client(&self, name: &str) -> PathBuf {
        let keys = self.dir().join("keys");
        let keys = keys.to_str().expect("a plain name");
        assent(["keys", "issue", "--dir", keys, "--role", "client", "--name", name]).ends_with(0);
        self.dir().join(format!("keys/client-{name}.crt"))
    }

    fn assent_as(&self, client: &Path, args: &[&str]) -> Ran {
        let client = client.to_str().expect("a plain name");
        self.assent(args.iter().chain(&["--certificate", client]))
    }

    fn depth(&self, mailbox: &str) -> Value {
        self.assent(["mailbox", "show", mailbox, "--json"]).ends_with(0).json()["depth"].clone()
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `--lease L` and the number of a message that was received.
fn place(message: &Value) -> (String, String) {
    (text(&message["message"]), text(&message["lease"]))
}

/// The operation that acknowledges a message that was received.
fn acknowledge(message: &Value) -> Value {
    json!({ "op": "acknowledge", "mailbox": message["mailbox"], "message": message["message"], "lease": message["lease"] })
}

/// The result of a transaction that nothing but what the records hold can refuse: nodes may have just come back.
fn decided(cluster: &Cluster, transaction: &str) -> Value {
    loop {
        let result = cluster.transact(transaction).json();
        let kind = text(&result["reason"]["kind"]);
        if !["conflict", "deadline", "overloaded", "abandoned", "unreachable"].contains(&kind.as_str()) {
            return result;
        }
    }
}

fn transaction(ops: Value) -> String {
    json!({ "ops": ops }).to_string()
}

fn count(cluster: &Cluster, record: &str) -> Value {
    cluster.assent(["get", record, "--field", "n", "--json"]).ends_with(0).json()["value"].clone()
}

fn add(record: &str) -> Value {
    json!({ "op": "add", "record": record, "field": "n", "delta": 1 })
}

#[test]
fn a_message_is_sent_with_its_transaction_and_finished_with_another() {
    let cluster = Cluster::up();
    cluster.make(&["orders"]);
    cluster.make(&["parcels"]);
    let refused = transaction(json!([
        { "op": "require", "record": "student/nobody", "exists": true },
        { "op": "send", "mailbox": "orders", "payload": "never" },
    ]));
    cluster.transact(&refused).ends_with(5);
    let order = transaction(json!([
        { "op": "send", "mailbox": "orders", "key": "s1", "headers": { "kind": "book" }, "payload": "faust" },
        add("student/s1"),
    ]));
    let id = text(&cluster.transact(&order).ends_with(0).json()["id"]);
    let received = cluster.receive(&["orders", "--wait-ms", PATIENCE, "--max", "10"]);
    assert_eq!(received.len(), 1, "{received:?}");
    let message = &received[0];
    assert_eq!(message["id"], format!("{id}/0"));
    assert_eq!((&message["payload"], &message["key"]), (&json!("faust"), &json!("s1")));
    assert_eq!((&message["headers"], &message["delivery"]), (&json!({ "kind": "book" }), &json!(1)));
    assert!(cluster.receive(&["orders"]).is_empty(), "it is leased");

    // Refused for another reason: the message stays its consumer's.
    let failing = transaction(json!([
        acknowledge(message),
        { "op": "require", "record": "student/nobody", "exists": true },
    ]));
    cluster.transact(&failing).ends_with(5);
    let finishing = transaction(json!([
        add("book/faust"),
        { "op": "send", "mailbox": "parcels", "payload": "faust to s1" },
        acknowledge(message),
    ]));
    cluster.transact(&finishing).ends_with(0);
    let again = cluster.transact(&finishing).ends_with(5).json();
    assert_eq!(again["reason"]["kind"], "message_absent");
    assert_eq!((count(&cluster, "book/faust"), count(&cluster, "student/s1")), (json!(1), json!(1)));
    assert_eq!(cluster.depth("orders"), 0);
    let parcels = cluster.receive(&["parcels", "--wait-ms", PATIENCE, "--max", "10", "--take"]);
    assert_eq!(parcels.len(), 1);
    assert_eq!((&parcels[0]["payload"], &parcels[0]["lease"]), (&json!("faust to s1"), &Value::Null));
    assert_eq!(cluster.depth("parcels"), 0, "at most once: gone before it was seen");
}

#[test]
fn a_message_outlives_the_death_of_its_source_and_of_its_mailbox_and_is_done_once() {
    let cluster = Cluster::up();
    // Courses have a node of their own: a mailbox there, and students elsewhere.
    let names: Vec<String> = (0..64).map(|n| format!("orders{n}")).collect();
    let orders = names.iter().find(|name| {
        cluster.make(&[name]);
        cluster.node_of(name) == "courses-1"
    });
    let orders = orders.expect("one of 64 names is on one of three nodes").as_str();

    cluster.assent(["cluster", "kill", "courses-1"]).ends_with(0);
    let order = transaction(json!([
        add("student/s1"),
        { "op": "send", "mailbox": orders, "payload": "faust" },
    ]));
    cluster.transact(&order).ends_with(0);
    let outbox = cluster.assent(["mailbox", "outbox", "--json"]).ends_with(4).json();
    let source = text(&outbox["streams"][0]["from"]);
    assert_eq!(
        (&outbox["streams"][0]["waiting"], &outbox["streams"][0]["to"]),
        (&json!(1), &json!("courses-1"))
    );
    cluster.assent(["cluster", "kill", &source]).ends_with(0);
    start(&cluster, &[&source, "courses-1"]);
    let received = cluster.receive(&[orders, "--wait-ms", PATIENCE, "--max", "10"]);
    assert_eq!(received.len(), 1);

    // Leased, and the node that knows of the lease dies: the lease is lost, the message is not.
    cluster.assent(["cluster", "kill", "courses-1"]).ends_with(0);
    start(&cluster, &["courses-1"]);
    let (number, lease) = place(&received[0]);
    cluster
        .assent(["mailbox", "acknowledge", orders, &number, "--lease", &lease])
        .ends_with(12)
        .says("lease")
        .explains_itself();
    let late = transaction(json!([add("book/faust"), acknowledge(&received[0])]));
    assert_eq!(decided(&cluster, &late)["reason"]["kind"], "lease_lost");
    let again = cluster.receive(&[orders, "--wait-ms", PATIENCE, "--max", "10"]);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["id"], received[0]["id"]);

    let finishing = transaction(json!([add("book/faust"), acknowledge(&again[0])]));
    assert_eq!(decided(&cluster, &finishing)["outcome"], "committed");
    cluster.assent(["cluster", "kill", "courses-1", &source]).ends_with(0);
    start(&cluster, &["courses-1", &source]);
    assert_eq!(cluster.depth(orders), 0);
    assert!(cluster.receive(&[orders, "--wait-ms", "1000"]).is_empty());
    assert_eq!((count(&cluster, "book/faust"), count(&cluster, "student/s1")), (json!(1), json!(1)));
    let outbox = cluster.assent(["mailbox", "outbox", "--json"]).ends_with(0).json();
    assert_eq!(outbox["streams"], json!([]), "nothing is on its way any more");
}

#[test]
fn deliveries_that_fail_too_often_make_a_dead_letter_that_can_be_redriven_or_purged() {
    let cluster = Cluster::up();
    cluster.make(&["orders", "--deliveries-max", "2", "--backoff-ms", "0"]);
    let sent = cluster.assent(["mailbox", "send", "orders", "faust", "--json"]).ends_with(0).json();
    for delivery in 1..=2 {
        let received = cluster.receive(&["orders", "--wait-ms", PATIENCE]);
        assert_eq!(received[0]["delivery"], delivery);
        let (number, lease) = place(&received[0]);
        let cause = format!("no ink, {delivery}");
        cluster
            .assent(["mailbox", "release", "orders", &number, "--lease", &lease, "--cause", &cause])
            .ends_with(0);
    }
    assert_eq!(cluster.depth("orders"), 0);
    let dead = cluster.assent(["mailbox", "dead", "list", "orders", "--json"]).ends_with(0).json();
    assert_eq!(dead["id"], sent["message_id"]);
    let causes: Vec<&Value> =
        dead["failures"].as_array().expect("failures").iter().map(|failure| &failure["cause"]).collect();
    assert_eq!(causes, ["no ink, 1", "no ink, 2"]);
    let number = text(&dead["message"]);
    let shown = cluster.assent(["mailbox", "dead", "show", "orders", &number]).ends_with(0);
    assert!(shown.out.contains("no ink, 2") && shown.out.contains("faust"), "{shown:?}");

    // What is not there: all or none.
    for what in ["redrive", "purge"] {
        cluster
            .assent(["mailbox", "dead", what, "orders", &number, "999"])
            .ends_with(7)
            .says("no such dead letter")
            .explains_itself();
    }
    cluster.assent(["mailbox", "dead", "show", "orders", "999"]).ends_with(7).explains_itself();
    let done =
        cluster.assent(["mailbox", "dead", "redrive", "orders", &number, "--json"]).ends_with(0).json();
    assert_eq!(done["done"], 1);
    cluster.assent(["mailbox", "dead", "redrive", "orders", &number]).ends_with(7);

    // An old id, failures that count anew; a lease that runs out is a failure too.
    let received = cluster.receive(&["orders", "--wait-ms", PATIENCE, "--lease-ms", "1"]);
    assert_eq!((&received[0]["id"], &received[0]["delivery"]), (&sent["message_id"], &json!(1)));
    let again = cluster.receive(&["orders", "--wait-ms", PATIENCE, "--lease-ms", "1"]);
    assert_eq!(again[0]["delivery"], 2);
    let (number, lease) = place(&received[0]);
    let late = cluster.assent(["mailbox", "acknowledge", "orders", &number, "--lease", &lease]);
    assert!([7, 12].contains(&late.status), "{late:?}");
    let dead = loop {
        let dead = cluster.assent(["mailbox", "dead", "list", "orders", "--json"]).ends_with(0).json_lines();
        if let Some(dead) = dead.first() {
            break dead.clone();
        }
    };
    assert_eq!(dead["failures"].as_array().map(Vec::len), Some(4), "the earlier ones can still be read");
    let done = cluster.assent(["mailbox", "dead", "purge", "orders", "--all", "--json"]).ends_with(0).json();
    assert_eq!(done["done"], 1);
    let done = cluster.assent(["mailbox", "dead", "purge", "orders", "--all", "--json"]).ends_with(0).json();
    assert_eq!(done["done"], 0);
}

#[test]
fn messages_of_one_key_come_one_at_a_time_and_in_order() {
    let cluster = Cluster::up();
    cluster.make(&["orders"]);
    for payload in ["a1", "a2", "a3"] {
        cluster.assent(["mailbox", "send", "orders", payload, "--message-key", "a"]).ends_with(0);
    }
    for payload in ["x", "y"] {
        cluster.assent(["mailbox", "send", "orders", payload]).ends_with(0);
    }
    let payloads = |messages: &[Value]| {
        let mut payloads: Vec<String> = messages.iter().map(|message| text(&message["payload"])).collect();
        payloads.sort();
        payloads
    };
    let first = cluster.receive(&["orders", "--max", "10", "--lease-ms", "600000"]);
    assert_eq!(payloads(&first), ["a1", "x", "y"]);
    assert!(cluster.receive(&["orders"]).is_empty());
    let (number, lease) =
        place(first.iter().find(|message| message["payload"] == "a1").expect("it was received"));
    // Given back without a cause it comes again, and before the others of its key.
    cluster.assent(["mailbox", "release", "orders", &number, "--lease", &lease]).ends_with(0);
    for payload in ["a1", "a2", "a3"] {
        let received = cluster.receive(&["orders", "--max", "10", "--acknowledge"]);
        assert_eq!(payloads(&received), [payload]);
        assert_eq!(received[0]["delivery"], 1);
    }
    assert_eq!(cluster.depth("orders"), 2);
}

#[test]
fn a_full_mailbox_holds_messages_back_and_loses_none() {
    let cluster = Cluster::up();
    cluster.make(&["orders", "--depth-max", "1"]);
    for payload in ["one", "two", "three"] {
        cluster
            .assent(["mailbox", "send", "orders", payload, "--message-key", "k", "--from", "student/s1"])
            .ends_with(0);
    }
    for payload in ["one", "two", "three"] {
        let received = cluster.receive(&["orders", "--wait-ms", PATIENCE, "--acknowledge"]);
        assert_eq!(received[0]["payload"], payload);
    }
}

#[test]
fn a_delayed_message_comes_when_its_time_has_come() {
    let cluster = Cluster::up();
    cluster.make(&["orders"]);
    cluster.assent(["mailbox", "send", "orders", "next month", "--delay-ms", "2592000000"]).ends_with(0);
    assert!(cluster.receive(&["orders"]).is_empty());
    cluster.assent(["mailbox", "send", "orders", "later", "--delay-ms", "1"]).ends_with(0);
    assert_eq!(cluster.receive(&["orders", "--wait-ms", PATIENCE])[0]["payload"], "later");
    let shown = cluster.assent(["mailbox", "messages", "orders", "--json"]).ends_with(0).json_lines();
    assert_eq!(shown.len(), 2, "looking takes nothing: {shown:?}");
}

#[test]
fn settings_are_shown_and_changed_and_decide_who_may_receive() {
    let cluster = Cluster::up();
    let bob = cluster.client("bob");
    cluster.make(&["orders", "--deliveries-max", "3", "--consumer", "bob"]);
    cluster.assent(["mailbox", "create", "orders"]).ends_with(5).says("assent mailbox set").explains_itself();
    let shown = cluster.assent(["mailbox", "show", "orders", "--json"]).ends_with(0).json();
    assert_eq!((&shown["deliveries_max"], &shown["consumers"]), (&json!(3), &json!(["bob"])));
    cluster.assent(["mailbox", "send", "orders", "faust"]).ends_with(0);
    cluster.assent(["mailbox", "receive", "orders"]).ends_with(12).says("consumers").explains_itself();
    cluster.assent(["mailbox", "dead", "purge", "orders", "--all"]).ends_with(12).explains_itself();
    let received = cluster
        .assent_as(&bob, &["mailbox", "receive", "orders", "--json", "--lease-ms", "3600000"])
        .ends_with(0)
        .json();

    cluster.assent(["mailbox", "set", "orders", "--add-consumer", "admin", "--depth-max", "7"]).ends_with(0);
    let shown = cluster.assent(["mailbox", "show", "orders", "--json"]).ends_with(0).json();
    assert_eq!((&shown["depth_max"], &shown["consumers"]), (&json!(7), &json!(["admin", "bob"])));
    // The message is bob's as long as the lease is.
    let (number, lease) = place(&received);
    cluster
        .assent(["mailbox", "acknowledge", "orders", &number, "--lease", &lease])
        .ends_with(12)
        .says("another client's")
        .explains_itself();
    let foreign = transaction(json!([add("book/faust"), acknowledge(&received)]));
    assert_eq!(cluster.transact(&foreign).ends_with(5).json()["reason"]["kind"], "foreign_lease");
    cluster.assent(["get", "book/faust"]).ends_with(7);

    cluster
        .assent(["mailbox", "set", "orders", "--remove-consumer", "bob", "--remove-consumer", "admin"])
        .ends_with(0);
    cluster.assent(["mailbox", "receive", "orders"]).ends_with(12);
    cluster.assent_as(&bob, &["mailbox", "acknowledge", "orders", &number, "--lease", &lease]).ends_with(12);
    cluster.assent(["mailbox", "set", "orders", "--everybody"]).ends_with(0);
    let shown = cluster.assent(["mailbox", "show", "orders", "--json"]).ends_with(0).json();
    assert_eq!(
        (&shown["consumers"], &shown["depth_max"], &shown["deliveries_max"]),
        (&Value::Null, &json!(7), &json!(3))
    );
    cluster.assent_as(&bob, &["mailbox", "acknowledge", "orders", &number, "--lease", &lease]).ends_with(0);
    cluster
        .assent_as(&bob, &["mailbox", "acknowledge", "orders", &number, "--lease", &lease])
        .ends_with(7)
        .says("acknowledged")
        .explains_itself();
    let listed = cluster.assent(["mailbox", "list", "--json"]).ends_with(0).json();
    assert_eq!(listed["mailboxes"]["orders"]["depth"], 0);
}

#[test]
fn an_extended_lease_lasts_for_longer_and_only_while_it_is_good_and_ones_own() {
    let cluster = Cluster::up();
    let bob = cluster.client("bob");
    cluster.make(&["orders", "--backoff-ms", "0"]);
    cluster.assent(["mailbox", "send", "orders", "faust"]).ends_with(0);
    let received = cluster.receive(&["orders", "--wait-ms", PATIENCE, "--lease-ms", "10000"]);
    let (number, lease) = place(&received[0]);
    let extend = |ms: &'static str| {
        ["mailbox", "extend", "orders", &number, "--lease", &lease, "--lease-ms", ms, "--json"]
            .map(str::to_owned)
    };
    let done = cluster.assent(extend("3600000")).ends_with(0).json();
    assert_eq!(done, json!({ "mailbox": "orders", "message": received[0]["message"], "done": "extended" }));
    // The first lease would be over.
    assert!(cluster.receive(&["orders", "--wait-ms", "12000"]).is_empty());
    let foreign: Vec<String> = extend("1000").into();
    let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
    cluster.assent_as(&bob, &foreign[..8]).ends_with(12).says("another client's").explains_itself();
    // Shortened, it runs out, and is lost.
    cluster.assent(extend("1")).ends_with(0);
    let again = cluster.receive(&["orders", "--wait-ms", PATIENCE]);
    assert_eq!((&again[0]["id"], &again[0]["delivery"]), (&received[0]["id"], &json!(2)));
    let late = extend("1000");
    cluster.assent(&late[..8]).ends_with(12).says("the lease has run out").explains_itself();
    let (number, lease) = place(&again[0]);
    cluster.assent(["mailbox", "acknowledge", "orders", &number, "--lease", &lease]).ends_with(0);
    cluster
        .assent(["mailbox", "extend", "orders", &number, "--lease", &lease, "--lease-ms", "1000"])
        .ends_with(7)
        .says("no such message")
        .explains_itself();
}

#[test]
fn a_mailbox_is_deleted_when_it_is_empty_or_with_all_that_is_in_it_if_that_is_said() {
    let cluster = Cluster::up();
    let bob = cluster.client("bob");
    cluster.make(&["orders"]);
    cluster.assent(["mailbox", "delete", "orders"]).ends_with(0);
    cluster.assent(["mailbox", "show", "orders"]).ends_with(7);
    cluster.assent(["mailbox", "delete", "orders"]).ends_with(7).says("no such mailbox").explains_itself();

    // A record that was deleted by itself: its messages stay, and a consumer may still finish what it has.
    cluster.make(&["orders"]);
    for text in ["one", "two"] {
        cluster.assent(["mailbox", "send", "orders", text]).ends_with(0);
    }
    let one = cluster.receive(&["orders", "--wait-ms", PATIENCE]);
    let deleting = transaction(json!([{ "op": "delete", "record": "mailbox/orders" }]));
    cluster.transact(&deleting).ends_with(0);
    let (number, lease) = place(&one[0]);
    cluster.assent(["mailbox", "acknowledge", "orders", &number, "--lease", &lease]).ends_with(7);
    cluster.transact(&transaction(json!([acknowledge(&one[0])]))).ends_with(0);
    let listed = cluster.assent(["mailbox", "list", "--json"]).ends_with(0).json();
    let held = &listed["mailboxes"]["orders"];
    assert_eq!((&held["exists"], &held["depth"]), (&json!(false), &json!(1)));
    cluster.make(&["orders"]);
    assert_eq!(cluster.receive(&["orders", "--wait-ms", PATIENCE])[0]["payload"], "two");
    let done = cluster.assent(["mailbox", "delete", "orders", "--discard", "--json"]).ends_with(0).json();
    assert_eq!((&done["discarded"], &done["purged"]), (&json!(1), &json!(0)));

    // One that is leased, one that is ready, one that rests, one that is dead, and two that are held back.
    cluster.make(&["orders", "--deliveries-max", "1", "--depth-max", "4", "--consumer", "admin"]);
    cluster.assent(["mailbox", "send", "orders", "dead"]).ends_with(0);
    let dead = cluster.receive(&["orders", "--wait-ms", PATIENCE]);
    let (number, lease) = place(&dead[0]);
    cluster
        .assent(["mailbox", "release", "orders", &number, "--lease", &lease, "--cause", "no ink"])
        .ends_with(0);
    cluster.assent(["mailbox", "send", "orders", "resting", "--delay-ms", "2592000000"]).ends_with(0);
    cluster.assent(["mailbox", "send", "orders", "leased"]).ends_with(0);
    let leased = cluster.receive(&["orders", "--wait-ms", PATIENCE]);
    for text in ["ready", "ready too", "held back", "held back too"] {
        cluster.assent(["mailbox", "send", "orders", text]).ends_with(0);
    }
    let refused = cluster.assent(["mailbox", "delete", "orders"]).ends_with(12).explains_itself();
    refused.says("4 messages, 1 dead letters and 2 messages on their way").says("--discard");
    assert_eq!(cluster.depth("orders"), 4, "nothing has changed");
    cluster.assent_as(&bob, &["mailbox", "delete", "orders", "--discard"]).ends_with(12).says("consumers");
    assert_eq!(cluster.depth("orders"), 4, "nothing has changed");

    // A node that is away may have messages for it.
    let other = ["students-1", "students-2", "courses-1"];
    let other = other.iter().find(|node| **node != cluster.node_of("orders")).expect("one of two");
    cluster.assent(["cluster", "kill", other]).ends_with(0);
    let args = ["mailbox", "delete", "orders", "--discard", "--deadline-ms", "1000"];
    cluster.assent(args).ends_with(4).says(other).explains_itself();
    start(&cluster, &[other]);
    assert_eq!(cluster.depth("orders"), 4, "nothing has changed");

    let done = cluster.assent(["mailbox", "delete", "orders", "--discard", "--json"]).ends_with(0).json();
    assert_eq!((&done["discarded"], &done["purged"]), (&json!(6), &json!(1)));
    assert_eq!(done["left"], json!({ "messages": 0, "dead_letters": 0, "coming": 0 }));
    let listed = cluster.assent(["mailbox", "list", "--json"]).ends_with(0).json();
    assert_eq!(listed["mailboxes"], json!({}));
    let outbox = cluster.assent(["mailbox", "outbox", "--json"]).ends_with(0).json();
    assert_eq!(outbox["streams"], json!([]));
    assert_eq!(decided(&cluster, &transaction(json!([acknowledge(&leased[0])])))["outcome"], "aborted");

    // What is sent afterwards from elsewhere waits; made again, the mailbox has that, and nothing of before.
    let elsewhere = (0..64).map(|n| format!("item/{n}")).find(|record| {
        let sent = cluster.assent(["mailbox", "send", "orders", "later", "--from", record]);
        assert!([0, 7].contains(&sent.status), "{sent:?}");
        sent.status == 0
    });
    assert!(elsewhere.is_some(), "one of 64 records is elsewhere");
    cluster.make(&["orders"]);
    let received = cluster.receive(&["orders", "--wait-ms", PATIENCE, "--max", "10", "--acknowledge"]);
    assert_eq!((received.len(), &received[0]["payload"]), (1, &json!("later")));
    assert!(received[0]["message"].as_u64() > leased[0]["message"].as_u64(), "a place is never given again");
}

#[test]
fn what_is_wrong_is_refused_with_its_reason_and_remedy() {
    let cluster = Cluster::up();
    cluster.make(&["orders"]);
    let long = write(cluster.dir(), "long", vec![b'x'; 262_145]);
    let long = long.to_str().expect("a plain name");
    cluster
        .assent(["mailbox", "send", "orders", "--file", long])
        .ends_with(2)
        .says("262,144")
        .explains_itself();
    let most = write(cluster.dir(), "most", vec![0xff; 262_144]);
    cluster
        .assent(["mailbox", "send", "orders", "--file", most.to_str().expect("a plain name")])
        .ends_with(0);
    let received = cluster.receive(&["orders", "--take"]);
    assert!(text(&received[0]["payload"]["base64"]).starts_with("////"));
    cluster.assent(["mailbox", "send", "orders", "--file", "/nonexistent"]).ends_with(2).explains_itself();

    for unknown in [
        vec!["send", "nowhere", "x"],
        vec!["receive", "nowhere"],
        vec!["show", "nowhere"],
        vec!["set", "nowhere", "--depth-max", "1"],
        vec!["acknowledge", "nowhere", "1", "--lease", "1.1"],
        vec!["release", "nowhere", "1", "--lease", "1.1"],
        vec!["extend", "nowhere", "1", "--lease", "1.1", "--lease-ms", "1000"],
        vec!["delete", "nowhere"],
        vec!["delete", "nowhere", "--discard"],
        vec!["dead", "redrive", "nowhere", "1"],
    ] {
        let args = ["mailbox"].into_iter().chain(unknown.iter().copied());
        cluster.assent(args).ends_with(7).says("nowhere").says("assent mailbox create").explains_itself();
    }
    for usage in [
        vec!["create", "or/ders"],
        vec!["send", "orders"],
        vec!["send", "orders", "x", "--header", "novalue"],
        vec!["send", "orders", "x", "--delay-ms", "2592000001"],
        vec!["receive", "orders", "--max", "0"],
        vec!["receive", "orders", "--lease-ms", "0"],
        vec!["receive", "orders", "--take", "--acknowledge"],
        vec!["acknowledge", "orders", "1", "--lease", "now"],
        vec!["acknowledge", "orders", "1"],
        vec!["extend", "orders", "1", "--lease", "1.1"],
        vec!["extend", "orders", "1", "--lease", "1.1", "--lease-ms", "0"],
        vec!["extend", "orders", "1", "--lease", "1.1", "--lease-ms", "43200001"],
        vec!["delete"],
        vec!["set", "orders"],
        vec!["dead", "redrive", "orders"],
        vec!["dead", "redrive", "orders", "1", "--all"],
    ] {
        cluster.assent(["mailbox"].into_iter().chain(usage.iter().copied())).ends_with(2);
    }
    let key = "k".repeat(257);
    cluster
        .assent(["mailbox", "send", "orders", "x", "--message-key", &key])
        .ends_with(2)
        .says("key")
        .explains_itself();
    let headers: Vec<String> = (0..33).map(|n| format!("--header=h{n}=x")).collect();
    let args = ["mailbox", "send", "orders", "x"].into_iter().map(str::to_owned).chain(headers);
    cluster.assent(args).ends_with(2).says("32 headers");
    cluster
        .assent(["mailbox", "acknowledge", "orders", "99", "--lease", "1.1"])
        .ends_with(7)
        .explains_itself();
    let error = cluster.assent(["mailbox", "receive", "nowhere", "--json"]).ends_with(7);
    let error: Value = serde_json::from_str(&error.err).expect("it is JSON");
    assert_eq!((&error["status"], &error["kind"]), (&json!(7), &json!("not-found")));
    let node = cluster.node_of("orders");
    cluster.assent(["cluster", "kill", &node]).ends_with(0);
    cluster
        .assent(["mailbox", "receive", "orders", "--deadline-ms", "1000"])
        .ends_with(4)
        .says("nothing was sent")
        .explains_itself();
}
