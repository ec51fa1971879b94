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
    mail,
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

    /// Adds what a later operation of the same transaction wants.
    fn join(&mut self, later: Hold) {
        self.shared |= later.shared;
        self.touch |= later.touch;
        self.change |= later.change;
        self.exclusive |= later.exclusive;
        match (&mut self.escrow, later.escrow) {
            (_, None) => {}
            (None, later) => self.escrow = later,
            (Some(held), Some(later)) if held.kind == later.kind => {
                // The running sums of the later operation begin where this one's end.
                held.upper = held.upper.min(later.upper - held.delta);
                held.lower = held.lower.max(later.lower - held.delta);
                held.delta += later.delta;
            }
            // A counter and a set in one field: the operations will be refused; until then nobody else comes near.
            (Some(_), Some(_)) => self.exclusive = true,
        }
    }
}

/// All locks that one transaction needs on one participant, sorted by record. Most transactions need a handful: vectors.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Plan(Vec<(RecordId, Holds)>);

/// What one transaction holds or wants of one record, sorted by part.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Holds(Vec<(Part, Hold)>);

impl Holds {
    /// Asked for every other holder of a busy record: few are told apart faster by looking at each than by searching.
    fn of(&self, part: &Part) -> Option<&Hold> {
        if self.0.len() <= 8 {
            return self.0.iter().find(|(held, _)| held == part).map(|(_, hold)| hold);
        }
        let place = self.0.binary_search_by(|(held, _)| held.cmp(part)).ok()?;
        Some(&self.0[place].1)
    }

    fn excludes_existence(&self) -> bool {
        self.of(&Part::Existence).is_some_and(|hold| hold.exclusive)
    }
}

impl Plan {
    /// The locks for these operations, given what exists now.
    ///
    /// While a transaction waits that may change, so the plan is made anew at every attempt; while it holds the
    /// locks it can't, so the plan that is made after a restart is the one that was held before.
    pub fn of<S: Store>(steps: &[Step], store: &S) -> Plan {
        let mut wants = Wants { list: Vec::with_capacity(4 * steps.len()), record: None };
        for step in steps {
            wants.add(&step.operation, store);
        }
        wants.into_plan()
    }

    /// Forgets what may be added (see [`Canary::EscrowNotRetaken`]).
    pub(crate) fn drop_escrow(&mut self) {
        for (_, hold) in self.0.iter_mut().flat_map(|(_, holds)| &mut holds.0) {
            hold.escrow = None;
        }
    }

    /// The records that are locked.
    pub fn records(&self) -> impl Iterator<Item = &RecordId> {
        self.0.iter().map(|(id, _)| id)
    }

    fn of_record(&self, id: &RecordId) -> Option<&Holds> {
        let place = self.0.binary_search_by(|(record, _)| record.cmp(id)).ok()?;
        Some(&self.0[place].1)
    }
}

/// What the operations want, one by one; parts that several of them want are there several times.
struct Wants<'a> {
    list: Vec<(&'a RecordId, Part, Hold)>,
    /// The record that was looked up last, and whether it exists.
    record: Option<(&'a RecordId, bool)>,
}

impl<'a> Wants<'a> {
    fn want(&mut self, id: &'a RecordId, part: Part) -> &mut Hold {
        let place = self.list.len();
        self.list.push((id, part, Hold::default()));
        &mut self.list[place].2
    }

    fn exists<S: Store>(&mut self, id: &'a RecordId, store: &S) -> bool {
        match self.record {
            Some((known, exists)) if known == id => exists,
            Some(_) | None => {
                let exists = store.record(id).is_some();
                self.record = Some((id, exists));
                exists
            }
        }
    }

    /// Joins what is wanted of each part, in the order of the operations: the sort keeps it.
    fn into_plan(mut self) -> Plan {
        self.list.sort_by(|(id, part, _), (other_id, other_part, _)| (id, part).cmp(&(other_id, other_part)));
        let mut plan: Vec<(RecordId, Holds)> = Vec::new();
        for (id, part, hold) in self.list {
            match plan.last_mut() {
                Some((record, holds)) if record == id => match holds.0.last_mut() {
                    Some((last, joined)) if *last == part => joined.join(hold),
                    Some(_) | None => holds.0.push((part, hold)),
                },
                Some(_) | None => plan.push((id.clone(), Holds(Vec::from([(part, hold)])))),
            }
        }
        Plan(plan)
    }

    fn add<S: Store>(&mut self, operation: &'a Operation, store: &S) {
        let id = operation.record();
        if let Operation::Send { .. } = operation {
            // A message locks nothing: it waits in the outbox for whoever voted before.
            return;
        }
        if let Operation::Acknowledge { position, .. } = operation {
            // Of the acknowledgements of one message one at a time goes on; the mailbox stays while it does.
            let (field, member) = mail::lock_of(*position);
            self.want(id, Part::Existence).shared = true;
            self.want(id, Part::Member(field, member)).exclusive = true;
            return;
        }
        // Who creates a record shuts out who would see it absent.
        let excludes = matches!(operation, Operation::Delete { .. })
            || (operation.is_write() && !self.exists(id, store));
        let existence = self.want(id, Part::Existence);
        existence.shared = true;
        existence.exclusive = excludes;
        if operation.is_write() {
            self.want(id, Part::Whole).change = true;
        }
        match operation {
            Operation::Require { .. } if broken(Canary::ChecksNotLocked) => {}
            Operation::Require { check, .. } => match check {
                Check::Exists | Check::Absent => {}
                Check::Equals(field, _) | Check::AtLeast(field, _) => {
                    self.want(id, Part::Field(field.clone())).shared = true;
                }
                Check::Contains(field, member) => self.touch(id, field, member),
                Check::Version(_) => self.want(id, Part::Whole).shared = true,
            },
            Operation::Read { what, .. } => match what {
                Selection::Record => self.want(id, Part::Whole).shared = true,
                Selection::Field(field) | Selection::Count(field) => {
                    self.want(id, Part::Field(field.clone())).shared = true;
                }
                Selection::Member(field, member) => self.touch(id, field, member),
            },
            Operation::Delete { .. } | Operation::Send { .. } | Operation::Acknowledge { .. } => {}
            Operation::Set { field, .. } | Operation::Append { field, .. } => {
                self.want(id, Part::Field(field.clone())).exclusive = true;
            }
            Operation::Add { field, delta, min, max, .. } => {
                let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
                self.escrow(id, field, EscrowKind::Counter, *delta, i128::from(min), i128::from(max));
            }
            Operation::Insert { field, member, max, .. } => {
                let max = i128::from(max.unwrap_or(u64::MAX));
                self.escrow(id, field, EscrowKind::SetSize, 1, i128::MIN / 2, max);
                self.want(id, Part::Member(field.clone(), member.clone())).exclusive = true;
            }
            Operation::Remove { field, member, min, .. } => {
                let min = i128::from(min.unwrap_or(0));
                self.escrow(id, field, EscrowKind::SetSize, -1, min, i128::MAX / 2);
                self.want(id, Part::Member(field.clone(), member.clone())).exclusive = true;
            }
        }
    }

    fn touch(&mut self, id: &'a RecordId, field: &FieldName, member: &Member) {
        self.want(id, Part::Field(field.clone())).touch = true;
        self.want(id, Part::Member(field.clone(), member.clone())).shared = true;
    }

    fn escrow(
        &mut self,
        id: &'a RecordId,
        field: &FieldName,
        kind: EscrowKind,
        delta: i64,
        min: i128,
        max: i128,
    ) {
        let delta = i128::from(delta);
        let hold = self.want(id, Part::Field(field.clone()));
        hold.change = true;
        hold.escrow = Some(Escrow { kind, delta, upper: max - delta, lower: min - delta });
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
    holders: BTreeMap<Age, Holds>,
    waiters: BTreeSet<Age>,
}

impl Locks {
    /// Whether the plan's locks can be held together with those that are held, and leave room for older waiters.
    pub fn admit<S: Store>(&self, age: &Age, plan: &Plan, store: &S) -> Admission {
        let mut blockers = BTreeSet::new();
        let mut behind = false;
        for (id, parts) in &plan.0 {
            let Some(locks) = self.records.get(id) else { continue };
            let alone_in_record = parts.excludes_existence();
            let others = locks.holders.iter().filter(|(other, _)| *other != age);
            // Another that creates or deletes the record leaves an amount that nobody knows yet: it is waited for.
            let unsettled = others.clone().any(|(_, holds)| holds.excludes_existence());
            for (part, hold) in &parts.0 {
                let holders: Vec<(&Age, &Hold)> =
                    others.clone().filter_map(|(other, holds)| Some((other, holds.of(part)?))).collect();
                let holders = holders.iter().copied();
                let older = locks
                    .waiters
                    .range(..age)
                    .filter_map(|waiter| Some((waiter, self.waiting.get(waiter)?.of_record(id)?.of(part)?)));
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
            locks.holders.insert(age.clone(), parts.clone());
        }
    }

    /// Gives back what is held of these records, and notes who may go on.
    pub fn release<'a>(&mut self, age: &Age, records: impl Iterator<Item = &'a RecordId>) {
        let mut last = None;
        for id in records {
            // One record is often named by several operations in a row.
            if last.replace(id) == Some(id) {
                continue;
            }
            let Some(locks) = self.records.get_mut(id) else { continue };
            locks.holders.remove(age);
            if !broken(Canary::QueueNotWoken) {
                self.woken.extend(locks.waiters.iter().cloned());
            }
            self.drop_if_idle(id);
        }
    }

    /// Whether all the plan's locks are held.
    pub fn holds(&self, age: &Age, plan: &Plan) -> bool {
        let held = |id| self.records.get(id).and_then(|locks| locks.holders.get(age));
        plan.0.iter().all(|(id, parts)| held(id) == Some(parts))
    }

    /// Whether the transaction waits.
    pub fn is_waiting(&self, age: &Age) -> bool {
        self.waiting.contains_key(age)
    }

    /// Notes that a transaction waits for the plan's locks.
    pub fn wait(&mut self, age: &Age, plan: Plan) {
        for id in plan.records() {
            self.records.entry(id.clone()).or_default().waiters.insert(age.clone());
        }
        self.waiting.insert(age.clone(), plan);
    }

    /// The transaction does not wait any more; those behind it may go on.
    pub fn stop_waiting(&mut self, age: &Age) {
        self.woken.remove(age);
        let Some(plan) = self.waiting.remove(age) else { return };
        for id in plan.records() {
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
