//! The control file of the preloaded library of one node: what its disk and its clock are to do now.

#[allow(dead_code)]
#[path = "../../../shim/src/control.rs"]
mod control;

use super::command;
use crate::attack::{
    error::{AttackError, file},
    options::AttackOptions,
};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

pub(crate) use control::VARIABLE;

/// The file name of the library.
const LIBRARY: &str = "libassent_lab_shim.so";

/// The library, as options, environment and the place of this program say.
pub(crate) fn find(options: &AttackOptions) -> Result<PathBuf, AttackError> {
    super::binary::find(
        options.shim.as_deref(),
        "ASSENT_SHIM",
        LIBRARY,
        "cargo build --release -p assent-lab-shim",
    )
}

/// What a node's disk and clock do.
#[derive(Debug)]
pub(crate) struct Shim {
    path: PathBuf,
    file: File,
}

impl Shim {
    /// A new control file: nothing is wrong.
    pub(crate) fn make(path: &Path) -> Result<Shim, AttackError> {
        let made = OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
            .map_err(file("make the control file", path))?;
        made.write_all_at(&[0; control::FILE_BYTES], 0).map_err(file("write", path))?;
        let shim = Shim { path: path.to_owned(), file: made };
        shim.write(0, control::MAGIC)?;
        Ok(shim)
    }

    /// Where the control file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Every sync fails with EIO, or none.
    pub(crate) fn fail_syncs(&self, fail: bool) -> Result<(), AttackError> {
        const EIO: u64 = 5;
        self.write(control::SYNC_ERRNO, if fail { EIO } else { 0 })
    }

    /// Every sync takes so much longer.
    pub(crate) fn delay_syncs(&self, delay_us: u64) -> Result<(), AttackError> {
        self.write(control::SYNC_DELAY_US, delay_us)
    }

    /// The wall clock is off by so much.
    pub(crate) fn set_clock(&self, offset_us: i64) -> Result<(), AttackError> {
        self.write(control::CLOCK_OFFSET_US, offset_us.cast_unsigned())
    }

    /// Nothing is wrong any more.
    pub(crate) fn clear(&self) -> Result<(), AttackError> {
        self.fail_syncs(false)?;
        self.delay_syncs(0)?;
        self.set_clock(0)
    }

    fn write(&self, word: usize, value: u64) -> Result<(), AttackError> {
        self.file.write_all_at(&value.to_ne_bytes(), word as u64 * 8).map_err(file("write", &self.path))
    }
}

/// Checks that a program takes the library at all: a static one, or one of another C library, would ignore it without a word.
pub(crate) fn check(library: &Path) -> Result<(), AttackError> {
    // The loader complains on standard error and goes on; `LD_BIND_NOW` makes it look at everything.
    let setting = format!("LD_PRELOAD={}", library.display());
    let out = command::run("env", &[&setting, "LD_BIND_NOW=1", "cat", "/proc/self/maps"])?;
    if out.contains(LIBRARY) || out.contains(&library.display().to_string()) {
        return Ok(());
    }
    Err(AttackError::Missing {
        what: "a loadable shim".to_owned(),
        why: format!("the system's loader does not take {}", library.display()),
        remedy: "build it for this machine: cargo build --release -p assent-lab-shim".to_owned(),
    })
}
