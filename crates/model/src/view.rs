//! What one viewer may see of a session, as the control API gives it out: JSON in snake_case. What a viewer may not know
//! is absent, so a view that did not change has nothing to tell.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use crate::id::Identity;
use crate::participant::Role;
use crate::redacted::Redacted;
use crate::session::{
    Admission, CheckInId, E2eePolicy, Floor, Modality, RecordingPolicy, SameRoom, SessionKind, SessionPhase,
};

/// Whose view is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// The holder of a server key: sees what therapists see.
    Server,
    /// A person, seated or not.
    Person {
        /// Who.
        identity: Identity,
        /// As what, from the token. Where the session knows the person in another role, the lesser one counts.
        role: Role,
    },
}

/// What one viewer may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Of the session as such.
    pub session: SessionFacts,
    /// The viewer's own place; absent for a server key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub me: Option<OwnPlace>,
    /// The text to accept before media, if there is one.
    pub consent: Option<ConsentFacts>,
    /// Whether the viewer agrees to a recorder; `null` where none may come.
    pub recording_agreement: Option<bool>,
    /// For those who wait, and therapists.
    #[serde(serialize_with = "in_the_open")]
    pub waiting_message: Option<Redacted<String>>,
    /// Who is heard; absent for those who are alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<FloorFacts>,
    /// Pairs that sit in one room: the viewer's own, for therapists all.
    pub same_room: Vec<PairFacts>,
    /// The last warning given before the end: ten or five.
    pub minutes_left: Option<u32>,
    /// Whether somebody leads; absent for who is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub therapist: Option<TherapistState>,
    /// Everyone known, for therapists and server keys only, as is all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<Vec<PersonFacts>>,
    /// The running check-ins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_ins: Option<Vec<CheckInFacts>>,
    /// The last private sign of each person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<Vec<MomentFacts>>,
    /// The last quick exit of each person that was not admitted again since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick_exits: Option<Vec<MomentFacts>>,
}

/// Of the session as such. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionFacts {
    /// Its name.
    pub id: String,
    /// For whom.
    pub kind: SessionKind,
    /// In what.
    pub modality: Modality,
    /// How far it is; for who is held it is live until it has ended.
    pub phase: SessionPhase,
    /// As planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at_ms: Option<i64>,
    /// As planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_end_ms: Option<i64>,
    /// When it ends by itself; for those inside, and therapists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at_ms: Option<i64>,
    /// Whether a recorder may come.
    pub recording: RecordingPolicy,
    /// Whether end-to-end encryption is required.
    pub e2ee: E2eePolicy,
    /// Whether nobody new comes in; for therapists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
}

/// The viewer's own place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnPlace {
    /// Who.
    pub identity: Identity,
    /// As what.
    pub role: Role,
    /// Where.
    pub place: Place,
}

/// Where someone is, in words a page can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// No seat.
    Outside,
    /// Not let in yet, or the text not yet accepted.
    Waiting,
    /// The session's room.
    Main,
    /// Alone for the moment.
    Hold,
    /// In a sealed conversation.
    CheckIn,
}

/// The text to accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConsentFacts {
    /// The integrator's name of this version.
    pub id: String,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
    /// Whether the viewer accepted this version.
    pub accepted: bool,
}

/// Who is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FloorFacts {
    /// How.
    pub mode: FloorMode,
    /// The one voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// The word for a [`Floor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FloorMode {
    /// Everyone.
    Open,
    /// Therapists only.
    TherapistOnly,
    /// Therapists and one person.
    OneVoice,
}

impl From<&Floor> for FloorFacts {
    fn from(floor: &Floor) -> Self {
        let (mode, identity) = match floor {
            Floor::Open => (FloorMode::Open, None),
            Floor::TherapistOnly => (FloorMode::TherapistOnly, None),
            Floor::OneVoice(identity) => (FloorMode::OneVoice, Some(identity.clone())),
        };
        Self { mode, identity }
    }
}

/// Two people in one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PairFacts {
    /// One.
    pub a: Identity,
    /// The other.
    pub b: Identity,
    /// How they are kept from echoing.
    pub how: SameRoom,
}

/// Whether somebody leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TherapistState {
    /// Yes.
    Present,
    /// The line broke; the seat is kept.
    Lost,
    /// Nobody.
    Away,
}

/// One person, for those who lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonFacts {
    /// Who.
    pub identity: Identity,
    /// As they are shown; empty where it is not known any more.
    #[serde(serialize_with = "in_the_open_text")]
    pub name: Redacted<String>,
    /// As what.
    pub role: Role,
    /// Where.
    pub place: Place,
    /// In which check-in.
    pub check_in: Option<CheckInId>,
    /// Whether anything is heard of them.
    pub line: LineFacts,
    /// Whether let in.
    pub admission: Admission,
    /// A therapist or a restart holds them.
    pub held: bool,
    /// The text is accepted, or none is asked.
    pub consented: bool,
}

/// What is heard of someone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineFacts {
    /// All is well.
    Up,
    /// Nothing.
    Lost,
}

/// A running check-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckInFacts {
    /// Its number.
    pub id: CheckInId,
    /// Who leads it.
    pub therapist: Identity,
    /// Who is inside now.
    pub members: BTreeSet<Identity>,
}

/// Someone did something at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MomentFacts {
    /// Who.
    pub identity: Identity,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// A view is for a viewer who may read it, unlike a log.
fn in_the_open<S: Serializer>(text: &Option<Redacted<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_ref().map(|Redacted(text)| text).serialize(serializer)
}

fn in_the_open_text<S: Serializer>(text: &Redacted<String>, serializer: S) -> Result<S::Ok, S::Error> {
    text.0.serialize(serializer)
}
