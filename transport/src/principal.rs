//! Who a certificate speaks for: a role and a name.
//!
//! Not here: whether the certificate is genuine (TLS decides that before anyone looks at the name), nor whether
//! the cluster knows the name (see `accept` and `dial`).

use assent_protocol::ids::ClientName;
use rustls::pki_types::CertificateDer;
use std::{fmt, str::FromStr};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const SCHEME: &str = "assent://";

/// What a process is in the cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A node that drives transactions.
    Coordinator,
    /// A node that owns records.
    Participant,
    /// A program that asks.
    Client,
}

impl Role {
    /// Its name in certificates, cluster files and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Coordinator => "coordinator",
            Role::Participant => "participant",
            Role::Client => "client",
        }
    }

    /// Whether the cluster file lists it: a coordinator or participant.
    pub fn is_node(self) -> bool {
        match self {
            Role::Coordinator | Role::Participant => true,
            Role::Client => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = InvalidPrincipal;
    fn from_str(text: &str) -> Result<Self, InvalidPrincipal> {
        [Role::Coordinator, Role::Participant, Role::Client]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| InvalidPrincipal::Role(cut(text)))
    }
}

/// A role and a name that are no principal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidPrincipal {
    /// Not one of the three roles.
    #[error("role {0:?} is none of coordinator, participant, client")]
    Role(String),
    /// Not a name.
    #[error("name {0:?} is not valid: 1 to 64 letters, digits, '.', '_' and '-' are allowed")]
    Name(String),
    /// The certificate can't be read.
    #[error("the certificate can't be read: {0}")]
    Unreadable(String),
    /// The certificate is somebody's, but nobody's here.
    #[error(
        "the certificate holds {0} names of the form assent://role/name where exactly one is needed; issue it with `assent keys issue`"
    )]
    NotOneUri(usize),
}

/// A role and a name. The name obeys the rules of client names, whatever the role.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Principal {
    /// What it is.
    pub role: Role,
    /// Which one.
    pub name: String,
}

impl Principal {
    /// Checks the name and takes it.
    pub fn new(role: Role, name: &str) -> Result<Principal, InvalidPrincipal> {
        check_name(name)?;
        Ok(Principal { role, name: name.to_owned() })
    }

    /// The form in which a certificate holds it: `assent://role/name`.
    pub fn uri(&self) -> String {
        format!("{SCHEME}{}/{}", self.role, self.name)
    }

    /// Reads the one `assent://` name of a certificate. Says nothing about who signed it.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Principal, InvalidPrincipal> {
        let unreadable = |why: &dyn fmt::Display| InvalidPrincipal::Unreadable(why.to_string());
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| unreadable(&error))?;
        let names = parsed.subject_alternative_name().map_err(|error| unreadable(&error))?;
        let uris: Vec<&str> = names
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) => uri.strip_prefix(SCHEME),
                _ => None,
            })
            .collect();
        let [uri] = uris[..] else {
            return Err(InvalidPrincipal::NotOneUri(uris.len()));
        };
        let (role, name) = uri.split_once('/').unwrap_or((uri, ""));
        Principal::new(role.parse()?, name)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.role, self.name)
    }
}

/// Node names follow the rules of client names: both end up in file names, logs and metrics.
pub(crate) fn check_name(name: &str) -> Result<(), InvalidPrincipal> {
    ClientName::new(name).map(drop).map_err(|_| InvalidPrincipal::Name(cut(name)))
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
