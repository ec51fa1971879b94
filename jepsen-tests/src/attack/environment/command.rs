//! Programs of the system, run to their end.

use crate::attack::error::AttackError;
use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

/// Runs a program and gives what it wrote; an error says what it complained of.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, AttackError> {
    run_with(program, arguments, "")
}

/// The same, with a text for it to read.
pub(crate) fn run_with(program: &str, arguments: &[&str], input: &str) -> Result<String, AttackError> {
    let failed =
        |why: String| AttackError::Command { command: format!("{program} {}", arguments.join(" ")), why };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    // One that reads nothing may be gone already: what it makes of that, its status says.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())))
}

/// Where a program is, if it is on the path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    // Root's programs are not on everyone's path.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
