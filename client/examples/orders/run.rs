//! The run: a cluster, workers, customers and the card service; kills; quiet; the account.

use crate::{
    account::{self, Evidence},
    card::Rates,
    chaos::Chaos,
    customer,
    fleet::{Fleet, Process},
    order::{Plan, letters},
    report::{self, History},
    steps::STEPS,
};
use assent_client::{Client, Outcome, Transaction, mail::MailboxSettings};
use clap::Args;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

/// How large, how long, and how bad.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Orders
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    orders: u64,
    /// Orders a second, of all customers together
    #[arg(long, default_value_t = 75.0, value_name = "N")]
    pace: f64,
    /// Processes that order
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    customers: u64,
    /// Worker processes for each step
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=32))]
    workers: u64,
    /// How often every process is killed at least
    #[arg(long, default_value_t = 2, value_name = "N")]
    rounds: u64,
    /// Makes up the orders, and the order of the kills
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest time for everything, in minutes
    #[arg(long, default_value_t = 10.0, value_name = "MINUTES")]
    minutes_max: f64,
    #[command(flatten)]
    rates: Rates,
    /// Charge with a new key at each try, to see the account find what that does
    #[arg(long)]
    without_keys: bool,
    /// The assent program [default: beside the directory of this one]
    #[arg(long, value_name = "PROGRAM")]
    assent: Option<PathBuf>,
    /// Where everything is put, and stays [default: a temporary directory, which stays only if something is wrong]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs it, and ends it as well when it is interrupted.
pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, crate::Failure> {
    let temporary = tempfile::Builder::new().prefix("assent-orders-").tempdir()?;
    let dir = match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir)?;
            dir.canonicalize()?
        }
        None => temporary.path().to_owned(),
    };
    if crate::cluster_dir(&dir).exists() {
        return Err(format!("{} holds an earlier run; name another directory", dir.display()).into());
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let result = tokio::select! {
        result = everything(&args, &dir) => result,
        _ = interrupt.recv() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    };
    if !matches!(result, Ok(true)) && args.dir.is_none() {
        eprintln!("logs and records are in {}", temporary.keep().display());
    }
    Ok(if result? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says whether all is as it should be. Dropped at any moment, it leaves no process behind.
async fn everything(args: &RunArgs, dir: &Path) -> Result<bool, crate::Failure> {
    let plan = Plan { seed: args.seed, orders: args.orders, customers: args.customers };
    let total = plan.orders;
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(args.minutes_max * 60.0);
    let fleet = Arc::new(Mutex::new(Fleet::new(dir, &program(args)?)));
    eprintln!("starting 2 coordinators and 3 participants");
    lock(&fleet).cluster(["up", "--coordinators", "2", "--students", "2", "--courses", "1"])?;
    let client = crate::connect(crate::client_config(dir)?).await?;
    open_shop(&client, &plan).await?;
    let processes = launch(args, &plan, &mut lock(&fleet))?;

    let opened = Instant::now();
    let chaos = Chaos::start(Arc::clone(&fleet), processes, args.seed, args.rounds > 0);
    let mut told = Instant::now();
    let mut calm_since = None;
    let quiet = loop {
        sleep(Duration::from_millis(250)).await;
        let placed: u64 = count_placed(dir, &plan)?;
        let waiting = Waiting::look(&client).await;
        if told.elapsed() >= Duration::from_secs(2) {
            told = Instant::now();
            let kills: u64 = chaos.kills().values().sum();
            let waiting = waiting.as_ref().map_or("?".to_owned(), |waiting| waiting.messages.to_string());
            eprintln!(
                "{:6.1} s  {placed} of {total} orders placed, {waiting} messages wait, {kills} kills{}",
                opened.elapsed().as_secs_f64(),
                if calm_since.is_some() { "; calm" } else { "" }
            );
        }
        if let Some(failure) = chaos.failure() {
            return Err(failure.into());
        }
        if calm_since.is_none() && placed >= total && chaos.rounds() >= args.rounds {
            chaos.calm();
            calm_since = Some(Instant::now());
        }
        if calm_since.is_some() && waiting.is_some_and(|waiting| waiting.messages == 0) {
            break true;
        }
        if Instant::now() > until || !lock(&fleet).surprises().is_empty() {
            break false;
        }
    };
    let history = History {
        seconds: opened.elapsed().as_secs_f64(),
        calm_seconds: calm_since.map(|since: Instant| since.elapsed().as_secs_f64()),
        kills: chaos.kills(),
        crashes: lock(&fleet).crashes,
    };
    drop(chaos);
    let surprises = lock(&fleet).surprises();
    lock(&fleet).end_own();
    client.close().await;

    let evidence = Evidence::read(dir, &plan).await?;
    let mut account = account::check(&evidence, &plan);
    account.differences.extend(surprises);
    if !quiet {
        account.differences.push(format!("it was not quiet after {:.1} minutes", args.minutes_max));
    }
    print!("{}", report::draw(&account, &history));
    Ok(account.differences.is_empty())
}

/// Mailboxes, and goods on the shelves.
async fn open_shop(client: &Client, plan: &Plan) -> Result<(), crate::Failure> {
    let settings = MailboxSettings {
        // A delivery fails with every kill and every silence of the card service. Nobody is to give up here.
        deliveries_max: 1_000_000,
        backoff_max: Duration::from_secs(2),
        ..MailboxSettings::default()
    };
    let mailboxes = STEPS.into_iter().map(str::to_owned).chain(plan.customers().map(|name| letters(&name)));
    for mailbox in mailboxes {
        committed(client.create_mailbox(&mailbox, &settings).await)?;
    }
    for (widget, pieces) in plan.stock() {
        let shelf = format!("shelf/{widget}");
        let put = Transaction::new().set(&shelf, "free", pieces);
        committed(client.run_with_retries(put.set(&shelf, "reserved", 0).set(&shelf, "shipped", 0)).await)?;
    }
    Ok(())
}

fn committed(outcome: Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Committed(_) => Ok(()),
        other => Err(format!("the shop could not be opened: {other:?}")),
    }
}

/// Starts this program's own processes; names all that can be killed.
fn launch(args: &RunArgs, plan: &Plan, fleet: &mut Fleet) -> Result<Vec<Process>, crate::Failure> {
    let mut processes = vec![
        Process::Coordinator("coordinator-1".to_owned()),
        Process::Coordinator("coordinator-2".to_owned()),
        Process::Participant("students-1".to_owned()),
        Process::Participant("students-2".to_owned()),
        Process::Participant("courses-1".to_owned()),
    ];
    let rates = &args.rates;
    let mut launch = |process: Process, arguments: &[String]| {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        fleet.launch(&process, arguments).map(|()| processes.push(process))
    };
    let mut card = vec!["card".to_owned(), format!("--patience-ms={}", rates.patience_ms)];
    let named = [
        ("decline", rates.decline),
        ("timeout", rates.timeout),
        ("late", rates.late),
        ("crash", rates.crash),
    ];
    card.extend(named.map(|(name, rate)| format!("--{name}={rate}")));
    launch(Process::Card, &card)?;
    for step in STEPS {
        for number in 1..=args.workers {
            let mut worker =
                vec!["worker".to_owned(), step.to_owned(), format!("--patience-ms={}", rates.patience_ms)];
            worker.extend(args.without_keys.then(|| "--without-keys".to_owned()));
            launch(Process::Worker(format!("{step}-{number}")), &worker)?;
        }
    }
    let opens_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() + 500;
    for (customer, share) in plan.shares() {
        let arguments = [
            "customer".to_owned(),
            customer.clone(),
            format!("--seed={}", plan.seed),
            format!("--orders={}", share),
            format!("--pace={}", args.pace / plan.customers as f64),
            format!("--opens-ms={opens_ms}"),
        ];
        launch(Process::Customer(customer), &arguments)?;
    }
    Ok(processes)
}

/// What waits in mailboxes and outboxes.
struct Waiting {
    messages: u64,
}

impl Waiting {
    /// None if somebody can't be asked.
    async fn look(client: &Client) -> Option<Waiting> {
        let (mailboxes, outboxes) = tokio::join!(client.mailboxes(), client.outboxes());
        let mut messages = 0;
        for node in outboxes {
            messages += node.reply.ok()?.messages;
        }
        for node in mailboxes {
            messages += node.reply.ok()?.iter().map(|mailbox| mailbox.depth).sum::<u64>();
        }
        Some(Waiting { messages })
    }
}

fn count_placed(dir: &Path, plan: &Plan) -> std::io::Result<u64> {
    let mut placed = 0;
    for customer in plan.customers() {
        placed += customer::read_diary(&customer::diary(dir, &customer))?.len() as u64;
    }
    Ok(placed)
}

fn program(args: &RunArgs) -> Result<PathBuf, crate::Failure> {
    if let Some(program) = &args.assent {
        return Ok(program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?);
    }
    let own = std::env::current_exe()?;
    let beside =
        own.parent().and_then(Path::parent).map(|dir| dir.join("assent")).filter(|path| path.exists());
    beside.ok_or_else(|| "where is the assent program? say --assent PROGRAM".into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
