//! What may be concluded when answers are lost, over a scripted participant.

use super::*;
use crate::nodes::script::{Deed, NODE, number_of, orders, play, received, request_of};
use assent_protocol::ids::Peer;
use assent_transport::Event;

fn place() -> (Position, LeaseId) {
    (Position(17), LeaseId { boot: 3, serial: 42 })
}

fn finished(result: Result<(), MailboxRefusal>) -> Deed {
    Deed::Answer(Message::Finished { request: 0, results: Ok(vec![result]) })
}

fn receiving(lease: Option<Duration>, wait_ms: u64) -> Receiving {
    Receiving { max: 10, lease, wait: Duration::from_millis(wait_ms) }
}

const LEASE: Option<Duration> = Some(Duration::from_secs(30));

#[tokio::test]
async fn an_acknowledgement_whose_answer_is_lost_is_repeated_and_absent_then_says_nothing() {
    let (nodes, stage) = play(|number, _| match number {
        0 => Deed::Lose,
        _ => finished(Err(MailboxRefusal::MessageAbsent)),
    });
    let error = nodes.finish(&orders(), &[place()], &Finish::Acknowledge).await.expect_err("who knows");
    assert_eq!(error, MailError::Gone);
    assert!(!error.is_definite());
    assert_eq!(stage.sent().len(), 2);
}

#[tokio::test]
async fn an_acknowledgement_whose_answer_is_lost_is_repeated_and_done_then_is_definite() {
    let (nodes, stage) = play(|number, _| if number == 0 { Deed::Lose } else { finished(Ok(())) });
    let done = nodes.finish(&orders(), &[place()], &Finish::Acknowledge).await;
    assert_eq!(done, Ok(vec![Ok(())]));
    assert_eq!(stage.sent().len(), 2);
}

#[tokio::test]
async fn what_is_given_back_is_so_whoever_has_it_now() {
    let (nodes, _) = play(|number, _| match number {
        0 => Deed::Lose,
        _ => finished(Err(MailboxRefusal::MessageAbsent)),
    });
    let how = Finish::Release { delay_ms: None, cause: None };
    assert_eq!(nodes.finish(&orders(), &[place()], &how).await, Ok(vec![Ok(())]));
}

#[tokio::test]
async fn an_acknowledgement_of_what_is_not_there_is_refused_at_the_first_try() {
    let (nodes, _) = play(|_, _| finished(Err(MailboxRefusal::MessageAbsent)));
    let done = nodes.finish(&orders(), &[place()], &Finish::Acknowledge).await;
    assert_eq!(done, Ok(vec![Err(MailboxRefusal::MessageAbsent)]));
}

#[tokio::test]
async fn a_lost_lease_stays_lost_however_often_it_is_asked() {
    let (nodes, _) = play(|number, _| match number {
        0 => Deed::Lose,
        _ => finished(Err(MailboxRefusal::LeaseLost)),
    });
    for how in [Finish::Acknowledge, Finish::Extend(1000)] {
        let done = nodes.finish(&orders(), &[place()], &how).await;
        assert_eq!(done, Ok(vec![Err(MailboxRefusal::LeaseLost)]));
    }
}

#[tokio::test]
async fn silence_is_not_definite_and_no_connection_is() {
    let (nodes, _) = play(|_, _| Deed::Silence);
    let error = nodes.finish(&orders(), &[place()], &Finish::Acknowledge).await.expect_err("no answer");
    assert!(matches!(error, MailError::Unknown(_)) && !error.is_definite());
    let (nodes, stage) = play(|_, _| Deed::Silence);
    stage.events.try_send(Event::Down { peer: Peer::Node(NODE) }).expect("there is room");
    let error = nodes.manage(&orders(), Manage::Purge(None)).await.expect_err("no connection");
    assert!(matches!(error, MailError::NotSent(_)) && error.is_definite());
    assert!(stage.sent().is_empty());
}

#[tokio::test]
async fn what_is_done_with_dead_letters_is_not_repeated_by_itself() {
    let (nodes, stage) = play(|_, _| Deed::Lose);
    let error = nodes.manage(&orders(), Manage::Purge(None)).await.expect_err("lost");
    assert!(matches!(error, MailError::Unknown(_)));
    assert_eq!(stage.sent().len(), 1);
}

#[tokio::test]
async fn who_receives_under_a_lease_asks_again_and_who_receives_for_good_is_told() {
    let script = |number, _: &Message| if number == 0 { Deed::Lose } else { received(2) };
    let (nodes, _) = play(script);
    let got = nodes.receive(&orders(), &receiving(LEASE, 5000)).await.expect("asked again");
    assert_eq!(got.len(), 2);
    let (nodes, stage) = play(script);
    let error = nodes.receive(&orders(), &receiving(None, 5000)).await.expect_err("they may be lost");
    assert!(matches!(error, MailError::Unknown(_)));
    assert_eq!(stage.sent().len(), 1);
}

#[tokio::test]
async fn messages_for_a_call_that_was_dropped_are_given_back() {
    let (nodes, stage) = play(|_, message| match message {
        Message::Receive(_) => Deed::Silence,
        _ => finished(Ok(())),
    });
    let (orders, asked) = (orders(), receiving(LEASE, 400));
    let call = tokio::time::timeout(Duration::from_millis(50), nodes.receive(&orders, &asked));
    assert!(call.await.is_err());
    let Deed::Answer(mut answer) = received(1) else { panic!("it is an answer") };
    number_of(&mut answer, request_of(&stage.sent()[0]));
    let event = Event::Messages {
        peer: Peer::Node(NODE),
        messages: vec![answer],
        arrived: std::time::Instant::now(),
    };
    stage.events.try_send(event).expect("there is room");
    let given_back = async {
        while stage.sent().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), given_back).await.expect("it is given back");
    let Message::Finish { deliveries, how, .. } = &stage.sent()[1] else { panic!("a release") };
    assert_eq!(deliveries, &[(Position(1), LeaseId { boot: 1, serial: 1 })]);
    assert_eq!(how, &Finish::Release { delay_ms: None, cause: None });
}

#[tokio::test]
async fn a_request_that_is_wrong_in_itself_is_not_sent() {
    let (nodes, stage) = play(|_, _| Deed::Silence);
    let none = Receiving { max: 0, lease: LEASE, wait: Duration::ZERO };
    let long = Receiving { max: 1, lease: Some(Duration::from_secs(13 * 3600)), wait: Duration::ZERO };
    for wrong in [none, long] {
        let error = nodes.receive(&orders(), &wrong).await.expect_err("it is wrong");
        assert!(matches!(error, MailError::Invalid(_)), "{error}");
    }
    let error = nodes.finish(&orders(), &[place()], &Finish::Extend(0)).await.expect_err("it is wrong");
    assert!(matches!(error, MailError::Invalid(_)));
    assert!(stage.sent().is_empty());
}
