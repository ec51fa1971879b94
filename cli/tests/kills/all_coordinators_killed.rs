//! Promise 3: with the participants up and connected, every transaction finishes by itself. All coordinators die at the
//! same moment, and no participant is started again.

use crate::{
    block_on,
    disk::DiskProbe,
    figures::Figures,
    load::Office,
    nodes::{Nodes, in_doubt},
    random::Random,
    rounds, seed,
};
use assent_client::{Client, InDoubt};
use assent_transport::Node;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
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

/// How the participants decided. All times are from the kill.
struct Decided {
    /// Votes without an outcome at the first look, summed over the participants.
    votes: usize,
    /// Until none of these was left.
    votes_after: Duration,
    /// Transactions that were queued at the first look: they vote once those before them are decided, or give up.
    queued: usize,
    /// Until no vote at all was left, and nothing was queued.
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
    let (mut votes_after, mut all_after) = (Figures::default(), Figures::default());
    let disk = DiskProbe::start();
    let mut slowest = (Duration::ZERO, Duration::ZERO);
    let (mut votes, mut queued, mut committed, mut unknown) = (0, 0, 0, 0);
    for round in 1..=rounds() {
        let serving = office.serve(Some(DEADLINES));
        // Opens the connections over which the first look goes out at once.
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
        votes += decided.votes;
        queued += decided.queued;
        if decided.votes > 0 {
            votes_after.note(decided.votes_after);
        }
        all_after.note(decided.all_after);
        slowest = slowest.max((decided.all_after, disk.longest(killed, killed + decided.all_after)));
    }
    assert_eq!(participants(), first_participants, "a participant was started again");
    assert!(votes > 0, "nothing was in doubt at any kill: the test shows nothing");
    println!(
        "all coordinators killed {} times: {committed} commits, {unknown} outcomes unknown at first, all learnt",
        rounds()
    );
    println!("  in doubt at the kills            {votes} votes, and {queued} queued transactions");
    println!("  kill -> all these votes resolved {votes_after}, target p99 {} ms", TARGET.as_millis());
    println!("  kill -> nothing undecided        {all_after}");
    println!("  longest fdatasync of another file in the slowest round: {} ms", slowest.1.as_millis());
    client.close().await;
}

/// Looks until everything is decided.
async fn watch(client: &Client, killed: Instant) -> Decided {
    let first = in_doubt(client).await;
    let held = |(node, one): &(String, InDoubt)| (node.clone(), one.subject.clone());
    let votes: BTreeSet<_> = first.iter().filter(|(_, one)| !one.queued).map(held).collect();
    let mut decided = Decided {
        votes: votes.len(),
        votes_after: killed.elapsed(),
        queued: first.len() - votes.len(),
        all_after: killed.elapsed(),
    };
    let mut undecided = first;
    let mut empty = 0;
    while empty < EMPTY_LOOKS {
        let (votes_left, any_left) =
            (undecided.iter().any(|one| votes.contains(&held(one))), !undecided.is_empty());
        tokio::time::sleep(LOOK_EVERY).await;
        undecided = in_doubt(client).await;
        let after = killed.elapsed();
        // What the last look still found was decided between that one and this one at the latest.
        if votes_left {
            decided.votes_after = after;
        }
        if any_left {
            decided.all_after = after;
        }
        empty = if undecided.is_empty() { empty + 1 } else { 0 };
        assert!(after < BOUND, "{after:?} after the kill there is still in doubt: {undecided:#?}");
    }
    decided
}
