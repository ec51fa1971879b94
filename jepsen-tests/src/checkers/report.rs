//! Gathers what a checker finds, shows some of each class, and counts the rest.

use crate::verdict::{Anomaly, Finding, Table, Verdict};

/// Violations of one class that are put into words, at most.
pub(super) const ANOMALIES_OF_A_CLASS_MAX: usize = 8;

/// What has been found.
#[derive(Debug, Default)]
pub(super) struct Report {
    anomalies: Vec<Anomaly>,
    /// How many of each class, in the order in which the classes were first met.
    counts: Vec<(&'static str, usize)>,
}

impl Report {
    /// A violation. It is put into words only if few of its class came before.
    pub(super) fn add(&mut self, class: &'static str, tell: impl FnOnce() -> (String, Vec<u64>)) {
        let place = self.counts.iter().position(|(known, _)| *known == class).unwrap_or_else(|| {
            self.counts.push((class, 0));
            self.counts.len() - 1
        });
        self.counts[place].1 += 1;
        if self.counts[place].1 <= ANOMALIES_OF_A_CLASS_MAX {
            let (words, mut events) = tell();
            events.sort_unstable();
            events.dedup();
            self.anomalies.push(Anomaly { class: class.to_owned(), words, events });
        }
    }

    /// Whether nothing has been found.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The verdict: violated if anything was found, otherwise as `otherwise` says.
    pub(super) fn verdict(
        self,
        checker: &str,
        summary: String,
        otherwise: Finding,
        mut tables: Vec<Table>,
    ) -> Verdict {
        let finding = if self.is_empty() { otherwise } else { Finding::Violated };
        if !self.is_empty() {
            tables.push(Table {
                title: format!(
                    "Violations, of which at most {ANOMALIES_OF_A_CLASS_MAX} of a class are shown"
                ),
                columns: vec!["class".into(), "found".into()],
                rows: self
                    .counts
                    .iter()
                    .map(|(class, count)| vec![(*class).to_owned(), count.to_string()])
                    .collect(),
            });
        }
        Verdict { checker: checker.to_owned(), finding, summary, anomalies: self.anomalies, tables }
    }
}

/// The verdict on what cannot be judged.
pub(super) fn not_judged(checker: &str, why: String) -> Verdict {
    Report::default().verdict(checker, why, Finding::Unknown, Vec::new())
}
