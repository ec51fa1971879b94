//! Words are counted by map and reduce, with nothing but mailboxes between the workers.
//!
//! A text goes to the mailbox `chunks`. A mapper counts one chunk, and sends one message for each reducer to `partials`; a
//! reducer adds what such a message says to the records `word/WORD`. Each step is one transaction, so it does not matter
//! which worker dies when, or whether two of them work on the same chunk: one of them commits.
//!
//! Here nodes and workers are killed all the time, and slow workers are doubled. In the end the records must equal the
//! counts of one loop over the text, to the last word.
//!
//! ```text
//! make word-count                       # or with a text of one's own: make word-count TEXT=FILE
//! ```

mod stage;

use assent_client::{
    Client, Transaction,
    mail::{Delivery, MailboxSettings, NewMessage, Processor, ProcessorConfig},
};
use stage::{Failure, Fury, LEASE, Progress, Random, Stage};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

const REDUCERS: usize = 8;
const WORDS_PER_CHUNK: usize = 200;
/// A record's name has its bounds, and nothing longer is a word.
const WORD_CHARS_MAX: usize = 60;

type Counts = BTreeMap<String, i64>;

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word.to_lowercase().chars().take(WORD_CHARS_MAX).collect())
}

/// All counts of one word go to the same reducer.
fn reducer(word: &str) -> usize {
    word.bytes().fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % REDUCERS
}

async fn map(chunk: Delivery, transaction: Transaction) -> Result<Transaction, Failure> {
    let mut parts = vec![Counts::new(); REDUCERS];
    for word in words(chunk.text().ok_or("the chunk is no text")?) {
        *parts[reducer(&word)].entry(word).or_default() += 1;
    }
    let mut transaction = transaction;
    for (reducer, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let partial =
            NewMessage::new("partials", serde_json::to_vec(part)?).key(format!("reducer-{reducer}"));
        transaction = transaction.send(partial);
    }
    Ok(transaction)
}

async fn reduce(partial: Delivery, transaction: Transaction) -> Result<Transaction, Failure> {
    let part: Counts = serde_json::from_slice(partial.payload())?;
    Ok(part
        .into_iter()
        .fold(transaction, |all, (word, count)| all.add(format!("word/{word}"), "count", count, ..)))
}

/// One worker process.
async fn work(role: String, client: Client) -> Result<(), Failure> {
    let config = ProcessorConfig { lease: LEASE, ..ProcessorConfig::default() };
    let _processor = match role.as_str() {
        "mapper" => Processor::start(&client, "chunks", config, map)?,
        _ => Processor::start(&client, "partials", config, reduce)?,
    };
    std::future::pending().await
}

/// The text: a file, or one that is made up, in which few words are common and many are rare.
fn text(seed: u64, words: u64) -> Result<String, Failure> {
    if let Some(file) = std::env::var_os("TEXT").filter(|file| !file.is_empty()) {
        return Ok(std::fs::read_to_string(file)?);
    }
    let mut random = Random::new(seed);
    let syllables = ["ka", "lo", "mi", "ru", "Te", "sö", "na", "vi", "po", "ße"];
    let mut text = String::new();
    for _ in 0..words {
        // The smaller of several is small more often than not.
        let mut rank = (0..3).map(|_| random.below(8000)).min().unwrap_or(0);
        loop {
            text.push_str(syllables[rank % syllables.len()]);
            rank /= syllables.len();
            if rank == 0 {
                break;
            }
        }
        text.push_str([" ", " ", " ", ", ", ".\n"][random.below(5)]);
    }
    Ok(text)
}

/// Sends the text, a few chunks in each transaction.
async fn send(client: Client, text: String) -> Result<(), Failure> {
    let pieces: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    let chunks: Vec<String> = pieces.chunks(WORDS_PER_CHUNK).map(|words| words.concat()).collect();
    for some in chunks.chunks(4) {
        let all = some
            .iter()
            .fold(Transaction::new(), |all, chunk| all.send(NewMessage::new("chunks", chunk.as_str())));
        stage::commit(&client, &all).await.map_err(|abort| format!("a chunk can't be sent: {abort}"))?;
    }
    Ok(())
}

async fn play(stage: Arc<Stage>) -> Result<(), Failure> {
    let client = stage.connect().await?;
    // A worker that is killed has failed to deal with what it held.
    let settings = MailboxSettings { deliveries_max: 1000, ..MailboxSettings::default() };
    let make = ["chunks", "partials"]
        .into_iter()
        .fold(Transaction::new(), |all, name| all.create_mailbox(name, &settings));
    stage::commit(&client, &make).await.map_err(|abort| format!("no mailboxes: {abort}"))?;
    let text = text(stage.seed, stage::number_from("WORDS", 40_000)?)?;
    stage.hire("mapper", 2)?;
    stage.hire("reducer", 2)?;
    let fury = Fury::begin(&stage, Duration::from_millis(300));
    send(client.clone(), text.clone()).await?;
    let mut expected = Counts::new();
    words(&text).for_each(|word| *expected.entry(word).or_default() += 1);
    let total: i64 = expected.values().sum();
    // While it is counted, everybody is killed; also if that takes longer.
    let mut counted = Progress::new();
    while !counted.is_over(total) || !fury.has_struck(1) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        counted.reached(stage::sum(&client, "word", "count").await);
        println!("{} of {total} words are counted; {fury}", counted.count);
    }
    let strikes = fury.end().await?;
    stage::quiet(&client).await?;

    let mut found = Counts::new();
    for node in client.scan(Some("word")).await {
        found.extend(
            node.reply?.iter().map(|(id, record)| (id.id().to_owned(), stage::integer(record, "count"))),
        );
    }
    let differ = |word: &&String| expected.get(*word) != found.get(*word);
    let wrong: BTreeSet<&String> = expected.keys().chain(found.keys()).filter(differ).collect();
    if let Some(first) = wrong.first() {
        let (expected, found) = (expected.get(*first), found.get(*first));
        return Err(
            format!("{} counts differ, as {first:?}: {found:?}, not {expected:?}", wrong.len()).into()
        );
    }
    println!("{total} words, {} different ones: every count is right; {strikes}", expected.len());
    client.close().await;
    Ok(())
}

fn main() -> ExitCode {
    stage::run(work, play)
}
