//! A serial database: one transaction at a time, by the operations' shipped evaluation. It can be broken on purpose.

use assent_lab::{random::Random, workload::Completion};
use assent_protocol::{
    memory::MemoryStore,
    operation::{Operation, ReadResult, Step},
    outcome::RefusalKind,
    storage::Store,
    workspace::{evaluate, redo},
};
use std::collections::{BTreeMap, VecDeque};

/// How it is broken. Each flaw shows in about one of thirty transactions that it can affect, unless it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    None,
    /// A committed transaction takes effect a second time, unless that would be refused.
    AppliesTwice,
    /// A repeat is run as if it came for the first time: always.
    ForgetsAnswers,
    /// One write of a transaction of several is left out.
    DropsHalf,
    /// A committed transaction has no effect.
    LosesAcknowledged,
    /// A transaction takes effect, and its client is told that it was aborted: one of three that are aborted.
    AppliesAborted,
    /// Bounds of counters and sets count for nothing: always.
    IgnoresBounds,
    /// Requirements count for nothing: always.
    IgnoresRequirements,
    /// Who only reads sees the past.
    StaleReads,
    /// Who reads sees the past in half of the reads.
    TornReads,
    /// Says that a bound would be broken.
    RefusesAtWill,
}

pub(crate) struct Database {
    store: MemoryStore,
    /// The store after some of the last changes, the newest last; kept only where a flaw needs it.
    past: VecDeque<MemoryStore>,
    answers: BTreeMap<u64, Completion>,
    flaw: Flaw,
    random: Random,
}

const FLAW_PER_MILLE: u64 = 33;
const PAST: usize = 2;

impl Database {
    /// Without a flaw at first.
    pub(crate) fn new(random: Random) -> Self {
        let (store, past, answers) = (MemoryStore::new(), VecDeque::new(), BTreeMap::new());
        Database { store, past, answers, flaw: Flaw::None, random }
    }

    pub(crate) fn break_by(&mut self, flaw: Flaw) {
        self.flaw = flaw;
    }

    /// Runs a transaction, or finds the answer that it got before under this number.
    pub(crate) fn run(&mut self, id: u64, operations: &[Operation]) -> Completion {
        if let Some(answer) = self.answers.get(&id).filter(|_| self.flaw != Flaw::ForgetsAnswers) {
            return answer.clone();
        }
        let answer = self.run_now(operations);
        self.answers.entry(id).or_insert(answer).clone()
    }

    /// Ends a transaction without running it, unless it has an answer.
    pub(crate) fn abort(&mut self, id: u64, operations: &[Operation]) -> Completion {
        if self.flaw == Flaw::AppliesAborted && self.random.below(3) == 0 {
            let _ = self.run_now(operations);
        }
        self.answers.entry(id).or_insert(Completion::Aborted("conflict".to_owned())).clone()
    }

    fn shows(&mut self, flaw: Flaw) -> bool {
        self.flaw == flaw && self.random.chance(FLAW_PER_MILLE)
    }

    fn run_now(&mut self, operations: &[Operation]) -> Completion {
        let writes = operations.iter().any(Operation::is_write);
        if writes && self.shows(Flaw::RefusesAtWill) {
            return Completion::Aborted("bound".to_owned());
        }
        let steps = self.steps(operations);
        let mut reads = match evaluate(&steps, &self.store) {
            Ok(reads) => reads,
            Err(refusal) => return Completion::Aborted(word(refusal.kind).to_owned()),
        };
        if !writes && self.shows(Flaw::StaleReads) {
            reads = evaluate(&steps, self.a_while_ago()).expect("reads are never refused");
        }
        if !writes && self.shows(Flaw::TornReads) {
            let old = evaluate(&steps, self.a_while_ago()).expect("reads are never refused");
            let half = reads.len() / 2;
            reads[half..].clone_from_slice(&old[half..]);
        }
        if writes && !self.shows(Flaw::LosesAcknowledged) {
            self.apply(&steps);
            if self.shows(Flaw::AppliesTwice) && evaluate(&steps, &self.store).is_ok() {
                self.apply(&steps);
            }
        }
        Completion::Committed(reads.into_iter().map(|(_, result): (u16, ReadResult)| result).collect())
    }

    fn apply(&mut self, steps: &[Step]) {
        if matches!(self.flaw, Flaw::StaleReads | Flaw::TornReads) && self.random.below(5) == 0 {
            self.past.push_back(self.store.clone());
            if self.past.len() > PAST {
                self.past.pop_front();
            }
        }
        let mut steps = steps.to_vec();
        let writes: Vec<_> = (0..steps.len()).filter(|index| steps[*index].operation.is_write()).collect();
        if writes.len() > 1 && self.shows(Flaw::DropsHalf) {
            steps.remove(*self.random.pick(&writes));
        }
        for write in redo(&steps, &self.store) {
            self.store.write(write);
        }
        self.store.sync();
    }

    fn a_while_ago(&self) -> &MemoryStore {
        self.past.front().unwrap_or(&self.store)
    }

    fn steps(&self, operations: &[Operation]) -> Vec<Step> {
        let ignores_requirements = self.flaw == Flaw::IgnoresRequirements;
        let kept = operations.iter().zip(0..).filter(|(operation, _)| {
            !(ignores_requirements && matches!(operation, Operation::Require { .. }))
        });
        kept.map(|(operation, index)| {
            let mut operation = operation.clone();
            if self.flaw == Flaw::IgnoresBounds {
                unbind(&mut operation);
            }
            Step { index, operation }
        })
        .collect()
    }
}

fn unbind(operation: &mut Operation) {
    match operation {
        Operation::Add { min, max, .. } => (*min, *max) = (None, None),
        Operation::Insert { max, .. } => *max = None,
        Operation::Remove { min, .. } => *min = None,
        Operation::Require { .. }
        | Operation::Set { .. }
        | Operation::Delete { .. }
        | Operation::Append { .. }
        | Operation::Read { .. }
        | Operation::Send { .. }
        | Operation::Acknowledge { .. } => {}
    }
}

/// As `docs/transactions.md` has it.
fn word(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Exists
        | RefusalKind::Absent
        | RefusalKind::Equals
        | RefusalKind::AtLeast
        | RefusalKind::Contains
        | RefusalKind::Version => "requirement",
        RefusalKind::Bound => "bound",
        RefusalKind::MemberExists => "member_exists",
        RefusalKind::MemberAbsent => "member_absent",
        RefusalKind::WrongType => "wrong_type",
        RefusalKind::TooLarge => "too_large",
        RefusalKind::MessageAbsent
        | RefusalKind::LeaseLost
        | RefusalKind::ForeignLease
        | RefusalKind::MailboxAbsent
        | RefusalKind::OutboxFull => unreachable!("no workload here sends or acknowledges"),
    }
}
