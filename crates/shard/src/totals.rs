//! What media and peers of a shard counted, summed: those that are here and those that are gone, so that totals only
//! grow.

use parlour_media::{ForwardDrop, MediaCounters, RtcpDrop, RtpDrop};
use parlour_peer::PeerCounters;

use crate::counters::ShardCounters;
use crate::shard::Shard;

/// Reasons for which RTCP is not taken in.
pub const RTCP_DROPS: [RtcpDrop; 2] = [RtcpDrop::UnknownParticipant, RtcpDrop::Malformed];

/// Sums over media and peers.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Of all rooms' media, without the drops by reason, which follow.
    pub media: MediaCounters,
    /// RTP packets not taken in, in the order of [`RtpDrop::ALL`].
    pub rtp_drops: [u64; RtpDrop::ALL.len()],
    /// RTCP packets not taken in, in the order of [`RTCP_DROPS`].
    pub rtcp_drops: [u64; RTCP_DROPS.len()],
    /// Packets not forwarded to one receiver, in the order of [`ForwardDrop::ALL`].
    pub forward_drops: [u64; ForwardDrop::ALL.len()],
    /// Of all peers.
    pub peers: PeerCounters,
}

/// What a shard did, and what it holds, at one moment.
#[derive(Clone, Debug, Default)]
pub struct ShardSnapshot {
    /// Of the shard itself.
    pub shard: ShardCounters,
    /// Of media and peers.
    pub totals: Totals,
    /// Sessions now.
    pub sessions: u64,
    /// Participants now.
    pub participants: u64,
    /// Publications now.
    pub publications: u64,
    /// Peer connections now.
    pub peers: u64,
    /// Entries now in the tables that lead from datagrams and deadlines to whose they are. Without sessions there are none.
    pub entries: u64,
}

impl Totals {
    pub(crate) fn add_media(&mut self, part: &MediaCounters) {
        macro_rules! sum {
            ($($field:ident)*) => { $(self.media.$field += part.$field;)* };
        }
        sum!(packets_in bytes_in packets_out bytes_out rtcp_in rtcp_out rtcp_overflow nack_out nack_in nack_refused
            repaired_in repaired_out keyframe_requests_in keyframe_requests_out keyframes_in layer_switches fillers_out
            probes_out paddings_out bounds_out copies_out copies_refused narrowed lines_joined lines_confirmed lines_refuted
            subscriptions_refused events_dropped);
        for (total, reason) in self.rtp_drops.iter_mut().zip(RtpDrop::ALL) {
            *total += part.rtp_drops(reason);
        }
        for (total, reason) in self.rtcp_drops.iter_mut().zip(RTCP_DROPS) {
            *total += part.rtcp_drops(reason);
        }
        for (total, reason) in self.forward_drops.iter_mut().zip(ForwardDrop::ALL) {
            *total += part.forward_drops(reason);
        }
    }

    pub(crate) fn add_peer(&mut self, part: &PeerCounters) {
        macro_rules! sum {
            ($($field:ident)*) => { $(self.peers.$field += part.$field;)* };
        }
        sum!(rtp_in rtcp_in rtp_out rtcp_out checks routes dtls_in messages_in messages_out messages_dropped drop_unknown
            drop_malformed_stun drop_stun_credentials drop_stun_integrity drop_stun_role drop_stun_flood
            drop_dtls_out_of_place drop_dtls_failed drop_sctp drop_before_keys drop_too_short drop_not_authentic
            drop_replayed drop_too_many_sources drop_closed);
    }
}

impl Shard {
    /// What was done so far and what is here now.
    pub fn snapshot(&self) -> ShardSnapshot {
        let mut totals = self.retired.clone();
        let mut snapshot = ShardSnapshot { shard: self.counters.clone(), ..ShardSnapshot::default() };
        for room in self.rooms.iter() {
            totals.add_media(room.media.counters());
            snapshot.sessions += 1;
            snapshot.participants += room.participants.len() as u64;
            snapshot.publications += room.publications.len() as u64;
        }
        for (_, slot) in self.peers.iter() {
            totals.add_peer(slot.peer.counters());
            snapshot.peers += 1;
        }
        snapshot.entries = (self.peers.known_ways() + self.timers.len()) as u64;
        snapshot.totals = totals;
        snapshot
    }
}
