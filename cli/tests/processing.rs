//! A service over real nodes that are killed while it works: each message is processed once.

mod common;

use assent_client::{
    Client, ClientConfig, Outcome, Transaction,
    mail::{Mailbox, MailboxSettings, NewMessage, Processor, ProcessorConfig},
};
use common::Cluster;
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const ORDERS: u64 = 120;

async fn connect(cluster: &Cluster) -> Client {
    let keys = cluster.dir().join("keys");
    let config = ClientConfig::load(
        cluster.file(),
        keys.join("client-admin.crt"),
        keys.join("client-admin.key"),
        keys.join("ca.crt"),
    );
    let mut config = config.expect("a good cluster");
    config.deadline = Duration::from_secs(60);
    Client::connect(config).await.expect("a good cluster")
}

/// Commits what nothing can refuse, whatever is killed meanwhile.
async fn commit(client: &Client, transaction: Transaction) {
    let mut outcome = client.run_with_retries(transaction).await;
    while let Outcome::Unknown(handle) = outcome {
        outcome = client.resolve(&handle).await;
    }
    assert!(outcome.is_committed(), "{outcome:?}");
}

/// Runs commands beside the service: it lives on the thread that would wait for them.
async fn aside<T: Send + 'static>(
    cluster: &Arc<Cluster>,
    run: impl FnOnce(&Cluster) -> T + Send + 'static,
) -> T {
    let cluster = Arc::clone(cluster);
    tokio::task::spawn_blocking(move || run(&cluster)).await.expect("it says itself what is wrong")
}

async fn send_all(client: Client) {
    for number in 0..ORDERS {
        let order = NewMessage::new("orders", number.to_string()).key(format!("k{}", number % 7));
        commit(&client, Transaction::new().add("list/sent", "n", 1, ..).send(order)).await;
    }
}

fn kill_each(cluster: &Cluster) {
    for node in ["students-1", "courses-1", "students-2", "coordinator-1"] {
        std::thread::sleep(Duration::from_millis(500));
        cluster.assent(["cluster", "kill", node]).ends_with(0);
        // Somebody else's connection may sit on a free port for a moment.
        until(|| cluster.assent(["cluster", "start", node]).status != 4);
    }
}

fn field(cluster: &Cluster, record: &str) -> Value {
    let ran = cluster.assent(["get", record, "--field", "n", "--json"]);
    if ran.status == 0 { ran.json()["value"].clone() } else { Value::Null }
}

/// What is in a mailbox, and how many dead letters it has.
fn depth(cluster: &Cluster, mailbox: &str) -> (Value, Value) {
    let shown = cluster.assent(["mailbox", "show", mailbox, "--json"]).ends_with(0).json();
    (shown["depth"].clone(), shown["dead"].clone())
}

/// Waits, for a time that no machine needs.
fn until(mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !reached() && begun.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_processor_does_each_message_once_while_nodes_die() {
    let cluster = Arc::new(Cluster::up());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let figures = runtime.block_on(async {
        let client = connect(&cluster).await;
        for mailbox in ["orders", "parcels"] {
            let settings = MailboxSettings { deliveries_max: 1000, ..MailboxSettings::default() };
            assert!(client.create_mailbox(mailbox, &settings).await.is_committed());
        }
        let config =
            ProcessorConfig { concurrency: 4, lease: Duration::from_secs(2), ..ProcessorConfig::default() };
        let service = Processor::start(&client, "orders", config, |order, transaction| async move {
            let number = order.text().ok_or("no text")?.to_owned();
            // Long enough for nodes to die between the delivery and the commit.
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, &str>(
                transaction
                    .add(format!("student/{number}"), "n", 1, ..)
                    .add("course/all", "n", 1, ..)
                    .send(NewMessage::new("parcels", number)),
            )
        });
        let service = service.expect("a good name");
        let sending = tokio::spawn(send_all(client.clone()));
        aside(&cluster, kill_each).await;
        sending.await.expect("everything is sent");
        aside(&cluster, |cluster| until(|| field(cluster, "course/all") == ORDERS)).await;
        let figures = service.shut_down().await;
        client.close().await;
        figures
    });
    assert_eq!(field(&cluster, "course/all"), ORDERS, "{figures:?}");
    for number in 0..ORDERS {
        assert_eq!(field(&cluster, &format!("student/{number}")), 1, "order {number}: {figures:?}");
    }
    assert_eq!(depth(&cluster, "orders"), (0.into(), 0.into()), "{figures:?}");
    until(|| depth(&cluster, "parcels").0 == ORDERS);
    assert_eq!(depth(&cluster, "parcels"), (ORDERS.into(), 0.into()), "each order has sent one parcel");
    assert_eq!(figures.running, 0);
}

#[test]
fn a_function_that_fails_makes_a_dead_letter_and_leaves_nothing_else() {
    let cluster = Cluster::up();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let figures = runtime.block_on(async {
        let client = connect(&cluster).await;
        let settings =
            MailboxSettings { deliveries_max: 2, backoff: Duration::ZERO, ..MailboxSettings::default() };
        assert!(client.create_mailbox("orders", &settings).await.is_committed());
        let service = Processor::start(
            &client,
            "orders",
            ProcessorConfig::default(),
            |order, transaction| async move {
                match order.text() {
                    Some("error") => Err("it does not like this one"),
                    Some("panic") => panic!("on purpose"),
                    Some("refused") => Ok(transaction.add("book/faust", "n", -1, 0..)),
                    _ => Ok(transaction.add("book/faust", "sold", 1, ..)),
                }
            },
        );
        let service = service.expect("a good name");
        for order in ["error", "panic", "refused", "good"] {
            commit(&client, Transaction::new().send(NewMessage::new("orders", order))).await;
        }
        let begun = Instant::now();
        while (service.figures().failed < 6 || service.figures().processed < 1)
            && begun.elapsed() < Duration::from_secs(60)
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Its releases may be on their way.
        let orders = Mailbox::new("orders").expect("a good name");
        let dead = async || client.dead_letters(&orders, None).await.reply.map_or(0, |(dead, _)| dead.len());
        while dead().await < 3 && begun.elapsed() < Duration::from_secs(60) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let figures = service.shut_down().await;
        client.close().await;
        figures
    });
    assert_eq!((figures.failed, figures.processed), (6, 1), "{figures:?}");
    let dead = cluster.assent(["mailbox", "dead", "list", "orders", "--json"]).ends_with(0).json_lines();
    let mut causes: Vec<String> = dead
        .iter()
        .map(|dead| format!("{}: {}", dead["payload"], dead["failures"][1]["cause"]).replace('"', ""))
        .collect();
    causes.sort();
    assert_eq!(causes.len(), 3, "{causes:?}");
    assert_eq!(causes[0], "error: it does not like this one");
    assert_eq!(causes[1], "panic: the function panicked");
    assert!(causes[2].starts_with("refused: operation 1 on book/faust"), "{causes:?}");
}
