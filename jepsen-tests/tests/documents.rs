//! Documents that name tests: what they name is there. A test that was renamed or taken away would leave a promise
//! behind that nothing shows.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The documents whose rows each name what shows them.
const WITH_ROWS: &[&str] = &["docs/failure-semantics.md"];
/// The head of the column that does it.
const HEAD: &str = "shown by";
/// What such a cell says where there is a gap.
const GAP: &str = "nothing shows it";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a folder of the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between backticks on a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A test, as `folder/file.rs::name`, or a transcript.
fn is_reference(word: &str) -> bool {
    let test = word.split_once(".rs::").is_some_and(|(path, name)| path.contains('/') && !name.is_empty());
    test || (word.contains("/transcripts/") && word.ends_with(".txt"))
}

/// Why there is no such test.
fn missing(reference: &str) -> Option<String> {
    let Some((path, name)) = reference.split_once("::") else {
        return (!root().join(reference).is_file()).then(|| format!("{reference} is no file"));
    };
    let Ok(text) = fs::read_to_string(root().join(path)) else {
        return Some(format!("{path} is no file"));
    };
    // The line of the function comes after its attributes; one that is ignored shows nothing in `make test`.
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let function = |line: &&str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    let Some(at) = lines.iter().position(function) else {
        return Some(format!("{path} has no function {name}"));
    };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    let attributes: Vec<&str> = attributes.copied().collect();
    let is_test = attributes.iter().any(|line| line.contains("test"));
    let is_ignored = attributes.iter().any(|line| line.contains("ignore"));
    (!is_test || is_ignored).then(|| format!("{reference} is no test that is run"))
}

fn documents() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs")).expect("the documents are there");
    let names =
        entries.map(|entry| entry.expect("a folder entry").file_name().to_string_lossy().into_owned());
    let mut all: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    all.sort();
    all
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let mut named = 0;
    let mut wrong = Vec::new();
    for path in documents() {
        let text = read(&path);
        for (number, line) in (1..).zip(text.lines()) {
            for reference in quoted(line).filter(|word| is_reference(word)) {
                named += 1;
                wrong.extend(missing(reference).map(|why| format!("{path}:{number}: {why}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(named > 60, "only {named} are found");
}

#[test]
fn every_row_names_what_shows_it_or_says_that_nothing_does() {
    let mut rows = 0;
    for path in WITH_ROWS {
        let text = read(path);
        let mut in_table = false;
        for (number, line) in (1..).zip(text.lines()) {
            let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
            if !line.starts_with('|') {
                in_table = false;
            } else if cells.last() == Some(&HEAD) {
                in_table = true;
            } else if in_table && !line.starts_with("| ---") {
                rows += 1;
                let last = cells.last().expect("a row has cells");
                let shown = quoted(last).any(is_reference);
                assert!(shown || last.contains(GAP), "{path}:{number} names no test: {last}");
            }
        }
    }
    assert!(rows > 30, "only {rows} rows are found");
}

#[test]
fn what_is_not_there_is_noticed() {
    let own = "jepsen-tests/tests/documents.rs";
    assert_eq!(missing(&format!("{own}::what_is_not_there_is_noticed")), None);
    for wrong in ["::no_such_test", "::read", "::missing"] {
        assert!(missing(&format!("{own}{wrong}")).is_some(), "{wrong}");
    }
    assert!(missing("jepsen-tests/tests/no_such_file.rs::read").is_some());
    assert!(missing("protocol/tests/transcripts/no_such_file.txt").is_some());
    assert!(missing("jepsen-tests/tests/attack.rs::every_nemesis_finds_nothing").is_some(), "it is ignored");
    assert!(
        is_reference("a/b.rs::c") && !is_reference("coordinator/mod.rs") && !is_reference("Message::check")
    );
}
