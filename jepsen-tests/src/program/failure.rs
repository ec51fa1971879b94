//! A command that failed: what, why, and what to do about it.
//!
//! Everything that a person reads on standard error goes through here, so that no error lacks its remedy.

use super::Status;
use serde_json::json;
use std::fmt;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    what: String,
    cause: Option<String>,
    remedy: Option<String>,
}

impl Failure {
    /// A failure that ends the program with `status`.
    pub(crate) fn new(status: Status, what: impl Into<String>) -> Failure {
        Failure { status, what: what.into(), cause: None, remedy: None }
    }

    /// Says why, with the causes behind it as far as its text does not hold them already.
    pub(crate) fn cause(mut self, cause: impl fmt::Display) -> Failure {
        self.cause = Some(cause.to_string());
        self
    }

    /// Says what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = Some(remedy.into());
        self
    }

    /// The exit status.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// Tells standard error, as one line of JSON if the command prints JSON.
    pub(crate) fn report(&self, json: bool) {
        if json {
            eprintln!("{}", self.to_json());
        } else {
            eprintln!("assent-lab: {self}");
        }
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "error": self.what,
            "cause": self.cause,
            "remedy": self.remedy,
            "status": self.status.code(),
            "kind": self.status.label(),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(cause) = &self.cause {
            write!(f, "\n  cause:  {}", indent(cause))?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  remedy: {}", indent(remedy))?;
        }
        Ok(())
    }
}

/// Keeps the later lines of a text under its first one.
fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n          ")
}
