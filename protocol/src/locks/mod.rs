//! Who may run beside whom: strict two-phase locks per field, with escrow for what commutes.
//!
//! A transaction takes all its locks on a participant at once, or waits and holds none. Locks are of parts of
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

mod plan;

use crate::{
    canary::{Canary, broken},
    ids::{Age, FieldName, RecordId},
    operation::Value,
    storage::{Field, Store},
    table::Table,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
pub use plan::Plan;
use plan::{Escrow, EscrowKind, Holds, Modes, find};

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
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Locks {
    records: Table<RecordId, RecordLocks>,
    waiting: BTreeMap<Age, Plan>,
    woken: BTreeSet<Age>,
}

#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct RecordLocks {
    /// Sorted by age. Ages come nearly in order.
    holders: Vec<(Age, Holds)>,
    waiters: BTreeSet<Age>,
}

impl RecordLocks {
    fn place(&self, age: &Age) -> Result<usize, usize> {
        self.holders.binary_search_by(|(holder, _)| holder.cmp(age))
    }

    fn is_idle(&self) -> bool {
        self.holders.is_empty() && self.waiters.is_empty()
    }
}

impl Locks {
    /// Whether the plan's locks can be held together with those that are held, and leave room for older waiters.
    pub fn admit<S: Store>(&self, age: &Age, plan: &Plan, store: &S) -> Admission {
        let mut blockers = BTreeSet::new();
        let mut behind = false;
        for (id, own) in &plan.0 {
            let Some(locks) = self.records.get(id) else { continue };
            let others = || locks.holders.iter().filter(|(other, _)| other != age);
            let older = || {
                let waiters = locks.waiters.range(..age);
                waiters.filter_map(|waiter| Some((waiter, self.waiting.get(waiter)?.of_record(id)?)))
            };
            let hard = others().filter(|(_, holds)| own.conflict(holds));
            blockers.extend(hard.map(|(other, _)| other.clone()));
            behind |= older().any(|(_, holds)| own.conflict(holds));
            // Another that creates or deletes the record leaves an amount that nobody knows yet: it is waited for.
            // Where the locks shut everyone else out, the operations themselves see the exact amount.
            if own.excludes_existence() || others().any(|(_, holds)| holds.excludes_existence()) {
                continue;
            }
            for (field, hold) in &own.fields {
                let Some(escrow) = &hold.escrow else { continue };
                let holds =
                    || others().filter_map(|(other, holds)| Some((other, find(&holds.fields, field)?)));
                if hold.modes.has(Modes::EXCLUSIVE) || holds().any(|(_, other)| hold.conflict(other)) {
                    continue;
                }
                let older = older().filter_map(|(_, holds)| find(&holds.fields, field)?.escrow.as_ref());
                let holders = holds().filter_map(|(_, other)| other.escrow.as_ref());
                let value = held_amount(store, id, field, escrow.kind);
                match admit_escrow(escrow, value, holders, older) {
                    EscrowAdmission::Granted => {}
                    EscrowAdmission::Refused => return Admission::Refused(id.clone(), field.clone()),
                    EscrowAdmission::WaitForHolders => {
                        let changers = holds().filter(|(_, other)| other.escrow.is_some());
                        blockers.extend(changers.map(|(other, _)| other.clone()));
                    }
                    EscrowAdmission::WaitBehind => behind = true,
                }
            }
        }
        if blockers.is_empty() && !behind { Admission::Granted } else { Admission::Wait(blockers) }
    }

    /// Takes the plan's locks, whatever others hold: for an admitted transaction, and for a recovered vote.
    pub fn hold(&mut self, age: &Age, plan: Plan) {
        for (id, holds) in plan.0 {
            let locks = self.records.get_or_insert_with(&id, RecordLocks::default);
            match locks.place(age) {
                Ok(place) => locks.holders[place].1 = holds,
                Err(place) => locks.holders.insert(place, (age.clone(), holds)),
            }
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
            let woken = &mut self.woken;
            self.records.update(id, |locks| {
                if let Ok(place) = locks.place(age) {
                    locks.holders.remove(place);
                }
                if !broken(Canary::QueueNotWoken) {
                    woken.extend(locks.waiters.iter().cloned());
                }
                !locks.is_idle()
            });
        }
    }

    /// Whether all the plan's locks are held.
    pub fn holds(&self, age: &Age, plan: &Plan) -> bool {
        let held = |id| {
            let locks = self.records.get(id)?;
            locks.place(age).ok().map(|place| &locks.holders[place].1)
        };
        plan.0.iter().all(|(id, holds)| held(id) == Some(holds))
    }

    /// Whether the transaction waits.
    pub fn is_waiting(&self, age: &Age) -> bool {
        self.waiting.contains_key(age)
    }

    /// Notes that a transaction waits for the plan's locks.
    pub fn wait(&mut self, age: &Age, plan: Plan) {
        for id in plan.records() {
            self.records.get_or_insert_with(id, RecordLocks::default).waiters.insert(age.clone());
        }
        self.waiting.insert(age.clone(), plan);
    }

    /// The transaction does not wait any more; those behind it may go on.
    pub fn stop_waiting(&mut self, age: &Age) {
        self.woken.remove(age);
        let Some(plan) = self.waiting.remove(age) else { return };
        for id in plan.records() {
            let woken = &mut self.woken;
            self.records.update(id, |locks| {
                locks.waiters.remove(age);
                woken.extend(locks.waiters.range(age..).cloned());
                !locks.is_idle()
            });
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
    holders: impl Iterator<Item = &'a Escrow> + Clone,
    older: impl Iterator<Item = &'a Escrow> + Clone,
) -> EscrowAdmission {
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
