//! Where the program under attack is.

use crate::attack::{error::AttackError, options::AttackOptions};
use std::path::{Path, PathBuf};

/// The `assent` program, as options, environment and the place of this program say.
pub(crate) fn assent(options: &AttackOptions) -> Result<PathBuf, AttackError> {
    find(options.binary.as_deref(), "ASSENT_BINARY", "assent", "cargo build --release -p assent")
}

/// A file that is named, or lies beside the running program, or one folder above it (where Cargo puts programs when this
/// is a test).
pub(super) fn find(
    named: Option<&Path>,
    variable: &str,
    name: &str,
    command: &str,
) -> Result<PathBuf, AttackError> {
    let missing = |why: String| AttackError::Missing {
        what: name.to_owned(),
        why,
        remedy: format!("build it with `{command}`, or name it with ${variable}"),
    };
    let from_variable = std::env::var_os(variable).map(PathBuf::from);
    if let Some(path) = named.map(Path::to_owned).or(from_variable) {
        let absolute = std::path::absolute(&path).unwrap_or(path);
        return if absolute.is_file() {
            Ok(absolute)
        } else {
            Err(missing(format!("{} is no file", absolute.display())))
        };
    }
    let own = std::env::current_exe().map_err(|error| missing(error.to_string()))?;
    let folders = own.ancestors().skip(1).take(2);
    let candidates: Vec<PathBuf> = folders.map(|folder| folder.join(name)).collect();
    let found = candidates.iter().find(|path| path.is_file()).cloned();
    found.ok_or_else(|| {
        let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        missing(format!("neither of {} is there", looked.join(", ")))
    })
}
