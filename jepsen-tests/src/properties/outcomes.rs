//! Which outcome is said or held, of which transaction: one for each, for ever (R1, R2).

use assent_protocol::{
    ids::Subject,
    message::{Held, Message, SponsorAnswer},
    outcome::{Answer, Outcome},
    storage::TxnRecord,
};

/// Which of two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// Every participant holds a durable Yes.
    Committed,
    /// One participant holds a durable abort.
    Aborted,
}

impl Verdict {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Committed => Verdict::Committed,
            Outcome::Aborted(_) => Verdict::Aborted,
        }
    }
}

/// The outcome that a message says, to nodes or to a client.
pub fn said(message: &Message) -> Option<(&Subject, Verdict)> {
    match message {
        Message::Tell { subject, outcome, .. } => Some((subject, Verdict::of(outcome))),
        Message::SponsorSays { subject, answer: SponsorAnswer::Decided(outcome), .. } => {
            Some((subject, Verdict::of(outcome)))
        }
        Message::Standing { subject, held } => match held {
            Held::Committed(_) => Some((subject, Verdict::Committed)),
            // Where another digest is held durably, this one can't ever have all votes (R12).
            Held::Aborted(_) | Held::IdReused => Some((subject, Verdict::Aborted)),
            Held::Blank | Held::Queued(_) | Held::Yes { .. } | Held::Expired | Held::Declined(_) => None,
        },
        Message::Answer { subject, answer } => match answer {
            Answer::Committed(_) => Some((subject, Verdict::Committed)),
            Answer::Aborted(_) => Some((subject, Verdict::Aborted)),
            // Not outcomes (R11).
            Answer::Unknown | Answer::Overloaded | Answer::Expired | Answer::Malformed(_) => None,
        },
        _ => None,
    }
}

/// The outcome that a record holds.
pub fn held(record: &TxnRecord) -> Option<Verdict> {
    match record {
        TxnRecord::Yes(_) => None,
        TxnRecord::Decided(decided) => Some(Verdict::of(&decided.outcome)),
    }
}

/// Whether two answers to one request may both be given. Of an abort each participant has its own reason.
pub fn agree(one: &Answer, two: &Answer) -> bool {
    match (one, two) {
        (Answer::Committed(one), Answer::Committed(two)) => one == two,
        (Answer::Committed(_), Answer::Aborted(_)) | (Answer::Aborted(_), Answer::Committed(_)) => false,
        _ => true,
    }
}
