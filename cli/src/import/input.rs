//! Lines of text files as they come: any bytes, any line ends, with their numbers.

use crate::{failure::Failure, status::Status};
use serde::Serialize;
use std::{fmt, path::Path};

/// The longest part of a wrong line that is shown, in characters.
const SHOWN_CHARS: usize = 60;

/// Something about a line of an input file that a person should know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Remark {
    /// Which file.
    pub(crate) file: String,
    /// The number of the line, from 1.
    pub(crate) line: u64,
    /// What is wrong with it, and what was done about it.
    pub(crate) what: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::new(Status::Config, format!("could not read {}", path.display()))
            .cause(error)
            .remedy("name a file that exists and that you may read")
    })
}

/// The last part of a path, for remarks.
pub(crate) fn short_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Lines with their numbers, from 1. Blank ones are left out, and a byte order mark is no part of the first.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    (1..)
        .zip(bytes.split(|&byte| byte == b'\n'))
        .map(|(number, line)| (number, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
}

/// A line as far as it should be shown.
pub(crate) fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect::<String>().escape_debug().to_string();
    if text.chars().count() > SHOWN_CHARS {
        shown.push('…');
    }
    shown
}
