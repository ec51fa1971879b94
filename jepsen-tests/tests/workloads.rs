//! The workloads against a serial database: the shipped evaluation of operations over one store that holds everything,
//! with several clients whose operations overlap, some of which are aborted and some of unknown outcome.
//!
//! What is serial must be found to be right, or a checker cries wolf; and what is broken on purpose must be found, or it
//! sleeps. No cluster runs here: that transactions of several participants are serial is what the instruments test.

#[path = "workloads/clients.rs"]
mod clients;
#[path = "workloads/database.rs"]
mod database;
#[path = "workloads/shapes.rs"]
mod shapes;

use assent_lab::{
    verdict::{Finding, Verdict},
    workloads::{NAMES, WorkloadOptions, by_name},
};
use clients::{Plan, run};
use database::Flaw;
use std::collections::BTreeSet;

const SEEDS: u64 = 5;

fn verdicts(name: &str, seed: u64, flaw: Flaw) -> Vec<Verdict> {
    let mut workload = by_name(name, &WorkloadOptions::default()).expect("it is there");
    let history = run(workload.as_mut(), &Plan { seed, flaw, ..Plan::default() });
    workload.check(&history)
}

fn holds(name: &str) {
    let seeds = std::env::var("ASSENT_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        for verdict in verdicts(name, seed, Flaw::None) {
            assert_eq!(verdict.finding, Finding::Holds, "{name} with seed {seed}: {verdict:#?}");
        }
    }
}

/// Every seed must show the flaw, as one of these classes; none: the judge's own.
fn finds(name: &str, flaw: Flaw, classes: &[&str]) {
    for seed in 0..SEEDS {
        let verdicts = verdicts(name, seed, flaw);
        let found: Vec<_> = verdicts.iter().flat_map(|verdict| &verdict.anomalies).collect();
        let found: BTreeSet<&str> = found.iter().map(|anomaly| anomaly.class.as_str()).collect();
        let is_named = classes.is_empty() || classes.iter().any(|class| found.contains(class));
        let is_violated = verdicts.iter().any(|verdict| verdict.finding == Finding::Violated);
        let summaries: Vec<_> = verdicts.iter().map(|verdict| &verdict.summary).collect();
        assert!(
            is_violated && is_named,
            "{name} with seed {seed}, {flaw:?}: looked for {classes:?}, found {found:?}: {summaries:?}"
        );
    }
}

#[test]
fn every_name_gives_the_workload_of_that_name() {
    for name in NAMES {
        let workload = by_name(name, &WorkloadOptions::default()).expect("it is there");
        assert_eq!(workload.name(), *name);
        assert!(by_name(&name.replace('_', "-"), &WorkloadOptions::default()).is_some());
    }
    assert!(by_name("roulette", &WorkloadOptions::default()).is_none());
}

mod bank {
    use super::{Flaw, finds, holds};

    #[test]
    fn a_serial_bank_holds() {
        holds("bank");
    }

    #[test]
    fn half_a_transfer_is_found() {
        finds("bank", Flaw::DropsHalf, &["total changed"]);
    }

    #[test]
    fn a_snapshot_of_two_moments_is_found() {
        finds("bank", Flaw::TornReads, &["total changed"]);
    }

    #[test]
    fn overdrawn_accounts_are_found() {
        finds("bank", Flaw::IgnoresBounds, &["overdrawn"]);
    }

    #[test]
    fn whole_transfers_that_are_lost_repeated_or_refused_are_found() {
        for flaw in [Flaw::LosesAcknowledged, Flaw::AppliesTwice, Flaw::AppliesAborted] {
            finds("bank", flaw, &["unexplained balance"]);
        }
    }

    #[test]
    fn stale_reads_are_found() {
        finds("bank", Flaw::StaleReads, &["unexplained balance"]);
    }

    #[test]
    fn refusals_without_cause_are_found() {
        finds("bank", Flaw::RefusesAtWill, &["refused without cause"]);
    }
}

mod registrar {
    use super::{Flaw, finds, holds};

    #[test]
    fn a_serial_registrar_holds() {
        holds("registrar");
    }

    #[test]
    fn half_an_enrolment_is_found() {
        finds("registrar", Flaw::DropsHalf, &["half an enrolment"]);
    }

    #[test]
    fn a_snapshot_of_two_moments_is_found() {
        finds("registrar", Flaw::TornReads, &["half an enrolment"]);
    }

    #[test]
    fn broken_bounds_are_found() {
        finds("registrar", Flaw::IgnoresBounds, &["over capacity"]);
        finds("registrar", Flaw::IgnoresBounds, &["too many credits"]);
    }

    #[test]
    fn lost_enrolments_are_found() {
        finds(
            "registrar",
            Flaw::LosesAcknowledged,
            &["lost enrolment", "enrolled twice", "phantom enrolment"],
        );
    }

    #[test]
    fn enrolments_that_were_said_to_be_aborted_are_found() {
        finds("registrar", Flaw::AppliesAborted, &["phantom enrolment", "lost enrolment"]);
    }

    #[test]
    fn stale_reads_are_found() {
        finds("registrar", Flaw::StaleReads, &["phantom enrolment", "lost enrolment"]);
    }

    #[test]
    fn enrolments_into_closed_courses_are_found() {
        finds("registrar", Flaw::IgnoresRequirements, &["enrolled while closed", "wrong state"]);
    }
}

mod exactly_once {
    use super::{Flaw, finds, holds};

    #[test]
    fn a_serial_database_that_remembers_its_answers_holds() {
        holds("exactly_once");
    }

    #[test]
    fn repeats_that_take_effect_again_are_found() {
        finds("exactly_once", Flaw::ForgetsAnswers, &["applied twice"]);
        finds("exactly_once", Flaw::ForgetsAnswers, &["unexplained count"]);
        finds("exactly_once", Flaw::ForgetsAnswers, &["applied though aborted"]);
    }

    #[test]
    fn changes_that_take_effect_twice_at_once_are_found() {
        finds("exactly_once", Flaw::AppliesTwice, &["applied twice"]);
    }

    #[test]
    fn lost_and_aborted_changes_are_found() {
        finds("exactly_once", Flaw::LosesAcknowledged, &["lost"]);
        finds("exactly_once", Flaw::DropsHalf, &["lost"]);
        finds("exactly_once", Flaw::AppliesAborted, &["applied though aborted"]);
        finds("exactly_once", Flaw::StaleReads, &["lost"]);
    }

    #[test]
    fn broken_bounds_and_refusals_without_cause_are_found() {
        finds("exactly_once", Flaw::IgnoresBounds, &["out of bounds"]);
        finds("exactly_once", Flaw::RefusesAtWill, &["refused without cause"]);
    }
}

/// The judges of reads and writes, on what these workloads ask for.
mod reads_and_writes {
    use super::{Flaw, finds, holds};

    const WORKLOADS: [&str; 3] = ["linear", "list_append", "register"];

    #[test]
    fn serial_reads_and_writes_hold() {
        WORKLOADS.into_iter().for_each(holds);
    }

    #[test]
    fn lost_writes_are_found() {
        WORKLOADS.into_iter().for_each(|name| finds(name, Flaw::LosesAcknowledged, &[]));
    }

    #[test]
    fn writes_that_were_said_to_be_aborted_are_found() {
        WORKLOADS.into_iter().for_each(|name| finds(name, Flaw::AppliesAborted, &[]));
    }

    #[test]
    fn stale_reads_are_found() {
        WORKLOADS.into_iter().for_each(|name| finds(name, Flaw::StaleReads, &[]));
    }

    #[test]
    fn half_transactions_and_snapshots_of_two_moments_are_found() {
        for flaw in [Flaw::DropsHalf, Flaw::TornReads] {
            finds("list_append", flaw, &[]);
            finds("register", flaw, &[]);
        }
    }

    #[test]
    fn a_compare_and_set_that_does_not_compare_is_found() {
        finds("linear", Flaw::IgnoresRequirements, &[]);
    }
}
