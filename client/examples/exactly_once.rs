//! A service that processes each message exactly once: it takes books from a shelf for orders, and sends parcels. Kill it
//! and any node as often as you like: no book is taken twice, and no parcel is sent twice.
//!
//! Run it in the directory of a local cluster (`assent cluster up --dir DIR`, then `cd DIR`):
//!
//! ```text
//! cargo run --release -p assent-client --example exactly_once
//! ```

use assent_client::{
    Client, ClientConfig, Outcome, Transaction,
    mail::{ConsumerConfig, MailboxSettings, NewMessage, Processor, ProcessorConfig},
};
use std::{error::Error, path::PathBuf, time::Duration};

const ORDERS: u64 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    let keys = dir.join("keys");
    let config = ClientConfig::load(
        dir.join("cluster.toml"),
        keys.join("client-admin.crt"),
        keys.join("client-admin.key"),
        keys.join("ca.crt"),
    )?;
    let client = Client::connect(config).await?;
    for mailbox in ["orders", "parcels"] {
        // Refused where it is there from an earlier run, which is as good.
        let _ = client.create_mailbox(mailbox, &MailboxSettings::default()).await;
    }

    // The service. What it does to records, what it sends and that the order is done are one commit.
    let service =
        Processor::start(&client, "orders", ProcessorConfig::default(), |order, transaction| async move {
            let book = order.text().ok_or("the order is no text")?;
            Ok::<_, &str>(
                transaction
                    .add(format!("book/{book}"), "stock", -1, 0..)
                    .send(NewMessage::new("parcels", book).key(order.key().unwrap_or("nobody"))),
            )
        })?;

    // Its customers: the stock is there if and only if the orders are.
    let stock = i64::try_from(ORDERS)?;
    let orders = (0..ORDERS).fold(Transaction::new().add("book/faust", "stock", stock, ..), |all, n| {
        all.send(NewMessage::new("orders", "faust").key(format!("s{}", n % 10)))
    });
    if let Outcome::Aborted(abort) = client.run_with_retries(orders).await {
        return Err(format!("nothing was ordered: {abort}").into());
    }

    // And the post office: at least once is enough for it.
    let mut parcels =
        client.consumer("parcels", ConsumerConfig { prefetch: 64, ..ConsumerConfig::default() })?;
    let mut sent = 0;
    while sent < ORDERS {
        let some = parcels.receive(64, Duration::from_secs(10)).await?;
        if some.is_empty() {
            return Err(format!("{sent} parcels, and no more come: {}", service.figures()).into());
        }
        let done = parcels.acknowledge_all(&some).await?;
        sent += done.iter().filter(|done| done.is_ok()).count() as u64;
    }
    println!("{sent} parcels; the service: {}", service.shut_down().await);
    drop(parcels);
    client.close().await;
    Ok(())
}
