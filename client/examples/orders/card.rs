//! The card service: another company's. It knows nothing of transactions, is slow, declines, and falls over; but it
//! charges once under one key, and what it has answered it knows for ever: each decision is in its file, and synced, before
//! anybody hears of it.
//!
//! `POST /charges` with the header `Idempotency-Key` and `{"reference": …, "cents": …}` answers `charged` or `declined`.
//! It listens on a Unix socket: `curl --unix-socket card.sock …`.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::UnixListener, task::spawn_blocking, time::sleep};

/// How it misbehaves.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Rates {
    /// Share of charges that the card service declines
    #[arg(long, default_value_t = 0.1, value_name = "RATE")]
    pub(crate) decline: f64,
    /// Share of requests that it loses, and never answers
    #[arg(long, default_value_t = 0.03, value_name = "RATE")]
    pub(crate) timeout: f64,
    /// Share of requests that it deals with, and answers when nobody listens any more
    #[arg(long, default_value_t = 0.03, value_name = "RATE")]
    pub(crate) late: f64,
    /// Share of requests that it deals with and answers, and crashes
    #[arg(long, default_value_t = 0.005, value_name = "RATE")]
    pub(crate) crash: f64,
    /// How long its customers wait for an answer, in milliseconds
    #[arg(long, default_value_t = 800, value_name = "MS")]
    pub(crate) patience_ms: u64,
}

/// One decision, as it is in the file: a line of JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Decision {
    pub(crate) key: String,
    pub(crate) reference: String,
    pub(crate) cents: i64,
    pub(crate) charged: bool,
}

#[derive(Deserialize)]
struct Request {
    reference: String,
    cents: i64,
}

/// All decisions, in memory and in the file.
struct Ledger {
    file: File,
    decisions: HashMap<String, Decision>,
}

struct Service {
    ledger: Mutex<Ledger>,
    rates: Rates,
}

/// Serves until it crashes or is killed.
pub(crate) async fn serve(socket: PathBuf, file: PathBuf, rates: Rates) -> Result<(), crate::Failure> {
    let service = Arc::new(Service { ledger: Mutex::new(Ledger::open(&file)?), rates });
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(&socket)?;
    let router = Router::new().route("/charges", post(charge)).with_state(service);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn charge(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, &'static str) {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let (Some(key), Ok(request)) = (key, serde_json::from_str::<Request>(&body)) else {
        return (StatusCode::BAD_REQUEST, "a key, a reference and cents are wanted");
    };
    let rates = service.rates.clone();
    let longer_than_anybody_waits = Duration::from_millis(rates.patience_ms * 2);
    let mut luck = chance();
    let mut happens = |rate: f64| {
        luck -= rate;
        luck < 0.0 && luck >= -rate
    };
    if happens(rates.timeout) {
        sleep(longer_than_anybody_waits).await;
        return (StatusCode::GATEWAY_TIMEOUT, "the bank does not answer");
    }
    let deciding = Arc::clone(&service);
    let decided = spawn_blocking(move || deciding.decide(key, &request)).await;
    let (status, answer) = match decided {
        Ok(Ok(Some(true))) => (StatusCode::OK, "charged"),
        Ok(Ok(Some(false))) => (StatusCode::OK, "declined"),
        Ok(Ok(None)) => (StatusCode::CONFLICT, "this key was used for another charge"),
        // What is in the file is not known any more: only a new start, which reads it, can tell.
        Ok(Err(_)) | Err(_) => std::process::exit(crate::CRASH),
    };
    if happens(rates.late) {
        sleep(longer_than_anybody_waits).await;
    } else if happens(rates.crash) {
        // Perhaps the answer gets out before.
        tokio::spawn(async {
            sleep(Duration::from_millis(1)).await;
            std::process::exit(crate::CRASH);
        });
    }
    (status, answer)
}

impl Service {
    /// Whether it is charged; none if the key stands for something else. Synced when this returns.
    fn decide(&self, key: String, request: &Request) -> io::Result<Option<bool>> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = ledger.decisions.get(&key) {
            let same = before.reference == request.reference && before.cents == request.cents;
            return Ok(same.then_some(before.charged));
        }
        let charged = chance() >= self.rates.decline;
        let decision = Decision { key, reference: request.reference.clone(), cents: request.cents, charged };
        let mut line = serde_json::to_vec(&decision)?;
        line.push(b'\n');
        ledger.file.write_all(&line)?;
        ledger.file.sync_data()?;
        ledger.decisions.insert(decision.key.clone(), decision);
        Ok(Some(charged))
    }
}

impl Ledger {
    /// Reads the file. A line without an end was being written in a crash; nobody has heard of it, and it goes.
    fn open(path: &Path) -> io::Result<Ledger> {
        let mut file = File::options().create(true).append(true).read(true).open(path)?;
        let text = fs::read(path)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        file.flush()?;
        // What a killed process had written is told from here on, so it must be on the disk.
        file.sync_all()?;
        let mut decisions = HashMap::new();
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let decision: Decision = serde_json::from_slice(line)?;
            decisions.insert(decision.key.clone(), decision);
        }
        Ok(Ledger { file, decisions })
    }
}

/// From 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without the system's random numbers everything goes well.
    getrandom::fill(&mut bytes).map_or(1.0, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}
