//! The simulator over the mixed workload: seeds with every fault, calm ones, determinism, coverage, shrinking.
//!
//! `ASSENT_SEEDS=100000 cargo test --release -p assent-lab --test simulator -- --nocapture` runs more seeds,
//! `ASSENT_SEED=17` one, with its trace; `ASSENT_OPTIONS=clients=1,crashes=2` goes with that one.

// A panic here is a test that fails, with the seed that replays it.
#![allow(clippy::unwrap_used)]

use assent_lab::{
    simulator::{Mixed, Options, Progress, Summary, Sweep, run, shrink, trace},
    workload::Workload,
};

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
    assert!(total.committed > 0 && total.aborted > 0 && total.reads > 0);
}
