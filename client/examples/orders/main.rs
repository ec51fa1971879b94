//! "Order: buy 5 widgets": an order processor as a persisted state machine over mailboxes, every process of which is killed
//! again and again, and an account of every widget and every cent.
//!
//! ```text
//! make orders
//! ```
//!
//! or, with an `assent` program: `cargo run --release -p assent-client --example orders -- --assent PATH`. Where to read:
//!
//! - `steps`: the application. One function for each step, and nothing about crashes;
//! - `customer`: who orders, with a journal; `order`: what is ordered;
//! - `card` and `payment`: the card service, which takes part in no transaction, and how it is asked;
//! - `run`: starts everything, lets `chaos` kill it through `fleet`, waits until it is quiet;
//! - `account`: reads what there is at the end, with nothing of the above, and says what is wrong; `report` draws it.

mod account;
mod card;
mod chaos;
mod customer;
mod fleet;
mod order;
mod payment;
mod report;
mod run;
mod steps;

use assent_client::{Client, ClientConfig, ConnectError};
use clap::{Parser, Subcommand};
use std::{error::Error, io::Read, path::Path, path::PathBuf, process::ExitCode, time::Duration};

/// Why something could not be done.
type Failure = Box<dyn Error + Send + Sync>;

/// The exit status of a card service that crashes as it was told to.
pub(crate) const CRASH: i32 = 70;

/// Orders of widgets, exactly once, whatever is killed
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    run: run::RunArgs,
}

/// One process of the application; the run starts them. They end with their standard input.
#[derive(Subcommand)]
enum Part {
    /// A worker for one step
    Worker {
        step: String,
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        patience_ms: u64,
        #[arg(long)]
        without_keys: bool,
    },
    /// A customer
    Customer {
        #[command(flatten)]
        customer: customer::CustomerArgs,
        #[arg(long)]
        dir: PathBuf,
    },
    /// The card service
    Card {
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        rates: card::Rates,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.part {
        None => run::run(arguments.run).await,
        Some(part) => {
            end_with_standard_input();
            serve(part).await.map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

async fn serve(part: Part) -> Result<(), Failure> {
    match part {
        Part::Worker { step, dir, patience_ms, without_keys } => {
            let client = connect(client_config(&dir)?).await?;
            let patience = Duration::from_millis(patience_ms);
            let shop = steps::Shop { client, card: card_socket(&dir), patience, without_keys };
            let processor = steps::work(shop, &step)?;
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                eprintln!("{}", processor.figures());
            }
        }
        Part::Customer { customer, dir } => customer::run(&dir, customer).await,
        Part::Card { dir, rates } => card::serve(card_socket(&dir), card_file(&dir), rates).await,
    }
}

/// So that nothing is left behind when the run dies, however it dies.
fn end_with_standard_input() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// Who is on the cluster of a run.
fn client_config(dir: &Path) -> Result<ClientConfig, Failure> {
    let cluster = cluster_dir(dir);
    let keys = cluster.join("keys");
    Ok(ClientConfig::load(
        cluster.join("cluster.toml"),
        keys.join("client-admin.crt"),
        keys.join("client-admin.key"),
        keys.join("ca.crt"),
    )?)
}

/// Connects, however long that takes: coordinators may be dead just now.
async fn connect(config: ClientConfig) -> Result<Client, ConnectError> {
    loop {
        match Client::connect(config.clone()).await {
            Err(ConnectError::NoSession { coordinators, .. }) => eprintln!("no session yet: {coordinators}"),
            connected => return connected,
        }
    }
}

fn cluster_dir(dir: &Path) -> PathBuf {
    dir.join("cluster")
}

fn card_socket(dir: &Path) -> PathBuf {
    dir.join("card.sock")
}

fn card_file(dir: &Path) -> PathBuf {
    dir.join("card.jsonl")
}
