//! What a command prints on standard output: text for people, or one line of JSON per result.

use crate::{failure::Failure, status::Status};
use serde::Serialize;
use std::{
    fmt,
    io::{self, Write},
};

/// Where results go. Errors and progress go to standard error instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// JSON, or text.
    pub(crate) fn new(json: bool) -> Output {
        Output { json }
    }

    /// Whether results are printed as JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Prints one result.
    pub(crate) fn print<T: Serialize + fmt::Display>(self, result: &T) -> Result<(), Failure> {
        if self.json { self.print_json(result) } else { self.line(&result.to_string()) }
    }

    /// Prints one result as JSON, whatever was asked for.
    pub(crate) fn print_json<T: Serialize>(self, result: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(result).map_err(|error| {
            Failure::new(Status::Failed, "could not write the result as JSON").cause(error)
        })?;
        self.line(&text)
    }

    fn line(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
        match written {
            Ok(()) => Ok(()),
            // The reader has seen enough, as in `assent … | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                std::process::exit(Status::Failed.code().into())
            }
            Err(error) => {
                Err(Failure::new(Status::Failed, "could not write to standard output").cause(error))
            }
        }
    }
}

/// An integer with commas between the thousands.
pub(crate) fn thousands(number: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1000), "1,000");
        assert_eq!(thousands(1234567), "1,234,567");
    }
}
