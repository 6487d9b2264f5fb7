//! DTLS.
use crate::{CertificateError, DtlsVersions};
use std::time::Duration;
#[derive(Debug)]
pub(crate) struct DtlsSettings;
impl DtlsSettings {
    pub(crate) fn new(_: DtlsVersions, _: Duration) -> Result<Self, CertificateError> {
        Ok(Self)
    }
}
