//! What is needed to learn an unknown outcome.

use crate::{
    outcome::{Abort, Outcome, Receipt},
    request::{Conclusion, Request},
};
use assent_protocol::{ids::TxnId, message::Intent};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{sync::Mutex, time::Instant};

/// Why an outcome is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// The call's deadline came first.
    Deadline,
    /// The cluster holds nothing of it any more: its answer was known to the client once, or its session has ended.
    /// Asking again will not help.
    Expired,
    /// The client was closed.
    Closed,
    /// The journal failed while the request was written down: it may be replayed after a restart.
    Journal,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Doubt::Deadline => "the deadline came before the answer; resolve it",
            Doubt::Expired => {
                "the cluster has forgotten it, since its client had the answer or its session has ended"
            }
            Doubt::Closed => "the client was closed before the answer came; repeat it by its id",
            Doubt::Journal => "the journal failed; the request may be replayed after a restart",
        })
    }
}

/// What is needed to learn an unknown outcome. The cluster keeps the answer until the handle is resolved or given up,
/// also after it was dropped; so long it holds up the session, which can go on for 4,096 requests.
#[derive(Clone)]
pub struct Handle {
    id: TxnId,
    attempts: u32,
    doubt: Doubt,
    open: Arc<Open>,
}

struct Open {
    state: Mutex<State>,
    given_up: AtomicBool,
}

enum State {
    Unknown(Box<Request>),
    Known(Outcome),
    GivenUp,
}

impl Handle {
    /// Leaves a request to a handle.
    pub(crate) fn new(mut request: Request, doubt: Doubt, attempts: u32) -> Handle {
        request.leave();
        Handle {
            id: request.subject().txn.clone(),
            attempts,
            doubt,
            open: Arc::new(Open {
                state: Mutex::new(State::Unknown(Box::new(request))),
                given_up: AtomicBool::new(false),
            }),
        }
    }

    /// Which transaction. Worth writing down: [`Transaction::repeat_of`](crate::Transaction::repeat_of) takes it.
    pub fn id(&self) -> &TxnId {
        &self.id
    }

    /// How many transactions were tried, this one included.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Why the outcome is unknown.
    pub fn doubt(&self) -> Doubt {
        self.doubt
    }

    /// See [`Client::resolve`](crate::Client::resolve).
    pub(crate) async fn resolve(&self, until: Instant) -> Outcome {
        let outcome = {
            let mut state = self.open.state.lock().await;
            let concluded = match &mut *state {
                State::Known(outcome) => return outcome.clone(),
                State::GivenUp => return Outcome::Unknown(self.clone()),
                State::Unknown(request) => match request.drive(Intent::Settle, until).await {
                    Conclusion::Committed(results) => {
                        Ok(Outcome::Committed(Receipt::new(request, results, self.attempts)))
                    }
                    Conclusion::Aborted(reason) => {
                        Ok(Outcome::Aborted(Abort::new(request, reason, self.attempts)))
                    }
                    Conclusion::Unknown(doubt) => Err(doubt),
                    // Settling never concludes these of what changes something, and only that is ever unknown.
                    Conclusion::NotExecuted(_) | Conclusion::SessionEnded => Err(self.doubt),
                },
            };
            match concluded {
                Ok(outcome) => {
                    *state = State::Known(outcome.clone());
                    outcome
                }
                Err(doubt) => Outcome::Unknown(Handle { doubt, ..self.clone() }),
            }
        };
        // Given up while it was being resolved.
        if self.open.given_up.load(Ordering::SeqCst) {
            self.give_up();
        }
        outcome
    }

    /// See [`Client::give_up`](crate::Client::give_up).
    pub(crate) fn give_up(&self) {
        self.open.given_up.store(true, Ordering::SeqCst);
        // Whoever holds the lock is resolving, and looks at the mark when done.
        if let Ok(mut state) = self.open.state.try_lock()
            && let State::Unknown(request) = &mut *state
        {
            request.let_go();
            *state = State::GivenUp;
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.id).field("doubt", &self.doubt).finish_non_exhaustive()
    }
}
