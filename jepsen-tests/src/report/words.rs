//! How times, numbers and values are written in a report.

use crate::history::{Process, Value};
use std::fmt;

/// A value as EDN writes it.
pub(super) struct Shown<'a>(pub(super) &'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Nil => f.write_str("nil"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Text(value) => write!(f, "{value:?}"),
            Value::Keyword(value) => write!(f, ":{value}"),
            Value::Vector(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    let space = if at == 0 { "" } else { " " };
                    write!(f, "{space}{}", Shown(value))?;
                }
                f.write_str("]")
            }
            Value::Map(pairs) => {
                f.write_str("{")?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    let space = if at == 0 { "" } else { ", " };
                    write!(f, "{space}{} {}", Shown(key), Shown(value))?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A value of at most `chars_max` characters, and an ellipsis if there were more.
pub(super) fn value(value: &Value, chars_max: usize) -> String {
    short(&Shown(value).to_string(), chars_max)
}

/// At most `chars_max` characters of a text, and an ellipsis if there were more.
pub(super) fn short(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whose line it is.
pub(super) fn process(process: Process) -> String {
    match process {
        Process::Client(number) => number.to_string(),
        Process::Nemesis => "nemesis".to_owned(),
    }
}

/// A moment on the history's clock, in seconds.
pub(super) fn seconds(ns: u64) -> String {
    format!("{:.3}", ns as f64 / 1e9)
}

/// The same with all digits that order events.
pub(super) fn microseconds(ns: u64) -> String {
    format!("{:.6}", ns as f64 / 1e9)
}

/// A duration in the unit that suits it, with three digits.
pub(super) fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => (ns as f64, "ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let digits = if value >= 100.0 || unit == "ns" {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// A whole number with commas between the thousands.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun, in the plural where it needs one.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = match noun.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{noun}s"),
    };
    format!("{} {}", thousands(number), if number == 1 { noun } else { &plural })
}

/// Numbers with commas, and how many more there are past `shown_max`.
pub(super) fn list(numbers: &[u64], shown_max: usize) -> String {
    let shown: Vec<String> = numbers.iter().take(shown_max).map(u64::to_string).collect();
    match numbers.len().saturating_sub(shown_max) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Shows what can't be seen: control characters as their pictures, and what XML forbids or what turns the direction of
/// writing as a replacement character. A history may hold anything, and a report must read as what was written.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '\n' | '\t' => char,
            '\0'..='\u{1f}' => char::from_u32(0x2400 + char as u32).unwrap_or('\u{fffd}'),
            '\u{7f}' => '\u{2421}',
            '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            _ => char,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_edn() {
        let append =
            Value::Vector(vec![Value::Keyword("append".into()), Value::Int(2), Value::Text("a\"b".into())]);
        assert_eq!(Shown(&append).to_string(), r#"[:append 2 "a\"b"]"#);
        let map = Value::Map(vec![
            (Value::Keyword("a".into()), Value::Nil),
            (Value::Keyword("b".into()), Value::Bool(true)),
        ]);
        assert_eq!(Shown(&map).to_string(), "{:a nil, :b true}");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(short("äöü", 2), "äö…");
        assert_eq!(short("äöü", 3), "äöü");
    }

    #[test]
    fn durations_have_a_unit_that_suits_them() {
        assert_eq!(duration(0), "0 ns");
        assert_eq!(duration(1_500), "1.50 µs");
        assert_eq!(duration(23_456_000), "23.5 ms");
        assert_eq!(duration(123_456_000_000), "123 s");
    }

    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(count(1, "anomaly"), "1 anomaly");
        assert_eq!(count(2000, "anomaly"), "2,000 anomalies");
        assert_eq!(count(0, "fault"), "0 faults");
    }

    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        assert_eq!(visible("a\0b\u{1b}c\u{202e}d\ne"), "a␀b␛c\u{fffd}d\ne");
    }
}
