//! The configurations that are searched: each a small cluster with a few faults. Those for every day end within seconds;
//! the deep ones take minutes each, and some are searched only as far as their bound on states allows.

use super::config::{Content, ModelConfig, Patience, Reduce, Request, Syncs};
use assent_protocol::message::Intent;

/// Configurations for every run of the tests.
pub fn everyday() -> Vec<ModelConfig> {
    let mut all = small();
    all.extend([
        live(coordinator_crashes("live: 2 participants, a coordinator crashes", 1)),
        live(link_is_cut("live: 2 participants, a link is cut")),
        ModelConfig {
            patience: Patience::WrongOnce,
            ..live(participant_crashes("live: 2 participants, a wrong suspicion and a crash", 1))
        },
        retried("2 coordinators, a repeat", Intent::Repeat),
        ModelConfig {
            requests: again_by_the_same(Request::first(1, 2)),
            ..coordinator_crashes("2 participants, a coordinator crashes and is asked again", 1)
        },
        forgetting("2 participants, everything is forgotten", 2),
        ModelConfig::new("3 participants, no fault", 3, 1, vec![Request::first(1, 3)]),
        ModelConfig {
            wakes_max: Some(1),
            ..reading_first("reads: older than a transaction, a wake of each")
        },
    ]);
    all.extend(bounded());
    all
}

/// Those of them that end within seconds all together: machines that break a rule are searched in each.
pub fn small() -> Vec<ModelConfig> {
    let mut all = vec![
        ModelConfig::new("2 participants, no fault", 2, 1, vec![Request::first(1, 2)]),
        coordinator_crashes("2 participants, a coordinator crashes", 1),
        participant_crashes("2 participants, a participant crashes", 1),
        link_is_cut("2 participants, a link is cut"),
        ModelConfig {
            syncs: Syncs::Apart,
            ..ModelConfig::new("2 participants, syncs apart", 2, 1, vec![Request::first(1, 2)])
        },
        ModelConfig {
            participant_crashes_max: 1,
            faults_max: 1,
            ..ModelConfig::new("1 participant, it crashes", 1, 1, again_by_the_same(Request::first(1, 1)))
        },
        forgetting("1 participant, its answer is had and the id comes again", 1),
        ModelConfig {
            settle_ms: 100,
            ..ModelConfig::new("2 participants, the coordinator gives up", 2, 1, vec![Request::first(1, 2)])
        },
        in_time(live(participant_crashes("live: 2 participants, a participant crashes", 1))),
        retried("2 coordinators, a question after the outcome", Intent::Settle),
        conflicting("2 participants, 2 transactions in conflict"),
        id_reused("2 participants, an id for two contents"),
    ];
    all.extend(reads());
    all.extend(messages());
    all
}

/// Transactions that write nothing, beside one that does.
fn reads() -> Vec<ModelConfig> {
    let alone = vec![Request::first(1, 1), Request { participants: 1, ..reader() }];
    let after = Request { participants: 1, watermark: 2, after: &[0], ..reader() };
    vec![
        ModelConfig {
            wakes_max: Some(1),
            ..reading("reads: beside a transaction, a wake of each", reader())
        },
        ModelConfig {
            syncs: Syncs::Apart,
            participant_crashes_max: 1,
            faults_max: 1,
            ..ModelConfig::new("reads: of one participant, syncs apart, it crashes", 1, 1, alone)
        },
        reading("reads: of one participant, after the answer to a transaction of two", after),
    ]
}

fn reader() -> Request {
    Request { content: Content::Read, ..Request::first(2, 2) }
}

/// A transaction of both participants, and one that reads what it writes.
fn reading(name: &'static str, reader: Request) -> ModelConfig {
    ModelConfig::new(name, 2, 1, vec![Request::first(1, 2), reader])
}

/// The transaction has to wait for the locks of the read: it is the younger one.
fn reading_first(name: &'static str) -> ModelConfig {
    reading(name, Request { stamp: 0, ..reader() })
}

/// The client has the answer to the transaction before it reads.
fn reading_after(name: &'static str) -> ModelConfig {
    let reader = Request { watermark: 2, after: &[0], ..reader() };
    ModelConfig { participant_crashes_max: 1, faults_max: 1, ..reading(name, reader) }
}

/// Transactions that send messages of one key to a mailbox on another participant.
fn messages() -> Vec<ModelConfig> {
    let mail = |name, requests| ModelConfig::new(name, 2, 1, requests);
    let crash = |config: ModelConfig| ModelConfig { participant_crashes_max: 1, faults_max: 1, ..config };
    vec![
        crash(mail("messages: 2 of one transaction, a participant crashes", sending(1, 2))),
        ModelConfig {
            syncs: Syncs::Apart,
            ..crash(mail("messages: syncs apart, a participant crashes", sending(1, 1)))
        },
        ModelConfig { depth_max: Some(1), ..mail("messages: the mailbox is full", sending(1, 2)) },
        ModelConfig {
            cuts_max: 1,
            faults_max: 1,
            ..live(mail("live: messages: a link is cut", sending(1, 2)))
        },
        live(crash(mail("live: messages: a participant crashes", sending(1, 1)))),
        mail("messages: 2 transactions, one key", one_after_the_other()),
    ]
}

fn sending(participants: usize, sends: u16) -> Vec<Request> {
    vec![Request { sends, ..Request::first(1, participants) }]
}

/// The first is in doubt while the second, which changes another record, commits at once: its message waits (M1).
fn one_after_the_other() -> Vec<Request> {
    let mut both = sending(2, 1);
    both.push(Request { sends: 1, record: "y", ..Request::first(2, 1) });
    both
}

/// The fair continuation from states in which participants have lost patience with a sponsor that is well, as often as they
/// like. It is known not to decide always: who has pledged to another that has lost patience too, and that crashes for ever, can't
/// know how it ended (`docs/model.md`).
pub fn wrongly_suspected() -> ModelConfig {
    live(participant_crashes(
        "live: a sponsor is suspected wrongly again and again, and a participant crashes",
        1,
    ))
}

/// Searched as far as their bound on states allows, the nearest states first.
fn bounded() -> Vec<ModelConfig> {
    let most = |config: ModelConfig| ModelConfig { states_max: Some(800_000), ..config };
    vec![
        most(retried_with_crashes("2 coordinators, a repeat, a crash", 1)),
        most(retried_with_crashes("2 coordinators, a repeat, 2 crashes", 2)),
        most(three_with_a_crash("3 participants, a crash")),
        most(in_time(live(retried_with_crashes("live: 2 coordinators, a repeat, a crash", 1)))),
        most(reading_after("reads: after the answer to a transaction, a participant crashes")),
    ]
}

/// Those that take minutes each: for a machine that has the time.
pub fn deep() -> Vec<ModelConfig> {
    let further = |config: ModelConfig| ModelConfig { states_max: None, ..config };
    let mut all: Vec<ModelConfig> = bounded().into_iter().map(further).collect();
    all.extend([
        further(coordinator_crashes("2 participants, a coordinator crashes twice", 2)),
        further(participant_crashes("2 participants, 2 crashes of participants", 2)),
        further(ModelConfig {
            syncs: Syncs::Apart,
            ..participant_crashes("2 participants, syncs apart, a participant crashes", 1)
        }),
        further(in_time(live(three_with_a_crash("live: 3 participants, a crash")))),
        further(reading("reads: beside a transaction", reader())),
        further(reading_first("reads: older than a transaction")),
        further(ModelConfig {
            coordinator_crashes_max: 1,
            faults_max: 1,
            wakes_max: Some(0),
            ..reading("reads: beside a transaction, its coordinator crashes, no wake", reader())
        }),
        further(ModelConfig {
            wakes_max: Some(1),
            ..reading_after("reads: after the answer, a participant crashes, a wake of each")
        }),
        further(ModelConfig {
            coordinator_crashes_max: 1,
            participant_crashes_max: 1,
            faults_max: 1,
            ..ModelConfig::new("messages: 2 transactions, one key, a crash", 2, 1, one_after_the_other())
        }),
    ]);
    all
}

fn three_with_a_crash(name: &'static str) -> ModelConfig {
    ModelConfig {
        coordinator_crashes_max: 1,
        participant_crashes_max: 1,
        faults_max: 1,
        ..ModelConfig::new(name, 3, 1, vec![Request::first(1, 3)])
    }
}

fn coordinator_crashes(name: &'static str, crashes: u8) -> ModelConfig {
    ModelConfig {
        coordinator_crashes_max: crashes,
        faults_max: crashes,
        ..ModelConfig::new(name, 2, 1, vec![Request::first(1, 2)])
    }
}

fn participant_crashes(name: &'static str, crashes: u8) -> ModelConfig {
    ModelConfig {
        participant_crashes_max: crashes,
        faults_max: crashes,
        ..ModelConfig::new(name, 2, 1, vec![Request::first(1, 2)])
    }
}

fn link_is_cut(name: &'static str) -> ModelConfig {
    ModelConfig { cuts_max: 1, faults_max: 1, ..ModelConfig::new(name, 2, 1, vec![Request::first(1, 2)]) }
}

/// With a fair continuation from every state, within which long waits come too.
fn live(config: ModelConfig) -> ModelConfig {
    let faults_max = config.faults_max.min(1);
    let reduce = Reduce::EVERY_SET;
    ModelConfig { liveness: true, tells_max: 1, exchange_ms: 1_000, faults_max, reduce, ..config }
}

/// A sponsor that is well answers in time.
fn in_time(config: ModelConfig) -> ModelConfig {
    ModelConfig { patience: Patience::Real, ..config }
}

fn again_by_the_same(first: Request) -> Vec<Request> {
    let again = first.again(0, Intent::Repeat, &[0]);
    vec![first, again]
}

/// The client asks another coordinator, while the first may be at it.
fn retried(name: &'static str, intent: Intent) -> ModelConfig {
    let first = Request { content: Content::AppendAndRead, ..Request::first(1, 2) };
    let again = first.again(1, intent, &[0]);
    ModelConfig::new(name, 2, 2, vec![first, again])
}

fn retried_with_crashes(name: &'static str, crashes: u8) -> ModelConfig {
    let first = Request::first(1, 2);
    let again = first.again(1, Intent::Repeat, &[0]);
    ModelConfig {
        coordinator_crashes_max: 1,
        participant_crashes_max: 1,
        faults_max: crashes,
        ..ModelConfig::new(name, 2, 2, vec![first, again])
    }
}

/// Two transactions on one record: one waits, and the older may wound the younger.
fn conflicting(name: &'static str) -> ModelConfig {
    let younger = Request { stamp: 2, ..Request::first(1, 2) };
    let older = Request { stamp: 1, ..Request::first(2, 1) };
    ModelConfig::new(name, 2, 1, vec![younger, older])
}

/// A client that breaks R12: two coordinators are asked for different things under one id.
fn id_reused(name: &'static str) -> ModelConfig {
    let first = Request::first(1, 2);
    let other = Request { value: 9, record: "y", coordinator: 1, ..first.clone() };
    ModelConfig::new(name, 2, 2, vec![first, other])
}

/// The client has its answer and says so with its next request; then the first id comes again.
fn forgetting(name: &'static str, participants: usize) -> ModelConfig {
    let first = Request::first(1, participants);
    let next = Request { watermark: 2, record: "y", after: &[0], ..Request::first(2, 1) };
    let again = first.again(0, Intent::Repeat, &[1]);
    ModelConfig {
        forgetting: true,
        exchange_ms: 100,
        ..ModelConfig::new(name, participants, 1, vec![first, next, again])
    }
}
