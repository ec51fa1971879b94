//! What the lab and the shim agree on: a file of four words, written by the one and mapped by the other.
//!
//! Each word is 8 bytes in the machine's own order and is written in one piece, so that a reader never sees half of one.

/// The variable that names the control file to the shim.
pub(crate) const VARIABLE: &str = "ASSENT_LAB_SHIM";
/// What the first word holds, so that no other file is taken for one.
pub(crate) const MAGIC: u64 = 0x6173_7365_6e74_0001;
/// The size of the file, in bytes.
pub(crate) const FILE_BYTES: usize = 32;
/// The word with the error number that every sync fails with; 0: it works.
pub(crate) const SYNC_ERRNO: usize = 1;
/// The word with how long every sync takes on top, in microseconds.
pub(crate) const SYNC_DELAY_US: usize = 2;
/// The word with what the wall clock is off by, in microseconds; signed.
pub(crate) const CLOCK_OFFSET_US: usize = 3;
