//! Peers that come and go: each end is noticed, each return is found.

mod support;

use assent_protocol::ids::Peer;
use assent_transport::{Endpoint, Event, Role};
use std::time::{Duration, Instant};
use support::{C1, Killable, P1, Process, World};

#[tokio::test]
async fn a_killed_peer_is_noticed_soon() {
    let world = World::new();
    let mut patient = world.config(Role::Participant, "p1");
    patient.idle_timeout = Duration::from_millis(500);
    let killable = Killable::start(patient).await;
    let mut coordinator = world.start(Role::Coordinator, "c1").await;
    assert_eq!(coordinator.up().await, Peer::Node(P1));
    killable.kill();
    let killed = Instant::now();
    assert_eq!(coordinator.down().await, Peer::Node(P1));
    println!("noticed after {:?}", killed.elapsed());
    // 600 ms where processes get their turn; what is excluded here is that nobody notices.
    assert!(killed.elapsed() < Duration::from_secs(15), "noticed only after {:?}", killed.elapsed());
}

#[tokio::test]
async fn a_restarted_listener_ends_old_connections_at_once() {
    let world = World::new();
    // With an idle timeout that no test waits for, only a stateless reset can end the connection.
    let forever = |role, name| {
        let mut config = world.config(role, name);
        config.idle_timeout = Duration::from_secs(600);
        config
    };
    let killable = Killable::start(forever(Role::Participant, "p1")).await;
    let mut coordinator = Process::start(forever(Role::Coordinator, "c1")).await;
    assert_eq!(coordinator.up().await, Peer::Node(P1));
    killable.kill();
    let _restarted = Killable::start(forever(Role::Participant, "p1")).await;
    assert_eq!(coordinator.down().await, Peer::Node(P1));
    assert_eq!(coordinator.up().await, Peer::Node(P1));
}

#[tokio::test]
async fn a_restarted_dialler_replaces_its_old_connection() {
    let world = World::new();
    let forever = |role, name| {
        let mut config = world.config(role, name);
        config.idle_timeout = Duration::from_secs(600);
        config
    };
    let mut participant = Process::start(forever(Role::Participant, "p1")).await;
    let killable = Killable::start(forever(Role::Coordinator, "c1")).await;
    assert_eq!(participant.up().await, Peer::Node(C1));
    killable.kill();
    let _restarted = Killable::start(forever(Role::Coordinator, "c1")).await;
    assert_eq!(participant.down().await, Peer::Node(C1));
    assert_eq!(participant.up().await, Peer::Node(C1));
}

#[tokio::test]
async fn the_older_of_two_connections_of_a_node_gives_way() {
    let world = World::new();
    let mut participant = world.start(Role::Participant, "p1").await;
    let papers = support::Papers::of(&world, Role::Coordinator, "c1");
    let mut raws = Vec::new();
    for round in 0..5 {
        let raw = papers.connect(world.address(P1), "assent/1").await.expect("connected");
        raw.open().await;
        if round > 0 {
            assert_eq!(participant.event().await, Event::Down { peer: Peer::Node(C1) });
        }
        let up = Event::Up { peer: Peer::Node(C1), role: Role::Coordinator, name: "c1".to_owned() };
        assert_eq!(participant.event().await, up);
        raws.push(raw);
    }
    assert_eq!(raws[0].verdict().await.0, 1);
}

#[tokio::test]
async fn a_node_that_comes_back_is_found_again() {
    let world = World::new();
    let mut config = world.config(Role::Coordinator, "c1");
    config.idle_timeout = Duration::from_millis(500);
    let mut coordinator = Process::start(config).await;
    for away_ms in [0, 300, 2000] {
        let killable = Killable::start(world.config(Role::Participant, "p1")).await;
        let back = Instant::now();
        assert_eq!(coordinator.up().await, Peer::Node(P1));
        println!("found {:?} after it came back from {away_ms} ms away", back.elapsed());
        killable.kill();
        assert_eq!(coordinator.down().await, Peer::Node(P1));
        tokio::time::sleep(Duration::from_millis(away_ms)).await;
    }
}

#[tokio::test]
async fn clients_find_a_coordinator_that_comes_back_and_get_new_numbers() {
    let world = World::new();
    let mut client = world.client_of_c1("alice").await;
    for _ in 0..3 {
        let mut coordinator = world.start(Role::Coordinator, "c1").await;
        assert_eq!(client.up().await, Peer::Node(C1));
        assert_eq!(coordinator.up().await, Peer::Client(1));
        coordinator.endpoint.close().await;
        assert_eq!(client.down().await, Peer::Node(C1));
    }
    let mut coordinator = world.start(Role::Coordinator, "c1").await;
    assert_eq!(client.up().await, Peer::Node(C1));
    assert_eq!(coordinator.up().await, Peer::Client(1));
    let mut other = world.client_of_c1("alice").await;
    other.up().await;
    assert_eq!(coordinator.up().await, Peer::Client(2));
    other.endpoint.close().await;
    assert_eq!(coordinator.down().await, Peer::Client(2));
    let mut third = world.client_of_c1("alice").await;
    third.up().await;
    assert_eq!(coordinator.up().await, Peer::Client(3));
}

#[tokio::test]
async fn dropping_the_events_ends_the_endpoint() {
    let world = World::new();
    let (endpoint, events) = Endpoint::start(world.config(Role::Coordinator, "c1")).await.expect("it starts");
    let mut client = world.client_of_c1("alice").await;
    client.up().await;
    drop(events);
    assert_eq!(client.down().await, Peer::Node(C1));
    drop(endpoint);
}
