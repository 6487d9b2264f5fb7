//! What a participant is told, in the order in which it happened.

use bytes::Bytes;

use crate::command::{AudienceMark, DataChannel, Refusal};
use crate::id::{ParticipantSid, TrackCid, TrackSid};
use crate::media::{Codec, Quality};
use crate::participant::{ParticipantRecord, TrackRecord};
use crate::redacted::Redacted;
use crate::unit::Bitrate;

/// Something one participant is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// Participants that changed, arrived or (state `Disconnected`) went.
    Roster(Vec<ParticipantRecord>),
    /// Our answer to its offer.
    Answer {
        /// SDP.
        sdp: Redacted<String>,
        /// Of its offer.
        offer_id: u32,
        /// Every section that carries a publication to it: (mid, track). Always the whole list.
        mids: Vec<(String, TrackSid)>,
    },
    /// Our offer for the subscribe leg.
    Offer {
        /// SDP.
        sdp: Redacted<String>,
        /// To be echoed.
        offer_id: u32,
        /// As in `Answer`.
        mids: Vec<(String, TrackSid)>,
    },
    /// The offer could not be taken; the connection is as before.
    OfferRefused {
        /// Of the offer.
        offer_id: u32,
        /// Why, for the log of the client. Echoes nothing.
        reason: String,
    },
    /// That many sections more are needed; `{0, 0}` just asks for a new offer.
    SectionsNeeded {
        /// For audio.
        audio: u32,
        /// For video.
        video: u32,
    },
    /// Its announced track has a name now.
    TrackPublished {
        /// The client's name.
        cid: TrackCid,
        /// As others will see it.
        track: TrackRecord,
    },
    /// Its track is no longer published.
    TrackUnpublished(TrackSid),
    /// Someone began to receive its track.
    TrackSubscribed(TrackSid),
    /// Its track was muted by the server or a therapist (or its own mute is confirmed).
    TrackMuted {
        /// Which.
        track: TrackSid,
        /// On or off.
        muted: bool,
    },
    /// Which of its encodings anybody takes.
    SubscribedQuality {
        /// Which track.
        track: TrackSid,
        /// Of which codec.
        codec: Codec,
        /// For each rung, wanted or not.
        qualities: Vec<(Quality, bool)>,
    },
    /// Its voice is too much for a line it goes over, or no longer.
    NarrowSpeech {
        /// Which track.
        track: TrackSid,
        /// What it should be made of at most; `None`: as it was.
        most: Option<Bitrate>,
    },
    /// Who speaks: only what changed.
    Speakers(Vec<Speaker>),
    /// How well participants are connected: only what changed.
    ConnectionQuality(Vec<(ParticipantSid, ConnectionQuality)>),
    /// Video that the server pauses or sends again for want of capacity.
    StreamStates(Vec<StreamState>),
    /// A publisher's permission for a track changed.
    SubscriptionPermission {
        /// Whose track.
        participant: ParticipantSid,
        /// Which.
        track: TrackSid,
        /// May be received.
        allowed: bool,
    },
    /// A message arrived from this participant's own data channel and waits to be stamped and sent on.
    DataReceived {
        /// On which channel.
        channel: DataChannel,
        /// As it came.
        payload: Bytes,
        /// To be handed back with it.
        mark: AudienceMark,
    },
    /// It should acknowledge, on the same ordered way, that it has everything it was told so far. Answered by
    /// [`crate::command::Action::Acknowledge`].
    Acknowledge(u32),
    /// The session's metadata or counts changed.
    SessionChanged(crate::command::SessionRecord),
    /// A numbered request succeeded.
    RequestDone(u32),
    /// A numbered request failed.
    RequestFailed {
        /// Its number, zero if it has none.
        request: u32,
        /// Why.
        refusal: Refusal,
    },
    /// An announced track was refused.
    TrackRefused {
        /// The client's name of it.
        cid: TrackCid,
        /// Why.
        refusal: Refusal,
    },
    /// The last event: the participant is out.
    Leave(LeaveReason),
}

/// Loudness of one participant.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// Who.
    pub participant: ParticipantSid,
    /// 0 (silent) to 1 (full scale).
    pub level: f32,
    /// Speaks now.
    pub active: bool,
}

/// As measured. There is no `Lost`: a client that believes it reconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionQuality {
    /// Words are missing.
    Poor,
    /// Pictures suffer.
    Good,
    /// As it should be.
    Excellent,
}

/// Whether a publication's video is being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Whose.
    pub participant: ParticipantSid,
    /// Which.
    pub track: TrackSid,
    /// Not sent at the moment.
    pub paused: bool,
}

/// Why a participant is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaveReason {
    /// It said so.
    ClientInitiated,
    /// The same identity came in elsewhere.
    DuplicateIdentity,
    /// The server stops.
    ServerShutdown,
    /// Someone with authority removed it.
    Removed,
    /// The session was ended.
    SessionEnded,
    /// Signalling or media was gone for too long.
    ConnectionLost,
    /// This connection cannot go on; a new join would work.
    MustRejoin,
    /// Its client broke the protocol.
    ProtocolViolation,
}

impl LeaveReason {
    /// Stable word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientInitiated => "client_initiated",
            Self::DuplicateIdentity => "duplicate_identity",
            Self::ServerShutdown => "server_shutdown",
            Self::Removed => "removed",
            Self::SessionEnded => "session_ended",
            Self::ConnectionLost => "connection_lost",
            Self::MustRejoin => "must_rejoin",
            Self::ProtocolViolation => "protocol_violation",
        }
    }
}
