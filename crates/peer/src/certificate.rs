//! Our DTLS certificate: self-signed, made by the shell at start, vouched for by its fingerprint in SDP (RFC 8122).

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Why there is no usable certificate. Ours to fix, never a client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Key or certificate could not be generated.
    #[error("cannot generate a DTLS certificate")]
    Generate,
    /// The DTLS settings were refused by their library.
    #[error("DTLS settings are not usable")]
    Settings,
}

/// An ECDSA P-256 key with its self-signed certificate, valid for a year. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<Inner>,
}

struct Inner {
    dtls: dimpl::DtlsCertificate,
    fingerprint: String,
}

impl Certificate {
    /// Makes a new one. Reads the system's clock and randomness, so only the shell may call it.
    pub fn generate() -> Result<Self, CertificateError> {
        let dtls = dimpl::certificate::generate_self_signed_certificate().map_err(|_| CertificateError::Generate)?;
        let fingerprint = format!("sha-256 {}", dtls.fingerprint_str());
        Ok(Self { inner: Arc::new(Inner { dtls, fingerprint }) })
    }

    /// As in `a=fingerprint:`, for example `sha-256 AB:CD:…`.
    pub fn fingerprint(&self) -> &str {
        &self.inner.fingerprint
    }

    pub(crate) fn dtls(&self) -> dimpl::DtlsCertificate {
        self.inner.dtls.clone()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}
