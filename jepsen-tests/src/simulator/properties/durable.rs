//! R7: what is said rests on what is durable where it is said.
//!
//! The world sends only behind the sync, as the program does; this checks that the machine wrote what it says.

use super::{Facts, Property};
use assent_protocol::{
    ids::{NodeId, Peer, Subject},
    message::{Held, Message},
};

pub(super) struct DurableBeforeTold;

fn standing(facts: &Facts, node: NodeId, subject: &Subject, said: &Held) -> Result<(), String> {
    let held = facts.at(node, &subject.txn);
    let decided = held.and_then(|held| held.decided);
    let rests = match said {
        Held::Committed(_) => decided == Some((subject.digest, true)),
        Held::Aborted(_) => decided == Some((subject.digest, false)),
        Held::Yes { sponsor, pledged } => held
            .is_some_and(|held| held.yes == Some((subject.digest, *sponsor)) && (!pledged || held.pledged)),
        Held::IdReused => held.is_some_and(|held| {
            held.yes.is_some_and(|(digest, _)| digest != subject.digest)
                || decided.is_some_and(|(digest, _)| digest != subject.digest)
        }),
        Held::Expired => facts.is_expired(node, &subject.txn),
        Held::Blank | Held::Queued(_) | Held::Declined(_) => true,
    };
    if rests {
        Ok(())
    } else {
        Err(format!("{node} says of {} {said:?}, which is not durable there", subject.txn))
    }
}

impl Property for DurableBeforeTold {
    fn name(&self) -> &'static str {
        "durable before told"
    }

    fn on_said(&mut self, facts: &Facts, from: NodeId, _: Peer, message: &Message) -> Result<(), String> {
        match message {
            Message::Standing { subject, held } => standing(facts, from, subject, held),
            Message::Vote { subject, sponsor, .. } => {
                let yes = facts.at(from, &subject.txn).and_then(|held| held.yes);
                if yes == Some((subject.digest, *sponsor)) {
                    return Ok(());
                }
                Err(format!("{from} votes on {}, and its Yes is not durable", subject.txn))
            }
            Message::Pledged { subject, .. } => {
                let held = facts.at(from, &subject.txn);
                if held
                    .is_some_and(|held| held.pledged && held.yes.is_some_and(|(of, _)| of == subject.digest))
                {
                    return Ok(());
                }
                Err(format!("{from} pledges {}, and the pledge is not durable", subject.txn))
            }
            Message::OutcomesHeld { held } => held.iter().try_for_each(|(subject, watermark)| {
                // To hold something else under this id means as much (R12).
                let known = facts.at(from, &subject.txn).is_some_and(|held| {
                    held.decided.is_some_and(|(of, _)| of == subject.digest) || held.rules_out(subject.digest)
                });
                if !known && !facts.is_expired(from, &subject.txn) {
                    return Err(format!("{from} acknowledges {}, which is not durable there", subject.txn));
                }
                let (client, session) = (&subject.txn.client, subject.txn.session);
                let durable = facts.watermark(from, client, session);
                if durable < *watermark && !facts.has_ended(from, client, session) {
                    return Err(format!(
                        "{from} tells a watermark of {client}:{session} that is not durable"
                    ));
                }
                Ok(())
            }),
            Message::SessionGranted { client, session, .. } if facts.granted(from, client) < *session => {
                Err(format!("{from} grants session {session}, which is not durable"))
            }
            _ => Ok(()),
        }
    }
}
