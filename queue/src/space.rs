//! How much room the disk has. Noticed before a write fails: below the reserve the node takes no new work.

use crate::error::StoreError;
use std::{io, path::Path};

/// New work is accepted again only when an eighth more than the reserve is free, so that it does not flap.
fn resume_bytes(reserve_bytes: u64) -> u64 {
    reserve_bytes.saturating_add(reserve_bytes / 8)
}

/// Whether new work fits, when `accepting` was the answer before.
pub(crate) fn accepts(free_bytes: u64, reserve_bytes: u64, accepting: bool) -> bool {
    free_bytes >= if accepting { reserve_bytes } else { resume_bytes(reserve_bytes) }
}

/// Bytes that this user may still write on the disk of the folder.
pub(crate) fn free_bytes(dir: &Path) -> Result<u64, StoreError> {
    let stat = rustix::fs::statvfs(dir)
        .map_err(|cause| StoreError::Space { dir: dir.to_owned(), cause: io::Error::from(cause) })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_stops_at_the_reserve_and_resumes_above_it() {
        assert!(accepts(800, 800, true));
        assert!(!accepts(799, 800, true));
        assert!(!accepts(899, 800, false));
        assert!(accepts(900, 800, false));
        assert!(accepts(0, 0, true));
    }

    #[test]
    fn free_bytes_of_a_missing_folder_is_an_error() {
        assert!(free_bytes(Path::new("/")).is_ok());
        assert!(matches!(free_bytes(Path::new("/no/such/folder")), Err(StoreError::Space { .. })));
    }
}
