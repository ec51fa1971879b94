//! For tests: a cluster of two coordinators that does what a script says, in place of a network.

use crate::{
    carrier::{Boxed, Carrier},
    client::{Client, scripted},
    config::ClientConfig,
    journal::Journal,
};
use assent_protocol::{
    ids::{ClientName, NodeId, Peer, SessionId},
    message::{Begin, Intent, Message},
    outcome::Answer,
};
use assent_transport::{Authority, Cluster, Event, Identity, Node, Role, SendError};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

pub(crate) const ONE: NodeId = NodeId(1);
pub(crate) const TWO: NodeId = NodeId(2);

/// What the cluster does with a request.
pub(crate) enum Deed {
    /// Answers at once.
    Answer(Answer),
    /// Loses the connection; the other coordinator stays.
    Lose,
    /// Keeps silent.
    Silence,
    /// The transport does not take it.
    Refuse(SendError),
}

type Script = dyn Fn(NodeId, &Begin) -> Deed + Send + Sync;

/// A scripted cluster.
#[derive(Clone)]
pub(crate) struct Stage(Arc<Inner>);

struct Inner {
    script: Box<Script>,
    sent: Mutex<Vec<(NodeId, Message)>>,
    events: mpsc::Sender<Event>,
    sessions: Mutex<u64>,
}

impl Stage {
    /// The requests that were taken so far.
    pub(crate) fn begins(&self) -> Vec<(NodeId, Begin)> {
        let begin = |(node, message): &(NodeId, Message)| match message {
            Message::Begin(begin) => Some((*node, (**begin).clone())),
            _ => None,
        };
        self.sent().iter().filter_map(begin).collect()
    }

    /// Node, sequence and intent of each request so far.
    pub(crate) fn attempts(&self) -> Vec<(NodeId, u64, Intent)> {
        let attempt = |(node, begin): (NodeId, Begin)| (node, begin.subject.txn.sequence.0, begin.intent);
        self.begins().into_iter().map(attempt).collect()
    }

    /// Everything that was taken so far.
    pub(crate) fn sent(&self) -> Vec<(NodeId, Message)> {
        self.0.sent.lock().expect("no panic").clone()
    }

    /// A coordinator comes up.
    pub(crate) fn up(&self, node: NodeId) {
        self.event(Event::Up { peer: Peer::Node(node), role: Role::Coordinator, name: String::new() });
    }

    /// A coordinator says something by itself.
    pub(crate) fn say(&self, node: NodeId, message: Message) {
        self.event(Event::Messages {
            peer: Peer::Node(node),
            messages: vec![message],
            arrived: std::time::Instant::now(),
        });
    }

    fn event(&self, event: Event) {
        self.0.events.try_send(event).expect("there is room");
    }
}

impl Carrier for Stage {
    fn send(&self, node: NodeId, message: &Message) -> Result<(), SendError> {
        let deed = match message {
            Message::Begin(begin) => {
                assert_eq!(message.check(), Ok(()));
                (self.0.script)(node, begin)
            }
            Message::OpenSession { request } => {
                let mut sessions = self.0.sessions.lock().expect("no panic");
                *sessions += 1;
                self.say(
                    node,
                    Message::SessionOpened { request: *request, session: Some(SessionId(*sessions)) },
                );
                Deed::Silence
            }
            Message::CloseSession { session } => {
                self.say(node, Message::SessionClosed { session: *session });
                Deed::Silence
            }
            _ => Deed::Silence,
        };
        if let Deed::Refuse(error) = deed {
            return Err(error);
        }
        self.0.sent.lock().expect("no panic").push((node, message.clone()));
        match (deed, message) {
            (Deed::Answer(answer), Message::Begin(begin)) => {
                self.say(node, Message::Answer { subject: begin.subject.clone(), answer });
            }
            (Deed::Lose, _) => self.event(Event::Down { peer: Peer::Node(node) }),
            _ => {}
        }
        Ok(())
    }

    fn trouble(&self, _: NodeId) -> Option<String> {
        Some("the script keeps it down".to_owned())
    }

    fn close(&self) -> Boxed<'_> {
        Box::pin(async {})
    }
}

/// Deadlines short enough for tests.
pub(crate) fn config() -> ClientConfig {
    let node = |id: u16, role, name: &str| Node {
        id: NodeId(id),
        role,
        name: name.to_owned(),
        address: ([127, 0, 0, 1], 40_000 + id).into(),
        http: None,
    };
    let nodes = [
        node(1, Role::Coordinator, "c1"),
        node(2, Role::Coordinator, "c2"),
        node(3, Role::Participant, "students"),
        node(4, Role::Participant, "courses"),
    ];
    let tables = BTreeMap::from([
        ("student".to_owned(), vec!["students".to_owned()]),
        ("course".to_owned(), vec!["courses".to_owned()]),
    ]);
    let cluster = Cluster::new(&nodes, &tables).expect("valid");
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = ClientConfig::new(cluster, identity(dir.path()));
    config.deadline = Duration::from_millis(400);
    config.prepare_deadline = Duration::from_millis(50);
    config.connect_deadline = Duration::from_secs(5);
    config.retry_delay_max = Duration::from_millis(10);
    config
}

fn identity(dir: &Path) -> Identity {
    Authority::create(dir).expect("a new authority").issue_into(dir, Role::Client, "app").expect("issued");
    let file = |name: &str| dir.join(name);
    Identity::load(&file("client-app.crt"), &file("client-app.key"), &file("ca.crt")).expect("just issued")
}

/// A client whose cluster follows the script; both coordinators are up.
pub(crate) async fn play(
    config: ClientConfig,
    script: impl Fn(NodeId, &Begin) -> Deed + Send + Sync + 'static,
) -> (Client, Stage) {
    let (stage, events) = stage(script);
    (scripted(config, None, Vec::new(), Box::new(stage.clone()), events).await, stage)
}

/// The same with a journal.
pub(crate) async fn play_with_journal(
    path: &Path,
    script: impl Fn(NodeId, &Begin) -> Deed + Send + Sync + 'static,
) -> (Client, Stage) {
    let (stage, events) = stage(script);
    let name = ClientName::new("app").expect("valid");
    let (journal, unfinished) = Journal::open(path, &name).expect("a good journal");
    let client =
        scripted(config(), Some(Arc::new(journal)), unfinished, Box::new(stage.clone()), events).await;
    (client, stage)
}

fn stage(script: impl Fn(NodeId, &Begin) -> Deed + Send + Sync + 'static) -> (Stage, mpsc::Receiver<Event>) {
    let (events, arriving) = mpsc::channel(100_000);
    let inner = Inner { script: Box::new(script), sent: Mutex::default(), events, sessions: Mutex::new(100) };
    let stage = Stage(Arc::new(inner));
    stage.up(ONE);
    stage.up(TWO);
    (stage, arriving)
}
