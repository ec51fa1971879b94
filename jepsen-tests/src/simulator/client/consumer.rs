//! A consumer of messages: it asks a mailbox for some, and for each does what the workload says, in a transaction.
//!
//! It is a client like others, whose operations come from its mailbox. Until the faults are over it also sleeps past its
//! leases, gives messages back, and forgets some. Not here: its transactions, which are asked for as any client's.

use super::{Desk, Sends};
use crate::workload::{Completion, Invocation, Manner, Taking};
use assent_protocol::{
    mail::{LeaseId, Position},
    message::{Delivery, Finish, MailboxRefusal, Manage, Message, Receive},
};
use std::collections::{BTreeMap, VecDeque};

/// How long it waits at a mailbox, in milliseconds.
const WAIT_MS: u32 = 200;
/// Leases when the faults are over, in milliseconds.
const LEASE_HEALED_MS: u32 = 5_000;
/// How often it looks for dead letters, in microseconds.
const REDRIVE_US: u64 = 400_000;
/// Requests of one consumer at most: their numbers tell consumers apart.
const REQUESTS_MAX: u64 = 1_000_000_000;

pub(crate) struct Consumer {
    taking: Taking,
    next_request: u64,
    /// The request that is open, and when it is asked anew.
    receive: Option<(u64, u64)>,
    receive_due_us: u64,
    inbox: VecDeque<(Delivery, u64)>,
    /// What each process works on, by its place.
    doing: BTreeMap<usize, Delivery>,
    /// What is said of messages that it has, until it is answered: the number, when it is said again, and what.
    finishes: BTreeMap<u64, (u64, Message)>,
    /// The mailbox wants looking after: it does not exist, or may be too small to come to an end.
    tend: bool,
    tended_healed: bool,
    redrive_due_us: u64,
    /// Takes nothing more.
    pub(super) stopped: bool,
}

impl Consumer {
    pub(super) fn new(index: u64, taking: Taking) -> Self {
        Consumer {
            taking,
            next_request: (index + 1) * REQUESTS_MAX,
            receive: None,
            receive_due_us: 0,
            inbox: VecDeque::new(),
            doing: BTreeMap::new(),
            finishes: BTreeMap::new(),
            tend: false,
            tended_healed: false,
            redrive_due_us: 0,
            stopped: false,
        }
    }

    fn number(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request
    }

    /// When it needs a turn.
    pub(super) fn due_us(&self) -> u64 {
        if self.stopped {
            return u64::MAX;
        }
        // What it has waits for a process, which looks for itself.
        let said = self.finishes.values().map(|(due_us, _)| *due_us);
        said.chain([self.receive_due_us, self.redrive_due_us]).min().unwrap_or(u64::MAX)
    }

    /// The node where its mailbox is, by its place.
    fn place(&self, desk: &Desk<'_>) -> usize {
        usize::from(desk.directory.locate(self.taking.mailbox.record()).0) - 1
    }

    /// Asks, and says again what was not answered.
    pub(super) fn turn(&mut self, desk: &mut Desk<'_>, sends: &mut Sends) {
        if self.stopped {
            return;
        }
        let place = self.place(desk);
        if desk.healed && !std::mem::replace(&mut self.tended_healed, desk.healed) {
            self.tend = true;
        }
        if self.receive_due_us <= desk.now_us {
            let wanted = usize::from(self.taking.max).saturating_sub(self.inbox.len());
            self.receive_due_us = desk.now_us
                + 1_000 * (u64::from(WAIT_MS) + desk.random.below(200))
                + 4 * desk.options.delay_us_max;
            if wanted > 0 {
                let lease_ms = match (self.taking.manner, desk.healed) {
                    (Manner::OnReceipt, _) => None,
                    (Manner::Transaction | Manner::Plain, true) => Some(LEASE_HEALED_MS),
                    (Manner::Transaction | Manner::Plain, false) => Some(self.taking.lease_ms),
                };
                let request = self.number();
                self.receive = Some((request, self.receive_due_us));
                let mailbox = self.taking.mailbox.clone();
                let receive = Receive { request, mailbox, max: wanted as u16, lease_ms, wait_ms: WAIT_MS };
                sends.push((place, Message::Receive(Box::new(receive))));
            }
        }
        if self.redrive_due_us <= desk.now_us {
            self.redrive_due_us = desk.now_us + REDRIVE_US;
            if desk.healed || desk.random.chance(300) {
                let (request, mailbox) = (self.number(), self.taking.mailbox.clone());
                sends.push((place, Message::Manage { request, mailbox, what: Manage::Redrive(None) }));
            }
        }
        for (due_us, message) in self.finishes.values_mut().filter(|(due_us, _)| *due_us <= desk.now_us) {
            *due_us = desk.now_us + 200_000 + 4 * desk.options.delay_us_max;
            sends.push((place, message.clone()));
        }
    }

    /// The next transaction, if there is a message whose time has come.
    pub(super) fn next(&mut self, process: usize, desk: &mut Desk<'_>) -> Option<Invocation> {
        if self.stopped {
            return None;
        }
        if std::mem::take(&mut self.tend) {
            return desk.workload.tend(&self.taking);
        }
        let due = self.inbox.iter().position(|(_, ready_us)| *ready_us <= desk.now_us)?;
        let (delivery, _) = self.inbox.remove(due)?;
        let invocation = desk.workload.process(&self.taking, &delivery);
        self.doing.insert(process, delivery);
        Some(invocation)
    }

    /// A participant has answered. Says whether there is something to do.
    pub(super) fn on_message(&mut self, message: Message, desk: &mut Desk<'_>) -> bool {
        match message {
            Message::Received { request, deliveries }
                if self.receive.is_some_and(|(open, _)| open == request) =>
            {
                self.receive = None;
                self.receive_due_us = desk.now_us + 1 + desk.random.below(2_000);
                match deliveries {
                    Ok(deliveries) => deliveries.into_iter().for_each(|delivery| self.take(delivery, desk)),
                    Err(MailboxRefusal::MailboxAbsent) => {
                        self.receive_due_us = desk.now_us + 50_000;
                        self.tend = desk.healed || desk.random.chance(200);
                    }
                    Err(_) => self.receive_due_us = desk.now_us + 50_000,
                }
                true
            }
            Message::Finished { request, .. } => {
                self.finishes.remove(&request);
                false
            }
            // What comes too late for its request is not looked at: the lease will end.
            _ => false,
        }
    }

    fn take(&mut self, delivery: Delivery, desk: &mut Desk<'_>) {
        let lease_us = 1_000 * u64::from(self.taking.lease_ms);
        let (Some(lease), false) = (delivery.lease, desk.healed) else {
            return self.inbox.push_back((delivery, desk.now_us));
        };
        let place = delivery.position;
        let ready_us = match desk.random.below(100) {
            0..15 => desk.now_us + desk.random.below(3 * lease_us),
            15..22 => {
                self.say(place, lease, Finish::Extend(self.taking.lease_ms), desk);
                desk.now_us + desk.random.below(2 * lease_us)
            }
            22..27 => {
                let delay_ms = desk.random.chance(500).then(|| desk.random.below(20) as u32);
                return self.say(place, lease, Finish::Release { delay_ms, cause: None }, desk);
            }
            27..32 => {
                let how = Finish::Release { delay_ms: None, cause: Some("on purpose".into()) };
                return self.say(place, lease, how, desk);
            }
            32..36 => return,
            _ => desk.now_us,
        };
        self.inbox.push_back((delivery, ready_us));
    }

    fn say(&mut self, position: Position, lease: LeaseId, how: Finish, desk: &Desk<'_>) {
        let (request, mailbox) = (self.number(), self.taking.mailbox.clone());
        let message = Message::Finish { request, mailbox, deliveries: vec![(position, lease)], how };
        self.finishes.insert(request, (desk.now_us, message));
    }

    /// A transaction has ended.
    pub(super) fn ended(&mut self, process: usize, completion: &Completion, desk: &mut Desk<'_>) {
        let Some(delivery) = self.doing.remove(&process) else {
            // It looked after its mailbox.
            self.tend |= !matches!(completion, Completion::Committed(_)) && desk.healed;
            return;
        };
        let Some(lease) = delivery.lease else {
            if matches!(completion, Completion::Aborted(_)) && desk.healed {
                // Nobody else has it, and it has had no effect.
                self.inbox.push_back((delivery, desk.now_us + 10_000));
            }
            return;
        };
        match (self.taking.manner, completion) {
            (Manner::Plain, Completion::Committed(_)) => {
                self.say(delivery.position, lease, Finish::Acknowledge, desk);
            }
            (_, Completion::Aborted(_) | Completion::Unknown) if desk.healed || desk.random.chance(600) => {
                let how = Finish::Release { delay_ms: Some(5), cause: None };
                self.say(delivery.position, lease, how, desk);
            }
            (_, Completion::Committed(_) | Completion::Aborted(_) | Completion::Unknown) => {}
        }
    }

    /// The process is gone, with all that it knew.
    pub(super) fn crash(&mut self) {
        self.receive = None;
        self.receive_due_us = 0;
        self.inbox.clear();
        self.doing.clear();
        self.finishes.clear();
    }

    /// Its connection to the mailbox's node is lost: it asks again.
    pub(super) fn on_lost(&mut self, now_us: u64) {
        self.receive_due_us = self.receive_due_us.min(now_us + 5_000);
    }
}
