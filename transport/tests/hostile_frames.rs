//! Peers with genuine certificates that send what no peer sends: the connection ends with a clear error, others go on.

mod support;

use assent_protocol::{
    codec::FRAME_BYTES_MAX,
    ids::{ClientName, Digest, Incarnation, NodeId, Peer, Sequence, SessionId, Sponsor, Subject, TxnId},
    mail::{LeaseId, Mailbox, Position, StreamSequence},
    message::{Finish, Message, Receive},
};
use assent_transport::{Role, URGENT_FRAME_BYTES_MAX};
use support::{C1, P1, Papers, Process, Raw, RawStreams, World, frame, query};

/// Coordinator c1 with a client that uses it, and a hostile client.
struct Scene {
    world: World,
    bystander: Process,
    _coordinator: assent_transport::Endpoint,
}

impl Scene {
    async fn new() -> Scene {
        let world = World::new();
        let coordinator = world.start(Role::Coordinator, "c1").await.serve();
        let mut bystander = world.client_of_c1("bystander").await;
        bystander.up().await;
        bystander.ask(Peer::Node(C1), 1).await;
        Scene { world, bystander, _coordinator: coordinator }
    }

    async fn mallory(&self) -> (Raw, RawStreams) {
        let papers = Papers::of(&self.world, Role::Client, "mallory");
        let raw = papers.connect(self.world.address(C1), "assent/1").await.expect("a genuine certificate");
        let streams = raw.open().await;
        (raw, streams)
    }

    /// Writes bytes to a stream; the coordinator must end the connection with this code and text.
    async fn refused(&mut self, stream: usize, bytes: &[u8], finish: bool, code: u64, text: &str) {
        let (raw, mut streams) = self.mallory().await;
        // The verdict may come before everything is written.
        let _ = streams[stream].0.write_all(bytes).await;
        if finish {
            let _ = streams[stream].0.finish();
        }
        let verdict = raw.verdict().await;
        assert_eq!(verdict.0, code, "{}", verdict.1);
        assert!(verdict.1.contains(text), "{:?} should say {text:?}", verdict.1);
        self.bystander.ask(Peer::Node(C1), 2).await;
    }
}

fn subject() -> Subject {
    let txn = TxnId {
        client: ClientName::new("alice").expect("a name"),
        session: SessionId(1),
        sequence: Sequence(1),
    };
    Subject { txn, digest: Digest([7; 32]) }
}

#[tokio::test]
async fn random_bytes_are_refused() {
    let mut scene = Scene::new().await;
    // As a header, these announce more than any stream carries.
    scene.refused(0, &[0xf5; 5000], false, 8, "announces").await;
    // These are a frame, and no message.
    let mut noise = 1000_u32.to_le_bytes().to_vec();
    noise.extend_from_slice(&[0xf5; 1000]);
    scene.refused(0, &noise, false, 10, "no message").await;
    scene.refused(1, &noise, false, 10, "no message").await;
}

#[tokio::test]
async fn an_empty_frame_is_refused() {
    Scene::new().await.refused(0, &[0; 4], false, 10, "no message").await;
}

#[tokio::test]
async fn bytes_after_a_message_are_refused() {
    let mut bytes = frame(&query(1));
    bytes.push(0);
    bytes[0] += 1;
    Scene::new().await.refused(0, &bytes, false, 10, "too many").await;
}

#[tokio::test]
async fn a_truncated_frame_is_refused() {
    let mut scene = Scene::new().await;
    let bytes = frame(&query(1));
    scene.refused(0, &bytes[..bytes.len() - 1], true, 9, "within a frame").await;
    scene.refused(1, &bytes[..2], true, 9, "within a frame").await;
}

#[tokio::test]
async fn an_oversized_frame_is_refused() {
    let mut scene = Scene::new().await;
    let announce = |bytes: usize| (bytes as u32).to_le_bytes();
    scene.refused(0, &announce(URGENT_FRAME_BYTES_MAX + 1), false, 8, "16385 bytes where 16384").await;
    scene.refused(1, &announce(FRAME_BYTES_MAX + 1), false, 8, "8388609 bytes where 8388608").await;
}

#[tokio::test]
async fn a_reset_stream_ends_the_connection() {
    let mut scene = Scene::new().await;
    let (raw, mut streams) = scene.mallory().await;
    streams[0].0.reset(5_u32.into()).expect("open");
    assert_eq!(raw.verdict().await.0, 13);
    scene.bystander.ask(Peer::Node(C1), 2).await;
}

#[tokio::test]
async fn a_wrong_preface_is_refused() {
    let mut scene = Scene::new().await;
    let papers = Papers::of(&scene.world, Role::Client, "mallory");
    for (prefaces, byte) in [([2, 1], "2"), ([1, 9], "9")] {
        let raw = papers.connect(scene.world.address(C1), "assent/1").await.expect("connected");
        let _streams = raw.open_with(&prefaces).await;
        let (code, reason) = raw.verdict().await;
        assert_eq!(code, 7, "{reason}");
        assert!(reason.contains(&format!("byte {byte}")), "{reason}");
    }
    scene.bystander.ask(Peer::Node(C1), 2).await;
}

#[tokio::test]
async fn a_message_that_the_role_table_forbids_is_refused() {
    let mut scene = Scene::new().await;
    let sponsor = Sponsor { node: C1, incarnation: Incarnation(1), attempt: 1 };
    let vote = Message::Vote { subject: subject(), sponsor, results: Vec::new() };
    let text = "a client may not send Vote to a coordinator";
    scene.refused(0, &frame(&vote), false, 12, text).await;
}

#[tokio::test]
async fn a_thousand_participants_are_refused() {
    let world = World::new();
    let mut participant = world.start(Role::Participant, "p1").await;
    let papers = Papers::of(&world, Role::Coordinator, "c1");
    let raw = papers.connect(world.address(P1), "assent/1").await.expect("connected");
    let mut streams = raw.open().await;
    assert_eq!(participant.up().await, Peer::Node(C1));
    let good = Message::Peek { subject: subject(), participants: vec![P1] };
    let crowd = Message::Peek { subject: subject(), participants: (1..=1000).map(NodeId).collect() };
    streams[0].0.write_all(&[frame(&good), frame(&crowd), frame(&good)].concat()).await.expect("written");
    assert_eq!(raw.verdict().await, (11, "Peek is not valid: more than 64 participants".to_owned()));
    // What came before was good, and what comes after is not looked at.
    assert_eq!(participant.message().await, (Peer::Node(C1), good));
    assert_eq!(participant.down().await, Peer::Node(C1));
}

#[tokio::test]
async fn requests_about_mailboxes_that_nobody_makes_are_refused() {
    let world = World::new();
    let mut participant = world.start(Role::Participant, "p1").await;
    let papers = Papers::of(&world, Role::Client, "mallory");
    let mailbox = || Mailbox::new("orders").expect("a name");
    let receive = |max, lease_ms, wait_ms| {
        Message::Receive(Box::new(Receive { request: 1, mailbox: mailbox(), max, lease_ms, wait_ms }))
    };
    let lease = LeaseId { boot: 1, serial: 1 };
    let finish = |count, how| Message::Finish {
        request: 1,
        mailbox: mailbox(),
        deliveries: vec![(Position(1), lease); count],
        how,
    };
    let cause = Some("x".repeat(1025));
    let relay = Message::Relay {
        mailbox: mailbox(),
        acked: StreamSequence(0),
        first: StreamSequence(1),
        envelopes: Vec::new(),
    };
    let mut misnamed = frame(&receive(1, None, 0));
    let name = misnamed.windows(7).position(|bytes| bytes == b"mailbox").expect("it is named");
    misnamed[name..name + 7].copy_from_slice(b"student");
    let cases = [
        (frame(&receive(0, None, 0)), 11, "no message is asked for"),
        (frame(&receive(1025, None, 0)), 11, "more than 1024 messages"),
        (frame(&receive(1, Some(0), 0)), 11, "a lease has 1 to"),
        (frame(&receive(1, None, 60_001)), 11, "the wait is longer"),
        (frame(&finish(1025, Finish::Acknowledge)), 11, "more than 1024 messages"),
        (frame(&finish(1, Finish::Extend(0))), 11, "a lease has 1 to"),
        (frame(&finish(1, Finish::Release { delay_ms: None, cause })), 11, "the cause is longer"),
        (frame(&relay), 12, "a client may not send Relay to a participant"),
        (misnamed, 10, ""),
    ];
    for (bytes, code, text) in cases {
        let raw = papers.connect(world.address(P1), "assent/1").await.expect("connected");
        let mut streams = raw.open().await;
        let peer = participant.up().await;
        // By the lane on which such a message comes.
        let lane = usize::from(bytes.len() > URGENT_FRAME_BYTES_MAX);
        streams[lane].0.write_all(&bytes).await.expect("written");
        let verdict = raw.verdict().await;
        assert_eq!(verdict.0, code, "{}", verdict.1);
        assert!(verdict.1.contains(text), "{:?} should say {text:?}", verdict.1);
        assert_eq!(participant.down().await, peer);
    }
}

#[tokio::test]
async fn messages_may_arrive_in_any_pieces() {
    let scene = Scene::new().await;
    let (_raw, mut streams) = scene.mallory().await;
    for byte in frame(&query(9)) {
        streams[0].0.write_all(&[byte]).await.expect("written");
        tokio::task::yield_now().await;
    }
    let mut answer = vec![0; frame(&support::reply(9, "here")).len()];
    streams[0].1.read_exact(&mut answer).await.expect("answered");
    assert_eq!(answer, frame(&support::reply(9, "here")));
}
