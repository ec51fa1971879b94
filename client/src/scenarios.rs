//! How calls end, over a scripted cluster: what may be concluded from which answer, and what is held on to.

use crate::{
    client::Client,
    handle::Doubt,
    outcome::{NotExecuted, Outcome, Reason},
    registrar::{Failure, Refused, Registrar},
    script::{Deed, ONE, Stage, TWO, config, play, play_with_journal},
    transaction::Transaction,
};
use assent_protocol::{
    ids::{NodeId, Sequence, SessionId},
    message::{Begin, Intent, Message},
    operation::{FieldContent, Operation, ReadResult, Value},
    outcome::{AbortReason, Answer, Malformed, Refusal, RefusalKind},
};
use assent_transport::SendError;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

fn write() -> Transaction {
    Transaction::new().set("student/s17", "name", "Ada").set("course/CS101", "title", "Logic")
}

fn commit() -> Deed {
    Deed::Answer(Answer::Committed(Vec::new()))
}

fn not_executed(outcome: &Outcome) -> &NotExecuted {
    match outcome {
        Outcome::Aborted(abort) => match &abort.reason {
            Reason::NotExecuted(why) => why,
            Reason::Aborted(why) => panic!("aborted by the cluster: {why:?}"),
        },
        other => panic!("not definite: {other:?}"),
    }
}

fn watermark(stage: &Stage) -> u64 {
    stage.begins().last().expect("a request was sent").1.watermark.0
}

fn preferred(stage: &Stage) -> NodeId {
    stage.begins()[0].0
}

fn other(node: NodeId) -> NodeId {
    if node == ONE { TWO } else { ONE }
}

/// Commits one more, to see which watermark it carries.
async fn watermark_next(client: &Client, stage: &Stage) -> u64 {
    assert!(client.submit(write()).await.is_committed());
    watermark(stage)
}

#[tokio::test]
async fn a_commit_carries_reads_in_order_and_moves_the_watermark() {
    let reads = vec![(3, ReadResult::Count(3)), (1, ReadResult::Count(1))];
    let (client, stage) = play(config(), move |_, _| Deed::Answer(Answer::Committed(reads.clone()))).await;
    let Outcome::Committed(receipt) = client.submit(write()).await else { panic!("it commits") };
    assert_eq!(receipt.reads, [ReadResult::Count(1), ReadResult::Count(3)]);
    assert_eq!(receipt.id.to_string(), "app:101:1");
    assert_eq!(watermark(&stage), 1);
    assert_eq!(watermark_next(&client, &stage).await, 2);
    let begin = &stage.begins()[0].1;
    assert_eq!(begin.branches.iter().map(|branch| branch.participant.0).collect::<Vec<_>>(), [3, 4]);
    assert!(begin.deadline_ms <= 50);
    assert_eq!(begin.intent, Intent::First);
}

#[tokio::test]
async fn a_definite_no_to_the_first_attempt_is_not_executed() {
    for (answer, expected) in [
        (Answer::Overloaded, NotExecuted::Overloaded),
        (Answer::Malformed(Malformed::Digest), NotExecuted::Malformed(Malformed::Digest)),
    ] {
        let (client, stage) = play(config(), move |_, begin| match begin.subject.txn.sequence {
            Sequence(1) => Deed::Answer(answer.clone()),
            _ => commit(),
        })
        .await;
        assert_eq!(not_executed(&client.submit(write()).await), &expected);
        assert_eq!(watermark_next(&client, &stage).await, 2);
    }
}

#[tokio::test]
async fn after_a_lost_connection_nothing_less_than_an_outcome_is_definite() {
    let (client, stage) = play(config(), |_, begin| match (begin.subject.txn.sequence.0, begin.intent) {
        (1, Intent::First) => Deed::Lose,
        (1, Intent::Repeat) => Deed::Answer(Answer::Overloaded),
        (1, Intent::Settle) => Deed::Answer(Answer::Aborted(AbortReason::Abandoned)),
        _ => commit(),
    })
    .await;
    let Outcome::Unknown(handle) = client.submit(write()).await else { panic!("it may have happened") };
    assert_eq!(handle.doubt(), Doubt::Deadline);
    let begins = stage.begins();
    assert!(begins.len() > 2);
    for (node, begin) in &begins[1..] {
        assert_eq!(*node, other(preferred(&stage)));
        let mut first = Begin { intent: Intent::Repeat, ..begins[0].1.clone() };
        first.deadline_ms = begin.deadline_ms;
        assert_eq!(begin, &first, "the same subject, stamp and operations");
    }
    assert_eq!(watermark_next(&client, &stage).await, 1, "the Unknown stays outstanding");
    let Outcome::Aborted(abort) = client.resolve(&handle).await else { panic!("it was settled") };
    assert_eq!(abort.reason, Reason::Aborted(AbortReason::Abandoned));
    assert_eq!(watermark_next(&client, &stage).await, 3);
    let Outcome::Aborted(again) = client.resolve(&handle).await else { panic!("it is known") };
    assert_eq!(again.reason, abort.reason);
}

#[tokio::test]
async fn an_unknown_is_outstanding_until_it_is_given_up_even_if_the_handle_is_dropped() {
    let (client, stage) = play(config(), |_, begin| match begin.subject.txn.sequence.0 {
        1 | 2 => Deed::Answer(Answer::Unknown),
        _ => commit(),
    })
    .await;
    let Outcome::Unknown(dropped) = client.submit(write()).await else { panic!("nobody knows") };
    let Outcome::Unknown(kept) = client.submit(write()).await else { panic!("nobody knows") };
    client.give_up(kept);
    let id = dropped.id().clone();
    drop(dropped);
    assert_eq!(watermark_next(&client, &stage).await, 1);
    let Outcome::Unknown(repeated) = client.submit(write().repeat_of(id)).await else {
        panic!("still unknown")
    };
    client.give_up(repeated);
    assert_eq!(watermark_next(&client, &stage).await, 4);
}

#[tokio::test]
async fn a_silent_coordinator_is_gone_round_and_turned_to_last() {
    let mut patient = config();
    patient.deadline = Duration::from_secs(5);
    let silent = AtomicUsize::new(0);
    let (client, stage) = play(patient, move |node, _| {
        let first = silent.compare_exchange(0, node.0.into(), Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if first || silent.load(Ordering::SeqCst) == usize::from(node.0) { Deed::Silence } else { commit() }
    })
    .await;
    let begun = Instant::now();
    assert!(client.submit(write()).await.is_committed());
    assert!(begun.elapsed() >= Duration::from_millis(550));
    let (first, second) = (preferred(&stage), other(preferred(&stage)));
    assert_eq!(stage.attempts(), [(first, 1, Intent::First), (second, 1, Intent::Repeat)]);
    assert!(client.submit(write()).await.is_committed());
    assert_eq!(stage.attempts()[2], (second, 2, Intent::First));
}

#[tokio::test]
async fn what_the_transport_did_not_take_is_still_a_first_attempt() {
    let (client, stage) = play(config(), |node, _| match node {
        ONE => Deed::Refuse(SendError::NotConnected),
        _ => commit(),
    })
    .await;
    for sequence in 1..3 {
        assert!(client.submit(write()).await.is_committed());
        assert_eq!(stage.attempts().last(), Some(&(TWO, sequence, Intent::First)));
    }
    let (client, _) = play(config(), |_, _| Deed::Refuse(SendError::Overloaded)).await;
    assert_eq!(not_executed(&client.submit(write()).await), &NotExecuted::Overloaded);
    let (client, _) = play(config(), |_, _| Deed::Refuse(SendError::NotConnected)).await;
    assert!(matches!(not_executed(&client.submit(write()).await), NotExecuted::Unreachable(_)));
    assert_eq!(client.outstanding(), 0);
}

#[tokio::test]
async fn retries_are_new_transactions_of_the_same_age() {
    let (client, stage) = play(config(), |_, begin| match begin.subject.txn.sequence.0 {
        1 => Deed::Answer(Answer::Aborted(AbortReason::Conflict)),
        2 => Deed::Answer(Answer::Overloaded),
        3 => Deed::Answer(Answer::Aborted(AbortReason::Deadline)),
        _ => commit(),
    })
    .await;
    let outcome = client.run_with_retries(write()).await;
    assert!(outcome.is_committed());
    assert_eq!(outcome.attempts(), 4);
    let begins = stage.begins();
    let first = &begins[0].1;
    for (sequence, (_, begin)) in (1..).zip(&begins) {
        assert_eq!(begin.subject.txn.sequence, Sequence(sequence));
        assert_eq!(
            (begin.stamp, &begin.branches, begin.intent),
            (first.stamp, &first.branches, Intent::First)
        );
        assert_eq!(begin.watermark, Sequence(sequence));
    }
}

#[tokio::test]
async fn a_refusal_is_not_tried_again_and_a_conflict_only_until_the_deadline() {
    let refusal = Refusal {
        operation: 1,
        kind: RefusalKind::Bound,
        record: "course/CS101".parse().expect("valid"),
        field: None,
        member: None,
    };
    let (client, stage) = play(config(), move |_, begin| match begin.subject.txn.sequence.0 {
        1 => Deed::Answer(Answer::Aborted(AbortReason::Refused(refusal.clone()))),
        _ => Deed::Answer(Answer::Aborted(AbortReason::Conflict)),
    })
    .await;
    let Outcome::Aborted(abort) = client.run_with_retries(write()).await else { panic!("it is refused") };
    assert_eq!((abort.attempts, abort.reason.kind(), stage.begins().len()), (1, "bound", 1));
    let Outcome::Aborted(abort) = client.run_with_retries(write()).await else { panic!("it is aborted") };
    assert_eq!(abort.reason.kind(), "conflict");
    assert!(abort.attempts > 5);
    let outcome = client.submit(write().deadline(Duration::ZERO)).await;
    assert_eq!((not_executed(&outcome), client.outstanding()), (&NotExecuted::Late, 0));
}

#[tokio::test]
async fn a_session_that_the_cluster_has_ended_is_replaced() {
    let (client, stage) = play(config(), |_, begin| match begin.subject.txn.session {
        SessionId(101) => Deed::Answer(Answer::Aborted(AbortReason::Expired)),
        _ => commit(),
    })
    .await;
    let outcome = client.submit(write()).await;
    assert_eq!(outcome.id().map(ToString::to_string).as_deref(), Some("app:102:1"));
    assert!(outcome.is_committed());
    assert_eq!(client.session_id(), SessionId(102));
    assert_eq!(stage.begins().len(), 2);
}

#[tokio::test]
async fn expired_is_no_outcome_but_soon_believed_and_the_next_call_has_a_new_session() {
    let (client, stage) = play(config(), |_, begin| match begin.subject.txn.session {
        SessionId(101) => Deed::Answer(Answer::Expired),
        _ => commit(),
    })
    .await;
    let Outcome::Unknown(handle) = client.submit(write()).await else { panic!("Expired is no outcome") };
    assert_eq!((handle.doubt(), stage.begins().len()), (Doubt::Expired, 3));
    assert!(client.submit(write()).await.is_committed());
    assert_eq!(client.session_id(), SessionId(102));
}

#[tokio::test]
async fn a_read_has_nothing_to_be_uncertain_about() {
    let (client, stage) = play(config(), |_, begin| match begin.subject.txn.sequence.0 {
        1 => Deed::Silence,
        2 if begin.intent == Intent::First => Deed::Lose,
        2 => Deed::Answer(Answer::Committed(vec![(0, ReadResult::Count(5))])),
        _ => commit(),
    })
    .await;
    let read = || Transaction::new().read_count("course/CS101", "roster");
    assert_eq!(not_executed(&client.submit(read()).await), &NotExecuted::Unanswered);
    let Outcome::Committed(receipt) = client.submit(read()).await else { panic!("read again elsewhere") };
    assert_eq!(receipt.reads, [ReadResult::Count(5)]);
    assert_eq!(watermark_next(&client, &stage).await, 3);
}

#[tokio::test]
async fn a_call_that_is_dropped_is_settled_in_the_background() {
    let (client, stage) = play(config(), |_, begin| match begin.intent {
        Intent::Settle => Deed::Answer(Answer::Aborted(AbortReason::Abandoned)),
        _ if begin.subject.txn.sequence.0 == 1 => Deed::Silence,
        _ => commit(),
    })
    .await;
    let call = tokio::time::timeout(Duration::from_millis(20), client.submit(write()));
    assert!(call.await.is_err());
    while client.outstanding() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(stage.attempts().last().map(|last| (last.1, last.2)), Some((1, Intent::Settle)));
    assert_eq!(watermark_next(&client, &stage).await, 2);
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_allowed() {
    let mut narrow = config();
    narrow.requests_in_flight_max = 2;
    let (client, stage) = play(narrow, |_, _| Deed::Silence).await;
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.submit(write()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(stage.begins().len(), 2);
    let mut overloaded = 0;
    for call in calls {
        match call.await.expect("no panic") {
            Outcome::Unknown(_) => {}
            outcome => {
                assert_eq!(not_executed(&outcome), &NotExecuted::Overloaded);
                overloaded += 1;
            }
        }
    }
    assert_eq!(overloaded, 2);
}

#[tokio::test]
async fn an_id_that_is_not_ones_own_or_was_never_given_is_refused() {
    let (client, stage) = play(config(), |_, _| commit()).await;
    for id in ["other:101:1", "app:101:1", "app:7:0"] {
        let repeat = write().repeat_of(id.parse().expect("valid"));
        assert!(matches!(not_executed(&client.submit(repeat).await), NotExecuted::Invalid { .. }), "{id}");
    }
    let old = write().repeat_of("app:7:5000".parse().expect("valid"));
    assert!(client.submit(old).await.is_committed());
    assert_eq!((stage.attempts()[0].2, watermark(&stage)), (Intent::Repeat, 904));
}

#[tokio::test]
async fn closing_ends_the_session_unless_something_is_unresolved() {
    let closed = |stage: &Stage| {
        stage.sent().iter().any(|(_, message)| matches!(message, Message::CloseSession { .. }))
    };
    let (client, stage) = play(config(), |_, _| commit()).await;
    let kept = client.clone();
    assert!(client.submit(write()).await.is_committed());
    client.close().await;
    assert!(closed(&stage));
    assert_eq!(not_executed(&kept.submit(write()).await), &NotExecuted::Closed);

    let (client, stage) = play(config(), |_, _| Deed::Silence).await;
    let Outcome::Unknown(_handle) = client.submit(write()).await else { panic!("nobody answers") };
    let second = client.session().await.expect("granted");
    client.close().await;
    assert!(!closed(&stage));
    let kept = second.clone();
    let third = second.session().await.expect("granted");
    second.close().await;
    assert!(closed(&stage));
    assert_eq!(not_executed(&kept.submit(write()).await), &NotExecuted::Closed);
    let Outcome::Unknown(_handle) = third.submit(write()).await else { panic!("the connections are there") };
}

#[tokio::test]
async fn the_watermark_is_told_to_every_coordinator() {
    let (client, stage) = play(config(), |_, _| commit()).await;
    assert!(client.submit(write()).await.is_committed());
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let kept = Message::KeepSession { session: client.session_id(), watermark: Sequence(2) };
    let told: Vec<NodeId> =
        stage.sent().into_iter().filter(|(_, message)| *message == kept).map(|(node, _)| node).collect();
    assert_eq!(told, [ONE, TWO]);
}

#[tokio::test]
async fn what_is_not_confirmed_is_replayed_in_its_old_session() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("journal");
    let answers = |_: NodeId, begin: &Begin| match begin.subject.txn.sequence.0 {
        1 | 2 => commit(),
        3 => Deed::Answer(Answer::Overloaded),
        _ => Deed::Silence,
    };
    let (client, stage) = play_with_journal(&path, answers).await;
    let confirmed = client.submit(write()).await;
    let unconfirmed = client.submit(write().note("line 2")).await;
    assert!(confirmed.is_committed() && unconfirmed.is_committed());
    assert_eq!(watermark(&stage), 1, "an unconfirmed answer is outstanding");
    confirmed.confirm();
    confirmed.confirm();
    assert_eq!(not_executed(&client.submit(write()).await), &NotExecuted::Overloaded);
    let Outcome::Unknown(unknown) = client.submit(write()).await else { panic!("nobody answers") };
    assert_eq!(client.recovered().await.len(), 0);
    // All that the first process had is gone; only the journal is left.
    drop((client, unknown, confirmed, unconfirmed, stage));
    while assent_journal_in_use(&path) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let (client, stage) = play_with_journal(&path, |_, _| commit()).await;
    let recovered = client.recovered().await;
    assert!(recovered.iter().all(|one| one.outcome.is_committed()));
    let mut notes: Vec<&str> = recovered.iter().map(|one| one.note.as_str()).collect();
    notes.sort_unstable();
    assert_eq!(notes, ["", "line 2"]);
    assert_eq!(recovered[0].operations, write().operations());
    let mut attempts: Vec<_> = stage.begins().into_iter().map(|(_, begin)| begin).collect();
    attempts.sort_by_key(|begin| begin.subject.txn.sequence);
    let seen: Vec<_> = attempts
        .iter()
        .map(|begin| {
            (begin.subject.txn.session.0, begin.subject.txn.sequence.0, begin.watermark.0, begin.intent)
        })
        .collect();
    assert_eq!(seen, [(101, 2, 2, Intent::Repeat), (101, 4, 2, Intent::Repeat)]);
    recovered.iter().for_each(|one| one.outcome.confirm());
    client.close().await;
    drop((recovered, stage));
    while assent_journal_in_use(&path) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (client, stage) = play_with_journal(&path, |_, _| commit()).await;
    assert_eq!((client.recovered().await.len(), stage.begins().len()), (0, 0));
}

fn assent_journal_in_use(path: &std::path::Path) -> bool {
    let name = assent_protocol::ids::ClientName::new("app").expect("valid");
    matches!(crate::journal::Journal::open(path, &name), Err(crate::JournalError::InUse { .. }))
}

#[tokio::test]
async fn the_registrar_tells_refusals_in_its_own_words() {
    let (client, stage) = play(config(), |_, begin| {
        let steps = begin.branches.iter().flat_map(|branch| &branch.steps);
        let field = |value: i64| ReadResult::Field(Some(FieldContent::Value(Value::Int(value))));
        let reads: Vec<_> = steps
            .clone()
            .filter(|step| matches!(step.operation, Operation::Read { .. }))
            .map(|step| {
                let known = step.operation.record().as_str() != "student/nobody";
                (step.index, if known { field(30) } else { ReadResult::Field(None) })
            })
            .collect();
        let full = |step: &&assent_protocol::operation::Step| {
            matches!(&step.operation, Operation::Insert { record, .. } if record.as_str() == "course/FULL")
        };
        match steps.clone().find(full) {
            Some(step) => Deed::Answer(Answer::Aborted(AbortReason::Refused(Refusal {
                operation: step.index,
                kind: RefusalKind::Bound,
                record: step.operation.record().clone(),
                field: Some("roster".parse().expect("valid")),
                member: None,
            }))),
            None => Deed::Answer(Answer::Committed(reads)),
        }
    })
    .await;
    let registrar = Registrar::new(client);
    registrar.enroll("s17", &["CS101", "MA101"]).await.expect("there is room");
    let requests = stage.begins().len();
    assert_eq!(requests, 3, "the limits of the student, those of the courses, the enrolment");
    registrar.drop("s17", &["CS101"]).await.expect("enrolled");
    assert_eq!(stage.begins().len(), requests + 1, "limits are read once");
    let refused = |failure: Failure| match failure {
        Failure::Refused(refused) => refused,
        other => panic!("not a refusal: {other:?}"),
    };
    let full = registrar.enroll("s17", &["CS101", "FULL"]).await.expect_err("it is full");
    assert_eq!(refused(full), Refused::CourseFull { course: "FULL".to_owned() });
    let nobody = registrar.transfer("nobody", "A", "B").await.expect_err("there is no such student");
    assert_eq!(refused(nobody), Refused::UnknownStudent { student: "nobody".to_owned() });
    let invalid = registrar.enroll("", &["CS101"]).await.expect_err("no id");
    assert!(matches!(invalid, Failure::Aborted(abort) if abort.reason.kind() == "invalid"));
}

/// Not a benchmark: says when the client itself becomes slow, whatever the network.
#[tokio::test]
async fn one_thread_carries_tens_of_thousands_of_requests_a_second() {
    let (client, _) = play(config(), |_, _| commit()).await;
    let begun = Instant::now();
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..250 {
                    assert!(client.submit(write()).await.is_committed());
                }
            })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic");
    }
    let per_second = 16_000.0 / begun.elapsed().as_secs_f64();
    println!("{per_second:.0} requests a second");
    assert!(per_second > 10_000.0, "{per_second:.0} requests a second");
}
