//! The only place that knows bytes: how messages and stored values are encoded.
//!
//! The format is that of bincode 2 in its standard configuration (little endian, variable-length integers, enum variants by
//! number): fields and variants are therefore only ever appended. `tests/golden.rs` holds examples byte by byte. It is written
//! here for its speed: each message costs its bytes and little else.

mod read;
mod write;

use alloc::vec::Vec;
use read::Reader;
use serde::{Serialize, de::DeserializeOwned};
use write::Writer;

/// The largest encoded message or stored value, in bytes.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The version of what is said between processes; part of the ALPN.
pub const PROTOCOL_VERSION: u32 = 1;

/// Bytes that are no value of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Cut off, wrong variant, wrong name, or a length that can't be.
    #[error("malformed bytes at a value of type {0}")]
    Malformed(&'static str),
    /// The value ended before the bytes did.
    #[error("{0} bytes too many after a value")]
    Trailing(usize),
}

/// Numbers up to this are one byte. Above it, the first byte says how many follow.
const ONE_BYTE_MAX: u64 = 250;
const TWO_BYTES: u8 = 251;
const FOUR_BYTES: u8 = 252;
const EIGHT_BYTES: u8 = 253;
const SIXTEEN_BYTES: u8 = 254;

/// Room for the bytes of most values: a vector that starts empty would be moved several times.
const USUAL_BYTES: usize = 256;

/// The bytes of a value.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut writer = Writer(Vec::with_capacity(USUAL_BYTES));
    // Encoding to memory has no way to fail but a type that has no bytes; the types here are all plain.
    value.serialize(&mut writer).expect("plain types always encode");
    writer.0
}

/// The value in `bytes`, all of them. How many there may be is for whoever has received them to bound.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader(bytes);
    match T::deserialize(&mut reader) {
        Ok(value) if reader.0.is_empty() => Ok(value),
        Ok(_) => Err(DecodeError::Trailing(reader.0.len())),
        Err(_) => Err(DecodeError::Malformed(core::any::type_name::<T>())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn a_claimed_length_beyond_any_frame_is_refused_and_not_allocated() {
        // 253 announces a number of eight bytes.
        let claim = [253, 255, 255, 255, 255, 255, 255, 255, 127, b'x'];
        assert!(matches!(decode::<String>(&claim), Err(DecodeError::Malformed(_))));
        assert!(matches!(decode::<Vec<u64>>(&claim), Err(DecodeError::Malformed(_))));
        assert!(matches!(decode::<crate::ids::Digest>(&claim), Err(DecodeError::Malformed(_))));
    }
}
