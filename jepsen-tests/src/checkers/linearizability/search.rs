//! The search for an order: just-in-time linearization (Lowe, *Testing for linearizability*, 2017), after Wing & Gong
//! (1993), with the configurations remembered that were tried.
//!
//! A configuration is what the register holds, and which of the open calls have taken effect. The lines are gone through
//! in order, with the set of all configurations that are possible there: memory grows with what is open at once, not
//! with the length of the history. Calls take effect only when one ends that cannot without.
//!
//! What keeps the set small, and why nothing is missed:
//! - A read takes effect as soon as the register holds its value. It changes nothing, so earlier is never worse.
//! - A call of unknown outcome is forgotten when nobody who still runs needs the value that it leaves.
//! - Of two configurations that differ only in that one has used up more calls of unknown outcome, it is dropped: the
//!   other can do all that it can.

use super::{
    Found,
    calls::{Act, Call, Register},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Calls that are open at once on one register, at most: the bits of a set.
const OPEN_MAX: u32 = u128::BITS;

/// What is possible at some line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Configuration {
    /// What the register holds.
    state: u32,
    /// The slots of open calls that have taken effect.
    done: u128,
}

/// What happens at a line. At the same line, ends come before what is forgotten.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Moment {
    Begin(usize),
    End(usize),
    Forget(usize),
}

/// The search in one register.
pub(super) struct Search<'r, 'a> {
    register: &'r Register<'a>,
    configurations_max: usize,
    /// Configurations that were tried.
    pub(super) tried: usize,
    possible: Vec<Configuration>,
    /// The open calls, by slot.
    open: BTreeMap<u32, Call>,
    slots: HashMap<usize, u32>,
    free: BTreeSet<u32>,
    /// The slots of the open calls of unknown outcome.
    unknown: u128,
    /// The slots of the open reads of each value.
    reads: HashMap<u32, u128>,
}

/// Configurations that have been met, each without those that another makes needless.
#[derive(Default)]
struct Met(HashMap<Configuration, Vec<u128>>);

impl Met {
    /// Whether it is new, and not needless.
    fn insert(&mut self, configuration: Configuration, unknown: u128) -> bool {
        let used = configuration.done & unknown;
        let same =
            self.0.entry(Configuration { done: configuration.done & !unknown, ..configuration }).or_default();
        if same.iter().any(|less| less & used == *less) {
            return false;
        }
        same.push(used);
        true
    }
}

impl<'r, 'a> Search<'r, 'a> {
    pub(super) fn new(register: &'r Register<'a>, configurations_max: usize) -> Self {
        Search {
            register,
            configurations_max,
            tried: 0,
            possible: vec![Configuration { state: 0, done: 0 }],
            open: BTreeMap::new(),
            slots: HashMap::new(),
            free: (0..OPEN_MAX).collect(),
            unknown: 0,
            reads: HashMap::new(),
        }
    }

    /// Goes through all lines.
    pub(super) fn run(&mut self) -> Found {
        for (_, moment) in moments(self.register) {
            match moment {
                Moment::Begin(call) => {
                    if !self.begin(call) {
                        return Found::GivenUp(format!("more than {OPEN_MAX} operations were open at once"));
                    }
                }
                Moment::End(call) => {
                    if let Err(states) = self.end(call) {
                        return Found::NoOrder { call, states };
                    }
                }
                Moment::Forget(call) => self.forget(call),
            }
            if self.tried > self.configurations_max {
                return Found::GivenUp(format!("after {} configurations", self.configurations_max));
            }
        }
        Found::Order
    }

    /// False if no slot is free.
    fn begin(&mut self, number: usize) -> bool {
        let Some(slot) = self.free.pop_first() else { return false };
        let call = self.register.calls[number];
        let bit = 1_u128 << slot;
        self.open.insert(slot, call);
        self.slots.insert(number, slot);
        if call.ended.is_none() {
            self.unknown |= bit;
        }
        if let Act::Read(value) = call.act {
            *self.reads.entry(value).or_default() |= bit;
            for configuration in self.possible.iter_mut().filter(|configuration| configuration.state == value)
            {
                configuration.done |= bit;
            }
        }
        true
    }

    /// The call must have taken effect. If it can in no configuration, gives the values that the register could hold.
    fn end(&mut self, number: usize) -> Result<(), Vec<u32>> {
        let slot = self.slots[&number];
        let bit = 1_u128 << slot;
        let mut met = Met::default();
        let (mut next, mut waiting) = (Vec::new(), Vec::new());
        for configuration in std::mem::take(&mut self.possible) {
            if met.insert(configuration, self.unknown) {
                if configuration.done & bit != 0 { &mut next } else { &mut waiting }.push(configuration);
            }
        }
        let mut states = BTreeSet::new();
        let mut place = 0;
        while let Some(configuration) = waiting.get(place).copied() {
            place += 1;
            states.insert(configuration.state);
            for (slot, call) in &self.open {
                let Some(after) = self.take_effect(configuration, *slot, call) else { continue };
                if met.insert(after, self.unknown) {
                    self.tried += 1;
                    if after.done & bit != 0 { &mut next } else { &mut waiting }.push(after);
                }
            }
            if self.tried > self.configurations_max {
                break;
            }
        }
        self.close(number);
        for configuration in &mut next {
            configuration.done &= !bit;
        }
        let gave_up = self.tried > self.configurations_max;
        self.possible = next;
        if self.possible.is_empty() && !gave_up { Err(states.into_iter().collect()) } else { Ok(()) }
    }

    /// The configuration after an open call that changes the register; none if it cannot, or has.
    fn take_effect(&self, configuration: Configuration, slot: u32, call: &Call) -> Option<Configuration> {
        let bit = 1_u128 << slot;
        let needed = call.needs().is_none_or(|needed| needed == configuration.state);
        let state = call.leaves()?;
        if !needed || configuration.done & bit != 0 {
            return None;
        }
        let reads = self.reads.get(&state).copied().unwrap_or(0);
        Some(Configuration { state, done: configuration.done | bit | reads })
    }

    /// Nobody needs any more whether the call took effect.
    fn forget(&mut self, number: usize) {
        let bit = 1_u128 << self.slots[&number];
        self.close(number);
        let mut met = Met::default();
        for configuration in &mut self.possible {
            configuration.done &= !bit;
        }
        self.possible.retain(|configuration| met.insert(*configuration, self.unknown));
    }

    fn close(&mut self, number: usize) {
        let Some(slot) = self.slots.remove(&number) else { return };
        let bit = 1_u128 << slot;
        self.free.insert(slot);
        self.unknown &= !bit;
        if let Some(Act::Read(value)) = self.open.remove(&slot).map(|call| call.act)
            && let Some(slots) = self.reads.get_mut(&value)
        {
            *slots &= !bit;
        }
    }
}

/// Begins, ends, and when calls of unknown outcome can be forgotten; those that nobody ever needs are left out.
fn moments(register: &Register<'_>) -> Vec<(usize, Moment)> {
    let needed = needed_until(register);
    let mut moments = Vec::with_capacity(register.calls.len() * 2);
    for (number, call) in register.calls.iter().enumerate() {
        if let Some(ended) = call.ended {
            moments.extend([(call.begun, Moment::Begin(number)), (ended, Moment::End(number))]);
        } else if let Some(until) = call.leaves().and_then(|value| needed.get(&value).copied())
            && until > call.begun
        {
            moments.extend([(call.begun, Moment::Begin(number)), (until, Moment::Forget(number))]);
        }
    }
    moments.sort_unstable();
    moments
}

/// For each value, the end of the last call that needs the register to hold it: itself, or through calls of unknown
/// outcome that make another value of it.
fn needed_until(register: &Register<'_>) -> HashMap<u32, usize> {
    let mut needed: HashMap<u32, usize> = HashMap::new();
    let mut swaps: HashMap<u32, Vec<u32>> = HashMap::new();
    for call in &register.calls {
        match (call.act, call.ended) {
            (Act::Read(value) | Act::Swap(value, _), Some(ended)) => {
                let until = needed.entry(value).or_default();
                *until = (*until).max(ended);
            }
            (Act::Swap(old, new), None) => swaps.entry(new).or_default().push(old),
            (Act::Write(_), _) | (Act::Read(_), None) => {}
        }
    }
    let mut changed: Vec<u32> = needed.keys().copied().collect();
    while let Some(new) = changed.pop() {
        let until = needed[&new];
        for old in swaps.get(&new).into_iter().flatten() {
            let before = needed.entry(*old).or_default();
            if *before < until {
                *before = until;
                changed.push(*old);
            }
        }
    }
    needed
}
