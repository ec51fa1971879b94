//! What a client can do with messages and mailboxes in single calls. Thin: the calls themselves are [`crate::Nodes`]' business.

use super::{
    Consumer, ConsumerConfig, Delivery, MailError, MailboxFigures, MailboxSettings, OutboxFigures, Receiving,
};
use crate::{
    client::Client,
    names::Named,
    nodes::NodeReply,
    outcome::{Outcome, Reason},
    transaction::Transaction,
};
use assent_protocol::{
    ids::InvalidName,
    mail::{Cause, LeaseId, Mailbox, Position, Stored},
    message::{Finish, MailboxRefusal, Manage},
    outcome::{AbortReason, RefusalKind},
};
use std::time::Duration;

impl Client {
    /// Makes a mailbox; refused if there is one of this name. The same as [`Transaction::create_mailbox`] alone.
    pub async fn create_mailbox(&self, mailbox: impl Named<Mailbox>, settings: &MailboxSettings) -> Outcome {
        self.run_with_retries(Transaction::new().create_mailbox(mailbox, settings)).await
    }

    /// The settings of a mailbox as a consistent read saw them; none if it does not exist. An error: the outcome of a read
    /// that did not succeed.
    pub async fn mailbox_settings(
        &self,
        mailbox: impl Named<Mailbox>,
    ) -> Result<Option<MailboxSettings>, Outcome> {
        let mailbox = match mailbox.named() {
            Ok(mailbox) => mailbox,
            Err(error) => return Err(self.submit(Transaction::new().with(|| Err(error))).await),
        };
        Ok(self.read_mailbox(&mailbox).await?.map(|(settings, _)| settings))
    }

    /// Changes settings of a mailbox that exists. The function may be called more than once, if others change them too.
    pub async fn change_mailbox(
        &self,
        mailbox: impl Named<Mailbox>,
        change: impl Fn(&mut MailboxSettings),
    ) -> Outcome {
        let mailbox = match mailbox.named() {
            Ok(mailbox) => mailbox,
            Err(error) => return self.submit(Transaction::new().with(|| Err(error))).await,
        };
        loop {
            let (old, version) = match self.read_mailbox(&mailbox).await {
                Ok(Some(read)) => read,
                // Refused, unless somebody has just made it.
                Ok(None) => {
                    let exists = Transaction::new().require_exists(mailbox.record());
                    match self.run_with_retries(exists).await {
                        Outcome::Committed(_) => continue,
                        outcome => return outcome,
                    }
                }
                Err(outcome) => return outcome,
            };
            let mut new = old.clone();
            change(&mut new);
            let change = Transaction::new().change_mailbox(&mailbox, version, &old, &new);
            match self.run_with_retries(change).await {
                Outcome::Aborted(abort)
                    if abort.refusal().is_some_and(|refusal| refusal.kind == RefusalKind::Version) =>
                {
                    abort.confirm();
                }
                outcome => return outcome,
            }
        }
    }

    async fn read_mailbox(&self, mailbox: &Mailbox) -> Result<Option<(MailboxSettings, u64)>, Outcome> {
        match self.run_with_retries(Transaction::new().read(mailbox.record())).await {
            Outcome::Committed(receipt) => {
                receipt.confirm();
                let read = |content| (MailboxSettings::from_record(content), content.version.0);
                Ok(receipt.record(0).map(read))
            }
            outcome => Err(outcome),
        }
    }

    /// The mailboxes of every participant.
    pub async fn mailboxes(&self) -> Vec<NodeReply<Vec<MailboxFigures>>> {
        self.nodes().mailboxes().await
    }

    /// What waits in the outbox of every participant.
    pub async fn outboxes(&self) -> Vec<NodeReply<OutboxFigures>> {
        self.nodes().outboxes().await
    }

    /// One page of the messages in a mailbox, after a place, and whether there are more. Looks, and takes nothing.
    pub async fn messages(
        &self,
        mailbox: &Mailbox,
        after: Option<Position>,
    ) -> NodeReply<(Vec<(Position, Stored)>, bool)> {
        self.nodes().messages(mailbox, after).await
    }

    /// One page of the dead letters of a mailbox with their failures, after a place, and whether there are more.
    pub async fn dead_letters(
        &self,
        mailbox: &Mailbox,
        after: Option<Position>,
    ) -> NodeReply<(Vec<(Position, Stored)>, bool)> {
        self.nodes().dead_letters(mailbox, after).await
    }

    /// Puts dead letters back into their mailbox, as new messages with their old ids: these (none, if one of them is not
    /// there), or all. One call moves at most 1,024 and about a megabyte, the first ones by place: it says how many, and
    /// the rest is for the next call. [`MailError::Unknown`]: look at them before it is done again.
    pub async fn redrive(&self, mailbox: &Mailbox, places: Option<Vec<Position>>) -> Result<u64, MailError> {
        self.nodes().manage(mailbox, Manage::Redrive(places)).await
    }

    /// Deletes dead letters for good: these (none, if one of them is not there), or the first 1,024. Says how many.
    /// [`MailError::Unknown`]: look at them before it is done again.
    pub async fn purge(&self, mailbox: &Mailbox, places: Option<Vec<Position>>) -> Result<u64, MailError> {
        self.nodes().manage(mailbox, Manage::Purge(places)).await
    }

    /// Deletes messages of a mailbox for good, whoever has them or waits for them: the first 1,024. Says how many. Those that a
    /// transaction in doubt acknowledges stay. For a mailbox that is to be deleted itself: what is in it when its record is
    /// deleted stays there, and is there again if it is made again.
    pub async fn discard(&self, mailbox: &Mailbox) -> Result<u64, MailError> {
        self.nodes().manage(mailbox, Manage::Discard).await
    }

    /// Receives from a mailbox, also with some prepared for the next call.
    pub fn consumer(
        &self,
        mailbox: impl Named<Mailbox>,
        config: ConsumerConfig,
    ) -> Result<Consumer, InvalidName> {
        Ok(Consumer::new(self.clone(), mailbox.named()?, config))
    }

    /// Messages of a mailbox, once. [`Consumer`] is for who receives more than once.
    ///
    /// With a lease the messages are this client's until it has run out, also if it reconnects, in all processes of its
    /// name; if the answer is lost, they come again after their leases, and that counts as a failed delivery. Without a
    /// lease they are acknowledged on receipt: at most once, and lost with the answer ([`MailError::Unknown`]).
    pub async fn receive(
        &self,
        mailbox: &Mailbox,
        receiving: &Receiving,
    ) -> Result<Vec<Delivery>, MailError> {
        self.nodes().receive(mailbox, receiving).await
    }

    /// Finishes a message after the work: at least once. If the process dies between the work and this, the message comes
    /// again. Durable when this returns. [`MailError::Unknown`] and [`MailError::Gone`]: it may have been done; if not, the message
    /// comes again or is a dead letter. Whoever repeats it by itself and is told `MessageAbsent` knows no more.
    pub async fn acknowledge(&self, delivery: &Delivery) -> Result<(), MailError> {
        self.finish(delivery, &Finish::Acknowledge).await
    }

    /// Finishes several messages of one mailbox after the work, in one request: at least once. Says for each whether it was
    /// finished. Durable when this returns. [`MailError::Gone`]: of one of them at least that is not known.
    pub async fn acknowledge_all(
        &self,
        deliveries: &[Delivery],
    ) -> Result<Vec<Result<(), MailboxRefusal>>, MailError> {
        let Some(first) = deliveries.first() else { return Ok(Vec::new()) };
        let place = |delivery: &Delivery| delivery.place().filter(|_| delivery.mailbox() == first.mailbox());
        let places: Option<Vec<(Position, LeaseId)>> = deliveries.iter().map(place).collect();
        let wrong = "messages of one mailbox, each under a lease, can be acknowledged together";
        let places = places.ok_or_else(|| MailError::Invalid(wrong.to_owned()))?;
        self.nodes().finish(first.mailbox(), &places, &Finish::Acknowledge).await
    }

    /// Gives a message back as failed, and says why: it is counted, and kept with the message. It rests for `delay`, or as
    /// the mailbox's settings say, and comes again, or becomes a dead letter after `deliveries_max` failures.
    pub async fn release(
        &self,
        delivery: &Delivery,
        cause: &str,
        delay: Option<Duration>,
    ) -> Result<(), MailError> {
        let Cause::Failed(cause) = Cause::failed(cause) else { return Ok(()) };
        let how = Finish::Release { delay_ms: delay.map(whole_ms), cause: Some(cause) };
        self.finish(delivery, &how).await
    }

    /// Gives a message back that was not worked on: that is not counted. It comes again after `delay`, or at once.
    pub async fn give_back(&self, delivery: &Delivery, delay: Option<Duration>) -> Result<(), MailError> {
        self.finish(delivery, &Finish::Release { delay_ms: delay.map(whole_ms), cause: None }).await
    }

    /// Makes the lease last this long from now. Not durable: a restart of the mailbox's node ends all leases.
    pub async fn extend(&self, delivery: &Delivery, lease: Duration) -> Result<(), MailError> {
        self.finish(delivery, &Finish::Extend(whole_ms(lease))).await
    }

    async fn finish(&self, delivery: &Delivery, how: &Finish) -> Result<(), MailError> {
        let place = delivery.place().ok_or_else(|| {
            MailError::Invalid(format!("message {} was acknowledged on receipt", delivery.position()))
        })?;
        let results = self.nodes().finish(delivery.mailbox(), &[place], how).await?;
        match results.into_iter().next() {
            Some(result) => result.map_err(MailError::Refused),
            None => Err(MailError::Refused(MailboxRefusal::MessageAbsent)),
        }
    }
}

pub(super) fn whole_ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Whether an outcome says that somebody else finished the message, or may: there is nothing left to do for it here.
pub(super) fn is_lost(reason: &Reason) -> bool {
    matches!(reason, Reason::Aborted(AbortReason::Refused(refusal))
        if matches!(refusal.kind, RefusalKind::MessageAbsent | RefusalKind::LeaseLost | RefusalKind::ForeignLease))
}
