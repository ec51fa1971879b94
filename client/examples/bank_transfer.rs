//! Money between two tables on different nodes: it leaves one account and reaches the other, or nothing happens.
//!
//! Run it in the directory of a local cluster (`assent cluster up --dir DIR`, then `cd DIR`):
//!
//! ```text
//! cargo run --release -p assent-client --example bank_transfer
//! ```

use assent_client::{Client, ClientConfig, FieldContent, Outcome, ReadResult, Transaction, Value};
use std::{error::Error, path::PathBuf};

/// A transfer: refused if the account would be overdrawn, tried again while others are in the way.
fn transfer(from: &str, to: &str, amount: i64) -> Transaction {
    Transaction::new()
        .require_exists(from)
        .require_exists(to)
        .add(from, "balance", -amount, 0..)
        .add(to, "balance", amount, ..)
        .append(to, "received", amount)
}

fn balance(read: Option<&ReadResult>) -> i64 {
    match read {
        Some(ReadResult::Field(Some(FieldContent::Value(Value::Int(balance))))) => *balance,
        _ => 0,
    }
}

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

    // Two tables that the cluster file does not mention: their records are spread over all participants.
    let (savings, checking) = ("savings/ada", "checking/ada");
    let open = Transaction::new().set(savings, "balance", 1_000).set(checking, "balance", 0);
    if let Outcome::Aborted(abort) = client.run_with_retries(open).await {
        return Err(format!("no accounts: {abort}").into());
    }

    // Sixteen transfers at once, of which ten can be paid.
    let transfers: Vec<_> = (0..16)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.run_with_retries(transfer(savings, checking, 100)).await })
        })
        .collect();
    let (mut paid, mut refused) = (0, 0);
    for transfer in transfers {
        match transfer.await? {
            Outcome::Committed(_) => paid += 1,
            Outcome::Aborted(abort) => {
                println!("refused: {abort}");
                refused += 1;
            }
            // It may have been paid. Ask until it is known: a second transfer might be paid twice.
            Outcome::Unknown(handle) => match client.resolve(&handle).await {
                Outcome::Committed(_) => paid += 1,
                Outcome::Aborted(_) => refused += 1,
                Outcome::Unknown(handle) => println!("ask again later: assent outcome {}", handle.id()),
            },
        }
    }

    let both = Transaction::new().read_field(savings, "balance").read_field(checking, "balance");
    if let Outcome::Committed(receipt) = client.run_with_retries(both).await {
        let (savings, checking) = (balance(receipt.reads.first()), balance(receipt.reads.get(1)));
        println!("{paid} paid, {refused} refused: {savings} in savings, {checking} in checking");
        assert_eq!(savings + checking, 1_000, "no money is made or lost");
    }
    client.close().await;
    Ok(())
}
