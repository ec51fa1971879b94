//! Simulated clients: several processes with one operation open each, that share a session.
//!
//! A client asks any coordinator, and asks again until it has an answer (`request.rs`). It may give up, crash and replay
//! its journal, or die. Its watermark is the smallest request outstanding, as DESIGN's "Client sessions" says.

mod consumer;
mod request;
mod session;

use super::{history::Recorder, options::Options, properties::Asked, routes::Routes};
use crate::{
    history::Kind,
    random::Random,
    workload::{Completion, Invocation, Taking, Workload},
};
use assent_protocol::{
    canary::{Canary, broken},
    directory::Directory,
    ids::{ClientName, Sequence, Stamp, Subject},
    message::{Message, SESSION_WINDOW_MAX},
    outcome::Answer,
};
use consumer::Consumer;
use request::{Conclusion, Request};
use session::Session;
use std::collections::VecDeque;

/// What a client works with in one turn.
pub(super) struct Desk<'a> {
    pub(super) now_us: u64,
    pub(super) wall: Stamp,
    pub(super) options: &'a Options,
    pub(super) directory: &'a Directory,
    pub(super) workload: &'a mut dyn Workload,
    pub(super) history: &'a mut Recorder,
    pub(super) random: &'a mut Random,
    pub(super) routes: &'a Routes,
    /// Numbers for new processes.
    pub(super) next_process: &'a mut u64,
    /// The faults are over: nobody gives up any more.
    pub(super) healed: bool,
    /// Told of each request that is begun, for the properties.
    pub(super) begun: &'a mut dyn FnMut(Asked<'_>),
    /// Told of each that its client takes for never executed.
    pub(super) disowned: &'a mut dyn FnMut(&Subject),
}

/// One thing to send, through which coordinator (by place).
pub(super) type Sends = Vec<(usize, Message)>;

/// Where a process gets its operations from.
enum Source {
    /// So many more from the workload.
    Workload(u64),
    /// These, each until it is committed.
    Script(VecDeque<Invocation>),
    /// Messages that it takes.
    Mailbox(Box<Consumer>),
}

struct Process {
    number: u64,
    /// Where its open request is found, by place of the process.
    busy: bool,
    ready_us: u64,
}

/// How a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Alive,
    /// Until this moment.
    Crashed(u64),
    Dead,
}

pub(super) struct Client {
    pub(super) name: ClientName,
    pub(super) state: State,
    source: Source,
    sessions: Vec<Session>,
    processes: Vec<Process>,
    requests: Vec<Request>,
    /// Closes its sessions once it has nothing left to do.
    pub(super) closing: bool,
    next_opening: u64,
    /// It is due no later than this; of an event that the world has put in.
    pub(super) wake_us: u64,
    /// Counts, by name.
    pub(super) counts: Counts,
}

/// What became of a client's operations.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counts {
    pub(super) committed: u64,
    pub(super) aborted: u64,
    pub(super) reads: u64,
    pub(super) unknown: u64,
    pub(super) repeated: u64,
    pub(super) twins: u64,
    pub(super) sessions_lost: u64,
}

impl Client {
    /// A client that asks for what the workload says.
    pub(super) fn new(index: usize, options: &Options, next_process: &mut u64) -> Self {
        let requests = options.requests * options.processes;
        Client::with(
            format!("client{}", index + 1),
            Source::Workload(requests),
            options.processes,
            next_process,
        )
    }

    /// A client that asks for what it is given, in order, and never fails.
    pub(super) fn auditor(next_process: &mut u64) -> Self {
        Client::with("auditor".into(), Source::Script(VecDeque::new()), 1, next_process)
    }

    /// A client that takes messages.
    pub(super) fn consumer(index: u64, taking: Taking, next_process: &mut u64) -> Self {
        let processes = u64::from(taking.max.min(2));
        let source = Source::Mailbox(Box::new(Consumer::new(index, taking)));
        Client::with(format!("consumer{}", index + 1), source, processes, next_process)
    }

    /// It takes no message more. Nothing, for others.
    pub(super) fn stop(&mut self) {
        if let Source::Mailbox(consumer) = &mut self.source {
            consumer.stopped = true;
        }
    }

    /// Whether it takes messages still.
    pub(super) fn consumes(&self) -> bool {
        matches!(&self.source, Source::Mailbox(consumer) if !consumer.stopped)
    }

    fn with(name: String, source: Source, processes: u64, next_process: &mut u64) -> Self {
        let processes =
            (0..processes).map(|_| Process { number: number(next_process), busy: false, ready_us: 0 });
        Client {
            name: ClientName::new(&name).expect("a word with a number is a client name"),
            state: State::Alive,
            source,
            sessions: Vec::new(),
            processes: processes.collect(),
            requests: Vec::new(),
            closing: false,
            next_opening: 1,
            wake_us: u64::MAX,
            counts: Counts::default(),
        }
    }

    /// Gives an auditor its operations.
    pub(super) fn follow(&mut self, script: Vec<Invocation>) {
        self.source = Source::Script(script.into());
    }

    /// Whether there are operations that were not begun.
    fn has_work(&self) -> bool {
        match &self.source {
            Source::Workload(left) => *left > 0,
            Source::Script(script) => !script.is_empty(),
            Source::Mailbox(consumer) => !consumer.stopped,
        }
    }

    /// Whether nothing is left to ask for or to hear.
    pub(super) fn is_done(&self) -> bool {
        let idle = self.requests.is_empty() && self.state == State::Alive;
        self.state == State::Dead || idle && !self.has_work()
    }

    /// Whether its sessions are over, too.
    pub(super) fn is_gone(&self) -> bool {
        self.state == State::Dead || self.is_done() && self.sessions.is_empty()
    }

    /// What is open, in words.
    pub(super) fn what_is_open(&self) -> String {
        let open =
            self.requests.iter().map(|request| format!("{} {}", request.subject.txn, request.invocation.f));
        format!(
            "{}: open {:?}, {} sessions not closed",
            self.name,
            open.collect::<Vec<_>>(),
            self.sessions.len()
        )
    }

    /// When the oldest request that is not answered was begun.
    pub(super) fn oldest_open_us(&self) -> Option<u64> {
        let open = self.requests.iter().filter(|request| request.answered.is_none());
        open.map(|request| request.begun_us).min()
    }

    /// Does all that is due. Gives when it wants the next turn.
    pub(super) fn turn(&mut self, desk: &mut Desk<'_>, sends: &mut Sends) -> Option<u64> {
        match self.state {
            State::Dead => return None,
            State::Crashed(until_us) if desk.now_us < until_us => return Some(until_us),
            State::Crashed(_) => self.state = State::Alive,
            State::Alive => {}
        }
        self.tend_sessions(desk, sends);
        if let Source::Mailbox(consumer) = &mut self.source {
            consumer.turn(desk, sends);
        }
        self.begin_requests(desk);
        self.ask(desk, sends);
        self.next_turn()
    }

    fn next_turn(&self) -> Option<u64> {
        let work = self.has_work();
        let usable = self.usable_session().is_some();
        let idle = self.processes.iter().filter(|process| work && usable && !process.busy);
        let ready = idle.map(|process| process.ready_us);
        let due = self.requests.iter().map(Request::due_us);
        let sessions = self.sessions.iter().map(Session::due_us);
        let opening = (work && !usable && self.sessions.is_empty()).then_some(0);
        let mailbox = match &self.source {
            Source::Mailbox(consumer) => Some(consumer.due_us()),
            Source::Workload(_) | Source::Script(_) => None,
        };
        ready.chain(due).chain(sessions).chain(opening).chain(mailbox).min()
    }

    /// A session with room in its window for what all processes may ask at once.
    fn usable_session(&self) -> Option<usize> {
        let session = self.sessions.iter().position(Session::takes_requests)?;
        let window = self.sessions[session].upcoming().0 - self.watermark(session).0;
        (window + (self.processes.len() as u64) < SESSION_WINDOW_MAX).then_some(session)
    }

    /// Idle processes take their next operation.
    fn begin_requests(&mut self, desk: &mut Desk<'_>) {
        for process in 0..self.processes.len() {
            let Some(session) = self.usable_session() else { return };
            if self.processes[process].busy || self.processes[process].ready_us > desk.now_us {
                continue;
            }
            let number = self.processes[process].number;
            let invocation = match &mut self.source {
                Source::Workload(0) => None,
                Source::Workload(left) => {
                    let next = desk.workload.next(number, desk.random);
                    *left -= u64::from(next.is_some());
                    next
                }
                Source::Script(script) => script.pop_front(),
                Source::Mailbox(consumer) => consumer.next(process, desk),
            };
            match invocation {
                Some(invocation) => self.begin(session, process, invocation, desk),
                None => self.processes[process].ready_us = desk.now_us + 50_000,
            }
        }
    }

    fn begin(&mut self, session: usize, process: usize, invocation: Invocation, desk: &mut Desk<'_>) {
        let mut request = Request::new(invocation, process, desk);
        let session = &mut self.sessions[session];
        let id = session.id.expect("a session that takes requests is open");
        let twins = desk.options.twin_per_mille;
        let twin = self.requests.iter_mut().find(|other| twins > 0 && other.may_have_twin(id, &request));
        let sequence = match twin {
            Some(other) if desk.random.chance(twins) => {
                self.counts.twins += 1;
                other.twin = true;
                request.twin = true;
                other.subject.txn.sequence
            }
            _ if broken(Canary::ClientReusesId) && session.upcoming() > Sequence(1) => {
                Sequence(session.upcoming().0 - 1)
            }
            _ => session.next_sequence(),
        };
        let leaves = desk.options.leave_per_mille;
        if leaves > 0 && desk.random.chance(leaves) {
            session.mark_over();
        }
        request.name(&self.name, id, sequence);
        if let Source::Script(_) = &self.source {
            request.insist();
        }
        (desk.begun)(request.asked());
        self.processes[process].busy = true;
        desk.history.note(
            desk.now_us,
            self.processes[process].number,
            Kind::Invoke,
            &request.invocation.f,
            request.invocation.value.clone(),
            None,
            &request.subject.txn,
        );
        self.requests.push(request);
    }

    /// Every answer below this is known, in this session.
    fn watermark(&self, session: usize) -> Sequence {
        let session = &self.sessions[session];
        let open = self.requests.iter().filter(|request| Some(request.subject.txn.session) == session.id);
        open.map(|request| request.subject.txn.sequence).min().unwrap_or(session.upcoming())
    }

    /// Sends what is due, and gives up what has waited long enough.
    fn ask(&mut self, desk: &mut Desk<'_>, sends: &mut Sends) {
        let mut place = 0;
        while place < self.requests.len() {
            if self.requests[place].gives_up(desk) {
                // What only reads has nothing to be uncertain about.
                let writes = self.requests[place].writes;
                let conclusion =
                    if writes { Conclusion::Unknown("deadline") } else { Conclusion::NotExecuted };
                self.conclude(place, conclusion, desk);
                if self.requests[place].let_go {
                    self.requests.swap_remove(place);
                    continue;
                }
            }
            if self.requests[place].due_us <= desk.now_us {
                let id = self.requests[place].subject.txn.session;
                let session = self.sessions.iter().position(|session| session.id == Some(id));
                if let Some(session) = session
                    && broken(Canary::ClientRetriesUnderNewId)
                    && self.requests[place].is_open()
                {
                    let sequence = self.sessions[session].next_sequence();
                    self.requests[place].name(&self.name, id, sequence);
                    (desk.begun)(self.requests[place].asked());
                }
                let watermark = session.map_or(Sequence(0), |session| self.watermark(session));
                self.counts.repeated += u64::from(self.requests[place].is_sent());
                sends.push(self.requests[place].attempt(watermark, desk));
            }
            place += 1;
        }
    }

    /// A coordinator has said something.
    pub(super) fn on_message(&mut self, message: Message, desk: &mut Desk<'_>) {
        if self.state != State::Alive {
            return;
        }
        match message {
            Message::SessionOpened { request, session } => self.on_opened(request, session, desk),
            Message::SessionClosed { session } => {
                self.sessions.retain(|own| own.id != Some(session) || !own.closing);
            }
            Message::Answer { subject, answer } => {
                let found = self.requests.iter().position(|request| request.subject == subject);
                if let Some(place) = found {
                    self.on_answer(place, answer, desk);
                }
            }
            other => {
                if let Source::Mailbox(consumer) = &mut self.source
                    && consumer.on_message(other, desk)
                {
                    self.processes.iter_mut().for_each(|process| process.ready_us = desk.now_us);
                }
            }
        }
    }

    fn on_answer(&mut self, place: usize, answer: Answer, desk: &mut Desk<'_>) {
        let request = &mut self.requests[place];
        if request.answered.is_some() {
            // It was asked once more; that the answer stays is for the properties to see.
            if !matches!(answer, Answer::Unknown | Answer::Overloaded) {
                self.requests.swap_remove(place);
            }
            return;
        }
        let Some(conclusion) = request.judge(answer, desk) else { return };
        if conclusion.ends_session() {
            let id = request.subject.txn.session;
            self.counts.sessions_lost += 1;
            self.sessions.iter_mut().filter(|session| session.id == Some(id)).for_each(Session::mark_over);
        }
        self.conclude(place, conclusion, desk);
        if self.requests[place].let_go {
            self.requests.swap_remove(place);
        }
    }

    /// The operation has ended for its process. The request may stay, to be asked again.
    fn conclude(&mut self, place: usize, conclusion: Conclusion, desk: &mut Desk<'_>) {
        let request = &mut self.requests[place];
        if matches!(conclusion, Conclusion::NotExecuted) && request.writes {
            (desk.disowned)(&request.subject);
        }
        let Some(process) = request.process.take() else {
            request.let_go = true;
            return;
        };
        let (kind, error) = match &conclusion {
            Conclusion::Committed(_) => (Kind::Ok, None),
            Conclusion::Aborted(why) => (Kind::Fail, Some(why.clone())),
            Conclusion::NotExecuted => (Kind::Fail, Some("not executed".into())),
            Conclusion::SessionEnded => (Kind::Fail, Some("session ended".into())),
            Conclusion::Unknown(why) => (Kind::Info, Some((*why).to_string())),
        };
        match kind {
            Kind::Ok if request.writes => self.counts.committed += 1,
            Kind::Fail if request.writes => self.counts.aborted += 1,
            Kind::Ok | Kind::Fail | Kind::Invoke => self.counts.reads += 1,
            Kind::Info => self.counts.unknown += 1,
        }
        let executed = !matches!(conclusion, Conclusion::NotExecuted);
        let completion = match conclusion {
            Conclusion::Committed(results) => Completion::Committed(results),
            Conclusion::Aborted(why) => Completion::Aborted(why),
            Conclusion::NotExecuted => Completion::Aborted("not executed".into()),
            Conclusion::SessionEnded => Completion::Aborted("session ended".into()),
            Conclusion::Unknown(_) => Completion::Unknown,
        };
        let own = &mut self.processes[process];
        let value = desk.workload.ended(own.number, &request.invocation, &completion);
        desk.history.note(
            desk.now_us,
            own.number,
            kind,
            &request.invocation.f,
            value,
            error,
            &request.subject.txn,
        );
        own.busy = false;
        own.ready_us = desk.now_us + 1 + desk.random.below(desk.options.think_us_max + 1);
        if kind == Kind::Info {
            own.number = number(desk.next_process);
        }
        if let Source::Mailbox(consumer) = &mut self.source {
            consumer.ended(process, &completion, desk);
            own.ready_us = desk.now_us + 1;
        }
        if let Source::Script(script) = &mut self.source {
            own.ready_us = desk.now_us + 1_000;
            if kind != Kind::Ok {
                own.ready_us = desk.now_us + 20_000;
                script.push_front(request.invocation.clone());
            }
        }
        request.settle_after(kind, executed, desk);
    }

    /// The process is gone, for a while or for ever. With a journal it goes on with what it had begun.
    pub(super) fn crash(&mut self, until_us: Option<u64>, journal: bool, desk: &mut Desk<'_>) {
        self.state = until_us.map_or(State::Dead, State::Crashed);
        for place in 0..self.requests.len() {
            if self.requests[place].process.is_some() && self.requests[place].answered.is_none() {
                self.conclude(place, Conclusion::Unknown("crash"), desk);
            }
        }
        if let Source::Mailbox(consumer) = &mut self.source {
            consumer.crash();
        }
        if journal && until_us.is_some() {
            self.requests.retain(|request| request.writes && request.is_sent());
            self.requests.iter_mut().for_each(Request::replay);
        } else {
            self.requests.clear();
        }
        // What it never replays is left to the end of an idle session.
        self.sessions.retain(|session| journal && until_us.is_some() && session.id.is_some());
        self.sessions.iter_mut().for_each(Session::mark_over);
    }

    /// Its connection to this coordinator is lost: it asks another one soon.
    pub(super) fn on_lost(&mut self, coordinator: usize, now_us: u64, random: &mut Random) {
        if let Source::Mailbox(consumer) = &mut self.source {
            consumer.on_lost(now_us);
        }
        for request in &mut self.requests {
            request.on_lost(coordinator, now_us, random);
        }
    }
}

fn number(next: &mut u64) -> u64 {
    *next += 1;
    *next - 1
}
