//! The hunt for canaries: each broken rule of the catalogue, and how long an instrument takes to notice it.
//!
//! An instrument is a function from a seed to what it found wrong, if anything; one that searches exhaustively takes its
//! bounds from the seed, or none. The account of all hunts is a table in `docs/testing.md`, which a test keeps true.
//!
//! Invariant: while one canary is hunted no other is, and afterwards every rule holds again. The choice is the whole
//! process's: nothing else may run the machines meanwhile.

use assent_protocol::canary::{self, Canary};
use std::{
    any::Any,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// How an instrument noticed a canary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Seeds that it took, from 0 on, the one that showed it included.
    pub seeds: u64,
    /// What it said was wrong.
    pub words: String,
}

/// One hunt at a time.
static HUNTING: Mutex<()> = Mutex::new(());

/// Ends the choice of a canary, however the hunt ends.
struct Chosen;

impl Chosen {
    fn new(canary: Canary) -> Self {
        canary::choose(Some(canary));
        Chosen
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        canary::choose(None);
    }
}

/// Tries the seeds from 0 on, below `seeds_max`, until one shows that the rule is broken; none if none does.
///
/// `find` says what is wrong; a panic says so too, since machines assert what they rely on. Seeds run on all cores, and
/// the answer is the same on any number of them: that of the lowest seed.
pub fn hunt(canary: Canary, find: impl Fn(u64) -> Option<String> + Sync, seeds_max: u64) -> Option<Found> {
    let _alone = HUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let _chosen = Chosen::new(canary);
    let next = AtomicU64::new(0);
    // No seed from here on is worth a try: it is found, or the hunt is over.
    let end = AtomicU64::new(seeds_max);
    let lowest: Mutex<Option<Found>> = Mutex::new(None);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= end.load(Ordering::SeqCst) {
                return;
            }
            let wrong = catch_unwind(AssertUnwindSafe(|| find(seed)));
            let Some(words) = wrong.unwrap_or_else(|panic| Some(words_of(panic.as_ref()))) else { continue };
            end.fetch_min(seed, Ordering::SeqCst);
            let mut lowest = lowest.lock().unwrap_or_else(PoisonError::into_inner);
            if lowest.as_ref().is_none_or(|found| seed < found.seeds) {
                *lowest = Some(Found { seeds: seed + 1, words });
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(work);
        }
    });
    lowest.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    format!("the machine stopped itself: {}", text.unwrap_or("without a word"))
}

/// One line of the table: a canary, and what noticed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The broken rule.
    pub canary: Canary,
    /// The first instrument that noticed it, as `simulator`; none if none did.
    pub by: Option<String>,
    /// What that took, with its unit, as `3 seeds`; empty if nothing noticed it.
    pub after: String,
    /// What the model noticed, and after how many states; none if it did not.
    pub model: Option<String>,
}

impl Line {
    /// What an instrument that runs seeds found, or not. Words that begin as `agreement: …` name what noticed it.
    pub fn of_seeds(canary: Canary, instrument: &str, found: Option<&Found>) -> Self {
        let Some(Found { seeds, words }) = found else {
            return Line { canary, by: None, after: String::new(), model: None };
        };
        let by = match words.split_once(": ") {
            Some((property, _)) => format!("{instrument}: {property}"),
            None => instrument.to_string(),
        };
        let after = if *seeds == 1 { "1 seed".to_string() } else { format!("{seeds} seeds") };
        Line { canary, by: Some(by), after, model: None }
    }

    /// The same, with what the model found.
    pub fn and_of_model(self, found: Option<&Found>) -> Self {
        Line { model: found.map(|found| found.words.clone()), ..self }
    }
}

/// Where the table begins in the document that holds it.
pub const BEGIN: &str = "<!-- canaries -->";
/// Where it ends.
pub const END: &str = "<!-- /canaries -->";

/// The table, in Markdown.
pub fn table(lines: &[Line]) -> String {
    let mut text = String::from(
        "| canary | rule | what is broken | found by | after | the model finds |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for Line { canary, by, after, model } in lines {
        let (name, rule, words) = (canary.name(), canary.rule(), canary.words());
        let by = by.as_deref().unwrap_or("nothing");
        let model = model.as_deref().unwrap_or("");
        text += &format!("| `{name}` | {rule} | {words} | {by} | {after} | {model} |\n");
    }
    text
}

/// What keeps a document from telling what was found.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Untrue {
    /// There is no place for the table.
    #[error("the document has no line {BEGIN} with a line {END} below it; put both where the table belongs")]
    Unmarked,
    /// Its table says something else.
    #[error(
        "line {line} of the table says\n  {written}\nand now it is\n  {found}\nASSENT_REWRITE=1 writes what was found"
    )]
    Differs {
        /// Which line of the table, from 1.
        line: usize,
        /// What the document says there.
        written: String,
        /// What it should say.
        found: String,
    },
}

/// The document with the table put in place of the one that it has.
///
/// # Errors
/// If it has no place for it.
pub fn rewritten(document: &str, lines: &[Line]) -> Result<String, Untrue> {
    let (before, _, after) = apart(document)?;
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", table(lines)))
}

/// Whether the document's table tells what was found. Runs are deterministic, so the figures must be equal too.
///
/// # Errors
/// The first line that doesn't, or that there is no table.
pub fn check(document: &str, lines: &[Line]) -> Result<(), Untrue> {
    let (_, written, _) = apart(document)?;
    let found = table(lines);
    let (mut written, mut found) = (written.trim().lines(), found.lines());
    for line in 1.. {
        match (written.next(), found.next()) {
            (None, None) => break,
            (one, two) if one == two => {}
            (one, two) => {
                let text = |line: Option<&str>| line.unwrap_or("(nothing)").to_string();
                return Err(Untrue::Differs { line, written: text(one), found: text(two) });
            }
        }
    }
    Ok(())
}

/// What stands before, between and behind the marks.
fn apart(document: &str) -> Result<(&str, &str, &str), Untrue> {
    let (before, rest) = document.split_once(BEGIN).ok_or(Untrue::Unmarked)?;
    let (between, after) = rest.split_once(END).ok_or(Untrue::Unmarked)?;
    Ok((before, between, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_protocol::canary::broken;
    use std::collections::BTreeSet;

    #[test]
    fn the_lowest_seed_that_shows_it_is_counted() {
        let wrong = |seed| (seed >= 7 && broken(Canary::NoNotKept)).then(|| format!("seed {seed}"));
        let found = hunt(Canary::NoNotKept, wrong, 100);
        assert_eq!(found, Some(Found { seeds: 8, words: "seed 7".into() }));
        assert_eq!(hunt(Canary::NoNotKept, wrong, 7), None);
    }

    #[test]
    fn every_rule_holds_again_after_the_hunt() {
        let found = hunt(Canary::AbortReversed, |_| panic!("as a machine that finds itself broken"), 3);
        let words = "the machine stopped itself: as a machine that finds itself broken".into();
        assert_eq!(found, Some(Found { seeds: 1, words }));
        let _alone = HUNTING.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(Canary::ALL.iter().all(|canary| !broken(*canary)));
    }

    #[test]
    fn one_canary_breaks_one_rule() {
        for canary in Canary::ALL {
            let others = |_| Canary::ALL.iter().find(|other| broken(**other) != (*other == canary));
            assert_eq!(hunt(*canary, |seed| others(seed).map(|other| other.to_string()), 1), None);
        }
    }

    #[test]
    fn every_canary_has_a_name_of_its_own_and_every_rule_a_canary() {
        let names: BTreeSet<&str> = Canary::ALL.iter().map(|canary| canary.name()).collect();
        assert_eq!(names.len(), Canary::ALL.len());
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(names.iter().all(|name| plain(name)), "{names:?}");
        let rules: BTreeSet<&str> = Canary::ALL.iter().map(|canary| canary.rule()).collect();
        for rule in 1..=12 {
            assert!(rules.contains(format!("R{rule}").as_str()), "R{rule} has no canary");
        }
    }

    #[test]
    fn a_document_is_rewritten_between_its_marks_and_then_true() {
        let found = Found { seeds: 3, words: "agreement: half of it".into() };
        let lines = [
            Line::of_seeds(Canary::CommitWithVoteMissing, "simulator", Some(&found)),
            Line::of_seeds(Canary::NoNotKept, "simulator", None),
        ];
        let document = format!("before\n\n{BEGIN}\n{END}\n\nafter\n");
        assert!(matches!(check(&document, &lines), Err(Untrue::Differs { line: 1, .. })));
        let now = rewritten(&document, &lines).expect("it is marked");
        assert!(now.starts_with("before\n\n") && now.ends_with("\n\nafter\n"));
        assert!(
            now.contains("| `commit-with-vote-missing` | R1 |")
                && now.contains("| simulator: agreement | 3 seeds |  |")
        );
        assert_eq!(check(&now, &lines), Ok(()));
        let slower = now.replace("3 seeds", "4 seeds");
        assert!(matches!(check(&slower, &lines), Err(Untrue::Differs { line: 3, .. })));
        assert_eq!(rewritten("no marks", &lines), Err(Untrue::Unmarked));
    }
}
