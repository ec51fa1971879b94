//! The role table, pair by pair: for one message of each group, who may send it to whom, and nobody else.

use assent_protocol::{
    ids::{ClientName, Digest, Incarnation, NodeId, Sequence, SessionId, Sponsor, Subject, TxnId},
    message::{Message, Query, Reply, SessionEnd, SponsorAnswer},
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
