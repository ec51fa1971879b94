//! What becomes of one call, from its delivery to its end.
//!
//! The invariant of *exactly once*: an answer is sent only in the commit that writes it down, or is read from what was
//! written down; and what is written down is the effects' own commit.

use super::{
    handler::{Called, Handler},
    names::{MethodName, ServiceName},
    service::{ServiceFigures, methods_of, read},
    wire::{Answer, Call, Fault, Semantics, now_ms, record_of, short},
};
use crate::{
    link::stamp_now,
    mail::{
        Delivery, MailError, ProcessorFigures,
        processor::{Ended, Tried, Worker},
    },
    outcome::Abort,
    transaction::Transaction,
};
use assent_protocol::{
    ids::{RecordId, Stamp},
    outcome::RefusalKind,
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How long a call rests that can't be run here, or not now.
const LATER: Duration = Duration::from_millis(100);

/// What one instance has.
pub(super) struct Shared {
    pub(super) name: ServiceName,
    pub(super) methods: BTreeMap<MethodName, Box<Handler>>,
    pub(super) counts: Counts,
}

/// The figures while they are counted.
#[derive(Default)]
pub(super) struct Counts {
    replied: AtomicU64,
    faults: AtomicU64,
    repeated: AtomicU64,
    expired: AtomicU64,
    orphaned: AtomicU64,
    passed_on: AtomicU64,
    malformed: AtomicU64,
}

impl Counts {
    pub(super) fn figures(&self, messages: ProcessorFigures) -> ServiceFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ServiceFigures {
            replied: read(&self.replied),
            faults: read(&self.faults),
            repeated: read(&self.repeated),
            expired: read(&self.expired),
            orphaned: read(&self.orphaned),
            passed_on: read(&self.passed_on),
            malformed: read(&self.malformed),
            messages,
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// One call at work.
struct Job<'a> {
    shared: &'a Shared,
    worker: &'a Worker,
    call: Call,
    /// Where it is remembered, if it promises exactly once.
    record: RecordId,
    /// The age of the first try, for all of them.
    stamp: Stamp,
}

/// What came of an answer.
enum Given {
    Ended(Ended),
    /// The call was answered before.
    Repeat,
    Stale(Abort),
    Refused(Abort),
}

impl Shared {
    pub(super) async fn work(&self, worker: Worker) -> Ended {
        let delivery = worker.delivery();
        let call = match Call::read(&self.name, delivery.headers()) {
            Ok(call) => call,
            Err(why) => {
                count(&self.counts.malformed);
                return worker.fail(why).await;
            }
        };
        let record = record_of(&call, &delivery.id().txn.client);
        let job = Job { shared: self, worker: &worker, call, record, stamp: stamp_now() };
        job.work().await
    }
}

impl Job<'_> {
    async fn work(&self) -> Ended {
        let counts = &self.shared.counts;
        if self.call.deadline_ms < now_ms() {
            return match self.acknowledge().await {
                Ended::Processed => {
                    count(&counts.expired);
                    Ended::Processed
                }
                ended => ended,
            };
        }
        let exactly_once = self.call.semantics == Semantics::ExactlyOnce;
        // The handler of a repeat is not even run. Without this look the commit would be refused, and nothing worse.
        if exactly_once && (self.call.may_repeat || self.delivery().attempt() > 1) {
            match read(self.worker.client(), &self.record).await {
                Ok(None) => {}
                Ok(Some(_)) => return self.repeat().await,
                Err(why) => return self.later(why).await,
            }
        }
        let Some(handler) = self.shared.methods.get(&self.call.method) else { return self.unknown().await };
        if self.call.semantics == Semantics::AtMostOnce {
            match self.acknowledge().await {
                Ended::Processed => {}
                ended => return ended,
            }
        }
        self.run(handler).await
    }

    async fn run(&self, handler: &Handler) -> Ended {
        let mut reruns = 0;
        loop {
            let called = Called {
                id: self.call.id.clone(),
                caller: self.delivery().id().txn.client.clone(),
                method: self.call.method.clone(),
                semantics: self.call.semantics,
            };
            let (transaction, answer) = match handler(called, self.delivery().payload()).await {
                Ok((transaction, reply)) => (transaction, Answer::Reply(reply)),
                Err(fault) => (Transaction::new(), Answer::Fault(fault)),
            };
            let abort = match self.give(transaction, &answer).await {
                Given::Ended(ended) => return ended,
                Given::Repeat => return self.repeat().await,
                Given::Stale(_) if reruns < self.worker.config().reruns_max => {
                    reruns += 1;
                    continue;
                }
                Given::Stale(abort) | Given::Refused(abort) => abort,
            };
            // Nothing has happened, and this is the answer.
            let refused = Fault::Refused { kind: abort.reason.kind().to_owned(), why: short(&abort) };
            return match self.give(Transaction::new(), &Answer::Fault(refused)).await {
                Given::Ended(ended) => ended,
                Given::Repeat => self.repeat().await,
                Given::Stale(abort) | Given::Refused(abort) => self.worker.fail(abort.to_string()).await,
            };
        }
    }

    /// Commits effects and answer as the call promises.
    async fn give(&self, transaction: Transaction, answer: &Answer) -> Given {
        let given = self.commit(transaction, answer, true).await;
        if let Given::Ended(Ended::Processed) = given {
            let counts = &self.shared.counts;
            count(if matches!(answer, Answer::Reply(_)) { &counts.replied } else { &counts.faults });
        }
        given
    }

    /// `first`: this is no answer that was written down before.
    async fn commit(&self, transaction: Transaction, answer: &Answer, first: bool) -> Given {
        let exactly_once = self.call.semantics == Semantics::ExactlyOnce;
        let mut caller_is_there = true;
        let tried = loop {
            let mut whole = transaction.clone();
            if exactly_once && first && answer.is_remembered() {
                let digest = self.call.digest(self.delivery().payload());
                whole = answer.remember(&self.call, &self.record, digest, now_ms(), whole);
            }
            if caller_is_there {
                whole = whole.send(answer.message(&self.call));
            }
            if exactly_once {
                whole = whole.acknowledge(self.delivery());
            }
            if whole.operations().is_empty() {
                break Tried::Ended(Ended::Processed);
            }
            let whole = whole.stamp(self.stamp).deadline(self.worker.config().deadline);
            match self.worker.commit(whole).await {
                Tried::Refused(abort) if caller_is_there && self.is_caller_gone(&abort) => {
                    count(&self.shared.counts.orphaned);
                    caller_is_there = false;
                }
                tried => break tried,
            }
        };
        match tried {
            Tried::Ended(Ended::Processed) if self.call.semantics == Semantics::AtLeastOnce => {
                // If that fails, it comes again, as it may.
                let _ = self.acknowledge().await;
                Given::Ended(Ended::Processed)
            }
            Tried::Ended(ended) => Given::Ended(ended),
            Tried::Refused(abort) if first && exactly_once && self.is_remembered(&abort) => Given::Repeat,
            Tried::Refused(abort) => Given::Refused(abort),
            Tried::Stale(abort) => Given::Stale(abort),
        }
    }

    /// Gives the answer that was given before.
    async fn repeat(&self) -> Ended {
        let remembered = match read(self.worker.client(), &self.record).await {
            Ok(Some(record)) => Answer::remembered(&record),
            Ok(None) => {
                return self.later("what was remembered of it has just been confirmed".to_owned()).await;
            }
            Err(why) => return self.later(why).await,
        };
        let answer = match remembered {
            Ok((asked, _, answer)) if asked == self.call.digest(self.delivery().payload()) => answer,
            Ok((_, method, _)) => Answer::Fault(Fault::IdReused { method }),
            Err(why) => return self.worker.fail(why).await,
        };
        match self.commit(Transaction::new(), &answer, false).await {
            Given::Ended(Ended::Processed) => {
                count(&self.shared.counts.repeated);
                Ended::Processed
            }
            Given::Ended(ended) => ended,
            Given::Repeat => Ended::Lost,
            Given::Stale(abort) | Given::Refused(abort) => self.worker.fail(abort.to_string()).await,
        }
    }

    /// A method that this instance does not have.
    async fn unknown(&self) -> Ended {
        let published = match read(self.worker.client(), self.shared.name.record()).await {
            Ok(record) => record.as_ref().map(methods_of).unwrap_or_default(),
            Err(why) => return self.later(why).await,
        };
        if published.contains(&self.call.method.to_string()) {
            count(&self.shared.counts.passed_on);
            return self.later("another instance has the method".to_owned()).await;
        }
        let fault = Answer::Fault(Fault::UnknownMethod { has: published.into_iter().collect() });
        match self.give(Transaction::new(), &fault).await {
            Given::Ended(ended) => {
                if self.call.semantics == Semantics::AtMostOnce && ended == Ended::Processed {
                    let _ = self.acknowledge().await;
                }
                ended
            }
            Given::Repeat => Ended::Lost,
            Given::Stale(abort) | Given::Refused(abort) => self.worker.fail(abort.to_string()).await,
        }
    }

    /// Gives the call back for a while. That does not count as a failed delivery: a node that is away makes no dead letters.
    async fn later(&self, why: String) -> Ended {
        tracing::debug!(call = %self.call.id, method = %self.call.method, why, "a call was given back");
        // If that does not get there, its lease runs out.
        let _ = self.worker.client().give_back(self.delivery(), Some(LATER)).await;
        Ended::Lost
    }

    /// Finishes the message beside any transaction. Whoever can't be sure that it was this one must not go on.
    async fn acknowledge(&self) -> Ended {
        match self.worker.client().acknowledge(self.delivery()).await {
            Ok(()) => Ended::Processed,
            Err(MailError::Refused(_)) => Ended::Lost,
            Err(MailError::NotSent(_) | MailError::Unknown(_) | MailError::Gone | MailError::Invalid(_)) => {
                Ended::Unsettled
            }
        }
    }

    fn delivery(&self) -> &Delivery {
        self.worker.delivery()
    }

    fn is_caller_gone(&self, abort: &Abort) -> bool {
        abort.refusal().is_some_and(|refusal| {
            refusal.kind == RefusalKind::MailboxAbsent && refusal.record == *self.call.reply_to.record()
        })
    }

    fn is_remembered(&self, abort: &Abort) -> bool {
        abort
            .refusal()
            .is_some_and(|refusal| refusal.kind == RefusalKind::Absent && refusal.record == self.record)
    }
}
