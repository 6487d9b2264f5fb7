//! Plain STUN Binding (RFC 8489, 6.3.1) on a UDP port of its own: tells whoever asks from which address it was seen.
//!
//! The port must not be one that media uses: libwebrtc takes every packet from a STUN server's address for an answer of
//! the STUN server, so ICE checks to that address would never be answered. See docs/decisions/0012.
//!
//! An answer is 12 to 24 bytes longer than its question and their rate is bounded: no amplifier.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tokio::net::UdpSocket;

use crate::rates::{Rate, TokenBucket};

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_RESPONSE: [u8; 2] = [0x01, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];
/// Longest question looked at; honest ones have 20 to 48 bytes.
const MAX_REQUEST: usize = 256;
/// Answers per second and at once; a client asks a handful of times when it connects.
const ANSWERS: Rate = Rate { per_second: 500.0, burst: 500.0 };

/// A STUN server on one socket.
pub struct StunServer {
    socket: UdpSocket,
}

impl StunServer {
    /// Opens its port; port 0 takes a free one.
    ///
    /// # Errors
    /// When the port is taken or the address not ours.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: UdpSocket::bind(address).await? })
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers for as long as it is polled.
    pub async fn run(self) {
        let mut answers = TokenBucket::new(ANSWERS, Instant::now());
        let mut buffer = [0; MAX_REQUEST];
        loop {
            // Errors here are those of earlier sends, reported late; the socket itself stays.
            let Ok((length, from)) = self.socket.recv_from(&mut buffer).await else { continue };
            let request = buffer.get(..length).unwrap_or_default();
            if let Some(answer) = answer(request, from)
                && answers.take(Instant::now()).is_ok()
            {
                // A lost answer is asked for again.
                let _ = self.socket.send_to(&answer, from).await;
            }
        }
    }
}

/// The answer to a Binding request; `None` for anything else.
pub(crate) fn answer(request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let header = request.get(..HEADER)?;
    let (kind, cookie, transaction) = (header.get(..2)?, header.get(4..8)?, header.get(8..)?);
    let length = u16::from_be_bytes([*header.get(2)?, *header.get(3)?]);
    if kind != BINDING_REQUEST || cookie != MAGIC_COOKIE || request.len() != HEADER + usize::from(length) {
        return None;
    }
    let (family, address) = match from.ip().to_canonical() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mut value = vec![0, family];
    value.extend(from.port().to_be_bytes().iter().zip(&MAGIC_COOKIE).map(|(byte, mask)| byte ^ mask));
    // An IPv4 address meets the cookie only, an IPv6 address the transaction id as well.
    value.extend(address.iter().zip(cookie.iter().chain(transaction)).map(|(byte, mask)| byte ^ mask));
    let size = u16::try_from(value.len()).ok()?;
    let mut answer = BINDING_RESPONSE.to_vec();
    answer.extend((size + 4).to_be_bytes());
    answer.extend_from_slice(cookie);
    answer.extend_from_slice(transaction);
    answer.extend(XOR_MAPPED_ADDRESS);
    answer.extend(size.to_be_bytes());
    answer.extend(value);
    Some(answer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::{any, proptest};

    use super::*;

    /// The transaction id of RFC 5769.
    const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn request() -> Vec<u8> {
        [[0, 1, 0, 0].as_slice(), &MAGIC_COOKIE, &TRANSACTION].concat()
    }

    #[test]
    fn the_addresses_of_rfc_5769_are_written_as_there() {
        let v4 = answer(&request(), "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(v4[HEADER..], [0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let from = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let v6 = answer(&request(), from).unwrap();
        let address = [0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9];
        assert_eq!(v6[HEADER..], [[0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47].as_slice(), &address].concat());
    }

    #[test]
    fn nothing_but_a_whole_request_is_answered() {
        let from = "192.0.2.1:1".parse().unwrap();
        let whole = request();
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length], from), None);
        }
        let padded = [whole.as_slice(), &[0]].concat();
        assert_eq!(answer(&padded, from), None, "longer than its header says");
        let mut response = whole.clone();
        response[0] = 1;
        assert_eq!(answer(&response, from), None, "two servers must not talk to each other");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = answer(&bytes, "192.0.2.1:1".parse().unwrap());
        }
    }
}
