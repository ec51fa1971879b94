//! Whether operations on something that is either so or not (a student in a course, a course that is open) can have
//! happened one after the other, each between its beginning and its end: linearizability (Herlihy & Wing 1990) of one bit.
//!
//! The search keeps every state in which the bit can be, with the operations that must have happened for it; an operation
//! is made to happen only when its end is reached (Lowe 2017). One bit makes this cheap: reads that agree can happen at
//! once, and operations of unknown outcome that do the same are alike, so that only their number counts.

use std::collections::{BTreeMap, BTreeSet};

/// States that are kept at once; more, and the search is given up.
const STATES_MAX: usize = 20_000;

/// An operation on the bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Act {
    /// Where in the history it began.
    pub(super) begin: u64,
    /// Where it ended; none: it may happen at any time since, or never.
    pub(super) end: Option<u64>,
    /// What the bit must be when it happens.
    pub(super) requires: Option<bool>,
    /// What the bit is from then on.
    pub(super) sets: Option<bool>,
}

/// What the search says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Explained {
    /// There is an order.
    Yes,
    /// There is none any more with the end of this act, by its index.
    No(usize),
    /// There were too many possibilities.
    GivenUp,
}

/// Acts of unknown outcome that are alike: what they require and set.
type Alike = (Option<bool>, bool);
/// How many of them have been used.
type Spent = BTreeMap<Alike, u32>;
/// The bit, and the acts under way that have happened.
type State = (bool, BTreeSet<usize>);

/// Whether there is an order in which the acts can have happened.
pub(super) fn explain(initial: bool, acts: &[Act]) -> Explained {
    let begins = acts.iter().enumerate().map(|(act, it)| (it.begin, act, true));
    let ends = acts.iter().enumerate().filter_map(|(act, it)| Some((it.end?, act, false)));
    let mut moments: Vec<_> = begins.chain(ends).collect();
    moments.sort_unstable();
    let mut search = Search { acts, open: BTreeSet::new(), available: Spent::new(), states: BTreeMap::new() };
    search.states.insert((initial, BTreeSet::new()), vec![Spent::new()]);
    for (_, act, begins) in moments {
        if begins {
            search.begin(act);
            continue;
        }
        match search.end(act) {
            Some(0) => return Explained::No(act),
            Some(_) => {}
            None => return Explained::GivenUp,
        }
    }
    Explained::Yes
}

struct Search<'a> {
    acts: &'a [Act],
    /// Acts under way that will have happened.
    open: BTreeSet<usize>,
    available: Spent,
    /// For each state, the least that must have been used of what is unknown.
    states: BTreeMap<State, Vec<Spent>>,
}

impl Search<'_> {
    fn begin(&mut self, act: usize) {
        match self.acts[act] {
            Act { end: Some(_), sets: Some(_), .. } => {
                self.open.insert(act);
            }
            Act { end: Some(_), sets: None, .. } => {
                self.open.insert(act);
                for ((bit, happened), all_spent) in std::mem::take(&mut self.states) {
                    let state = (bit, self.with_reads(bit, happened));
                    for spent in all_spent {
                        keep(&mut self.states, state.clone(), spent);
                    }
                }
            }
            Act { end: None, requires, sets: Some(sets), .. } => {
                *self.available.entry((requires, sets)).or_default() += 1;
            }
            // A read that nobody has the answer of says nothing.
            Act { end: None, sets: None, .. } => {}
        }
    }

    /// How many states are left in which the act has happened; none if there are too many to look at.
    fn end(&mut self, act: usize) -> Option<usize> {
        let mut left = BTreeMap::new();
        let mut seen = BTreeMap::new();
        let mut todo = Vec::new();
        for (state, all_spent) in std::mem::take(&mut self.states) {
            for spent in all_spent {
                keep(&mut seen, state.clone(), spent.clone());
                todo.push((state.clone(), spent));
            }
        }
        while let Some((state, spent)) = todo.pop() {
            if state.1.contains(&act) {
                let mut happened = state.1;
                happened.remove(&act);
                keep(&mut left, (state.0, happened), spent);
                continue;
            }
            for (state, spent) in self.next_states(&state, &spent) {
                if keep(&mut seen, state.clone(), spent.clone()) {
                    todo.push((state, spent));
                }
            }
            if seen.len() > STATES_MAX {
                return None;
            }
        }
        self.open.remove(&act);
        self.states = left;
        Some(self.states.len())
    }

    fn next_states(&self, (bit, happened): &State, spent: &Spent) -> Vec<(State, Spent)> {
        let agrees = |requires: Option<bool>| requires.is_none_or(|requires| requires == *bit);
        let mut next = Vec::new();
        for act in self.open.difference(happened) {
            let Act { requires, sets, .. } = self.acts[*act];
            if agrees(requires) {
                let bit = sets.unwrap_or(*bit);
                let mut happened = happened.clone();
                happened.insert(*act);
                next.push(((bit, self.with_reads(bit, happened)), spent.clone()));
            }
        }
        for ((requires, sets), available) in &self.available {
            let used = spent.get(&(*requires, *sets)).copied().unwrap_or(0);
            if agrees(*requires) && sets != bit && used < *available {
                let mut spent = spent.clone();
                spent.insert((*requires, *sets), used + 1);
                next.push(((*sets, self.with_reads(*sets, happened.clone())), spent));
            }
        }
        next
    }

    /// A read that agrees with the bit may as well happen now: it changes nothing.
    fn with_reads(&self, bit: bool, mut happened: BTreeSet<usize>) -> BTreeSet<usize> {
        let reads = self.open.iter().filter(|act| {
            let act = self.acts[**act];
            act.sets.is_none() && act.requires.is_none_or(|requires| requires == bit)
        });
        happened.extend(reads);
        happened
    }
}

/// Keeps a state unless it is kept already with no more used. Says whether it is new.
fn keep(states: &mut BTreeMap<State, Vec<Spent>>, state: State, spent: Spent) -> bool {
    let no_more = |one: &Spent, other: &Spent| {
        one.iter().all(|(alike, used)| *used <= other.get(alike).copied().unwrap_or(0))
    };
    let kept = states.entry(state).or_default();
    if kept.iter().any(|known| no_more(known, &spent)) {
        return false;
    }
    kept.retain(|known| !no_more(&spent, known));
    kept.push(spent);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn act(begin: u64, end: Option<u64>, requires: Option<bool>, sets: Option<bool>) -> Act {
        Act { begin, end, requires, sets }
    }

    /// Tries every order of every choice: slow, and plainly right.
    fn brute_force(bit: bool, acts: &[Act], left: &[usize]) -> bool {
        if left.iter().all(|act| acts[*act].end.is_none()) {
            return true;
        }
        left.iter().any(|next| {
            let Act { begin, requires, sets, .. } = acts[*next];
            let is_its_turn = left.iter().all(|other| acts[*other].end.is_none_or(|end| end >= begin));
            if !is_its_turn || requires.is_some_and(|requires| requires != bit) {
                return false;
            }
            let rest: Vec<usize> = left.iter().copied().filter(|act| act != next).collect();
            brute_force(sets.unwrap_or(bit), acts, &rest)
        })
    }

    fn random_acts(random: &mut Random) -> Vec<Act> {
        let mut moments: Vec<u64> = (0..14).collect();
        let count = 1 + random.below(7);
        let acts = (0..count).map(|_| {
            let mut draw = || moments.swap_remove(random.below(moments.len() as u64) as usize);
            let (one, other) = (draw(), draw());
            let end = (random.below(4) > 0).then_some(one.max(other));
            let maybe = |random: &mut Random| [None, Some(false), Some(true)][random.below(3) as usize];
            act(one.min(other), end, maybe(random), maybe(random))
        });
        acts.collect()
    }

    #[test]
    fn the_search_agrees_with_brute_force() {
        let mut random = Random::new(1);
        let mut yes = 0;
        for _ in 0..20_000 {
            let (acts, initial) = (random_acts(&mut random), random.chance(500));
            let all: Vec<usize> = (0..acts.len()).collect();
            let expected = brute_force(initial, &acts, &all);
            yes += u32::from(expected);
            assert_eq!(explain(initial, &acts) == Explained::Yes, expected, "{initial} {acts:?}");
        }
        assert!(
            (4_000..16_000).contains(&yes),
            "{yes} of 20,000 could be explained: the sample is one-sided"
        );
    }

    #[test]
    fn many_unknown_outcomes_stay_cheap() {
        let mut acts: Vec<Act> = Vec::new();
        for at in 0..2_000 {
            let enrols = at % 2 == 0;
            acts.push(act(at * 10, None, Some(!enrols), Some(enrols)));
            acts.push(act(at * 10 + 1, Some(at * 10 + 2), Some(at % 3 == 0), None));
        }
        assert_eq!(explain(false, &acts), Explained::Yes);
        acts.iter_mut().for_each(|act| (act.begin, act.end) = (act.begin + 10, act.end.map(|end| end + 10)));
        acts.push(act(0, Some(1), Some(true), None));
        assert_eq!(explain(false, &acts), Explained::No(acts.len() - 1), "nothing was begun that early");
    }
}
