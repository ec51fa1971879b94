//! What clients are told that they have read (R10): whole transactions, and what was answered before they asked.
//!
//! Every transaction appends a value of its own to one record of each of its participants; so a read of such a record tells
//! which transactions it has seen.

use super::{
    cast::Cast,
    config::{ModelConfig, PARTICIPANTS_MAX},
    rules::Seen,
    tables::Tables,
    view::Bits,
};
use assent_protocol::{
    ids::Peer,
    message::Message,
    operation::{FieldContent, ReadResult, Results, Value},
    outcome::Answer,
};

/// Of each participant the transactions that were seen there; none where nothing was read.
type SeenAt = [Option<Bits>; PARTICIPANTS_MAX];

/// What one committed answer says about records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// Whose answer, by the place of the transaction.
    reader: usize,
    at: SeenAt,
}

impl Told {
    /// What a message tells the client; none if it is no answer to a read.
    pub(super) fn of(cast: &Cast, message: &Message) -> Option<Told> {
        let Message::Answer { subject, answer: Answer::Committed(results) } = message else { return None };
        let reader = cast.transaction(subject)?;
        let told = Told { reader, at: seen_at(cast, reader, results) };
        told.at.iter().any(Option::is_some).then_some(told)
    }

    /// Everything that was seen anywhere.
    pub(super) fn all(&self) -> Bits {
        self.at.iter().flatten().fold(0, |all, bits| all | bits)
    }
}

fn seen_at(cast: &Cast, reader: usize, results: &Results) -> SeenAt {
    let mut at = SeenAt::default();
    for (index, result) in results {
        let items = match result {
            ReadResult::Field(Some(FieldContent::List(items))) => items.as_slice(),
            _ => &[],
        };
        at[cast.participant_of(*index)] = Some(transactions(cast, reader, items));
    }
    at
}

/// Whose values these are.
fn transactions(cast: &Cast, reader: usize, items: &[Value]) -> Bits {
    let record = cast.transactions[reader].request.record;
    let theirs = cast.transactions.iter().enumerate().filter(|(_, transaction)| {
        let request = &transaction.request;
        request.writes() && request.record == record && items.contains(&Value::Int(request.value))
    });
    theirs.fold(0, |bits, (place, _)| bits | 1 << place)
}

impl Seen {
    /// Where a read sees a transaction at all, it sees it at every participant of both.
    pub(super) fn reads_see_whole_transactions(&self, tables: &Tables) -> bool {
        self.answers.told.iter().all(|told| {
            tables.cast.transactions.iter().enumerate().all(|(place, transaction)| {
                let participants = told.at.iter().take(transaction.request.participants).flatten();
                let seen = || participants.clone().map(|bits| bits & 1 << place != 0);
                seen().all(|is| is) || seen().all(|is| !is)
            })
        })
    }

    /// Who has the answer to a transaction before it asks for a read sees what that has done: the watermark says so.
    pub(super) fn reads_see_what_was_answered(&self, tables: &Tables) -> bool {
        let transactions = &tables.cast.transactions;
        self.answers.told.iter().all(|told| {
            let reader = &transactions[told.reader].request;
            let before = transactions.iter().enumerate().filter(|(place, earlier)| {
                let earlier = &earlier.request;
                earlier.sequence < reader.watermark
                    && earlier.writes()
                    && earlier.record == reader.record
                    && self.answers.committed & 1 << place != 0
            });
            before.into_iter().all(|(place, earlier)| {
                let participants = told.at.iter().take(earlier.request.participants).flatten();
                participants.into_iter().all(|bits| bits & 1 << place != 0)
            })
        })
    }
}

/// Whether a node goes beyond the bounds on reads in what it says: how often a coordinator asks anew, and how often a
/// participant takes read locks between two starts. Such a step does not happen, as if its message were lost.
pub(super) fn is_beyond(config: &ModelConfig, said: &[(Peer, Message)]) -> bool {
    said.iter().any(|(_, message)| match message {
        Message::Look(look) => look.sponsor.attempt > config.looks_max,
        Message::Looked { results: Ok((stamp, _)), .. } => stamp.serial > config.locks_max,
        _ => false,
    })
}
