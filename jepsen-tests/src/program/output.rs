//! What a command prints on standard output: text for people, or one line of JSON per result.

use super::{Failure, Status};
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
        let text = if self.json {
            serde_json::to_string(result).map_err(|error| {
                Failure::new(Status::Environment, "could not write the result as JSON").cause(error)
            })?
        } else {
            result.to_string()
        };
        self.print_text(&text)
    }

    /// Prints a text that is no result.
    pub(crate) fn print_text(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()) {
            // The reader has seen enough, as in `assent-lab … | head`; the status still tells what was found.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Status::Environment, "could not write to standard output").cause(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
