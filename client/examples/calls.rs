//! Remote procedures: a bank of three methods, called at most once, at least once and exactly once.
//!
//! Run it in the directory of a local cluster (`assent cluster up --dir DIR`, then `cd DIR`). Kill nodes meanwhile, or run
//! the service in two other shells and kill these:
//!
//! ```text
//! cargo run --release -p assent-client --example calls              # the service and its caller in one process
//! cargo run --release -p assent-client --example calls -- serve     # one more instance of the service, until Ctrl-C
//! cargo run --release -p assent-client --example calls -- measure   # what a call costs
//! ```

use assent_client::{
    Client, ClientConfig, FieldContent, Outcome, Transaction, Value,
    calls::{
        CallError, CallId, CallOptions, Caller, CallerConfig, RunningService, Service, ServiceConfig,
        join_all,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

#[derive(Serialize, Deserialize, Clone)]
struct Deposit {
    account: String,
    cents: i64,
}

async fn balance(client: &Client, account: &str) -> Result<i64, String> {
    let read = Transaction::new().read_field(format!("account/{account}"), "cents");
    match client.run_with_retries(read).await {
        Outcome::Committed(receipt) => Ok(match receipt.field(0) {
            Some(FieldContent::Value(Value::Int(cents))) => *cents,
            _ => 0,
        }),
        other => Err(format!("the balance can't be read: {other:?}")),
    }
}

/// One instance of the service. What a method puts into its transaction is committed together with its reply.
async fn serve(client: &Client) -> Result<RunningService, Box<dyn Error>> {
    let reading = client.clone();
    let bank =
        Service::new("bank")?
            .method("deposit", 1, |deposit: Deposit, transaction, _| async move {
                let account = format!("account/{}", deposit.account);
                let thanks = format!("{} cents for {}", deposit.cents, deposit.account);
                Ok::<_, String>((transaction.add(account, "cents", deposit.cents, 0..), thanks))
            })?
            .method("balance", 1, move |account: String, transaction, _| {
                let client = reading.clone();
                async move { Ok::<_, String>((transaction, balance(&client, &account).await?)) }
            })?
            .method("echo", 1, |text: String, transaction, _| async move {
                Ok::<_, String>((transaction, text))
            })?;
    Ok(bank.start(client, ServiceConfig::default()).await?)
}

async fn call(client: &Client) -> Result<(), Box<dyn Error>> {
    let caller = Caller::start(client, CallerConfig::default()).await?;
    let bank = caller.find("bank").await?;
    println!("bank has {}", bank.methods().collect::<Vec<_>>().join(", "));
    let deposit = bank.method::<Deposit, String>("deposit", 1)?;
    let balance = bank.method::<String, i64>("balance", 1)?;
    let ada = "ada".to_owned();
    let before = balance.call(&ada, CallOptions::at_least_once()).await?;

    // Many at the same time. Each happens once, whatever is killed.
    let six = Deposit { account: ada.clone(), cents: 6 };
    let calls = (0..100).map(|_| deposit.begin(&six, CallOptions::exactly_once()));
    for thanks in join_all(calls).await {
        thanks?;
    }
    // Under an id of one's own, which a process after a crash would know: the second is the first one's repeat.
    let id = CallId::new(&format!("rent-{}", before))?;
    let rent = Deposit { account: ada.clone(), cents: -500 };
    for _ in 0..2 {
        println!("{}", deposit.call(&rent, CallOptions::exactly_once().id(id.clone())).await?);
    }
    // What is made of the reply, and that it was, are one commit: it is done once, too.
    let noted = bank.confirming(Transaction::new().add("account/ada", "rents", 1, ..), &id);
    if let Outcome::Aborted(abort) = client.run_with_retries(noted).await {
        return Err(format!("the rent was not noted: {abort}").into());
    }
    let after = balance.call(&ada, CallOptions::at_least_once()).await?;
    println!("ada had {before} cents, and has {after}");
    assert_eq!(after, before + 600 - 500);

    // Errors say whether anything has happened.
    let all = Deposit { account: ada, cents: -after - 1 };
    match deposit.call(&all, CallOptions::at_most_once()).await {
        Err(error @ CallError::Refused { .. }) => println!("{error}"),
        other => return Err(format!("it should have been refused: {other:?}").into()),
    }
    let old = bank.method::<Deposit, String>("deposit", 0)?;
    if let Err(error) = old.call(&six, CallOptions::exactly_once()).await {
        println!("{error}");
    }
    println!("{:?}", caller.close().await);
    Ok(())
}

/// One call after the other, and then many at the same time, for each of the three.
async fn measure(client: &Client) -> Result<(), Box<dyn Error>> {
    const ALONE: u32 = 500;
    const TOGETHER: u32 = 5_000;
    let caller = Caller::start(client, CallerConfig::default()).await?;
    let echo = caller.find("bank").await?.method::<String, String>("echo", 1)?;
    let text = "hello".to_owned();
    let each: [fn() -> CallOptions; 3] =
        [CallOptions::at_most_once, CallOptions::at_least_once, CallOptions::exactly_once];
    for (name, options) in ["at most once", "at least once", "exactly once"].into_iter().zip(each) {
        let options = || options().timeout(Duration::from_secs(60));
        let mut times = Vec::new();
        for _ in 0..ALONE {
            let begun = Instant::now();
            echo.call(&text, options()).await?;
            times.push(begun.elapsed());
        }
        times.sort();
        let begun = Instant::now();
        for reply in join_all((0..TOGETHER).map(|_| echo.begin(&text, options()))).await {
            reply?;
        }
        let per_second = f64::from(TOGETHER) / begun.elapsed().as_secs_f64();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let (p50, p99) = (ms(times[times.len() / 2]), ms(times[times.len() * 99 / 100]));
        println!("{name:14} p50 {p50:.2} ms  p99 {p99:.2} ms  {per_second:.0} per second together");
    }
    caller.close().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = Path::new("keys");
    let config = ClientConfig::load(
        "cluster.toml",
        keys.join("client-admin.crt"),
        keys.join("client-admin.key"),
        keys.join("ca.crt"),
    )?;
    let client = Client::connect(config).await?;
    let service = serve(&client).await?;
    match std::env::args().nth(1).as_deref() {
        None => call(&client).await?,
        Some("serve") => tokio::signal::ctrl_c().await?,
        Some("measure") => measure(&client).await?,
        Some(other) => return Err(format!("{other:?} is neither serve nor measure").into()),
    }
    println!("the service: {}", service.shut_down().await);
    client.close().await;
    Ok(())
}
