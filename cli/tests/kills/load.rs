//! All desks together, and what became of each call while they served.

use crate::{
    campus::Campus,
    desk::{Desk, Told, Work},
    random::Random,
};
use assent_client::{Client, NodeId};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
    time::Instant,
};
use tokio::task::JoinHandle;

/// Students of one desk.
const STUDENTS_PER_DESK: usize = 8;

/// One call, retries included.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Everyone who had to take part.
    pub(crate) touched: BTreeSet<NodeId>,
    /// When it was made.
    pub(crate) began: Instant,
    /// When it was answered.
    pub(crate) ended: Instant,
    /// Whether it was committed; else it was refused, aborted, or is unknown.
    pub(crate) committed: bool,
}

/// What desks see of the load that they are part of.
pub(crate) struct Load {
    open: Cell<bool>,
    calls: RefCell<Vec<Call>>,
    /// Between what each call's deadline is chosen, in milliseconds; none: the client's own.
    pub(crate) deadlines: Option<(u64, u64)>,
}

impl Load {
    /// Whether desks go on.
    pub(crate) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// A call has ended.
    pub(crate) fn note(&self, call: Call) {
        self.calls.borrow_mut().push(call);
    }
}

/// Desks that do not serve just now.
pub(crate) struct Office {
    campus: Rc<Campus>,
    desks: Vec<Desk>,
}

/// Desks that serve. To be used within a [`tokio::task::LocalSet`].
pub(crate) struct Serving {
    campus: Rc<Campus>,
    load: Rc<Load>,
    desks: Vec<JoinHandle<Desk>>,
}

impl Office {
    /// Opens desks: for the students of each participant that holds any, for moves between each two participants, and
    /// for moves between all; `each` of every kind, with a session per desk.
    pub(crate) async fn open(client: &Client, each: usize, random: &mut Random) -> Office {
        let mut campus = Campus::open(client.clone()).await;
        let nodes = client.cluster().directory().participants().to_vec();
        let mut works = Vec::new();
        for _ in 0..each {
            let holding = client.cluster().participants().filter(|node| node.name.starts_with("students"));
            for holder in holding {
                works.push(Work::Students(campus.add_students(STUDENTS_PER_DESK, holder.id).await));
            }
            for (n, one) in nodes.iter().enumerate() {
                works.extend(nodes[n + 1..].iter().map(|other| Work::Purses(BTreeSet::from([*one, *other]))));
            }
            works.push(Work::Purses(nodes.iter().copied().collect()));
        }
        let mut desks = Vec::new();
        for work in works {
            let session = client.session().await.expect("the cluster is whole");
            desks.push(Desk::new(campus.registrar.with_client(session), work, random.split()));
        }
        Office { campus: Rc::new(campus), desks }
    }

    /// Lets all desks serve.
    pub(crate) fn serve(self, deadlines: Option<(u64, u64)>) -> Serving {
        let load = Rc::new(Load { open: Cell::new(true), calls: RefCell::default(), deadlines });
        let desks = self.desks.into_iter().map(|mut desk| {
            let (campus, load) = (Rc::clone(&self.campus), Rc::clone(&load));
            tokio::task::spawn_local(async move {
                desk.serve(&campus, &load).await;
                desk
            })
        });
        let desks = desks.collect();
        Serving { campus: self.campus, load, desks }
    }

    /// Learns what is unknown, and compares all records with what was told. Says how much was unknown.
    pub(crate) async fn check(&mut self) -> usize {
        let mut told = Told::default();
        let mut unknown = 0;
        for desk in &mut self.desks {
            unknown += desk.settle().await;
            told.merge(desk.told());
        }
        self.campus.compare(&told).await;
        unknown
    }
}

impl Serving {
    /// Calls that have ended so far and are so.
    pub(crate) fn calls(&self, are: impl Fn(&Call) -> bool) -> Vec<Call> {
        self.load.calls.borrow().iter().filter(|call| are(call)).cloned().collect()
    }

    /// Closes all desks once they have their answers, and gives the calls of the whole time.
    pub(crate) async fn stop(self) -> (Office, Vec<Call>) {
        self.load.open.set(false);
        let mut desks = Vec::new();
        for desk in self.desks {
            desks.push(desk.await.expect("a desk does not panic"));
        }
        (Office { campus: self.campus, desks }, self.load.calls.take())
    }
}
