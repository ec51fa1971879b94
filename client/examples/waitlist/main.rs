//! Students wait for a place in a full course; who leaves makes room for the first of them who still may come.
//!
//! Joining the waitlist and leaving the course each send a message to `seats` in the transaction that does it. The processor
//! of `seats` deals with the first who waits: it enrols them, on the course's node and on the student's, or skips them if they
//! may not come any more; it sends them a notice, and a message to itself if there may be more to do. All of that is one
//! commit with the acknowledgement. Since each change that could bring a seat and a student together sends a message, and
//! the messages of one course are dealt with one after the other, whoever is last finds what the others have left.
//!
//! Here nodes and services are killed all the time. Afterwards all records are read, and what they say is checked against
//! what the students were told: no seat is idle while somebody waits for it, nobody is enrolled twice, the order is kept, and
//! everybody has exactly one notice for each turn.
//!
//! ```text
//! make waitlist
//! ```

mod notices;
mod office;
#[path = "../stage/mod.rs"]
mod stage;
mod students;
mod verify;

use assent_client::{
    Client, Transaction,
    mail::{MailboxSettings, Processor, ProcessorConfig},
};
use stage::{Failure, Fury, LEASE, Stage};
use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use students::{Campus, Ledger};

/// One service process: both processors.
async fn serve(_role: String, client: Client) -> Result<(), Failure> {
    let config = ProcessorConfig { lease: LEASE, ..ProcessorConfig::default() };
    let own = client.clone();
    let _seats = Processor::start(&client, "seats", config.clone(), move |message, transaction| {
        office::fill_a_seat(own.clone(), message, transaction)
    })?;
    let _notices = Processor::start(&client, "notices", config, notices::deliver)?;
    std::future::pending().await
}

async fn play(stage: Arc<Stage>) -> Result<(), Failure> {
    let client = stage.connect().await?;
    let campus = Campus { students: 48, courses: 6, capacity: 4 };
    // A service that is killed has failed to deal with what it held.
    let settings = MailboxSettings { deliveries_max: 1000, ..MailboxSettings::default() };
    let opening = campus.opening().create_mailbox("seats", &settings).create_mailbox("notices", &settings);
    commit(&client, &opening).await?;
    stage.hire("service", 3)?;

    let fury = Fury::begin(&stage, Duration::from_millis(300));
    let over = Arc::new(AtomicBool::new(false));
    let lanes: Vec<_> = (0..6)
        .map(|lane| {
            let (client, over) = (client.clone(), Arc::clone(&over));
            tokio::spawn(students::live(client, campus, lane, 6, stage.seed, over))
        })
        .collect();
    let rounds = stage::number_from("ROUNDS", 1)?;
    while !fury.has_struck(rounds) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut ledger = Ledger::default();
    for lane in lanes {
        ledger.take(lane.await??);
    }
    let strikes = fury.end().await?;
    stage::quiet(&client).await?;
    println!("{strikes}");
    let records = verify::read_everything(&client).await?;
    let wrong = verify::differences(campus, &ledger, &records);
    client.close().await;
    match wrong.is_empty() {
        true => {
            println!("{}", verify::summary(&ledger, &records));
            Ok(())
        }
        false => Err(wrong.join("\n").into()),
    }
}

async fn commit(client: &Client, transaction: &Transaction) -> Result<(), Failure> {
    match stage::commit(client, transaction).await {
        Ok(_) => Ok(()),
        Err(abort) => Err(format!("refused: {abort}").into()),
    }
}

fn main() -> ExitCode {
    stage::run(serve, play)
}
