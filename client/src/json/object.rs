//! A JSON object whose keys are taken out one by one, so that what is left over can be refused.

use assent_protocol::operation::Value as Scalar;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Why a text is no transaction.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}{}{message}", operation.map(|n| format!("operation {n}: ")).unwrap_or_default(), key.as_ref().map(|key| format!("key {key:?}: ")).unwrap_or_default())]
pub struct JsonError {
    /// The index of the operation, where it is one's fault.
    pub operation: Option<usize>,
    /// The key, where it is one's fault.
    pub key: Option<String>,
    /// What is wrong, in words.
    pub message: String,
}

impl JsonError {
    pub(super) fn new(message: impl Into<String>) -> JsonError {
        JsonError { operation: None, key: None, message: message.into() }
    }

    pub(super) fn at(key: &str, message: impl Into<String>) -> JsonError {
        JsonError { operation: None, key: Some(key.to_owned()), message: message.into() }
    }

    pub(super) fn of_operation(self, index: usize) -> JsonError {
        JsonError { operation: Some(index), ..self }
    }
}

/// The keys of one object that have not been taken yet.
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub(super) fn new(value: Value, what: &str) -> Result<Object, JsonError> {
        match value {
            Value::Object(map) => Ok(Object(map)),
            other => Err(JsonError::new(format!("{what} is an object, not {}", name(&other)))),
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Whether a key is there and not null; null is taken out, and counts as missing.
    pub(super) fn present(&mut self, key: &str) -> bool {
        if self.0.get(key) == Some(&Value::Null) {
            self.0.remove(key);
        }
        self.has(key)
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    pub(super) fn require(&mut self, key: &str) -> Result<Value, JsonError> {
        self.take(key).ok_or_else(|| JsonError::at(key, "it is missing"))
    }

    pub(super) fn text(&mut self, key: &str) -> Result<String, JsonError> {
        match self.require(key)? {
            Value::String(text) => Ok(text),
            other => Err(wrong(key, "text", &other)),
        }
    }

    /// A checked name: a record, a field or a member.
    pub(super) fn named<T>(
        &mut self,
        key: &str,
        check: fn(&str) -> Result<T, assent_protocol::ids::InvalidName>,
    ) -> Result<T, JsonError> {
        let text = self.text(key)?;
        check(&text).map_err(|error| JsonError::at(key, error.to_string()))
    }

    pub(super) fn integer(&mut self, key: &str) -> Result<i64, JsonError> {
        let value = self.require(key)?;
        value.as_i64().ok_or_else(|| wrong(key, "a whole number of 64 bits", &value))
    }

    /// An integer, or none where the key is missing or null.
    pub(super) fn optional_integer(&mut self, key: &str) -> Result<Option<i64>, JsonError> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::Null) => {
                self.take(key);
                Ok(None)
            }
            Some(_) => self.integer(key).map(Some),
        }
    }

    /// A count, or none where the key is missing or null.
    pub(super) fn optional_count(&mut self, key: &str) -> Result<Option<u64>, JsonError> {
        match self.take(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                value.as_u64().map(Some).ok_or_else(|| wrong(key, "a whole number from 0", &value))
            }
        }
    }

    pub(super) fn truth(&mut self, key: &str) -> Result<bool, JsonError> {
        match self.require(key)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(wrong(key, "true or false", &other)),
        }
    }

    /// What a field can hold: a whole number, text, or bytes as `{"bytes": "hex"}`.
    pub(super) fn scalar(&mut self, key: &str) -> Result<Scalar, JsonError> {
        let expected = "a whole number of 64 bits, text, or {\"bytes\": \"hex\"}";
        match self.require(key)? {
            Value::String(text) => Ok(Scalar::Text(text)),
            Value::Number(number) => {
                let number = Value::Number(number);
                number.as_i64().map(Scalar::Int).ok_or_else(|| wrong(key, expected, &number))
            }
            Value::Object(map) if map.len() == 1 => match map.get("bytes") {
                Some(Value::String(hex)) => from_hex(hex)
                    .map(Scalar::Bytes)
                    .ok_or_else(|| JsonError::at(key, format!("{hex:?} is no hex"))),
                Some(_) | None => Err(wrong(key, expected, &Value::Object(map))),
            },
            other => Err(wrong(key, expected, &other)),
        }
    }

    /// Nothing may be left over.
    pub(super) fn end(self, allowed: &str) -> Result<(), JsonError> {
        match self.0.keys().next() {
            Some(key) => Err(JsonError::at(key, format!("it is not known here; {allowed}"))),
            None => Ok(()),
        }
    }
}

fn wrong(key: &str, expected: &str, found: &Value) -> JsonError {
    JsonError::at(key, format!("it must be {expected}, not {}", name(found)))
}

/// What a value is, in words short enough for an error.
pub(super) fn name(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Bytes as lower-case hex.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// JSON whose objects name no key twice: `serde_json` would silently keep the last one.
pub(super) struct Strict(pub(super) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let Strict(value) = entries.next_value()?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} is there twice")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
