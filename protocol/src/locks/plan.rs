//! What one transaction locks: its operations, turned into modes of parts of records.

use crate::{
    canary::{Canary, broken},
    ids::{FieldName, Member, RecordId},
    mail,
    operation::{Check, Operation, Selection, Step},
    storage::Store,
};
use alloc::vec::Vec;

/// The modes in which one transaction holds one part of a record. None: it does not hold it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Modes(u8);

impl Modes {
    const SHARED: Modes = Modes(1);
    const TOUCH: Modes = Modes(2);
    const CHANGE: Modes = Modes(4);
    pub(super) const EXCLUSIVE: Modes = Modes(8);

    pub(super) fn has(self, mode: Modes) -> bool {
        self.0 & mode.0 != 0
    }

    fn join(&mut self, modes: Modes) {
        self.0 |= modes.0;
    }

    pub(super) fn conflict(self, other: Modes) -> bool {
        (self.has(Self::EXCLUSIVE) && other.0 != 0)
            || (other.has(Self::EXCLUSIVE) && self.0 != 0)
            || (self.has(Self::SHARED) && other.has(Self::CHANGE))
            || (self.has(Self::CHANGE) && other.has(Self::SHARED))
    }
}

/// How one transaction holds a field; of a set, its size.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Hold {
    pub(super) modes: Modes,
    pub(super) escrow: Option<Escrow>,
}

/// What an escrow holder may add, and between which totals of the others it stays within its bounds.
///
/// For the holder's operations on the field in order, with running sums s1, s2, … and bounds [min_k, max_k]:
/// `upper` is the least max_k - s_k, `lower` the greatest min_k - s_k. The value that the others leave must lie
/// between `lower` and `upper`. All in `i128`, so that nothing overflows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Escrow {
    pub(super) kind: EscrowKind,
    pub(super) delta: i128,
    pub(super) upper: i128,
    pub(super) lower: i128,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum EscrowKind {
    Counter,
    SetSize,
}

impl Hold {
    fn of(modes: Modes) -> Hold {
        Hold { modes, escrow: None }
    }

    /// Whether the modes conflict whatever the bounds.
    pub(super) fn conflict(&self, other: &Hold) -> bool {
        let kinds_differ = match (&self.escrow, &other.escrow) {
            (Some(one), Some(two)) => one.kind != two.kind,
            (None, _) | (_, None) => false,
        };
        self.modes.conflict(other.modes) || kinds_differ
    }

    /// Adds what a later operation of the same transaction wants.
    fn join(&mut self, later: Hold) {
        self.modes.join(later.modes);
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
            (Some(_), Some(_)) => self.modes.join(Modes::EXCLUSIVE),
        }
    }
}

/// All locks that one transaction needs on one participant, sorted by record. Most transactions need a handful: vectors.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Plan(pub(super) Vec<(RecordId, Holds)>);

/// What one transaction holds or wants of one record, by part.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Holds {
    /// Whether the record exists. Everything that touches the record shares it; creating and deleting excludes.
    existence: Modes,
    /// The record as a whole: shared by who reads all of it, changed by who changes anything in it.
    whole: Modes,
    /// Fields, sorted.
    pub(super) fields: Vec<(FieldName, Hold)>,
    /// Members of sets, sorted.
    members: Vec<((FieldName, Member), Modes)>,
}

impl Plan {
    /// The locks for these operations, given what exists now.
    ///
    /// While a transaction waits that may change, so the plan is made anew at every attempt; while it holds the
    /// locks it can't, so the plan that is made after a restart is the one that was held before.
    pub fn of<S: Store>(steps: &[Step], store: &S) -> Plan {
        let same = |one: &Step, other: &Step| one.operation.record() == other.operation.record();
        // A message locks nothing: it waits in the outbox for whoever voted before.
        let locks = |step: &&Step| !matches!(step.operation, Operation::Send { .. });
        if steps.iter().all(|step| locks(&step))
            && steps.is_sorted_by(|one, other| one.operation.record() <= other.operation.record())
        {
            return Plan(steps.chunk_by(same).map(|steps| wanted(steps.iter(), store)).collect());
        }
        let mut steps: Vec<&Step> = steps.iter().filter(locks).collect();
        // What is wanted of one record is joined in the order of the operations: the sort keeps it.
        steps.sort_by(|one, other| one.operation.record().cmp(other.operation.record()));
        let by_record = steps.chunk_by(|one, other| same(one, other));
        Plan(by_record.map(|steps| wanted(steps.iter().copied(), store)).collect())
    }

    /// Forgets what may be added (see [`Canary::EscrowNotRetaken`]).
    pub(crate) fn drop_escrow(&mut self) {
        for (_, hold) in self.0.iter_mut().flat_map(|(_, holds)| &mut holds.fields) {
            hold.escrow = None;
        }
    }

    /// The records that are locked.
    pub fn records(&self) -> impl Iterator<Item = &RecordId> {
        self.0.iter().map(|(id, _)| id)
    }

    pub(super) fn of_record(&self, id: &RecordId) -> Option<&Holds> {
        find(&self.0, id)
    }
}

/// Looks a key up in what is sorted. Few are told apart faster by looking at each than by searching.
pub(super) fn find<'a, K: Ord, V>(sorted: &'a [(K, V)], key: &K) -> Option<&'a V> {
    if sorted.len() <= 8 {
        return sorted.iter().find(|(held, _)| held == key).map(|(_, value)| value);
    }
    let place = sorted.binary_search_by(|(held, _)| held.cmp(key)).ok()?;
    Some(&sorted[place].1)
}

/// Sorts by key, and joins what has the same one, in order.
fn join_sorted<K: Ord, V>(list: &mut Vec<(K, V)>, mut join: impl FnMut(&mut V, V))
where
    V: Clone,
{
    if list.len() < 2 {
        return;
    }
    list.sort_by(|(one, _), (other, _)| one.cmp(other));
    list.dedup_by(|(key, later), (kept, joined)| {
        let same = key == kept;
        if same {
            join(joined, later.clone());
        }
        same
    });
}

/// What these steps, of which there is one at least, want of their record.
fn wanted<'a, S: Store>(steps: impl Iterator<Item = &'a Step>, store: &S) -> (RecordId, Holds) {
    let mut steps = steps.map(|step| &step.operation).peekable();
    let record = steps.peek().expect("a group has a first step").record().clone();
    let mut wants = Holds { existence: Modes::SHARED, ..Holds::default() };
    steps.for_each(|operation| wants.want(operation));
    // Who creates a record shuts out who would see it absent.
    if wants.whole.has(Modes::CHANGE) && !wants.excludes_existence() && store.record(&record).is_none() {
        wants.existence.join(Modes::EXCLUSIVE);
    }
    join_sorted(&mut wants.fields, Hold::join);
    join_sorted(&mut wants.members, Modes::join);
    (record, wants)
}

impl Holds {
    fn want(&mut self, operation: &Operation) {
        // An acknowledgement changes the mailbox's messages, not its record.
        if operation.is_write() && !matches!(operation, Operation::Acknowledge { .. }) {
            self.whole.join(Modes::CHANGE);
        }
        match operation {
            Operation::Require { .. } if broken(Canary::ChecksNotLocked) => {}
            Operation::Require { check, .. } => match check {
                Check::Exists | Check::Absent => {}
                Check::Equals(field, _) | Check::AtLeast(field, _) => self.field(field, Modes::SHARED),
                Check::Contains(field, member) => self.touch(field, member),
                Check::Version(_) => self.whole.join(Modes::SHARED),
            },
            Operation::Read { what, .. } => match what {
                Selection::Record => self.whole.join(Modes::SHARED),
                Selection::Field(field) | Selection::Count(field) => self.field(field, Modes::SHARED),
                Selection::Member(field, member) => self.touch(field, member),
            },
            Operation::Delete { .. } => self.existence.join(Modes::EXCLUSIVE),
            // Of the acknowledgements of one message one at a time goes on; the mailbox stays while it does.
            Operation::Acknowledge { position, .. } => {
                let (field, member) = mail::lock_of(*position);
                self.member(&field, &member, Modes::EXCLUSIVE);
            }
            Operation::Send { .. } => {}
            Operation::Set { field, .. } | Operation::Append { field, .. } => {
                self.field(field, Modes::EXCLUSIVE);
            }
            Operation::Add { field, delta, min, max, .. } => {
                let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
                self.escrow(field, EscrowKind::Counter, *delta, i128::from(min), i128::from(max));
            }
            Operation::Insert { field, member, max, .. } => {
                let max = i128::from(max.unwrap_or(u64::MAX));
                self.escrow(field, EscrowKind::SetSize, 1, i128::MIN / 2, max);
                self.member(field, member, Modes::EXCLUSIVE);
            }
            Operation::Remove { field, member, min, .. } => {
                let min = i128::from(min.unwrap_or(0));
                self.escrow(field, EscrowKind::SetSize, -1, min, i128::MAX / 2);
                self.member(field, member, Modes::EXCLUSIVE);
            }
        }
    }

    fn field(&mut self, field: &FieldName, modes: Modes) {
        self.fields.push((field.clone(), Hold::of(modes)));
    }

    fn member(&mut self, field: &FieldName, member: &Member, modes: Modes) {
        self.members.push(((field.clone(), member.clone()), modes));
    }

    fn touch(&mut self, field: &FieldName, member: &Member) {
        self.field(field, Modes::TOUCH);
        self.member(field, member, Modes::SHARED);
    }

    fn escrow(&mut self, field: &FieldName, kind: EscrowKind, delta: i64, min: i128, max: i128) {
        let delta = i128::from(delta);
        let escrow = Escrow { kind, delta, upper: max - delta, lower: min - delta };
        self.fields.push((field.clone(), Hold { modes: Modes::CHANGE, escrow: Some(escrow) }));
    }

    /// Whether they can't be held together, whatever the bounds.
    pub(super) fn conflict(&self, other: &Holds) -> bool {
        let in_field = |(field, hold): &(FieldName, Hold)| {
            find(&other.fields, field).is_some_and(|theirs| hold.conflict(theirs))
        };
        let in_member = |(member, modes): &((FieldName, Member), Modes)| {
            find(&other.members, member).is_some_and(|theirs| modes.conflict(*theirs))
        };
        self.existence.conflict(other.existence)
            || self.whole.conflict(other.whole)
            || self.fields.iter().any(in_field)
            || self.members.iter().any(in_member)
    }

    /// Creates or deletes the record.
    pub(super) fn excludes_existence(&self) -> bool {
        self.existence.has(Modes::EXCLUSIVE)
    }
}
