//! A service over real nodes that are killed while it works: each message is processed once.

mod common;

use assent_client::{
    Client, ClientConfig, Outcome, Transaction,
    mail::{MailboxSettings, NewMessage, Processor, ProcessorConfig},
};
use common::Cluster;
use serde_json::Value;
use std::time::{Duration, Instant};

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

#[test]
fn a_processor_does_each_message_once_while_nodes_die() {
    let cluster = Cluster::up();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (client, service) = runtime.block_on(async {
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
        (client, service.expect("a good name"))
    });
    let sending = {
        let client = client.clone();
        runtime.spawn(async move {
            for number in 0..ORDERS {
                let order = NewMessage::new("orders", number.to_string()).key(format!("k{}", number % 7));
                commit(&client, Transaction::new().add("list/sent", "n", 1, ..).send(order)).await;
            }
        })
    };
    for node in ["students-1", "courses-1", "students-2", "coordinator-1"] {
        std::thread::sleep(Duration::from_millis(500));
        cluster.assent(["cluster", "kill", node]).ends_with(0);
        cluster.assent(["cluster", "start", node]).ends_with(0);
    }
    runtime.block_on(sending).expect("everything is sent");
    let field = |record: &str| {
        let ran = cluster.assent(["get", record, "--field", "n", "--json"]);
        if ran.status == 0 { ran.json()["value"].clone() } else { Value::Null }
    };
    let begun = Instant::now();
    while field("course/all") != ORDERS && begun.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let figures = runtime.block_on(service.shut_down());
    assert_eq!(field("course/all"), ORDERS, "{figures:?}");
    for number in 0..ORDERS {
        assert_eq!(field(&format!("student/{number}")), 1, "order {number}: {figures:?}");
    }
    let depth = |mailbox| {
        let shown = cluster.assent(["mailbox", "show", mailbox, "--json"]).ends_with(0).json();
        (shown["depth"].clone(), shown["dead"].clone())
    };
    assert_eq!(depth("orders"), (0.into(), 0.into()), "{figures:?}");
    let begun = Instant::now();
    while depth("parcels").0 != ORDERS && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(depth("parcels"), (ORDERS.into(), 0.into()), "each order has sent one parcel");
    assert_eq!(figures.running, 0);
    runtime.block_on(client.close());
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
        // Its releases are on their way.
        tokio::time::sleep(Duration::from_millis(500)).await;
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
