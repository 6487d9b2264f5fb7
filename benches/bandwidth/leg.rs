//! A contestant's transport for one flow: media packets in at one end, media packets out at the other.

use std::net::SocketAddr;

use parlour_estimator::TracePoint;
use parlour_simnet::Micros;

use crate::media::{Budget, MediaPacket};
use crate::ours::OurWire;

/// What crosses the virtual network.
#[derive(Clone, Debug)]
pub enum Wire {
    /// A datagram of the opponent's, as it is.
    Datagram(Vec<u8>),
    /// One of ours; its contents are not serialised, its size is what they would take.
    Ours(Box<OurWire>),
    /// A server tells a publisher how much it may send, wire bit/s (REMB).
    Bound(f64),
}

/// Something to send.
#[derive(Clone, Debug)]
pub struct Transmit {
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// With IP and UDP headers.
    pub bytes: u64,
    pub wire: Wire,
}

/// What a leg counted, in wire bytes at the sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct LegStats {
    pub sent_bytes: u64,
    pub sent_packets: u64,
    pub feedback_bytes: u64,
    /// At the receiver: everything, and what carried nothing new.
    pub arrived_bytes: u64,
    pub arrived_packets: u64,
    pub useless_bytes: u64,
}

/// Both ends of one flow's transport. Implemented by ours and by the opponent's.
pub trait Leg {
    /// Media to send.
    fn write(&mut self, now: Micros, packet: MediaPacket);
    /// A datagram arrived at one of the ends.
    fn handle(&mut self, now: Micros, from: SocketAddr, to: SocketAddr, wire: Wire);
    /// Time has passed.
    fn handle_timeout(&mut self, now: Micros);
    /// When that is due.
    fn poll_timeout(&self) -> Micros;
    /// Something to put on the network.
    fn poll_transmit(&mut self) -> Option<Transmit>;
    /// A media packet that arrived for the first time.
    fn poll_received(&mut self) -> Option<MediaPacket>;
    /// Streams whose queue was thrown away and that need a keyframe.
    fn poll_key_needed(&mut self) -> Option<u8>;
    /// What may be sent.
    fn budget(&self) -> Budget;
    /// What could be used, wire bit/s.
    fn set_demand(&mut self, now: Micros, demand: f64);
    /// Whether video is welcome now.
    fn takes_video(&self) -> bool;
    /// Counters.
    fn stats(&self) -> LegStats;
    /// Whether it knows that it shares its line.
    fn is_shared(&self) -> bool;
    /// The flow ends.
    fn leave(&mut self);
    /// What the estimator holds true, and why; ours only.
    fn trace(&self, now: Micros) -> Option<TracePoint>;
}

/// A leg that was made in the middle of a run: its own epoch is later.
pub struct Shifted<L> {
    pub leg: L,
    pub by: Micros,
}

impl<L: Leg> Leg for Shifted<L> {
    fn write(&mut self, now: Micros, packet: MediaPacket) {
        self.leg.write(now - self.by, packet);
    }

    fn handle(&mut self, now: Micros, from: SocketAddr, to: SocketAddr, wire: Wire) {
        self.leg.handle(now - self.by, from, to, wire);
    }

    fn handle_timeout(&mut self, now: Micros) {
        self.leg.handle_timeout(now - self.by);
    }

    fn poll_timeout(&self) -> Micros {
        self.leg.poll_timeout() + self.by
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.leg.poll_transmit()
    }

    fn poll_received(&mut self) -> Option<MediaPacket> {
        self.leg.poll_received()
    }

    fn poll_key_needed(&mut self) -> Option<u8> {
        self.leg.poll_key_needed()
    }

    fn budget(&self) -> Budget {
        self.leg.budget()
    }

    fn set_demand(&mut self, now: Micros, demand: f64) {
        self.leg.set_demand(now - self.by, demand);
    }

    fn takes_video(&self) -> bool {
        self.leg.takes_video()
    }

    fn stats(&self) -> LegStats {
        self.leg.stats()
    }

    fn is_shared(&self) -> bool {
        self.leg.is_shared()
    }

    fn leave(&mut self) {
        self.leg.leave();
    }

    fn trace(&self, now: Micros) -> Option<TracePoint> {
        self.leg.trace(now - self.by)
    }
}
