//! Runs the program as a user does, against clusters of real processes below a temporary directory.
//!
//! Not a test itself. Not every test file uses every helper.
#![allow(dead_code)]

use serde_json::Value;
use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit status.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Ran {
    fn new(output: Output) -> Ran {
        Ran {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts the exit status, and shows everything if it is another.
    #[track_caller]
    pub(crate) fn ends_with(self, status: i32) -> Ran {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Asserts that the error names something.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Ran {
        assert!(self.err.contains(words), "{words:?} is not in:\n{}", self.err);
        self
    }

    /// Asserts that the error says what, why and what to do.
    #[track_caller]
    pub(crate) fn explains_itself(self) -> Ran {
        self.says("cause:").says("remedy:")
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    /// Standard output as one JSON value per line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }
}

/// The program, with no settings of the caller's environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assent"));
    for variable in ["ASSENT_CLUSTER", "ASSENT_CERTIFICATE", "ASSENT_KEY", "ASSENT_AUTHORITY", "ASSENT_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// Runs the program.
pub(crate) fn assent<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    Ran::new(program().args(args).stdin(Stdio::null()).output().expect("the program can be started"))
}

/// A cluster that is stopped when the test ends, however it ends.
pub(crate) struct Cluster {
    dir: TempDir,
}

impl Cluster {
    /// Starts one: 2 coordinators, 2 participants for students, 1 for courses.
    pub(crate) fn up() -> Cluster {
        let cluster = Cluster { dir: tempfile::tempdir().expect("a temporary directory") };
        assent(["cluster", "up", "--dir", cluster.dir_text()]).ends_with(0);
        cluster
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where it is, as an argument.
    pub(crate) fn dir_text(&self) -> &str {
        self.dir.path().to_str().expect("temporary directories have plain names")
    }

    /// The cluster file.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir().join("cluster.toml")
    }

    /// A command against this cluster.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = program();
        command.env("ASSENT_CLUSTER", self.file()).args(args).stdin(Stdio::null());
        command
    }

    /// Runs a command against this cluster.
    pub(crate) fn assent<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        Ran::new(self.command(args).output().expect("the program can be started"))
    }

    /// Runs a command against this cluster with something on standard input.
    pub(crate) fn assent_with<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: &str) -> Ran {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut stdin = child.stdin.take().expect("it was piped");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("it ends");
        // A program that has seen enough closes its input.
        let _ = writer.join();
        Ran::new(output)
    }

    /// Runs transactions, one per line.
    pub(crate) fn transact(&self, lines: &str) -> Ran {
        self.assent_with(["transact"], lines)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let ran = assent(["cluster", "down", "--dir", self.dir_text()]);
        if ran.status != 0 && !std::thread::panicking() {
            panic!("the cluster could not be stopped: {ran:?}");
        }
    }
}

/// Writes a file into a directory, and returns its path.
pub(crate) fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).expect("the directory is writable");
    path
}

/// A file of `tests/data`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}
