//! The search: breadth first, in little memory. A state that is known is 48 bytes; states themselves are kept only for
//! the depth that is searched and the next.
//!
//! What a model says in addition to stateright's [`Model`] is which states *cover* others: everything that can happen from
//! a covered state, and is looked at there, can happen from the one that covers it. A covered state is not searched. States that
//! differ in more than that are told apart by a fingerprint of 64 bits.
//!
//! Invariant: for every state that can be reached, one that covers it has been searched once the search is exhausted.

use stateright::Model;

/// A model that knows which of its states cover others.
pub(super) trait Covers: Model {
    /// What more of only adds to what can happen and be seen.
    type More: Copy + PartialEq;

    /// The fingerprint of everything else.
    fn key(&self, state: &Self::State) -> u64;
    /// The state's share.
    fn more(&self, state: &Self::State) -> Self::More;
    /// Whether a state with the one covers a state with the other that has the same key.
    fn covers(&self, one: &Self::More, other: &Self::More) -> bool;
    /// What is wrong in the state: the name of a property.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;
}

/// A path: each state with the action that follows.
pub(super) type Path<M> = Vec<(<M as Model>::State, Option<<M as Model>::Action>)>;

/// What a search has come to.
pub(super) struct Explored<M: Model> {
    /// States that were generated, known ones included.
    pub(super) generated: usize,
    /// States that no other one covered when they were found.
    pub(super) kept: usize,
    /// Actions from the start to the farthest state.
    pub(super) depth: usize,
    /// Whether nothing is left.
    pub(super) exhausted: bool,
    /// The first state that breaks a property, and the way there.
    pub(super) found: Option<(&'static str, Path<M>)>,
}

/// No entry.
const NONE: u32 = u32::MAX;
/// An entry that another one covers: it is in no chain any more, and need not be searched.
const COVERED: u32 = u32::MAX - 1;

struct Entry<T> {
    key: u64,
    more: T,
    /// From which it was found.
    parent: u32,
    /// The next entry of the same key.
    next: u32,
}

/// All states that are known.
struct Known<T> {
    /// By key, with linear probing: the first entry of each.
    heads: Vec<u32>,
    used: usize,
    entries: Vec<Entry<T>>,
}

impl<T: Copy + PartialEq> Known<T> {
    fn new() -> Self {
        Known { heads: vec![NONE; 1 << 16], used: 0, entries: Vec::new() }
    }

    fn slot(&self, key: u64) -> usize {
        let mask = self.heads.len() - 1;
        let mut slot = key as usize & mask;
        while self.heads[slot] != NONE && self.entries[self.heads[slot] as usize].key != key {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.heads);
        self.heads = vec![NONE; old.len() * 2];
        for head in old.into_iter().filter(|head| *head != NONE) {
            let slot = self.slot(self.entries[head as usize].key);
            self.heads[slot] = head;
        }
    }

    /// Takes a state in, unless one that covers it is known; those that it covers are forgotten.
    fn insert(&mut self, key: u64, more: T, parent: u32, covers: impl Fn(&T, &T) -> bool) -> Option<u32> {
        let slot = self.slot(key);
        let head = self.heads[slot];
        let mut at = head;
        while at != NONE {
            let entry = &self.entries[at as usize];
            if covers(&entry.more, &more) {
                return None;
            }
            at = entry.next;
        }
        let number = u32::try_from(self.entries.len()).expect("memory ends before numbers do");
        assert!(number < COVERED, "memory ends before numbers do");
        // The chain without what the new one covers.
        let (mut first, mut last) = (NONE, NONE);
        let mut at = head;
        while at != NONE {
            let next = self.entries[at as usize].next;
            if covers(&more, &self.entries[at as usize].more) {
                self.entries[at as usize].next = COVERED;
            } else {
                match last {
                    NONE => first = at,
                    last => self.entries[last as usize].next = at,
                }
                last = at;
            }
            at = next;
        }
        if last != NONE {
            self.entries[last as usize].next = NONE;
        }
        self.entries.push(Entry { key, more, parent, next: first });
        self.heads[slot] = number;
        if head == NONE {
            self.used += 1;
            if self.used * 2 > self.heads.len() {
                self.grow();
            }
        }
        Some(number)
    }

    fn is_covered(&self, number: u32) -> bool {
        self.entries[number as usize].next == COVERED
    }
}

/// How far a search is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SearchedSoFar {
    /// Actions from the start to the states that are searched next.
    pub depth: usize,
    /// How many these are.
    pub next: usize,
    /// States that are known.
    pub known: usize,
}

/// Searches until everything is searched, a property is broken, or so many states were generated. `tell` hears how far it
/// is before each depth.
pub(super) fn explore<M: Covers>(
    model: &M,
    generated_max: Option<usize>,
    mut tell: impl FnMut(SearchedSoFar),
) -> Explored<M>
where
    M::State: Clone,
    M::Action: Clone,
{
    let mut known = Known::new();
    let mut explored = Explored { generated: 0, kept: 0, depth: 0, exhausted: true, found: None };
    let mut level: Vec<(M::State, u32)> = Vec::new();
    let mut next_level: Vec<(M::State, u32)> = Vec::new();
    let mut actions = Vec::new();
    let take = |state: M::State,
                parent: u32,
                known: &mut Known<M::More>,
                explored: &mut Explored<M>,
                to: &mut Vec<(M::State, u32)>| {
        explored.generated += 1;
        let (key, more) = (model.key(&state), model.more(&state));
        let Some(number) = known.insert(key, more, parent, |one, other| model.covers(one, other)) else {
            return true;
        };
        explored.kept += 1;
        if let Some(property) = model.broken(&state) {
            explored.found = Some((property, path(model, known, number)));
            explored.exhausted = false;
            return false;
        }
        to.push((state, number));
        true
    };
    for state in model.init_states() {
        if !take(state, NONE, &mut known, &mut explored, &mut level) {
            return explored;
        }
    }
    while !level.is_empty() {
        tell(SearchedSoFar { depth: explored.depth, next: level.len(), known: explored.kept });
        for (state, number) in level.drain(..) {
            if known.is_covered(number) {
                continue;
            }
            if generated_max.is_some_and(|most| explored.generated >= most) {
                explored.exhausted = false;
                return explored;
            }
            model.actions(&state, &mut actions);
            for action in actions.drain(..) {
                let Some(next) = model.next_state(&state, action) else { continue };
                if !take(next, number, &mut known, &mut explored, &mut next_level) {
                    return explored;
                }
            }
        }
        std::mem::swap(&mut level, &mut next_level);
        explored.depth += usize::from(!level.is_empty());
    }
    explored
}

/// The way to a state, found again step by step: entries hold no states.
fn path<M: Covers>(model: &M, known: &Known<M::More>, number: u32) -> Path<M>
where
    M::State: Clone,
    M::Action: Clone,
{
    let mut numbers = vec![number];
    while let Some(last) = numbers.last() {
        match known.entries[*last as usize].parent {
            NONE => break,
            parent => numbers.push(parent),
        }
    }
    let is = |state: &M::State, number: u32| {
        let entry = &known.entries[number as usize];
        model.key(state) == entry.key && model.more(state) == entry.more
    };
    let mut numbers = numbers.into_iter().rev();
    let first = numbers.next().expect("a path has a start");
    let mut state =
        model.init_states().into_iter().find(|state| is(state, first)).expect("it starts somewhere");
    let mut path = Vec::new();
    for number in numbers {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        let step = actions.into_iter().find_map(|action| {
            let next = model.next_state(&state, action.clone()).filter(|next| is(next, number))?;
            Some((action, next))
        });
        let (action, next) = step.expect("a step that was made once is made again");
        path.push((std::mem::replace(&mut state, next), Some(action)));
    }
    path.push((state, None));
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use stateright::Property;

    /// Counts up by one or two, and gathers bits on the way: a state covers another at the same count whose bits it has.
    struct Counting {
        to: u8,
        broken_at: u8,
    }

    impl Model for Counting {
        type State = (u8, u8);
        type Action = u8;

        fn init_states(&self) -> Vec<(u8, u8)> {
            vec![(0, 0)]
        }

        fn actions(&self, state: &(u8, u8), actions: &mut Vec<u8>) {
            actions.extend((1..=2).filter(|step| state.0 + step <= self.to));
        }

        fn next_state(&self, state: &(u8, u8), step: u8) -> Option<(u8, u8)> {
            Some((state.0 + step, state.1 | if step == 2 { 1 << (state.0 % 4) } else { 0 }))
        }

        fn properties(&self) -> Vec<Property<Self>> {
            Vec::new()
        }
    }

    impl Covers for Counting {
        type More = u8;

        fn key(&self, state: &(u8, u8)) -> u64 {
            u64::from(state.0)
        }

        fn more(&self, state: &(u8, u8)) -> u8 {
            state.1
        }

        fn covers(&self, one: &u8, other: &u8) -> bool {
            one & other == *other
        }

        fn broken(&self, state: &(u8, u8)) -> Option<&'static str> {
            (state.0 == self.broken_at).then_some("it never comes so far")
        }
    }

    #[test]
    fn what_is_covered_is_not_searched_and_all_else_is() {
        let explored = explore(&Counting { to: 2, broken_at: 9 }, None, |_| {});
        // 0 with nothing; 1 with nothing; 2 with one bit, which covers 2 with none.
        assert_eq!((explored.kept, explored.depth, explored.exhausted), (3, 1, true));
        let further = explore(&Counting { to: 12, broken_at: 99 }, None, |_| {});
        assert!(further.exhausted && further.found.is_none());
    }

    #[test]
    fn the_way_to_what_is_broken_is_the_shortest_and_can_be_walked() {
        let model = Counting { to: 9, broken_at: 5 };
        let explored = explore(&model, None, |_| {});
        let (property, path) = explored.found.expect("five is not far");
        assert_eq!((property, path.len()), ("it never comes so far", 4));
        for pair in path.windows(2) {
            let action = pair[0].1.expect("only the last has no action");
            assert_eq!(model.next_state(&pair[0].0, action), Some(pair[1].0));
        }
    }

    #[test]
    fn a_bound_ends_the_search_and_is_told() {
        let explored = explore(&Counting { to: 200, broken_at: 255 }, Some(20), |_| {});
        assert!(!explored.exhausted && explored.generated >= 20 && explored.generated < 25);
    }
}
