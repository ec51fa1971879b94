//! Promise 3: with the participants up and connected, every transaction finishes by itself. All coordinators die at the
//! same moment, and no participant is started again.

use crate::{
    block_on,
    figures::Figures,
    load::Office,
    nodes::{Nodes, in_doubt},
    random::Random,
    rounds, seed,
};
use assent_client::Client;
use assent_transport::Node;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Desks of every kind: 6 times as many sessions.
const DESKS: usize = 8;
/// Deadlines of calls, in milliseconds: some end before the coordinators are back, and some after.
const DEADLINES: (u64, u64) = (150, 3_000);
/// Between two looks at what is in doubt.
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// Looks in a row that must find nothing.
const EMPTY_LOOKS: usize = 5;
/// What p99 should be. Printed beside it.
const TARGET: Duration = Duration::from_millis(500);
/// What no machine may need.
const BOUND: Duration = Duration::from_secs(30);

/// How the participants decided.
struct Decided {
    /// Undecided transactions on which somebody had voted, at the most, summed over the participants.
    voted: usize,
    /// From the kill until none of these was left.
    voted_after: Duration,
    /// From the kill until nothing was queued either.
    all_after: Duration,
}

#[test]
fn participants_decide_among_themselves() {
    let mut random = Random::new(seed("all_coordinators_killed"));
    let nodes = Nodes::up();
    block_on(LocalSet::new().run_until(strike(&nodes, &mut random)));
}

async fn strike(nodes: &Nodes, random: &mut Random) {
    let client = nodes.connect(Duration::from_secs(5)).await;
    let coordinators: Vec<&Node> = nodes.cluster().coordinators().collect();
    let participants = || nodes.cluster().participants().map(|node| nodes.pid(node)).collect::<Vec<_>>();
    let first_participants = participants();
    let mut office = Office::open(&client, DESKS, random).await;
    let (mut voted_after, mut all_after) = (Figures::default(), Figures::default());
    let (mut voted, mut committed, mut unknown) = (0, 0, 0);
    for round in 1..=rounds() {
        let serving = office.serve(Some(DEADLINES));
        // Opens the connections that are needed later.
        in_doubt(&client).await;
        tokio::time::sleep(random.millis(100, 600)).await;
        let killed = nodes.kill(&coordinators).await;
        let decided = watch(&client, killed).await;
        nodes.start(&coordinators).await;
        tokio::time::sleep(random.millis(50, 300)).await;
        let (closed, calls) = serving.stop().await;
        office = closed;
        unknown += office.check().await;
        nodes.verify().await;

        let before = calls.iter().filter(|call| call.committed && call.ended < killed).count();
        let after = calls.iter().filter(|call| call.committed && call.began > killed).count();
        assert!(before > 0, "round {round}: nothing was committed before the kill");
        committed += before + after;
        voted += decided.voted;
        if decided.voted > 0 {
            voted_after.note(decided.voted_after);
        }
        all_after.note(decided.all_after);
    }
    assert_eq!(participants(), first_participants, "a participant was started again");
    assert!(voted > 0, "nothing was in doubt at any kill: the test shows nothing");
    println!("all coordinators killed, {} times: {committed} commits, {unknown} outcomes unknown at first, all learnt", rounds());
    println!("  in doubt at the kill         {voted} votes in all");
    println!("  kill -> last vote resolved   {voted_after}, target p99 {} ms", TARGET.as_millis());
    println!("  kill -> nothing queued       {all_after}");
    client.close().await;
}

/// Looks until everything is decided.
async fn watch(client: &Client, killed: Instant) -> Decided {
    let mut decided = Decided { voted: 0, voted_after: Duration::ZERO, all_after: Duration::ZERO };
    let (mut voted_before, mut any_before, mut empty) = (true, true, 0);
    while empty < EMPTY_LOOKS {
        let undecided = in_doubt(client).await;
        let after = killed.elapsed();
        let voted = undecided.iter().filter(|(_, one)| !one.queued).count();
        // The first look that finds none is when they are known to be resolved: a queued one may vote yet.
        if voted == 0 && voted_before {
            decided.voted_after = after;
        }
        if undecided.is_empty() && any_before {
            decided.all_after = after;
        }
        (voted_before, any_before) = (voted > 0, !undecided.is_empty());
        empty = if undecided.is_empty() { empty + 1 } else { 0 };
        decided.voted = decided.voted.max(voted);
        assert!(after < BOUND, "{after:?} after the kill there is still in doubt: {undecided:#?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    decided
}
