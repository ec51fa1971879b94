//! Counts how transactions ended, by reason.

use crate::output::thousands;
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// Numbers by the name of what is counted.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// One more of these.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Takes over the counts of another tally.
    pub(crate) fn take(&mut self, other: &Tally) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// All together.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let mut counts: Vec<_> = self.0.iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let texts: Vec<String> =
            counts.into_iter().map(|(what, count)| format!("{what} {}", thousands(*count))).collect();
        f.write_str(&texts.join(", "))
    }
}
