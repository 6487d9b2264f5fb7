//! The server's end of the uplinks, for ours: it looks at how publishers' packets arrive and tells senders their bounds, by
//! the server's own code. A browser sends, so the sender is the opponent's in both contestants; the opponent's server tells
//! nothing.

use std::collections::BTreeMap;
use std::time::Instant;

use parlour_media::ingress::home_uplink::{HomeUplink, LOOK_INTERVAL};
use parlour_media::ingress::{Told, UplinkMeter};
use parlour_model::Bitrate;
use parlour_rtp::extension::ExtensionValue;
use parlour_rtp::packet::Prefix;
use parlour_rtp::{AbsSendTime, TransportSequence};
use parlour_simnet::{Epoch, Micros, UDP_OVERHEAD};

use crate::gcc::is_media;
use crate::leg::{Transmit, Wire};

/// Of the header extensions, as the opponent's library numbers them by default.
const SENDING_TIME: u8 = 2;
const TRANSPORT_NUMBER: u8 = 3;
/// What a server reads of a packet is shorter than what SRTP made of it (AES-GCM).
const TAG: usize = 16;
/// A bound on the wire: IP and UDP headers, a receiver report, REMB with two streams, SRTCP's index and tag.
const BOUND_BYTES: u64 = UDP_OVERHEAD + 8 + 28 + 20;

/// One publisher.
struct Publisher {
    meter: UplinkMeter,
    told: Told,
    wanted: Bitrate,
}

/// Uplinks by home, and publishers by flow.
pub struct Uplinks {
    epoch: Epoch,
    next: Micros,
    homes: BTreeMap<String, (HomeUplink, BTreeMap<usize, Publisher>)>,
}

impl Uplinks {
    pub fn new(epoch: Epoch) -> Self {
        Self { epoch, next: Micros::ZERO, homes: BTreeMap::new() }
    }

    /// Flow `index` begins to publish from a home, and would send so much.
    pub fn join(&mut self, home: &str, index: usize, wanted: f64, now: Micros) {
        let meter = UplinkMeter::new(self.at(now));
        let publisher = Publisher { meter, told: Told::default(), wanted: Bitrate::bps(wanted as u64) };
        self.homes.entry(home.into()).or_default().1.insert(index, publisher);
    }

    /// It ends.
    pub fn leave(&mut self, index: usize) {
        for (_, publishers) in self.homes.values_mut() {
            publishers.remove(&index);
        }
    }

    /// A datagram of a publisher reached the server.
    pub fn handle(&mut self, index: usize, wire: &Wire, now: Micros) {
        let at = self.at(now);
        let publisher = self.homes.values_mut().find_map(|(_, publishers)| publishers.get_mut(&index));
        let (Some(publisher), Wire::Datagram(bytes)) = (publisher, wire) else { return };
        let Some(prefix) = Prefix::parse(bytes).ok().filter(|_| is_media(bytes)) else { return };
        let number = extension(&prefix, TRANSPORT_NUMBER).and_then(TransportSequence::decode).map(|number| number.0);
        let sent = extension(&prefix, SENDING_TIME).and_then(AbsSendTime::decode);
        publisher.meter.handle_packet(number, sent, bytes.len().saturating_sub(TAG), at);
    }

    /// Looks, when it is time; what is to be told to which flow.
    pub fn poll(&mut self, now: Micros) -> Vec<(usize, Bitrate)> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now + Micros::from(LOOK_INTERVAL);
        let at = self.at(now);
        let mut bounds = Vec::new();
        for (line, publishers) in self.homes.values_mut() {
            let sights: Vec<_> = publishers.values_mut().map(|one| one.meter.take(at)).collect();
            let parts = line.divide(&sights, || publishers.values().map(|one| one.wanted).collect());
            for (place, (index, publisher)) in publishers.iter_mut().enumerate() {
                let part = parts.get(place).copied();
                bounds.extend(publisher.told.poll(part, at).map(|bound| (*index, bound)));
            }
        }
        bounds
    }

    fn at(&self, now: Micros) -> Instant {
        self.epoch.instant(now)
    }
}

fn extension<'a>(prefix: &Prefix<'a>, id: u8) -> Option<&'a [u8]> {
    prefix.extensions().find(|&(found, _)| found == id).map(|(_, value)| value)
}

/// The message that tells it.
pub fn bound(from: std::net::SocketAddr, to: std::net::SocketAddr, bound: Bitrate) -> Transmit {
    Transmit { from, to, bytes: BOUND_BYTES, wire: Wire::Bound(bound.as_bps() as f64) }
}
