//! Whole clusters of the shipped machines in one thread, from one seed: message loss, duplication, reordering, delay,
//! cut links, crashes between a write and its sync, and between a sync and the messages that it frees.
//!
//! After every step: nobody says commit and abort of one transaction, and every machine agrees with its disk. Then the
//! faults end, and everything must be decided and forgotten. More seeds: `ASSENT_SEEDS=100000 cargo test --release
//! -p assent-protocol --test simulation`; one seed again: `ASSENT_SEED=17 …` (it prints the trace).

// A panic here is a test that fails, with the seed that replays it.
#![allow(clippy::unwrap_used)]

#[path = "simulation/checks.rs"]
mod checks;
#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/workload.rs"]
mod workload;
#[path = "simulation/world.rs"]
mod world;

use world::{Options, World};

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("ASSENT_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("ASSENT_SEEDS").unwrap_or(1500)).collect(),
    }
}

fn run(seed: u64, options: impl Fn(u64) -> Options) -> world::Summary {
    let trace = std::env::var_os("ASSENT_SEED").is_some();
    match World::new(seed, options(seed), trace).run() {
        Ok(summary) => summary,
        Err(violation) => panic!(
            "{violation}\nreplay: ASSENT_SEED={seed} cargo test --release -p assent-protocol --test simulation -- --nocapture"
        ),
    }
}

fn run_all(options: impl Fn(u64) -> Options + Copy) -> world::Summary {
    let mut total = world::Summary::default();
    for seed in seeds() {
        total.add(&run(seed, options));
    }
    println!("{total:?}");
    // The runs are not empty: what they are about has happened.
    assert!(total.committed > 0 && total.aborted > 0 && total.reads > 0);
    total
}

#[test]
fn without_faults_everything_ends_and_is_forgotten() {
    run_all(Options::calm);
}

#[test]
fn with_every_fault_nothing_is_torn_and_everything_ends() {
    let total = run_all(Options::drawn);
    if std::env::var_os("ASSENT_SEED").is_some() {
        return;
    }
    // Every way to an outcome was gone, again and again.
    for way in [
        "pledges",
        "fences",
        "resolves",
        "resolved_by_peers",
        "resolved_by_sponsor",
        "vetoes_honoured",
        "vetoes_refused",
        "wounded",
        "waited",
        "single_commits",
        "repeats_answered",
        "reads_dropped",
        "reads_repeated",
        "expired_answered",
    ] {
        assert!(total.figures.get(way).is_some_and(|count| *count > 10), "hardly any {way}");
    }
    assert_eq!(total.figures.get("hazards"), Some(&0));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        let once = World::new(seed, Options::drawn(seed), false).run_to_digest();
        let again = World::new(seed, Options::drawn(seed), false).run_to_digest();
        assert_eq!(once, again, "seed {seed}");
    }
}
