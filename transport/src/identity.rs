//! Who this process is: certificate, private key, and the authority that both sides must trust.
//!
//! An `Identity` that exists is usable: the key belongs to the certificate, the authority issued it, it is valid
//! now, and it names a role. What a peer's certificate says is `accept`'s and `dial`'s business.

use crate::principal::{InvalidPrincipal, Principal, Role};
use rustls::{
    RootCertStore,
    client::danger::ServerCertVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
    sign::CertifiedKey,
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The TLS server name of every node: TLS wants one, and who a node is says the `assent://` name.
pub(crate) const SERVER_NAME: &str = "node.assent.internal";

/// Why an identity can't be used. Each says which file, what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file can't be read.
    #[error(
        "can't read the {what} {path}: {source}; give the right path, or issue it with `assent keys issue`"
    )]
    Unreadable {
        /// Certificate, key, or authority's certificate.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was read and is something else.
    #[error("{path} holds no {what} in PEM form ({why}); was another file meant?")]
    NotPem {
        /// Certificate, key, or authority's certificate.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        why: String,
    },
    /// The certificate names nobody.
    #[error("the certificate {path} names nobody: {source}")]
    Nobody {
        /// Which file.
        path: PathBuf,
        /// What is wrong with the name.
        source: InvalidPrincipal,
    },
    /// Key and certificate are not a pair.
    #[error(
        "the key {key} does not belong to the certificate {certificate}; they are issued in pairs: take both from the same `assent keys issue`"
    )]
    WrongKey {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Another authority issued the certificate, or it has expired.
    #[error(
        "the certificate {certificate} is not valid under the authority {authority}: {why}; issue it again with that authority's key"
    )]
    NotTrusted {
        /// The certificate's file.
        certificate: PathBuf,
        /// The authority's file.
        authority: PathBuf,
        /// What the verifier said.
        why: String,
    },
}

/// A process's own certificate and key, with the authority's certificate.
pub struct Identity {
    principal: Principal,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
}

impl Identity {
    /// Reads and checks the three PEM files.
    pub fn load(certificate: &Path, key: &Path, authority: &Path) -> Result<Identity, IdentityError> {
        let chain = read_certificates("certificate", certificate)?;
        let key_der = read_key(key)?;
        let roots = read_roots(authority)?;
        let principal = Principal::of_certificate(&chain[0])
            .map_err(|source| IdentityError::Nobody { path: certificate.to_owned(), source })?;
        check_pair(&chain, &key_der, certificate, key)?;
        check_trust(&chain, &roots, principal.role).map_err(|why| IdentityError::NotTrusted {
            certificate: certificate.to_owned(),
            authority: authority.to_owned(),
            why,
        })?;
        Ok(Identity { principal, chain, key: key_der, roots })
    }

    /// Who the certificate speaks for.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The role in the certificate.
    pub fn role(&self) -> Role {
        self.principal.role
    }

    /// The name in the certificate.
    pub fn name(&self) -> &str {
        &self.principal.name
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Identity {
            principal: self.principal.clone(),
            chain: self.chain(),
            key: self.key(),
            roots: self.roots(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the key nor anything derived from it belongs in a log.
        f.debug_struct("Identity").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// The one cryptography provider. Named at every use, so that no process-wide default is needed.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(|source| IdentityError::Unreadable { what, path: path.to_owned(), source })
}

fn read_certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let not_pem = |why: String| IdentityError::NotPem { what, path: path.to_owned(), why };
    let certificates = CertificateDer::pem_slice_iter(&read(what, path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| not_pem(error.to_string()))?;
    if certificates.is_empty() { Err(not_pem("no CERTIFICATE section".to_owned())) } else { Ok(certificates) }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let what = "private key";
    PrivateKeyDer::from_pem_slice(&read(what, path)?).map_err(|error| IdentityError::NotPem {
        what,
        path: path.to_owned(),
        why: error.to_string(),
    })
}

fn read_roots(path: &Path) -> Result<Arc<RootCertStore>, IdentityError> {
    let what = "authority's certificate";
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(what, path)? {
        roots.add(certificate).map_err(|error| IdentityError::NotPem {
            what,
            path: path.to_owned(),
            why: error.to_string(),
        })?;
    }
    Ok(Arc::new(roots))
}

fn check_pair(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    certificate_path: &Path,
    key_path: &Path,
) -> Result<(), IdentityError> {
    let unusable = |error: rustls::Error| IdentityError::NotPem {
        what: "usable private key",
        path: key_path.to_owned(),
        why: error.to_string(),
    };
    let signing = provider().key_provider.load_private_key(key.clone_key()).map_err(unusable)?;
    CertifiedKey::new(chain.to_vec(), signing).keys_match().map_err(|_| IdentityError::WrongKey {
        certificate: certificate_path.to_owned(),
        key: key_path.to_owned(),
    })
}

/// Verifies the own certificate as peers will: better to learn of an expired one at the start than from refusals.
fn check_trust(
    chain: &[CertificateDer<'static>],
    roots: &Arc<RootCertStore>,
    role: Role,
) -> Result<(), String> {
    let (leaf, rest) = chain.split_first().ok_or("it is empty")?;
    let now = UnixTime::now();
    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider())
        .build()
        .map_err(|error| error.to_string())?
        .verify_client_cert(leaf, rest, now)
        .map_err(|error| error.to_string())?;
    if role.is_node() {
        let name = SERVER_NAME.try_into().map_err(|_| "the server name is no name")?;
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider())
            .build()
            .map_err(|error| error.to_string())?
            .verify_server_cert(leaf, rest, &name, &[], now)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}
