//! Scenarios that a human reads: commands at the left margin, and below each, indented, what it made the machines do.
//!
//! Each file in `transcripts/` is one scenario, played by the shipped machines over a disk that loses unsynced writes.
//! What is printed must be what is written there, to the letter. `ASSENT_REWRITE=1 cargo test --release
//! -p assent-protocol --test transcripts` writes what happens now into the files: read the difference before you keep it.
//! The notation is explained in `docs/testing.md`.

#[path = "transcripts/mail.rs"]
mod mail;
#[path = "transcripts/notation.rs"]
mod notation;
#[path = "transcripts/script.rs"]
mod script;
#[path = "transcripts/stage.rs"]
mod stage;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let entries = fs::read_dir(&folder).expect("the folder of transcripts is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files
}

/// The first line in which two texts differ.
fn difference(file: &Path, written: &str, played: &str) -> String {
    let mut lines =
        (1..).zip(played.lines().map(Some).chain([None]).zip(written.lines().map(Some).chain([None])));
    let (number, (now, then)) =
        lines.find(|(_, (now, then))| now != then).unwrap_or((written.lines().count(), (None, None)));
    let show = |line: Option<&str>| line.unwrap_or("    (the end)").to_string();
    format!("{}:{number}\n  written: {}\n  played:  {}\n", file.display(), show(then), show(now))
}

#[test]
fn every_scenario_plays_as_it_is_written() {
    let rewrite = std::env::var_os("ASSENT_REWRITE").is_some();
    let files = scenarios();
    assert!(files.len() >= 20, "the scenarios are here: {files:?}");
    let mut wrong = String::new();
    for file in files {
        let written = fs::read_to_string(&file).expect("a readable transcript");
        let opening: String = written.lines().take_while(|line| line.starts_with('#')).collect();
        let names_a_rule = (1..=12).any(|rule| opening.contains(&format!("R{rule}")))
            || (1..=7).any(|rule| opening.contains(&format!("M{rule}")));
        assert!(names_a_rule, "{} opens with sentences that name its rules", file.display());
        match script::play(&written) {
            Err(error) => writeln!(wrong, "{}:{error}", file.display()).expect("a string takes all"),
            Ok(played) if played == written => {}
            Ok(played) if rewrite => fs::write(&file, played).expect("a writable transcript"),
            Ok(played) => wrong += &difference(&file, &written, &played),
        }
    }
    assert!(wrong.is_empty(), "transcripts differ (ASSENT_REWRITE=1 rewrites them):\n{wrong}");
}
