//! From the mailbox to its end: a message is delivered while it is there, the first of its key, and nobody else's (M4);
//! finished only under the lease that its client has (M5), and by nothing but that, or as a dead letter (M6).

use super::Known;
use crate::simulator::{
    disk::Durable,
    properties::{Asked, Facts, Property},
};
use assent_protocol::{
    ids::{ClientName, NodeId, Peer, Subject, TxnId},
    mail::{LeaseId, Mailbox, MessageId, MessageKey, Position},
    message::{Delivery, Finish, Message},
    storage::Write,
};
use std::collections::{BTreeMap, BTreeSet};

/// Where a message is.
type Place = (Mailbox, Position);

struct Here {
    id: MessageId,
    key: Option<MessageKey>,
}

/// The latest delivery of a message.
struct Leased {
    lease: LeaseId,
    consumer: ClientName,
    /// How many deliveries had failed before.
    failed: u32,
}

#[derive(Default)]
pub(in crate::simulator::properties) struct Deliveries {
    known: Known,
    /// Where each mailbox is.
    homes: BTreeMap<Mailbox, NodeId>,
    here: BTreeMap<Place, Here>,
    dead: BTreeMap<Place, MessageId>,
    /// All that ever were dead letters: one delivered in time may have died before its delivery was durable.
    died: BTreeSet<MessageId>,
    leases: BTreeMap<Place, Leased>,
    /// Who asked, by the number of the request, which is no other consumer's.
    requests: BTreeMap<u64, ClientName>,
    /// Acknowledgements of votes that are in doubt.
    in_doubt: BTreeMap<Place, Subject>,
    /// What may be gone: a committed transaction or a consumer acknowledged it.
    acknowledged: BTreeSet<Place>,
    given_back: BTreeSet<(Place, LeaseId)>,
    /// Mailboxes from which messages are taken for good.
    on_receipt: BTreeSet<Mailbox>,
    /// It is gone without a reason, unless it turns up among the dead letters of the same batch.
    unaccounted: Option<(NodeId, Place, MessageId)>,
}

impl Deliveries {
    /// A vote, or a commit without one, that acknowledges messages.
    fn acknowledge(&mut self, txn: &TxnId, subject: &Subject, node: NodeId) -> Result<(), String> {
        for (mailbox, position, lease) in self.known.acknowledges(subject) {
            if self.homes.get(&mailbox) != Some(&node) {
                continue;
            }
            let place = (mailbox, position);
            match self.leases.get(&place) {
                Some(leased) if leased.lease == lease && leased.consumer == txn.client => {}
                _ => {
                    return Err(format!(
                        "{node} votes to acknowledge {place:?} for {txn}, whose lease {lease} is not good (M5)"
                    ));
                }
            }
            if let Some(other) = self.in_doubt.insert(place.clone(), subject.clone())
                && other != *subject
            {
                return Err(format!("{place:?} is acknowledged by {txn} and by {} (M5)", other.txn));
            }
        }
        Ok(())
    }

    fn deliver(&mut self, node: NodeId, consumer: &ClientName, delivery: &Delivery) -> Result<(), String> {
        let id = &delivery.envelope.id;
        let place = (delivery.envelope.draft.mailbox.clone(), delivery.position);
        let Some(lease) = delivery.lease else {
            return match self.here.get(&place) {
                Some(here) if here.id == *id => Err(format!("{node} gives {id} away and still has it (M6)")),
                Some(_) | None => Ok(()),
            };
        };
        let here = self.here.get(&place).filter(|here| here.id == *id);
        let Some(here) = here else {
            return if self.died.contains(id) {
                Ok(())
            } else {
                Err(format!("{node} delivers {id}, which is not there (M4)"))
            };
        };
        if let Some(subject) = self.in_doubt.get(&place) {
            return Err(format!(
                "{node} delivers {id} while {}, which acknowledges it, is in doubt (M4)",
                subject.txn
            ));
        }
        let before = self.here.range((place.0.clone(), Position(0))..place.clone());
        if let Some(key) = &here.key
            && let Some((_, first)) = before.into_iter().find(|(_, other)| other.key.as_ref() == Some(key))
        {
            return Err(format!("{node} delivers {id} in front of {}, which has its key (M4)", first.id));
        }
        let failed = delivery.delivery - 1;
        if let Some(leased) = self.leases.get(&place)
            && leased.lease != lease
            && leased.lease.boot == lease.boot
            && leased.failed == failed
            && !self.given_back.contains(&(place.clone(), leased.lease))
        {
            return Err(format!("{node} delivers {id} to {consumer} while {} has it (M4)", leased.consumer));
        }
        self.leases.insert(place, Leased { lease, consumer: consumer.clone(), failed });
        Ok(())
    }

    fn account(&mut self) -> Result<(), String> {
        match self.unaccounted.take() {
            Some((node, place, id)) => {
                Err(format!("{node} has dropped {id} at {place:?}, which nobody acknowledged (M6)"))
            }
            None => Ok(()),
        }
    }
}

impl Property for Deliveries {
    fn name(&self) -> &'static str {
        "deliveries"
    }

    fn on_begun(&mut self, asked: &Asked<'_>) -> Result<(), String> {
        self.known.note_begun(asked);
        Ok(())
    }

    fn on_asked(&mut self, _: &Facts, client: &ClientName, message: &Message) -> Result<(), String> {
        match message {
            Message::Receive(receive) => {
                self.requests.insert(receive.request, client.clone());
                if receive.lease_ms.is_none() {
                    self.on_receipt.insert(receive.mailbox.clone());
                }
            }
            Message::Finish { mailbox, deliveries, how, .. } => {
                for (position, lease) in deliveries {
                    let place = (mailbox.clone(), *position);
                    let own = self.leases.get(&place);
                    let own = own.is_some_and(|held| held.lease == *lease && held.consumer == *client);
                    match how {
                        Finish::Acknowledge if own => {
                            self.acknowledged.insert(place);
                        }
                        Finish::Release { .. } => {
                            self.given_back.insert((place, *lease));
                        }
                        Finish::Acknowledge | Finish::Extend(_) => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn on_said(&mut self, _: &Facts, from: NodeId, _: Peer, message: &Message) -> Result<(), String> {
        let Message::Received { request, deliveries: Ok(deliveries) } = message else { return Ok(()) };
        let Some(consumer) = self.requests.get(request).cloned() else {
            return Err(format!("{from} answers request {request}, which nobody made"));
        };
        deliveries.iter().try_for_each(|delivery| self.deliver(from, &consumer, delivery))
    }

    fn on_durable(&mut self, _: &Facts, node: NodeId, durable: &Durable) -> Result<(), String> {
        if !matches!(durable, Durable::Mail(write) if matches!(**write, Write::PutDead(..))) {
            self.account()?;
        }
        let single = match durable {
            Durable::Decided { participants, .. } => participants.len() == 1,
            _ => false,
        };
        self.known.note(node, durable);
        match durable {
            Durable::Yes { txn, digest, pledged: false, .. } => {
                let subject = Subject { txn: txn.clone(), digest: *digest };
                self.acknowledge(txn, &subject, node)
            }
            Durable::Decided { txn, digest, committed, .. } => {
                let subject = Subject { txn: txn.clone(), digest: *digest };
                if *committed && single {
                    self.acknowledge(txn, &subject, node)?;
                }
                for (mailbox, position, _) in self.known.acknowledges(&subject) {
                    let here = self.homes.get(&mailbox) == Some(&node);
                    let place = (mailbox, position);
                    if here && self.in_doubt.get(&place) == Some(&subject) {
                        self.in_doubt.remove(&place);
                        if *committed {
                            self.acknowledged.insert(place);
                        }
                    }
                }
                Ok(())
            }
            Durable::Mail(write) => self.on_mail(node, write),
            _ => Ok(()),
        }
    }

    fn on_end(&mut self) -> Result<(), String> {
        self.account()?;
        let left = self.here.values().map(|here| &here.id).chain(self.dead.values()).next();
        left.map_or(Ok(()), |id| Err(format!("{id} has not come to its end (M6)")))
    }
}

impl Deliveries {
    fn on_mail(&mut self, node: NodeId, write: &Write) -> Result<(), String> {
        match write {
            Write::PutMessage(position, stored) => {
                let place = (stored.mailbox().clone(), *position);
                let (id, key) = (stored.envelope.id.clone(), stored.envelope.draft.key.clone());
                self.homes.insert(place.0.clone(), node);
                let new = match self.here.insert(place.clone(), Here { id: id.clone(), key }) {
                    Some(before) if before.id != id => {
                        return Err(format!("{node} puts {id} over {} (M6)", before.id));
                    }
                    Some(_) => false,
                    None => true,
                };
                if new {
                    // A place may be given again; what was said of the message before does not count for this one.
                    self.leases.remove(&place);
                    self.acknowledged.remove(&place);
                }
                Ok(())
            }
            Write::DeleteMessage(mailbox, position) => {
                let place = (mailbox.clone(), *position);
                let Some(here) = self.here.remove(&place) else {
                    return Err(format!("{node} finishes {place:?}, where nothing is"));
                };
                if !self.acknowledged.contains(&place) && !self.on_receipt.contains(mailbox) {
                    self.unaccounted = Some((node, place, here.id));
                }
                Ok(())
            }
            Write::PutDead(position, stored) => {
                let place = (stored.mailbox().clone(), *position);
                if self.unaccounted.as_ref().is_some_and(|(_, gone, _)| *gone == place) {
                    self.unaccounted = None;
                }
                self.died.insert(stored.envelope.id.clone());
                match self.dead.insert(place, stored.envelope.id.clone()) {
                    Some(before) if before != stored.envelope.id => {
                        Err(format!("{node} puts the dead letter {} over {before} (M6)", stored.envelope.id))
                    }
                    Some(_) | None => self.account(),
                }
            }
            Write::DeleteDead(mailbox, position) => {
                self.dead.remove(&(mailbox.clone(), *position));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
