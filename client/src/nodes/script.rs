//! For tests: a participant that does what a script says with calls about messages.

use super::{Nodes, line::Line};
use crate::carrier::{Boxed, Carrier};
use assent_protocol::{
    ids::{NodeId, Peer, Stamp},
    mail::{Draft, Envelope, LeaseId, Mailbox, Position},
    message::{self, Message},
};
use assent_transport::{Event, Role, SendError};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

/// What the participant does with a request.
pub(crate) enum Deed {
    Answer(Message),
    /// Loses the connection, and gets it back.
    Lose,
    Silence,
}

type Script = dyn Fn(usize, &Message) -> Deed + Send + Sync;

#[derive(Clone)]
pub(crate) struct Stage {
    script: Arc<Script>,
    sent: Arc<Mutex<Vec<Message>>>,
    pub(crate) events: mpsc::Sender<Event>,
}

pub(crate) const NODE: NodeId = NodeId(3);

impl Stage {
    pub(crate) fn up(&self) {
        let up = Event::Up { peer: Peer::Node(NODE), role: Role::Participant, name: String::new() };
        self.events.try_send(up).expect("there is room");
    }

    pub(crate) fn sent(&self) -> Vec<Message> {
        self.sent.lock().expect("no panic").clone()
    }
}

impl Carrier for Stage {
    fn send(&self, _: NodeId, message: &Message) -> Result<(), SendError> {
        assert_eq!(message.check(), Ok(()));
        let number = {
            let mut sent = self.sent.lock().expect("no panic");
            sent.push(message.clone());
            sent.len() - 1
        };
        match (self.script)(number, message) {
            Deed::Answer(mut answer) => {
                let (Message::Receive(_) | Message::Finish { .. } | Message::Manage { .. }) = message else {
                    panic!("not asked here: {message:?}")
                };
                number_of(&mut answer, request_of(message));
                let event = Event::Messages {
                    peer: Peer::Node(NODE),
                    messages: vec![answer],
                    arrived: std::time::Instant::now(),
                };
                self.events.try_send(event).expect("there is room");
            }
            Deed::Lose => {
                self.events.try_send(Event::Down { peer: Peer::Node(NODE) }).expect("there is room");
                self.up();
            }
            Deed::Silence => {}
        }
        Ok(())
    }

    fn trouble(&self, _: NodeId) -> Option<String> {
        None
    }

    fn close(&self) -> Boxed<'_> {
        Box::pin(async {})
    }
}

pub(crate) fn request_of(message: &Message) -> u64 {
    match message {
        Message::Receive(receive) => receive.request,
        Message::Finish { request, .. } | Message::Manage { request, .. } => *request,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn number_of(answer: &mut Message, number: u64) {
    match answer {
        Message::Received { request, .. }
        | Message::Finished { request, .. }
        | Message::Managed { request, .. } => {
            *request = number;
        }
        other => panic!("{other:?}"),
    }
}

/// Over a participant that follows the script: the first argument counts requests.
pub(crate) fn play(script: impl Fn(usize, &Message) -> Deed + Send + Sync + 'static) -> (Arc<Nodes>, Stage) {
    let config = crate::script::config();
    let (events, arriving) = mpsc::channel(1000);
    let stage = Stage { script: Arc::new(script), sent: Arc::default(), events };
    stage.up();
    let line = Line::start(Box::new(stage.clone()), arriving, Duration::from_millis(600));
    let nodes = Nodes { line: tokio::sync::Mutex::new(Some(line)), ..Nodes::new(&config) };
    (Arc::new(nodes), stage)
}

/// On the participant of students, by a table that the cluster file does not place: whichever it is, the script answers.
pub(crate) fn orders() -> Mailbox {
    let directory = crate::script::config().cluster.directory();
    let mut names = (0..100).map(|n| Mailbox::new(&format!("orders{n}")).expect("valid"));
    names.find(|mailbox| directory.locate(mailbox.record()) == NODE).expect("half of them are there")
}

pub(crate) fn received(count: u64) -> Deed {
    let draft =
        Draft { mailbox: orders(), key: None, headers: BTreeMap::new(), payload: Vec::new(), delay_ms: 0 };
    let envelope =
        Envelope { id: "app:7:9/0".parse().expect("valid"), sent: Stamp(1), draft: Arc::new(draft) };
    let one = |n| message::Delivery {
        position: Position(n),
        lease: Some(LeaseId { boot: 1, serial: n }),
        envelope: envelope.clone(),
        delivery: 1,
    };
    Deed::Answer(Message::Received { request: 0, deliveries: Ok((1..=count).map(one).collect()) })
}
