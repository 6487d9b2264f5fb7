//! Plain STUN Binding (RFC 8489 section 6): tells whoever asks from which address it was seen. Clients are given this
//! server as their only STUN server, so that no public one ever learns who talks to whom.
//!
//! No larger than the question by more than the address, and bounded in rate: useless as an amplifier.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::outbox::Outbox;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Answers a second, and at once. A client asks a few times while it connects.
const RATE: f64 = 1_000.0;

/// Datagrams that wait for the outbox.
const MAX_WAITING: usize = 256;

/// The answer to a Binding request without credentials; `None` if it is anything else.
pub(crate) fn binding_response(request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let header: &[u8; 20] = request.get(..20)?.try_into().ok()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[..2] != [0x00, 0x01] || header[4..8] != COOKIE || request.len() != 20 + length {
        return None;
    }
    let mut address = vec![0, 1];
    address.extend((from.port() ^ 0x2112).to_be_bytes());
    match from.ip() {
        IpAddr::V4(ip) => address.extend(ip.octets().iter().zip(&header[4..8]).map(|(a, b)| a ^ b)),
        IpAddr::V6(ip) => {
            address[1] = 2;
            address.extend(ip.octets().iter().zip(&header[4..20]).map(|(a, b)| a ^ b));
        }
    }
    let mut response = vec![0x01, 0x01];
    response.extend((address.len() as u16 + 4).to_be_bytes());
    response.extend(&header[4..20]);
    response.extend([0x00, 0x20]);
    response.extend((address.len() as u16).to_be_bytes());
    response.extend(address);
    Some(response)
}

/// Datagrams that belong to no peer and wait to be sent, and how many answers may be given.
pub(crate) struct Unattended {
    tokens: f64,
    at: Instant,
    waiting: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Unattended {
    pub(crate) fn new(now: Instant) -> Self {
        Self { tokens: RATE, at: now, waiting: Vec::new() }
    }

    /// Whether another answer may be given.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.tokens = (self.tokens + now.saturating_duration_since(self.at).as_secs_f64() * RATE).min(RATE);
        self.at = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }

    pub(crate) fn queue(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push((from, to, datagram));
        }
    }

    /// Puts what waits into the outbox; `false`: it is full.
    pub(crate) fn transmit(&mut self, outbox: &mut Outbox) -> bool {
        while let Some((from, to, datagram)) = self.waiting.last() {
            if !outbox.has_room() {
                return false;
            }
            outbox.push(*from, *to, datagram);
            self.waiting.pop();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_answer_of_rfc_5769_is_given() {
        // RFC 5769 section 2.2: 192.0.2.1:32853 is seen as a1 47 e1 12 a6 43 with this transaction id.
        let mut request = vec![0, 1, 0, 0];
        request.extend(COOKIE);
        request.extend([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
        let response = binding_response(&request, "192.0.2.1:32853".parse().expect("an address")).expect("an answer");
        assert_eq!(response[20..], [0x00, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        assert_eq!(response[8..20], request[8..20]);
    }

    #[test]
    fn nothing_but_a_whole_request_is_answered() {
        let from = SocketAddr::from(([192, 0, 2, 1], 1));
        let mut request = vec![0, 1, 0, 0];
        request.extend(COOKIE);
        request.extend([0; 12]);
        assert!(binding_response(&request, from).is_some());
        for length in 0..request.len() {
            assert!(binding_response(&request[..length], from).is_none());
        }
        let mut response = request.clone();
        response[0] = 1;
        assert!(binding_response(&response, from).is_none(), "an answer is not answered");
        request.push(0);
        assert!(binding_response(&request, from).is_none(), "a wrong length is not answered");
    }

    #[test]
    fn the_rate_is_bounded() {
        let start = Instant::now();
        let mut budget = Unattended::new(start);
        let granted = (0..5_000).filter(|_| budget.take(start)).count();
        assert_eq!(granted, RATE as usize);
        assert!(!budget.take(start));
        assert!(budget.take(start + Duration::from_millis(10)));
    }
}
