//! Why a command about messages failed, with its exit status and what to do about it.

use crate::{failure::Failure, settle, status::Status};
use assent_client::{
    Outcome, QueryError, Receipt, RefusalKind,
    mail::{MailError, Mailbox, MailboxRefusal},
};
use std::fmt::Display;

/// A call that went straight to the mailbox's node.
pub(super) fn failed(error: &MailError, mailbox: &Mailbox, what: &str) -> Failure {
    let (status, remedy) = match error {
        MailError::Refused(refusal) => refused(*refusal, mailbox),
        MailError::NotSent(_) => (
            Status::Unreachable,
            "nothing has changed; see whether the mailbox's node runs: assent cluster status".to_owned(),
        ),
        MailError::Unknown(_) => (
            Status::Unreachable,
            format!("see whether it has happened before it is done again: assent mailbox show {mailbox}"),
        ),
        MailError::Gone => (
            Status::Unreachable,
            format!(
                "see whether it is still there, or a dead letter: assent mailbox messages {mailbox}; assent mailbox dead list {mailbox}"
            ),
        ),
        MailError::Invalid(_) => (Status::Usage, "correct the command".to_owned()),
    };
    Failure::new(status, format!("could not {what}")).cause(error).remedy(remedy)
}

fn refused(refusal: MailboxRefusal, mailbox: &Mailbox) -> (Status, String) {
    match refusal {
        MailboxRefusal::MailboxAbsent => (Status::NotFound, absent(mailbox)),
        MailboxRefusal::Misplaced => {
            (Status::Config, "give this client the same cluster file as the nodes".to_owned())
        }
        MailboxRefusal::NotPermitted => (
            Status::Refused,
            format!(
                "use the certificate of a consumer (--certificate), or add this client: assent mailbox set {mailbox} --add-consumer CLIENT"
            ),
        ),
        MailboxRefusal::Overloaded | MailboxRefusal::Acknowledging => {
            (Status::NotExecuted, "try again later".to_owned())
        }
        MailboxRefusal::MessageAbsent => (
            Status::NotFound,
            format!("see what is there: assent mailbox messages {mailbox}; assent mailbox dead list {mailbox}"),
        ),
        MailboxRefusal::LeaseLost => {
            (Status::Refused, format!("receive it again: assent mailbox receive {mailbox}"))
        }
        MailboxRefusal::ForeignLease => (
            Status::Refused,
            "use the certificate of the client that received it (--certificate), or wait until the lease runs out"
                .to_owned(),
        ),
        MailboxRefusal::DeadLetterAbsent => {
            (Status::NotFound, format!("see which there are: assent mailbox dead list {mailbox}"))
        }
    }
}

fn absent(mailbox: &Mailbox) -> String {
    format!("see which there are: assent mailbox list; or make it: assent mailbox create {mailbox}")
}

/// A page that could not be read.
pub(super) fn unread(error: &QueryError, mailbox: &Mailbox) -> Failure {
    Failure::new(Status::Unreachable, format!("could not look into {mailbox}"))
        .cause(error)
        .remedy("see whether the mailbox's node runs: assent cluster status")
}

/// A transaction about a mailbox.
pub(super) fn ended(outcome: Outcome, mailbox: &Mailbox, what: &str) -> Result<Receipt, Failure> {
    if let Outcome::Aborted(abort) = &outcome
        && let Some(refusal) = abort.refusal()
    {
        let told = |status, cause: &dyn Display, remedy| {
            Err(Failure::new(status, format!("could not {what}")).cause(cause).remedy(remedy))
        };
        if refusal.record == *mailbox.record() {
            match refusal.kind {
                RefusalKind::MailboxAbsent | RefusalKind::Exists => {
                    return told(Status::NotFound, &"there is no such mailbox", absent(mailbox));
                }
                RefusalKind::Absent => {
                    let remedy = format!(
                        "look at it: assent mailbox show {mailbox}; change it: assent mailbox set {mailbox}"
                    );
                    return told(Status::Aborted, abort, remedy);
                }
                _ => {}
            }
        }
        if refusal.kind == RefusalKind::OutboxFull {
            let remedy = "try again later; see what waits: assent mailbox outbox";
            return told(Status::NotExecuted, abort, remedy.to_owned());
        }
    }
    settle::ended(outcome, what)
}
