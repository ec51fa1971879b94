//! The program as it is used: what it prints, and how it ends.

mod synthetic;

use assent_lab::{history::History, run::Run};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// How a run of the program ended.
struct Ran {
    status: i32,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn ends_with(self, status: i32) -> Ran {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Asserts that the error says why and what to do, and that nothing else was printed.
    #[track_caller]
    fn explains_itself(self) -> Ran {
        for part in ["assent-lab: ", "cause:", "remedy:"] {
            assert!(self.err.contains(part), "{part:?} is not in:\n{}", self.err);
        }
        assert_eq!(self.out, "");
        self
    }

    #[track_caller]
    fn says(self, words: &str) -> Ran {
        assert!(
            self.out.contains(words) || self.err.contains(words),
            "{words:?}:\n{}\n{}",
            self.out,
            self.err
        );
        self
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

fn lab<'a>(args: impl IntoIterator<Item = &'a str>) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assent-lab"));
    let output = command.args(args).stdin(Stdio::null()).output().expect("the program can be started");
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

fn file(dir: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("it can be written");
    path
}

/// A history that came with the checkers.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories").join(name)
}

/// The folder of a run that was never run.
fn synthetic_run(dir: &TempDir, change: impl FnOnce(&mut Run)) -> PathBuf {
    let history = synthetic::history(200);
    let mut run = synthetic::run(&history);
    change(&mut run);
    let folder = dir.path().join("run");
    run.save(&folder, &history).expect("it can be written");
    folder
}

#[test]
fn help_tells_commands_and_statuses() {
    let ran = lab(["--help"]).ends_with(0);
    for word in
        ["simulate", "model", "attack", "campaign", "check", "replay", "report", "Exit statuses", "undecided"]
    {
        assert!(ran.out.contains(word), "{word} is missing:\n{}", ran.out);
    }
    lab([]).ends_with(2).says("Usage");
    lab(["guess"]).ends_with(2).says("unrecognized");
}

#[test]
fn a_clean_history_holds() {
    let path = example("list_append_holds.edn");
    lab(["check", text(&path)]).ends_with(0).says("holds").says("list-append");
    let judged = lab(["check", text(&path), "--json"]).ends_with(0).json();
    assert_eq!(judged["status"], "holds");
    assert_eq!(judged["verdicts"][0]["checker"], "list-append");
}

#[test]
fn an_anomaly_is_violated_and_named() {
    let path = example("list_append_g1a.edn");
    lab(["check", text(&path), "--checker", "list-append"])
        .ends_with(1)
        .says("VIOLATED")
        .says("lines of index");
    let judged = lab(["check", text(&path), "--json"]).ends_with(1).json();
    let anomalies = judged["verdicts"][0]["anomalies"].as_array().expect("a list").clone();
    assert!(!anomalies.is_empty());
}

#[test]
fn what_a_checker_cannot_judge_is_unknown() {
    lab(["check", text(&example("list_append_holds.edn")), "--checker", "bank"]).ends_with(5).says("unknown");
}

#[test]
fn a_history_is_known_by_its_content_whatever_its_name() {
    let dir = temporary();
    let edn = std::fs::read_to_string(example("list_append_holds.edn")).expect("it is there");
    lab(["check", text(&file(&dir, "history.txt", &edn))]).ends_with(0);
    let ndjson = dir.path().join("history.ndjson");
    History::load(&example("list_append_holds.edn"))
        .expect("it is one")
        .save(&ndjson)
        .expect("it can be written");
    let plain = dir.path().join("history");
    std::fs::rename(&ndjson, &plain).expect("it can be renamed");
    lab(["check", text(&plain)]).ends_with(0);
}

#[test]
fn input_that_is_no_history_is_explained() {
    let dir = temporary();
    let twice = r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"read","value":null}
{"index":1,"time":1,"process":0,"type":"invoke","f":"read","value":null}
"#;
    for content in
        ["", "  \n", "hello\n", "{\"index\":0}\n", "{:index 0}\n", "\u{0}\u{1}\u{2}", "[1 2 3]", twice]
    {
        let path = file(&dir, "history.ndjson", content);
        lab(["check", text(&path)]).ends_with(2).explains_itself();
    }
    std::fs::write(dir.path().join("bytes"), [0xff, 0xfe, b'{', b':']).expect("it can be written");
    lab(["check", text(&dir.path().join("bytes"))]).ends_with(2).explains_itself();
    lab(["check", "/nowhere/at/all"]).ends_with(2).explains_itself();
    let said = lab(["check", "/nowhere/at/all", "--json"]).ends_with(2);
    let error: serde_json::Value = serde_json::from_str(&said.err).expect("one line of JSON");
    assert_eq!((error["kind"].as_str(), error["status"].as_u64()), (Some("usage"), Some(2)));
}

#[test]
fn a_report_is_drawn_again() {
    let dir = temporary();
    let folder = synthetic_run(&dir, |_| {});
    let report = folder.join("report.html");
    std::fs::remove_file(&report).expect("it was there");
    lab(["report", text(&folder)]).ends_with(0).says("report.html");
    assert!(std::fs::read_to_string(&report).expect("it is there again").contains("Timeline"));
    let drawn = lab(["report", text(&folder), "--json"]).ends_with(0).json();
    assert_eq!(drawn["anomalies"], 2);
}

#[test]
fn a_folder_without_a_whole_run_is_explained() {
    let dir = temporary();
    lab(["report", text(dir.path())]).ends_with(2).explains_itself().says("run.json");
    lab(["replay", text(dir.path())]).ends_with(2).explains_itself();
    file(&dir, "run.json", "{\"seed\": 1");
    lab(["report", text(dir.path())]).ends_with(2).explains_itself();
}

#[test]
fn only_commands_of_this_program_are_replayed() {
    let strange = [
        "",
        "rm -rf /",
        "assent-lab",
        "assent-lab report x",
        "assent-lab simulate --seed x",
        "assent-lab \"simulate",
    ];
    for command in strange {
        let dir = temporary();
        let folder = synthetic_run(&dir, |run| run.replay = command.to_owned());
        lab(["replay", text(&folder)]).ends_with(2).explains_itself();
    }
}

#[test]
fn a_simulated_seed_leaves_a_run_that_can_be_replayed_judged_and_drawn() {
    let dir = temporary();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let judged =
        lab(["simulate", "--seed", "3", "--workload", "bank", "--out", text(&first), "--json"]).ends_with(0);
    assert_eq!(judged.json()["status"], "holds");
    for name in ["run.json", "history.ndjson", "history.edn", "report.html", "trace.txt"] {
        assert!(first.join(name).is_file(), "{name} is missing");
    }
    lab(["check", text(&first)]).ends_with(0).says("bank");
    lab(["replay", text(&first), "--print"])
        .ends_with(0)
        .says("assent-lab simulate --workload bank --seed 3");
    lab(["replay", text(&first), "--out", text(&second)]).ends_with(0);
    for name in ["run.json", "history.ndjson", "history.edn", "report.html", "trace.txt"] {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(name)).expect("it is there");
        assert!(read(&first) == read(&second), "{name} differs between two runs of one seed");
    }
}

#[test]
fn many_seeds_hold() {
    let told = lab(["simulate", "--seeds", "20", "--json"]).ends_with(0).json();
    assert_eq!((told["status"].as_str(), told["seeds"].as_u64()), (Some("holds"), Some(20)));
    lab(["simulate", "--seeds", "5..8", "--threads", "1", "--options", "calm"]).ends_with(0).says("3 seeds");
}

#[test]
fn the_smallest_searches_hold() {
    let told =
        lab(["model", "--only", "1 participant, it crashes", "--threads", "1", "--json"]).ends_with(0).json();
    assert_eq!((told["status"].as_str(), told["exhausted"].as_bool()), (Some("holds"), Some(true)));
    lab(["model", "--list", "--deep"]).ends_with(0).says("2 participants, no fault");
    lab(["model", "--only", "a meteor strikes"]).ends_with(2).explains_itself();
}

#[test]
fn the_history_of_every_workload_can_be_judged() {
    for workload in ["bank", "exactly_once", "linear", "list_append", "register", "registrar", "mixed"] {
        let ran = lab(["simulate", "--workload", workload, "--seeds", "5", "--json"]).ends_with(0);
        assert!(ran.json()["failure"].is_null(), "{workload}");
    }
}

#[test]
fn what_cannot_be_run_is_explained() {
    lab(["simulate", "--workload", "tennis"]).ends_with(2).explains_itself().says("list_append");
    lab(["simulate", "--options", "crashes"]).ends_with(2).explains_itself();
    lab(["simulate", "--options", "crashes=many"]).ends_with(2).explains_itself();
    lab(["simulate", "--options", "meteors=1"]).ends_with(2).explains_itself().says("crashes");
    for seeds in ["0", "9..5", "some", "-3"] {
        lab(["simulate", "--seeds", seeds]).ends_with(2);
    }
    lab(["simulate", "--seed", "1", "--seeds", "5"]).ends_with(2);
    let dir = temporary();
    let plain = file(&dir, "plain", "");
    lab(["simulate", "--seed", "1", "--out", text(&plain.join("below"))]).ends_with(4).explains_itself();
}

#[test]
fn an_attack_that_cannot_be_made_is_explained() {
    let dir = temporary();
    let out = dir.path().join("run");
    let attack =
        |more: &[&'static str]| lab(["attack", "--out", text(&out)].into_iter().chain(more.iter().copied()));
    attack(&["--nemesis", "meteor"]).ends_with(2).explains_itself().says("partitions");
    attack(&["--processes", "0"]).ends_with(2).explains_itself();
    attack(&["--workload", "tennis"]).ends_with(2).explains_itself();
    attack(&["--binary", "/nowhere/assent", "--nemesis", "none"])
        .ends_with(4)
        .explains_itself()
        .says("/nowhere/assent");
    let folder = synthetic_run(&dir, |_| {});
    lab(["attack", "--out", text(&folder)]).ends_with(2).explains_itself().says("holds a run already");
}

#[test]
fn a_campaign_tells_what_could_not_be_made_and_tries_it_again() {
    let dir = temporary();
    let out = dir.path().join("campaign");
    let campaign = |more: &[&'static str]| {
        lab(["campaign", "--out", text(&out), "--binary", "/nowhere/assent"]
            .into_iter()
            .chain(more.iter().copied()))
    };
    campaign(&["--list"])
        .ends_with(0)
        .says("alone-kill-bank")
        .says("together-registrar")
        .says("long-list_append")
        .says("messages-mixed");
    assert!(!out.exists(), "a list makes nothing");
    campaign(&["--only", "meteor"]).ends_with(2).explains_itself();
    campaign(&["--processes", "0"]).ends_with(2).explains_itself();
    for _ in 0..2 {
        // All are tried, though the first can't be made, and again the second time.
        campaign(&["--only", "stop,long"])
            .ends_with(4)
            .says("alone-stop-linear: not made: assent is missing")
            .says("long-list_append: not made")
            .says("messages-stop: not made");
    }
    let table = std::fs::read_to_string(out.join("table.md")).expect("it is written");
    assert_eq!(table.matches("not made: assent is missing").count(), 3, "{table}");
    campaign(&["--seconds", "5"]).ends_with(2).explains_itself().says("other settings");
}

/// A rule that is broken shows: found, made smaller, told, left in a folder, and replayed.
#[cfg(feature = "canaries")]
#[test]
fn a_broken_rule_is_found_and_told() {
    let dir = temporary();
    let folder = dir.path().join("run");
    let args = ["simulate", "--canary", "no-not-kept", "--out", text(&folder), "--json"];
    let told = lab(args).ends_with(1).json();
    assert_eq!(told["status"], "violated");
    let replay = told["failure"]["replay"].as_str().expect("a command").to_owned();
    assert!(replay.contains("--canary no-not-kept") && replay.contains("--seed"), "{replay}");
    lab(["replay", text(&folder)]).ends_with(1).says("VIOLATED");
    let report = std::fs::read_to_string(folder.join("report.html")).expect("it is there");
    assert!(report.contains("violated after") && report.contains("id=\"A1\""));
    lab(["canaries", "--only", "no-not-kept"]).ends_with(0).says("noticed");
    lab(["canaries", "--only", "coal-mine"]).ends_with(2).explains_itself();
}
