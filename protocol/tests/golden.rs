//! The bytes of every kind of message and stored value, as they were when they were first written.
//!
//! A node of today talks with a node of yesterday, and reads its own disk after an upgrade: a value that encodes
//! otherwise than in `golden.txt` is a new protocol or storage version, or a mistake. New samples are added with
//! `ASSENT_REWRITE=1 cargo test --release -p assent-protocol --test golden`, which must leave the old lines as they are.

use assent_protocol::{
    codec,
    ids::{
        ClientName, Digest, FieldName, Incarnation, Member, NodeId, RecordId, Sequence, SessionId, Sponsor,
        Stamp, Subject, TxnId, Version,
    },
    mail::{
        Arrived, Cause, Draft, Envelope, Failure, LeaseId, Mailbox, MailboxMark, MessageId, MessageKey,
        Position, Stored, StreamSequence, VotePosition,
    },
    message::{
        Begin, Branch, Delivery, Finish, Held, InDoubt, Intake, Intent, LockStamp, Look, MailboxFigures,
        MailboxRefusal, Manage, Message, Prepare, Query, Receive, Reply, SessionEnd, SponsorAnswer,
        StreamFigures, Watermark,
    },
    operation::{Check, FieldContent, Operation, ReadResult, RecordContent, Selection, Step, Value},
    outcome::{AbortReason, Answer, Malformed, Outcome, Refusal, RefusalKind},
    storage::{ClientRecord, Decided, Field, GrantRecord, TxnRecord, Yes},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt::Debug, fmt::Write as _, fs, path::PathBuf, sync::Arc};

/// Names of samples with their bytes, in hexadecimal.
#[derive(Default)]
struct Samples(Vec<(String, String)>);

impl Samples {
    fn add<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: T) {
        let bytes = codec::encode(&value);
        assert_eq!(codec::decode::<T>(&bytes).as_ref(), Ok(&value), "{name} comes back");
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes all");
            hex
        });
        self.0.push((name.to_owned(), hex));
    }

    fn message(&mut self, message: Message) {
        assert_eq!(message.check(), Ok(()), "{message:?}");
        self.add(&format!("message {}", kind(&message)), message);
    }
}

/// Exhaustive, so that a new message is met here, and gets its sample.
fn kind(message: &Message) -> &'static str {
    match message {
        Message::Begin(_) => "Begin",
        Message::OpenSession { .. } => "OpenSession",
        Message::CloseSession { .. } => "CloseSession",
        Message::KeepSession { .. } => "KeepSession",
        Message::Answer { .. } => "Answer",
        Message::SessionOpened { .. } => "SessionOpened",
        Message::SessionClosed { .. } => "SessionClosed",
        Message::Prepare(_) => "Prepare",
        Message::Veto { .. } => "Veto",
        Message::SponsorSays { .. } => "SponsorSays",
        Message::AllHeld { .. } => "AllHeld",
        Message::Watermarks { .. } => "Watermarks",
        Message::Look(_) => "Look",
        Message::Confirm { .. } => "Confirm",
        Message::GrantSession { .. } => "GrantSession",
        Message::TouchSession { .. } => "TouchSession",
        Message::Peek { .. } => "Peek",
        Message::Resolve { .. } => "Resolve",
        Message::Tell { .. } => "Tell",
        Message::EndSession(_) => "EndSession",
        Message::Vote { .. } => "Vote",
        Message::Wound { .. } => "Wound",
        Message::AskSponsor { .. } => "AskSponsor",
        Message::Looked { .. } => "Looked",
        Message::Confirmed { .. } => "Confirmed",
        Message::SessionGranted { .. } => "SessionGranted",
        Message::SessionEnded(_) => "SessionEnded",
        Message::Standing { .. } => "Standing",
        Message::Pledged { .. } => "Pledged",
        Message::OutcomesHeld { .. } => "OutcomesHeld",
        Message::Query { .. } => "Query",
        Message::Reply { .. } => "Reply",
        Message::AskSession { .. } => "AskSession",
        Message::Relay { .. } => "Relay",
        Message::RelayHeld { .. } => "RelayHeld",
        Message::Receive(_) => "Receive",
        Message::Finish { .. } => "Finish",
        Message::Manage { .. } => "Manage",
        Message::Received { .. } => "Received",
        Message::Finished { .. } => "Finished",
        Message::Managed { .. } => "Managed",
    }
}

fn client() -> ClientName {
    ClientName::new("registrar-1").expect("valid")
}

fn record() -> RecordId {
    RecordId::new("course/CS101").expect("valid")
}

fn field() -> FieldName {
    FieldName::new("roster").expect("valid")
}

fn member() -> Member {
    Member::new("s17").expect("valid")
}

fn txn() -> TxnId {
    TxnId { client: client(), session: SessionId(7), sequence: Sequence(300) }
}

fn subject() -> Subject {
    Subject { txn: txn(), digest: Digest([0xab; 32]) }
}

fn nodes() -> Vec<NodeId> {
    vec![NodeId(1), NodeId(300)]
}

fn sponsor() -> Sponsor {
    Sponsor { node: NodeId(3), incarnation: Incarnation(1 << 100), attempt: 5 }
}

fn lock_stamp() -> LockStamp {
    LockStamp { boot: 2, serial: 9 }
}

fn session_end() -> SessionEnd {
    SessionEnd { client: client(), session: SessionId(7), all_below: SessionId(5) }
}

fn refusal() -> AbortReason {
    AbortReason::Refused(Refusal {
        operation: 2,
        kind: RefusalKind::Bound,
        record: record(),
        field: Some(field()),
        member: Some(member()),
    })
}

fn content() -> RecordContent {
    let fields = [
        ("roster", FieldContent::Set(vec![member()])),
        ("title", FieldContent::Value(Value::Text("Logic".into()))),
        ("waiting", FieldContent::List(vec![Value::Int(-1), Value::Bytes(vec![0, 255])])),
    ];
    let fields: BTreeMap<_, _> =
        fields.into_iter().map(|(name, held)| (FieldName::new(name).expect("valid"), held)).collect();
    RecordContent { version: Version(12), fields }
}

fn results() -> Vec<(u16, ReadResult)> {
    vec![
        (0, ReadResult::Record(Some(content()))),
        (1, ReadResult::Record(None)),
        (2, ReadResult::Field(Some(FieldContent::Value(Value::Int(i64::MIN))))),
        (3, ReadResult::Count(40)),
        (4, ReadResult::Member(true)),
    ]
}

/// Every operation, with every check and selection.
fn steps() -> Vec<Step> {
    let checks = [
        Check::Exists,
        Check::Absent,
        Check::Equals(field(), Value::Text("open".into())),
        Check::AtLeast(field(), -6),
        Check::Contains(field(), member()),
        Check::Version(Version(3)),
    ];
    let selections = [
        Selection::Record,
        Selection::Field(field()),
        Selection::Count(field()),
        Selection::Member(field(), member()),
    ];
    let mut operations: Vec<_> =
        checks.into_iter().map(|check| Operation::Require { record: record(), check }).collect();
    operations.extend([
        Operation::Set { record: record(), field: field(), value: Value::Bytes(vec![1, 2, 3]) },
        Operation::Delete { record: record() },
        Operation::Append { record: record(), field: field(), value: Value::Int(7) },
        Operation::Add { record: record(), field: field(), delta: -6, min: Some(0), max: None },
        Operation::Insert { record: record(), field: field(), member: member(), max: Some(40) },
        Operation::Remove { record: record(), field: field(), member: member(), min: None },
    ]);
    operations.extend(selections.into_iter().map(|what| Operation::Read { record: record(), what }));
    (0..).zip(operations).map(|(index, operation)| Step { index, operation }).collect()
}

fn requests(samples: &mut Samples) {
    for intent in [Intent::First, Intent::Repeat, Intent::Settle] {
        samples.message(Message::Begin(Box::new(Begin {
            subject: subject(),
            intent,
            stamp: Stamp(1_700_000_000_000_000),
            deadline_ms: 5000,
            watermark: Sequence(299),
            branches: vec![Branch { participant: NodeId(1), steps: steps() }],
        })));
    }
    samples.message(Message::OpenSession { request: 1 });
    samples.message(Message::CloseSession { session: SessionId(7) });
    samples.message(Message::KeepSession { session: SessionId(7), watermark: Sequence(300) });
    samples.message(Message::Prepare(Box::new(Prepare {
        subject: subject(),
        participants: nodes(),
        sponsor: sponsor(),
        stamp: Stamp(1_700_000_000_000_000),
        deadline_ms: 5000,
        watermark: Sequence(299),
        steps: steps(),
    })));
    samples.message(Message::Veto {
        subject: subject(),
        sponsor: sponsor(),
        participants: nodes(),
        reason: AbortReason::Deadline,
    });
    for answer in [SponsorAnswer::Deciding, SponsorAnswer::Decided(Outcome::Committed), SponsorAnswer::Gone] {
        samples.message(Message::SponsorSays { subject: subject(), sponsor: sponsor(), answer });
    }
    samples.message(Message::AllHeld { subjects: vec![subject()] });
    let watermark = Watermark { client: client(), session: SessionId(7), sequence: Sequence(300) };
    samples.message(Message::Watermarks { watermarks: vec![watermark] });
    samples.message(Message::Look(Box::new(Look {
        subject: subject(),
        sponsor: sponsor(),
        stamp: Stamp(1),
        deadline_ms: 100,
        alone: true,
        steps: steps(),
    })));
    samples.message(Message::Confirm { subject: subject(), sponsor: sponsor(), stamp: Some(lock_stamp()) });
    samples.message(Message::GrantSession { client: client(), request: 1 });
    samples.message(Message::TouchSession { client: client(), session: SessionId(7) });
    samples.message(Message::Peek { subject: subject(), participants: nodes() });
    samples.message(Message::Resolve { subject: subject(), participants: nodes(), sponsor: None });
    samples.message(Message::Tell {
        subject: subject(),
        participants: nodes(),
        outcome: Outcome::Committed,
        watermark: Sequence(299),
    });
    samples.message(Message::EndSession(session_end()));
    samples.message(Message::AskSession { client: client(), session: SessionId(7) });
    samples.message(Message::Wound { subject: subject(), sponsor: sponsor() });
    samples.message(Message::AskSponsor { subject: subject(), sponsor: sponsor() });
    let scan = Query::Scan { table: Some("course".into()), after: Some(record()) };
    for query in [Query::InDoubt, Query::Outcome(txn()), scan, Query::Status] {
        samples.message(Message::Query { request: 1, query });
    }
}

fn answers(samples: &mut Samples) {
    for answer in [
        Answer::Committed(results()),
        Answer::Aborted(refusal()),
        Answer::Unknown,
        Answer::Overloaded,
        Answer::Expired,
        Answer::Malformed(Malformed::Digest),
        Answer::Malformed(Malformed::UnknownParticipant(NodeId(9))),
        Answer::Malformed(Malformed::Operation(3)),
    ] {
        samples.message(Message::Answer { subject: subject(), answer });
    }
    samples.message(Message::SessionOpened { request: 1, session: Some(SessionId(7)) });
    samples.message(Message::SessionClosed { session: SessionId(7) });
    samples.message(Message::Vote { subject: subject(), sponsor: sponsor(), results: results() });
    for results in [Ok((lock_stamp(), results())), Err(AbortReason::Conflict)] {
        samples.message(Message::Looked { subject: subject(), sponsor: sponsor(), results });
    }
    samples.message(Message::Confirmed { subject: subject(), sponsor: sponsor(), held: true });
    samples.message(Message::SessionGranted { client: client(), request: 1, session: SessionId(7) });
    samples.message(Message::SessionEnded(session_end()));
    for held in [
        Held::Blank,
        Held::Queued(sponsor()),
        Held::Yes { sponsor: sponsor(), pledged: true },
        Held::Committed(results()),
        Held::Aborted(AbortReason::Abandoned),
        Held::Expired,
        Held::IdReused,
        Held::Declined(AbortReason::Overloaded),
    ] {
        samples.message(Message::Standing { subject: subject(), held });
    }
    samples.message(Message::Pledged { subject: subject(), results: vec![] });
    samples.message(Message::OutcomesHeld { held: vec![(subject(), Sequence(299))] });
    let in_doubt = InDoubt {
        subject: subject(),
        participants: nodes(),
        sponsor: sponsor(),
        age_ms: 120,
        queued: false,
        pledged: true,
        missing: vec![NodeId(300)],
        records: vec![record()],
    };
    for reply in [
        Reply::InDoubt(vec![in_doubt]),
        Reply::Outcome { held: Held::Blank, participants: nodes() },
        Reply::Scan { records: vec![(record(), content())], more: true },
        Reply::Status(vec![("in_doubt".into(), 3)]),
        Reply::Refused("not here".into()),
    ] {
        samples.message(Message::Reply { request: 1, reply });
    }
}

fn reasons(samples: &mut Samples) {
    for reason in [
        refusal(),
        AbortReason::Conflict,
        AbortReason::Deadline,
        AbortReason::Overloaded,
        AbortReason::Abandoned,
        AbortReason::IdReused,
        AbortReason::Expired,
        AbortReason::Misplaced(NodeId(4)),
    ] {
        samples.add("outcome Aborted", Outcome::Aborted(reason));
    }
    for kind in [
        RefusalKind::Exists,
        RefusalKind::Absent,
        RefusalKind::Equals,
        RefusalKind::AtLeast,
        RefusalKind::Contains,
        RefusalKind::Version,
        RefusalKind::Bound,
        RefusalKind::MemberExists,
        RefusalKind::MemberAbsent,
        RefusalKind::WrongType,
        RefusalKind::TooLarge,
    ] {
        samples.add(&format!("refusal {kind:?}"), kind);
    }
}

fn stored(samples: &mut Samples) {
    samples.add("stored version", Version(12));
    for (name, value) in [
        ("stored value Int", Value::Int(-7)),
        ("stored value Text", Value::Text("é".into())),
        ("stored value Bytes", Value::Bytes(vec![0, 1])),
    ] {
        samples.add(name, value);
    }
    for (name, held) in [
        ("stored field Value", Field::Value(Value::Int(300))),
        ("stored field List", Field::List(2)),
        ("stored field Set", Field::Set(5000)),
    ] {
        samples.add(name, held);
    }
    let yes = Yes {
        digest: Digest([0xab; 32]),
        participants: nodes(),
        sponsor: sponsor(),
        stamp: Stamp(1_700_000_000_000_000),
        deadline_ms: 5000,
        pledged: true,
        steps: steps(),
        results: results(),
        position: None,
    };
    samples.add("stored txn Yes", TxnRecord::Yes(yes.into()));
    for outcome in [Outcome::Committed, Outcome::Aborted(refusal())] {
        let digest = Digest([0xab; 32]);
        let decided = Decided { digest, participants: nodes(), outcome, results: results() };
        samples.add("stored txn Decided", TxnRecord::Decided(decided.into()));
    }
    samples.add("stored watermark", Sequence(300));
    samples.add(
        "stored client",
        ClientRecord { ended: vec![(SessionId(1), SessionId(4)), (SessionId(7), SessionId(9))] },
    );
    samples.add(
        "stored grant",
        GrantRecord { last: SessionId(1 << 40), open: vec![SessionId(7), SessionId(1 << 40)] },
    );
}

fn mailbox() -> Mailbox {
    Mailbox::new("work.in").expect("valid")
}

fn draft(key: Option<&str>) -> Draft {
    Draft {
        mailbox: mailbox(),
        key: key.map(|key| MessageKey::new(key).expect("valid")),
        headers: BTreeMap::from([("type".into(), "order".into())]),
        payload: vec![0, 1, 255],
        delay_ms: 1500,
    }
}

fn envelope() -> Envelope {
    let id = MessageId { txn: txn(), operation: 3 };
    Envelope { id, sent: Stamp(1_700_000_000_000_000), draft: Arc::new(draft(Some("k1"))) }
}

fn in_mailbox() -> Stored {
    let at = Stamp(1_700_000_000_300_000);
    let failure = |cause| Failure { consumer: client(), at, cause };
    Stored {
        envelope: envelope(),
        source: NodeId(300),
        arrived: at,
        due: Stamp(0),
        failed: 2,
        failures: vec![failure(Cause::LeaseExpired), failure(Cause::failed("no such course"))],
    }
}

fn lease() -> LeaseId {
    LeaseId { boot: 2, serial: 300 }
}

/// Messages between applications; they came later, and so do their lines.
fn mail(samples: &mut Samples) {
    for operation in [
        Operation::Send { from: record(), draft: Arc::new(draft(None)) },
        Operation::Acknowledge { mailbox: mailbox(), position: Position(7), lease: lease() },
    ] {
        samples.add("operation", operation);
    }
    let (first, last) = (StreamSequence(5), Some((StreamSequence(5), envelope().id)));
    samples.message(Message::Relay {
        mailbox: mailbox(),
        acked: StreamSequence(4),
        first,
        envelopes: vec![envelope()],
    });
    for intake in [Intake::Open, Intake::Full, Intake::Absent, Intake::Gap] {
        samples.message(Message::RelayHeld { mailbox: mailbox(), last: last.clone(), intake });
    }
    for lease_ms in [Some(30_000), None] {
        let receive = Receive { request: 1, mailbox: mailbox(), max: 10, lease_ms, wait_ms: 500 };
        samples.message(Message::Receive(Box::new(receive)));
    }
    let given_back = Finish::Release { delay_ms: Some(100), cause: Some("busy".into()) };
    for how in [Finish::Acknowledge, given_back, Finish::Extend(30_000)] {
        let deliveries = vec![(Position(7), lease())];
        samples.message(Message::Finish { request: 1, mailbox: mailbox(), deliveries, how });
    }
    for what in [Manage::Redrive(Some(vec![Position(7)])), Manage::Purge(None), Manage::Discard] {
        samples.message(Message::Manage { request: 1, mailbox: mailbox(), what });
    }
    let delivery =
        Delivery { position: Position(7), lease: Some(lease()), envelope: envelope(), delivery: 3 };
    samples.message(Message::Received { request: 1, deliveries: Ok(vec![delivery]) });
    for refusal in [
        MailboxRefusal::MailboxAbsent,
        MailboxRefusal::Misplaced,
        MailboxRefusal::NotPermitted,
        MailboxRefusal::Overloaded,
        MailboxRefusal::MessageAbsent,
        MailboxRefusal::LeaseLost,
        MailboxRefusal::ForeignLease,
        MailboxRefusal::Acknowledging,
        MailboxRefusal::DeadLetterAbsent,
    ] {
        samples.message(Message::Finished { request: 1, results: Ok(vec![Ok(()), Err(refusal)]) });
    }
    samples.message(Message::Managed { request: 1, done: Ok(12) });
    let page = Query::Mail { mailbox: mailbox(), dead: true, after: Some(Position(6)) };
    for query in [Query::Mailboxes, Query::Outbox, page] {
        samples.message(Message::Query { request: 1, query });
    }
    let figures = MailboxFigures {
        mailbox: mailbox(),
        exists: true,
        depth: 3,
        ready: 1,
        leased: 2,
        receivers: 0,
        dead: 1,
        oldest_ms: 500,
        dead_oldest_ms: 700,
    };
    let stream = StreamFigures {
        mailbox: mailbox(),
        destination: NodeId(300),
        last: StreamSequence(9),
        acked: StreamSequence(4),
        oldest_ms: 40,
        held_back: true,
    };
    for reply in [
        Reply::Mailboxes(vec![figures]),
        Reply::Outbox { streams: vec![stream], waiting: 1, messages: 6, bytes: 4000 },
        Reply::Mail { messages: vec![(Position(7), in_mailbox())], more: false },
    ] {
        samples.message(Message::Reply { request: 1, reply });
    }
    for kind in [
        RefusalKind::MessageAbsent,
        RefusalKind::LeaseLost,
        RefusalKind::ForeignLease,
        RefusalKind::MailboxAbsent,
        RefusalKind::OutboxFull,
    ] {
        samples.add(&format!("refusal {kind:?}"), kind);
    }
    let yes = Yes {
        digest: Digest([0xab; 32]),
        participants: nodes(),
        sponsor: sponsor(),
        stamp: Stamp(1_700_000_000_000_000),
        deadline_ms: 5000,
        pledged: true,
        steps: Vec::new(),
        results: Vec::new(),
        position: Some(VotePosition(300)),
    };
    samples.add("stored txn Yes that sends", TxnRecord::Yes(yes.into()));
    samples.add("stored envelope", envelope());
    samples.add("stored message", in_mailbox());
    samples.add("stored sequence", StreamSequence(300));
    samples.add("stored arrived", Arrived { last: StreamSequence(300), id: envelope().id });
    samples.add("stored mailbox", MailboxMark { next: Position(9), head: Position(7) });
}

#[test]
fn bytes_are_what_they_always_were() {
    let mut samples = Samples::default();
    requests(&mut samples);
    answers(&mut samples);
    reasons(&mut samples);
    stored(&mut samples);
    mail(&mut samples);
    let text = samples.0.iter().fold(String::new(), |text, (name, hex)| text + name + ": " + hex + "\n");
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden.txt");
    if std::env::var_os("ASSENT_REWRITE").is_some() {
        fs::write(&file, &text).expect("writes the golden file");
    }
    let golden = fs::read_to_string(&file).expect("reads the golden file");
    for (line, (now, then)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(now, then, "line {} of {}", line + 1, file.display());
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "samples and golden lines");
}

#[test]
fn cut_off_and_trailing_bytes_are_refused() {
    let mut samples = Samples::default();
    requests(&mut samples);
    answers(&mut samples);
    for (name, hex) in &samples.0 {
        let mut bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
            .collect();
        bytes.push(0);
        assert!(codec::decode::<Message>(&bytes).is_err(), "{name} with a byte too many");
        for length in 0..bytes.len() - 1 {
            assert!(codec::decode::<Message>(&bytes[..length]).is_err(), "{name} cut at {length}");
        }
    }
}
