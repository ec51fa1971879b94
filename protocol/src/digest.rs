//! The digest: what a `TxnId` stands for.

use crate::{codec, ids::Digest, message::Branch};
use sha2::{Digest as _, Sha256};

/// Hashes the participants with their operations, as the client fixed them at the first attempt.
pub fn digest(branches: &[Branch]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"assent transaction 1");
    hash.update(codec::encode(branches));
    Digest(hash.finalize().into())
}
