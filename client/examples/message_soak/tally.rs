//! The independent reader: it pages through all records of all participants, and counts.

use crate::{
    flow::{self, Flow},
    stage::{self, Failure},
};
use assent_client::{Client, FieldContent, RecordId, Role, Value};
use std::fmt;

/// What was found.
#[derive(Default)]
pub(crate) struct Tally {
    /// Numbers that were counted once or more.
    counted: u64,
    lost: u64,
    /// Times that a number was counted beyond the first.
    duplicated: i64,
    /// Numbers that nobody sent, and fields that are no counts.
    strange: u64,
    /// What the passers and the counters say together.
    passed: i64,
    summed: i64,
    sent: i64,
}

impl Tally {
    /// Whether each message was passed and counted, once.
    pub(crate) fn is_exact(&self, messages: u64) -> bool {
        let all = messages as i64;
        self.counted == messages
            && (self.lost, self.duplicated, self.strange) == (0, 0, 0)
            && (self.sent, self.passed, self.summed) == (all, all, all)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { counted, lost, duplicated, strange, passed, summed, sent } = self;
        write!(f, "{counted} messages counted, {lost} lost, {duplicated} duplicated")?;
        write!(f, "; {sent} sent, {passed} passed on and {summed} counted by their own sums")?;
        if *strange > 0 { write!(f, "; {strange} that nobody sent") } else { Ok(()) }
    }
}

/// Reads the records of every participant, page by page.
pub(crate) async fn read(client: &Client, flow: &Flow) -> Result<Tally, Failure> {
    let mut times = vec![0_i64; usize::try_from(flow.messages)?];
    let mut tally = Tally::default();
    let nodes: Vec<_> =
        client.cluster().nodes().iter().filter(|node| node.role == Role::Participant).collect();
    for node in nodes {
        let mut after: Option<RecordId> = None;
        loop {
            let (page, more) = client.scan_page(node.id, None, after.as_ref()).await.reply?;
            for (id, record) in &page {
                match id.table() {
                    "source" => tally.sent += stage::integer(record, "next"),
                    "passed" => tally.passed += stage::integer(record, "n"),
                    "counted" => tally.summed += stage::integer(record, "n"),
                    "tally" => {
                        for (field, content) in &record.fields {
                            let number = flow::number(id.id(), field.as_str());
                            let slot = number.and_then(|number| times.get_mut(usize::try_from(number).ok()?));
                            match (slot, content) {
                                (Some(slot), FieldContent::Value(Value::Int(count))) => *slot += count,
                                _ => tally.strange += 1,
                            }
                        }
                    }
                    _ => {}
                }
            }
            after = page.last().map(|(id, _)| id.clone());
            if !more {
                break;
            }
        }
    }
    for count in times {
        tally.counted += u64::from(count > 0);
        tally.lost += u64::from(count < 1);
        tally.duplicated += (count - 1).max(0);
    }
    Ok(tally)
}
