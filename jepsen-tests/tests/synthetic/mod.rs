//! A run that was never run: thousands of operations, several faults, and an anomaly, for the tests of what people see.
//!
//! Not a test itself, and no model of a cluster: only its shape is that of a real run.
#![allow(dead_code)]

use assent_lab::{
    history::{Event, History, Kind, Process, Value},
    random::Random,
    run::{Fault, Run},
    verdict::{Anomaly, Finding, Table, Verdict},
};
use std::collections::BTreeMap;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// A line that is not yet in its place.
type Line = (u64, u64, Kind, Value, Option<&'static str>);

fn append(key: i64, value: i64) -> Value {
    let op =
        |word: &str, rest: Value| Value::Vector(vec![Value::Keyword(word.into()), Value::Int(key), rest]);
    Value::Vector(vec![op("r", Value::Nil), op("append", Value::Int(value))])
}

fn done(key: i64, value: i64) -> Value {
    let read = Value::Vector((value - 3..value).map(Value::Int).collect());
    let op =
        |word: &str, rest: Value| Value::Vector(vec![Value::Keyword(word.into()), Value::Int(key), rest]);
    Value::Vector(vec![op("r", read), op("append", Value::Int(value))])
}

/// The faults of [`history`].
pub(crate) fn faults() -> Vec<Fault> {
    let fault = |kind: &str, targets: &[&str], from: u64, to: Option<u64>, detail: &str| Fault {
        kind: kind.into(),
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        from_ns: from * MS,
        to_ns: to.map(|to| to * MS),
        detail: detail.into(),
    };
    vec![
        fault("kill", &["coordinator-1"], 6_000, Some(9_500), "SIGKILL, restarted after 3.5 s"),
        fault("cut", &["students-1 -> courses-1"], 14_000, Some(21_000), "one direction"),
        fault("cut", &["coordinator-2 -> students-2"], 16_000, Some(19_000), "one direction"),
        fault("pause", &["courses-1"], 26_000, Some(27_200), "SIGSTOP"),
        fault("kill", &["students-2"], 33_000, Some(36_000), "SIGKILL"),
        fault("clock", &["students-1"], 40_000, Some(48_000), "+30 s"),
        fault("disk-full", &["courses-1"], 44_000, Some(46_500), "reserve left"),
        fault("kill", &["coordinator-2"], 55_000, None, "for good"),
    ]
}

/// About `operations` operations of 16 clients in a minute.
pub(crate) fn history(operations: usize) -> History {
    let (faults, mut random) = (faults(), Random::new(7));
    let per_client = operations.div_ceil(16) as u64;
    let mut lines: Vec<Line> = Vec::new();
    let mut next_process = 16;
    for client in 0..16 {
        let (mut process, mut now) = (client, random.below(MS));
        while now < 60 * SECOND {
            let hurt = faults.iter().any(|fault| {
                fault.from_ns <= now && fault.to_ns.is_none_or(|to| now < to) && fault.kind != "clock"
            });
            let slow = if hurt { 4 + random.below(40) } else { 1 };
            let base = 60 * SECOND / per_client / 2;
            let latency = (base / 2 + random.below(base)) * slow / 3 + random.below(3) * random.below(3) * MS;
            let (key, value) = (random.below(20) as i64, lines.len() as i64);
            lines.push((now, process, Kind::Invoke, append(key, value), None));
            let chance = random.below(1000);
            let end = now + latency;
            if hurt && chance < 12 {
                lines.push((now + 2 * SECOND, process, Kind::Info, append(key, value), Some("deadline")));
                process = next_process;
                next_process += 1;
                now += 2 * SECOND + MS;
                continue;
            }
            let failed = chance < if hurt { 150 } else { 20 };
            if failed {
                lines.push((end, process, Kind::Fail, append(key, value), Some("conflict")));
            } else {
                lines.push((end, process, Kind::Ok, done(key, value), None));
            }
            now = end + base / 3 + random.below(base);
        }
    }
    lines.sort_by_key(|line| line.0);
    let event = |(index, (time_ns, process, kind, value, error)): (usize, Line)| Event {
        index: index as u64,
        time_ns,
        process: Process::Client(process),
        kind,
        f: "txn".into(),
        value,
        error: error.map(str::to_owned),
        txn: Some(format!("lab-{process}:7350215421067264001:{index}")),
    };
    History { events: lines.into_iter().enumerate().map(event).collect() }
}

/// The account of [`history`], with a verdict of each finding.
pub(crate) fn run(history: &History) -> Run {
    let oks: Vec<u64> = history.events.iter().filter(|e| e.kind == Kind::Ok).map(|e| e.index).collect();
    let middle = oks.len() / 2;
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Run {
        instrument: "attack".into(),
        workload: "append".into(),
        nemeses: ["kill", "cut", "pause", "clock", "disk-full"].map(str::to_owned).to_vec(),
        seed: 17,
        options: BTreeMap::from([option("processes", "16"), option("seconds", "60"), option("deadline", "2 s")]),
        started: "2026-03-14T09:26:53Z".into(),
        seconds: 63.2,
        nodes: ["coordinator-1", "coordinator-2", "students-1", "students-2", "courses-1"].map(str::to_owned).to_vec(),
        faults: faults(),
        verdicts: vec![
            Verdict {
                checker: "strict-serializability".into(),
                finding: Finding::Violated,
                summary: format!("{} transactions on 20 keys judged: 2 anomalies", oks.len()),
                anomalies: vec![
                    Anomaly {
                        class: "G-single".into(),
                        words: "T1 read key 4 before T2's append to it, and T2 had ended before T1 began.\nSo T1 must have come after T2 in real time, but before it by what it read.".into(),
                        events: oks[middle..middle + 3].to_vec(),
                    },
                    Anomaly {
                        class: "lost append".into(),
                        words: "The append of 812 to key 9 was acknowledged and is in no later read.".into(),
                        events: vec![oks[middle / 2], oks[middle / 2 + 40]],
                    },
                ],
                tables: vec![],
            },
            Verdict {
                checker: "decided".into(),
                finding: Finding::Holds,
                summary: "all 20,014 transactions were decided within 10 s after the last fault".into(),
                anomalies: vec![],
                tables: vec![Table {
                    title: "Undecided after the faults".into(),
                    columns: vec!["node".into(), "in doubt".into(), "longest (ms)".into()],
                    rows: vec![
                        vec!["students-1".into(), "3".into(), "412".into()],
                        vec!["courses-1".into(), "5".into(), "1,204".into()],
                    ],
                }],
            },
            Verdict {
                checker: "register".into(),
                finding: Finding::Unknown,
                summary: "the search was given up after 30 s at 1,000,000 states".into(),
                anomalies: vec![],
                tables: vec![],
            },
        ],
        replay: "assent-lab attack --workload append --nemesis kill,cut,pause,clock,disk-full --seed 17 --seconds 60 --processes 16".into(),
        notes: vec!["The clock of students-1 was moved through a library, and not for its whole machine.".into()],
    }
}
