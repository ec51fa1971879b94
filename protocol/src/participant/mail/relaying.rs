//! Carrying streams to their mailboxes, and taking them in (see [`crate::mail::relay`]).

use super::{Fault, Held, Participant};
use crate::{
    canary::{Canary, broken},
    ids::{NodeId, Peer, Time},
    mail::{
        Arrived, Envelope, Mailbox, MessageId, StreamSequence,
        mailbox::MailboxState,
        relay,
        relay::{Judgement, Progress, Stream},
        settings,
    },
    message::{Intake, Message},
    operation::Value,
    participant::{Due, Turn},
    storage::{Field, Store, Write},
};
use alloc::vec::Vec;

impl Intake {
    /// Whether more is taken.
    pub fn is_open(self) -> bool {
        matches!(self, Intake::Open | Intake::Gap)
    }
}

impl Participant {
    /// Whether a mailbox here takes a message now.
    pub(super) fn intake<S: Store>(&self, mailbox: &Mailbox, store: &S) -> Intake {
        if store.record(mailbox.record()).is_none() {
            return Intake::Absent;
        }
        let depth = self.mail.mailboxes.get(mailbox).map_or(0, MailboxState::depth);
        if depth as i64 >= setting(mailbox, settings::DEPTH_MAX, store) { Intake::Full } else { Intake::Open }
    }

    /// A stream has something to send.
    pub(in crate::participant) fn on_relay_due<S: Store>(
        &mut self,
        mailbox: &Mailbox,
        turn: &mut Turn<'_, S>,
    ) {
        let destination = self.config.directory.locate(mailbox.record());
        if destination == self.config.node {
            return self.carry_here(mailbox, turn);
        }
        if !self.reachable.contains(&destination) {
            // Sent when it is connected.
            return;
        }
        while let Some((first, count)) = self.mail.streams.get_mut(mailbox).and_then(Stream::next_batch) {
            self.send_batch(destination, mailbox, first, count, turn);
        }
        let Some(stream) = self.mail.streams.get(mailbox) else { return };
        let held_back = stream.is_paused() && !stream.is_empty() && !broken(Canary::StreamPausedForGood);
        if stream.is_under_way() || held_back {
            let again = turn.now.after_ms(self.config.limits.relay_retry_ms);
            self.agenda.set_at_latest(Due::RelayAgain(mailbox.clone()), again);
        }
    }

    fn send_batch<S: Store>(
        &mut self,
        destination: NodeId,
        mailbox: &Mailbox,
        first: StreamSequence,
        count: usize,
        turn: &mut Turn<'_, S>,
    ) {
        let numbers = (first.0..).take(count).map(StreamSequence);
        let envelopes: Vec<Envelope> =
            numbers.filter_map(|number| turn.store.outgoing(mailbox, number)).collect();
        assert!(envelopes.len() == count, "what is not acknowledged is stored");
        self.mail.figures.relayed += count as u64;
        let acked = self.mail.streams.get(mailbox).map(Stream::acked).unwrap_or_default();
        turn.send_node(destination, Message::Relay { mailbox: mailbox.clone(), acked, first, envelopes });
    }

    /// Nothing was heard of a stream for long: what is not acknowledged is sent again; only the first of it to a mailbox
    /// that took nothing, to see whether it does now.
    pub(in crate::participant) fn on_relay_again<S: Store>(
        &mut self,
        mailbox: &Mailbox,
        turn: &mut Turn<'_, S>,
    ) {
        let Some(stream) = self.mail.streams.get_mut(mailbox) else { return };
        if stream.is_empty() {
            return;
        }
        self.mail.figures.relayed_again += 1;
        let destination = self.config.directory.locate(mailbox.record());
        if !stream.is_paused() {
            stream.rewind();
        } else if self.reachable.contains(&destination)
            && let Some(first) = stream.probe()
        {
            self.send_batch(destination, mailbox, first, 1, turn);
        }
        self.on_relay_due(mailbox, turn);
    }

    /// A node is connected: its streams begin where they were acknowledged, those that it held back with one message.
    pub(in crate::participant) fn relay_to<S: Store>(&mut self, node: NodeId, turn: &mut Turn<'_, S>) {
        let theirs = |mailbox: &&Mailbox| self.config.directory.locate(mailbox.record()) == node;
        let mailboxes: Vec<Mailbox> = self.mail.streams.keys().filter(theirs).cloned().collect();
        for mailbox in mailboxes {
            let Some(stream) = self.mail.streams.get_mut(&mailbox) else { continue };
            if stream.is_paused() {
                self.agenda.set_at_latest(Due::RelayAgain(mailbox), turn.now);
            } else {
                stream.rewind();
                self.agenda.set_at_latest(Due::Relay(mailbox), turn.now);
            }
        }
    }

    /// The mailbox is here: no message is needed.
    fn carry_here<S: Store>(&mut self, mailbox: &Mailbox, turn: &mut Turn<'_, S>) {
        let node = self.config.node;
        let mut carried = false;
        loop {
            let Some(stream) = self.mail.streams.get(mailbox) else { return };
            if stream.is_empty() {
                break;
            }
            let number = stream.acked().next();
            if !self.intake(mailbox, turn.store).is_open() {
                self.mail.mailboxes.entry(mailbox.clone()).or_default().held_back.insert(node);
                let again = turn.now.after_ms(self.config.limits.relay_retry_ms);
                self.agenda.set_at_latest(Due::RelayAgain(mailbox.clone()), again);
                break;
            }
            let envelope = turn.store.outgoing(mailbox, number).expect("what is not acknowledged is stored");
            turn.store.write(Write::DeleteOutgoing(mailbox.clone(), number));
            self.store_message(envelope, node, turn);
            if let Some(stream) = self.mail.streams.get_mut(mailbox) {
                let bytes = stream.acknowledge(number) as u64;
                self.mail.held.take(Held { messages: 1, bytes });
            }
            carried = true;
        }
        if let (true, Some(stream)) = (carried, self.mail.streams.get(mailbox)) {
            turn.store.write(Write::PutAcknowledged(mailbox.clone(), stream.acked()));
        }
    }

    /// Messages of a stream have arrived.
    pub(in crate::participant) fn on_relay<S: Store>(
        &mut self,
        from: Peer,
        mailbox: Mailbox,
        acked: StreamSequence,
        first: StreamSequence,
        envelopes: Vec<Envelope>,
        turn: &mut Turn<'_, S>,
    ) {
        let Peer::Node(source) = from else { return };
        let misaddressed = envelopes.iter().any(|envelope| envelope.draft.mailbox != mailbox);
        if misaddressed || self.config.directory.locate(mailbox.record()) != self.config.node {
            self.figures.hazards += 1;
            return;
        }
        let arrived = self.mail.arrived.get(&(mailbox.clone(), source));
        let last = arrived.map_or(StreamSequence(0), |arrived| arrived.last);
        let intake = match relay::judge(arrived, acked, first, &envelopes) {
            Judgement::Take { skip } => {
                self.mail.figures.duplicates += skip as u64;
                let number = StreamSequence(first.0 + skip as u64);
                self.take_in(source, &mailbox, number, envelopes.into_iter().skip(skip), turn)
            }
            Judgement::Gap if broken(Canary::GapSkipped) => {
                self.take_in(source, &mailbox, first, envelopes.into_iter(), turn)
            }
            Judgement::Gap => {
                self.mail.figures.gaps += 1;
                match self.intake(&mailbox, turn.store) {
                    Intake::Open | Intake::Gap => Intake::Gap,
                    closed @ (Intake::Full | Intake::Absent) => closed,
                }
            }
            Judgement::WeLost => {
                self.mail.fault = Some(Fault::MessagesLost { mailbox, source, acked, last });
                return;
            }
            // The source finds out from what it is told.
            Judgement::TheyLost => {
                self.figures.hazards += 1;
                Intake::Open
            }
        };
        self.tell_arrived(source, mailbox, intake, turn.now);
    }

    /// Stores what there is room for, with the number of the last one: one batch.
    fn take_in<S: Store>(
        &mut self,
        source: NodeId,
        mailbox: &Mailbox,
        mut number: StreamSequence,
        envelopes: impl Iterator<Item = Envelope>,
        turn: &mut Turn<'_, S>,
    ) -> Intake {
        let mut arrived = None;
        let mut intake = Intake::Open;
        for envelope in envelopes {
            intake = self.intake(mailbox, turn.store);
            if !self.accepting {
                // A full disk takes no new work, and no messages of others.
                intake = Intake::Full;
            }
            if !intake.is_open() {
                self.mail.figures.refused_full += 1;
                self.mail.mailboxes.entry(mailbox.clone()).or_default().held_back.insert(source);
                break;
            }
            arrived = Some(Arrived { last: number, id: envelope.id.clone() });
            number = number.next();
            self.store_message(envelope, source, turn);
        }
        if let Some(arrived) = arrived {
            let place = (mailbox.clone(), source);
            let written = if broken(Canary::FilterStoredApart) {
                self.mail.arrived.get(&place)
            } else {
                Some(&arrived)
            };
            if let Some(arrived) = written {
                turn.store.write(Write::PutArrived(mailbox.clone(), source, arrived.clone()));
            }
            self.mail.arrived.insert(place, arrived);
        }
        intake
    }

    /// The source is told at the end of the turn, once for all that came of its stream: the latest word counts.
    fn tell_arrived(&mut self, source: NodeId, mailbox: Mailbox, intake: Intake, now: Time) {
        self.agenda.set_at_latest(Due::Arrived(mailbox.clone(), source), now);
        self.mail.to_tell.insert((mailbox, source), intake);
    }

    /// The end of a turn in which messages of a stream came, or room for them.
    pub(in crate::participant) fn on_arrived_due<S>(
        &mut self,
        mailbox: Mailbox,
        source: NodeId,
        turn: &mut Turn<'_, S>,
    ) {
        let place = (mailbox, source);
        let Some(intake) = self.mail.to_tell.remove(&place) else { return };
        let last = self.mail.arrived.get(&place).map(|arrived| (arrived.last, arrived.id.clone()));
        turn.send_node(source, Message::RelayHeld { mailbox: place.0, last, intake });
    }

    /// There is room again: those that were held back go on.
    pub(super) fn announce_room<S: Store>(&mut self, mailbox: &Mailbox, turn: &mut Turn<'_, S>) {
        let Some(state) = self.mail.mailboxes.get(mailbox) else { return };
        if state.held_back.is_empty() {
            return;
        }
        // Some room at once is worth more than each place by itself.
        let most = setting(mailbox, settings::DEPTH_MAX, turn.store);
        if state.depth() as i64 > most - most / 10 - 1 {
            return;
        }
        let Some(state) = self.mail.mailboxes.get_mut(mailbox) else { return };
        for source in core::mem::take(&mut state.held_back) {
            if source == self.config.node {
                self.agenda.set_at_latest(Due::Relay(mailbox.clone()), turn.now);
            } else {
                self.tell_arrived(source, mailbox.clone(), Intake::Open, turn.now);
            }
        }
    }

    /// The receiver says how far a stream has arrived.
    pub(in crate::participant) fn on_relay_held<S: Store>(
        &mut self,
        from: Peer,
        mailbox: &Mailbox,
        last: Option<(StreamSequence, MessageId)>,
        intake: Intake,
        turn: &mut Turn<'_, S>,
    ) {
        if from != Peer::Node(self.config.directory.locate(mailbox.record())) {
            self.figures.hazards += 1;
            return;
        }
        let stream = self.mail.streams.entry(mailbox.clone()).or_default();
        let stale = last.as_ref().map_or(StreamSequence(0), |(last, _)| *last) < stream.acked();
        if let Some((last, id)) = last {
            let given = stream.last();
            match stream.progress(last) {
                Progress::None => {}
                Progress::NeverGiven => {
                    self.mail.fault = Some(Fault::NumbersLost { mailbox: mailbox.clone(), last, given });
                    return;
                }
                Progress::UpTo(last) => {
                    let held = turn.store.outgoing(mailbox, last).map(|envelope| envelope.id);
                    if held != Some(id) {
                        self.mail.fault = Some(Fault::NumbersLost { mailbox: mailbox.clone(), last, given });
                        return;
                    }
                    let first = stream.acked().next();
                    let bytes = stream.acknowledge(last) as u64;
                    for number in first.0..=last.0 {
                        turn.store.write(Write::DeleteOutgoing(mailbox.clone(), StreamSequence(number)));
                    }
                    turn.store.write(Write::PutAcknowledged(mailbox.clone(), last));
                    self.mail.held.take(Held { messages: last.0 - first.0 + 1, bytes });
                    // It goes on: what is still under way gets its time anew.
                    self.agenda.clear(&Due::RelayAgain(mailbox.clone()));
                }
            }
        }
        match intake {
            Intake::Open | Intake::Gap if stream.is_paused() => stream.rewind(),
            Intake::Open => {}
            // Said before more had arrived: what was missing then has come.
            Intake::Gap if stale => {}
            Intake::Gap => stream.resume(),
            // Said before more had arrived: it is over, and of a stream that has nothing to send nobody would hear again.
            Intake::Full | Intake::Absent
                if (stale || stream.is_empty()) && !broken(Canary::StreamPausedForGood) => {}
            Intake::Full | Intake::Absent => stream.pause(),
        }
        if stream.is_empty() {
            self.agenda.clear(&Due::RelayAgain(mailbox.clone()));
            return;
        }
        if stream.is_paused() || stream.is_under_way() {
            let again = turn.now.after_ms(self.config.limits.relay_retry_ms);
            self.agenda.set_at_latest(Due::RelayAgain(mailbox.clone()), again);
        }
        self.agenda.set_at_latest(Due::Relay(mailbox.clone()), turn.now);
    }
}

/// A setting of a mailbox: what its record says, or the default.
pub(super) fn setting<S: Store>(mailbox: &Mailbox, (name, default): (&str, i64), store: &S) -> i64 {
    let Ok(name) = crate::ids::FieldName::new(name) else { return default };
    match store.field(mailbox.record(), &name) {
        Some(Field::Value(Value::Int(value))) => value.max(0),
        Some(_) | None => default,
    }
}
