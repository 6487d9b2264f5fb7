//! One outgoing RTP stream: an SSRC on a section of a receiver, fed by the publication that is bound to it at the time.
//! Its numbering outlives the binding, so that a section can be used again.

use std::time::{Duration, Instant};

use parlour_model::command::TrackSettings;
use parlour_model::{Bitrate, MediaKind, PublicationKey};
use parlour_rtp::rtcp::SenderInfo;

use crate::egress::history::History;
use crate::egress::packet::Opening;
use crate::egress::rewriter::{Rewriter, Rewritten, Source};
use crate::egress::selector::{Choice, Selector};
use crate::error::ForwardDrop;
use crate::inbound::Inbound;
use crate::publication::clock::SenderClock;
use crate::publication::dynacast::LAYERS;
use crate::spec::SubscriptionSpec;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Changed by [`Stream::set_spec`].
    pub spec: SubscriptionSpec,
    /// As `spec` and the connection have it.
    pub opening: Opening,
    pub rewriter: Rewriter,
    pub history: History,
    pub binding: Option<Binding>,
    /// Next number on the repair stream.
    pub repair_next: u16,
    /// One above the highest number that is on its way to the wire.
    pub committed: u64,
    /// Its packets carry earlier ones again (RFC 2198).
    pub redundant: bool,
    /// What a sender report says of it.
    pub packets: u32,
    pub octets: u32,
    /// Packets of which at least one repetition was sent.
    pub repeated: u32,
    /// `packets` and `repeated` at the last report of the receiver.
    judged: (u32, u32),
    /// As the receiver reported last.
    pub reception: Option<Reception>,
    /// The last two sender reports: their compact NTP time and when they were written.
    pub reports: [Option<(u32, Instant)>; 2],
}

/// What feeds a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    pub key: PublicationKey,
    /// Index of the publication in its room.
    pub publication: u16,
    pub kind: MediaKind,
    /// There is an edge.
    pub open: bool,
    /// By layer: packets below this number came before the way was opened. They are not for this receiver, however late
    /// they are repaired: what was said during a hold stays there.
    pub floors: [u64; LAYERS],
    pub settings: TrackSettings,
    pub selector: Selector,
    /// Something was forwarded since the subscription.
    pub began: bool,
    /// Video is wanted and does not fit.
    pub held_back: bool,
    /// The highest layer the receiver would take now, for dynacast.
    pub wanted: Option<u8>,
    /// The layer it is granted, and what the receiver's line has for it.
    pub room: Option<(u8, Bitrate)>,
}

/// What a receiver reported of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reception {
    /// When it said so.
    pub at: Instant,
    /// Share lost, 0 to 1.
    pub loss: f32,
    pub jitter: Duration,
}

/// What becomes of a packet on one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes out like this.
    Send(Rewritten),
    /// It goes out like this, and a layer begins with it.
    Switch(Rewritten),
    /// It does not.
    Drop(ForwardDrop),
    /// There is nothing to forward along here: no edge, or not wanted.
    Closed,
}

impl Binding {
    /// Packets of this layer go out, or will after a keyframe.
    pub fn takes(&self, layer: u8) -> bool {
        let targeted = self.selector.target().is_some_and(|target| target.layer == layer);
        self.open && (targeted || self.selector.current() == Some(layer))
    }
}

impl Stream {
    pub fn new(spec: SubscriptionSpec, first: u16, repair_first: u16) -> Self {
        let rewriter = Rewriter::new(first);
        let committed = rewriter.next_sequence();
        Self {
            spec,
            opening: Opening::Unknown,
            rewriter,
            history: History::new(),
            binding: None,
            repair_next: repair_first,
            committed,
            redundant: false,
            packets: 0,
            octets: 0,
            repeated: 0,
            judged: (0, 0),
            reception: None,
            reports: [None; 2],
        }
    }

    /// Its section changed.
    pub fn set_spec(&mut self, spec: SubscriptionSpec) {
        self.spec = spec;
        self.opening = Opening::Unknown;
    }

    /// Decides on a packet of the publication that is bound. `align` tells how many ticks the packet is after the
    /// newest that went out, by the sender's clocks.
    pub fn forward(
        &mut self,
        source: Source,
        packet: &Inbound,
        rate: u32,
        align: impl FnOnce(Source, u32) -> Option<i64>,
    ) -> Verdict {
        let Some(binding) = self.binding.as_mut().filter(|binding| binding.open && !binding.settings.disabled) else {
            return Verdict::Closed;
        };
        if binding.floors.get(usize::from(packet.layer)).is_some_and(|&floor| packet.sequence < floor) {
            return Verdict::Drop(ForwardDrop::Late);
        }
        let run = self.rewriter.run_end(source);
        let is_late = run.map_or_else(|| self.rewriter.is_left_behind(source, packet), |end| packet.sequence < end);
        if is_late {
            return self.rewriter.late(source, packet).map_or(Verdict::Drop(ForwardDrop::Late), Verdict::Send);
        }
        let runs = run.is_some();
        if !runs && binding.selector.current() == Some(packet.layer) {
            // The publisher began its numbering anew: this layer begins anew as well.
            binding.selector.restart();
        }
        let choice = match binding.kind {
            MediaKind::Video => binding.selector.choose(packet),
            MediaKind::Audio if packet.size == 0 => Choice::Skip,
            MediaKind::Audio if !runs => Choice::Begin,
            MediaKind::Audio => Choice::Pass,
        };
        match choice {
            Choice::Begin => {
                let since = self.rewriter.newest().and_then(|(newest, timestamp)| align(newest, timestamp));
                Verdict::Switch(self.rewriter.begin(source, packet, since, rate))
            }
            Choice::Pass => {
                let out = self.rewriter.pass(source, packet);
                out.map_or(Verdict::Drop(ForwardDrop::AwaitsKeyframe), Verdict::Send)
            }
            Choice::Skip => {
                self.rewriter.skip(source, packet);
                Verdict::Drop(ForwardDrop::Temporal)
            }
            Choice::Ignore(reason) => Verdict::Drop(reason),
        }
    }

    /// The share of packets a receiver is likely to miss for good, from the share it reports lost: browsers count what
    /// was repeated to them as lost all the same (RFC 4588 section 5.3).
    pub fn take_loss(&mut self, reported: f32) -> f32 {
        let (packets, repeated) = (self.packets.wrapping_sub(self.judged.0), self.repeated.wrapping_sub(self.judged.1));
        self.judged = (self.packets, self.repeated);
        let repaired = if packets > 0 { repeated as f32 / packets as f32 } else { 0.0 };
        (reported - repaired).max(0.0)
    }

    /// Stops what goes out until a keyframe (audio: until the next packet). Numbers from `next` on were never sent and
    /// are given again.
    pub fn interrupt(&mut self, next: u64) {
        self.rewriter.rewind(next);
        self.committed = self.committed.min(next);
        if let Some(binding) = &mut self.binding {
            binding.selector.restart();
        }
    }

    /// Packets that are no part of the picture can go beside it and are reported on.
    pub fn can_probe(&self) -> bool {
        self.spec.rtx_ssrc.is_some() && self.spec.rtx.is_some() && self.spec.transport_cc
    }

    /// One above the highest number that left.
    pub fn next_unsent(&self) -> u64 {
        self.history.newest().map_or(self.rewriter.first_sequence(), |newest| newest + 1)
    }

    /// What a sender report says at `now`: the publisher's clock and this stream's timestamps.
    pub fn sender_info(&self, source: Source, clock: &SenderClock, rate: u32, now: Instant) -> Option<SenderInfo> {
        let shift = self.rewriter.timestamp_shift(source)?;
        let (ntp, timestamp) = clock.at(now, rate);
        let rtp_timestamp = timestamp.wrapping_add(shift);
        Some(SenderInfo { ntp, rtp_timestamp, packets: self.packets, octets: self.octets })
    }
}
