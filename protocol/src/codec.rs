//! The only place that knows bytes: how messages and stored values are encoded.
//!
//! bincode 2.0.1 in its standard configuration (little endian, variable-length integers, enum variants by
//! number): fields and variants are therefore only ever appended. `tests/golden.rs` holds examples byte by byte.

use alloc::vec::Vec;
use bincode::{enc::write::Writer, error::EncodeError};
use serde::{Serialize, de::DeserializeOwned};

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

/// The limit is what refuses a text or bytes that claim a length beyond any frame: without it, bincode allocates for the
/// claim before it looks whether the bytes are there.
fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<FRAME_BYTES_MAX>()
}

/// Room for the bytes of most values: a vector that starts empty would be moved several times.
const USUAL_BYTES: usize = 256;

/// Takes bytes as they are encoded.
struct Encoded(Vec<u8>);

impl Writer for Encoded {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// The bytes of a value.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut encoded = Encoded(Vec::with_capacity(USUAL_BYTES));
    // Encoding to memory has no way to fail but a type that serde can't describe; the types here are all plain.
    bincode::serde::encode_into_writer(value, &mut encoded, config()).expect("plain types always encode");
    encoded.0
}

/// The value in `bytes`, all of them.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    match bincode::serde::borrow_decode_from_slice(bytes, config()) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok((_, used)) => Err(DecodeError::Trailing(bytes.len() - used)),
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
