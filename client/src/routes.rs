//! Which coordinators are up, and who waits for what from them. Pure but for the channels that it answers on.
//!
//! Invariant: whoever waits for a coordinator that is not up any more has been told so.

use assent_protocol::{
    ids::{ClientName, Digest, NodeId, Sequence, SessionId, Subject, TxnId},
    message::Message,
    outcome::Answer,
};
use std::collections::{BTreeSet, HashMap};
use tokio::sync::oneshot;

/// A request's place: session and sequence. The client's name is always the own one.
pub(crate) type Slot = (SessionId, Sequence);

/// What came of one attempt.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A coordinator answered.
    Answer(Answer),
    /// The connection to the coordinator is gone. The request may have arrived or not.
    Lost,
}

/// Why an attempt can't be made now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoRoute {
    /// No coordinator is connected.
    Down,
    /// The same request is under way in this process.
    Busy,
    /// The client was closed.
    Closed,
}

struct Waiter {
    node: NodeId,
    digest: Digest,
    tell: oneshot::Sender<Heard>,
}

/// The state behind one client's connections.
pub(crate) struct Routes {
    name: ClientName,
    /// In the order of the cluster file, which preferences count in.
    coordinators: Vec<NodeId>,
    up: BTreeSet<NodeId>,
    /// Up, but silent on an attempt, and on everything since.
    slow: BTreeSet<NodeId>,
    waiting: HashMap<Slot, Waiter>,
    opening: HashMap<u64, oneshot::Sender<Option<SessionId>>>,
    closing: HashMap<SessionId, oneshot::Sender<()>>,
    closed: bool,
}

impl Routes {
    pub(crate) fn new(name: ClientName, coordinators: Vec<NodeId>) -> Routes {
        Routes {
            name,
            coordinators,
            up: BTreeSet::new(),
            slow: BTreeSet::new(),
            waiting: HashMap::new(),
            opening: HashMap::new(),
            closing: HashMap::new(),
            closed: false,
        }
    }

    /// The connected coordinator to turn to: the preferred one or the next after it, rather not a slow one or `avoid`.
    pub(crate) fn choose(&self, preference: usize, avoid: Option<NodeId>) -> Option<NodeId> {
        let start = preference % self.coordinators.len().max(1);
        let (before, from) = self.coordinators.split_at(start);
        let up = || from.iter().chain(before).copied().filter(|node| self.up.contains(node));
        up().find(|node| !self.slow.contains(node) && Some(*node) != avoid)
            .or_else(|| up().find(|node| Some(*node) != avoid))
            .or_else(|| up().next())
    }

    /// The connected coordinators.
    pub(crate) fn up(&self) -> Vec<NodeId> {
        self.up.iter().copied().collect()
    }

    /// Begins an attempt: chooses the coordinator, and waits for its answer.
    pub(crate) fn enter(
        &mut self,
        subject: &Subject,
        preference: usize,
        avoid: Option<NodeId>,
    ) -> Result<(NodeId, oneshot::Receiver<Heard>), NoRoute> {
        if self.closed {
            return Err(NoRoute::Closed);
        }
        let slot = slot(&subject.txn);
        if self.waiting.contains_key(&slot) {
            return Err(NoRoute::Busy);
        }
        let node = self.choose(preference, avoid).ok_or(NoRoute::Down)?;
        let (tell, hear) = oneshot::channel();
        self.waiting.insert(slot, Waiter { node, digest: subject.digest, tell });
        Ok((node, hear))
    }

    /// Ends an attempt that was not answered.
    pub(crate) fn leave(&mut self, slot: Slot) {
        self.waiting.remove(&slot);
    }

    /// The coordinator has let an attempt wait for too long.
    pub(crate) fn mark_slow(&mut self, node: NodeId) {
        self.slow.insert(node);
    }

    /// Waits for a session.
    pub(crate) fn open(&mut self, request: u64) -> oneshot::Receiver<Option<SessionId>> {
        let (tell, hear) = oneshot::channel();
        self.opening.retain(|_, waiter| !waiter.is_closed());
        self.opening.insert(request, tell);
        hear
    }

    /// Waits for the end of a session.
    pub(crate) fn close_session(&mut self, session: SessionId) -> oneshot::Receiver<()> {
        let (tell, hear) = oneshot::channel();
        self.closing.retain(|_, waiter| !waiter.is_closed());
        self.closing.insert(session, tell);
        hear
    }

    /// From now on nothing is tried, and no one waits.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.up.clear();
        self.waiting.drain().for_each(|(_, waiter)| drop(waiter.tell.send(Heard::Lost)));
        self.opening.clear();
        self.closing.clear();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn on_up(&mut self, node: NodeId) {
        self.up.insert(node);
        self.slow.remove(&node);
    }

    pub(crate) fn on_down(&mut self, node: NodeId) {
        self.up.remove(&node);
        self.slow.remove(&node);
        for (_, waiter) in self.waiting.extract_if(|_, waiter| waiter.node == node) {
            // Who has stopped waiting does not care.
            let _ = waiter.tell.send(Heard::Lost);
        }
    }

    pub(crate) fn on_messages(&mut self, node: NodeId, messages: Vec<Message>) {
        self.slow.remove(&node);
        for message in messages {
            match message {
                Message::Answer { subject, answer } => self.on_answer(node, &subject, answer),
                Message::SessionOpened { request, session } => {
                    if let Some(waiter) = self.opening.remove(&request) {
                        let _ = waiter.send(session);
                    }
                }
                Message::SessionClosed { session } => {
                    if let Some(waiter) = self.closing.remove(&session) {
                        let _ = waiter.send(());
                    }
                }
                // The role table of the transport lets nothing else through to a client from a coordinator.
                other => tracing::warn!(%node, ?other, "a coordinator sent what is not for clients"),
            }
        }
    }

    fn on_answer(&mut self, node: NodeId, subject: &Subject, answer: Answer) {
        let slot = slot(&subject.txn);
        let Some(waiter) = self.waiting.get(&slot) else {
            return; // A late answer to an attempt that was given up, or to one already answered.
        };
        if waiter.digest != subject.digest || subject.txn.client != self.name {
            return; // About another transaction (R12).
        }
        // An outcome is one for ever, whoever tells it. Anything else is only about the attempt that it answers.
        if !is_final(&answer) && waiter.node != node {
            return;
        }
        if let Some(waiter) = self.waiting.remove(&slot) {
            let _ = waiter.tell.send(Heard::Answer(answer));
        }
    }
}

/// The place of a transaction.
pub(crate) fn slot(txn: &TxnId) -> Slot {
    (txn.session, txn.sequence)
}

fn is_final(answer: &Answer) -> bool {
    match answer {
        Answer::Committed(_) | Answer::Aborted(_) => true,
        Answer::Unknown | Answer::Overloaded | Answer::Expired | Answer::Malformed(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId(1);
    const TWO: NodeId = NodeId(2);

    fn routes() -> Routes {
        let mut routes = Routes::new(ClientName::new("app").expect("valid"), vec![ONE, TWO]);
        routes.on_up(ONE);
        routes.on_up(TWO);
        routes
    }

    fn subject(sequence: u64, digest: u8) -> Subject {
        let client = ClientName::new("app").expect("valid");
        let txn = TxnId { client, session: SessionId(7), sequence: Sequence(sequence) };
        Subject { txn, digest: Digest([digest; 32]) }
    }

    fn answer(subject: &Subject, answer: Answer) -> Vec<Message> {
        vec![Message::Answer { subject: subject.clone(), answer }]
    }

    #[test]
    fn preferences_spread_and_fail_over() {
        let mut routes = routes();
        assert_eq!(
            [0, 1, 2].map(|preference| routes.choose(preference, None)),
            [Some(ONE), Some(TWO), Some(ONE)]
        );
        assert_eq!(routes.choose(0, Some(ONE)), Some(TWO));
        routes.mark_slow(ONE);
        assert_eq!(routes.choose(0, None), Some(TWO));
        routes.on_messages(ONE, Vec::new());
        assert_eq!(routes.choose(0, None), Some(ONE));
        routes.on_down(TWO);
        assert_eq!(routes.choose(1, Some(ONE)), Some(ONE));
        routes.on_down(ONE);
        assert_eq!(routes.choose(0, None), None);
        assert_eq!(routes.enter(&subject(1, 1), 0, None).map(|_| ()), Err(NoRoute::Down));
    }

    #[test]
    fn only_the_asked_coordinator_may_say_not_executed() {
        let mut routes = routes();
        let subject = subject(1, 1);
        let (node, mut hear) = routes.enter(&subject, 0, None).expect("one is up");
        assert_eq!(node, ONE);
        routes.on_messages(TWO, answer(&subject, Answer::Overloaded));
        assert!(hear.try_recv().is_err());
        routes.on_messages(TWO, answer(&subject, Answer::Committed(Vec::new())));
        assert!(matches!(hear.try_recv(), Ok(Heard::Answer(Answer::Committed(_)))));
    }

    #[test]
    fn an_answer_about_another_content_is_not_taken() {
        let mut routes = routes();
        let (_, mut hear) = routes.enter(&subject(1, 1), 0, None).expect("one is up");
        routes.on_messages(ONE, answer(&subject(1, 2), Answer::Committed(Vec::new())));
        routes.on_messages(ONE, answer(&subject(2, 1), Answer::Committed(Vec::new())));
        assert!(hear.try_recv().is_err());
        assert_eq!(routes.enter(&subject(1, 2), 0, None).map(|_| ()), Err(NoRoute::Busy));
    }

    #[test]
    fn who_waits_for_a_lost_coordinator_is_told_and_no_one_else() {
        let mut routes = routes();
        let (_, mut at_one) = routes.enter(&subject(1, 1), 0, None).expect("one is up");
        let (_, mut at_two) = routes.enter(&subject(2, 1), 1, None).expect("one is up");
        routes.on_down(ONE);
        assert!(matches!(at_one.try_recv(), Ok(Heard::Lost)));
        assert!(at_two.try_recv().is_err());
        routes.close();
        assert!(matches!(at_two.try_recv(), Ok(Heard::Lost)));
        assert_eq!(routes.enter(&subject(3, 1), 0, None).map(|_| ()), Err(NoRoute::Closed));
    }
}
