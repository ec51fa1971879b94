//! What makes the model's search smaller does not change what it finds: clusters that are small enough are searched with all
//! of it, with each part alone, and with none. (`model/search.rs` holds the search itself against stateright's checker.)

use assent_lab::model::{self, Content, ModelConfig, Reduce, Report, Request, Syncs};
use assent_protocol::message::Intent;

/// Each part alone, and the sets in which they are used.
const REDUCTIONS: [Reduce; 6] = [
    Reduce { alike: true, ..Reduce::NONE },
    Reduce { spent: true, ..Reduce::NONE },
    Reduce { replies: true, ..Reduce::NONE },
    Reduce { covered: true, ..Reduce::NONE },
    Reduce::EVERY_SET,
    Reduce::ALL,
];

/// Clusters that can be searched without any reduction.
fn small() -> Vec<ModelConfig> {
    let one = Request::first(1, 1);
    let again = |coordinator, after| one.again(coordinator, Intent::Repeat, after);
    let younger = Request { stamp: 2, ..one.clone() };
    let older = Request { stamp: 1, ..Request::first(2, 1) };
    let next = Request { watermark: 2, record: "y", after: &[0], ..Request::first(2, 1) };
    let other = Request { value: 9, record: "y", coordinator: 1, ..one.clone() };
    let read = Request { content: Content::Read, ..Request::first(2, 1) };
    let crash = |config: ModelConfig| ModelConfig {
        coordinator_crashes_max: 1,
        participant_crashes_max: 1,
        faults_max: 1,
        ..config
    };
    vec![
        crash(ModelConfig::new("1 participant, a crash", 1, 1, vec![one.clone(), again(0, &[0])])),
        ModelConfig {
            syncs: Syncs::Apart,
            ..crash(ModelConfig::new("1 participant, syncs apart, a crash", 1, 1, vec![one.clone()]))
        },
        ModelConfig {
            cuts_max: 1,
            faults_max: 1,
            ..ModelConfig::new("1 participant, a cut", 1, 1, vec![one.clone()])
        },
        ModelConfig {
            forgetting: true,
            exchange_ms: 100,
            ..ModelConfig::new("1 participant, forgetting", 1, 1, vec![one.clone(), next, again(0, &[1])])
        },
        crash(ModelConfig::new(
            "1 participant, 2 coordinators, a crash",
            1,
            2,
            vec![one.clone(), again(1, &[0])],
        )),
        ModelConfig::new("1 participant, a conflict", 1, 1, vec![younger, older]),
        ModelConfig::new("1 participant, an id for two contents", 1, 2, vec![one.clone(), other]),
        ModelConfig {
            syncs: Syncs::Apart,
            ..ModelConfig::new("1 participant, a read, syncs apart", 1, 1, vec![one.clone(), read.clone()])
        },
        ModelConfig {
            wakes_max: Some(0),
            looks_max: 1,
            ..ModelConfig::new(
                "2 participants, a read of both",
                2,
                1,
                vec![Request::first(1, 2), Request { participants: 2, ..read }],
            )
        },
        ModelConfig {
            wakes_max: Some(1),
            ..ModelConfig::new("2 participants, a wake of each", 2, 1, vec![Request::first(1, 2)])
        },
    ]
}

/// The states of interest that were come across. Figures are left out: what a message does that can't matter any more, it may
/// do without being counted.
fn sights(report: &Report) -> Vec<&(String, bool)> {
    let is_figure = |name: &str| name.starts_with("participant ") || name.starts_with("coordinator ");
    report.sometimes.iter().filter(|(name, _)| !is_figure(name)).collect()
}

#[test]
fn no_reduction_changes_what_is_seen() {
    for config in small() {
        let with = |reduce| model::check_looks(&ModelConfig { reduce, ..config.clone() });
        let (whole, looks) = with(Reduce::NONE);
        assert!(whole.exhausted && whole.found.is_empty(), "{}: {whole:?}", config.name);
        println!("{}: {} states, {} looks", config.name, whole.unique, looks.len());
        let mut fewest = whole.unique;
        for reduce in REDUCTIONS {
            let (reduced, same) = with(reduce);
            println!("    {} states with {reduce:?}", reduced.unique);
            assert!(reduced.exhausted, "{}: {reduce:?}", config.name);
            assert_eq!(reduced.found, whole.found, "{}: {reduce:?}", config.name);
            assert_eq!(sights(&reduced), sights(&whole), "{}: {reduce:?}", config.name);
            assert_eq!(same, looks, "{}: other looks with {reduce:?}", config.name);
            fewest = fewest.min(reduced.unique);
        }
        assert!(fewest < whole.unique, "{}: nothing is reduced", config.name);
    }
}
