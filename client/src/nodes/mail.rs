//! Calls about messages, straight to the participant that holds the mailbox.
//!
//! Each says for itself what may be concluded when its answer is lost: only what may be done twice is done again.

use super::{
    NodeReply, Nodes, QueryError,
    line::{Line, Missed},
    other_answer,
};
use crate::mail::{Delivery, MailError, OutboxFigures, Receiving};
use assent_protocol::{
    mail::{DELIVERY_MAX, LeaseId, Mailbox, Position, Stored},
    message::{Finish, MailboxFigures, MailboxRefusal, Manage, Message, Query, Receive, Reply},
};
use assent_transport::{Node, Role};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// Between two tries of a call whose node is away.
const AGAIN: Duration = Duration::from_millis(50);

/// One page of a mailbox, and whether there are more.
type Page = (Vec<(Position, Stored)>, bool);

impl Nodes {
    /// The mailboxes of every participant.
    pub async fn mailboxes(&self) -> Vec<NodeReply<Vec<MailboxFigures>>> {
        self.ask_all(Some(Role::Participant), &Query::Mailboxes, |reply| match reply {
            Reply::Mailboxes(figures) => Some(figures),
            _ => None,
        })
        .await
    }

    /// One mailbox, as its own node sees it; none if nothing is known of it there.
    pub async fn mailbox(&self, mailbox: &Mailbox) -> NodeReply<Option<MailboxFigures>> {
        let figures = |reply| match reply {
            Reply::Mailboxes(all) => Some(all.into_iter().find(|figures| figures.mailbox == *mailbox)),
            _ => None,
        };
        self.ask_holder(mailbox, Query::Mailboxes, figures).await
    }

    /// What waits in the outbox of every participant.
    pub async fn outboxes(&self) -> Vec<NodeReply<OutboxFigures>> {
        self.ask_all(Some(Role::Participant), &Query::Outbox, |reply| match reply {
            Reply::Outbox { streams, waiting, messages, bytes } => {
                Some(OutboxFigures { streams, waiting, messages, bytes })
            }
            _ => None,
        })
        .await
    }

    /// One page of the messages in a mailbox, after a place, and whether there are more.
    pub async fn messages(&self, mailbox: &Mailbox, after: Option<Position>) -> NodeReply<Page> {
        self.mail_page(mailbox, false, after).await
    }

    /// One page of the dead letters of a mailbox, after a place, and whether there are more.
    pub async fn dead_letters(&self, mailbox: &Mailbox, after: Option<Position>) -> NodeReply<Page> {
        self.mail_page(mailbox, true, after).await
    }

    async fn mail_page(&self, mailbox: &Mailbox, dead: bool, after: Option<Position>) -> NodeReply<Page> {
        let query = Query::Mail { mailbox: mailbox.clone(), dead, after };
        let page = |reply| match reply {
            Reply::Mail { messages, more } => Some((messages, more)),
            _ => None,
        };
        self.ask_holder(mailbox, query, page).await
    }

    async fn ask_holder<T>(
        &self,
        mailbox: &Mailbox,
        query: Query,
        read: impl FnOnce(Reply) -> Option<T>,
    ) -> NodeReply<T> {
        let node = self.holder(mailbox);
        let reply = match self.line().await {
            Ok(line) => line.ask(&node, query).await.and_then(|reply| read(reply).ok_or_else(other_answer)),
            Err(cause) => Err(QueryError::Unreachable { address: node.address, cause }),
        };
        NodeReply { node: node.id, role: node.role, name: node.name, reply }
    }

    /// Messages under a lease, or for good; none if there were none in time. A node that is away is waited for as long
    /// as messages are. If the answer is lost, messages may have been given away: under a lease they come again when it
    /// has run out, and it is simply asked again; without one they are lost, and that is [`MailError::Unknown`].
    ///
    /// Messages that arrive when this future has been dropped are given back.
    pub async fn receive(
        &self,
        mailbox: &Mailbox,
        receiving: &Receiving,
    ) -> Result<Vec<Delivery>, MailError> {
        let asked = receiving.clone().message(0, mailbox, receiving.wait);
        Message::Receive(Box::new(asked)).check().map_err(|why| MailError::Invalid(why.to_owned()))?;
        let (line, node) = self.way(mailbox).await?;
        let (tell, hear) = oneshot::channel();
        let (mailbox, receiving) = (mailbox.clone(), receiving.clone());
        tokio::spawn(async move {
            let received = receive(&line, &node, &mailbox, &receiving).await;
            if let Err(Ok(unheard)) = tell.send(received) {
                give_back(&line, &node, &mailbox, &unheard).await;
            }
        });
        // The task panics only where something here is wrong, and then nothing is known.
        hear.await.unwrap_or_else(|_| Err(MailError::Unknown(other_answer())))
    }

    /// Finishes deliveries; says for each whether it was. Repeated while there is time and the node is away, since
    /// everything that [`Finish`] names may be done twice: that a message is not there any more, or not leased any more,
    /// then means that an earlier try has done it.
    pub async fn finish(
        &self,
        mailbox: &Mailbox,
        deliveries: &[(Position, LeaseId)],
        how: &Finish,
    ) -> Result<Vec<Result<(), MailboxRefusal>>, MailError> {
        let asked = |deliveries: &[(Position, LeaseId)], request| Message::Finish {
            request,
            mailbox: mailbox.clone(),
            deliveries: deliveries.to_vec(),
            how: how.clone(),
        };
        let mut all = Vec::with_capacity(deliveries.len());
        for some in deliveries.chunks(DELIVERY_MAX) {
            asked(some, 0).check().map_err(|why| MailError::Invalid(why.to_owned()))?;
            let (line, node) = self.way(mailbox).await?;
            all.extend(finish(&line, &node, some, how, |request| asked(some, request)).await?);
        }
        Ok(all)
    }

    /// Does something with dead letters, or discards messages, and says with how many: of those that are named, or of all, the
    /// first ones, as many as one request may. Not repeated: where no place is named, doing it twice is
    /// doing more.
    pub async fn manage(&self, mailbox: &Mailbox, what: Manage) -> Result<u64, MailError> {
        let asked = |request| Message::Manage { request, mailbox: mailbox.clone(), what: what.clone() };
        asked(0).check().map_err(|why| MailError::Invalid(why.to_owned()))?;
        let (line, node) = self.way(mailbox).await?;
        let until = Instant::now() + line.deadline;
        match line.exchange(&node, until, until, asked).await {
            Ok(Message::Managed { done, .. }) => done.map_err(MailError::Refused),
            Ok(_) => Err(MailError::Unknown(other_answer())),
            Err(Missed::NotSent(error)) => Err(MailError::NotSent(error)),
            Err(Missed::Lost | Missed::Silent) => Err(MailError::Unknown(line.silent())),
        }
    }

    /// The participant that holds a mailbox.
    pub(crate) fn holder(&self, mailbox: &Mailbox) -> Node {
        let id = self.cluster.directory().locate(mailbox.record());
        self.cluster.node(id).cloned().expect("the directory names only nodes of its cluster file")
    }

    async fn way(&self, mailbox: &Mailbox) -> Result<(Arc<Line>, Node), MailError> {
        let node = self.holder(mailbox);
        match self.line().await {
            Ok(line) => Ok((line, node)),
            Err(cause) => Err(MailError::NotSent(QueryError::Unreachable { address: node.address, cause })),
        }
    }
}

async fn receive(
    line: &Line,
    node: &Node,
    mailbox: &Mailbox,
    receiving: &Receiving,
) -> Result<Vec<Delivery>, MailError> {
    let wait_until = Instant::now() + receiving.wait;
    // However short the wait is: there must be time to get there.
    let send_until = wait_until.max(Instant::now() + line.deadline);
    let mut lost = false;
    loop {
        let now = Instant::now();
        let wait = wait_until.saturating_duration_since(now);
        let answer_until = now + wait + line.deadline;
        let message = |request| Message::Receive(Box::new(receiving.clone().message(request, mailbox, wait)));
        let error = match line.exchange(node, send_until, answer_until, message).await {
            Ok(Message::Received { deliveries, .. }) => {
                let deliveries = deliveries.map_err(MailError::Refused)?;
                let took = |delivery| Delivery::new(mailbox.clone(), delivery, receiving.lease);
                return Ok(deliveries.into_iter().map(took).collect());
            }
            Ok(_) => return Err(MailError::Unknown(other_answer())),
            Err(Missed::NotSent(error)) if lost => MailError::Unknown(error),
            Err(Missed::NotSent(error)) => MailError::NotSent(error),
            Err(Missed::Lost) if receiving.lease.is_some() => {
                lost = true;
                MailError::Unknown(line.silent())
            }
            Err(Missed::Lost | Missed::Silent) => return Err(MailError::Unknown(line.silent())),
        };
        if Instant::now() >= send_until {
            return Err(error);
        }
        sleep_until(Instant::now() + AGAIN).await;
    }
}

async fn finish(
    line: &Line,
    node: &Node,
    deliveries: &[(Position, LeaseId)],
    how: &Finish,
    message: impl Fn(u64) -> Message,
) -> Result<Vec<Result<(), MailboxRefusal>>, MailError> {
    let until = Instant::now() + line.deadline;
    let mut lost = false;
    loop {
        let error = match line.exchange(node, until, until, &message).await {
            Ok(Message::Finished { results: Ok(results), .. }) if results.len() == deliveries.len() => {
                // Whoever acknowledges may go on to what must happen once. That a message is not there does not say that the
                // try whose answer was lost has acknowledged it: another consumer may have, or it is a dead letter.
                let absent = Err(MailboxRefusal::MessageAbsent);
                if lost && *how == Finish::Acknowledge && results.contains(&absent) {
                    return Err(MailError::Gone);
                }
                let result = |result: Result<(), MailboxRefusal>| match result {
                    Err(refusal) if lost && done_before(how, refusal) => Ok(()),
                    result => result,
                };
                return Ok(results.into_iter().map(result).collect());
            }
            Ok(Message::Finished { results: Err(refusal), .. }) => return Err(MailError::Refused(refusal)),
            Ok(_) => return Err(MailError::Unknown(other_answer())),
            Err(Missed::NotSent(error)) if lost => MailError::Unknown(error),
            Err(Missed::NotSent(error)) => MailError::NotSent(error),
            Err(Missed::Lost) => {
                lost = true;
                MailError::Unknown(line.silent())
            }
            Err(Missed::Silent) => return Err(MailError::Unknown(line.silent())),
        };
        if Instant::now() + AGAIN >= until {
            return Err(error);
        }
        sleep_until(Instant::now() + AGAIN).await;
    }
}

/// Whether this refusal of a repeat means that an earlier try, whose answer was lost, has done it.
fn done_before(how: &Finish, refusal: MailboxRefusal) -> bool {
    match how {
        // Given back, and perhaps finished by another consumer since; or the lease has ended otherwise, which comes to the same.
        Finish::Release { .. } => {
            matches!(
                refusal,
                MailboxRefusal::LeaseLost | MailboxRefusal::MessageAbsent | MailboxRefusal::ForeignLease
            )
        }
        Finish::Acknowledge | Finish::Extend(_) => false,
    }
}

/// Gives back what nobody waits for any more. If that fails, the leases run out.
async fn give_back(line: &Line, node: &Node, mailbox: &Mailbox, unheard: &[Delivery]) {
    let leases: Vec<(Position, LeaseId)> = unheard.iter().filter_map(Delivery::place).collect();
    if leases.is_empty() {
        return;
    }
    let how = Finish::Release { delay_ms: None, cause: None };
    let message = |request| Message::Finish {
        request,
        mailbox: mailbox.clone(),
        deliveries: leases.clone(),
        how: how.clone(),
    };
    if let Err(error) = finish(line, node, &leases, &how, message).await {
        tracing::debug!(%mailbox, %error, "messages that nobody waits for could not be given back");
    }
}

impl Receiving {
    fn message(self, request: u64, mailbox: &Mailbox, wait: Duration) -> Receive {
        let ms = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        Receive {
            request,
            mailbox: mailbox.clone(),
            max: self.max,
            lease_ms: self.lease.map(ms),
            wait_ms: ms(wait),
        }
    }
}

#[cfg(test)]
mod tests;
