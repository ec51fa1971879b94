//! Histories as Jepsen's checkers read them: one EDN map per line.
//!
//! ```text
//! {:index 0, :time 1000, :process 0, :type :invoke, :f :txn, :value [[:r 1 nil] [:append 2 7]]}
//! {:index 1, :time 2000, :process 0, :type :ok, :f :txn, :value [[:r 1 [3 5]] [:append 2 7]]}
//! ```
//!
//! Written with `:error "…"` and `:txn "client:session:sequence"` where there is one. When reading, keys of other names
//! are passed over, and an `:error` that is no string is kept as its text. Empty lines and comments are allowed.

use super::{
    Event, History, HistoryError, Kind, Process, Value,
    edn_text::{self, Reader},
    lines::{Events, Fault},
};
use std::{
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
    let mut line = String::new();
    write_line(event, &mut line).map_err(|word| HistoryError::Keyword { index: event.index, word })?;
    Ok(to.write_all(line.as_bytes())?)
}

/// As in EDN, for people: a keyword that EDN could not hold is shown all the same.
impl fmt::Display for Value {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        match edn_text::write(self, &mut text) {
            Ok(()) => to.write_str(&text),
            Err(_) => write!(to, "{self:?}"),
        }
    }
}

fn write_line(event: &Event, line: &mut String) -> Result<(), String> {
    use std::fmt::Write;
    let kind = match event.kind {
        Kind::Invoke => "invoke",
        Kind::Ok => "ok",
        Kind::Fail => "fail",
        Kind::Info => "info",
    };
    write!(line, "{{:index {}, :time {}, :process ", event.index, event.time_ns).expect("a String takes all");
    match event.process {
        Process::Client(number) => write!(line, "{number}").expect("a String takes all"),
        Process::Nemesis => line.push_str(":nemesis"),
    }
    write!(line, ", :type :{kind}, :f ").expect("a String takes all");
    edn_text::write_keyword(&event.f, line)?;
    line.push_str(", :value ");
    edn_text::write(&event.value, line)?;
    for (key, text) in [(", :error ", &event.error), (", :txn ", &event.txn)] {
        if let Some(text) = text {
            line.push_str(key);
            edn_text::write_string(text, line);
        }
    }
    line.push_str("}\n");
    Ok(())
}

/// What has been found of an event.
#[derive(Default)]
struct Parts {
    index: Option<u64>,
    time_ns: Option<u64>,
    process: Option<Process>,
    kind: Option<Kind>,
    f: Option<String>,
    value: Option<Value>,
    error: Option<String>,
    txn: Option<String>,
}

fn event(text: &str) -> Result<Option<Event>, Fault> {
    let mut reader = Reader::new(text);
    if !reader.more() {
        return Ok(None);
    }
    reader.expect(b'{', "an event")?;
    let mut parts = Parts::default();
    while let Some(key) = reader.key()? {
        reader.more();
        let offset = reader.at();
        let value = reader.value()?;
        let Value::Keyword(key) = key else { continue };
        parts.take(&key, value).map_err(|what| Fault { offset, what })?;
    }
    if reader.more() {
        return Err(reader.fault("a line holds one event"));
    }
    parts.event().map(Some).map_err(|key| reader.fault(format!("the event has no :{key}")))
}

impl Parts {
    fn take(&mut self, key: &str, value: Value) -> Result<(), String> {
        match key {
            "index" => self.index = Some(whole(key, &value)?),
            "time" => self.time_ns = Some(whole(key, &value)?),
            "process" => {
                self.process = Some(match value {
                    Value::Keyword(word) if word == "nemesis" => Process::Nemesis,
                    other => Process::Client(whole(key, &other)?),
                });
            }
            "type" => self.kind = Some(kind(&value)?),
            "f" => match value {
                Value::Keyword(word) => self.f = Some(word),
                other => return Err(format!(":f is a keyword, not {other}")),
            },
            "value" => self.value = Some(value),
            "error" => self.error = text(value),
            "txn" => self.txn = text(value),
            _ => {}
        }
        Ok(())
    }

    fn event(self) -> Result<Event, &'static str> {
        Ok(Event {
            index: self.index.ok_or("index")?,
            time_ns: self.time_ns.ok_or("time")?,
            process: self.process.ok_or("process")?,
            kind: self.kind.ok_or("type")?,
            f: self.f.ok_or("f")?,
            value: self.value.unwrap_or(Value::Nil),
            error: self.error,
            txn: self.txn,
        })
    }
}

fn whole(key: &str, value: &Value) -> Result<u64, String> {
    match value {
        Value::Int(number) if *number >= 0 => Ok(number.unsigned_abs()),
        other => Err(format!(":{key} is a whole number from 0, not {other}")),
    }
}

fn kind(value: &Value) -> Result<Kind, String> {
    if let Value::Keyword(word) = value {
        match word.as_str() {
            "invoke" => return Ok(Kind::Invoke),
            "ok" => return Ok(Kind::Ok),
            "fail" => return Ok(Kind::Fail),
            "info" => return Ok(Kind::Info),
            _ => {}
        }
    }
    Err(format!(":type is one of :invoke :ok :fail :info, not {value}"))
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Nil => None,
        Value::Text(text) => Some(text),
        other => Some(other.to_string()),
    }
}
