//! Promises 1 and 3 when participants die: one at a time is killed and comes back. What was acknowledged is there, and
//! transactions that don't need it are never held up for longer than a coordinator waits for a vote.

use crate::{
    block_on,
    figures::Figures,
    load::{Call, Office, Serving},
    nodes::Nodes,
    random::Random,
    rounds, seed,
};
use assent_client::{Client, NodeId};
use assent_transport::Node;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Desks of every kind: 6 times as many sessions.
const DESKS: usize = 6;
/// How long a call may take.
const CALL: Duration = Duration::from_secs(10);
/// How long a coordinator waits for votes before it gives up: the default of `ClientConfig::prepare_deadline`.
const PREPARE_DEADLINE: Duration = Duration::from_secs(2);
/// What a noisy machine may add.
const SLACK: Duration = Duration::from_secs(3);
/// How long a killed participant stays away, in milliseconds: sometimes longer than the deadline.
const AWAY: (u64, u64) = (100, 3_000);
/// How long a participant may take to serve again.
const SERVES_WITHIN: Duration = Duration::from_secs(30);

/// Times of all rounds.
#[derive(Default)]
struct Times {
    /// Of calls that did not touch the dead participant: the longest of each round.
    longest_call: Figures,
    /// The longest time of each round in which none of them was committed.
    longest_gap: Figures,
    /// Until a client had a new session while the participant was dead.
    new_session: Figures,
    /// From the start of the participant's process until it was ready.
    ready: Figures,
    /// From the start of its process until a call that touches it was committed.
    first_success: Figures,
}

#[test]
fn nothing_acknowledged_is_lost() {
    let mut random = Random::new(seed("each_participant_killed_in_turn"));
    let nodes = Nodes::up();
    block_on(LocalSet::new().run_until(strike(&nodes, &mut random)));
}

async fn strike(nodes: &Nodes, random: &mut Random) {
    let client = nodes.connect(CALL).await;
    let participants: Vec<&Node> = nodes.cluster().participants().collect();
    let mut office = Office::open(&client, DESKS, random).await;
    let mut times = Times::default();
    let (mut committed, mut apart_committed, mut unknown) = (0, 0, 0);
    for round in 0..rounds() {
        let victim = participants[round % participants.len()];
        let serving = office.serve(None);
        tokio::time::sleep(random.millis(200, 700)).await;
        let killed = nodes.kill(&[victim]).await;
        let opened = new_session(&client).await;
        tokio::time::sleep(random.millis(AWAY.0, AWAY.1)).await;
        let started = Instant::now();
        nodes.start(&[victim]).await;
        let ready = Instant::now();
        let first = first_success(&serving, victim.id, started).await;
        tokio::time::sleep(random.millis(50, 300)).await;
        let (closed, calls) = serving.stop().await;
        office = closed;
        unknown += office.check().await;
        nodes.verify().await;

        let apart: Vec<&Call> = calls.iter().filter(|call| !call.touched.contains(&victim.id)).collect();
        times.longest_call.note(longest_call(&apart, killed, ready));
        times.longest_gap.note(longest_gap(&apart, killed, ready));
        times.new_session.note(opened);
        times.ready.note(ready - started);
        times.first_success.note(first - started);
        let during = |call: &&&Call| call.committed && call.began > killed && call.ended < ready;
        apart_committed += apart.iter().filter(during).count();
        committed += calls.iter().filter(|call| call.committed).count();
    }
    println!(
        "each participant killed in turn, {} times: {committed} commits, {unknown} outcomes unknown at first, all learnt",
        rounds()
    );
    println!("  others, meanwhile: {apart_committed} commits that did not touch the dead one");
    println!(
        "    longest call               {}, prepare deadline {} ms",
        times.longest_call,
        PREPARE_DEADLINE.as_millis()
    );
    println!("    longest time without one   {}", times.longest_gap);
    println!("    a new session              {}", times.new_session);
    println!("  start -> ready               {}", times.ready);
    println!("  start -> first success       {}", times.first_success);
    let bound = PREPARE_DEADLINE + SLACK;
    assert!(
        times.longest_call.max() < bound,
        "a call that did not touch the dead participant took longer than {bound:?}"
    );
    assert!(times.longest_gap.max() < bound, "for longer than {bound:?} the others committed nothing");
    client.close().await;
}

/// Opens a session, whichever participant is down, and closes it again.
async fn new_session(client: &Client) -> Duration {
    let began = Instant::now();
    let session = client.session().await.expect("the others grant sessions while one is down");
    let opened = began.elapsed();
    session.close().await;
    opened
}

/// When a call that touches the participant was committed for the first time since `since`.
async fn first_success(serving: &Serving, victim: NodeId, since: Instant) -> Instant {
    loop {
        let served =
            serving.calls(|call| call.committed && call.ended > since && call.touched.contains(&victim));
        if let Some(first) = served.iter().map(|call| call.ended).min() {
            return first;
        }
        assert!(since.elapsed() < SERVES_WITHIN, "node {victim} does not serve after {SERVES_WITHIN:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Of calls that were under way between two moments.
fn longest_call(calls: &[&Call], from: Instant, to: Instant) -> Duration {
    let during = calls.iter().filter(|call| call.ended > from && call.began < to);
    during.map(|call| call.ended - call.began).max().unwrap_or_default()
}

/// The longest time between two moments in which none of the calls was committed.
fn longest_gap(calls: &[&Call], from: Instant, to: Instant) -> Duration {
    let committed = calls.iter().filter(|call| call.committed).map(|call| call.ended);
    let mut moments: Vec<Instant> =
        committed.filter(|at| (from..to).contains(at)).chain([from, to]).collect();
    moments.sort();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
