//! What the outside asks of a session. A command is addressed to a session, handled by the shard that runs it, and
//! answered with one [`Reply`]; what follows from it for others arrives as [`crate::Event`]s.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use crate::id::{Identity, ParticipantSid, SessionId, TrackSid};
use crate::media::{Quality, TrackRequest, VideoSize};
use crate::participant::{ClientTraits, Grants, ParticipantRecord, Role};
use crate::redacted::Redacted;

/// What can be asked.
#[derive(Debug)]
pub enum Command {
    /// Opens the session if it is not there; one that is there is left as it is. Answered by [`Reply::Done`].
    Open(Box<crate::opening::SessionOpening>),
    /// Come in. Opens the session if nobody is there yet. Answered by [`Reply::Joined`].
    Join(Box<Join>),
    /// Signalling is back after a break. Answered by [`Reply::Resumed`].
    Resume(Resume),
    /// A participant does something. Answered by [`Reply::Done`]; results arrive as events, in order.
    Act(ParticipantSid, Action),
    /// Signalling of this participant broke; it may resume within the grace time.
    SignalLost(ParticipantSid),
    /// Someone with authority over the session removes a person.
    Remove {
        /// Whom.
        identity: Identity,
        /// What the removed client is told.
        reason: crate::LeaveReason,
    },
    /// Mutes someone else's track; only its owner can unmute it.
    MuteTrack {
        /// Whose.
        identity: Identity,
        /// Which.
        track: TrackSid,
    },
    /// Changes what others are told of someone.
    UpdateParticipant {
        /// Whom.
        identity: Identity,
        /// New values.
        update: ProfileUpdate,
        /// Narrower or wider grants, within the role.
        grants: Option<Grants>,
    },
    /// Something is asked of the session's rules: admit, hold, check-in, floor. Answered by [`Reply::Ruled`].
    Rule {
        /// Whose right it is judged by.
        by: Requester,
        /// What.
        command: crate::session::SessionCommand,
    },
    /// What must outlive the process. Answered by [`Reply::Snapshot`].
    Snapshot,
    /// What someone may see of the session. Answered by [`Reply::View`].
    View {
        /// Who.
        viewer: crate::view::Viewer,
    },
    /// A server key sends data into the session.
    SendData(OutgoingData),
    /// Changes the session's metadata.
    UpdateSessionMetadata(Redacted<String>),
    /// Ends the session for all.
    End,
    /// Answered by [`Reply::Sessions`]; the addressed session is not looked at.
    ListSessions,
    /// Answered by [`Reply::Session`].
    DescribeSession,
    /// What is held true of everyone's line now; answered by [`Reply::Lines`].
    TraceLines,
}

/// In whose name something is asked of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requester {
    /// Someone in it; the role decides.
    Participant(ParticipantSid),
    /// The holder of a session token of this identity; the role that the session knows decides.
    Identity(Identity),
    /// The holder of a server key.
    Server,
}

/// How the client connects its media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One peer connection; the client always offers.
    Single,
    /// One peer connection each way; the server offers the one it sends on.
    Dual,
}

/// Which of a participant's peer connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// The one the client publishes on; with [`Topology::Single`] the only one.
    Publish,
    /// The one the client receives on in [`Topology::Dual`].
    Subscribe,
}

/// A way in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entry {
    /// By link or token.
    #[default]
    Ordinary,
    /// By a hand-over that the live device offered.
    HandOver,
}

/// A request to come in, already authenticated.
#[derive(Debug)]
pub struct Join {
    /// Who.
    pub identity: Identity,
    /// As what, from the token.
    pub role: Role,
    /// What the token allows.
    pub grants: Grants,
    /// Shown to others.
    pub name: Redacted<String>,
    /// Opaque.
    pub metadata: Redacted<String>,
    /// Opaque.
    pub attributes: Redacted<BTreeMap<String, String>>,
    /// Of the client library.
    pub client: ClientTraits,
    /// One connection or two.
    pub topology: Topology,
    /// How it says it encrypts its frames end to end.
    pub encryption: crate::Encryption,
    /// Whether the client wants every publication without asking.
    pub auto_subscribe: bool,
    /// Ordinary, or a hand-over; from the token.
    pub entry: Entry,
}

/// Signalling is back.
#[derive(Debug)]
pub struct Resume {
    /// The stay to go on with.
    pub participant: ParticipantSid,
    /// Must be the one that joined.
    pub identity: Identity,
}

/// What a participant does through its signalling.
#[derive(Debug)]
pub enum Action {
    /// An SDP offer (or, in [`Topology::Dual`], for the publish leg). Answered by [`crate::Event::Answer`].
    Offer {
        /// The client's SDP.
        sdp: Redacted<String>,
        /// Echoed in the answer.
        offer_id: u32,
    },
    /// The client's answer to our offer of the subscribe leg.
    Answer {
        /// The client's SDP.
        sdp: Redacted<String>,
        /// Of our offer.
        offer_id: u32,
    },
    /// A remote candidate. ICE-lite learns addresses from checks, so this is only counted.
    Trickle(Leg),
    /// Announces a track; answered by [`crate::Event::TrackPublished`] or [`crate::Event::RequestFailed`].
    AddTrack(TrackRequest),
    /// Stops publishing a track.
    Unpublish(TrackSid),
    /// The owner mutes or unmutes.
    Mute {
        /// Which track.
        track: TrackSid,
        /// On or off.
        muted: bool,
    },
    /// Wants, or no longer wants, these publications.
    Subscribe {
        /// Which.
        tracks: Vec<TrackSid>,
        /// Yes or no.
        wanted: bool,
    },
    /// How a receiver shows these publications.
    TrackSettings {
        /// Which.
        tracks: Vec<TrackSid>,
        /// New settings.
        settings: TrackSettings,
    },
    /// A publisher's restriction of who may receive it. `None` in `others` with `all` false: nobody.
    SubscriptionPermission {
        /// Everyone may.
        all: bool,
        /// Otherwise these, each with the tracks allowed (empty: all of them).
        others: Vec<(Identity, Vec<TrackSid>)>,
    },
    /// A publisher's new picture sizes.
    UpdateLayers {
        /// Which.
        track: TrackSid,
        /// The sizes.
        layers: Vec<crate::LayerSpec>,
    },
    /// Changes what others are told of oneself. Answered by [`crate::Event::RequestDone`] or `RequestFailed`.
    UpdateProfile {
        /// The client's number of this request.
        request: u32,
        /// New values.
        update: ProfileUpdate,
    },
    /// Data that arrived from this participant, checked and stamped, to go on to others.
    SendData(OutgoingData),
    /// The client has everything it was told before the [`crate::Event::Acknowledge`] of this number.
    Acknowledge(u32),
    /// After a resume: what the client still has.
    SyncState(SyncState),
    /// Its line was tested before it came in. Never asked for by a client: its connection says so on its behalf.
    LineTested(LineHint),
    /// Leave for good.
    Leave,
}

/// What a test of someone's line found lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineHint {
    /// Toward the client, on the wire.
    pub down: crate::Bitrate,
    /// How long ago.
    pub age: std::time::Duration,
}

/// New values for a participant's profile; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ProfileUpdate {
    /// Shown to others.
    pub name: Option<Redacted<String>>,
    /// Opaque.
    pub metadata: Option<Redacted<String>>,
    /// Merged key by key; an empty value removes its key.
    pub attributes: Redacted<BTreeMap<String, String>>,
}

/// How a receiver shows a publication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackSettings {
    /// Not shown at all: send nothing.
    pub disabled: bool,
    /// The size it is shown at; the smallest layer that fills it is enough.
    pub size: Option<VideoSize>,
    /// A rung asked for by name, when no size is given.
    pub quality: Option<Quality>,
    /// Frames per second wanted; zero or `None`: all.
    pub fps: Option<u32>,
}

/// A message for data channels.
#[derive(Clone, Debug)]
pub struct OutgoingData {
    /// Ordered and repeated until received, or not.
    pub channel: DataChannel,
    /// Only these; empty: everyone but the sender.
    pub destinations: Vec<Identity>,
    /// Of the message that it was, or of the first piece of a stream. What a server key sends has none.
    pub mark: AudienceMark,
    /// Encoded once for all receivers.
    pub payload: Bytes,
}

/// What a sender knew, when a message came in, of who is there: counted by the shard, and handed back to it unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AudienceMark(pub u32);

/// The two data channels of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataChannel {
    /// Label `_reliable`.
    Reliable,
    /// Label `_lossy`.
    Lossy,
}

/// What a resuming client still has.
#[derive(Clone, Debug, Default)]
pub struct SyncState {
    /// Its subscriptions differ from the default by these.
    pub exceptions: Vec<TrackSid>,
    /// Tracks it had switched off.
    pub disabled: Vec<TrackSid>,
    /// Last reliable message received per sender.
    pub received: Vec<(ParticipantSid, u32)>,
}

/// What a command comes back with.
#[derive(Debug)]
pub enum Reply {
    /// In.
    Joined(Box<Joined>),
    /// Back.
    Resumed(Box<Joined>),
    /// Done; a protecting command is in force when this is sent.
    Done,
    /// Done, and in force.
    Ruled {
        /// What comes of it.
        reply: crate::session::SessionReply,
        /// The session after it, to be kept.
        snapshot: Box<crate::session::SessionSnapshot>,
    },
    /// Of the session.
    Snapshot(Box<crate::session::SessionSnapshot>),
    /// Of the session, for one viewer.
    View(Box<crate::view::SessionView>),
    /// Of this worker.
    Sessions(Vec<SessionRecord>),
    /// Of one session.
    Session(Box<SessionRecord>, Vec<ParticipantRecord>),
    /// Of those whose line is estimated.
    Lines(Vec<LineTrace>),
    /// Not done, and nothing changed.
    Refused(Refusal),
}

/// What a new or resumed participant is told first.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The session.
    pub session: SessionRecord,
    /// Oneself.
    pub participant: ParticipantRecord,
    /// Everyone else that one may know of.
    pub others: Vec<ParticipantRecord>,
}

/// What is told of a session.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// Its name.
    pub id: SessionId,
    /// This opening of it (`RM_…`).
    pub sid: String,
    /// Opaque.
    pub metadata: Redacted<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// Present.
    pub participants: u32,
    /// Of them, with a publication.
    pub publishers: u32,
    /// At most.
    pub max_participants: u32,
}

/// What is held true of one participant's line: numbers only.
#[derive(Clone, Debug, PartialEq)]
pub struct LineTrace {
    /// The stay.
    pub participant: ParticipantSid,
    /// Since the line was first used.
    pub at: std::time::Duration,
    /// What the line carries.
    pub capacity: crate::Bitrate,
    /// What is to be sent.
    pub target: crate::Bitrate,
    /// What was sent lately.
    pub sent: crate::Bitrate,
    /// What of it arrived.
    pub delivered: crate::Bitrate,
    /// How long packets wait on the line.
    pub queue: std::time::Duration,
    /// Share lost in the last second, 0 to 1.
    pub loss: f64,
    /// How it goes, and what changed the capacity last.
    pub state: String,
}

/// Why a command was not carried out. The text never echoes input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// No such session here.
    #[error("no such session")]
    UnknownSession,
    /// No such participant in it.
    #[error("no such participant")]
    UnknownParticipant,
    /// No such track.
    #[error("no such track")]
    UnknownTrack,
    /// It was ended.
    #[error("the session has ended")]
    Ended,
    /// No seat left.
    #[error("the session is full")]
    Full,
    /// The therapist locked it.
    #[error("the session is locked")]
    Locked,
    /// This identity is already present and may not be replaced.
    #[error("this identity is already in the session")]
    DuplicateIdentity,
    /// Removed, not to come back.
    #[error("removed from the session")]
    Removed,
    /// Role or grants do not allow it.
    #[error("not allowed")]
    NotAllowed,
    /// A bound was reached.
    #[error("a limit was reached")]
    Limit,
    /// Something in the request is malformed.
    #[error("the request is not valid")]
    Invalid,
    /// The server is stopping.
    #[error("the server is shutting down")]
    Draining,
    /// The session must be end-to-end encrypted.
    #[error("end-to-end encryption is required")]
    EncryptionRequired,
    /// Its time has not come.
    #[error("the session is not open yet")]
    NotOpenYet,
    /// This node is not in the session's region.
    #[error("the session may not run in this region")]
    WrongRegion,
    /// A therapist did not let this person in.
    #[error("not admitted")]
    Denied,
    /// No hand-over was offered by the live device, or its time is over.
    #[error("no hand-over was offered")]
    NoHandOver,
    /// The person is not inside.
    #[error("the participant is not present")]
    NotPresent,
    /// The person is inside already.
    #[error("the participant does not wait")]
    NotWaiting,
    /// There never was such a check-in.
    #[error("no such check-in")]
    UnknownCheckIn,
    /// One of these people is in another check-in.
    #[error("a participant is in another check-in")]
    InCheckIn,
    /// No therapist is there to lead it, or it is not clear which.
    #[error("no therapist to lead the check-in")]
    NoTherapist,
    /// Not the text that is to be accepted now.
    #[error("another text is to be accepted")]
    OtherText,
    /// A bug of ours ended it.
    #[error("internal error")]
    Internal,
}
