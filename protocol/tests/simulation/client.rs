//! A simulated client: a few requests in flight, each repeated through any coordinator until it has an answer, and
//! sometimes once more to see that the answer stays.

use crate::{
    random::Random,
    workload::{self, Kind},
};
use assent_protocol::{
    digest::digest,
    directory::Directory,
    ids::{ClientName, Sequence, SessionId, Stamp, Subject, Time, TxnId},
    message::{Begin, Branch, Intent, Message},
    outcome::Answer,
};

pub(crate) const IN_FLIGHT: usize = 2;

pub(crate) struct Client {
    pub(crate) name: ClientName,
    pub(crate) session: Option<SessionId>,
    pub(crate) opening: Option<Time>,
    next_sequence: u64,
    pub(crate) requests: Vec<Request>,
    pub(crate) left: usize,
    pub(crate) closed: bool,
}

pub(crate) struct Request {
    pub(crate) subject: Subject,
    pub(crate) kind: Kind,
    pub(crate) branches: Vec<Branch>,
    stamp: Stamp,
    pub(crate) invoked: Time,
    pub(crate) due: Time,
    pub(crate) attempts: u32,
    /// The first answer, while the client asks again to see whether it stays.
    pub(crate) answered: Option<Answer>,
    pub(crate) asks_left: u32,
}

impl Client {
    pub(crate) fn new(index: usize, left: usize) -> Self {
        Client {
            name: ClientName::new(&format!("client{index}")).unwrap(),
            session: None,
            opening: None,
            next_sequence: 1,
            requests: Vec::new(),
            left,
            closed: false,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left == 0 && self.requests.is_empty()
    }

    pub(crate) fn watermark(&self) -> Sequence {
        let outstanding = self.requests.iter().map(|request| request.subject.txn.sequence);
        outstanding.min().unwrap_or(Sequence(self.next_sequence))
    }

    pub(crate) fn begin_request(
        &mut self,
        random: &mut Random,
        directory: &Directory,
        unique: i64,
        now: Time,
        wall: Stamp,
    ) {
        let Some(session) = self.session else { return };
        let (kind, operations) = workload::draw(random, directory.participants().len(), unique);
        let branches = workload::branches(directory, operations);
        let sequence = Sequence(self.next_sequence);
        self.next_sequence += 1;
        self.left -= 1;
        let subject = Subject {
            txn: TxnId { client: self.name.clone(), session, sequence },
            digest: digest(&branches),
        };
        let asks_left = if random.chance(250) { 1 } else { 0 };
        self.requests.push(Request {
            subject,
            kind,
            branches,
            stamp: wall,
            invoked: now,
            due: now,
            attempts: 0,
            answered: None,
            asks_left,
        });
    }

    /// The request's next message. `deadline_ms` is what the coordinator gets.
    pub(crate) fn message(&mut self, index: usize, random: &mut Random) -> Message {
        let watermark = self.watermark();
        let request = &mut self.requests[index];
        let writes =
            request.branches.iter().flat_map(|branch| &branch.steps).any(|step| step.operation.is_write());
        let intent = match request.attempts {
            0 => Intent::First,
            _ if writes && random.chance(200) => Intent::Settle,
            _ => Intent::Repeat,
        };
        request.attempts += 1;
        Message::Begin(Box::new(Begin {
            subject: request.subject.clone(),
            intent,
            stamp: request.stamp,
            deadline_ms: 300 + random.below(700) as u32,
            watermark,
            branches: request.branches.clone(),
        }))
    }
}
