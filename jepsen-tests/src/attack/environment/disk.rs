//! A file system of its own for a node's database, whose size can be changed while the node runs.
//!
//! It is a tmpfs: what is written is in memory, and is kept as long as it is mounted, also when the node is killed. So
//! syncs are for nothing here; that they are done is the business of other faults.

use super::{
    command,
    ledger::{Entry, Ledger},
};
use crate::attack::error::{AttackError, file};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Room on a disk that is not full: well above the reserve below which a participant takes no new work (512 MiB).
const SIZE_BYTES: u64 = 2 << 30;

/// A mounted file system.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts one on a new folder.
    pub(crate) fn mount(path: &Path, ledger: &Ledger) -> Result<Disk, AttackError> {
        fs::create_dir_all(path).map_err(file("make", path))?;
        ledger.enter(Entry::Mount(path.to_owned()))?;
        let options = format!("size={SIZE_BYTES},mode=0700");
        command::run("mount", &["-t", "tmpfs", "-o", &options, "assent-lab", &path.display().to_string()])?;
        Ok(Disk { path: path.to_owned() })
    }

    /// Leaves so many bytes free.
    pub(crate) fn leave_free(&self, free_bytes: u64) -> Result<(), AttackError> {
        // What is in use may grow between the look and the change, which the kernel then refuses.
        let mut result = Ok(());
        for _ in 0..5 {
            let used = used_bytes(&self.path)?;
            result = self.resize(used + free_bytes);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Gives all the room back.
    pub(crate) fn give_room(&self) -> Result<(), AttackError> {
        self.resize(SIZE_BYTES)
    }

    /// Copies what is on it to where it stays when the file system goes.
    pub(crate) fn save(&self) -> Result<(), AttackError> {
        let copy = self.path.with_extension("kept");
        command::run("cp", &["-a", &self.path.display().to_string(), &copy.display().to_string()]).map(|_| ())
    }

    fn resize(&self, bytes: u64) -> Result<(), AttackError> {
        let options = format!("remount,size={bytes}");
        command::run("mount", &["-o", &options, &self.path.display().to_string()]).map(|_| ())
    }
}

fn used_bytes(path: &Path) -> Result<u64, AttackError> {
    let stat = rustix::fs::statvfs(path).map_err(|error| AttackError::File {
        what: "look at the room of",
        path: path.to_owned(),
        source: error.into(),
    })?;
    Ok((stat.f_blocks - stat.f_bfree) * stat.f_frsize)
}
