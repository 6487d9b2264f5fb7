//! Who may be behind one line, by public address: the same IPv4 address, or the same /64 of IPv6 (RFC 6177: a home gets at
//! least that). A hypothesis only; media sees whether it is so.

use std::net::{IpAddr, SocketAddr};

use parlour_media::Home;
use parlour_model::ParticipantKey;

use crate::demux::PeerKey;
use crate::room::RoomContext;

impl RoomContext<'_> {
    /// A connection of `key` takes another way. Where it receives counts.
    pub(crate) fn route_changed(&mut self, key: ParticipantKey, peer: PeerKey, remote: SocketAddr) {
        let Some(participant) = self.room.participants.get(&key) else { return };
        if participant.transport.peer(participant.transport.receiving_leg()) == Some(peer) {
            self.room.media.set_home(key, home_of(remote.ip()), self.now);
        }
    }
}

/// What an address says of a home; nothing where everyone has the same.
fn home_of(address: IpAddr) -> Option<Home> {
    match address.to_canonical() {
        address if address.is_loopback() || address.is_unspecified() => None,
        IpAddr::V4(address) => Some(Home(u128::from(u32::from(address)))),
        // Never in the range of the above: the upper half of a global address is not zero.
        IpAddr::V6(address) => Some(Home(u128::from(address) >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(address: &str) -> Option<Home> {
        home_of(address.parse().unwrap_or(IpAddr::from([0, 0, 0, 0])))
    }

    #[test]
    fn one_address_or_one_prefix_is_one_home() {
        assert_eq!(home("198.51.100.7"), home("::ffff:198.51.100.7"));
        assert_ne!(home("198.51.100.7"), home("198.51.100.8"));
        assert_eq!(home("2001:db8:1:2::1"), home("2001:db8:1:2:ffff::9"));
        assert_ne!(home("2001:db8:1:2::1"), home("2001:db8:1:3::1"));
    }

    #[test]
    fn the_machine_itself_is_no_home() {
        assert_eq!((home("127.0.0.1"), home("::1")), (None, None));
    }
}
