//! Peers that do not belong here: each is refused with its own error, and no one else notices.

mod support;

use assent_protocol::ids::{NodeId, Peer};
use assent_transport::{Authority, Cluster, Dial, DialError, Identity, Principal, Refusal, Role};
use quinn::ConnectionError;
use std::{net::UdpSocket, sync::Arc, time::Duration};
use support::{C1, P1, P2, PATIENCE, Papers, Process, World};

/// A coordinator that answers, and a client that uses it.
async fn bystander(world: &World) -> (assent_transport::Endpoint, Process) {
    let coordinator = world.start(Role::Coordinator, "c1").await.serve();
    let mut client = world.client_of_c1("bystander").await;
    client.up().await;
    client.ask(Peer::Node(C1), 1).await;
    (coordinator, client)
}

/// Waits until dialling a node has failed for a reason other than silence.
async fn dial_error(process: &Process, node: NodeId) -> DialError {
    let waiting = async {
        loop {
            match process.endpoint.dial_error(node) {
                None | Some(DialError::Silent) => tokio::time::sleep(Duration::from_millis(5)).await,
                Some(error) => return error,
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("an error in time")
}

#[tokio::test]
async fn another_authority_is_refused_on_both_sides() {
    let world = World::new();
    let (_coordinator, mut client) = bystander(&world).await;
    let dir = tempfile::tempdir().expect("a directory");
    let foreign = Authority::create(dir.path()).expect("an authority");
    let (certificate, key) = foreign.issue_into(dir.path(), Role::Client, "mallory").expect("a certificate");

    let identity = Identity::load(&certificate, &key, foreign.certificate_path()).expect("valid by itself");
    let mut config = world.config(Role::Client, "alice");
    config.identity = identity;
    let mallory = Process::start(config).await;
    let error = dial_error(&mallory, C1).await;
    assert!(matches!(error, DialError::Untrusted(_)), "{error}");
    assert!(error.to_string().contains("same authority"), "{error}");

    // One that trusts this cluster, and shows a certificate that this cluster does not trust.
    let papers = Papers { certificate, key, authority: world.authority.certificate_path().to_owned() };
    let error = match papers.connect(world.address(C1), "assent/1").await {
        Err(error) => error,
        Ok(raw) => tokio::time::timeout(PATIENCE, raw.connection.closed()).await.expect("in time"),
    };
    assert!(matches!(&error, ConnectionError::ConnectionClosed(_)), "{error}");
    assert!(
        error.to_string().contains("certificate") || error.to_string().contains("cryptographic"),
        "{error}"
    );
    client.ask(Peer::Node(C1), 2).await;
}

#[tokio::test]
async fn a_name_or_role_that_the_cluster_does_not_know_is_refused() {
    let world = World::new();
    let (_coordinator, mut client) = bystander(&world).await;
    for (role, name) in [(Role::Coordinator, "c9"), (Role::Participant, "c1"), (Role::Coordinator, "p1")] {
        let raw =
            Papers::of(&world, role, name).connect(world.address(C1), "assent/1").await.expect("TLS agrees");
        let (code, reason) = raw.verdict().await;
        let expected = Refusal::NotInCluster(Principal::new(role, name).expect("a name"));
        assert_eq!((code, reason), (3, expected.to_string()));
    }
    client.ask(Peer::Node(C1), 2).await;
}

#[tokio::test]
async fn a_node_that_should_be_dialled_may_not_dial() {
    let world = World::new();
    let (_coordinator, mut client) = bystander(&world).await;
    let mut config = world.config(Role::Participant, "p2");
    config.dial = Dial::Nodes(vec![C1]);
    let participant = Process::start(config).await;
    let error = dial_error(&participant, C1).await;
    assert!(matches!(&error, DialError::RefusedThere { code: 4, .. }), "{error}");
    assert!(error.to_string().contains("does not dial this node"), "{error}");
    client.ask(Peer::Node(C1), 2).await;
}

#[tokio::test]
async fn a_node_at_another_nodes_address_is_refused() {
    let world = World::new();
    let _p1 = world.start(Role::Participant, "p1").await;
    // In this cluster file, the addresses of p1 and p2 are swapped.
    let mut nodes = world.cluster.nodes().to_vec();
    for node in &mut nodes {
        node.address = match node.id {
            P1 => world.address(P2),
            P2 => world.address(P1),
            _ => node.address,
        };
    }
    let mut config = world.config(Role::Coordinator, "c1");
    config.cluster = Arc::new(Cluster::new(&nodes, &std::collections::BTreeMap::new()).expect("valid"));
    let coordinator = Process::start(config).await;
    let principal = |name| Principal::new(Role::Participant, name).expect("a name");
    let expected = Refusal::WrongNode { expected: principal("p2"), found: principal("p1") };
    assert_eq!(dial_error(&coordinator, P2).await, DialError::Refused(expected));
}

#[tokio::test]
async fn another_protocol_version_is_refused_on_both_sides() {
    let world = World::new();
    let (_coordinator, mut client) = bystander(&world).await;
    let papers = Papers::of(&world, Role::Client, "alice");
    let Err(error) = papers.connect(world.address(C1), "assent/999").await else {
        panic!("no common protocol");
    };
    assert!(error.to_string().contains("known protocol"), "{error}");

    let _newer = Papers::of(&world, Role::Participant, "p1").listen(world.address(P1), "assent/999");
    let mut config = world.config(Role::Client, "bob");
    config.dial = Dial::Nodes(vec![P1]);
    let dialler = Process::start(config).await;
    assert_eq!(dial_error(&dialler, P1).await, DialError::Protocol("assent/1".to_owned()));
    client.ask(Peer::Node(C1), 2).await;
}

#[tokio::test]
async fn a_client_can_not_pose_as_a_node() {
    let world = World::new();
    let _impostor = Papers::of(&world, Role::Client, "p1").listen(world.address(P1), "assent/1");
    let mut config = world.config(Role::Client, "bob");
    config.dial = Dial::Nodes(vec![P1]);
    let dialler = Process::start(config).await;
    let error = dial_error(&dialler, P1).await;
    assert!(matches!(error, DialError::Untrusted(_)), "{error}");
}

#[tokio::test]
async fn random_bytes_to_the_port_disturb_nobody() {
    let world = World::new();
    let (_coordinator, mut client) = bystander(&world).await;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..3000_usize {
        let mut datagram = vec![0; 1 + round % 1400];
        for byte in &mut datagram {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            *byte = seed as u8;
        }
        // Half of them look like the first packet of a connection.
        if round % 2 == 0 && datagram.len() > 20 {
            datagram[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
        }
        socket.send_to(&datagram, world.address(C1)).expect("sent");
        if round % 500 == 0 {
            client.ask(Peer::Node(C1), round as u64).await;
        }
    }
    client.ask(Peer::Node(C1), 2).await;
    let mut newcomer = world.client_of_c1("alice").await;
    newcomer.up().await;
    newcomer.ask(Peer::Node(C1), 3).await;
}

#[tokio::test]
async fn one_client_too_many_is_refused_and_finds_its_place_later() {
    let world = World::new();
    let mut config = world.config(Role::Coordinator, "c1");
    config.clients_max = 1;
    let _coordinator = Process::start(config).await.serve();
    let mut first = world.client_of_c1("alice").await;
    first.up().await;
    let mut second = world.client_of_c1("bob").await;
    let error = dial_error(&second, C1).await;
    assert!(matches!(&error, DialError::RefusedThere { code: 6, .. }), "{error}");
    first.ask(Peer::Node(C1), 1).await;
    first.endpoint.close().await;
    second.up().await;
    second.ask(Peer::Node(C1), 1).await;
    assert_eq!(second.endpoint.dial_error(C1), None);
}
