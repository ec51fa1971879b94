//! Histories as the lab keeps them: one JSON object per line, with the names that Jepsen uses.
//!
//! ```text
//! {"index":0,"time":1000,"process":0,"type":"invoke","f":"txn","value":[[":append",2,7]],"txn":"lab:1:1"}
//! {"index":1,"time":2000,"process":0,"type":"info","f":"txn","value":[[":append",2,7]],"error":"deadline","txn":"lab:1:1"}
//! ```
//!
//! Times are nanoseconds; `process` is a number or `"nemesis"`; `error` and `txn` are left out where there is none;
//! fields of other names are passed over. The form of a [`Value`] loses nothing:
//!
//! | value | JSON |
//! | --- | --- |
//! | nothing, true, number | `null`, `true`, `7` |
//! | keyword `append` | `":append"` |
//! | text `s1` | `"s1"`; with a `'` in front where it begins with `:`, `'` or `=` |
//! | vector | `[1, 2]` |
//! | map | `{":k": 1}`; a key that is neither text nor keyword is its own JSON after `=`, as in `{"=7": 1}` |

use super::{
    Event, History, HistoryError, Kind, Process, VALUE_DEPTH_MAX, Value,
    lines::{Events, Fault},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    ser::{self, SerializeMap},
};
use std::{
    borrow::Cow,
    fmt,
    io::{BufRead, BufWriter, Write},
};

/// The events of a history, one by one, checked; ends after the first error.
pub fn events(from: impl BufRead) -> impl Iterator<Item = Result<Event, HistoryError>> {
    Events::new(from, event)
}

/// A whole history, checked.
pub fn read(from: impl BufRead) -> Result<History, HistoryError> {
    Ok(History { events: events(from).collect::<Result<_, _>>()? })
}

/// Writes a whole history.
pub fn write(history: &History, to: impl Write) -> Result<(), HistoryError> {
    let mut to = BufWriter::new(to);
    for event in &history.events {
        write_event(event, &mut to)?;
    }
    Ok(to.flush()?)
}

/// Writes one line.
pub fn write_event(event: &Event, to: &mut impl Write) -> Result<(), HistoryError> {
    let line = Line {
        index: event.index,
        time: event.time_ns,
        process: event.process,
        kind: event.kind,
        f: Cow::Borrowed(&event.f),
        value: Cow::Borrowed(&event.value),
        error: event.error.as_deref().map(Cow::Borrowed),
        txn: event.txn.as_deref().map(Cow::Borrowed),
    };
    serde_json::to_writer(&mut *to, &line).map_err(std::io::Error::from)?;
    Ok(to.write_all(b"\n")?)
}

fn event(text: &str) -> Result<Option<Event>, Fault> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| fault(&error))?;
    if depth(&line.value) > VALUE_DEPTH_MAX {
        return Err(Fault { offset: 0, what: format!("values lie at most {VALUE_DEPTH_MAX} deep") });
    }
    Ok(Some(Event {
        index: line.index,
        time_ns: line.time,
        process: line.process,
        kind: line.kind,
        f: line.f.into_owned(),
        value: line.value.into_owned(),
        error: line.error.map(Cow::into_owned),
        txn: line.txn.map(Cow::into_owned),
    }))
}

/// Where a line is wrong. The parser's own words end with its place, which belongs to the line alone and is told apart.
fn fault(error: &serde_json::Error) -> Fault {
    let words = error.to_string();
    let what = words.rsplit_once(" at line ").map_or(words.as_str(), |(what, _)| what);
    Fault { offset: error.column().saturating_sub(1), what: what.to_owned() }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Keyword(_) => 0,
        Value::Vector(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Map(pairs) => {
            1 + pairs.iter().map(|(key, value)| depth(key).max(depth(value))).max().unwrap_or(0)
        }
    }
}

/// An event as it is written.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    index: u64,
    time: u64,
    process: Process,
    #[serde(rename = "type")]
    kind: Kind,
    f: Cow<'a, str>,
    value: Cow<'a, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    txn: Option<Cow<'a, str>>,
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Process::Client(number) => to.serialize_u64(*number),
            Process::Nemesis => to.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Process;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("the number of a process, or \"nemesis\"")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Process, E> {
                Ok(Process::Client(number))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Process, E> {
                if name == "nemesis" {
                    Ok(Process::Nemesis)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(name), &self))
                }
            }
        }
        from.deserialize_any(Number)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nil => to.serialize_unit(),
            Value::Bool(truth) => to.serialize_bool(*truth),
            Value::Int(number) => to.serialize_i64(*number),
            Value::Text(text) => to.serialize_str(&text_to_string(text)),
            Value::Keyword(word) => to.serialize_str(&format!(":{word}")),
            Value::Vector(values) => to.collect_seq(values),
            Value::Map(pairs) => {
                let mut map = to.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(&key_to_string(key).map_err(ser::Error::custom)?, value)?;
                }
                map.end()
            }
        }
    }
}

fn text_to_string(text: &str) -> Cow<'_, str> {
    if text.starts_with([':', '\'', '=']) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

fn key_to_string(key: &Value) -> Result<String, serde_json::Error> {
    match key {
        Value::Text(text) => Ok(text_to_string(text).into_owned()),
        Value::Keyword(word) => Ok(format!(":{word}")),
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Vector(_) | Value::Map(_) => {
            Ok(format!("={}", serde_json::to_string(key)?))
        }
    }
}

fn string_to_value(string: &str) -> Value {
    if let Some(word) = string.strip_prefix(':') {
        return Value::Keyword(word.to_owned());
    }
    Value::Text(string.strip_prefix('\'').unwrap_or(string).to_owned())
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("null, a truth, a whole number of 64 bits, a string, an array or an object")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        let number = i64::try_from(number);
        number.map(Value::Int).map_err(|_| E::custom(format_args!("numbers are at most {}", i64::MAX)))
    }

    fn visit_str<E: de::Error>(self, string: &str) -> Result<Value, E> {
        if string.starts_with('=') {
            return Err(E::custom("a text that begins with = has a ' in front; only a key begins with ="));
        }
        Ok(string_to_value(string))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element()? {
            values.push(value);
        }
        Ok(Value::Vector(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, value)) = from.next_entry::<Cow<'de, str>, Value>()? {
            let key = match key.strip_prefix('=') {
                Some(json) => serde_json::from_str(json).map_err(de::Error::custom)?,
                None => string_to_value(&key),
            };
            pairs.push((key, value));
        }
        Ok(Value::Map(pairs))
    }
}
