//! A look at the first ClientHello (RFC 6347 4.2.2, RFC 9147 5.3), to choose the version of DTLS by what it does to media.
//!
//! Under 1.3 `dimpl` takes the first SRTP profile of the client's list, under 1.2 the best of ours. Chromium lists the
//! oldest first: with it 1.3 would mean AES-CM with HMAC-SHA1, at several times the cost of AES-GCM
//! (docs/decisions/0021-dtls-version-by-srtp-profile.md). This reads only as much as that choice needs; the hello is checked by the engine.

use crate::{DtlsVersion, DtlsVersions};

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const USE_SRTP: u16 = 14;
const SUPPORTED_VERSIONS: u16 = 43;
const DTLS_13: u16 = 0xfefc;
const DTLS_12: u16 = 0xfefd;
/// RFC 7714 14.2.
const GCM_PROFILES: [u16; 2] = [7, 8];

/// The version to speak with the client whose first datagram this is; `None` if it is not the beginning of a ClientHello.
pub(crate) fn choose_version(versions: DtlsVersions, datagram: &[u8]) -> Option<DtlsVersion> {
    let hello = hello_body(datagram)?;
    Some(match versions {
        DtlsVersions::Only12 => DtlsVersion::V12,
        DtlsVersions::Only13 => DtlsVersion::V13,
        DtlsVersions::Both => by_profile(hello),
    })
}

fn by_profile(hello: &[u8]) -> DtlsVersion {
    let (mut gcm_first, mut offers_12, mut offers_13) = (false, true, false);
    // A long hello comes in fragments, and this may be the first only. What is not seen speaks for 1.2.
    for (kind, mut body) in extensions(hello).into_iter().flatten() {
        match kind {
            USE_SRTP => gcm_first = body.vector16().and_then(first_u16).is_some_and(|id| GCM_PROFILES.contains(&id)),
            SUPPORTED_VERSIONS => {
                let list = body.vector8().unwrap_or_default();
                let lists = |version: u16| list.chunks_exact(2).any(|pair| *pair == version.to_be_bytes());
                (offers_12, offers_13) = (lists(DTLS_12), lists(DTLS_13));
            }
            _ => {}
        }
    }
    if offers_13 && (gcm_first || !offers_12) { DtlsVersion::V13 } else { DtlsVersion::V12 }
}

/// The body of the ClientHello that begins in this datagram, as far as it is here.
fn hello_body(datagram: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(datagram);
    let [kind] = reader.array()?;
    // Version, epoch, sequence number.
    reader.skip(2 + 2 + 6)?;
    let mut fragment = Reader(reader.vector16()?);
    let [message] = fragment.array()?;
    // Length, message sequence.
    fragment.skip(3 + 2)?;
    let offset: [u8; 3] = fragment.array()?;
    let length: [u8; 3] = fragment.array()?;
    let length = u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize;
    let is_first = kind == HANDSHAKE && message == CLIENT_HELLO && offset == [0; 3];
    fragment.0.get(..length).filter(|_| is_first)
}

/// Types and bodies of the extensions that are here whole.
fn extensions(hello: &[u8]) -> Option<impl Iterator<Item = (u16, Reader<'_>)>> {
    let mut reader = Reader(hello);
    // Version, random.
    reader.skip(2 + 32)?;
    // Session id, cookie.
    reader.vector8()?;
    reader.vector8()?;
    // Cipher suites, compression.
    reader.vector16()?;
    reader.vector8()?;
    reader.skip(2)?;
    Some(std::iter::from_fn(move || {
        let kind = u16::from_be_bytes(reader.array()?);
        Some((kind, Reader(reader.vector16()?)))
    }))
}

fn first_u16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().copied().map(u16::from_be_bytes)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn skip(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.skip(N)?.first_chunk().copied()
    }

    /// A vector with a length of one byte.
    fn vector8(&mut self) -> Option<&'a [u8]> {
        let [length] = self.array()?;
        self.skip(usize::from(length))
    }

    /// A vector with a length of two bytes.
    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        self.skip(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &(body.len() as u16).to_be_bytes(), body].concat()
    }

    fn hello(profiles: &[u8], versions: &[u8], keep: usize) -> Vec<u8> {
        let srtp = extension(USE_SRTP, &[&[0, profiles.len() as u8], profiles, &[0]].concat());
        let versions = extension(SUPPORTED_VERSIONS, &[&[versions.len() as u8], versions].concat());
        let extensions = [extension(10, &[0, 2, 0, 29]), versions, srtp].concat();
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.extend([0, 0, 0, 2, 0x13, 1, 1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let total = body.len() as u32;
        body.truncate(keep);
        let mut fragment = vec![CLIENT_HELLO];
        fragment.extend(&total.to_be_bytes()[1..]);
        fragment.extend([0, 0, 0, 0, 0]);
        fragment.extend(&(body.len() as u32).to_be_bytes()[1..]);
        fragment.extend(body);
        let mut record = vec![HANDSHAKE, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend((fragment.len() as u16).to_be_bytes());
        record.extend(fragment);
        record
    }

    const BOTH: [u8; 4] = [0xfe, 0xfc, 0xfe, 0xfd];

    #[test]
    fn version_13_is_spoken_where_it_brings_gcm() {
        let choose = |bytes: Vec<u8>| choose_version(DtlsVersions::Both, &bytes);
        assert_eq!(choose(hello(&[0, 7, 0, 8, 0, 1], &BOTH, 999)), Some(DtlsVersion::V13), "as Firefox lists them");
        assert_eq!(choose(hello(&[0, 1, 0, 8, 0, 7], &BOTH, 999)), Some(DtlsVersion::V12), "as Chromium lists them");
        assert_eq!(choose(hello(&[0, 1], &[0xfe, 0xfc], 999)), Some(DtlsVersion::V13), "nothing else offered");
        assert_eq!(choose(hello(&[0, 7], &BOTH, 60)), Some(DtlsVersion::V12), "not seen");
    }

    #[test]
    fn what_begins_no_client_hello_begins_no_connection() {
        let good = hello(&[0, 7], &BOTH, 999);
        for at in [0, 13, 19] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert_eq!(choose_version(DtlsVersions::Only12, &bytes), None, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn choosing_never_panics(cut in 0usize..200, at in 0usize..150, value: u8) {
            let mut bytes = hello(&[0, 7, 0, 8], &BOTH, 999);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            bytes.truncate(cut);
            let _ = choose_version(DtlsVersions::Both, &bytes);
        }
    }
}
