//! Who may connect at all: bounds on open WebSockets and on attempts, in all and per address.
//!
//! An IPv6 address counts as its /64: one household or host has no less.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::config::Limits;
use crate::metrics::Drop as Reason;

/// Refills steadily up to its burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(per_second: f64, burst: f64, now: Instant) -> Self {
        Self { per_second, burst, tokens: burst, at: now }
    }

    /// Takes one if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.at = now;
    }

    /// Nothing was taken for long enough that forgetting it changes nothing.
    fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens >= self.burst
    }
}

struct Visitor {
    attempts: TokenBucket,
    sockets: usize,
}

struct Visitors {
    by_address: HashMap<IpAddr, Visitor>,
    sockets: usize,
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admission {
    limits: Limits,
    visitors: Arc<Mutex<Visitors>>,
}

/// The right to one open WebSocket; given back when dropped.
pub(crate) struct Seat {
    admission: Admission,
    address: IpAddr,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, visitors: Arc::new(Mutex::new(Visitors { by_address: HashMap::new(), sockets: 0 })) }
    }

    /// One attempt of this address, which leads to a seat or a reason why not.
    pub(crate) fn admit(&self, address: IpAddr, now: Instant) -> Result<Seat, Reason> {
        let address = counted_as(address);
        let mut visitors = self.lock();
        if !visitors.by_address.contains_key(&address) {
            visitors.make_room(self.limits.addresses, now)?;
        }
        let sockets = visitors.sockets;
        let visitor = visitors.by_address.entry(address).or_insert_with(|| Visitor {
            attempts: TokenBucket::new(self.limits.attempts_per_second, self.limits.attempt_burst, now),
            sockets: 0,
        });
        if !visitor.attempts.take(now) {
            return Err(Reason::Rate);
        }
        if sockets >= self.limits.sockets || visitor.sockets >= self.limits.sockets_per_address {
            return Err(Reason::Sockets);
        }
        visitor.sockets += 1;
        visitors.sockets += 1;
        Ok(Seat { admission: self.clone(), address })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Visitors> {
        // Nothing in here can panic half-way; a poisoned lock still guards true counts.
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitors {
    /// Forgets addresses that nothing is remembered of. When all are in use, a new one has to wait.
    fn make_room(&mut self, most: usize, now: Instant) -> Result<(), Reason> {
        if self.by_address.len() < most {
            return Ok(());
        }
        self.by_address.retain(|_, visitor| visitor.sockets > 0 || !visitor.attempts.is_full(now));
        if self.by_address.len() < most { Ok(()) } else { Err(Reason::Rate) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut visitors = self.admission.lock();
        visitors.sockets = visitors.sockets.saturating_sub(1);
        if let Some(visitor) = visitors.by_address.get_mut(&self.address) {
            visitor.sockets = visitor.sockets.saturating_sub(1);
        }
    }
}

/// The address under which limits count this one: of IPv6 its /64.
pub fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    fn limits() -> Limits {
        Limits {
            sockets: 3,
            sockets_per_address: 2,
            attempts_per_second: 1.0,
            attempt_burst: 4.0,
            addresses: 2,
            ..Limits::default()
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_seat_is_free_again_when_its_socket_is_gone() {
        let door = Admission::new(limits());
        let now = Instant::now();
        let first = door.admit(ip("192.0.2.1"), now).unwrap();
        let _second = door.admit(ip("192.0.2.1"), now).unwrap();
        assert_eq!(door.admit(ip("192.0.2.1"), now).err(), Some(Reason::Sockets));
        drop(first);
        assert!(door.admit(ip("192.0.2.1"), now).is_ok());
    }

    #[test]
    fn attempts_are_limited_and_come_back_with_time() {
        let door = Admission::new(limits());
        let now = Instant::now();
        for _ in 0..4 {
            drop(door.admit(ip("192.0.2.1"), now).unwrap());
        }
        assert_eq!(door.admit(ip("192.0.2.1"), now).err(), Some(Reason::Rate));
        assert!(door.admit(ip("192.0.2.1"), now + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn the_addresses_of_one_64_share_their_limit() {
        let door = Admission::new(limits());
        let now = Instant::now();
        let _seats = [door.admit(ip("2001:db8::1"), now).unwrap(), door.admit(ip("2001:db8::2"), now).unwrap()];
        assert_eq!(door.admit(ip("2001:db8::3"), now).err(), Some(Reason::Sockets));
    }

    #[test]
    fn the_table_of_addresses_is_bounded_and_forgets_the_idle() {
        let door = Admission::new(limits());
        let now = Instant::now();
        drop(door.admit(ip("192.0.2.1"), now).unwrap());
        drop(door.admit(ip("192.0.2.2"), now).unwrap());
        assert_eq!(door.admit(ip("192.0.2.3"), now).err(), Some(Reason::Rate));
        assert!(door.admit(ip("192.0.2.3"), now + Duration::from_secs(60)).is_ok());
    }
}
