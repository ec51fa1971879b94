//! Delivering: messages into mailboxes, leases to consumers, and what becomes of each (see [`crate::mail::mailbox`]).

use super::{BYTES_AT_ONCE_MAX, Participant, relaying::setting};
use crate::{
    canary::{Canary, broken},
    ids::{ClientName, FieldName, Member, NodeId, Peer, Stamp},
    mail::{
        Cause, Envelope, FAILURES_KEPT_MAX, Failure, LeaseId, Mailbox, MailboxMark, Position, Stored,
        mailbox::{Lease, Receiver, State, Unleased},
        settings,
    },
    message::{Delivery, Finish, MailboxRefusal, Message, Receive},
    participant::{Due, Turn},
    storage::{Field, Store, Write},
};
use alloc::{boxed::Box, vec::Vec};

impl From<Unleased> for MailboxRefusal {
    fn from(unleased: Unleased) -> Self {
        match unleased {
            Unleased::Absent => MailboxRefusal::MessageAbsent,
            Unleased::Lost => MailboxRefusal::LeaseLost,
            Unleased::Foreign => MailboxRefusal::ForeignLease,
            Unleased::Acknowledging => MailboxRefusal::Acknowledging,
        }
    }
}

impl Participant {
    /// Puts a message into a mailbox, at its end.
    pub(super) fn store_message<S: Store>(
        &mut self,
        envelope: Envelope,
        source: NodeId,
        turn: &mut Turn<'_, S>,
    ) {
        let arrived = self.wall(turn.now);
        let due = match envelope.draft.delay_ms {
            0 => Stamp(0),
            delay_ms => Stamp(arrived.0 + u64::from(delay_ms) * 1000),
        };
        self.mail.figures.stored += 1;
        let stored = Stored { envelope, source, arrived, due, failed: 0, failures: Vec::new() };
        self.put_message(stored, turn);
    }

    /// Gives a message the next place in its mailbox.
    pub(super) fn put_message<S: Store>(&mut self, stored: Stored, turn: &mut Turn<'_, S>) {
        let mailbox = stored.mailbox().clone();
        let due = super::age(stored.due, self.started(), self.mail.since).filter(|due| *due > turn.now);
        let state = self.mail.mailboxes.entry(mailbox.clone()).or_default();
        let position = state.arrive(stored.envelope.draft.key.clone(), due);
        let rests_until = state.rests_until(position);
        turn.store.write(Write::PutMessage(position, Box::new(stored)));
        if let Some(until) = rests_until {
            self.agenda.set(Due::Rest(mailbox.clone(), position), until);
        }
        self.agenda.set_at_latest(Due::Serve(mailbox), turn.now);
    }

    /// Writes where a mailbox begins and ends. It may be behind: places are found in the messages themselves.
    fn mark_mailbox<S: Store>(&mut self, mailbox: &Mailbox, turn: &mut Turn<'_, S>) {
        if let Some(state) = self.mail.mailboxes.get(mailbox) {
            let mark = MailboxMark { next: state.next(), head: state.head() };
            turn.store.write(Write::PutMailbox(mailbox.clone(), mark));
        }
    }

    /// A client is connected: from now on its name is known.
    pub(in crate::participant) fn on_client(&mut self, connection: u64, name: ClientName) {
        self.mail.clients.insert(connection, name);
    }

    /// A client is gone: it waits for nothing more. What it has stays leased, for it may be back.
    pub(in crate::participant) fn on_client_gone(&mut self, connection: u64) {
        if self.mail.clients.remove(&connection).is_some() {
            for state in self.mail.mailboxes.values_mut() {
                state.drop_receivers(Peer::Client(connection));
            }
        }
    }

    /// The consumer, if the mailbox is here and the client may use it.
    pub(super) fn consumer<S: Store>(
        &self,
        from: Peer,
        mailbox: &Mailbox,
        store: &S,
    ) -> Result<ClientName, MailboxRefusal> {
        if self.config.directory.locate(mailbox.record()) != self.config.node {
            return Err(MailboxRefusal::Misplaced);
        }
        if store.record(mailbox.record()).is_none() {
            return Err(MailboxRefusal::MailboxAbsent);
        }
        let Peer::Client(connection) = from else { return Err(MailboxRefusal::NotPermitted) };
        let Some(client) = self.mail.clients.get(&connection) else {
            return Err(MailboxRefusal::NotPermitted);
        };
        let consumers = FieldName::new(settings::CONSUMERS).expect("it is a valid name");
        let named = matches!(store.field(mailbox.record(), &consumers), Some(Field::Set(_)));
        let member = Member::new(client.as_str()).expect("a client's name is a valid member");
        if named && !store.contains(mailbox.record(), &consumers, &member) {
            return Err(MailboxRefusal::NotPermitted);
        }
        Ok(client.clone())
    }

    /// A consumer asks for messages.
    pub(in crate::participant) fn on_receive<S: Store>(
        &mut self,
        from: Peer,
        receive: Receive,
        turn: &mut Turn<'_, S>,
    ) {
        let Receive { request, mailbox, max, lease_ms, wait_ms } = receive;
        let refuse = |refusal| Message::Received { request, deliveries: Err(refusal) };
        let consumer = match self.consumer(from, &mailbox, turn.store) {
            Ok(consumer) => consumer,
            Err(refusal) => return turn.send(from, refuse(refusal)),
        };
        let until = turn.now.after_ms(u64::from(wait_ms));
        let receiver = Receiver { peer: from, consumer, request, max, lease_ms, until };
        let state = self.mail.mailboxes.entry(mailbox.clone()).or_default();
        if !state.ask(receiver) {
            return turn.send(from, refuse(MailboxRefusal::Overloaded));
        }
        self.agenda.set(Due::Receiver(mailbox.clone(), from, request), until);
        self.agenda.set_at_latest(Due::Serve(mailbox), turn.now);
    }

    /// Nothing has come for who waits.
    pub(in crate::participant) fn on_receiver_due<S: Store>(
        &mut self,
        mailbox: &Mailbox,
        peer: Peer,
        request: u64,
        turn: &mut Turn<'_, S>,
    ) {
        // What came in this very turn is for it.
        self.serve(mailbox, turn);
        let Some(state) = self.mail.mailboxes.get_mut(mailbox) else { return };
        if state.take_receiver(peer, request).is_some() {
            turn.send(peer, Message::Received { request, deliveries: Ok(Vec::new()) });
        }
    }

    /// Gives what is ready to those who wait; at the end of a turn, so that what the turn brought goes out together.
    pub(in crate::participant) fn serve<S: Store>(&mut self, mailbox: &Mailbox, turn: &mut Turn<'_, S>) {
        let Some(state) = self.mail.mailboxes.get_mut(mailbox) else { return };
        let mut receivers = Vec::new();
        let mut taken = Vec::new();
        while let Some(receiver) = state.next_receiver() {
            let mut deliveries = Vec::new();
            let mut bytes = 0;
            while deliveries.len() < usize::from(receiver.max)
                && let Some(position) = state.first_ready()
            {
                let stored = turn.store.mail(mailbox, position).expect("a message in its mailbox is stored");
                bytes += stored.envelope.draft.bytes();
                if !deliveries.is_empty() && bytes > BYTES_AT_ONCE_MAX {
                    break;
                }
                let delivery = state.failed(position).saturating_add(1);
                self.mail.figures.delivered += 1;
                self.mail.figures.redelivered += u64::from(delivery > 1);
                let lease = receiver.lease_ms.map(|lease_ms| {
                    self.mail.lease_serial += 1;
                    let id = LeaseId { boot: self.config.boot, serial: self.mail.lease_serial };
                    let until = turn.now.after_ms(u64::from(lease_ms));
                    state.lease(position, Lease { id, consumer: receiver.consumer.clone(), until });
                    self.agenda.set(Due::Lease(mailbox.clone(), position), until);
                    id
                });
                if lease.is_none() {
                    // Acknowledged on receipt: gone before it is seen, and the next of its key comes first.
                    if let Some(first) = state.remove(position)
                        && let Some(until) = state.rests_until(first)
                    {
                        self.agenda.set(Due::Rest(mailbox.clone(), first), until);
                    }
                    turn.store.write(Write::DeleteMessage(mailbox.clone(), position));
                    taken.push(position);
                }
                deliveries.push(Delivery { position, lease, envelope: stored.envelope, delivery });
            }
            self.agenda.clear(&Due::Receiver(mailbox.clone(), receiver.peer, receiver.request));
            receivers.push((receiver, deliveries));
        }
        for (receiver, deliveries) in receivers {
            let deliveries = Ok(deliveries);
            turn.send(receiver.peer, Message::Received { request: receiver.request, deliveries });
        }
        if !taken.is_empty() {
            self.mail.figures.acknowledged += taken.len() as u64;
            self.mark_mailbox(mailbox, turn);
            self.announce_room(mailbox, turn);
        }
    }

    /// A consumer is done with messages.
    pub(in crate::participant) fn on_finish<S: Store>(
        &mut self,
        from: Peer,
        request: u64,
        mailbox: &Mailbox,
        deliveries: &[(Position, LeaseId)],
        how: &Finish,
        turn: &mut Turn<'_, S>,
    ) {
        let results = self.consumer(from, mailbox, turn.store).map(|consumer| {
            let finish = |(position, lease): &(Position, LeaseId)| {
                self.finish_one(&consumer, mailbox, *position, *lease, how, turn)
            };
            deliveries.iter().map(finish).collect()
        });
        turn.send(from, Message::Finished { request, results });
    }

    fn finish_one<S: Store>(
        &mut self,
        consumer: &ClientName,
        mailbox: &Mailbox,
        position: Position,
        lease: LeaseId,
        how: &Finish,
        turn: &mut Turn<'_, S>,
    ) -> Result<(), MailboxRefusal> {
        let state = self.mail.mailboxes.get_mut(mailbox).ok_or(MailboxRefusal::MessageAbsent)?;
        if let Err(unleased) = state.check(position, lease, consumer) {
            self.mail.figures.leases_lost += 1;
            return Err(unleased.into());
        }
        match how {
            Finish::Acknowledge => {
                self.mail.figures.acknowledged += 1;
                self.finish_message(mailbox, position, turn);
            }
            Finish::Release { delay_ms, cause: None } => {
                let rest = delay_ms.filter(|ms| *ms > 0).map(|ms| turn.now.after_ms(u64::from(ms)));
                state.give_back(position, false, rest);
                self.agenda.clear(&Due::Lease(mailbox.clone(), position));
                match rest {
                    Some(until) => self.agenda.set(Due::Rest(mailbox.clone(), position), until),
                    None => self.agenda.set_at_latest(Due::Serve(mailbox.clone()), turn.now),
                }
            }
            Finish::Release { delay_ms, cause: Some(cause) } => {
                let cause = Cause::Failed(cause.clone());
                self.fail(mailbox, position, consumer.clone(), cause, *delay_ms, turn);
            }
            Finish::Extend(lease_ms) => {
                let until = turn.now.after_ms(u64::from(*lease_ms));
                state.extend(position, until);
                self.agenda.set(Due::Lease(mailbox.clone(), position), until);
            }
        }
        Ok(())
    }

    /// A message is finished for good.
    pub(super) fn finish_message<S: Store>(
        &mut self,
        mailbox: &Mailbox,
        position: Position,
        turn: &mut Turn<'_, S>,
    ) {
        turn.store.write(Write::DeleteMessage(mailbox.clone(), position));
        self.leave_mailbox(mailbox, position, turn);
    }

    /// A message is not in its mailbox any more: the next of its key comes first, and others may come.
    fn leave_mailbox<S: Store>(&mut self, mailbox: &Mailbox, position: Position, turn: &mut Turn<'_, S>) {
        self.agenda.clear(&Due::Lease(mailbox.clone(), position));
        let Some(state) = self.mail.mailboxes.get_mut(mailbox) else { return };
        if let Some(first) = state.remove(position)
            && let Some(until) = state.rests_until(first)
        {
            self.agenda.set(Due::Rest(mailbox.clone(), first), until);
        }
        // Read back at the next start: from where to look for messages, and which places were given. Those of messages
        // that are here say so themselves; without the mark, the last one's would be given again, dead letter or not.
        let was_last = position.next() == state.next() && !broken(Canary::DeadPlaceGiven);
        if position.0.is_multiple_of(1024) || state.depth() == 0 || was_last {
            self.mark_mailbox(mailbox, turn);
        }
        self.agenda.set_at_latest(Due::Serve(mailbox.clone()), turn.now);
        self.announce_room(mailbox, turn);
    }

    /// A delivery has failed: the message rests and is delivered again, or becomes a dead letter.
    fn fail<S: Store>(
        &mut self,
        mailbox: &Mailbox,
        position: Position,
        consumer: ClientName,
        cause: Cause,
        delay_ms: Option<u32>,
        turn: &mut Turn<'_, S>,
    ) {
        self.mail.figures.failures += 1;
        self.agenda.clear(&Due::Lease(mailbox.clone(), position));
        let mut stored = turn.store.mail(mailbox, position).expect("a message in its mailbox is stored");
        stored.failed = stored.failed.saturating_add(1);
        if stored.failures.len() >= FAILURES_KEPT_MAX {
            stored.failures.remove(0);
        }
        stored.failures.push(Failure { consumer, at: self.wall(turn.now), cause });
        let most = setting(mailbox, settings::DELIVERIES_MAX, turn.store).max(1);
        if i64::from(stored.failed) >= most {
            self.mail.figures.died += 1;
            turn.store.write(Write::DeleteMessage(mailbox.clone(), position));
            turn.store.write(Write::PutDead(position, Box::new(stored)));
            if let Some(state) = self.mail.mailboxes.get_mut(mailbox) {
                state.dead += 1;
            }
            return self.leave_mailbox(mailbox, position, turn);
        }
        let rest_ms = delay_ms.map_or_else(|| backoff_ms(mailbox, stored.failed, turn.store), u64::from);
        let until = turn.now.after_ms(rest_ms);
        stored.due = self.wall(until);
        turn.store.write(Write::PutMessage(position, Box::new(stored)));
        if let Some(state) = self.mail.mailboxes.get_mut(mailbox) {
            state.give_back(position, true, Some(until));
            if broken(Canary::KeyPassedOnFailure) {
                state.pass(position);
            }
        }
        self.agenda.set(Due::Rest(mailbox.clone(), position), until);
    }

    /// A lease has come to its end. While an acknowledgement is in doubt the message may be gone already, and stays.
    pub(in crate::participant) fn on_lease_due<S: Store>(
        &mut self,
        mailbox: &Mailbox,
        position: Position,
        turn: &mut Turn<'_, S>,
    ) {
        let state = self.mail.mailboxes.get(mailbox).and_then(|state| state.state(position));
        let state = match state {
            Some(State::Acknowledging(Some(lease))) if broken(Canary::DeliveredInDoubt) => {
                Some(State::Leased(lease.clone()))
            }
            other => other.cloned(),
        };
        if let Some(State::Leased(lease)) = state
            && lease.until <= turn.now
        {
            let consumer = lease.consumer;
            self.mail.figures.leases_expired += 1;
            self.fail(mailbox, position, consumer, Cause::LeaseExpired, None, turn);
        }
    }

    /// A message has rested.
    pub(in crate::participant) fn on_rest_due<S>(
        &mut self,
        mailbox: &Mailbox,
        position: Position,
        turn: &mut Turn<'_, S>,
    ) {
        if let Some(state) = self.mail.mailboxes.get_mut(mailbox) {
            state.wake(position, turn.now);
            self.agenda.set_at_latest(Due::Serve(mailbox.clone()), turn.now);
        }
    }

    /// A transaction that acknowledges a message has aborted.
    pub(super) fn on_acknowledgement_aborted<S: Store>(
        &mut self,
        mailbox: &Mailbox,
        position: Position,
        turn: &mut Turn<'_, S>,
    ) {
        let Some(state) = self.mail.mailboxes.get_mut(mailbox) else { return };
        match state.end_acknowledging(position) {
            // The lease may have run out while it was in doubt.
            Some(lease) => self.agenda.set(Due::Lease(mailbox.clone(), position), lease.until),
            None => self.agenda.set_at_latest(Due::Serve(mailbox.clone()), turn.now),
        }
    }
}

/// How long a message rests after a failure: twice as long after each.
fn backoff_ms<S: Store>(mailbox: &Mailbox, failed: u32, store: &S) -> u64 {
    let first = setting(mailbox, settings::BACKOFF_MS, store) as u64;
    let most = setting(mailbox, settings::BACKOFF_MS_MAX, store) as u64;
    first.saturating_mul(1 << failed.saturating_sub(1).min(32)).min(most)
}
