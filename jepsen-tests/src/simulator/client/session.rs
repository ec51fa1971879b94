//! The sessions of a simulated client: opened, kept alive, and closed when everything in them is answered.

use super::{Client, Desk, Request, Sends, number};
use assent_protocol::{
    ids::{Sequence, SessionId},
    message::Message,
};

/// How long the opening or closing of a session goes unanswered before it is asked for again, in microseconds.
const ASK_AGAIN_US: u64 = 400_000;

pub(super) struct Session {
    /// None while it is being opened.
    pub(super) id: Option<SessionId>,
    opening: u64,
    next_sequence: u64,
    /// The cluster has ended it, an earlier process used it, or its client wants another: nothing new begins in it.
    over: bool,
    pub(super) closing: bool,
    /// When to open, keep or close it, again.
    due_us: u64,
}

impl Session {
    pub(super) fn takes_requests(&self) -> bool {
        self.id.is_some() && !self.over && !self.closing
    }

    pub(super) fn due_us(&self) -> u64 {
        self.due_us
    }

    pub(super) fn next_sequence(&mut self) -> Sequence {
        self.next_sequence += 1;
        Sequence(self.next_sequence - 1)
    }

    /// The sequence that comes next.
    pub(super) fn upcoming(&self) -> Sequence {
        Sequence(self.next_sequence)
    }

    pub(super) fn mark_over(&mut self) {
        self.over = true;
        self.due_us = 0;
    }
}

impl Client {
    /// Opens, keeps and closes sessions, as far as that is due.
    pub(super) fn tend_sessions(&mut self, desk: &mut Desk<'_>, sends: &mut Sends) {
        if self.has_work() && !self.sessions.iter().any(|session| !session.over && !session.closing) {
            let opening = number(&mut self.next_opening);
            let due_us = desk.now_us;
            let fresh = Session { id: None, opening, next_sequence: 1, over: false, closing: false, due_us };
            self.sessions.push(fresh);
        }
        let done = self.is_done() && self.closing;
        for place in 0..self.sessions.len() {
            if let Some(id) = self.sessions[place].id {
                let open = self.requests.iter().any(|request: &Request| request.subject.txn.session == id);
                let session = &mut self.sessions[place];
                if !session.closing && !open && (done || session.over) {
                    session.closing = true;
                    session.due_us = desk.now_us;
                }
            }
            if self.sessions[place].due_us > desk.now_us {
                continue;
            }
            let watermark = self.watermark(place);
            let session = &mut self.sessions[place];
            let message = match (session.id, session.closing) {
                (None, _) => Message::OpenSession { request: session.opening },
                (Some(session), true) => Message::CloseSession { session },
                (Some(session), false) => Message::KeepSession { session, watermark },
            };
            let pause_us = if session.id.is_none() || session.closing {
                ASK_AGAIN_US
            } else {
                desk.options.keep_ms * 1000
            };
            session.due_us = desk.now_us + pause_us;
            sends.push((desk.routes.any(desk.random), message));
        }
        if done {
            // One that was never granted needs no closing.
            self.sessions.retain(|session| session.id.is_some());
        }
    }

    pub(super) fn on_opened(&mut self, request: u64, id: Option<SessionId>, desk: &Desk<'_>) {
        let waiting = self.sessions.iter_mut().find(|own| own.id.is_none() && own.opening == request);
        if let (Some(session), Some(id)) = (waiting, id) {
            session.id = Some(id);
            session.due_us = desk.now_us + desk.options.keep_ms * 1000;
        }
    }
}
