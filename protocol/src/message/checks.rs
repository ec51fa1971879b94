//! What is wrong with a message by itself: counts, order and ranges that its types don't hold.

use super::{
    BATCH_MAX, DEADLINE_MS_MAX, Manage, Message, OPERATIONS_MAX, PARTICIPANTS_MAX, SESSION_WINDOW_MAX,
    mailboxes::{check_deliveries, check_finish, check_receive, check_relay},
};
use crate::{
    ids::{NodeId, Sequence},
    operation::Step,
};

impl Message {
    /// Says what is wrong with the message by itself: counts, order and ranges that its types don't hold.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Message::Begin(begin) => {
                check_deadline(begin.deadline_ms)?;
                check_window(begin.subject.txn.sequence, begin.watermark)?;
                if begin.branches.iter().map(|b| b.steps.len()).sum::<usize>() > OPERATIONS_MAX {
                    return Err("more than 4096 operations");
                }
                check_participants(begin.branches.len(), begin.branches.iter().map(|b| b.participant))
            }
            Message::Prepare(prepare) => {
                check_deadline(prepare.deadline_ms)?;
                check_window(prepare.subject.txn.sequence, prepare.watermark)?;
                check_steps(&prepare.steps)?;
                check_list(&prepare.participants)
            }
            Message::Look(look) => {
                check_deadline(look.deadline_ms)?;
                check_steps(&look.steps)
            }
            Message::Veto { participants, .. }
            | Message::Peek { participants, .. }
            | Message::Resolve { participants, .. }
            | Message::Tell { participants, .. } => check_list(participants),
            Message::AllHeld { subjects } => check_batch(subjects.len()),
            Message::Watermarks { watermarks } => check_batch(watermarks.len()),
            Message::OutcomesHeld { held } => check_batch(held.len()),
            Message::Relay { first, envelopes, .. } => check_relay(*first, envelopes),
            Message::Receive(receive) => check_receive(receive),
            Message::Finish { deliveries, how, .. } => {
                check_deliveries(deliveries.len())?;
                check_finish(how)
            }
            Message::Manage { what: Manage::Redrive(Some(places)) | Manage::Purge(Some(places)), .. } => {
                check_deliveries(places.len())
            }
            Message::Received { deliveries: Ok(deliveries), .. } => check_deliveries(deliveries.len()),
            Message::Finished { results: Ok(results), .. } => check_deliveries(results.len()),
            Message::OpenSession { .. }
            | Message::CloseSession { .. }
            | Message::KeepSession { .. }
            | Message::Answer { .. }
            | Message::SessionOpened { .. }
            | Message::SessionClosed { .. }
            | Message::SponsorSays { .. }
            | Message::Confirm { .. }
            | Message::GrantSession { .. }
            | Message::TouchSession { .. }
            | Message::EndSession(_)
            | Message::Vote { .. }
            | Message::Wound { .. }
            | Message::AskSponsor { .. }
            | Message::Looked { .. }
            | Message::Confirmed { .. }
            | Message::SessionGranted { .. }
            | Message::SessionEnded(_)
            | Message::Standing { .. }
            | Message::Pledged { .. }
            | Message::Query { .. }
            | Message::Reply { .. }
            | Message::AskSession { .. }
            | Message::RelayHeld { .. }
            | Message::Manage { .. }
            | Message::Received { .. }
            | Message::Finished { .. }
            | Message::Managed { .. } => Ok(()),
        }
    }
}

fn check_deadline(ms: u32) -> Result<(), &'static str> {
    if ms > DEADLINE_MS_MAX { Err("the deadline is longer than 600,000 ms") } else { Ok(()) }
}

fn check_window(sequence: Sequence, watermark: Sequence) -> Result<(), &'static str> {
    if sequence.0 == u64::MAX {
        // It stands for "above everything" where a session has ended.
        Err("the sequence is the last possible one")
    } else if watermark > sequence {
        Err("the watermark is above the request's own sequence")
    } else if sequence.0 - watermark.0 > SESSION_WINDOW_MAX {
        Err("the sequence is more than 4096 ahead of the watermark")
    } else {
        Ok(())
    }
}

fn check_steps(steps: &[Step]) -> Result<(), &'static str> {
    if steps.len() > OPERATIONS_MAX {
        return Err("more than 4096 operations");
    }
    if !steps.is_sorted_by(|a, b| a.index < b.index) {
        return Err("the operations are not in the order of their indexes");
    }
    steps.iter().try_for_each(|step| step.operation.check())
}

fn check_list(participants: &[NodeId]) -> Result<(), &'static str> {
    check_participants(participants.len(), participants.iter().copied())
}

fn check_participants(count: usize, participants: impl Iterator<Item = NodeId>) -> Result<(), &'static str> {
    if count == 0 {
        Err("no participant")
    } else if count > PARTICIPANTS_MAX {
        Err("more than 64 participants")
    } else if !participants.is_sorted_by(|a, b| a < b) {
        Err("the participants are not sorted, or one is named twice")
    } else {
        Ok(())
    }
}

fn check_batch(entries: usize) -> Result<(), &'static str> {
    if entries > BATCH_MAX { Err("more than 4096 entries in a batch") } else { Ok(()) }
}
