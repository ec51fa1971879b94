//! One message in a consumer's hands, from its delivery to its end.

use super::{super::clients, Consumer, PAUSE, State, failure};
use crate::{
    attack::recording::End,
    history::Value,
    workload::{Completion, Invocation, Manner},
};
use assent_client::{
    Client, Doubt, Handle, Outcome, RefusalKind,
    mail::{Delivery, MailError},
};
use assent_protocol::{
    mail::{Draft, Envelope, MessageKey},
    message,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::sleep;

/// How often an acknowledgement is repeated of which nobody knows.
const ACKNOWLEDGED_TRIES: u32 = 5;

/// Somebody has a message, as long as this lives.
pub(super) struct Busy(Arc<State>);

impl Busy {
    pub(super) fn new(state: &Arc<State>) -> Busy {
        state.busy.fetch_add(1, Ordering::SeqCst);
        Busy(Arc::clone(state))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether a transaction is committed, once that is known.
pub(super) enum Committed {
    Yes,
    No,
    /// It is not, since another one has the message, or had.
    Lost,
    /// It can't be learnt any more.
    Unknown,
}

/// A delivery as the nodes say it.
pub(super) fn inner(delivery: &Delivery) -> message::Delivery {
    let draft = Draft {
        mailbox: delivery.mailbox().clone(),
        key: delivery.key().and_then(|key| MessageKey::new(key).ok()),
        headers: delivery.headers().clone(),
        payload: delivery.payload().to_vec(),
        delay_ms: 0,
    };
    let envelope = Envelope { id: delivery.id().clone(), sent: delivery.sent(), draft: Arc::new(draft) };
    let (position, lease) = (delivery.position(), delivery.lease());
    message::Delivery { position, lease, envelope, delivery: delivery.attempt() }
}

impl Consumer {
    pub(super) async fn handle(self: &Arc<Self>, client: &Client, delivery: &Delivery) {
        if delivery.lease().is_some() && !self.state.is_healed() && !self.begins(client, delivery).await {
            return;
        }
        let invocation = self.shared.workload().process(&self.taking, &inner(delivery));
        loop {
            match (self.commit(client, &invocation).await, self.taking.manner) {
                (Committed::Yes, Manner::Plain) => return self.acknowledge(client, delivery).await,
                (Committed::Yes, Manner::Transaction | Manner::OnReceipt) => return,
                // Nobody else has it, and it has had no effect.
                (Committed::No, Manner::OnReceipt) if self.state.is_healed() => sleep(PAUSE).await,
                (Committed::No | Committed::Lost | Committed::Unknown, Manner::OnReceipt) => return,
                (Committed::No, Manner::Transaction | Manner::Plain) => {
                    if self.state.is_healed() || self.chance(600) {
                        // If that is lost, the lease runs out.
                        let _ = client.give_back(delivery, Some(Duration::from_millis(5))).await;
                    }
                    return;
                }
                (Committed::Lost | Committed::Unknown, Manner::Transaction | Manner::Plain) => return,
            }
        }
    }

    /// Whether it works on the message at all, and if so perhaps later than its lease allows.
    async fn begins(&self, client: &Client, delivery: &Delivery) -> bool {
        let lease = self.lease();
        let below = |times: u32| {
            let most_ms = (lease * times).as_millis() as u64;
            Duration::from_millis(self.drawn(|random| random.below(most_ms)))
        };
        // What becomes of these calls is seen by whoever gets the message next.
        let what = self.drawn(|random| random.below(100));
        if what < 36 {
            self.state.mistreated.fetch_add(1, Ordering::SeqCst);
        }
        match what {
            0..15 => sleep(below(3)).await,
            15..22 => {
                let _ = client.extend(delivery, lease).await;
                sleep(below(2)).await;
            }
            22..27 => {
                let delay = self.chance(500).then(|| below(1).min(Duration::from_millis(20)));
                let _ = client.give_back(delivery, delay).await;
                return false;
            }
            27..32 => {
                let _ = client.release(delivery, "on purpose", None).await;
                return false;
            }
            32..36 => return false,
            _ => {}
        }
        true
    }

    /// Asks for a transaction once, and learns what became of it before anything else is done.
    pub(super) async fn commit(self: &Arc<Self>, client: &Client, invocation: &Invocation) -> Committed {
        let open = self.open(invocation.clone());
        let asked = clients::transaction(open.invocation()).deadline(self.shared.deadline);
        let outcome = client.submit(asked).await;
        let (completion, end) = clients::told(&outcome);
        let id = outcome.id().map(ToString::to_string);
        open.end_as(end, &completion, None, id);
        let outcome = match outcome {
            Outcome::Unknown(handle) => match settled(client, handle).await {
                Some(outcome) => outcome,
                None => return Committed::Unknown,
            },
            outcome => outcome,
        };
        outcome.confirm();
        match outcome {
            Outcome::Committed(_) => Committed::Yes,
            Outcome::Aborted(abort) => {
                let lost = abort.refusal().is_some_and(|refusal| {
                    matches!(
                        refusal.kind,
                        RefusalKind::MessageAbsent | RefusalKind::LeaseLost | RefusalKind::ForeignLease
                    )
                });
                if lost { Committed::Lost } else { Committed::No }
            }
            Outcome::Unknown(_) => Committed::Unknown,
        }
    }

    /// After the work. Each try is an operation of its own.
    async fn acknowledge(self: &Arc<Self>, client: &Client, delivery: &Delivery) {
        let told = self.shared.workload().told(&inner(delivery));
        let value = Value::Vector(vec![told, self.mailbox()]);
        for _ in 0..ACKNOWLEDGED_TRIES {
            let open = self.open(Invocation::new("acknowledge", value.clone(), Vec::new()));
            match client.acknowledge(delivery).await {
                Ok(()) => return open.end(End::Ok, &Completion::Committed(Vec::new()), Some(value)),
                Err(error) => {
                    let again = matches!(error, MailError::Unknown(_) | MailError::NotSent(_));
                    open.end(failure(&error), &Completion::Unknown, Some(value.clone()));
                    if !again {
                        return;
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }
}

/// Asks about an unknown outcome, however long that takes; none if it can't be learnt any more.
async fn settled(client: &Client, mut handle: Handle) -> Option<Outcome> {
    loop {
        match handle.doubt() {
            Doubt::Expired => {
                client.give_up(handle);
                return None;
            }
            Doubt::Closed => return None,
            Doubt::Deadline | Doubt::Journal => {}
        }
        handle = match client.resolve(&handle).await {
            Outcome::Unknown(handle) => handle,
            outcome => return Some(outcome),
        };
        sleep(PAUSE).await;
    }
}
