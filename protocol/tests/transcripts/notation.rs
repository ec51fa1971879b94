//! The short way in which transcripts write messages, writes and operations, and its reader for operations.

use crate::mail;
use assent_protocol::{
    ids::{Digest, FieldName, Member, NodeId, RecordId, Sponsor, Subject, TxnId, Version},
    message::{Held, LockStamp, Message, SponsorAnswer},
    operation::{Check, FieldContent, Operation, ReadResult, Results, Selection, Step, Value},
    outcome::{AbortReason, Answer, Outcome, Refusal, RefusalKind},
    storage::{Field, TxnRecord, Write},
};
use std::collections::BTreeMap;

/// Coordinators are numbered from here, participants from 1.
pub(crate) const COORDINATORS_FROM: u16 = 101;

const PARTICIPANTS: [&str; 3] = ["students", "courses", "teachers"];

/// The table that the participant holds.
pub(crate) const TABLES: [&str; 3] = ["student", "course", "teacher"];

pub(crate) fn name(node: NodeId) -> String {
    if node.0 >= COORDINATORS_FROM {
        format!("coordinator-{}", node.0 - COORDINATORS_FROM + 1)
    } else {
        PARTICIPANTS[usize::from(node.0) - 1].to_string()
    }
}

pub(crate) fn node(name: &str) -> Result<NodeId, String> {
    if let Some(number) = name.strip_prefix("coordinator-") {
        let number: u16 = number.parse().map_err(|_| format!("no node is called {name}"))?;
        return Ok(NodeId(COORDINATORS_FROM + number - 1));
    }
    let place = (1..).zip(PARTICIPANTS).find(|(_, known)| *known == name);
    place.map(|(number, _)| NodeId(number)).ok_or_else(|| format!("no node is called {name}"))
}

/// Numbers the contents that ids stand for: an id with a star stands for other content than the first that was seen.
#[derive(Default)]
pub(crate) struct Contents(BTreeMap<TxnId, Vec<Digest>>);

impl Contents {
    pub(crate) fn subject(&mut self, txn: &TxnId, digest: Digest) -> String {
        let known = self.0.entry(txn.clone()).or_default();
        let place = known.iter().position(|seen| *seen == digest).unwrap_or_else(|| {
            known.push(digest);
            known.len() - 1
        });
        format!("{txn}{}", "*".repeat(place))
    }

    fn of(&mut self, subject: &Subject) -> String {
        self.subject(&subject.txn, subject.digest)
    }

    pub(crate) fn message(&mut self, message: &Message) -> String {
        match message {
            Message::Prepare(prepare) => {
                let mark = prepare.watermark.0;
                let watermark = if mark > 0 { format!(" watermark {mark}") } else { String::new() };
                let (subject, by, steps) =
                    (self.of(&prepare.subject), sponsor(prepare.sponsor), steps(&prepare.steps));
                format!("prepare {subject} sponsor {by}{watermark} [{steps}]")
            }
            Message::Vote { subject, sponsor: by, results: seen } => {
                format!("vote {} sponsor {}{}", self.of(subject), sponsor(*by), results(seen))
            }
            Message::Veto { subject, sponsor: by, reason: why, .. } => {
                format!("veto {} sponsor {} ({})", self.of(subject), sponsor(*by), reason(why))
            }
            Message::Tell { subject, outcome: how, watermark, .. } => {
                let mark = watermark.0;
                let watermark = match mark {
                    0 => String::new(),
                    u64::MAX => ", session ended".to_string(),
                    mark => format!(", watermark {mark}"),
                };
                format!("tell {} {}{watermark}", self.of(subject), outcome(how))
            }
            Message::Standing { subject, held: what } => {
                format!("standing {} {}", self.of(subject), held(what))
            }
            Message::Peek { subject, .. } => format!("peek {}", self.of(subject)),
            Message::Resolve { subject, sponsor: by, .. } => {
                let by = by.map(|by| format!(" by its sponsor {}", sponsor(by))).unwrap_or_default();
                format!("resolve {}{by}", self.of(subject))
            }
            Message::Pledged { subject, results: seen } => {
                format!("pledged {}{}", self.of(subject), results(seen))
            }
            Message::AskSponsor { subject, sponsor: by } => {
                format!("ask-sponsor {} sponsor {}", self.of(subject), sponsor(*by))
            }
            Message::SponsorSays { subject, sponsor: by, answer } => {
                let says = match answer {
                    SponsorAnswer::Deciding => "deciding".to_string(),
                    SponsorAnswer::Decided(how) => outcome(how),
                    SponsorAnswer::Gone => "gone".to_string(),
                };
                format!("sponsor-says {} sponsor {}: {says}", self.of(subject), sponsor(*by))
            }
            Message::Wound { subject, sponsor: by } => {
                format!("wound {} sponsor {}", self.of(subject), sponsor(*by))
            }
            Message::OutcomesHeld { held } => {
                let all =
                    held.iter().map(|(subject, mark)| format!("{}{}", self.of(subject), watermark(mark.0)));
                format!("outcomes-held {}", all.collect::<Vec<_>>().join(", "))
            }
            Message::AllHeld { subjects } => {
                let all = subjects.iter().map(|subject| self.of(subject));
                format!("all-held {}", all.collect::<Vec<_>>().join(", "))
            }
            Message::Answer { subject, answer: what } => format!("{} {}", self.of(subject), answer(what)),
            Message::Look(look) => {
                let alone = if look.alone { " alone" } else { "" };
                let (subject, by) = (self.of(&look.subject), sponsor(look.sponsor));
                format!("look {subject} sponsor {by}{alone} [{}]", steps(&look.steps))
            }
            Message::Looked { subject, sponsor: by, results: seen } => {
                let seen = match seen {
                    Ok((stamp, seen)) => format!("lock {}{}", lock(*stamp), results(seen)),
                    Err(why) => format!("refused ({})", reason(why)),
                };
                format!("looked {} sponsor {} {seen}", self.of(subject), sponsor(*by))
            }
            Message::Confirm { subject, sponsor: by, stamp } => {
                let what = stamp.map_or("only release".to_string(), |stamp| format!("lock {}", lock(stamp)));
                format!("confirm {} sponsor {} {what}", self.of(subject), sponsor(*by))
            }
            Message::Confirmed { subject, sponsor: by, held } => {
                let held = if *held { "held" } else { "not held" };
                format!("confirmed {} sponsor {} {held}", self.of(subject), sponsor(*by))
            }
            other => mail::message(other).unwrap_or_else(|| about_sessions(other)),
        }
    }

    pub(crate) fn write(&mut self, write: &Write) -> String {
        match write {
            Write::PutTxn(txn, record) => self.held(txn, record),
            Write::DeleteTxn(txn) => format!("nothing of {txn} any more"),
            Write::PutRecord(record, version) => format!("{record} v{version}"),
            Write::DeleteRecord(record) => format!("{record} deleted"),
            Write::PutField(record, name, Field::Value(held)) => format!("{record} {name} = {}", value(held)),
            Write::PutField(record, name, Field::List(items)) => format!("{record} {name} has {items}"),
            Write::PutField(record, name, Field::Set(members)) => format!("{record} {name} has {members}"),
            Write::PutItem(record, name, index, item) => {
                format!("{record} {name}[{index}] = {}", value(item))
            }
            Write::PutMember(record, name, member) => format!("{record} {name} +{member}"),
            Write::DeleteMember(record, name, member) => format!("{record} {name} -{member}"),
            Write::DeleteField(record, name) => format!("{record} {name} deleted"),
            Write::PutWatermark(client, session, mark) => format!("watermark {client}:{session} {mark}"),
            Write::DeleteWatermark(client, session) => format!("no watermark {client}:{session} any more"),
            Write::PutClient(client, ended) => {
                let ranges: Vec<String> =
                    ended.ended.iter().map(|(first, last)| format!("{first} to {last}")).collect();
                format!("sessions of {client} ended: {}", ranges.join(", "))
            }
            Write::PutGrant(client, granted) => {
                let open: Vec<String> = granted.open.iter().map(ToString::to_string).collect();
                format!("granted to {client} up to {}, open [{}]", granted.last, open.join(" "))
            }
            other => mail::write(other).expect("everything else is about messages"),
        }
    }

    pub(crate) fn held(&mut self, txn: &TxnId, record: &TxnRecord) -> String {
        match record {
            TxnRecord::Yes(yes) => {
                let pledged = if yes.pledged { " pledged" } else { "" };
                format!("yes {} sponsor {}{pledged}", self.subject(txn, yes.digest), sponsor(yes.sponsor))
            }
            TxnRecord::Decided(decided) => {
                let seen = results(&decided.results);
                format!("{} {}{seen}", self.subject(txn, decided.digest), outcome(&decided.outcome))
            }
        }
    }
}

/// A coordinator's number of a question: without the part that is its start's, but for a letter from the second one on.
fn opening(request: u64) -> String {
    let start = u32::try_from(request >> 32).unwrap_or(0);
    let letter = if start > 1 { char::from_u32(u32::from('a') + start - 1) } else { None };
    format!("{}{}", request & u64::from(u32::MAX), letter.map_or_else(String::new, String::from))
}

fn about_sessions(message: &Message) -> String {
    match message {
        Message::Watermarks { watermarks } => {
            let all =
                watermarks.iter().map(|mark| format!("{}:{} {}", mark.client, mark.session, mark.sequence));
            format!("watermarks {}", all.collect::<Vec<_>>().join(", "))
        }
        Message::GrantSession { client, request } => {
            format!("grant-session {client} request {}", opening(*request))
        }
        Message::SessionGranted { client, request, session } => {
            format!("session-granted {client}:{session} request {}", opening(*request))
        }
        Message::SessionOpened { request, session } => match session {
            Some(session) => format!("session-opened {session} request {request}"),
            None => format!("no session can be opened now, request {request}"),
        },
        Message::SessionClosed { session } => format!("session-closed {session}"),
        Message::TouchSession { client, session } => format!("touch-session {client}:{session}"),
        Message::AskSession { client, session } => format!("ask-session {client}:{session}"),
        Message::EndSession(end) => {
            format!("end-session {}:{} all below {}", end.client, end.session, end.all_below)
        }
        Message::SessionEnded(end) => {
            format!("session-ended {}:{} all below {}", end.client, end.session, end.all_below)
        }
        other => format!("{other:?}"),
    }
}

fn watermark(mark: u64) -> String {
    match mark {
        0 => String::new(),
        u64::MAX => " (session ended)".to_string(),
        mark => format!(" (watermark {mark})"),
    }
}

/// `1/2` is the second attempt of coordinator-1 since its first start, `1b/2` that since its second start.
pub(crate) fn sponsor(sponsor: Sponsor) -> String {
    let start = match sponsor.incarnation.0 {
        1 => String::new(),
        start => char::from(b'a' + start as u8 - 1).to_string(),
    };
    format!("{}{start}/{}", sponsor.node.0 - COORDINATORS_FROM + 1, sponsor.attempt)
}

/// Which start of the participant, and which acquisition since.
fn lock(stamp: LockStamp) -> String {
    format!("{}.{}", stamp.boot, stamp.serial)
}

pub(crate) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Committed => "committed".to_string(),
        Outcome::Aborted(why) => format!("aborted ({})", reason(why)),
    }
}

fn held(held: &Held) -> String {
    match held {
        Held::Blank => "blank".to_string(),
        Held::Queued(by) => format!("queued for {}", sponsor(*by)),
        Held::Yes { sponsor: by, pledged: false } => format!("yes to {}", sponsor(*by)),
        Held::Yes { sponsor: by, pledged: true } => format!("yes to {}, pledged", sponsor(*by)),
        Held::Committed(seen) => format!("committed{}", results(seen)),
        Held::Aborted(why) => format!("aborted ({})", reason(why)),
        Held::Expired => "expired".to_string(),
        Held::IdReused => "id-reused".to_string(),
        Held::Declined(why) => format!("declined ({})", reason(why)),
    }
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Committed(seen) => format!("committed{}", results(seen)),
        Answer::Aborted(why) => format!("aborted ({})", reason(why)),
        Answer::Unknown => "unknown".to_string(),
        Answer::Overloaded => "overloaded".to_string(),
        Answer::Expired => "expired".to_string(),
        Answer::Malformed(why) => format!("malformed: {why:?}"),
    }
}

fn reason(reason: &AbortReason) -> String {
    match reason {
        AbortReason::Refused(why) => refusal(why),
        AbortReason::Conflict => "conflict".to_string(),
        AbortReason::Deadline => "deadline".to_string(),
        AbortReason::Overloaded => "overloaded".to_string(),
        AbortReason::Abandoned => "abandoned".to_string(),
        AbortReason::IdReused => "id reused".to_string(),
        AbortReason::Expired => "expired".to_string(),
        AbortReason::Misplaced(node) => format!("misplaced at {}", name(*node)),
    }
}

fn refusal(refusal: &Refusal) -> String {
    let kind = match refusal.kind {
        RefusalKind::Exists => "does not exist",
        RefusalKind::Absent => "is there",
        RefusalKind::Equals => "differs",
        RefusalKind::AtLeast => "is too little",
        RefusalKind::Contains => "lacks the member",
        RefusalKind::Version => "has another version",
        RefusalKind::Bound => "bound",
        RefusalKind::MemberExists => "member is there",
        RefusalKind::MemberAbsent => "member is not there",
        RefusalKind::WrongType => "has another type",
        RefusalKind::TooLarge => "is too large",
        RefusalKind::MessageAbsent => "no such message",
        RefusalKind::LeaseLost => "lease lost",
        RefusalKind::ForeignLease => "foreign lease",
        RefusalKind::MailboxAbsent => "no such mailbox",
        RefusalKind::OutboxFull => "outbox full",
    };
    let field = refusal.field.as_ref().map(|field| format!(" {field}")).unwrap_or_default();
    let member = refusal.member.as_ref().map(|member| format!(" {member}")).unwrap_or_default();
    format!("#{} {}{field}{member}: {kind}", refusal.operation, refusal.record)
}

pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}

pub(crate) fn content(content: &FieldContent) -> String {
    match content {
        FieldContent::Value(held) => value(held),
        FieldContent::List(items) => format!("({})", items.iter().map(value).collect::<Vec<_>>().join(" ")),
        FieldContent::Set(members) => {
            format!("{{{}}}", members.iter().map(Member::as_str).collect::<Vec<_>>().join(" "))
        }
    }
}

/// What reads saw, each with the number of its operation.
fn results(results: &Results) -> String {
    if results.is_empty() {
        return String::new();
    }
    let one = |(index, result): &(u16, ReadResult)| {
        let seen = match result {
            ReadResult::Record(None) | ReadResult::Field(None) => "nothing".to_string(),
            ReadResult::Record(Some(record)) => {
                let fields = record.fields.iter().map(|(name, held)| format!(" {name} {}", content(held)));
                format!("v{}{}", record.version, fields.collect::<String>())
            }
            ReadResult::Field(Some(held)) => content(held),
            ReadResult::Count(count) => count.to_string(),
            ReadResult::Member(there) => if *there { "there" } else { "not there" }.to_string(),
        };
        format!("#{index} {seen}")
    };
    format!(" [{}]", results.iter().map(one).collect::<Vec<_>>().join("; "))
}

fn steps(steps: &[Step]) -> String {
    steps.iter().map(|step| operation(&step.operation)).collect::<Vec<_>>().join("; ")
}

fn operation(operation: &Operation) -> String {
    let bound = |name: &str, bound: Option<String>| bound.map(|b| format!(" {name}={b}")).unwrap_or_default();
    match operation {
        Operation::Require { record, check } => match check {
            Check::Exists => format!("require {record} exists"),
            Check::Absent => format!("require {record} absent"),
            Check::Equals(field, held) => format!("require {record} {field} = {}", value(held)),
            Check::AtLeast(field, least) => format!("require {record} {field} >= {least}"),
            Check::Contains(field, member) => format!("require {record} {field} contains {member}"),
            Check::Version(version) => format!("require {record} version {version}"),
        },
        Operation::Set { record, field, value: new } => format!("set {record} {field} {}", value(new)),
        Operation::Delete { record } => format!("delete {record}"),
        Operation::Append { record, field, value: new } => format!("append {record} {field} {}", value(new)),
        Operation::Add { record, field, delta, min, max } => {
            let (min, max) =
                (bound("min", min.map(|b| b.to_string())), bound("max", max.map(|b| b.to_string())));
            format!("add {record} {field} {delta:+}{min}{max}")
        }
        Operation::Insert { record, field, member, max } => {
            format!("insert {record} {field} {member}{}", bound("max", max.map(|b| b.to_string())))
        }
        Operation::Remove { record, field, member, min } => {
            format!("remove {record} {field} {member}{}", bound("min", min.map(|b| b.to_string())))
        }
        Operation::Read { record, what } => match what {
            Selection::Record => format!("read {record}"),
            Selection::Field(field) => format!("read {record} {field}"),
            Selection::Count(field) => format!("count {record} {field}"),
            Selection::Member(field, member) => format!("member {record} {field} {member}"),
        },
        Operation::Send { .. } | Operation::Acknowledge { .. } => mail::operation(operation),
    }
}

pub(crate) fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} can't be read"))
}

fn typed(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::Text(text.to_string()), Value::Int)
}

/// Reads one operation, in the notation in which it is printed.
pub(crate) fn read_operation(text: &str) -> Result<Operation, String> {
    if let Some(about_messages) = mail::read_operation(text) {
        return about_messages;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let bound = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let plain: Vec<&str> =
        words.iter().copied().filter(|w| !w.starts_with("min=") && !w.starts_with("max=")).collect();
    let [verb, record, rest @ ..] = &plain[..] else { return Err(format!("no operation: {text:?}")) };
    let record: RecordId = parsed(record)?;
    Ok(match (*verb, rest) {
        ("require", ["exists"]) => Operation::Require { record, check: Check::Exists },
        ("require", ["absent"]) => Operation::Require { record, check: Check::Absent },
        ("require", ["version", version]) => {
            Operation::Require { record, check: Check::Version(Version(parsed(version)?)) }
        }
        ("require", [field, "=", held]) => {
            Operation::Require { record, check: Check::Equals(parsed(field)?, typed(held)) }
        }
        ("require", [field, ">=", least]) => {
            Operation::Require { record, check: Check::AtLeast(parsed(field)?, parsed(least)?) }
        }
        ("require", [field, "contains", member]) => {
            Operation::Require { record, check: Check::Contains(parsed(field)?, parsed(member)?) }
        }
        ("set", [field, new]) => Operation::Set { record, field: parsed(field)?, value: typed(new) },
        ("append", [field, new]) => Operation::Append { record, field: parsed(field)?, value: typed(new) },
        ("delete", []) => Operation::Delete { record },
        ("add", [field, delta]) => Operation::Add {
            record,
            field: parsed(field)?,
            delta: parsed(delta)?,
            min: bound("min").map(parsed).transpose()?,
            max: bound("max").map(parsed).transpose()?,
        },
        ("insert", [field, member]) => Operation::Insert {
            record,
            field: parsed(field)?,
            member: parsed(member)?,
            max: bound("max").map(parsed).transpose()?,
        },
        ("remove", [field, member]) => Operation::Remove {
            record,
            field: parsed(field)?,
            member: parsed(member)?,
            min: bound("min").map(parsed).transpose()?,
        },
        ("read", []) => Operation::Read { record, what: Selection::Record },
        ("read", [field]) => Operation::Read { record, what: Selection::Field(parsed(field)?) },
        ("count", [field]) => Operation::Read { record, what: Selection::Count(parsed(field)?) },
        ("member", [field, member]) => {
            let (field, member): (FieldName, Member) = (parsed(field)?, parsed(member)?);
            Operation::Read { record, what: Selection::Member(field, member) }
        }
        _ => return Err(format!("no operation: {text:?}")),
    })
}
