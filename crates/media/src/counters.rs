//! Plain counts of what a room did since it began. Read and summed by whoever exports metrics; never reset.

use crate::error::{ForwardDrop, RtcpDrop, RtpDrop};

/// What a room did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaCounters {
    /// RTP packets of publications that came in, repaired ones too.
    pub packets_in: u64,
    /// Their bytes, header included.
    pub bytes_in: u64,
    /// RTP packets written for receivers, repetitions too.
    pub packets_out: u64,
    /// Their bytes, header included.
    pub bytes_out: u64,
    /// RTCP packets that came in.
    pub rtcp_in: u64,
    /// RTCP packets written.
    pub rtcp_out: u64,
    /// RTCP messages not written because too many waited already.
    pub rtcp_overflow: u64,
    /// Sequence numbers asked of publishers by NACK.
    pub nack_out: u64,
    /// Sequence numbers asked by receivers by NACK.
    pub nack_in: u64,
    /// Of them, refused: unknown, stale, too soon again, too often, over the receiver's repair budget.
    pub nack_refused: u64,
    /// Packets repaired by publishers.
    pub repaired_in: u64,
    /// Packets repeated to receivers.
    pub repaired_out: u64,
    /// Packets repeated to receivers to find out what their lines carry.
    pub probes_out: u64,
    /// Packets of padding sent to receivers to find out what their lines carry, where there was nothing to repeat.
    pub paddings_out: u64,
    /// Packets of speech sent again unasked, behind bursts of losses.
    pub copies_out: u64,
    /// Of those that were due, not sent: repeated already, stale, or over the receiver's repair budget.
    pub copies_refused: u64,
    /// Bounds told to publishers (REMB).
    pub bounds_out: u64,
    /// Voices whose publishers were asked to make them narrow.
    pub narrowed: u64,
    /// Receivers that joined the line of others with the same public address.
    pub lines_joined: u64,
    /// Of them, those whose delays confirmed it.
    pub lines_confirmed: u64,
    /// And those whose delays refuted it: they have a line of their own again.
    pub lines_refuted: u64,
    /// Keyframe requests that came in.
    pub keyframe_requests_in: u64,
    /// Keyframe requests sent to publishers.
    pub keyframe_requests_out: u64,
    /// Keyframes that came in.
    pub keyframes_in: u64,
    /// Switches of a receiver between layers.
    pub layer_switches: u64,
    /// Padding packets sent in place of late packets of a dropped temporal layer.
    pub fillers_out: u64,
    /// Subscriptions refused at a bound.
    pub subscriptions_refused: u64,
    /// Events thrown away because nobody fetched them.
    pub events_dropped: u64,
    rtp_drops: [u64; RtpDrop::ALL.len()],
    rtcp_drops: [u64; 2],
    forward_drops: [u64; ForwardDrop::ALL.len()],
}

impl MediaCounters {
    /// RTP packets not taken in for this reason.
    pub fn rtp_drops(&self, reason: RtpDrop) -> u64 {
        self.rtp_drops[reason as usize]
    }

    /// RTCP packets not taken in for this reason.
    pub fn rtcp_drops(&self, reason: RtcpDrop) -> u64 {
        self.rtcp_drops[reason as usize]
    }

    /// Packets not sent to one receiver for this reason.
    pub fn forward_drops(&self, reason: ForwardDrop) -> u64 {
        self.forward_drops[reason as usize]
    }

    pub(crate) fn count_rtp_drop(&mut self, reason: RtpDrop) {
        self.rtp_drops[reason as usize] += 1;
    }

    pub(crate) fn count_rtcp_drop(&mut self, reason: RtcpDrop) {
        self.rtcp_drops[reason as usize] += 1;
    }

    pub(crate) fn count_forward_drop(&mut self, reason: ForwardDrop) {
        self.count_forward_drops(reason, 1);
    }

    pub(crate) fn count_forward_drops(&mut self, reason: ForwardDrop, packets: usize) {
        self.forward_drops[reason as usize] += packets as u64;
    }
}
