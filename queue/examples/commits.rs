//! Measures the store with the writes of enrolments: how many synced batches and transactions per second, next to what
//! the disk alone does in the same minute, and how much of the committer's time a transaction takes.
//!
//! `cargo run --release -p assent-queue --example commits [SECONDS] [DIR]` (seconds per case, default 3)

use assent_protocol::{
    ids::{
        ClientName, Digest, FieldName, Incarnation, Member, NodeId, RecordId, Sequence, SessionId, Sponsor,
        Stamp, TxnId, Version,
    },
    operation::{Operation, Step, Value},
    outcome::Outcome,
    storage::{Decided, Field, Store, TxnRecord, Write, Yes},
};
use assent_queue::{RocksStore, StoreConfig};
use rustix::time::{ClockId, clock_gettime};
use std::{
    env,
    error::Error,
    fs::File,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const COURSES: u64 = 200;
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = env::args().nth(1).map_or(Ok(3.0), |text| text.parse())?;
    let parent = env::args().nth(2).map_or(env::temp_dir(), Into::into);
    let dir = tempfile::tempdir_in(parent)?;
    let time = Duration::from_secs_f64(seconds);
    println!(
        "| case | turns/s | transactions/s | p50 µs | p99 µs | committer CPU µs per transaction | bytes per turn |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for round in 0..ROUNDS {
        for waiting in [1, 64] {
            let (store, _) =
                RocksStore::open(StoreConfig::new(dir.path().join("db"), NodeId(1), "courses-1"))?;
            let figures = Load::new(store, round).run(waiting, time, true)?;
            figures.print(&format!("{waiting} waiting"));
            plain(dir.path(), figures.bytes / figures.latencies.len() as u64, time)?
                .print("plain fdatasync, same bytes");
        }
        let (store, _) =
            RocksStore::open(StoreConfig::new(dir.path().join("unsynced"), NodeId(1), "courses-1"))?;
        Load::new(store, round).run(64, time, false)?.print("64 waiting, never synced");
    }
    Ok(())
}

/// What a participant writes for a stream of enrolments.
struct Load {
    store: RocksStore,
    round: usize,
    next: u64,
    client: ClientName,
    schedule: FieldName,
    credits: FieldName,
}

impl Load {
    fn new(store: RocksStore, round: usize) -> Self {
        Load {
            store,
            round,
            next: 0,
            client: ClientName::new("bench").expect("valid"),
            schedule: FieldName::new("roster").expect("valid"),
            credits: FieldName::new("seats").expect("valid"),
        }
    }

    /// Each turn takes the votes of `waiting` new transactions, the outcomes of those of the last turn, forgets those
    /// of the turn before, and syncs once (or never, which shows what the committer itself can do).
    fn run(&mut self, waiting: u64, time: Duration, sync: bool) -> Result<Figures, Box<dyn Error>> {
        let syncer = self.store.syncer();
        let mut figures = Figures::default();
        let started = Instant::now();
        while started.elapsed() < time {
            let (turn, busy) = (Instant::now(), cpu_time()?);
            for number in self.next..self.next + waiting {
                self.vote(number);
                if let Some(decided) = number.checked_sub(waiting) {
                    self.apply(decided);
                }
                if let Some(old) = number.checked_sub(2 * waiting) {
                    self.store.write(Write::DeleteTxn(self.txn(old)));
                }
            }
            self.next += waiting;
            figures.bytes += self.store.commit()? as u64;
            figures.busy += cpu_time()? - busy;
            if sync {
                syncer.sync()?;
            }
            figures.latencies.push(turn.elapsed());
            figures.transactions += waiting;
        }
        figures.time = started.elapsed();
        Ok(figures)
    }

    fn txn(&self, number: u64) -> TxnId {
        TxnId {
            client: self.client.clone(),
            session: SessionId(self.round as u64),
            sequence: Sequence(number),
        }
    }

    fn course(&self, number: u64) -> RecordId {
        RecordId::new(&format!("course/CS{}", number.wrapping_mul(7919) % COURSES)).expect("valid")
    }

    /// Checks the bounds with five reads, and writes some 300 bytes of vote.
    fn vote(&mut self, number: u64) {
        let course = self.course(number);
        let member = Member::new(&format!("s{}-{number}", self.round)).expect("valid");
        let store = &mut self.store;
        std::hint::black_box((
            store.record(&course),
            store.field(&course, &self.schedule),
            store.field(&course, &self.credits),
            store.contains(&course, &self.schedule, &member),
            store.record(&course),
        ));
        let insert =
            Operation::Insert { record: course.clone(), field: self.schedule.clone(), member, max: Some(9) };
        let add = Operation::Add {
            record: course.clone(),
            field: self.credits.clone(),
            delta: 6,
            min: Some(0),
            max: Some(60),
        };
        let set =
            Operation::Set { record: course, field: self.credits.clone(), value: Value::Bytes(vec![1; 150]) };
        let yes = Yes {
            position: None,
            digest: Digest([9; 32]),
            participants: vec![NodeId(1), NodeId(2)],
            sponsor: Sponsor { node: NodeId(3), incarnation: Incarnation(1 << 100), attempt: number },
            stamp: Stamp(1_700_000_000_000_000),
            deadline_ms: 5000,
            pledged: false,
            steps: (0..)
                .zip([insert, add, set])
                .map(|(index, operation)| Step { index, operation })
                .collect(),
            results: vec![],
        };
        let txn = self.txn(number);
        self.store.write(Write::PutTxn(txn, TxnRecord::Yes(Arc::new(yes))));
        let session = SessionId(self.round as u64);
        self.store.write(Write::PutWatermark(self.client.clone(), session, Sequence(number)));
    }

    /// Stores the outcome with what it changes.
    fn apply(&mut self, number: u64) {
        let course = self.course(number);
        let member = Member::new(&format!("s{}-{number}", self.round)).expect("valid");
        let decided = Decided {
            digest: Digest([9; 32]),
            participants: vec![NodeId(1), NodeId(2)],
            outcome: Outcome::Committed,
            results: vec![],
        };
        let version = self.store.record(&course).unwrap_or_default();
        let members = match self.store.field(&course, &self.schedule) {
            Some(Field::Set(members)) => members,
            Some(Field::Value(_) | Field::List(_)) | None => 0,
        };
        let (schedule, credits) = (self.schedule.clone(), self.credits.clone());
        for write in [
            Write::PutTxn(self.txn(number), TxnRecord::Decided(Arc::new(decided))),
            Write::PutMember(course.clone(), schedule.clone(), member),
            Write::PutField(course.clone(), schedule, Field::Set(members + 1)),
            Write::PutField(course.clone(), credits, Field::Value(Value::Int(members as i64))),
            Write::PutRecord(course, Version(version.0 + 1)),
        ] {
            self.store.write(write);
        }
    }
}

/// What the disk does without any database: appends, and syncs.
fn plain(dir: &Path, bytes: u64, time: Duration) -> Result<Figures, Box<dyn Error>> {
    let mut file = File::create(dir.join("plain"))?;
    let block = vec![7; bytes as usize];
    let mut figures = Figures::default();
    let started = Instant::now();
    while started.elapsed() < time {
        let turn = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        figures.latencies.push(turn.elapsed());
        figures.bytes += bytes;
    }
    figures.time = started.elapsed();
    Ok(figures)
}

/// CPU time of this thread so far: on a busy machine, clocks also count the others.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Ok(Duration::new(now.tv_sec.try_into()?, now.tv_nsec.try_into()?))
}

#[derive(Default)]
struct Figures {
    time: Duration,
    /// CPU time of reads, writes and commits, and not of syncs.
    busy: Duration,
    transactions: u64,
    bytes: u64,
    latencies: Vec<Duration>,
}

impl Figures {
    fn print(&self, case: &str) {
        let mut latencies = self.latencies.clone();
        latencies.sort();
        let percentile = |of: usize| latencies[latencies.len() * of / 100].as_micros();
        let syncs = latencies.len() as f64;
        let seconds = self.time.as_secs_f64();
        let busy = if self.transactions == 0 {
            "-".to_owned()
        } else {
            format!("{:.2}", self.busy.as_secs_f64() * 1e6 / self.transactions as f64)
        };
        println!(
            "| {case} | {:.0} | {:.0} | {} | {} | {busy} | {:.0} |",
            syncs / seconds,
            self.transactions as f64 / seconds,
            percentile(50),
            percentile(99),
            self.bytes as f64 / syncs,
        );
    }
}
