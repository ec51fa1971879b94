//! Values to bytes, for `serde`.
//!
//! The invariant: the bytes say nothing of the types. Numbers up to 250 are one byte; larger ones are a mark (251 to 254) and 2, 4,
//! 8 or 16 bytes, little endian; signed numbers alternate (0, -1, 1, -2, …). Texts, bytes, sequences and maps begin with their
//! length, options with 0 or 1, enums with the number of the variant; the fields of structs follow each other.

use alloc::vec::Vec;
use core::fmt;
use serde::ser::{self, Serialize, Serializer};

/// Takes bytes as values are encoded.
pub(super) struct Writer(pub(super) Vec<u8>);

/// A type that has no bytes here.
#[derive(Debug)]
pub(super) struct Unencodable;

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without bytes")
    }
}

impl core::error::Error for Unencodable {}

impl ser::Error for Unencodable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Unencodable
    }
}

impl Writer {
    #[inline]
    fn number(&mut self, number: u64) {
        if number <= super::ONE_BYTE_MAX {
            self.0.push(number as u8);
        } else {
            self.long_number(number);
        }
    }

    fn long_number(&mut self, number: u64) {
        let mut bytes = [0; 9];
        bytes[1..].copy_from_slice(&number.to_le_bytes());
        let (mark, length) = match number {
            0..=0xffff => (super::TWO_BYTES, 3),
            0x1_0000..=0xffff_ffff => (super::FOUR_BYTES, 5),
            0x1_0000_0000.. => (super::EIGHT_BYTES, 9),
        };
        bytes[0] = mark;
        self.0.extend_from_slice(&bytes[..length]);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn length(&mut self, length: Option<usize>) -> Result<&mut Self, Unencodable> {
        self.number(length.ok_or(Unencodable)? as u64);
        Ok(self)
    }
}

type Done = Result<(), Unencodable>;

macro_rules! numbers {
    ($($method:ident: $type:ty => $number:expr;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Done {
            let number: fn($type) -> u64 = $number;
            self.number(number(value));
            Ok(())
        }
    )*};
}

/// Alternates: 0, -1, 1, -2, … become 0, 1, 2, 3, …
#[inline]
fn alternate(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = Unencodable;
    type SerializeSeq = &'w mut Writer;
    type SerializeTuple = &'w mut Writer;
    type SerializeTupleStruct = &'w mut Writer;
    type SerializeTupleVariant = &'w mut Writer;
    type SerializeMap = &'w mut Writer;
    type SerializeStruct = &'w mut Writer;
    type SerializeStructVariant = &'w mut Writer;

    numbers! {
        serialize_u16: u16 => u64::from;
        serialize_u32: u32 => u64::from;
        serialize_u64: u64 => |value| value;
        serialize_i16: i16 => |value| alternate(i64::from(value));
        serialize_i32: i32 => |value| alternate(i64::from(value));
        serialize_i64: i64 => alternate;
    }

    fn serialize_u128(self, value: u128) -> Done {
        match u64::try_from(value) {
            Ok(value) => self.number(value),
            Err(_) => {
                self.0.push(super::SIXTEEN_BYTES);
                self.0.extend_from_slice(&value.to_le_bytes());
            }
        }
        Ok(())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Done {
        self.0.push(value);
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Done {
        self.0.push(value as u8);
        Ok(())
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Done {
        self.0.push(u8::from(value));
        Ok(())
    }

    // Nothing that is said or stored holds these.
    fn serialize_f32(self, _: f32) -> Done {
        Err(Unencodable)
    }

    fn serialize_f64(self, _: f64) -> Done {
        Err(Unencodable)
    }

    fn serialize_char(self, _: char) -> Done {
        Err(Unencodable)
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Done {
        self.bytes(value.as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Done {
        self.bytes(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Done {
        self.0.push(0);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.0.push(1);
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Done {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, variant: u32, _: &'static str) -> Done {
        self.serialize_u32(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        value: &T,
    ) -> Done {
        self.number(u64::from(variant));
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Unencodable> {
        self.length(length)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Unencodable> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Unencodable> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unencodable> {
        self.number(u64::from(variant));
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self, Unencodable> {
        self.length(length)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Unencodable> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unencodable> {
        self.number(u64::from(variant));
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! parts {
    ($($kind:ident: $method:ident($($key:ty)?);)*) => {$(
        impl ser::$kind for &mut Writer {
            type Ok = ();
            type Error = Unencodable;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Done {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Done {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

impl ser::SerializeMap for &mut Writer {
    type Ok = ();
    type Error = Unencodable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(&mut **self)
    }

    fn end(self) -> Done {
        Ok(())
    }
}
