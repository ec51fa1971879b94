//! What a trace says of a message: short, for people, and equal for equal messages.

use crate::history::{Event, Process, Value};
use assent_protocol::message::{Begin, Held, Message, SponsorAnswer};
use assent_protocol::{
    ids::{Sponsor, Subject},
    outcome::{AbortReason, Answer, Outcome},
};
use std::fmt::{self, Display, Formatter};

/// A message in words.
pub(super) struct Words<'a>(pub(super) &'a Message);

/// A line of the history in words.
pub(super) struct Line<'a>(pub(super) &'a Event);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Event { process, kind, f: what, value, error, txn, .. } = self.0;
        let process = match process {
            Process::Client(number) => number.to_string(),
            Process::Nemesis => "nemesis".into(),
        };
        write!(f, "process {process} {kind:?} {what} {}", text(value))?;
        if let Some(error) = error {
            write!(f, " ({error})")?;
        }
        txn.as_ref().map_or(Ok(()), |txn| write!(f, " as {txn}"))
    }
}

fn text(value: &Value) -> String {
    let list = |values: &[Value]| values.iter().map(text).collect::<Vec<_>>().join(" ");
    match value {
        Value::Nil => "nil".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Text(value) => format!("{value:?}"),
        Value::Keyword(word) => format!(":{word}"),
        Value::Vector(values) => format!("[{}]", list(values)),
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{} {}", text(key), text(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

struct Who<'a>(&'a Subject);

impl Display for Who<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.0.txn, self.0.digest)
    }
}

struct By<'a>(&'a Sponsor);

impl Display for By<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Sponsor { node, incarnation, attempt } = self.0;
        write!(f, "sponsor {node}.{}/{attempt}", incarnation.0 as u64)
    }
}

fn reason(reason: &AbortReason) -> String {
    match reason {
        AbortReason::Refused(refusal) => {
            format!("refused at operation {}: {:?} {}", refusal.operation, refusal.kind, refusal.record)
        }
        other => format!("{other:?}"),
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Committed => "committed".into(),
        Outcome::Aborted(why) => format!("aborted, {}", reason(why)),
    }
}

fn held(held: &Held) -> String {
    match held {
        Held::Blank => "blank".into(),
        Held::Queued(sponsor) => format!("queued by {}", By(sponsor)),
        Held::Yes { sponsor, pledged } => {
            format!("yes to {}{}", By(sponsor), if *pledged { ", pledged" } else { "" })
        }
        Held::Committed(_) => "committed".into(),
        Held::Aborted(why) => format!("aborted, {}", reason(why)),
        Held::Expired => "expired".into(),
        Held::IdReused => "id reused".into(),
        Held::Declined(why) => format!("declined, {}", reason(why)),
    }
}

fn begin(begin: &Begin) -> String {
    let branches = begin.branches.iter().map(|branch| format!("p{}", branch.participant));
    format!(
        "begin {} {:?} on {} deadline={}ms watermark={}",
        Who(&begin.subject),
        begin.intent,
        branches.collect::<Vec<_>>().join("+"),
        begin.deadline_ms,
        begin.watermark
    )
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Committed(results) => format!("committed {results:?}"),
        Answer::Aborted(why) => format!("aborted, {}", reason(why)),
        other => format!("{other:?}"),
    }
}

impl Display for Words<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::Begin(message) => f.write_str(&begin(message)),
            Message::Answer { subject, answer: said } => {
                write!(f, "answer {} {}", Who(subject), answer(said))
            }
            Message::Prepare(prepare) => write!(
                f,
                "prepare {} {} deadline={}ms watermark={}",
                Who(&prepare.subject),
                By(&prepare.sponsor),
                prepare.deadline_ms,
                prepare.watermark
            ),
            Message::Vote { subject, sponsor, .. } => write!(f, "vote {} {}", Who(subject), By(sponsor)),
            Message::Standing { subject, held: what } => {
                write!(f, "standing {} {}", Who(subject), held(what))
            }
            Message::Veto { subject, sponsor, reason: why, .. } => {
                write!(f, "veto {} {} {}", Who(subject), By(sponsor), reason(why))
            }
            Message::Tell { subject, outcome: how, watermark, .. } => {
                write!(f, "tell {} {} watermark={watermark}", Who(subject), outcome(how))
            }
            Message::SponsorSays { subject, sponsor, answer } => {
                let said = match answer {
                    SponsorAnswer::Decided(how) => outcome(how),
                    SponsorAnswer::Deciding => "deciding".into(),
                    SponsorAnswer::Gone => "gone".into(),
                };
                write!(f, "sponsor says {} {} {said}", Who(subject), By(sponsor))
            }
            Message::AskSponsor { subject, sponsor } => {
                write!(f, "ask sponsor {} {}", Who(subject), By(sponsor))
            }
            Message::Wound { subject, sponsor } => write!(f, "wound {} {}", Who(subject), By(sponsor)),
            Message::Peek { subject, .. } => write!(f, "peek {}", Who(subject)),
            Message::Resolve { subject, .. } => write!(f, "resolve {}", Who(subject)),
            Message::Pledged { subject, .. } => write!(f, "pledged {}", Who(subject)),
            Message::Look(look) => write!(f, "look {} {}", Who(&look.subject), By(&look.sponsor)),
            Message::Looked { subject, results: Ok((stamp, results)), .. } => {
                write!(f, "looked {} lock {}.{} {results:?}", Who(subject), stamp.boot, stamp.serial)
            }
            Message::Looked { subject, results: Err(why), .. } => {
                write!(f, "looked {} refused, {}", Who(subject), reason(why))
            }
            Message::OutcomesHeld { held } => {
                let held: Vec<_> = held.iter().map(|(subject, _)| subject.txn.to_string()).collect();
                write!(f, "outcomes held {}", held.join(" "))
            }
            Message::AllHeld { subjects } => {
                let held: Vec<_> = subjects.iter().map(|subject| subject.txn.to_string()).collect();
                write!(f, "all held {}", held.join(" "))
            }
            // The others are short in themselves.
            other => write!(f, "{other:?}"),
        }
    }
}
