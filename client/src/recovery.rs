//! What an earlier process of this client left unfinished: replayed in its old session, and nothing new is put there.

use crate::{
    client::conclude,
    journal::Unfinished,
    link::Link,
    outcome::Outcome,
    placement::{Placement, operations},
    request::Request,
    session::Session,
};
use assent_protocol::{
    ids::{Sequence, SessionId},
    message::Intent,
    operation::Operation,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as StdMutex, PoisonError},
};
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};

/// A request of an earlier process, from the journal.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Its operations.
    pub operations: Vec<Operation>,
    /// The note that it was given ([`Transaction::note`](crate::Transaction::note)).
    pub note: String,
    /// What became of it: if it had not run before, it has been run now. Wants to be confirmed.
    pub outcome: Outcome,
}

/// The replays of one client.
#[derive(Default)]
pub(crate) struct Recovery {
    coming: StdMutex<Option<mpsc::UnboundedReceiver<Recovered>>>,
    arrived: Mutex<(Option<mpsc::UnboundedReceiver<Recovered>>, Vec<Recovered>)>,
}

impl Recovery {
    /// Begins to replay.
    pub(crate) fn replay(&self, link: &Arc<Link>, unfinished: Vec<Unfinished>) {
        let (tell, coming) = mpsc::unbounded_channel();
        *self.coming.lock().unwrap_or_else(PoisonError::into_inner) = Some(coming);
        let mut sequences: BTreeMap<SessionId, Vec<Sequence>> = BTreeMap::new();
        for Unfinished { begin, .. } in &unfinished {
            let txn = &begin.subject.txn;
            sequences.entry(txn.session).or_default().push(txn.sequence);
        }
        let sessions: BTreeMap<SessionId, Arc<Session>> = sequences
            .into_iter()
            .map(|(id, sequences)| (id, Arc::new(Session::resume(id, link.preference(), sequences))))
            .collect();
        sessions.values().for_each(|session| link.adopt(Arc::clone(session)));
        for Unfinished { begin, note } in unfinished {
            let Some(session) = sessions.get(&begin.subject.txn.session).cloned() else { continue };
            let (link, tell) = (Arc::clone(link), tell.clone());
            tokio::spawn(async move {
                let operations = operations(&begin.branches);
                let mut request = Request::replay(Arc::clone(&link), session, begin);
                // A closed client has no permits, and then the request says so by itself.
                let _permit = link.permits.acquire().await;
                let until = Instant::now() + link.config.deadline;
                let conclusion = request.drive(Intent::Repeat, until).await;
                let outcome = conclude(request, conclusion, &mut Placement::empty(), 1).await;
                let _ = tell.send(Recovered { operations, note, outcome });
            });
        }
    }

    /// All of them, once.
    pub(crate) async fn take(&self) -> Vec<Recovered> {
        let mut arrived = self.arrived.lock().await;
        if let Some(coming) = self.coming.lock().unwrap_or_else(PoisonError::into_inner).take() {
            arrived.0 = Some(coming);
        }
        let (coming, kept) = &mut *arrived;
        // What has come is kept outside of this future: if it is dropped, the next call gets it.
        while let Some(one) = match coming {
            Some(coming) => coming.recv().await,
            None => None,
        } {
            kept.push(one);
        }
        *coming = None;
        std::mem::take(kept)
    }
}
