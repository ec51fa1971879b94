//! The model: every state of small clusters keeps every property, and how many states there are is pinned.
//!
//! `ASSENT_REWRITE=1` writes the counts that are found now: read the difference. `ASSENT_DEEP=1` searches further.

use assent_lab::model::{self, ModelConfig, Report, configurations};
use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

fn line(config: &ModelConfig, report: &Report) -> String {
    let all = if report.exhausted { "all" } else { "the nearest" };
    let live = if config.liveness {
        format!(", decided within {} ms", report.decided_ms_max)
    } else {
        String::new()
    };
    format!(
        "{}: {all}: {} states, {} generated, depth {}{live}",
        config.name, report.unique, report.states, report.depth
    )
}

/// Searches all; gives a line for each, and what none of them came across.
fn search(configs: &[ModelConfig]) -> (String, BTreeSet<String>) {
    let (mut lines, mut missing) = (String::new(), None::<BTreeSet<String>>);
    for config in configs {
        let report = model::check(config);
        let found: Vec<String> =
            report.found.iter().map(|(property, trace)| format!("{property}:\n{trace}")).collect();
        assert!(found.is_empty(), "{}: {}", config.name, found.join("\n"));
        let line = line(config, &report);
        println!("{line}");
        writeln!(lines, "{line}").expect("a text takes any line");
        let unseen = report.sometimes.into_iter().filter(|(_, seen)| !seen).map(|(name, _)| name).collect();
        missing = Some(missing.map_or_else(|| BTreeSet::clone(&unseen), |before| &before & &unseen));
    }
    (lines, missing.unwrap_or_default())
}

#[test]
fn every_state_keeps_every_property_and_their_number_is_known() {
    let (counts, missing) = search(&configurations::everyday());
    assert!(missing.is_empty(), "no configuration comes across: {missing:?}");
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model.counts.txt");
    if std::env::var_os("ASSENT_REWRITE").is_some() {
        fs::write(&pinned, &counts).expect("the folder of the tests can be written");
    }
    let known = fs::read_to_string(&pinned).expect("the counts are there");
    assert_eq!(counts, known, "the number of states has changed: is the change of the protocol meant?");
}

/// One wrong suspicion with one crash is survived, which the trace shows: it takes a second to get there.
#[test]
fn two_wrong_suspicions_and_a_crash_can_leave_a_pledge_alone() {
    let report = model::check(&configurations::wrongly_suspected());
    let [(property, trace)] = &report.found[..] else { panic!("it decides always now: {report:?}") };
    assert_eq!(property, "a fair continuation decides everything");
    assert!(trace.contains("crash") && trace.contains("pledged"), "{trace}");
    let peeks =
        |name: &str| trace.lines().any(|line| line.trim_start().starts_with(name) && line.contains(": peek"));
    assert!(peeks("students ->") && peeks("courses ->"), "only one has lost patience: {trace}");
}

#[test]
fn further_states_keep_every_property() {
    if std::env::var_os("ASSENT_DEEP").is_none() {
        println!("set ASSENT_DEEP=1 to search them");
        return;
    }
    search(&configurations::deep());
}
