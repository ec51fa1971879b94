//! Calls under way: await one, join many, or look at one now and then.

use super::{error::CallError, names::CallId};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::task::JoinHandle;

/// A call under way; awaited, it gives the reply. Dropped, the call goes on, and its reply is received and confirmed for
/// nobody.
#[must_use = "a call's error is told to nobody else"]
pub struct Pending<R> {
    id: CallId,
    state: State<R>,
}

enum State<R> {
    Running(JoinHandle<Result<R, CallError>>),
    Ended(Option<Result<R, CallError>>),
}

impl<R: Send + 'static> Pending<R> {
    pub(super) fn spawn(
        id: CallId,
        call: impl Future<Output = Result<R, CallError>> + Send + 'static,
    ) -> Pending<R> {
        Pending { id, state: State::Running(tokio::spawn(call)) }
    }

    pub(super) fn ended(id: CallId, result: Result<R, CallError>) -> Pending<R> {
        Pending { id, state: State::Ended(Some(result)) }
    }
}

impl<R> Pending<R> {
    /// Which call. Worth writing down: [`CallOptions::id`](super::CallOptions::id) takes it for a repeat.
    pub fn id(&self) -> &CallId {
        &self.id
    }

    /// Whether awaiting it would not wait.
    pub fn is_ready(&self) -> bool {
        match &self.state {
            State::Running(task) => task.is_finished(),
            State::Ended(_) => true,
        }
    }

    /// The reply if it is there; once.
    pub async fn poll_now(&mut self) -> Option<Result<R, CallError>> {
        poll_fn(|context| match self.look(context) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// None: the reply was taken before.
    fn look(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<R, CallError>>> {
        match &mut self.state {
            State::Running(task) => match Pin::new(task).poll(context) {
                Poll::Ready(result) => {
                    self.state = State::Ended(None);
                    // It panics only where a type's own decoding does.
                    Poll::Ready(Some(
                        result.unwrap_or_else(|error| Err(CallError::NoReplies(error.to_string()))),
                    ))
                }
                Poll::Pending => Poll::Pending,
            },
            State::Ended(result) => Poll::Ready(result.take()),
        }
    }
}

// It holds no reference into itself.
impl<R> Unpin for Pending<R> {}

impl<R> Future for Pending<R> {
    type Output = Result<R, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let taken = || Err(CallError::NoReplies("its reply was taken before".to_owned()));
        self.look(context).map(|result| result.unwrap_or_else(taken))
    }
}

/// Waits for all of them. They run at the same time anyway; their results are in their order.
pub async fn join_all<R>(calls: impl IntoIterator<Item = Pending<R>>) -> Vec<Result<R, CallError>> {
    let mut results = Vec::new();
    for call in calls.into_iter().collect::<Vec<_>>() {
        results.push(call.await);
    }
    results
}
