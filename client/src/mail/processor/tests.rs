//! What becomes of one message, by how its function and its transaction end.

use super::*;
use crate::{
    mail::NewMessage,
    nodes::script as mailbox,
    script::{self, Deed},
};
use assent_protocol::{
    message::{Begin, Intent, Message},
    operation::Operation,
    outcome::{AbortReason, Answer, Refusal, RefusalKind},
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was seen of the work on one message.
struct Seen {
    figures: ProcessorFigures,
    begins: Vec<Begin>,
    /// How the delivery was finished without a transaction.
    finished: Vec<Finish>,
}

fn committed() -> Deed {
    Deed::Answer(Answer::Committed(Vec::new()))
}

fn refused(operation: u16, kind: RefusalKind) -> Deed {
    let record = mailbox::orders().record().clone();
    let refusal = Refusal { operation, kind, record, field: None, member: None };
    Deed::Answer(Answer::Aborted(AbortReason::Refused(refusal)))
}

/// Processes one message; the script says what becomes of each request, counted from 0.
async fn process<R>(
    script: impl Fn(usize, &Begin) -> Deed + Send + Sync + 'static,
    function: impl Fn(Delivery, Transaction) -> R + Send + Sync + 'static,
) -> Seen
where
    R: Future<Output = Result<Transaction, String>> + Send + 'static,
{
    let count = AtomicUsize::new(0);
    let (client, stage) =
        script::play(script::config(), move |_, begin| script(count.fetch_add(1, Ordering::SeqCst), begin))
            .await;
    let (nodes, participant) = mailbox::play(|number, message| match message {
        Message::Receive(_) if number == 0 => mailbox::received(1),
        Message::Receive(_) => mailbox::Deed::Silence,
        _ => mailbox::Deed::Answer(Message::Finished { request: 0, results: Ok(vec![Ok(())]) }),
    });
    let config = ProcessorConfig { deadline: Duration::from_millis(400), ..ProcessorConfig::default() };
    let processor = Processor::start(&client.with_nodes(nodes), mailbox::orders(), config, function);
    let processor = processor.expect("a good name");
    let ended = |figures: &ProcessorFigures| {
        figures.processed + figures.failed + figures.lost + figures.unsettled > 0
    };
    let waited = timeout(Duration::from_secs(60), async {
        while !ended(&processor.figures()) {
            sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("the message comes to an end");
    let figures = processor.shut_down().await;
    let finished = |message: Message| match message {
        Message::Finish { how, .. } => Some(how),
        _ => None,
    };
    let finished = participant.sent().into_iter().filter_map(finished).collect();
    Seen { figures, begins: stage.begins().into_iter().map(|(_, begin)| begin).collect(), finished }
}

async fn add(_: Delivery, transaction: Transaction) -> Result<Transaction, String> {
    Ok(transaction.add("student/s1", "n", 1, ..).send(NewMessage::new("parcels", "x")))
}

fn acknowledges(begin: &Begin) -> usize {
    let steps = begin.branches.iter().flat_map(|branch| &branch.steps);
    steps.filter(|step| matches!(step.operation, Operation::Acknowledge { .. })).count()
}

#[tokio::test]
async fn what_the_function_does_is_committed_with_the_acknowledgement() {
    let seen = process(|_, _| committed(), add).await;
    assert_eq!((seen.figures.received, seen.figures.processed, seen.figures.running), (1, 1, 0));
    assert_eq!(seen.begins.len(), 1);
    assert_eq!(acknowledges(&seen.begins[0]), 1);
    assert!(seen.finished.is_empty(), "nothing is finished besides: {:?}", seen.finished);
}

#[tokio::test]
async fn a_function_that_begins_a_transaction_of_its_own_acknowledges_all_the_same() {
    let own = |_: Delivery, _: Transaction| async { Ok(Transaction::new().set("student/s1", "n", 1)) };
    let seen = process(|_, _| committed(), own).await;
    assert_eq!((seen.figures.processed, acknowledges(&seen.begins[0])), (1, 1));
}

#[tokio::test]
async fn conflicts_and_a_full_outbox_are_tried_again_with_the_age_of_the_first_try() {
    let seen = process(
        |number, _| match number {
            0 => Deed::Answer(Answer::Aborted(AbortReason::Conflict)),
            1 => refused(2, RefusalKind::OutboxFull),
            2 => Deed::Answer(Answer::Overloaded),
            _ => committed(),
        },
        add,
    )
    .await;
    assert_eq!((seen.figures.processed, seen.figures.failed, seen.begins.len()), (1, 0, 4));
    assert!(seen.begins.iter().all(|begin| begin.stamp == seen.begins[0].stamp));
    assert!(seen.figures.retried >= 3, "{:?}", seen.figures);
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_before_anything_else() {
    for committed_after_all in [true, false] {
        let seen = process(
            move |_, begin| match (begin.subject.txn.sequence.0, begin.intent) {
                (1, Intent::Settle) if committed_after_all => committed(),
                (1, Intent::Settle) => Deed::Answer(Answer::Aborted(AbortReason::Abandoned)),
                (1, _) => Deed::Answer(Answer::Unknown),
                _ => committed(),
            },
            add,
        )
        .await;
        assert_eq!((seen.figures.processed, seen.figures.failed), (1, 0), "{:?}", seen.figures);
        let last = seen.begins.last().expect("it was tried").subject.txn.sequence.0;
        assert_eq!(last, if committed_after_all { 1 } else { 2 });
        let first_again = seen.begins.iter().position(|begin| begin.subject.txn.sequence.0 == 2);
        let settled = seen.begins.iter().position(|begin| begin.intent == Intent::Settle);
        assert!(first_again.is_none_or(|again| settled.is_some_and(|settled| settled < again)));
    }
}

#[tokio::test]
async fn a_message_that_another_one_has_is_left_alone() {
    for kind in [RefusalKind::LeaseLost, RefusalKind::MessageAbsent, RefusalKind::ForeignLease] {
        let seen = process(move |_, _| refused(0, kind), add).await;
        assert_eq!((seen.figures.lost, seen.figures.failed, seen.figures.processed), (1, 0, 0));
        assert!(seen.finished.is_empty(), "{:?}", seen.finished);
    }
}

#[tokio::test]
async fn a_stale_version_calls_the_function_again_and_any_other_refusal_is_a_failure() {
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let counting = move |delivery: Delivery, transaction: Transaction| {
        called.fetch_add(1, Ordering::SeqCst);
        add(delivery, transaction)
    };
    let stale = |number, _: &Begin| if number < 2 { refused(1, RefusalKind::Version) } else { committed() };
    let seen = process(stale, counting).await;
    assert_eq!((seen.figures.processed, seen.figures.reruns), (1, 2));
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert!(seen.begins.iter().all(|begin| begin.stamp == seen.begins[0].stamp));

    let seen = process(|_, _| refused(1, RefusalKind::Bound), add).await;
    assert_eq!((seen.figures.failed, seen.begins.len()), (1, 1));
    let [Finish::Release { delay_ms: None, cause: Some(cause) }] = &seen.finished[..] else {
        panic!("it is given back with its cause: {:?}", seen.finished)
    };
    assert!(cause.contains("the bound would be broken"), "{cause}");
    assert!(seen.figures.last_failure.is_some_and(|failure| failure.contains("bound")));
}

#[tokio::test]
async fn a_function_that_fails_or_panics_gives_the_message_back_and_commits_nothing() {
    let fails = |_: Delivery, _: Transaction| async { Err("it does not like it".to_owned()) };
    let seen = process(|_, _| committed(), fails).await;
    assert_eq!((seen.figures.failed, seen.begins.len()), (1, 0));
    let cause = Some("it does not like it".to_owned());
    assert_eq!(seen.finished, [Finish::Release { delay_ms: None, cause }]);

    let panics = |_: Delivery, transaction: Transaction| async move {
        if !transaction.operations().is_empty() {
            panic!("on purpose");
        }
        Ok(transaction)
    };
    let seen = process(|_, _| committed(), panics).await;
    assert_eq!((seen.figures.failed, seen.begins.len(), seen.figures.running), (1, 0, 0));
}

#[tokio::test]
async fn leases_are_extended_while_the_function_runs() {
    let (client, _) = script::play(script::config(), |_, _| committed()).await;
    let (nodes, participant) = mailbox::play(|number, message| match message {
        Message::Receive(_) if number == 0 => mailbox::received(1),
        Message::Receive(_) => mailbox::Deed::Silence,
        _ => mailbox::Deed::Answer(Message::Finished { request: 0, results: Ok(vec![Ok(())]) }),
    });
    let config = ProcessorConfig { lease: Duration::from_millis(60), ..ProcessorConfig::default() };
    let extended = {
        let participant = participant.clone();
        move || participant.sent().iter().filter(|message| matches!(message, Message::Finish { .. })).count()
    };
    let enough = extended.clone();
    let function = move |_: Delivery, transaction: Transaction| {
        let enough = enough.clone();
        async move {
            while enough() < 3 {
                sleep(Duration::from_millis(5)).await;
            }
            Ok::<_, String>(transaction)
        }
    };
    let processor = Processor::start(&client.with_nodes(nodes), mailbox::orders(), config, function);
    let processor = processor.expect("a good name");
    let done = timeout(Duration::from_secs(60), async {
        while processor.figures().processed == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    });
    done.await.expect("it ends once it was extended three times");
    processor.shut_down().await;
    assert!(extended() >= 3);
    for message in participant.sent() {
        if let Message::Finish { how, .. } = message {
            assert_eq!(how, Finish::Extend(60));
        }
    }
}
