//! The role table: who may say what to whom. Nothing else decides it.
//!
//! One `match` without `_`: a new message does not compile until its line is here.

use crate::principal::Role::{self, Client, Coordinator, Participant};
use assent_protocol::message::Message;

/// Whether a process of role `from` may send this message to one of role `to`.
pub fn may_send(from: Role, to: Role, message: &Message) -> bool {
    match message {
        Message::Begin(_)
        | Message::OpenSession { .. }
        | Message::CloseSession { .. }
        | Message::KeepSession { .. } => (from, to) == (Client, Coordinator),

        Message::Answer { .. } | Message::SessionOpened { .. } | Message::SessionClosed { .. } => {
            (from, to) == (Coordinator, Client)
        }

        Message::Prepare(_)
        | Message::Veto { .. }
        | Message::AllHeld { .. }
        | Message::Watermarks { .. }
        | Message::Look(_)
        | Message::Confirm { .. }
        | Message::GrantSession { .. }
        | Message::TouchSession { .. } => (from, to) == (Coordinator, Participant),

        Message::Peek { .. } | Message::Resolve { .. } | Message::Tell { .. } | Message::EndSession(_) => {
            from.is_node() && to == Participant
        }

        Message::Vote { .. }
        | Message::Wound { .. }
        | Message::Looked { .. }
        | Message::Confirmed { .. }
        | Message::SessionGranted { .. } => (from, to) == (Participant, Coordinator),

        // Participants ask, and so do coordinators to which a client has retried.
        Message::AskSponsor { .. } => from.is_node() && to == Coordinator,
        Message::SponsorSays { .. } => from == Coordinator && to.is_node(),

        Message::AskSession { .. } => (from, to) == (Participant, Participant),

        // The answers to what both coordinators and participants ask of a participant.
        Message::SessionEnded(_)
        | Message::Standing { .. }
        | Message::Pledged { .. }
        | Message::OutcomesHeld { .. } => from == Participant && to.is_node(),

        Message::Relay { .. } | Message::RelayHeld { .. } => (from, to) == (Participant, Participant),
        Message::Receive(_) | Message::Finish { .. } | Message::Manage { .. } => {
            (from, to) == (Client, Participant)
        }
        Message::Received { .. } | Message::Finished { .. } | Message::Managed { .. } => {
            (from, to) == (Participant, Client)
        }

        Message::Query { .. } => from == Client && to.is_node(),
        Message::Reply { .. } => from.is_node() && to == Client,
    }
}
