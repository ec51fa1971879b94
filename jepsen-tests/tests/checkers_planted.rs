//! In each file of `histories/` one mistake is planted, or none. Its first two lines say which checker judges it and
//! which classes it finds; the checker must find exactly those.

use assent_lab::{
    checkers::{linearizability, list_append, register},
    history::History,
    verdict::{Finding, Verdict},
};
use std::{collections::BTreeSet, fs, path::PathBuf};

/// A file with what it says of itself.
struct Planted {
    name: String,
    checker: String,
    finds: BTreeSet<String>,
    history: History,
}

impl Planted {
    fn verdict(&self) -> Verdict {
        match self.checker.as_str() {
            "list-append" => list_append::check(&self.history),
            "rw-register" => register::check(&self.history),
            "linearizability" => linearizability::check(&self.history),
            other => panic!("{}: no checker is called {other}", self.name),
        }
    }
}

fn planted() -> Vec<Planted> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.into_iter().map(|path| read(&path)).collect()
}

fn read(path: &PathBuf) -> Planted {
    let text = fs::read_to_string(path).expect("a text");
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let says = |word: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("; {word}: ")));
        line.unwrap_or_else(|| panic!("{name} does not say {word}")).to_owned()
    };
    let finds = says("finds");
    let finds = finds.split(", ").filter(|class| *class != "nothing").map(str::to_owned).collect();
    let checker = says("checker");
    let history = History::load(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    Planted { name, checker, finds, history }
}

fn classes(verdict: &Verdict) -> BTreeSet<String> {
    verdict.anomalies.iter().map(|anomaly| anomaly.class.clone()).collect()
}

#[test]
fn what_is_planted_is_found_and_nothing_else() {
    for planted in planted() {
        let verdict = planted.verdict();
        assert_eq!(classes(&verdict), planted.finds, "{}: {verdict:#?}", planted.name);
        let finding = if planted.finds.is_empty() { Finding::Holds } else { Finding::Violated };
        assert_eq!(verdict.finding, finding, "{}: {}", planted.name, verdict.summary);
    }
}

#[test]
fn every_class_of_every_checker_is_planted() {
    let found: BTreeSet<(String, String)> = planted()
        .into_iter()
        .flat_map(|planted| planted.finds.into_iter().map(move |class| (planted.checker.clone(), class)))
        .collect();
    let cycles = ["G0", "G1c", "G-single", "G2"];
    let both = ["internal", "garbage read", "G1a", "G1b"];
    for checker in ["list-append", "rw-register"] {
        let timed = cycles.iter().map(|class| format!("{class}-realtime"));
        for class in cycles.iter().chain(&both).map(ToString::to_string).chain(timed) {
            assert!(found.contains(&(checker.to_owned(), class.clone())), "{checker}: {class}");
        }
    }
    for class in ["duplicate elements", "incompatible order", "lost append"] {
        assert!(found.contains(&("list-append".to_owned(), class.to_owned())), "{class}");
    }
}

#[test]
fn each_violation_names_lines_that_are_there() {
    for planted in planted() {
        let indexes: BTreeSet<u64> = planted.history.events.iter().map(|event| event.index).collect();
        for anomaly in planted.verdict().anomalies {
            assert!(!anomaly.events.is_empty(), "{}", planted.name);
            assert!(anomaly.events.iter().all(|index| indexes.contains(index)), "{}", planted.name);
            assert!(anomaly.words.ends_with('.'), "{}: {}", planted.name, anomaly.words);
        }
    }
}

/// Set `ASSENT_WORDS=1` and `--nocapture` to read what all of them say.
#[test]
fn violations_are_told_in_sentences() {
    let words = |name: &str| {
        let planted = planted().into_iter().find(|planted| planted.name == name).expect(name);
        planted.verdict().anomalies[0].words.clone()
    };
    if std::env::var_os("ASSENT_WORDS").is_some() {
        for planted in planted() {
            for anomaly in planted.verdict().anomalies {
                println!("{} [{}]\n  {}\n", planted.name, anomaly.class, anomaly.words);
            }
        }
    }
    assert_eq!(
        words("list_append_g0_realtime"),
        "T1 (index 0) had ended at index 1 before T2 (index 2) began at index 2; T2 appended 2 to key 1 before T1 \
         appended 1, as a read of [2 1] shows. So T1 before T2, T2 before T1: no order of them exists (their writes are \
         mixed)."
    );
    assert_eq!(
        words("list_append_lost"),
        "T1 (index 2) appended 2 to key 1 and was acknowledged at index 3, but it is gone: T2 (index 6) read key 1 as \
         [1 3], and nobody read that key later."
    );
    assert_eq!(
        words("register_g1c"),
        "T2 (index 1) read 1 from key 1, which T1 (index 0) had written; T1 read 1 from key 2, which T2 had written. So \
         T1 before T2, T2 before T1: no order of them exists (each rests on what the other wrote)."
    );
    assert_eq!(
        words("linearizability_stale"),
        "No order is left at index 5, where process 0's read of key 1 (index 4) ends with 1: whatever the order of the \
         operations, the register held 1 at no moment since it began, and by its end could only hold 2. Who wrote 1: index \
         0, which ended at index 1. Up to index 4 there is an order."
    );
}
