//! `assent keys`: what is written, and what is refused.

mod common;

use common::assent;
use std::os::unix::fs::PermissionsExt;
use tempfile::tempdir;

#[test]
fn keys_are_for_their_owner_only_and_never_overwritten() {
    let dir = tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a plain name");
    assent(["keys", "init", "--dir", path]).ends_with(0);
    assent(["keys", "issue", "--dir", path, "--role", "client", "--name", "desk"]).ends_with(0);
    for key in ["ca.key", "client-desk.key"] {
        let mode = std::fs::metadata(dir.path().join(key)).expect("it was written").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let authority = std::fs::read(dir.path().join("ca.key")).expect("it is readable");
    assent(["keys", "init", "--dir", path]).ends_with(3).explains_itself();
    assert_eq!(std::fs::read(dir.path().join("ca.key")).expect("it is readable"), authority);
}

#[test]
fn what_can_not_be_issued_is_refused() {
    let dir = tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a plain name");
    let issue =
        |role: &str, name: &str| assent(["keys", "issue", "--dir", path, "--role", role, "--name", name]);
    issue("client", "desk").ends_with(3).explains_itself();
    assent(["keys", "init", "--dir", path]).ends_with(0);
    issue("client", "../desk").ends_with(3).explains_itself();
    issue("client", "").ends_with(3).explains_itself();
    issue("emperor", "desk").ends_with(2).says("emperor");
    assert!(!dir.path().join("../client-desk.key").exists());
}
