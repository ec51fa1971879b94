//! The role table, pair by pair: for one message of each group, who may send it to whom, and nobody else.

use assent_protocol::{
    ids::{ClientName, Digest, Incarnation, NodeId, Sequence, SessionId, Sponsor, Subject, TxnId},
    mail::{Mailbox, StreamSequence},
    message::{Intake, Manage, Message, Query, Receive, Reply, SessionEnd, SponsorAnswer},
};
use assent_transport::{
    Role::{self, Client, Coordinator, Participant},
    roles::may_send,
};

const ROLES: [Role; 3] = [Coordinator, Participant, Client];

#[test]
fn each_message_goes_only_where_it_belongs() {
    let client = || ClientName::new("alice").expect("a name");
    let (session, node) = (SessionId(1), NodeId(1));
    let end = || SessionEnd { client: client(), session, all_below: session };
    let sponsor = Sponsor { node, incarnation: Incarnation(1), attempt: 1 };
    let subject = || Subject {
        txn: TxnId { client: client(), session, sequence: Sequence(1) },
        digest: Digest([0; 32]),
    };
    let mailbox = || Mailbox::new("orders").expect("a name");
    let receive = Receive { request: 1, mailbox: mailbox(), max: 1, lease_ms: None, wait_ms: 0 };
    let cases: Vec<(Message, &[(Role, Role)])> = vec![
        (Message::OpenSession { request: 1 }, &[(Client, Coordinator)]),
        (Message::SessionOpened { request: 1, session: None }, &[(Coordinator, Client)]),
        (Message::GrantSession { client: client(), request: 1 }, &[(Coordinator, Participant)]),
        (Message::AllHeld { subjects: Vec::new() }, &[(Coordinator, Participant)]),
        (Message::EndSession(end()), &[(Coordinator, Participant), (Participant, Participant)]),
        (Message::SessionGranted { client: client(), request: 1, session }, &[(Participant, Coordinator)]),
        (Message::SessionEnded(end()), &[(Participant, Coordinator), (Participant, Participant)]),
        (Message::AskSession { client: client(), session }, &[(Participant, Participant)]),
        (
            Message::AskSponsor { subject: subject(), sponsor },
            &[(Participant, Coordinator), (Coordinator, Coordinator)],
        ),
        (
            Message::SponsorSays { subject: subject(), sponsor, answer: SponsorAnswer::Gone },
            &[(Coordinator, Participant), (Coordinator, Coordinator)],
        ),
        (
            Message::OutcomesHeld { held: Vec::new() },
            &[(Participant, Coordinator), (Participant, Participant)],
        ),
        (
            Message::Relay {
                mailbox: mailbox(),
                acked: StreamSequence(0),
                first: StreamSequence(1),
                envelopes: Vec::new(),
            },
            &[(Participant, Participant)],
        ),
        (
            Message::RelayHeld { mailbox: mailbox(), last: None, intake: Intake::Open },
            &[(Participant, Participant)],
        ),
        (Message::Receive(Box::new(receive)), &[(Client, Participant)]),
        (
            Message::Manage { request: 1, mailbox: mailbox(), what: Manage::Purge(None) },
            &[(Client, Participant)],
        ),
        (Message::Received { request: 1, deliveries: Ok(Vec::new()) }, &[(Participant, Client)]),
        (Message::Finished { request: 1, results: Ok(Vec::new()) }, &[(Participant, Client)]),
        (Message::Managed { request: 1, done: Ok(1) }, &[(Participant, Client)]),
        (
            Message::Query { request: 1, query: Query::Status },
            &[(Client, Coordinator), (Client, Participant)],
        ),
        (
            Message::Reply { request: 1, reply: Reply::Status(vec![(format!("node {node}"), 1)]) },
            &[(Coordinator, Client), (Participant, Client)],
        ),
    ];
    for (message, allowed) in cases {
        for from in ROLES {
            for to in ROLES {
                let expected = allowed.contains(&(from, to));
                assert_eq!(may_send(from, to, &message), expected, "{message:?} from {from} to {to}");
            }
        }
    }
}
