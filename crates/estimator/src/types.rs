//! The words of this crate's surface.

use std::time::{Duration, Instant};

use parlour_model::{Bitrate, DataSize};

/// What does not change while a client is connected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Assumed before anything is known.
    pub initial: Bitrate,
    /// Never estimated below: room for audio.
    pub floor: Bitrate,
    /// Never estimated above.
    pub ceiling: Bitrate,
    /// How often the client was asked to send feedback.
    pub feedback_interval: Duration,
    /// What an earlier test of this line said; verified within a round trip.
    pub hint: Option<Bitrate>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            initial: Bitrate::kbps(300),
            floor: Bitrate::kbps(40),
            ceiling: Bitrate::mbps(20),
            feedback_interval: Duration::from_millis(50),
            hint: None,
        }
    }
}

/// What a packet was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// Speech: never waits.
    Audio,
    /// A picture, first sending.
    Video,
    /// Only to find out.
    Padding,
    /// A repair, or a probe made of repairs.
    Retransmission,
}

/// Packets that were sent close together on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Burst {
    /// On its own.
    #[default]
    None,
    /// Of a frame; the number changes from frame to frame.
    Frame(u32),
    /// Of the probe with this [`ProbePlan::id`].
    Probe(u32),
}

/// A packet that was handed to the network.
#[derive(Clone, Copy, Debug)]
pub struct SentPacket {
    /// Transport-wide sequence number, unwrapped, increasing.
    pub seq: u64,
    /// Bytes on the wire.
    pub size: DataSize,
    /// When.
    pub at: Instant,
    /// What for.
    pub kind: PacketKind,
    /// With which others.
    pub burst: Burst,
}

/// What feedback says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketResult {
    /// Of the packet, unwrapped.
    pub seq: u64,
    /// Arrival by the client's clock, from an epoch of its own; `None`: not arrived so far.
    pub arrival: Option<Duration>,
}

/// What a receiver report (RFC 3550 section 6.4) says of the whole leg.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReceiverReport {
    /// Share lost since the last one, 0 to 1.
    pub fraction_lost: f64,
    /// Round trip, where it could be computed.
    pub rtt: Option<Duration>,
}

/// How it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing known yet, looking.
    Start,
    /// At the capacity, or below it for lack of demand.
    Steady,
    /// Below the capacity to empty the queue.
    Drain,
    /// Beside traffic that keeps the queue full.
    Compete,
    /// Feedback is overdue: no more video.
    Hold,
    /// Feedback is long overdue: audio only.
    Silent,
}

/// What last changed the capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The configuration or a hint.
    Initial,
    /// A probe.
    Probe,
    /// The dispersion of frames.
    Burst,
    /// The delay stayed low at full rate.
    LowDelay,
    /// The delay rose: capacity is the delivery rate.
    Queue,
    /// Losses that went away when the rate fell.
    Loss,
    /// Competing traffic.
    Competition,
    /// Back after silence.
    Return,
    /// The bound of RFC 8083.
    Brake,
}

/// Send this to find out whether more fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePlan {
    /// A new number is a new probe; tag its packets with [`Burst::Probe`].
    pub id: u32,
    /// How fast. Media that waits goes first and counts.
    pub rate: Bitrate,
    /// How much in all.
    pub size: DataSize,
}

/// What the estimator holds true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// What the line carries for this client.
    pub capacity: Bitrate,
    /// What to send on average now, everything included. Below the capacity while a queue empties.
    pub target: Bitrate,
    /// 0 (a guess) to 1 (measured under load just now).
    pub confidence: f64,
    /// How fast to let waiting video out. Zero: hold video.
    pub pacing_rate: Bitrate,
    /// What to find out next, if anything.
    pub probe: Option<ProbePlan>,
    /// How it goes.
    pub state: State,
    /// What changed the capacity last.
    pub reason: Reason,
}

/// One line of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TracePoint {
    /// Since the estimator began.
    pub at: Duration,
    /// See [`Estimate`].
    pub estimate: Estimate,
    /// Delivered, of the last observation.
    pub delivered: Bitrate,
    /// Sent, the same packets.
    pub sent: Bitrate,
    /// Low quantile of the queueing delay.
    pub queue: Duration,
    /// Packets lost of those judged in the last second, 0 to 1.
    pub loss: f64,
    /// Line rate that bursts show; zero when unknown.
    pub burst_rate: Bitrate,
}

/// What was refused or odd. Every bound has its counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Feedback about packets never sent or long forgotten.
    pub unknown_packets: u64,
    /// Feedback about packets already judged as received.
    pub repeated_packets: u64,
    /// Results beyond the bound of one message.
    pub excess_results: u64,
    /// Messages beyond the bound of one interval.
    pub excess_messages: u64,
    /// Jumps of the client's clock.
    pub clock_jumps: u64,
    /// Sent packets whose number did not increase.
    pub unordered_sent: u64,
    /// Sent packets forgotten before feedback came.
    pub forgotten_packets: u64,
}
