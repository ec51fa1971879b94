//! A customer: places its orders, each once, whatever is killed, itself included; and reads its letters.
//!
//! The journal has what was sent and not yet dealt with; the diary has what is known to be placed. A request is in the
//! journal before it is first sent, and leaves it only after the diary has it. So after a crash an order is in the diary,
//! or in the journal, or was never sent.

use crate::{order::Order, steps};
use assent_client::{Client, ClientConfig, Outcome, Transaction};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

/// Orders of one customer that are being placed at the same time.
const AT_ONCE: usize = 16;

/// What a customer is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CustomerArgs {
    /// Its name
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) seed: u64,
    /// How many orders it places
    #[arg(long)]
    pub(crate) orders: u64,
    /// How many a second
    #[arg(long)]
    pub(crate) pace: f64,
    /// When the first order is due, in milliseconds since 1970
    #[arg(long)]
    pub(crate) opens_ms: u64,
}

/// Places what is not placed yet, and then reads letters until it is killed.
pub(crate) async fn run(dir: &Path, args: CustomerArgs) -> Result<(), crate::Failure> {
    let diary = Arc::new(Diary::open(&diary(dir, &args.name))?);
    let config = crate::client_config(dir)?;
    let client =
        crate::connect(config.clone().with_journal(dir.join(format!("{}.journal", args.name)))).await?;
    // What an earlier life of this process had begun.
    for recovered in client.recovered().await {
        conclude(&client, &diary, &recovered.note, recovered.outcome).await?;
    }
    let reader = crate::connect(ClientConfig { journal: None, ..config }).await?;
    let letters = steps::read_letters(&reader, &args.name)?;

    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut placing = JoinSet::new();
    for number in 0..args.orders {
        let order = Order::of(&args.name, number, args.seed);
        if diary.has(&order.id) {
            continue;
        }
        sleep(until(args.opens_ms, number as f64 / args.pace)).await;
        let place = Arc::clone(&places).acquire_owned().await?;
        let (client, diary) = (client.clone(), Arc::clone(&diary));
        placing.spawn(async move {
            let placed = accept(&client, &diary, &order).await;
            drop(place);
            placed
        });
        while let Some(placed) = placing.try_join_next() {
            placed??;
        }
    }
    while let Some(placed) = placing.join_next().await {
        placed??;
    }
    std::future::pending::<()>().await;
    drop(letters);
    Ok(())
}

/// The first step: the order is accepted, if its id is new, and goes on to have its goods reserved. One transaction.
async fn accept(client: &Client, diary: &Diary, order: &Order) -> Result<(), crate::Failure> {
    loop {
        let accept = Transaction::new()
            .require_absent(order.record())
            .set(order.record(), "state", "accepted")
            .append(order.record(), "states", "accepted")
            .send(order.to("reserve"))
            .note(&order.id);
        let outcome = client.run_with_retries(accept).await;
        conclude(client, diary, &order.id, outcome).await?;
        if diary.has(&order.id) {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until it is known what became of an order, and writes it into the diary if it is placed.
async fn conclude(
    client: &Client,
    diary: &Diary,
    id: &str,
    mut outcome: Outcome,
) -> Result<(), crate::Failure> {
    while let Outcome::Unknown(handle) = outcome {
        outcome = client.resolve(&handle).await;
        if let Outcome::Unknown(handle) = &outcome {
            eprintln!("{id} is not known yet: {}", handle.doubt());
            sleep(Duration::from_millis(200)).await;
        }
    }
    match &outcome {
        Outcome::Committed(_) => diary.write(id)?,
        // Nobody else has this id. If it were there already, it would have been placed twice.
        Outcome::Aborted(abort) if abort.refusal().is_some() => {
            return Err(format!("{id} was refused: {abort}").into());
        }
        Outcome::Aborted(_) | Outcome::Unknown(_) => {}
    }
    outcome.confirm();
    Ok(())
}

fn until(opens_ms: u64, seconds: f64) -> Duration {
    let due = UNIX_EPOCH + Duration::from_millis(opens_ms) + Duration::from_secs_f64(seconds);
    due.duration_since(SystemTime::now()).unwrap_or_default()
}

/// The ids of orders that are known to be placed, one a line.
struct Diary(Mutex<(File, BTreeSet<String>)>);

/// Where a customer's diary is.
pub(crate) fn diary(dir: &Path, customer: &str) -> PathBuf {
    dir.join(format!("{customer}.diary"))
}

/// The whole lines of a diary.
pub(crate) fn read_diary(path: &Path) -> io::Result<Vec<String>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    Ok(text[..whole].lines().map(str::to_owned).collect())
}

impl Diary {
    fn open(path: &Path) -> io::Result<Diary> {
        let lines = read_diary(path)?;
        let file = File::options().create(true).append(true).open(path)?;
        file.set_len(lines.iter().map(|line| line.len() as u64 + 1).sum())?;
        file.sync_all()?;
        Ok(Diary(Mutex::new((file, lines.into_iter().collect()))))
    }

    fn has(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.contains(id)
    }

    /// Synced when this returns.
    fn write(&self, id: &str) -> io::Result<()> {
        let mut diary = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if diary.1.insert(id.to_owned()) {
            diary.0.write_all(format!("{id}\n").as_bytes())?;
            diary.0.sync_data()?;
        }
        Ok(())
    }
}
