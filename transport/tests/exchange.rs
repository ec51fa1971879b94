//! Peers that behave: what is sent arrives, in order, and nothing more is taken than there is room for.

mod support;

use assent_protocol::{
    ids::{ClientName, Peer, Sequence, SessionId, Stamp, TxnId},
    mail::{Draft, Envelope, Mailbox, MessageId, StreamSequence},
    message::{Message, Query, Reply},
};
use assent_transport::{Dial, Endpoint, Event, Role, SendError, TransportError};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use support::{C1, C2, P1, P2, Process, World, query, reply};

#[tokio::test]
async fn two_endpoints_exchange_frames() {
    let world = World::new();
    let mut coordinator = world.start(Role::Coordinator, "c1").await;
    let mut client = world.client_of_c1("alice").await;
    let up = client.event().await;
    assert_eq!(up, Event::Up { peer: Peer::Node(C1), role: Role::Coordinator, name: "c1".to_owned() });
    let up = coordinator.event().await;
    assert_eq!(up, Event::Up { peer: Peer::Client(1), role: Role::Client, name: "alice".to_owned() });

    client.endpoint.send(Peer::Node(C1), &query(7)).expect("connected");
    assert_eq!(coordinator.message().await, (Peer::Client(1), query(7)));
    coordinator.endpoint.send(Peer::Client(1), &reply(7, "yes")).expect("connected");
    assert_eq!(client.message().await, (Peer::Node(C1), reply(7, "yes")));
}

#[tokio::test]
async fn a_mesh_has_one_connection_per_pair() {
    let world = World::new();
    let mut nodes = [
        world.start(Role::Participant, "p2").await,
        world.start(Role::Coordinator, "c2").await,
        world.start(Role::Participant, "p1").await,
        world.start(Role::Coordinator, "c1").await,
    ];
    let ids = [P2, C2, P1, C1];
    for (node, own) in nodes.iter_mut().zip(ids) {
        let mut seen: Vec<Peer> = Vec::new();
        while seen.len() < 3 {
            match node.event().await {
                Event::Up { peer, .. } => seen.push(peer),
                other => panic!("nothing but Up is expected, not {other:?}"),
            }
        }
        seen.sort();
        let mut others: Vec<Peer> = ids.into_iter().filter(|id| *id != own).map(Peer::Node).collect();
        others.sort();
        assert_eq!(seen, others);
    }
}

#[tokio::test]
async fn coalescing_keeps_order() {
    let world = World::new();
    let mut coordinator = world.start(Role::Coordinator, "c1").await;
    let mut client = world.client_of_c1("alice").await;
    client.up().await;
    let count = 100_000;
    let mut next = 0;
    for burst in (0..count).step_by(1000) {
        for request in burst..burst + 1000 {
            client.endpoint.send(Peer::Node(C1), &query(request)).expect("there is room");
        }
        while next < burst {
            assert_eq!(coordinator.message().await.1, query(next));
            next += 1;
        }
    }
    while next < count {
        assert_eq!(coordinator.message().await.1, query(next));
        next += 1;
    }
}

#[tokio::test]
async fn a_large_frame_does_not_hold_up_small_ones() {
    let world = World::new();
    let mut coordinator = world.start(Role::Coordinator, "c1").await;
    let mut client = world.client_of_c1("alice").await;
    client.up().await;
    let peer = coordinator.up().await;
    let large = "x".repeat(7 * 1024 * 1024);
    for request in [1, 2] {
        coordinator.endpoint.send(peer, &reply(request, &large)).expect("there is room");
    }
    coordinator.endpoint.send(peer, &reply(3, "small")).expect("there is room");
    let mut order = Vec::new();
    for _ in 0..3 {
        let (_, Message::Reply { request, reply: Reply::Refused(text) }) = client.message().await else {
            panic!("only replies were sent");
        };
        assert_eq!(text.len(), if request == 3 { 5 } else { large.len() }, "each arrives whole");
        order.push(request);
    }
    assert_eq!(order, [3, 1, 2]);
}

/// One message of a stream, of this many bytes.
fn relay(number: u64, bytes: usize) -> Message {
    let client = ClientName::new("alice").expect("a name");
    let txn = TxnId { client, session: SessionId(1), sequence: Sequence(number) };
    let mailbox = Mailbox::new("orders").expect("a name");
    let draft = Draft {
        mailbox: mailbox.clone(),
        key: None,
        headers: BTreeMap::new(),
        payload: vec![7; bytes],
        delay_ms: 0,
    };
    let id = MessageId { txn, operation: 0 };
    let envelopes = vec![Envelope { id, sent: Stamp(1), draft: Arc::new(draft) }];
    Message::Relay { mailbox, acked: StreamSequence(0), first: StreamSequence(number), envelopes }
}

#[tokio::test]
async fn relayed_messages_keep_their_order_whatever_their_sizes() {
    let world = World::new();
    let mut source = world.start(Role::Participant, "p1").await;
    let mut target = world.start(Role::Participant, "p2").await;
    source.up().await;
    target.up().await;
    // More than what QUIC sends at once: the small ones would arrive first.
    let size = |number: u64| if number % 4 == 3 { 10 } else { 256 * 1024 };
    for number in 1..=40 {
        source.endpoint.send(Peer::Node(P2), &relay(number, size(number))).expect("there is room");
    }
    for number in 1..=40 {
        assert_eq!(target.message().await, (Peer::Node(P1), relay(number, size(number))));
    }
}

#[tokio::test]
async fn a_full_buffer_is_overloaded_and_loses_nothing() {
    let world = World::new();
    let mut config = world.config(Role::Coordinator, "c1");
    config.events_max = 1;
    let mut coordinator = Process::start(config).await;
    let mut client = world.client_of_c1("alice").await;
    client.up().await;
    let large = |request| Message::Query {
        request,
        query: Query::Scan { table: Some("x".repeat(10_000)), after: None },
    };
    let mut taken = 0;
    let refused = loop {
        // The coordinator takes no events meanwhile, so QUIC holds the client back, and its buffer fills.
        match client.endpoint.send(Peer::Node(C1), &large(taken)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        if taken.is_multiple_of(100) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert_eq!(refused, SendError::Overloaded);
    for request in 0..taken {
        assert_eq!(coordinator.message().await.1, large(request));
    }
    client.endpoint.send(Peer::Node(C1), &large(taken)).expect("there is room again");
    assert_eq!(coordinator.message().await.1, large(taken));
}

#[tokio::test]
async fn nothing_is_sent_to_the_unconnected_or_against_the_role_table() {
    let world = World::new();
    let _coordinator = world.start(Role::Coordinator, "c1").await;
    let mut client = world.client_of_c1("alice").await;
    assert_eq!(client.endpoint.send(Peer::Node(C2), &query(1)), Err(SendError::NotConnected));
    assert_eq!(client.endpoint.send(Peer::Client(1), &query(1)), Err(SendError::NotConnected));
    client.up().await;
    assert_eq!(client.endpoint.send(Peer::Node(C1), &reply(1, "no")), Err(SendError::Forbidden));
}

#[tokio::test]
async fn what_was_sent_before_close_arrives() {
    let world = World::new();
    let mut coordinator = world.start(Role::Coordinator, "c1").await;
    let mut client = world.client_of_c1("alice").await;
    client.up().await;
    for request in 0..10_000 {
        client.endpoint.send(Peer::Node(C1), &query(request)).expect("there is room");
    }
    client.endpoint.close().await;
    assert_eq!(client.endpoint.send(Peer::Node(C1), &query(0)), Err(SendError::NotConnected));
    for request in 0..10_000 {
        assert_eq!(coordinator.message().await.1, query(request));
    }
    assert_eq!(coordinator.down().await, Peer::Client(1));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let world = World::new();
    let _first = world.start(Role::Coordinator, "c1").await;
    let second = Endpoint::start(world.config(Role::Coordinator, "c1")).await;
    let Err(error @ TransportError::Listen { .. }) = second.map(|_| ()) else {
        panic!("the port is in use");
    };
    assert!(error.to_string().contains(&world.address(C1).to_string()), "{error}");
}

#[tokio::test]
async fn a_configuration_that_contradicts_itself_does_not_start() {
    let world = World::new();
    let refused = async |change: fn(&mut assent_transport::EndpointConfig)| {
        let mut config = world.config(Role::Coordinator, "c1");
        change(&mut config);
        Endpoint::start(config).await.map(|_| ()).expect_err("it contradicts itself").to_string()
    };
    assert!(refused(|c| c.idle_timeout = c.keep_alive).await.contains("idle_timeout"));
    assert!(refused(|c| c.mtu_bytes_max = 9000).await.contains("6,500"));
    assert!(refused(|c| c.buffer_bytes_max = 1).await.contains("buffer_bytes_max"));
    assert!(
        refused(|c| c.dial = Dial::Nodes(vec![assent_protocol::ids::NodeId(99)])).await.contains("node 99")
    );
}
