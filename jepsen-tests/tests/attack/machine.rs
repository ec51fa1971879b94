//! What the tests ask of this machine: the program under attack, and whether anything is left of a run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

static BUILT: Once = Once::new();

/// Builds the program and the preloaded library where they are not there yet, into the folder in which this test is.
pub(crate) fn build() {
    BUILT.call_once(|| {
        let folder = products();
        for (file, package) in [("assent", "assent"), ("libassent_lab_shim.so", "assent-lab-shim")] {
            if folder.join(file).is_file() {
                continue;
            }
            let mut command = Command::new(env!("CARGO"));
            command
                .args(["build", "--release", "-p", package])
                .env("CARGO_TARGET_DIR", folder.parent().expect("it has one"));
            command.current_dir(env!("CARGO_MANIFEST_DIR"));
            let status = command.status();
            assert!(
                status.as_ref().is_ok_and(|status| status.success()) && folder.join(file).is_file(),
                "{file} is missing in {} ({status:?}); build it there: cargo build --release -p {package}",
                folder.display()
            );
        }
    });
}

/// Where Cargo puts programs: above the folder of this test.
fn products() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    own.ancestors().nth(2).expect("it is in target/release/deps").to_owned()
}

/// Nothing is left of a run of this process.
pub(crate) fn assert_nothing_left(folder: &Path) {
    assert_nothing_left_of(std::process::id(), folder);
}

/// Nothing is left of a run of some process in this folder: no mount, no process that knows the folder, no namespace.
pub(crate) fn assert_nothing_left_of(pid: u32, folder: &Path) {
    let folder = folder.display().to_string();
    let mounts = fs::read_to_string("/proc/self/mounts").expect("it is Linux");
    assert!(!mounts.contains(&folder), "{mounts}");
    for process in fs::read_dir("/proc").expect("it is Linux").flatten() {
        let command = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        assert!(!command.contains(&folder), "{command} still runs");
    }
    // Other tests of this process may be at work: their namespaces are named in ledgers that are there.
    let prefix = format!("assent-lab-{pid}-");
    let ledgers: Vec<String> =
        names(&std::env::temp_dir()).filter(|name| name.starts_with(&prefix)).collect();
    let owned = |name: &str| {
        ledgers.iter().any(|ledger| name.starts_with(&format!("{}-", ledger.trim_end_matches(".ledger"))))
    };
    let left: Vec<String> =
        names(Path::new("/run/netns")).filter(|name| name.starts_with(&prefix) && !owned(name)).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}
