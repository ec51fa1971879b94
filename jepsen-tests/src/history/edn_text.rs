//! The part of EDN that histories need: nil, truths, whole numbers, strings, keywords, vectors, lists, sets and maps.
//!
//! Lists and sets are read as vectors: for EDN a list equals the vector of its elements, and sets appear only in what a
//! nemesis says. What else EDN has (symbols, characters, fractions, tagged elements) is refused by name.

use super::{VALUE_DEPTH_MAX, Value, lines::Fault};
use std::fmt::Write;

/// A place in a text that is being read.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Reader { text, at: 0 }
    }

    /// Bytes that have been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Passes over white space, commas and comments; false at the end of the text.
    pub(super) fn more(&mut self) -> bool {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | 0x0b | 0x0c => self.at += 1,
                b';' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                _ => return true,
            }
        }
        false
    }

    /// The next value.
    pub(super) fn value(&mut self) -> Result<Value, Fault> {
        self.value_at(0)
    }

    /// The values of a map, pair by pair, for one who looks at the keys: the next key, or none at the map's end.
    pub(super) fn key(&mut self) -> Result<Option<Value>, Fault> {
        self.element(b'}', 0)
    }

    /// Passes over this byte, which must come next.
    pub(super) fn expect(&mut self, byte: u8, what: &str) -> Result<(), Fault> {
        if self.more() && self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.fault(format!("{what} begins with {:?}, but here is {}", char::from(byte), self.found())))
    }

    pub(super) fn fault(&self, what: impl Into<String>) -> Fault {
        Fault { offset: self.at, what: what.into() }
    }

    fn value_at(&mut self, depth: usize) -> Result<Value, Fault> {
        if !self.more() {
            return Err(self.fault("the line ends where a value belongs"));
        }
        let rest = self.rest().as_bytes();
        if depth >= VALUE_DEPTH_MAX && matches!(rest[0], b'[' | b'(' | b'{' | b'#') {
            return Err(self.fault(format!("values lie at most {VALUE_DEPTH_MAX} deep")));
        }
        match rest[0] {
            b'[' => self.vector(1, b']', depth),
            b'(' => self.vector(1, b')', depth),
            b'{' => self.map(depth),
            b'#' if rest.get(1) == Some(&b'{') => self.vector(2, b'}', depth),
            b'"' => self.string().map(Value::Text),
            b':' => self.keyword(),
            b'-' | b'+' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    /// The next element of a vector or map that `close` ends; none, and past it, at its end.
    fn element(&mut self, close: u8, depth: usize) -> Result<Option<Value>, Fault> {
        if !self.more() {
            return Err(self.fault(format!("the line ends where {:?} belongs", char::from(close))));
        }
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(None);
        }
        self.value_at(depth + 1).map(Some)
    }

    fn vector(&mut self, opening_bytes: usize, close: u8, depth: usize) -> Result<Value, Fault> {
        self.at += opening_bytes;
        let mut values = Vec::new();
        while let Some(value) = self.element(close, depth)? {
            values.push(value);
        }
        Ok(Value::Vector(values))
    }

    fn map(&mut self, depth: usize) -> Result<Value, Fault> {
        self.at += 1;
        let mut pairs = Vec::new();
        while let Some(key) = self.element(b'}', depth)? {
            if self.more() && self.peek() == Some(b'}') {
                return Err(self.fault("a key without a value"));
            }
            pairs.push((key, self.value_at(depth + 1)?));
        }
        Ok(Value::Map(pairs))
    }

    fn string(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        self.at += 1;
        loop {
            let rest = self.rest();
            let Some(plain) = rest.find(['"', '\\']) else {
                self.at += rest.len();
                return Err(self.fault("the line ends within a string; a line break is written \\n"));
            };
            text.push_str(&rest[..plain]);
            self.at += plain + 1;
            if rest.as_bytes()[plain] == b'"' {
                return Ok(text);
            }
            text.push(self.escape()?);
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, Fault> {
        let Some(letter) = self.peek() else { return Err(self.fault("the line ends within a string")) };
        let meant = match letter {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' => '"',
            b'\\' => '\\',
            b'u' => return self.unicode(),
            _ => return Err(self.fault("after a backslash comes one of n t r b f u \" \\")),
        };
        self.at += 1;
        Ok(meant)
    }

    /// `uXXXX`, twice with a backslash between for what UTF-16 writes as two.
    fn unicode(&mut self) -> Result<char, Fault> {
        let mut unit = self.unit()?;
        if (0xd800..0xdc00).contains(&unit) && self.rest().starts_with("\\u") {
            self.at += 1;
            let low = self.unit()?;
            if (0xdc00..0xe000).contains(&low) {
                unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        char::from_u32(unit).ok_or_else(|| self.fault("this \\u is half of a pair"))
    }

    fn unit(&mut self) -> Result<u32, Fault> {
        let digits =
            self.rest().get(1..5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.fault("after \\u come four hexadecimal digits"))?;
        self.at += 5;
        Ok(unit)
    }

    fn keyword(&mut self) -> Result<Value, Fault> {
        let token = self.token();
        if !is_keyword(&token[1..]) {
            return Err(self.fault(format!("{token:?} is no keyword")));
        }
        self.at += token.len();
        Ok(Value::Keyword(token[1..].to_owned()))
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let token = self.token();
        // An N marks a number of any size.
        let Ok(number) = token.strip_suffix('N').unwrap_or(token).parse() else {
            return Err(self.fault(format!("{token:?} is no whole number of 64 bits")));
        };
        self.at += token.len();
        Ok(Value::Int(number))
    }

    fn word(&mut self) -> Result<Value, Fault> {
        let token = self.token();
        let value = match token {
            "nil" => Value::Nil,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => {
                let found = self.found();
                return Err(self.fault(format!(
                    "here is {found}; a value is nil, true, false, a whole number, a string, a keyword, a vector, a list, \
                     a set or a map"
                )));
            }
        };
        self.at += token.len();
        Ok(value)
    }

    /// All up to the next character that cannot belong to a word or number.
    fn token(&self) -> &'a str {
        let rest = self.rest();
        let ends =
            |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '[' | ']' | '(' | ')' | '{' | '}');
        &rest[..rest.find(ends).unwrap_or(rest.len())]
    }

    fn found(&self) -> String {
        match (self.token(), self.rest().chars().next()) {
            ("", None) => "the end of the line".into(),
            ("", Some(character)) => format!("{character:?}"),
            (token, _) => format!("{:?}", token.chars().take(40).collect::<String>()),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
}

/// Whether a word may stand behind a colon.
pub(super) fn is_keyword(word: &str) -> bool {
    let belongs = |c: char| c.is_alphanumeric() || ".*+!-_?$%&=<>/#:".contains(c);
    !word.is_empty()
        && word != "/"
        && !word.starts_with([':', '/'])
        && !word.ends_with(':')
        && word.chars().all(belongs)
}

/// Appends a value's text; where a keyword cannot be written, gives it back.
pub(super) fn write(value: &Value, to: &mut String) -> Result<(), String> {
    match value {
        Value::Nil => to.push_str("nil"),
        Value::Bool(truth) => to.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => write!(to, "{number}").expect("a String takes all"),
        Value::Text(text) => write_string(text, to),
        Value::Keyword(word) => write_keyword(word, to)?,
        Value::Vector(values) => {
            to.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    to.push(' ');
                }
                write(value, to)?;
            }
            to.push(']');
        }
        Value::Map(pairs) => {
            to.push('{');
            for (at, (key, value)) in pairs.iter().enumerate() {
                if at > 0 {
                    to.push_str(", ");
                }
                write(key, to)?;
                to.push(' ');
                write(value, to)?;
            }
            to.push('}');
        }
    }
    Ok(())
}

pub(super) fn write_keyword(word: &str, to: &mut String) -> Result<(), String> {
    if !is_keyword(word) {
        return Err(word.to_owned());
    }
    to.push(':');
    to.push_str(word);
    Ok(())
}

pub(super) fn write_string(text: &str, to: &mut String) {
    to.push('"');
    for character in text.chars() {
        match character {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            _ => to.push(character),
        }
    }
    to.push('"');
}
