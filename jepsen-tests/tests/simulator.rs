//! The simulator over the mixed workload: seeds with every fault, calm ones, determinism, coverage, shrinking.
//!
//! `ASSENT_SEEDS=100000 cargo test --release -p assent-lab --test simulator -- --nocapture` runs more seeds,
//! `ASSENT_SEED=17` one, with its trace; `ASSENT_OPTIONS=clients=1,crashes=2` goes with that one.

// A panic here is a test that fails, with the seed that replays it.
#![allow(clippy::unwrap_used)]

use assent_lab::{
    history::{History, Kind, Value},
    random::Random,
    simulator::{InvalidOptions, Mixed, Options, Progress, Summary, Sweep, run, shrink, trace},
    verdict::{Finding, Verdict},
    workload::{Completion, Invocation, Workload},
    workloads,
};
use std::collections::BTreeMap;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn mixed(_seed: u64) -> Box<dyn Workload> {
    Box::<Mixed>::default()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get())
}

/// Runs the seeds asked for, prints what they came to, and panics with the smallest failure that is found.
fn run_all(kind: &str, seeds: u64, options: impl Fn(u64) -> Options + Sync) -> Summary {
    if let Some(seed) = number("ASSENT_SEED") {
        let options = match std::env::var("ASSENT_OPTIONS") {
            Ok(text) => Options::parse(seed, &text).unwrap(),
            Err(_) => options(seed),
        };
        println!("{}", trace(&options, mixed(seed).as_mut()));
        return run(&options, mixed(seed)).unwrap_or_else(|failure| panic!("{failure}")).summary;
    }
    let seeds = number("ASSENT_SEEDS").unwrap_or(seeds);
    let sweep = Sweep { seeds: 0..seeds, threads: threads(), options: &options, workload: &mixed };
    let swept = sweep.run(&|_: Progress| {});
    println!(
        "{kind}: {} seeds in {:.1} s; per second of a core {:.0} seeds, {:.0} transactions, {:.0} faults\n{}",
        swept.seeds,
        swept.elapsed.as_secs_f64(),
        swept.per_core_second(swept.seeds),
        swept.per_core_second(swept.summary.transactions()),
        swept.per_core_second(swept.summary.faults_total()),
        swept.summary
    );
    if let Some(failure) = swept.failure {
        println!("as found: {failure}\nthe smallest that fails so:");
        let failure = shrink(failure, &mixed);
        panic!("{}\n{failure}", failure.trace(mixed(failure.seed)));
    }
    swept.summary
}

#[test]
fn calm_clusters_end_and_forget() {
    let total = run_all("calm", 300, Options::calm);
    assert!(total.committed > 0 && total.aborted > 0 && total.reads > 0);
}

#[test]
fn with_every_fault_nothing_is_torn_and_everything_ends() {
    let total = run_all("drawn", 1500, Options::drawn);
    if number("ASSENT_SEED").is_some() {
        return;
    }
    // The runs are not empty: what they are about has happened, every way to an outcome was gone, again and again.
    assert!(total.committed > 0 && total.aborted > 0 && total.reads > 0 && total.unknown > 0);
    assert!(total.repeats > 0 && total.twins > 0);
    for way in WAYS {
        assert!(total.figures.get(way).is_some_and(|count| *count > 10), "hardly any {way}");
    }
    for fault in FAULTS {
        assert!(total.faults.get(fault).is_some_and(|count| *count > 5), "hardly any {fault}");
    }
    assert_eq!(total.figures.get("hazards"), Some(&0));
}

/// What machines count of the ways on which a transaction ends, and is answered, waits and is read.
const WAYS: [&str; 22] = [
    "pledges",
    "fences",
    "resolves",
    "resolved_by_peers",
    "resolved_by_sponsor",
    "vetoes_honoured",
    "vetoes_refused",
    "wounded",
    "waited",
    "displaced",
    "single_commits",
    "repeats_answered",
    "repeats_of_running",
    "reads_dropped",
    "reads_repeated",
    "expired_answered",
    "expired",
    "ids_reused",
    "overloaded",
    "given_up",
    "aborted_abandoned",
    "forgotten",
];

/// Every kind of fault, as summaries name it.
const FAULTS: [&str; 27] = [
    "lost",
    "doubled",
    "reordered",
    "misdirected",
    "cut",
    "one-way cut",
    "partition",
    "flap",
    "crash",
    "crash at sync",
    "crash at send",
    "coordinator death",
    "torn writes",
    "full disk",
    "failing sync",
    "failed sync",
    "slow disk",
    "pause",
    "wall clock jump",
    "client disconnect",
    "client crash",
    "client death",
    "coordinator gone",
    "participant gone",
    "link gone",
    "node gone",
    "hanging disk",
];

/// What machines count of the ways that messages take.
const MESSAGE_WAYS: [&str; 15] = [
    "messages_released",
    "messages_relayed",
    "messages_relayed_again",
    "messages_duplicates",
    "messages_gaps",
    "messages_stored",
    "messages_refused_full",
    "messages_redelivered",
    "messages_acknowledged",
    "messages_acknowledged_in_transactions",
    "messages_failures",
    "messages_died",
    "messages_redriven",
    "leases_expired",
    "leases_lost",
];

#[test]
fn messages_take_effect_as_often_as_was_promised_and_come_to_their_ends() {
    if number("ASSENT_SEED").is_some() {
        return;
    }
    let messages = |_| -> Box<dyn Workload> { Box::<workloads::Messages>::default() };
    let seeds = number("ASSENT_SEEDS").unwrap_or(400);
    let options = |seed| Options::drawn(seed);
    let sweep = Sweep { seeds: 0..seeds, threads: threads(), options: &options, workload: &messages };
    let swept = sweep.run(&|_: Progress| {});
    println!(
        "messages: {} seeds in {:.1} s; per second of a core {:.0} seeds, {:.0} messages\n{}",
        swept.seeds,
        swept.elapsed.as_secs_f64(),
        swept.per_core_second(swept.seeds),
        swept.per_core_second(swept.summary.figures.get("messages_stored").copied().unwrap_or(0)),
        swept.summary
    );
    if let Some(failure) = swept.failure {
        println!("as found: {failure}\nthe smallest that fails so:");
        let failure = shrink(failure, &messages);
        panic!("{}\n{failure}", failure.trace(messages(failure.seed)));
    }
    for way in MESSAGE_WAYS {
        assert!(swept.summary.figures.get(way).is_some_and(|count| *count > 10), "hardly any {way}");
    }
}

#[test]
fn histories_of_messages_are_judged_whole_and_what_is_taken_out_of_them_is_missed() {
    if number("ASSENT_SEED").is_some() {
        return;
    }
    let (mut judged, mut missed) = (0, 0);
    for seed in 0..60 {
        let mut history = run(&Options::drawn(seed), Box::<workloads::Messages>::default()).unwrap().history;
        let check = |history: &History| workloads::Messages::default().check(history).remove(0);
        let verdict = check(&history);
        let sends = history.events.iter().filter(|event| event.f == "send" && event.kind == Kind::Ok).count();
        // Where nothing is committed there is nothing to judge.
        let expected = if sends > 0 { Finding::Holds } else { Finding::Unknown };
        assert_eq!(verdict.finding, expected, "seed {seed}: {verdict:#?}");
        judged += usize::from(sends > 0);
        // The last effect of the first list that has any.
        let lists = history.events.iter_mut().filter(|event| event.f == "effects" && event.kind == Kind::Ok);
        let list = lists.filter_map(|event| match &mut event.value {
            Value::Vector(parts) => match &mut parts[..] {
                [_, _, Value::Vector(pages)] => match &mut pages[0] {
                    Value::Vector(list) if !list.is_empty() => Some(list),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
        if let Some(list) = list.into_iter().next() {
            list.pop();
            let verdict = check(&history);
            assert_eq!(verdict.finding, Finding::Violated, "seed {seed}: {verdict:#?}");
            missed += 1;
        }
    }
    assert!(judged > 50 && missed > 50, "{judged} judged, {missed} missed");
}

/// Each fault that lasts for ever, alone: everybody else goes on (`Lasting`).
#[test]
fn whichever_single_fault_lasts_nobody_else_is_blocked() {
    if number("ASSENT_SEED").is_some() {
        return;
    }
    for lasting in ["coordinator-dies", "participant-dies", "link-cut", "cut-then-dies", "disk-hangs"] {
        let options = |seed| {
            let mut options = Options::calm(seed);
            options.set("lasting", lasting).unwrap();
            options.set("think_us_max", "2000").unwrap();
            options
        };
        let sweep = Sweep { seeds: 0..60, threads: threads(), options: &options, workload: &mixed };
        let swept = sweep.run(&|_| {});
        assert!(swept.failure.is_none(), "{}", swept.failure.unwrap());
        assert!(swept.summary.faults_total() >= 50, "{lasting} hardly happened: {}", swept.summary);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..25 {
        let options = Options::drawn(seed);
        let once = trace(&options, mixed(seed).as_mut());
        let again = trace(&options, mixed(seed).as_mut());
        assert!(once.lines().count() > 20, "seed {seed} says nothing:\n{once}");
        assert!(once == again, "seed {seed}");
    }
}

#[test]
fn a_run_is_the_same_with_and_without_a_trace() {
    for seed in 0..25 {
        let once = run(&Options::drawn(seed), mixed(seed)).unwrap();
        let again = run(&Options::drawn(seed), mixed(seed)).unwrap();
        assert_eq!(once.summary, again.summary);
        assert_eq!(once.history, again.history);
        let lines = trace(&Options::drawn(seed), mixed(seed).as_mut());
        let told = lines.lines().filter(|line| line.contains(" history process ")).count();
        assert_eq!(told, once.history.events.len(), "seed {seed}");
    }
}

/// Histories are what `history.rs` promises, whatever happened.
#[test]
fn histories_keep_their_invariants() {
    for seed in 0..200 {
        let Ok(outcome) = run(&Options::drawn(seed), mixed(seed)) else { continue };
        let mut open = BTreeMap::new();
        let mut last_ns = 0;
        for (index, event) in outcome.history.events.iter().enumerate() {
            assert_eq!(event.index, index as u64);
            assert!(event.time_ns >= last_ns);
            last_ns = event.time_ns;
            let before = open.insert(event.process, event.kind);
            let fits = match event.kind {
                Kind::Invoke => matches!(before, None | Some(Kind::Ok | Kind::Fail)),
                Kind::Ok | Kind::Fail | Kind::Info => before == Some(Kind::Invoke),
            };
            assert!(fits, "seed {seed}: {event:?} after {before:?}");
        }
    }
}

/// A workload whose check fails on purpose, as soon as two drops were asked for.
#[derive(Default)]
struct Touchy(Mixed);

impl Workload for Touchy {
    fn name(&self) -> &'static str {
        "touchy"
    }
    fn first(&mut self) -> Vec<Invocation> {
        self.0.first()
    }
    fn next(&mut self, process: u64, random: &mut Random) -> Option<Invocation> {
        self.0.next(process, random)
    }
    fn ended(&mut self, process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        self.0.ended(process, invocation, completion)
    }
    fn last(&mut self) -> Vec<Invocation> {
        self.0.last()
    }
    fn check(&self, history: &History) -> Vec<Verdict> {
        let drops = history.events.iter().filter(|event| event.f == "drop" && event.kind == Kind::Invoke);
        let finding = if drops.count() < 2 { Finding::Holds } else { Finding::Violated };
        let (checker, summary) = ("touchy".to_string(), "two drops".to_string());
        vec![Verdict { checker, finding, summary, anomalies: Vec::new(), tables: Vec::new() }]
    }
}

#[test]
fn a_failing_run_is_made_small_and_its_replay_fails_the_same_way() {
    let touchy = |_: u64| -> Box<dyn Workload> { Box::<Touchy>::default() };
    let drawn = |seed| Options { clients: 3, processes: 3, ..Options::drawn(seed) };
    let sweep = Sweep { seeds: 0..100, threads: threads(), options: &drawn, workload: &touchy };
    let failure = sweep.run(&|_| {}).failure.unwrap();
    assert_eq!(failure.property, "touchy");
    let small = shrink(failure.clone(), &touchy);
    assert_eq!(small.property, "touchy");
    let size = |options: &Options| options.clients * options.processes * options.requests;
    assert!(size(&small.options) <= 4, "not small: {}", small.options);
    assert!(size(&small.options) < size(&failure.options));
    assert_eq!((small.options.crashes, small.options.cuts, small.options.loss_per_mille), (0, 0, 0));
    // What the replay command carries gives the same failure.
    let replay = small.replay();
    let overrides = replay.split_once("--options ").unwrap().1;
    let options = Options::parse(small.seed, overrides).unwrap();
    assert_eq!(options, small.options);
    assert_eq!(run(&options, touchy(small.seed)).unwrap_err(), small);
    assert!(format!("{small}").ends_with(&replay));
    assert!(small.trace(touchy(small.seed)).contains("drop"));
}

#[test]
fn options_are_read_back_as_they_are_written() {
    for seed in 0..200 {
        let drawn = Options::drawn(seed);
        assert_eq!(drawn.overrides(), "");
        assert_eq!(Options::parse(seed, "").unwrap(), drawn);
        let changed = Options { clients: 7, ..drawn };
        assert_eq!(Options::parse(seed, &changed.overrides()).unwrap(), changed);
        let calm = Options::calm(seed);
        assert_eq!(Options::parse(seed, &calm.overrides()).unwrap(), calm);
    }
    assert!(matches!(Options::parse(1, "crashes"), Err(InvalidOptions::Form(_))));
    assert!(matches!(Options::parse(1, "crush=1"), Err(InvalidOptions::Key(..))));
    for bad in ["participants=0", "clients=-1", "loss_per_mille=1000", "lasting=always", "requests="] {
        assert!(matches!(Options::parse(1, bad), Err(InvalidOptions::Value { .. })), "{bad}");
    }
}
