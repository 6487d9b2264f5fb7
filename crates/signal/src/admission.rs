//! Who may connect at all: bounds on open WebSockets and on attempts, in all and per address.
//!
//! An IPv6 address counts as its /64: one household or host has no less.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::config::Limits;
use crate::metrics::Drop as Reason;
use crate::rates::{Rate, Rates};

struct Visitors {
    attempts: Rates<IpAddr>,
    /// Open ones of each address that has any: no more entries than `sockets`.
    sockets_of: HashMap<IpAddr, usize>,
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
        let rate = Rate { per_second: limits.attempts_per_second, burst: limits.attempt_burst };
        let attempts = Rates::new(rate, limits.addresses);
        Self { limits, visitors: Arc::new(Mutex::new(Visitors { attempts, sockets_of: HashMap::new(), sockets: 0 })) }
    }

    /// One attempt of this address, which leads to a seat or a reason why not.
    pub(crate) fn admit(&self, address: IpAddr, now: Instant) -> Result<Seat, Reason> {
        let address = counted_as(address);
        let mut visitors = self.lock();
        visitors.attempts.take(address, now).map_err(|_| Reason::Rate)?;
        let own = visitors.sockets_of.get(&address).copied().unwrap_or_default();
        if visitors.sockets >= self.limits.sockets || own >= self.limits.sockets_per_address {
            return Err(Reason::Sockets);
        }
        visitors.sockets_of.insert(address, own + 1);
        visitors.sockets += 1;
        Ok(Seat { admission: self.clone(), address })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Visitors> {
        // Nothing in here can panic half-way; a poisoned lock still guards true counts.
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut visitors = self.admission.lock();
        visitors.sockets = visitors.sockets.saturating_sub(1);
        if let Entry::Occupied(mut own) = visitors.sockets_of.entry(self.address) {
            *own.get_mut() = own.get().saturating_sub(1);
            if *own.get() == 0 {
                own.remove();
            }
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
    fn a_socket_counts_for_as_long_as_it_is_open_and_is_forgotten_with_it() {
        let door = Admission::new(limits());
        let now = Instant::now();
        let seats = [0, 100].map(|seconds| door.admit(ip("192.0.2.1"), now + Duration::from_secs(seconds)).unwrap());
        let later = now + Duration::from_secs(200);
        assert_eq!(door.admit(ip("192.0.2.1"), later).err(), Some(Reason::Sockets), "long after its attempts");
        drop(seats);
        assert!(door.lock().sockets_of.is_empty());
        assert!(door.admit(ip("192.0.2.1"), later).is_ok());
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
