//! The workers: senders, passers, counters. Any of them may die at any moment, or be there twice.

use crate::{
    flow::{COUNTERS, Flow, LANES, place, source},
    stage::{self, Failure, LEASE},
};
use assent_client::{
    Client, Transaction,
    mail::{ConsumerConfig, Delivery, Mailbox, NewMessage, Processor, ProcessorConfig},
};
use std::time::Duration;
use tokio::task::JoinSet;

/// Transactions of one worker that are under way at the same time, where each takes one message.
const CONCURRENCY: u16 = 32;
/// The same where each takes many.
const LOOPS: usize = 4;
/// Messages in the mailboxes from which on senders pause.
const DEPTH_HIGH: u64 = 20_000;

/// One worker process.
pub(crate) async fn serve(role: String, client: Client) -> Result<(), Failure> {
    let flow = Flow::new(&client)?;
    match role.as_str() {
        "send" => send(client, flow).await,
        "pass" => {
            let second = flow.second.clone();
            process(client, flow.first.clone(), flow.pass_batch, move |some, all| pass(&second, some, all))
                .await
        }
        _ => process(client, flow.second.clone(), flow.batch, count).await,
    }
}

/// Takes messages from a mailbox for ever; `change` says what a transaction does for some of them.
async fn process(
    client: Client,
    mailbox: Mailbox,
    batch: u64,
    change: impl Fn(&[Delivery], Transaction) -> Result<Transaction, Failure> + Clone + Send + Sync + 'static,
) -> Result<(), Failure> {
    if batch == 1 {
        let config = ProcessorConfig { concurrency: CONCURRENCY, lease: LEASE, ..ProcessorConfig::default() };
        let _processor = Processor::start(&client, mailbox, config, move |message, transaction| {
            std::future::ready(change(&[message], transaction))
        })?;
        return std::future::pending().await;
    }
    let mut loops = JoinSet::new();
    for _ in 0..LOOPS {
        let (client, mailbox, change) = (client.session().await?, mailbox.clone(), change.clone());
        loops.spawn(in_batches(client, mailbox, u16::try_from(batch)?, change));
    }
    loops.join_next().await.ok_or("no loop runs")??
}

/// Takes many at once: what is done for them and all acknowledgements are one transaction.
async fn in_batches(
    client: Client,
    mailbox: Mailbox,
    batch: u16,
    change: impl Fn(&[Delivery], Transaction) -> Result<Transaction, Failure>,
) -> Result<(), Failure> {
    let mut consumer = client.consumer(mailbox, ConsumerConfig { lease: LEASE * 2, prefetch: 0 })?;
    loop {
        let some = match consumer.receive(batch, Duration::from_secs(1)).await {
            Ok(some) if some.is_empty() => continue,
            Ok(some) => some,
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let acknowledged = some.iter().fold(Transaction::new(), Transaction::acknowledge);
        if stage::commit(&client, &change(&some, acknowledged)?).await.is_err() {
            // One lease was lost, and nothing has happened. The others go back; for them that is no failure.
            let mut back = JoinSet::new();
            for delivery in some {
                let client = client.clone();
                back.spawn(async move { client.give_back(&delivery, None).await });
            }
            let _ = back.join_all().await;
        }
    }
}

fn number(delivery: &Delivery) -> Result<u64, Failure> {
    Ok(delivery.text().ok_or("no text")?.parse()?)
}

fn counter(table: &str, some: &[Delivery]) -> Result<String, Failure> {
    Ok(format!("{table}/{}", number(some.first().ok_or("no message")?)? % COUNTERS))
}

fn pass(second: &Mailbox, some: &[Delivery], transaction: Transaction) -> Result<Transaction, Failure> {
    let counted = transaction.add(counter("passed", some)?, "n", i64::try_from(some.len())?, ..);
    Ok(some.iter().fold(counted, |all, delivery| all.send(NewMessage::new(second, delivery.payload()))))
}

fn count(some: &[Delivery], transaction: Transaction) -> Result<Transaction, Failure> {
    let mut counted = transaction.add(counter("counted", some)?, "n", i64::try_from(some.len())?, ..);
    for delivery in some {
        let (record, field) = place(number(delivery)?);
        counted = counted.add(record, field, 1, ..);
    }
    Ok(counted)
}

/// Sends all numbers. A lane's record says how far it is, and changes with what is sent: however often a sender dies, and
/// however many there are, each number is sent once.
async fn send(client: Client, flow: Flow) -> Result<(), Failure> {
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        lanes.spawn(send_lane(client.session().await?, flow.clone(), lane));
    }
    while let Some(ended) = lanes.join_next().await {
        ended??;
    }
    // A worker that ends would have to be waited for.
    std::future::pending().await
}

async fn send_lane(client: Client, flow: Flow, lane: u64) -> Result<(), Failure> {
    let record = source(lane);
    let (begin, end) = (flow.begin(lane), flow.begin(lane + 1));
    let mut next = None;
    loop {
        let sent = match next {
            Some(sent) => sent,
            None => {
                let known = stage::read(&client, &record).await?.ok_or("a lane has no record")?;
                u64::try_from(stage::integer(&known, "next"))?
            }
        };
        let more = flow.batch.min(end - begin - sent);
        if more == 0 {
            return Ok(());
        }
        let (old, new) = (i64::try_from(sent)?, i64::try_from(sent + more)?);
        let step = Transaction::new().require_equals(&record, "next", old).set(&record, "next", new);
        let numbers = begin + sent..begin + sent + more;
        let step =
            numbers.fold(step, |all, number| all.send(NewMessage::new(&flow.first, number.to_string())));
        // Refused if another sender was here; its record says where it is now.
        next = stage::commit(&client, &step).await.ok().map(|_| sent + more);
        // Looking costs more than sending one.
        if (sent / flow.batch).is_multiple_of(16) {
            while depth(&client).await > DEPTH_HIGH {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn depth(client: &Client) -> u64 {
    let nodes = client.mailboxes().await;
    nodes.into_iter().filter_map(|node| node.reply.ok()).flatten().map(|mailbox| mailbox.depth).sum()
}
