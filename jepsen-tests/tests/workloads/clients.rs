//! Clients whose operations overlap: each begins, takes effect and is answered at moments of its own. Some are aborted, of
//! some the client never learns what became, and some of these take effect long after.

use crate::database::{Database, Flaw};
use assent_lab::{
    history::{Event, History, Kind, Process, Value},
    random::Random,
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::operation::Operation;

pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) flaw: Flaw,
    pub(crate) clients: usize,
    pub(crate) operations: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Plan { seed: 0, flaw: Flaw::None, clients: 6, operations: 2_000 }
    }
}

const ABORTED_PER_MILLE: u64 = 60;
const UNKNOWN_PER_MILLE: u64 = 30;

/// A whole run: what comes first, the plan's operations, and what comes last.
pub(crate) fn run(workload: &mut dyn Workload, plan: &Plan) -> History {
    let mut random = Random::new(plan.seed);
    let database = Database::new(Random::new(!plan.seed));
    let processes = (0..plan.clients as u64).map(|process| Client { process, open: None }).collect();
    let mut run = Run {
        workload,
        database,
        history: History::default(),
        clients: processes,
        next_process: plan.clients as u64,
        next_id: 0,
        later: Vec::new(),
        again: Vec::new(),
        checks_repeats: plan.flaw != Flaw::ForgetsAnswers,
    };
    let first = run.workload.first();
    first.into_iter().for_each(|invocation| run.until_committed(invocation));
    run.database.break_by(plan.flaw);
    let mut left = plan.operations;
    while left > 0 || run.clients.iter().any(|client| client.open.is_some()) {
        run.step(&mut left, &mut random);
    }
    while !run.again.is_empty() {
        run.repeat(&mut random);
    }
    let last = run.workload.last();
    last.into_iter().for_each(|invocation| run.until_committed(invocation));
    run.history
}

struct Run<'w> {
    workload: &'w mut dyn Workload,
    database: Database,
    history: History,
    clients: Vec<Client>,
    next_process: u64,
    next_id: u64,
    /// Of unknown outcome, and not yet run.
    later: Vec<(u64, Vec<Operation>)>,
    /// To be sent again, with the first answer.
    again: Vec<(u64, Vec<Operation>, Completion)>,
    checks_repeats: bool,
}

struct Client {
    process: u64,
    open: Option<Open>,
}

struct Open {
    id: u64,
    invocation: Invocation,
    completion: Option<Completion>,
}

impl Run<'_> {
    fn step(&mut self, left: &mut usize, random: &mut Random) {
        if random.chance(100) && !self.later.is_empty() {
            let (id, operations) = self.later.swap_remove(random.below(self.later.len() as u64) as usize);
            self.database.run(id, &operations);
        }
        if random.chance(300) {
            self.repeat(random);
        }
        let index = random.below(self.clients.len() as u64) as usize;
        match self.clients[index].open.take() {
            None if *left == 0 => {}
            None => {
                let process = self.clients[index].process;
                if let Some(invocation) = self.workload.next(process, random) {
                    *left -= 1;
                    self.clients[index].open = Some(self.begin(process, invocation));
                }
            }
            Some(mut open) if open.completion.is_none() => {
                open.completion = Some(self.take_effect(&open, random));
                self.clients[index].open = Some(open);
            }
            Some(open) => self.answer(index, open),
        }
    }

    fn begin(&mut self, process: u64, invocation: Invocation) -> Open {
        self.record(process, Kind::Invoke, &invocation.f, invocation.value.clone(), None);
        self.next_id += 1;
        Open { id: self.next_id, invocation, completion: None }
    }

    fn take_effect(&mut self, open: &Open, random: &mut Random) -> Completion {
        let operations = &open.invocation.operations;
        if random.chance(ABORTED_PER_MILLE) {
            return self.database.abort(open.id, operations);
        }
        if !random.chance(UNKNOWN_PER_MILLE) {
            return self.database.run(open.id, operations);
        }
        match random.below(3) {
            0 => drop(self.database.run(open.id, operations)),
            1 => self.later.push((open.id, operations.clone())),
            _ => {}
        }
        Completion::Unknown
    }

    fn answer(&mut self, index: usize, open: Open) {
        let Open { id, invocation, completion } = open;
        let completion = completion.unwrap_or(Completion::Unknown);
        let process = self.clients[index].process;
        if self.end(process, &invocation, &completion) == Kind::Info {
            self.clients[index].process = self.next_process;
            self.next_process += 1;
        } else {
            let repeats =
                (0..invocation.repeats).map(|_| (id, invocation.operations.clone(), completion.clone()));
            self.again.extend(repeats);
        }
    }

    fn repeat(&mut self, random: &mut Random) {
        if self.again.is_empty() {
            return;
        }
        let (id, operations, first) = self.again.swap_remove(random.below(self.again.len() as u64) as usize);
        let again = self.database.run(id, &operations);
        assert!(!self.checks_repeats || again == first, "{id} was answered {first:?}, and then {again:?}");
    }

    fn until_committed(&mut self, invocation: Invocation) {
        let process = self.clients[0].process;
        let open = self.begin(process, invocation);
        let completion = self.database.run(open.id, &open.invocation.operations);
        let kind = self.end(process, &open.invocation, &completion);
        assert_eq!(kind, Kind::Ok, "{:?} can't be committed: {completion:?}", open.invocation);
    }

    fn end(&mut self, process: u64, invocation: &Invocation, completion: &Completion) -> Kind {
        let (kind, error) = match completion {
            Completion::Committed(_) => (Kind::Ok, None),
            Completion::Aborted(reason) => (Kind::Fail, Some(reason.clone())),
            Completion::Unknown => (Kind::Info, None),
        };
        let value = self.workload.ended(process, invocation, completion);
        self.record(process, kind, &invocation.f, value, error);
        kind
    }

    fn record(&mut self, process: u64, kind: Kind, f: &str, value: Value, error: Option<String>) {
        let index = self.history.events.len() as u64;
        self.history.events.push(Event {
            index,
            time_ns: index * 1_000,
            process: Process::Client(process),
            kind,
            f: f.to_owned(),
            value,
            error,
            txn: None,
        });
    }
}
