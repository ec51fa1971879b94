//! What the builder takes as names and values: the checked types, or text that is checked then.

use assent_protocol::{
    ids::{FieldName, InvalidName, Member, RecordId},
    mail::{Mailbox, MessageKey},
    operation::Value,
};

/// Something that names a `T`: a record, a field, a member, a mailbox or a key. Text is checked when it is used.
pub trait Named<T> {
    /// The checked name.
    fn named(self) -> Result<T, InvalidName>;
}

macro_rules! named {
    ($($name:ident),*) => {$(
        impl Named<$name> for $name {
            fn named(self) -> Result<$name, InvalidName> {
                Ok(self)
            }
        }
        impl Named<$name> for &$name {
            fn named(self) -> Result<$name, InvalidName> {
                Ok(self.clone())
            }
        }
        impl Named<$name> for &str {
            fn named(self) -> Result<$name, InvalidName> {
                $name::new(self)
            }
        }
        impl Named<$name> for &String {
            fn named(self) -> Result<$name, InvalidName> {
                $name::new(self)
            }
        }
        impl Named<$name> for String {
            fn named(self) -> Result<$name, InvalidName> {
                $name::new(&self)
            }
        }
    )*};
}

named!(RecordId, FieldName, Member, Mailbox, MessageKey);

/// Something that can be a [`Value`].
pub trait IntoValue {
    /// The value.
    fn into_value(self) -> Value;
}

impl IntoValue for Value {
    fn into_value(self) -> Value {
        self
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::Int(self)
    }
}

impl IntoValue for i32 {
    fn into_value(self) -> Value {
        Value::Int(self.into())
    }
}

impl IntoValue for u32 {
    fn into_value(self) -> Value {
        Value::Int(self.into())
    }
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::Text(self)
    }
}

impl IntoValue for &String {
    fn into_value(self) -> Value {
        Value::Text(self.clone())
    }
}

impl IntoValue for Vec<u8> {
    fn into_value(self) -> Value {
        Value::Bytes(self)
    }
}

impl IntoValue for &[u8] {
    fn into_value(self) -> Value {
        Value::Bytes(self.to_vec())
    }
}
