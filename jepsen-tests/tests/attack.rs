//! Real clusters under a nemesis: that runs find nothing wrong, and that nothing of them is left on this machine.
//!
//! In network namespaces where this machine allows them, else on loopback; the program is built if it is not there.
//! `ASSENT_NEMESIS=kill,partitions ASSENT_SECONDS=30 cargo test --release -p assent-lab --test attack -- --ignored
//! --nocapture` tries some faults, or each by itself.

#[path = "attack/appends.rs"]
mod appends;
#[path = "attack/forgetful.rs"]
mod forgetful;
#[path = "attack/machine.rs"]
mod machine;

use appends::{Appends, Panics};
use assent_lab::{
    attack::{
        AttackError, AttackOptions, Kind, Network, Schedule, account, attack,
        campaign::{self, Campaign, Settings, TABLE},
        plan,
    },
    history::{Event, History, Kind as Line, Process},
    run::Run,
    verdict::Finding,
    workload::Workload,
    workloads::{self, WorkloadOptions},
};
use forgetful::Forgetful;
use rustix::process::{Pid, Signal};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// With it, messages have consumers of each kind, and keep their order.
const SEED_OF_ALL_MAILBOXES: u64 = 40;

fn options(folder: &Path, seed: u64, nemeses: &str) -> AttackOptions {
    machine::build();
    let mut options = AttackOptions::new(folder, seed);
    options.nemeses = Kind::list(nemeses).expect("known kinds");
    options
}

fn assert_all_holds(run: &Run) {
    let wrong: Vec<_> = run.verdicts.iter().filter(|verdict| verdict.finding != Finding::Holds).collect();
    assert!(wrong.is_empty(), "seed {}: {wrong:#?}", run.seed);
}

#[test]
fn kills_and_partitions_break_nothing_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = options(folder.path(), 11, "kill,partitions");
    options.duration = Duration::from_secs(12);
    let run = attack(&options, Box::new(Appends::default())).expect("it can be attacked");
    assert_all_holds(&run);
    assert!(run.faults.iter().any(|fault| fault.kind == "kill"));
    assert!(run.faults.iter().any(|fault| fault.kind.starts_with("partition")));
    assert!(run.faults.iter().all(|fault| fault.to_ns.is_some_and(|to_ns| to_ns > fault.from_ns)));
    // What was planned is what the same options plan again.
    let text = fs::read_to_string(folder.path().join("schedule.json")).expect("it is written");
    let written: Schedule = serde_json::from_str(&text).expect("it can be read");
    assert_eq!(written, plan(&options));
    let history = History::load(&folder.path().join("history.ndjson")).expect("it keeps the rules");
    assert!(history.operations().len() > 50, "{} operations", history.operations().len());
    assert!(history.events.iter().any(|event| event.process == Process::Nemesis));
    assert!(History::load(&folder.path().join("history.edn")).is_ok_and(|same| same == history));
    for node in &run.nodes {
        let log =
            fs::read_to_string(folder.path().join(format!("nodes/{node}.log"))).expect("each node has a log");
        assert!(log.contains("ready"), "{log}");
        let metrics = fs::read_to_string(folder.path().join(format!("nodes/{node}.metrics.txt")));
        assert!(metrics.expect("each node has figures").contains("assent_"));
    }
    machine::assert_nothing_left(folder.path());
}

#[test]
fn on_loopback_the_relay_makes_the_partitions() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = options(folder.path(), 5, "network");
    options.network = Network::Loopback;
    options.duration = Duration::from_secs(8);
    let run = attack(&options, Box::new(Appends::default())).expect("it can be attacked");
    assert_all_holds(&run);
    assert!(!run.faults.is_empty() && run.notes.iter().any(|note| note.contains("relay")));
    machine::assert_nothing_left(folder.path());
}

#[test]
fn messages_are_lost_or_done_twice_under_no_fault_and_all_come_to_their_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = options(folder.path(), SEED_OF_ALL_MAILBOXES, "kill,stop,partitions");
    options.duration = Duration::from_secs(15);
    let messages = || workloads::by_name("messages", &WorkloadOptions::default()).expect("it is there");
    let (run, history) = account(&options, messages()).expect("it can be attacked");
    assert_all_holds(&run);
    let judged: Vec<&str> = run.verdicts.iter().map(|verdict| verdict.checker.as_str()).collect();
    assert!(judged.contains(&"no message is left") && judged.contains(&"messages"), "{judged:?}");
    assert!(!run.faults.is_empty());
    // All ways of finishing were there, and something was done in each.
    let done = |f: &str, mailbox: &str| {
        let of = |event: &&Event| event.f == f && event.kind == Line::Ok;
        history.events.iter().filter(of).any(|event| format!("{:?}", event.value).contains(mailbox))
    };
    for (f, mailbox) in
        [("process", "work"), ("process", "second"), ("acknowledge", "plain"), ("process", "receipt")]
    {
        assert!(done(f, mailbox), "no {f} in {mailbox}");
    }
    // Read later, by one who knows nothing of the run, the history says the same.
    for name in ["history.ndjson", "history.edn"] {
        let read = History::load(&folder.path().join(name)).expect("it keeps the rules");
        assert_eq!(read, history, "{name}");
        let verdict = messages().check(&read).remove(0);
        assert_eq!(Some(&verdict), run.verdicts.iter().find(|one| one.checker == "messages"));
    }
    machine::assert_nothing_left(folder.path());
}

#[test]
fn a_consumer_that_finishes_messages_without_their_effects_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = options(folder.path(), SEED_OF_ALL_MAILBOXES, "none");
    options.duration = Duration::from_secs(4);
    let run = attack(&options, Box::<Forgetful>::default()).expect("it can be attacked");
    let verdict = run.verdicts.iter().find(|one| one.checker == "messages").expect("messages are judged");
    assert_eq!(verdict.finding, Finding::Violated, "{verdict:#?}");
    assert!(verdict.anomalies.iter().any(|anomaly| anomaly.class == "lost"), "{verdict:#?}");
}

#[test]
fn after_so_many_operations_it_ends_and_its_folder_has_all_that_a_run_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = options(folder.path(), 6, "kill");
    options.operations = Some(200);
    options.duration = Duration::from_secs(600);
    let (run, history) = account(&options, Box::new(Appends::default())).expect("it can be attacked");
    assert_all_holds(&run);
    // The last read of all comes after them.
    assert_eq!(history.operations().len(), 201);
    assert!(run.replay.contains("--operations 200") && run.replay.contains("--clients 2"), "{}", run.replay);
    assert_eq!(Run::load(folder.path()).expect("it is written"), run);
    assert_eq!(Run::load_history(folder.path()).expect("it is written"), history);
    assert!(folder.path().join("report.html").is_file() && folder.path().join("history.edn").is_file());
}

#[test]
fn a_campaign_makes_each_attack_once_and_tells_all_in_its_table() {
    machine::build();
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { seconds: 2, ..Settings::default() };
    let open = |settings: &Settings| Campaign::open(folder.path(), settings.clone(), None);
    let planned =
        campaign::plan(&settings).into_iter().find(|one| one.is_called("kill")).expect("there is one");
    let campaign = open(&settings).expect("the folder is empty");
    assert!(campaign.made(&planned).expect("nothing is wrong").is_none());
    let made = campaign.make(&planned).expect("the campaign can go on");
    assert_eq!(made.finding(), Some(Finding::Holds), "{made:?}");
    assert!(folder.path().join(&made.folder).join("report.html").is_file());
    // Again, as after an interruption: what has ended is known.
    let campaign = open(&settings).expect("the settings are the same");
    assert_eq!(campaign.made(&planned).expect("it can be read"), Some(made.clone()));
    assert_eq!(campaign.write_table().expect("it can be written"), [made]);
    let table = fs::read_to_string(folder.path().join(TABLE)).expect("it is written");
    assert!(table.contains("| kill | bank | 2 |") && table.contains("| holds |\n"), "{table}");
    let other = open(&Settings { seconds: 3, ..settings }).expect_err("it would mix two campaigns");
    assert!(other.to_string().contains("other settings"), "{other}");
    machine::assert_nothing_left(folder.path());
}

#[test]
fn after_a_panic_in_the_middle_nothing_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = options(folder.path(), 3, "kill,stop,partitions");
    let workload = Panics { inner: Appends::default(), left: 300 };
    let panicked = std::panic::catch_unwind(|| attack(&options, Box::new(workload)));
    assert!(panicked.is_err());
    machine::assert_nothing_left(folder.path());
}

#[test]
fn a_program_that_is_not_there_is_named_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = AttackOptions::new(folder.path().join("run"), 1);
    options.binary = Some(folder.path().join("nothing"));
    let error = attack(&options, Box::new(Appends::default())).expect_err("there is no program");
    assert!(matches!(&error, AttackError::Missing { .. }));
    assert!(error.to_string().contains("nothing") && error.to_string().contains("cargo build"), "{error}");
    assert!(!folder.path().join("run").exists());
}

/// For [`child`]: the folder of its run.
const CHILD_FOLDER: &str = "ASSENT_TEST_CHILD_FOLDER";

/// A run in a process of its own, to be ended by signals.
#[test]
#[ignore = "started by other tests"]
fn child() {
    let folder = std::env::var(CHILD_FOLDER).expect("the folder is named");
    let mut options = options(Path::new(&folder), 9, "kill,stop,partitions,disk-full");
    options.duration = Duration::from_secs(600);
    let ended = attack(&options, Box::new(Appends::default()));
    assert!(matches!(ended, Err(AttackError::Interrupted)), "{ended:?}");
}

/// Starts [`child`] and waits until its clients are at work.
fn start_child(folder: &Path) -> std::process::Child {
    machine::build();
    let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
    command.args(["--ignored", "--exact", "child"]).env(CHILD_FOLDER, folder);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    while !folder.join("schedule.json").exists() {
        assert!(child.try_wait().expect("it is ours").is_none(), "the run has ended early");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(2));
    child
}

fn signal(child: &std::process::Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("it runs");
}

#[test]
fn asked_to_end_a_run_removes_everything() {
    for asked in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = start_child(folder.path());
        signal(&child, asked);
        assert!(child.wait().expect("it is ours").success(), "the run did not say that it was interrupted");
        machine::assert_nothing_left_of(child.id(), folder.path());
    }
}

#[test]
fn what_a_killed_run_has_left_the_next_one_removes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = start_child(folder.path());
    signal(&child, Signal::KILL);
    child.wait().expect("it is ours");
    let next = tempfile::tempdir().expect("a folder");
    let mut options = options(next.path(), 1, "none");
    options.duration = Duration::from_secs(1);
    let run = attack(&options, Box::new(Appends::default())).expect("it can be attacked");
    assert_all_holds(&run);
    machine::assert_nothing_left_of(child.id(), folder.path());
    machine::assert_nothing_left(next.path());
}

/// That of `ASSENT_WORKLOAD`, or lists.
fn workload() -> Box<dyn Workload> {
    let name = std::env::var("ASSENT_WORKLOAD").unwrap_or_else(|_| "list_append".to_owned());
    workloads::by_name(&name, &WorkloadOptions::default()).expect("a known workload")
}

/// Each kind by itself, or those of `ASSENT_NEMESIS` together.
#[test]
#[ignore = "minutes long"]
fn every_nemesis_finds_nothing() {
    let variable = |name: &str| std::env::var(name).ok();
    let number = |name: &str, default: u64| {
        variable(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let kinds = match variable("ASSENT_NEMESIS") {
        Some(kinds) => vec![kinds],
        None => Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
    };
    let mut wrong = Vec::new();
    for kinds in kinds {
        let folder = tempfile::Builder::new().prefix("assent-attack-").tempdir().expect("a folder");
        let mut options = options(folder.path(), number("ASSENT_SEED", 1), &kinds);
        options.duration = Duration::from_secs(number("ASSENT_SECONDS", 20));
        let run = match attack(&options, workload()) {
            Ok(run) => run,
            Err(error) => {
                println!("{kinds}: {error}; kept in {}", folder.keep().display());
                wrong.push(kinds);
                continue;
            }
        };
        println!("== {kinds}: {} faults in {:.1} s; {}", run.faults.len(), run.seconds, run.notes.join("; "));
        for verdict in &run.verdicts {
            println!("   {:?} {}: {}", verdict.finding, verdict.checker, verdict.summary);
            for anomaly in verdict.anomalies.iter().take(5) {
                println!("      {}: {}", anomaly.class, anomaly.words);
            }
        }
        if run.verdicts.iter().any(|verdict| verdict.finding >= Finding::Undecided) {
            println!("   kept in {}", folder.keep().display());
            wrong.push(kinds);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
