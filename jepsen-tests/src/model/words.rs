//! Traces for people: one line for each action, in the manner of the transcripts in `protocol/tests/transcripts/`; below it,
//! indented, what it made the nodes say and hold.

use super::{
    cast::Cast,
    state::{Action, State},
    tables::{MessageId, TO_CLIENT, Tables},
};
use assent_protocol::{
    ids::{Sponsor, Subject},
    message::{Held, Intent, Message, SponsorAnswer},
    outcome::{AbortReason, Answer, Outcome},
};

/// A message with sender and receiver.
pub(super) fn sent(tables: &Tables, from: usize, to: u8, message: MessageId) -> String {
    let cast = &tables.cast;
    let to = if to == TO_CLIENT { "a".to_string() } else { cast.name(usize::from(to)) };
    format!("{} -> {to}: {}", cast.name(from), words(cast, &tables.message(message).message))
}

/// An action, and what it does.
pub(super) fn action(tables: &Tables, before: &State, after: &State, action: Action) -> Vec<String> {
    let cast = &tables.cast;
    let name = |node: u8| cast.name(usize::from(node));
    let head = match action {
        Action::Request(request) => {
            let asked = &cast.config.requests[usize::from(request)];
            let verb = match cast.first_intent(usize::from(request)) {
                Intent::First => "begin",
                Intent::Repeat => "repeat",
                Intent::Settle => "settle",
            };
            let Message::Begin(begin) = cast.begin(usize::from(request)) else { return Vec::new() };
            let subject = subject(cast, &begin.subject);
            let via = cast.name(cast.config.participants + asked.coordinator);
            let mark =
                if asked.watermark > 0 { format!(" watermark={}", asked.watermark) } else { String::new() };
            format!("{verb} {subject} via={via}{mark}")
        }
        Action::Deliver(node, message) => {
            let from = usize::from(tables.message(message).from);
            format!("deliver {}", sent(tables, from, node, message))
        }
        Action::Sync(node) => format!("sync {}", name(node)),
        Action::Wake(node) => {
            let wake = tables.view(before.nodes[usize::from(node)]).wake_ms.unwrap_or(0);
            format!("wait {wake}ms on {}", name(node))
        }
        Action::Notice(node, other) => format!("{} notices its connection to {}", name(node), name(other)),
        Action::Crash { node, keeping: false } => format!("crash {} losing", name(node)),
        Action::Crash { node, keeping: true } => format!("crash {} keeping", name(node)),
        Action::Start(node) => format!("restart {}", name(node)),
        Action::Cut(one, two) => format!("down {} {}", name(one), name(two)),
        Action::Restore(one, two) => format!("up {} {}", name(one), name(two)),
    };
    let mut lines = vec![head];
    if let Some((node, step)) = before.step_of(tables, action) {
        let said = step.sent.iter().map(|(to, message)| sent(tables, node, *to, *message));
        lines.extend(said.map(|line| format!("    {line}")));
        lines.extend(changes(tables, node, before, after));
    }
    lines
}

/// What a participant's disk holds now that it did not before.
fn changes(tables: &Tables, node: usize, before: &State, after: &State) -> Vec<String> {
    let (old, new) = (tables.view(before.nodes[node]), tables.view(after.nodes[node]));
    let mut lines = Vec::new();
    for (place, transaction) in tables.cast.transactions.iter().enumerate() {
        let bit = 1 << place;
        let kinds = [
            ("yes", old.yes, new.yes),
            ("pledged", old.pledged, new.pledged),
            ("committed", old.committed, new.committed),
            ("aborted", old.aborted, new.aborted),
            ("answered for good", old.passed, new.passed),
        ];
        for (what, was, is) in kinds {
            if was & bit == 0 && is & bit != 0 {
                let subject = subject(&tables.cast, &transaction.subject);
                lines.push(format!("    {} holds {subject} {what}", tables.cast.name(node)));
            }
        }
        let held = |view: &super::view::NodeView| (view.yes | view.committed | view.aborted) & bit != 0;
        if held(&old) && !held(&new) {
            let subject = subject(&tables.cast, &transaction.subject);
            lines.push(format!("    {} holds nothing of {subject} any more", tables.cast.name(node)));
        }
    }
    lines
}

/// A star for other content than that of the first request with this id.
fn subject(cast: &Cast, subject: &Subject) -> String {
    let same_id = cast.transactions.iter().filter(|known| known.subject.txn == subject.txn);
    let place = same_id.take_while(|known| known.subject != *subject).count();
    format!("{}{}", subject.txn, "*".repeat(place))
}

/// As in the transcripts: the coordinator's number, a letter from its second start on, and the attempt.
fn sponsor(cast: &Cast, sponsor: Sponsor) -> String {
    let number = cast.node(sponsor.node) - cast.config.participants + 1;
    let start = match u32::try_from(sponsor.incarnation.0) {
        Ok(start @ 2..=26) => {
            char::from_u32(u32::from('a') + start - 1).map(String::from).unwrap_or_default()
        }
        _ => String::new(),
    };
    format!("{number}{start}/{}", sponsor.attempt)
}

fn words(cast: &Cast, message: &Message) -> String {
    let of = |about: &Subject| subject(cast, about);
    let by = |attempt: &Sponsor| sponsor(cast, *attempt);
    match message {
        Message::Prepare(prepare) => {
            format!("prepare {} sponsor {}", of(&prepare.subject), by(&prepare.sponsor))
        }
        Message::Vote { subject, sponsor, .. } => format!("vote {} sponsor {}", of(subject), by(sponsor)),
        Message::Veto { subject, sponsor, reason: why, .. } => {
            format!("veto {} sponsor {} ({})", of(subject), by(sponsor), reason(why))
        }
        Message::Tell { subject, outcome: how, watermark, .. } => {
            let mark = if watermark.0 > 0 { format!(", watermark {watermark}") } else { String::new() };
            format!("tell {} {}{mark}", of(subject), outcome(how))
        }
        Message::Standing { subject, held } => format!("standing {} {}", of(subject), standing(cast, held)),
        Message::Peek { subject, .. } => format!("peek {}", of(subject)),
        Message::Resolve { subject, sponsor, .. } => {
            let own = sponsor.map(|attempt| format!(" by its sponsor {}", by(&attempt))).unwrap_or_default();
            format!("resolve {}{own}", of(subject))
        }
        Message::Pledged { subject, .. } => format!("pledged {}", of(subject)),
        Message::AskSponsor { subject, sponsor } => {
            format!("ask-sponsor {} sponsor {}", of(subject), by(sponsor))
        }
        Message::SponsorSays { subject, sponsor, answer } => {
            let says = match answer {
                SponsorAnswer::Deciding => "deciding".to_string(),
                SponsorAnswer::Decided(how) => outcome(how),
                SponsorAnswer::Gone => "gone".to_string(),
            };
            format!("sponsor-says {} sponsor {}: {says}", of(subject), by(sponsor))
        }
        Message::Wound { subject, sponsor } => format!("wound {} sponsor {}", of(subject), by(sponsor)),
        Message::OutcomesHeld { held } => {
            let all: Vec<String> =
                held.iter().map(|(about, mark)| format!("{} ({mark})", of(about))).collect();
            format!("outcomes-held {}", all.join(", "))
        }
        Message::AllHeld { subjects } => {
            format!("all-held {}", subjects.iter().map(of).collect::<Vec<_>>().join(", "))
        }
        Message::Watermarks { watermarks } => {
            let all: Vec<String> = watermarks.iter().map(|mark| mark.sequence.to_string()).collect();
            format!("watermarks {}", all.join(", "))
        }
        Message::Answer { subject, answer: what } => format!("{} {}", of(subject), answer(what)),
        Message::Relay { mailbox, acked, first, envelopes } => {
            let all: Vec<String> = envelopes.iter().map(|envelope| envelope.id.to_string()).collect();
            format!("relay {mailbox} from {first}: {} (arrived: {acked})", all.join(", "))
        }
        Message::RelayHeld { mailbox, last, intake } => {
            let last =
                last.as_ref().map_or_else(|| "nothing".to_string(), |(last, id)| format!("{last}, {id}"));
            format!("relay-held {mailbox} {last} ({intake:?})")
        }
        Message::Look(look) => format!("look {} sponsor {}", of(&look.subject), by(&look.sponsor)),
        Message::Looked { subject, sponsor, results } => {
            let how = results.as_ref().map_or("refused".to_string(), |(stamp, results)| {
                format!("lock {}.{}: {results:?}", stamp.boot, stamp.serial)
            });
            format!("looked {} sponsor {} {how}", of(subject), by(sponsor))
        }
        Message::Confirm { subject, sponsor, stamp } => {
            let lock = stamp.map_or("none".to_string(), |stamp| format!("{}.{}", stamp.boot, stamp.serial));
            format!("confirm {} sponsor {} lock {lock}", of(subject), by(sponsor))
        }
        Message::Confirmed { subject, sponsor, held } => {
            format!("confirmed {} sponsor {} held {held}", of(subject), by(sponsor))
        }
        // About sessions: no request of the model is one.
        other => format!("{other:?}"),
    }
}

fn standing(cast: &Cast, held: &Held) -> String {
    match held {
        Held::Blank => "blank".to_string(),
        Held::Queued(attempt) => format!("queued for {}", sponsor(cast, *attempt)),
        Held::Yes { sponsor: attempt, pledged } => {
            format!("yes to {}{}", sponsor(cast, *attempt), if *pledged { ", pledged" } else { "" })
        }
        Held::Committed(_) => "committed".to_string(),
        Held::Aborted(why) => format!("aborted ({})", reason(why)),
        Held::Expired => "expired".to_string(),
        Held::IdReused => "id reused".to_string(),
        Held::Declined(why) => format!("declined ({})", reason(why)),
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Committed => "committed".to_string(),
        Outcome::Aborted(why) => format!("aborted ({})", reason(why)),
    }
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Committed(_) => "committed".to_string(),
        Answer::Aborted(why) => format!("aborted ({})", reason(why)),
        Answer::Unknown => "unknown".to_string(),
        Answer::Overloaded => "overloaded".to_string(),
        Answer::Expired => "expired".to_string(),
        Answer::Malformed(what) => format!("malformed: {what:?}"),
    }
}

fn reason(reason: &AbortReason) -> &'static str {
    match reason {
        AbortReason::Refused(_) => "refused",
        AbortReason::Conflict => "conflict",
        AbortReason::Deadline => "deadline",
        AbortReason::Overloaded => "overloaded",
        AbortReason::Abandoned => "abandoned",
        AbortReason::IdReused => "id reused",
        AbortReason::Expired => "expired",
        AbortReason::Misplaced(_) => "misplaced",
    }
}
