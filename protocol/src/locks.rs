//! Who may run beside whom: strict two-phase locks per field, with escrow for what commutes.
//!
//! A transaction takes all its locks on a participant at once, or waits and holds none. Locks are of [`Part`]s of
//! records, in four modes that can be held together:
//!
//! | | shared | touch | change | exclusive |
//! | --- | --- | --- | --- | --- |
//! | **shared**: the value is seen | yes | yes | | |
//! | **touch**: one member of the set is looked at | yes | yes | yes | |
//! | **change**: changed in a way that commutes | | yes | if the bounds allow (escrow) | |
//! | **exclusive**: changed in any other way | | | | |
//!
//! Escrow (O'Neil 1986): the change of a counter or of a set's size is admitted only if the bounds of every holder,
//! its own included, hold whichever of the others commit and in whatever order.
//!
//! Not here: who is asked to give way (wound-wait is the participant's), and what is durable: locks are in memory,
//! and retaken from the votes after a restart.

use crate::{
    canary::{Canary, broken},
    ids::{Age, FieldName, Member, RecordId},
    operation::{Check, Operation, Selection, Step, Value},
    storage::{Field, Store},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// What of a record is locked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// Whether the record exists. Everything that touches the record shares it; creating and deleting excludes.
    Existence,
    /// The record as a whole: shared by who reads all of it, changed by who changes anything in it.
    Whole,
    /// A field; of a set, its size.
    Field(FieldName),
    /// One member of a set.
    Member(FieldName, Member),
}

/// The modes in which one transaction holds one part.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hold {
    shared: bool,
    touch: bool,
    change: bool,
    exclusive: bool,
    escrow: Option<Escrow>,
}

/// What an escrow holder may add, and between which totals of the others it stays within its bounds.
///
/// For the holder's operations on the field in order, with running sums s1, s2, … and bounds [min_k, max_k]:
/// `upper` is the least max_k - s_k, `lower` the greatest min_k - s_k. The value that the others leave must lie
/// between `lower` and `upper`. All in `i128`, so that nothing overflows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Escrow {
    kind: EscrowKind,
    delta: i128,
    upper: i128,
    lower: i128,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum EscrowKind {
    Counter,
    SetSize,
}

impl Hold {
    /// Whether the modes conflict whatever the bounds.
    fn conflicts(&self, other: &Hold) -> bool {
        let any = |hold: &Hold| hold.shared || hold.touch || hold.change || hold.exclusive;
        let kinds_differ = match (&self.escrow, &other.escrow) {
            (Some(one), Some(two)) => one.kind != two.kind,
            (None, _) | (_, None) => false,
        };
        (self.exclusive && any(other))
            || (other.exclusive && any(self))
            || (self.shared && other.change)
            || (self.change && other.shared)
            || kinds_differ
    }
}

/// All locks that one transaction needs on one participant.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Plan(BTreeMap<RecordId, BTreeMap<Part, Hold>>);

impl Plan {
    /// The locks for these operations, given what exists now.
    ///
    /// While a transaction waits that may change, so the plan is made anew at every attempt; while it holds the
    /// locks it can't, so the plan that is made after a restart is the one that was held before.
    pub fn of<S: Store>(steps: &[Step], store: &S) -> Plan {
        let mut plan = Plan::default();
        for step in steps {
            plan.add(&step.operation, store);
        }
        plan
    }

    /// Forgets what may be added (see [`Canary::EscrowNotRetaken`]).
    pub(crate) fn drop_escrow(&mut self) {
        for hold in self.0.values_mut().flat_map(BTreeMap::values_mut) {
            hold.escrow = None;
        }
    }

    /// The records that are locked.
    pub fn records(&self) -> impl Iterator<Item = &RecordId> {
        self.0.keys()
    }

    fn add<S: Store>(&mut self, operation: &Operation, store: &S) {
        let id = operation.record();
        if !self.0.contains_key(id) {
            self.0.insert(id.clone(), BTreeMap::new());
        }
        let parts = self.0.get_mut(id).expect("it was just put there");
        let existence = parts.entry(Part::Existence).or_default();
        existence.shared = true;
        // Who creates a record shuts out who would see it absent.
        let excludes = matches!(operation, Operation::Delete { .. })
            || (operation.is_write() && !existence.exclusive && store.record(id).is_none());
        existence.exclusive |= excludes;
        if operation.is_write() {
            parts.entry(Part::Whole).or_default().change = true;
        }
        match operation {
            Operation::Require { .. } if broken(Canary::ChecksNotLocked) => {}
            Operation::Require { check, .. } => match check {
                Check::Exists | Check::Absent => {}
                Check::Equals(field, _) | Check::AtLeast(field, _) => {
                    parts.entry(Part::Field(field.clone())).or_default().shared = true;
                }
                Check::Contains(field, member) => touch(parts, field, member),
                Check::Version(_) => parts.entry(Part::Whole).or_default().shared = true,
            },
            Operation::Read { what, .. } => match what {
                Selection::Record => parts.entry(Part::Whole).or_default().shared = true,
                Selection::Field(field) | Selection::Count(field) => {
                    parts.entry(Part::Field(field.clone())).or_default().shared = true;
                }
                Selection::Member(field, member) => touch(parts, field, member),
            },
            Operation::Delete { .. } => {}
            Operation::Set { field, .. } | Operation::Append { field, .. } => {
                parts.entry(Part::Field(field.clone())).or_default().exclusive = true;
            }
            Operation::Add { field, delta, min, max, .. } => {
                let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
                escrow(parts, field, EscrowKind::Counter, *delta, i128::from(min), i128::from(max));
            }
            Operation::Insert { field, member, max, .. } => {
                let max = i128::from(max.unwrap_or(u64::MAX));
                escrow(parts, field, EscrowKind::SetSize, 1, i128::MIN / 2, max);
                parts.entry(Part::Member(field.clone(), member.clone())).or_default().exclusive = true;
            }
            Operation::Remove { field, member, min, .. } => {
                let min = i128::from(min.unwrap_or(0));
                escrow(parts, field, EscrowKind::SetSize, -1, min, i128::MAX / 2);
                parts.entry(Part::Member(field.clone(), member.clone())).or_default().exclusive = true;
            }
        }
    }
}

fn touch(parts: &mut BTreeMap<Part, Hold>, field: &FieldName, member: &Member) {
    parts.entry(Part::Field(field.clone())).or_default().touch = true;
    parts.entry(Part::Member(field.clone(), member.clone())).or_default().shared = true;
}

fn escrow(
    parts: &mut BTreeMap<Part, Hold>,
    field: &FieldName,
    kind: EscrowKind,
    delta: i64,
    min: i128,
    max: i128,
) {
    let hold = parts.entry(Part::Field(field.clone())).or_default();
    hold.change = true;
    match &mut hold.escrow {
        None => {
            let delta = i128::from(delta);
            hold.escrow = Some(Escrow { kind, delta, upper: max - delta, lower: min - delta });
        }
        Some(held) if held.kind == kind => {
            held.delta += i128::from(delta);
            held.upper = held.upper.min(max - held.delta);
            held.lower = held.lower.max(min - held.delta);
        }
        // A counter and a set in one field: the operations will be refused; until then nobody else comes near.
        Some(_) => hold.exclusive = true,
    }
}

/// Whether a transaction may take its locks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// All of them, now.
    Granted,
    /// It must wait: for these holders, and perhaps for older waiters too.
    Wait(BTreeSet<Age>),
    /// The bound of this field would be broken however those that hold it end.
    Refused(RecordId, FieldName),
}

/// The lock table of a participant.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Locks {
    records: BTreeMap<RecordId, RecordLocks>,
    waiting: BTreeMap<Age, Plan>,
    woken: BTreeSet<Age>,
}

#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct RecordLocks {
    holders: BTreeMap<Part, BTreeMap<Age, Hold>>,
    waiters: BTreeSet<Age>,
}

impl Locks {
    /// Whether the plan's locks can be held together with those that are held, and leave room for older waiters.
    pub fn admit<S: Store>(&self, age: &Age, plan: &Plan, store: &S) -> Admission {
        let mut blockers = BTreeSet::new();
        let mut behind = false;
        for (id, parts) in &plan.0 {
            let Some(locks) = self.records.get(id) else { continue };
            let alone_in_record = parts.get(&Part::Existence).is_some_and(|hold| hold.exclusive);
            // Another that creates or deletes the record leaves an amount that nobody knows yet: it is waited for.
            let unsettled = locks
                .holders
                .get(&Part::Existence)
                .is_some_and(|holders| holders.iter().any(|(other, hold)| other != age && hold.exclusive));
            for (part, hold) in parts {
                let holders =
                    locks.holders.get(part).into_iter().flatten().filter(|(other, _)| *other != age);
                let older = locks
                    .waiters
                    .range(..age)
                    .filter_map(|waiter| Some((waiter, self.waiting.get(waiter)?.0.get(id)?.get(part)?)));
                let conflicting = |(_, other): &(&Age, &Hold)| hold.conflicts(other);
                let hard: Vec<&Age> = holders.clone().filter(conflicting).map(|(other, _)| other).collect();
                behind |= older.clone().any(|waiter| conflicting(&waiter));
                // Where the locks shut everyone else out, the operations themselves see the exact amount.
                let commutes = hard.is_empty() && !hold.exclusive && !alone_in_record && !unsettled;
                if let (true, Some(own), Part::Field(field)) = (commutes, &hold.escrow, part) {
                    let value = held_amount(store, id, field, own.kind);
                    match admit_escrow(own, value, holders.clone(), older) {
                        EscrowAdmission::Granted => {}
                        EscrowAdmission::Refused => return Admission::Refused(id.clone(), field.clone()),
                        EscrowAdmission::WaitForHolders => {
                            let changers = holders.filter(|(_, other)| other.escrow.is_some());
                            blockers.extend(changers.map(|(other, _)| other.clone()));
                        }
                        EscrowAdmission::WaitBehind => behind = true,
                    }
                }
                blockers.extend(hard.into_iter().cloned());
            }
        }
        if blockers.is_empty() && !behind { Admission::Granted } else { Admission::Wait(blockers) }
    }

    /// Takes the plan's locks, whatever others hold: for an admitted transaction, and for a recovered vote.
    pub fn hold(&mut self, age: &Age, plan: &Plan) {
        for (id, parts) in &plan.0 {
            let locks = self.records.entry(id.clone()).or_default();
            for (part, hold) in parts {
                locks.holders.entry(part.clone()).or_default().insert(age.clone(), hold.clone());
            }
        }
    }

    /// Gives back what is held under the plan, and notes who may go on.
    pub fn release(&mut self, age: &Age, plan: &Plan) {
        for (id, parts) in &plan.0 {
            let Some(locks) = self.records.get_mut(id) else { continue };
            for part in parts.keys() {
                if let Some(holders) = locks.holders.get_mut(part) {
                    holders.remove(age);
                    if holders.is_empty() {
                        locks.holders.remove(part);
                    }
                }
            }
            if !broken(Canary::QueueNotWoken) {
                self.woken.extend(locks.waiters.iter().cloned());
            }
            self.drop_if_idle(id);
        }
    }

    /// Gives back whatever is held of these records: for who knows the records and not what existed when it took the locks.
    pub fn release_all<'a>(&mut self, age: &Age, records: impl Iterator<Item = &'a RecordId>) {
        for id in records {
            let Some(locks) = self.records.get_mut(id) else { continue };
            locks.holders.retain(|_, holders| {
                holders.remove(age);
                !holders.is_empty()
            });
            self.woken.extend(locks.waiters.iter().cloned());
            self.drop_if_idle(id);
        }
    }

    /// Whether all the plan's locks are held.
    pub fn holds(&self, age: &Age, plan: &Plan) -> bool {
        plan.0.iter().all(|(id, parts)| {
            self.records.get(id).is_some_and(|locks| {
                parts.iter().all(|(part, hold)| {
                    locks.holders.get(part).and_then(|holders| holders.get(age)) == Some(hold)
                })
            })
        })
    }

    /// Whether the transaction waits.
    pub fn is_waiting(&self, age: &Age) -> bool {
        self.waiting.contains_key(age)
    }

    /// Notes that a transaction waits for the plan's locks.
    pub fn wait(&mut self, age: &Age, plan: Plan) {
        for id in plan.0.keys() {
            self.records.entry(id.clone()).or_default().waiters.insert(age.clone());
        }
        self.waiting.insert(age.clone(), plan);
    }

    /// The transaction does not wait any more; those behind it may go on.
    pub fn stop_waiting(&mut self, age: &Age) {
        self.woken.remove(age);
        let Some(plan) = self.waiting.remove(age) else { return };
        for id in plan.0.keys() {
            if let Some(locks) = self.records.get_mut(id) {
                locks.waiters.remove(age);
                self.woken.extend(locks.waiters.range(age..).cloned());
            }
            self.drop_if_idle(id);
        }
    }

    /// The oldest waiter for whom something may have changed.
    pub fn next_woken(&mut self) -> Option<Age> {
        self.woken.pop_first()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The youngest waiter.
    pub fn youngest_waiting(&self) -> Option<&Age> {
        self.waiting.last_key_value().map(|(age, _)| age)
    }

    /// How many records have locks or waiters.
    pub fn records(&self) -> usize {
        self.records.len()
    }

    fn drop_if_idle(&mut self, id: &RecordId) {
        if self.records.get(id).is_some_and(|locks| locks.holders.is_empty() && locks.waiters.is_empty()) {
            self.records.remove(id);
        }
    }
}

enum EscrowAdmission {
    Granted,
    WaitForHolders,
    WaitBehind,
    Refused,
}

/// Sums of what others may add and take away.
#[derive(Clone, Copy, Default)]
struct Sums {
    up: i128,
    down: i128,
}

impl Sums {
    fn add(&mut self, delta: i128) {
        self.up += delta.max(0);
        self.down += delta.min(0);
    }

    /// Whether a holder's bounds hold at `value`, whichever of the others (all but itself in `self`) commit.
    fn allow(&self, value: i128, holder: &Escrow) -> bool {
        let others_up = self.up - holder.delta.max(0);
        let others_down = self.down - holder.delta.min(0);
        let upper = holder.upper + i128::from(broken(Canary::EscrowOffByOne));
        value + others_up <= upper && value + others_down >= holder.lower
    }
}

fn admit_escrow<'a>(
    own: &Escrow,
    value: i128,
    holders: impl Iterator<Item = (&'a Age, &'a Hold)> + Clone,
    older: impl Iterator<Item = (&'a Age, &'a Hold)> + Clone,
) -> EscrowAdmission {
    let holders = holders.filter_map(|(_, hold)| hold.escrow.as_ref());
    let older = older.filter_map(|(_, hold)| hold.escrow.as_ref());
    let mut sums = Sums::default();
    holders.clone().for_each(|other| sums.add(other.delta));
    // The best case: exactly those others commit that make room.
    if value + sums.down > own.upper || value + sums.up < own.lower {
        return EscrowAdmission::Refused;
    }
    sums.add(own.delta);
    let own_only = broken(Canary::EscrowOwnBoundOnly);
    if !sums.allow(value, own) || !(own_only || holders.clone().all(|other| sums.allow(value, other))) {
        return EscrowAdmission::WaitForHolders;
    }
    older.clone().for_each(|other| sums.add(other.delta));
    if sums.allow(value, own) && (own_only || holders.chain(older).all(|other| sums.allow(value, other))) {
        EscrowAdmission::Granted
    } else {
        EscrowAdmission::WaitBehind
    }
}

/// The committed amount that an escrow is about; 0 where the type is wrong, which the operations will find.
fn held_amount<S: Store>(store: &S, id: &RecordId, field: &FieldName, kind: EscrowKind) -> i128 {
    match (kind, store.field(id, field)) {
        (EscrowKind::Counter, Some(Field::Value(Value::Int(value)))) => i128::from(value),
        (EscrowKind::SetSize, Some(Field::Set(count))) => i128::from(count),
        (EscrowKind::Counter | EscrowKind::SetSize, _) => 0,
    }
}
