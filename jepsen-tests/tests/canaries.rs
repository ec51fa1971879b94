//! Every canary is noticed, and `docs/testing.md` says by what.
//!
//! `ASSENT_REWRITE=1 cargo test --release -p assent-lab --features canaries --test canaries -- --nocapture` writes what is
//! found into the document. `ASSENT_CANARY=no-not-kept` hunts that one, and prints what is found.
#![cfg(feature = "canaries")]
// A panic here is a test that fails.
#![allow(clippy::unwrap_used)]

use assent_lab::{
    canaries::{Line, check, hunt, rewritten},
    model::{self, ModelConfig, configurations},
    simulator::{Mixed, Options, run},
    workloads,
};
use assent_protocol::canary::Canary;
use std::{fs, path::Path};

/// A canary that this many seeds do not show counts as missed.
const SEEDS_MAX: u64 = 20_000;
/// So many of them run a second time without faults.
const CALM_SEEDS: u64 = 20;
/// A broken machine may become ever more: the model of it is searched so far.
const STATES_MAX: usize = 100_000;
/// See [`ModelConfig::closure_max`].
const CLOSURE_MAX: usize = 1_000;

/// Clusters with every fault.
fn drawn(seed: u64) -> Option<String> {
    let failure = run(&Options::drawn(seed), Box::<Mixed>::default()).err()?;
    Some(format!("{}: {}", failure.property, failure.words))
}

/// Clusters without faults and in no hurry: nobody waits until its deadline, since wounds end every deadlock.
fn calm(seed: u64) -> Option<String> {
    let options = Options {
        clients: 4,
        requests: 30,
        think_us_max: 500,
        delay_us_max: 2_000,
        deadline_ms_min: 10_000,
        deadline_ms_max: 10_000,
        patience_ms_max: 30_000,
        ..Options::calm(seed)
    };
    match run(&options, Box::<Mixed>::default()) {
        Err(failure) => Some(format!("{}: {}", failure.property, failure.words)),
        Ok(outcome) => {
            let late = |error: &Option<String>| error.as_deref() == Some("deadline");
            let event = outcome.history.events.iter().find(|event| late(&event.error))?;
            Some(format!("no deadlock: {} waited for its deadline", event.txn.as_deref().unwrap_or("one")))
        }
    }
}

/// Clusters with every fault, and messages.
fn messages(seed: u64) -> Option<String> {
    let failure = run(&Options::drawn(seed), Box::<workloads::Messages>::default()).err()?;
    Some(format!("{}: {}", failure.property, failure.words))
}

/// Every order of events in small clusters; instead of by seeds, by their place among the configurations.
fn searched(place: u64) -> Option<String> {
    let config = configurations::small().swap_remove(place as usize);
    let bounded = ModelConfig { states_max: Some(STATES_MAX), closure_max: CLOSURE_MAX, ..config };
    let report = model::check(&bounded);
    let (property, _) = report.found.first()?;
    Some(format!("{property}: {} states", report.unique))
}

fn find(seed: u64) -> Option<String> {
    drawn(seed).or_else(|| if seed < CALM_SEEDS { calm(seed) } else { None })
}

#[test]
fn every_canary_is_noticed_and_the_document_says_by_what() {
    // Otherwise a canary might be noticed for what the machines do anyway.
    for seed in 0..CALM_SEEDS {
        assert_eq!(find(seed), None, "what ships keeps every rule: seed {seed}");
        assert_eq!(messages(seed), None, "what ships keeps every rule: seed {seed} of messages");
    }
    let configurations = configurations::small().len() as u64;
    for place in 0..configurations {
        assert_eq!(searched(place), None, "what ships keeps every rule: configuration {place}");
    }
    let only = std::env::var("ASSENT_CANARY").ok();
    let mut lines = Vec::new();
    for canary in Canary::ALL.iter().copied() {
        if only.as_ref().is_some_and(|only| only != canary.name()) {
            continue;
        }
        let of_messages = canary.rule().starts_with('M');
        let found = hunt(canary, if of_messages { messages } else { find }, SEEDS_MAX);
        let in_model = hunt(canary, searched, configurations);
        println!("{canary}: {found:?}, model: {in_model:?}");
        lines.push(Line::of_seeds(canary, "simulator", found.as_ref()).and_of_model(in_model.as_ref()));
    }
    if only.is_some() {
        return;
    }
    let missed: Vec<Canary> = lines.iter().filter(|line| line.by.is_none()).map(|line| line.canary).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/testing.md");
    let document = fs::read_to_string(&path).unwrap();
    if std::env::var_os("ASSENT_REWRITE").is_some() {
        fs::write(&path, rewritten(&document, &lines).unwrap()).unwrap();
    } else {
        check(&document, &lines).unwrap_or_else(|untrue| panic!("{}: {untrue}", path.display()));
    }
    assert!(missed.is_empty(), "nothing notices {missed:?}");
}
