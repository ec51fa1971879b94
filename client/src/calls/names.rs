//! The names of services, methods and calls, and which records and mailboxes belong to them.

use assent_protocol::{
    ids::{ClientName, InvalidName, RecordId},
    mail::Mailbox,
};
use std::{fmt, str::FromStr};

/// Bytes of the name of a service: with its prefix it must be a mailbox.
const SERVICE_BYTES_MAX: usize = 56;
/// Bytes of the name of a method.
const METHOD_BYTES_MAX: usize = 64;
/// Bytes of a call's id: with service and client it must be a record.
const CALL_BYTES_MAX: usize = 96;

fn check(what: &'static str, text: &str, bytes_max: usize) -> Result<(), InvalidName> {
    let wrong = |why| Err(InvalidName { what, text: text.chars().take(80).collect(), why });
    if text.len() > bytes_max {
        return wrong("it is too long");
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return wrong("only letters, digits, '.', '_' and '-' are allowed, and at least one of them");
    }
    Ok(())
}

/// A service, by name: up to 56 letters, digits, `.`, `_`, `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServiceName {
    name: String,
    mailbox: Mailbox,
    record: RecordId,
}

impl ServiceName {
    /// Checks a name and takes it.
    pub fn new(name: &str) -> Result<ServiceName, InvalidName> {
        check("service", name, SERVICE_BYTES_MAX)?;
        Ok(ServiceName {
            name: name.to_owned(),
            mailbox: Mailbox::new(&format!("service.{name}"))?,
            record: RecordId::new(&format!("service/{name}"))?,
        })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Where calls to it wait: `service.NAME`.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// The record that says which methods it has, `service/NAME`: members `NAME@VERSION` of the set `methods`.
    pub fn record(&self) -> &RecordId {
        &self.record
    }

    /// What is remembered of a call that promises exactly once: `call/SERVICE:CLIENT:ID`. None of the names has a colon.
    pub(super) fn call(&self, caller: &ClientName, id: &CallId) -> RecordId {
        let text = format!("call/{}:{caller}:{id}", self.name);
        RecordId::new(&text).expect("56, 64 and 96 bytes of plain letters are less than 256")
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A method of a service: a name and a version, as `deposit@1`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MethodName {
    name: String,
    version: u32,
}

impl MethodName {
    /// Checks a name: up to 64 letters, digits, `.`, `_`, `-`.
    pub fn new(name: &str, version: u32) -> Result<MethodName, InvalidName> {
        check("method", name, METHOD_BYTES_MAX)?;
        Ok(MethodName { name: name.to_owned(), version })
    }

    /// The name without the version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> u32 {
        self.version
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl FromStr for MethodName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<MethodName, InvalidName> {
        let parts = text.split_once('@').and_then(|(name, version)| Some((name, version.parse().ok()?)));
        let Some((name, version)) = parts else {
            let text = text.chars().take(80).collect();
            return Err(InvalidName { what: "method", text, why: "it must be name@version" });
        };
        MethodName::new(name, version)
    }
}

/// What makes two calls of one client to one service the same one: up to 96 letters, digits, `.`, `_`, `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(String);

impl CallId {
    /// Checks an id and takes it. Choose one (an order's number, say) and write it down where a later process has to be able
    /// to repeat the call.
    pub fn new(id: &str) -> Result<CallId, InvalidName> {
        check("call", id, CALL_BYTES_MAX)?;
        Ok(CallId(id.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One that no other call has.
    pub(super) fn random() -> CallId {
        CallId(format!("{:016x}{:016x}", random(), random()))
    }
}

/// For names that must not meet another's.
pub(super) fn random() -> u64 {
    // Without the system's randomness, the microsecond has to do.
    getrandom::u64().unwrap_or_else(|_| crate::link::stamp_now().0)
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
