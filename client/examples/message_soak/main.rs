//! Messages over two hops, while every kind of process is killed again and again: none may be lost, none may count twice.
//!
//! A sender's transaction numbers messages and sends them to the first mailbox; a passer's transaction takes them from there,
//! counts them, and sends them to the second; a counter's transaction takes them from there, and adds 1 to a field of its own
//! for each number. In the end every field must be 1: a lost message leaves one missing, a doubled one makes it 2. That is
//! read from the records of all participants, and by nobody who sent or counted.
//!
//! How many messages one transaction takes is the user's choice: where it is one, a `Processor` works, where it is more, a
//! `Consumer` whose messages are acknowledged together.
//!
//! ```text
//! make message-soak MESSAGES=1000000 BATCH=128
//! ```

mod flow;
#[path = "../stage/mod.rs"]
mod stage;
mod tally;
mod work;

use flow::Flow;
use stage::{Failure, Fury, Progress, Stage};
use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

async fn play(stage: Arc<Stage>) -> Result<(), Failure> {
    let client = stage.connect().await?;
    let flow = Flow::new(&client)?;
    let goal = i64::try_from(flow.messages)?;
    println!(
        "{goal} messages from {} to {}, on different participants; in one transaction {} are sent, {} passed, {} counted",
        flow.first, flow.second, flow.batch, flow.pass_batch, flow.batch
    );
    stage::commit(&client, &flow.opening()).await.map_err(|abort| format!("no mailboxes: {abort}"))?;
    let began = Instant::now();
    stage.hire("send", 1)?;
    stage.hire("pass", 2)?;
    stage.hire("count", 2)?;
    let pause = stage::number_from("PAUSE_MS", 300)?;
    let fury = Fury::begin(&stage, Duration::from_millis(pause));
    let every = Duration::from_secs(stage::number_from("PROGRESS_S", 2)?);
    let mut counted = Progress::new();
    // Killed to the end; in a short run also beyond it, until everybody was.
    let mut took = None;
    while !counted.is_over(goal) || !fury.has_struck(1) {
        tokio::time::sleep(if took.is_none() { every.min(Duration::from_secs(1)) } else { every }).await;
        counted.reached(stage::sum(&client, "counted", "n").await);
        let sent = stage::sum(&client, "source", "next").await.unwrap_or(0);
        let passed = stage::sum(&client, "passed", "n").await.unwrap_or(0);
        let seconds = began.elapsed().as_secs_f64();
        if counted.count >= goal {
            took.get_or_insert(seconds);
        }
        println!("{seconds:>7.1} s  {sent} sent, {passed} passed, {} counted; {fury}", counted.count);
    }
    let strikes = fury.end().await?;
    stage::quiet(&client).await?;
    // From here on nobody works any more: an independent reader has all to itself.
    stage.dismiss();
    client.close().await;
    let reader = stage.connect().await?;
    let tally = tally::read(&reader, &flow).await?;
    reader.close().await;
    let seconds = took.unwrap_or_else(|| began.elapsed().as_secs_f64());
    println!("{strikes}");
    println!("{tally}; {seconds:.1} s, {:.0} messages per second over both hops", goal as f64 / seconds);
    match tally.is_exact(flow.messages) {
        true => Ok(()),
        false => Err(format!("not exactly once: {tally}").into()),
    }
}

fn main() -> ExitCode {
    stage::run(work::serve, play)
}
