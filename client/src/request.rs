//! One request from its first attempt to its answer, across coordinators and lost connections.
//!
//! Invariant: "not executed" is concluded only from a coordinator's word that it sent nothing on, in answer to the first
//! attempt of all, or from nothing having been sent to anyone. Else only a commit or a durable abort ends a request.

use crate::{
    handle::Doubt,
    link::{Link, whole_ms},
    outcome::NotExecuted,
    placement::Placement,
    random::Backoff,
    routes::{Heard, NoRoute, Slot, slot},
    session::Session,
};
use assent_protocol::{
    ids::{NodeId, Sequence, Stamp, Subject, TxnId},
    message::{Begin, Branch, Intent, Message, SESSION_WINDOW_MAX},
    operation::Results,
    outcome::{AbortReason, Answer},
};
use assent_transport::SendError;
use std::{mem, sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout_at},
};

/// Beyond the deadline that the cluster was given, an answer may take this long before another coordinator is asked.
const PATIENCE: Duration = Duration::from_millis(500);
/// So many answers "expired" in a row are believed: what expired stays expired.
const EXPIRED_MAX: u32 = 3;

/// How a request ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Conclusion {
    Committed(Results),
    Aborted(AbortReason),
    NotExecuted(NotExecuted),
    /// The session has ended, and the request has changed nothing.
    SessionEnded,
    Unknown(Doubt),
}

/// What one attempt gave.
enum Attempt {
    Answered {
        node: NodeId,
        intent: Intent,
        answer: Answer,
    },
    /// Sent, and the connection was lost.
    Lost,
    /// Sent, and not answered in time.
    Silent(NodeId),
    /// Not sent.
    NotSent(NoRoute),
    /// Not sent: the transport refused.
    NotTaken(NodeId, SendError),
}

/// Who cares about a request that is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Its caller waits. Dropped now, it is an orphan.
    Driven,
    /// It is answered, or left to a handle.
    Left,
}

/// One request.
pub(crate) struct Request {
    link: Arc<Link>,
    /// None: of a session that this process does not keep.
    session: Option<Arc<Session>>,
    /// Always a [`Message::Begin`], in the form in which it is sent.
    message: Message,
    writes: bool,
    /// It is in the journal.
    journaled: bool,
    /// A Prepare may have left, on this attempt or an earlier one.
    sent: bool,
    state: State,
}

impl Request {
    /// A request that no one has heard of.
    pub(crate) fn first(
        link: Arc<Link>,
        session: Arc<Session>,
        sequence: Sequence,
        stamp: Stamp,
        placement: &mut Placement,
    ) -> Request {
        let txn = TxnId { client: link.name.clone(), session: session.id, sequence };
        let begin = begin(txn, stamp, placement);
        let writes = placement.writes;
        Request {
            link,
            session: Some(session),
            message: Message::Begin(Box::new(begin)),
            writes,
            journaled: false,
            sent: false,
            state: State::Driven,
        }
    }

    /// A repeat of a request that may have been sent before, by whomever.
    pub(crate) fn repeat(
        link: Arc<Link>,
        session: Option<Arc<Session>>,
        txn: TxnId,
        stamp: Stamp,
        placement: &mut Placement,
    ) -> Request {
        let begin = begin(txn, stamp, placement);
        let writes = placement.writes;
        let message = Message::Begin(Box::new(begin));
        Request { link, session, message, writes, journaled: false, sent: true, state: State::Driven }
    }

    /// A request of an earlier process, from the journal.
    pub(crate) fn replay(link: Arc<Link>, session: Arc<Session>, begin: Box<Begin>) -> Request {
        let message = Message::Begin(begin);
        Request {
            link,
            session: Some(session),
            message,
            writes: true,
            journaled: true,
            sent: true,
            state: State::Driven,
        }
    }

    /// Which transaction, and what it stands for.
    pub(crate) fn subject(&self) -> &Subject {
        &self.begin().subject
    }

    /// Takes the operations out of a request that has ended, for another one.
    pub(crate) fn take_branches(&mut self) -> Vec<Branch> {
        mem::take(&mut self.begin_mut().branches)
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// Whether the journal has it, so that the application must confirm its answer.
    pub(crate) fn is_journaled(&self) -> bool {
        self.journaled
    }

    /// Writes it into the journal, if there is one and the request changes anything.
    pub(crate) async fn write_down(&mut self, note: &str) -> Result<(), Conclusion> {
        let Some(journal) = self.link.journal.clone().filter(|_| self.writes && !self.journaled) else {
            return Ok(());
        };
        // From here on it may be in the file, even if this future is dropped.
        self.journaled = true;
        journal.begin(self.begin(), note).await.map_err(|failed| {
            self.journaled = !failed.undone;
            if failed.undone {
                Conclusion::NotExecuted(NotExecuted::Journal(failed.why))
            } else {
                Conclusion::Unknown(Doubt::Journal)
            }
        })
    }

    /// Runs, repeats or settles it until it is answered or the deadline comes.
    pub(crate) async fn drive(&mut self, intent: Intent, until: Instant) -> Conclusion {
        let mut backoff = Backoff::new(self.link.config.retry_delay_max);
        let mut avoid = None;
        let mut expired = 0;
        if !self.sent && Instant::now() >= until {
            return Conclusion::NotExecuted(NotExecuted::Late);
        }
        loop {
            if Instant::now() >= until {
                return self.not_answered(Doubt::Deadline);
            }
            let mut pause = true;
            match self.attempt(intent, avoid, until).await {
                Attempt::Answered { node, intent, answer } => {
                    expired = if answer == Answer::Expired { expired + 1 } else { 0 };
                    if let Some(conclusion) = self.judge(intent, answer, expired) {
                        return conclusion;
                    }
                    avoid = Some(node);
                }
                Attempt::Lost => pause = false,
                Attempt::Silent(node) => {
                    self.link.routes(|routes| routes.mark_slow(node));
                    avoid = Some(node);
                    pause = false;
                }
                Attempt::NotSent(NoRoute::Closed) => return self.not_answered(Doubt::Closed),
                Attempt::NotSent(NoRoute::Down) => {
                    self.link.wait_for_coordinator(until).await;
                    pause = false;
                }
                Attempt::NotSent(NoRoute::Busy) => {}
                Attempt::NotTaken(_, SendError::Overloaded) if !self.sent => {
                    return Conclusion::NotExecuted(NotExecuted::Overloaded);
                }
                Attempt::NotTaken(_, error @ (SendError::TooLarge | SendError::Forbidden)) if !self.sent => {
                    let why = error.to_string();
                    return Conclusion::NotExecuted(NotExecuted::Invalid { operation: None, why });
                }
                Attempt::NotTaken(node, _) => avoid = Some(node),
            }
            if pause {
                let pause = backoff.pause(&self.link.random);
                sleep_until(until.min(Instant::now() + pause)).await;
            }
        }
    }

    /// What an answer means; none: ask again.
    fn judge(&self, intent: Intent, answer: Answer, expired: u32) -> Option<Conclusion> {
        // What only reads has nothing to be uncertain about, whichever attempt this is.
        let definite = intent == Intent::First || !self.writes;
        match answer {
            Answer::Committed(results) => Some(Conclusion::Committed(results)),
            // Durably aborted under an id that was never used before: it is the session that is over.
            Answer::Aborted(AbortReason::Expired) if intent == Intent::First => {
                self.session.iter().for_each(|session| session.mark_ended());
                Some(Conclusion::SessionEnded)
            }
            Answer::Aborted(reason) => Some(Conclusion::Aborted(reason)),
            Answer::Overloaded if definite => Some(Conclusion::NotExecuted(NotExecuted::Overloaded)),
            Answer::Malformed(why) if definite => Some(Conclusion::NotExecuted(NotExecuted::Malformed(why))),
            // By R11 no outcome, not even of a first attempt: Prepares have left, and the session may have ended since.
            Answer::Expired if self.writes && expired < EXPIRED_MAX => None,
            Answer::Expired => {
                self.session.iter().for_each(|session| session.mark_ended());
                Some(if self.writes { Conclusion::Unknown(Doubt::Expired) } else { Conclusion::SessionEnded })
            }
            Answer::Unknown | Answer::Overloaded | Answer::Malformed(_) => None,
        }
    }

    /// What the deadline, or the end of the client, means.
    fn not_answered(&self, doubt: Doubt) -> Conclusion {
        match (self.sent, doubt) {
            (true, _) if self.writes => Conclusion::Unknown(doubt),
            (_, Doubt::Closed) => Conclusion::NotExecuted(NotExecuted::Closed),
            (true, _) => Conclusion::NotExecuted(NotExecuted::Unanswered),
            (false, _) => Conclusion::NotExecuted(NotExecuted::Unreachable(self.link.trouble())),
        }
    }

    async fn attempt(&mut self, intent: Intent, avoid: Option<NodeId>, until: Instant) -> Attempt {
        let preference = self.session.as_ref().map_or(0, |session| session.preference);
        let link = Arc::clone(&self.link);
        let mut waiting = match Waiting::enter(&link, self.subject(), preference, avoid) {
            Ok(waiting) => waiting,
            Err(none) => return Attempt::NotSent(none),
        };
        let intent = match intent {
            Intent::First | Intent::Repeat if self.sent => Intent::Repeat,
            Intent::First | Intent::Repeat => Intent::First,
            Intent::Settle => Intent::Settle,
        };
        let now = Instant::now();
        let left = until.saturating_duration_since(now);
        let deadline = link.config.prepare_deadline.min(left * 4 / 5);
        let watermark = self.watermark();
        let begin = self.begin_mut();
        begin.intent = intent;
        begin.deadline_ms = whole_ms(deadline);
        begin.watermark = watermark;
        let node = waiting.node;
        if let Err(error) = link.send(node, &self.message) {
            return Attempt::NotTaken(node, error);
        }
        self.sent = true;
        match timeout_at(until.min(now + deadline + PATIENCE), &mut waiting.heard).await {
            Ok(Ok(Heard::Answer(answer))) => {
                waiting.over = true;
                Attempt::Answered { node, intent, answer }
            }
            Ok(Ok(Heard::Lost) | Err(_)) => {
                waiting.over = true;
                Attempt::Lost
            }
            Err(_) => Attempt::Silent(node),
        }
    }

    fn watermark(&self) -> Sequence {
        let own = self.subject().txn.sequence;
        let known = match &self.session {
            Some(session) => session.watermark(),
            // Of a session that isn't kept here, only this is certain: its sequence was within the window.
            None => Sequence(own.0.saturating_sub(SESSION_WINDOW_MAX).max(1)),
        };
        known.min(own)
    }

    /// The application has the answer, or will confirm it later if it is in the journal.
    pub(crate) fn answered(&mut self) {
        self.state = State::Left;
        if !self.journaled
            && let Some(session) = &self.session
        {
            session.settle(self.subject().txn.sequence);
        }
    }

    /// Nothing was executed. If the journal has it, that must be undone before anyone is told: a replay would run it.
    pub(crate) async fn not_executed(&mut self) -> Result<(), Doubt> {
        let Some(journal) = self.link.journal.clone().filter(|_| self.journaled) else {
            self.answered();
            return Ok(());
        };
        let finishing = journal.finish(slot(&self.subject().txn), self.session.clone());
        self.state = State::Left;
        finishing.done().await.map_err(|_| Doubt::Journal)
    }

    /// Someone keeps a handle: the answer stays outstanding.
    pub(crate) fn leave(&mut self) {
        self.state = State::Left;
    }

    /// Nobody will ask any more.
    pub(crate) fn let_go(&mut self) {
        self.state = State::Left;
        release(&self.link, &self.subject().txn, self.session.clone(), self.journaled);
    }

    /// Ends an orphan: no one hears the answer, if there is one.
    pub(crate) fn settle_unheard(&mut self, conclusion: &Conclusion) {
        match conclusion {
            Conclusion::Unknown(doubt) => {
                tracing::warn!(txn = %self.subject().txn, ?doubt, "the outcome of an abandoned call stays unknown");
                self.leave();
            }
            Conclusion::Committed(_)
            | Conclusion::Aborted(_)
            | Conclusion::NotExecuted(_)
            | Conclusion::SessionEnded => self.let_go(),
        }
    }

    fn begin(&self) -> &Begin {
        match &self.message {
            Message::Begin(begin) => begin,
            _ => unreachable!("a request is a Begin"),
        }
    }

    fn begin_mut(&mut self) -> &mut Begin {
        match &mut self.message {
            Message::Begin(begin) => begin,
            _ => unreachable!("a request is a Begin"),
        }
    }
}

impl Drop for Request {
    /// A caller that stops waiting must not hold up the session's watermark for ever: what it left is settled.
    fn drop(&mut self) {
        if self.state == State::Left {
            return;
        }
        if !self.sent || !self.writes {
            self.let_go();
            return;
        }
        self.state = State::Left;
        let orphan = Request {
            link: Arc::clone(&self.link),
            session: self.session.take(),
            message: mem::replace(&mut self.message, Message::OpenSession { request: 0 }),
            writes: self.writes,
            journaled: self.journaled,
            sent: true,
            state: State::Left,
        };
        self.link.orphan(orphan);
    }
}

/// The answer to a transaction needn't be kept any more.
pub(crate) fn release(link: &Link, txn: &TxnId, session: Option<Arc<Session>>, journaled: bool) {
    match (&link.journal, session) {
        (Some(journal), session) if journaled => drop(journal.finish(slot(txn), session)),
        (_, Some(session)) => session.settle(txn.sequence),
        (_, None) => {}
    }
}

fn begin(txn: TxnId, stamp: Stamp, placement: &mut Placement) -> Begin {
    Begin {
        subject: Subject { txn, digest: placement.digest },
        intent: Intent::First,
        stamp,
        deadline_ms: 1,
        watermark: Sequence(1),
        branches: mem::take(&mut placement.branches),
    }
}

/// An attempt under way; dropped, nobody waits for its answer any more.
struct Waiting<'l> {
    link: &'l Link,
    slot: Slot,
    node: NodeId,
    heard: oneshot::Receiver<Heard>,
    /// The answer has come.
    over: bool,
}

impl<'l> Waiting<'l> {
    fn enter(
        link: &'l Link,
        subject: &Subject,
        preference: usize,
        avoid: Option<NodeId>,
    ) -> Result<Waiting<'l>, NoRoute> {
        let (node, heard) = link.routes(|routes| routes.enter(subject, preference, avoid))?;
        Ok(Waiting { link, slot: slot(&subject.txn), node, heard, over: false })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.link.routes(|routes| routes.leave(self.slot));
        }
    }
}
