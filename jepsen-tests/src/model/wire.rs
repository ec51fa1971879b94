//! What the model's network carries of what is said, and in which form.

use super::config::ModelConfig;
use assent_protocol::{
    ids::Peer,
    message::{Held, Message, SponsorAnswer},
    outcome::{AbortReason, Answer, Outcome},
};

/// The message as the network carries it; none if it is always lost.
///
/// An abort is carried without its reason: participants may each have one of their own, and nothing is decided by it
/// (`docs/decisions/0004-reasons-of-an-abort.md`).
pub(super) fn carried(config: &ModelConfig, to: Peer, message: Message) -> Option<(Peer, Message)> {
    let message = match message {
        Message::OutcomesHeld { .. } | Message::AllHeld { .. } | Message::Watermarks { .. }
            if !config.forgetting =>
        {
            return None;
        }
        Message::Veto { subject, sponsor, participants, .. } => {
            Message::Veto { subject, sponsor, participants, reason: ANY }
        }
        Message::Tell { subject, participants, outcome, watermark } => {
            Message::Tell { subject, participants, outcome: without_reason(outcome), watermark }
        }
        Message::SponsorSays { subject, sponsor, answer: SponsorAnswer::Decided(outcome) } => {
            let answer = SponsorAnswer::Decided(without_reason(outcome));
            Message::SponsorSays { subject, sponsor, answer }
        }
        Message::Standing { subject, held: Held::Aborted(_) } => {
            Message::Standing { subject, held: Held::Aborted(ANY) }
        }
        Message::Looked { subject, sponsor, results: Err(_) } => {
            Message::Looked { subject, sponsor, results: Err(ANY) }
        }
        Message::Answer { subject, answer: Answer::Aborted(_) } => {
            Message::Answer { subject, answer: Answer::Aborted(ANY) }
        }
        other => other,
    };
    Some((to, message))
}

/// The reason that all aborts have.
const ANY: AbortReason = AbortReason::Abandoned;

fn without_reason(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Committed => Outcome::Committed,
        Outcome::Aborted(_) => Outcome::Aborted(ANY),
    }
}
