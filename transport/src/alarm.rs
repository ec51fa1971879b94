//! A timer for a moment that moves all the time, nearly always to later, and hardly ever comes.
//!
//! So it is with a machine's next moment and with QUIC's next loss: both move with every message. tokio wakes its own
//! thread, with a system call and a sleep that ends at once, whenever a timer is set to an earlier moment than the thread
//! went to sleep for; a timer that is moved twenty thousand times a second does so all the time. Here the timer
//! stays where it is while its moment moves to later, and is set again when it has fired.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::time::Sleep;

/// Rings at a moment that may be moved at any time.
#[derive(Debug)]
pub struct Alarm {
    due: Option<Instant>,
    /// Fires when `due` comes, or earlier.
    sleep: Pin<Box<Sleep>>,
}

impl Default for Alarm {
    fn default() -> Self {
        Alarm::new()
    }
}

impl Alarm {
    /// Must be called in a tokio runtime. Rings only once it is set.
    pub fn new() -> Alarm {
        Alarm { due: None, sleep: Box::pin(tokio::time::sleep_until(tokio::time::Instant::now())) }
    }

    /// Moves the moment; none: it does not ring.
    pub fn set(&mut self, due: Option<Instant>) {
        self.due = due;
        if let Some(due) = due.map(tokio::time::Instant::from_std)
            && due < self.sleep.deadline()
        {
            self.sleep.as_mut().reset(due);
        }
    }

    /// Waits until the moment has come. It has come until it is moved.
    pub async fn ring(&mut self) {
        std::future::poll_fn(|context| self.poll_ring(context)).await;
    }

    fn poll_ring(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due.map(tokio::time::Instant::from_std) else {
            return Poll::Pending;
        };
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if due <= tokio::time::Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}

impl quinn::AsyncTimer for Alarm {
    fn reset(self: Pin<&mut Self>, due: Instant) {
        self.get_mut().set(Some(due));
    }

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.get_mut().poll_ring(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(30);

    async fn rings(alarm: &mut Alarm, within: Duration) -> bool {
        timeout(within, alarm.ring()).await.is_ok()
    }

    #[tokio::test]
    async fn rings_when_it_is_set_and_not_before() {
        let mut alarm = Alarm::new();
        assert!(!rings(&mut alarm, SOON).await, "it was not set");
        let due = Instant::now() + SOON;
        alarm.set(Some(due));
        assert!(rings(&mut alarm, LONG).await);
        assert!(Instant::now() >= due);
        assert!(rings(&mut alarm, LONG).await, "it has come until it is moved");
        alarm.set(None);
        assert!(!rings(&mut alarm, SOON).await, "it was cleared");
    }

    #[tokio::test]
    async fn follows_its_moment_both_ways() {
        let mut alarm = Alarm::new();
        alarm.set(Some(Instant::now() + SOON));
        assert!(!rings(&mut alarm, Duration::ZERO).await);
        let later = Instant::now() + 3 * SOON;
        alarm.set(Some(later));
        assert!(rings(&mut alarm, LONG).await);
        assert!(Instant::now() >= later, "the timer fires for its old moment first");
        alarm.set(Some(Instant::now() + LONG));
        assert!(!rings(&mut alarm, Duration::ZERO).await);
        alarm.set(Some(Instant::now() + SOON));
        assert!(rings(&mut alarm, LONG / 2).await, "moved to earlier, it does not wait for its old moment");
    }
}
