//! The certificate authority of a cluster: makes the identities of its nodes and clients.
//!
//! Not a service: two files, `ca.crt` that everyone gets and `ca.key` that nobody does. There is no revocation;
//! a node or client that must go is taken out by issuing everything anew under a new authority.
//!
//! Kept: a file that exists is never overwritten, and keys are readable by their owner only.

use crate::{
    identity::SERVER_NAME,
    principal::{InvalidPrincipal, Principal, Role},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The file with the authority's certificate, in the directory that it was created in.
pub const CERTIFICATE_FILE: &str = "ca.crt";
/// The file with the authority's key.
pub const KEY_FILE: &str = "ca.key";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The authority's certificate is valid for 20 years.
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(20 * 365 * DAY.as_secs());
/// What it issues is valid for 10 years: a cluster should not stop on a date that nobody remembers.
const ISSUED_VALIDITY: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());

/// Why the authority could not do it.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Reading or writing failed.
    #[error("can't {what} {path}: {source}")]
    File {
        /// "read" or "write".
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It would overwrite something.
    #[error(
        "{0} exists already and is not overwritten: peers may rely on it; remove it first if it is not needed"
    )]
    Exists(PathBuf),
    /// `ca.crt` or `ca.key` is not what `Authority::create` wrote.
    #[error("{path} is not usable: {why}; restore it, or create a new authority with `assent keys init`")]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The role or name can't be in a certificate.
    #[error(transparent)]
    Principal(#[from] InvalidPrincipal),
    /// Making a key or certificate failed.
    #[error("can't make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// A certificate and its key, both as PEM text.
#[derive(Clone)]
pub struct Issued {
    /// The certificate. Not secret.
    pub certificate_pem: String,
    /// The private key. Secret.
    pub key_pem: String,
}

/// An authority that can issue.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_path: PathBuf,
}

impl Authority {
    /// Makes a new authority and writes `ca.crt` and `ca.key` into `dir`, which must exist.
    pub fn create(dir: &Path) -> Result<Authority, AuthorityError> {
        let (certificate_path, key_path) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
        for path in [&certificate_path, &key_path] {
            if path.exists() {
                return Err(AuthorityError::Exists(path.clone()));
            }
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        // Its own name, so that what another authority issued is reported as such, and not as a broken signature.
        let number = getrandom::u64().map_err(|_| rcgen::Error::RingUnspecified)?;
        params.distinguished_name.push(DnType::CommonName, format!("Assent cluster authority {number:016x}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        set_validity(&mut params, AUTHORITY_VALIDITY);
        let certificate = params.self_signed(&key)?;
        write_new(&key_path, key.serialize_pem().as_bytes(), 0o600)?;
        write_new(&certificate_path, certificate.pem().as_bytes(), 0o644)?;
        Ok(Authority { issuer: Issuer::new(params, key), certificate_path })
    }

    /// Reads the authority that [`Authority::create`] wrote.
    pub fn load(dir: &Path) -> Result<Authority, AuthorityError> {
        let (certificate_path, key_path) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
        let unusable = |path: &Path, why: String| AuthorityError::Unusable { path: path.to_owned(), why };
        let key =
            KeyPair::from_pem(&read(&key_path)?).map_err(|error| unusable(&key_path, error.to_string()))?;
        let issuer = Issuer::from_ca_cert_pem(&read(&certificate_path)?, key)
            .map_err(|error| unusable(&certificate_path, error.to_string()))?;
        Ok(Authority { issuer, certificate_path })
    }

    /// The file with the authority's certificate, which every peer needs.
    pub fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }

    /// Makes a certificate and key for a role and name.
    pub fn issue(&self, role: Role, name: &str) -> Result<Issued, AuthorityError> {
        let principal = Principal::new(role, name)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("{role} {name}"));
        params.subject_alt_names = vec![
            SanType::URI(principal.uri().as_str().try_into()?),
            SanType::DnsName(SERVER_NAME.try_into()?),
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // A client's certificate can't serve: whoever steals one can't pose as a node even to a careless peer.
        params.extended_key_usages = match role {
            Role::Coordinator | Role::Participant => {
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
            }
            Role::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, ISSUED_VALIDITY);
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// Issues and writes `<role>-<name>.crt` and `<role>-<name>.key` into `dir`. Returns both paths.
    pub fn issue_into(
        &self,
        dir: &Path,
        role: Role,
        name: &str,
    ) -> Result<(PathBuf, PathBuf), AuthorityError> {
        let issued = self.issue(role, name)?;
        let (certificate_path, key_path) =
            (dir.join(format!("{role}-{name}.crt")), dir.join(format!("{role}-{name}.key")));
        if certificate_path.exists() {
            return Err(AuthorityError::Exists(certificate_path));
        }
        write_new(&key_path, issued.key_pem.as_bytes(), 0o600)?;
        write_new(&certificate_path, issued.certificate_pem.as_bytes(), 0o644)?;
        Ok((certificate_path, key_path))
    }
}

/// From yesterday, so that a clock that is behind does not refuse what was issued a minute ago.
fn set_validity(params: &mut CertificateParams, validity: Duration) {
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + today.saturating_sub(DAY);
    params.not_after = epoch + (today + validity);
}

fn read(path: &Path) -> Result<String, AuthorityError> {
    fs::read_to_string(path).map_err(|source| AuthorityError::File {
        what: "read",
        path: path.to_owned(),
        source,
    })
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => AuthorityError::Exists(path.to_owned()),
        _ => AuthorityError::File { what: "write", path: path.to_owned(), source },
    })
}
