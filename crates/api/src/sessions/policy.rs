//! A session's rules as the API says them: each key may be left out, and then stays as it is or takes the server's
//! default; what may be none is taken away by `null`.

use parlour_model::session::{ConsentText, DuplicatePolicy, E2eePolicy, RecordingPolicy, SessionPolicy};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::problem::{Kind, Problem};
use crate::words::Strict;

/// Longest text of a consent, in bytes.
const MAX_CONSENT_TEXT: usize = 32 * 1024;

/// Told apart: left out (`None`), `null` (`Some(None)`), a value.
pub(super) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

macro_rules! words {
    ($($name:ident [$($word:literal),*],)*) => {
        $(
            pub(crate) fn $name(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$($word),*] })
            }
        )*
    };
}

words! {
    duplicate_words ["reject_new", "replace"],
    recording_words ["never", "by_service_with_consent"],
    e2ee_words ["optional", "required"],
    kind_words ["individual", "couple", "family", "group"],
    modality_words ["video", "audio", "text"],
    phase_words ["scheduled", "open", "live", "ended"],
    role_words ["therapist", "client", "guest", "service"],
    same_room_words ["apart", "audio", "audio_and_video"],
    mute_words ["audio", "video"],
    medium_words ["audio", "camera", "screen_audio", "screen_video", "data"],
}

/// A versioned text that clients and guests accept before media.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewConsent")]
pub(crate) struct ConsentWords {
    /// The integrator's name of this version.
    #[schemars(length(min = 1, max = 128))]
    id: String,
    /// The text itself, shown as it is; its SHA-256 is what is accepted.
    #[schemars(length(min = 1, max = 32768))]
    text: String,
}

/// Rules of a session; what is left out takes the server's default, or stays.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "NewPolicy")]
pub(crate) struct PolicyWords {
    /// Clients and guests wait until a therapist admits them.
    waiting_room: Option<bool>,
    /// Without a therapist in the space, nothing passes between the others.
    require_therapist: Option<bool>,
    /// How long the room holds after the last therapist dropped, before everyone waits.
    #[schemars(range(min = 0, max = 3600))]
    therapist_grace_seconds: Option<u32>,
    /// What a second connection of one identity meets.
    #[schemars(schema_with = "duplicate_words")]
    duplicate_identity: Option<DuplicatePolicy>,
    /// Seats inside, the therapist's included.
    #[schemars(range(min = 1, max = 12))]
    max_participants: Option<u32>,
    /// Minutes after the planned end at which the session ends by itself; `null`: it does not.
    #[serde(deserialize_with = "nullable")]
    #[schemars(with = "Option<u32>", range(min = 0, max = 1440))]
    end_after_schedule_minutes: Option<Option<u32>>,
    /// Minutes with nobody there after which it ends.
    #[schemars(range(min = 1, max = 1440))]
    idle_end_minutes: Option<u32>,
    /// Minutes from the first arrival after which it ends in any case.
    #[schemars(range(min = 1, max = 1440))]
    max_minutes: Option<u32>,
    /// Whether a recorder may be in the session. The server itself never records.
    #[schemars(schema_with = "recording_words")]
    recording: Option<RecordingPolicy>,
    /// Whether frames must be encrypted end to end.
    #[schemars(schema_with = "e2ee_words")]
    e2ee: Option<E2eePolicy>,
    /// A text that clients and guests accept before media; `null`: none.
    #[serde(deserialize_with = "nullable")]
    #[schemars(with = "Option<ConsentWords>")]
    consent: Option<Option<Strict<ConsentWords>>>,
    /// The session runs only on nodes of this region; `null`: on any.
    #[serde(deserialize_with = "nullable")]
    #[schemars(with = "Option<String>", length(min = 1, max = 64))]
    region: Option<Option<String>>,
}

impl PolicyWords {
    /// Puts what is said into effect.
    pub(super) fn apply(self, policy: &mut SessionPolicy, consent_text: &mut Option<String>) -> Result<(), Problem> {
        fn put<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        put(&mut policy.waiting_room, self.waiting_room);
        put(&mut policy.require_therapist, self.require_therapist);
        put(
            &mut policy.therapist_grace_seconds,
            within(self.therapist_grace_seconds, 0, 3_600, "therapist_grace_seconds")?,
        );
        put(&mut policy.duplicate_identity, self.duplicate_identity);
        put(&mut policy.max_participants, within(self.max_participants, 1, 12, "max_participants")?);
        let after = self.end_after_schedule_minutes;
        within(after.flatten(), 0, 1_440, "end_after_schedule_minutes")?;
        put(&mut policy.end_after_schedule_minutes, after);
        put(&mut policy.idle_end_minutes, within(self.idle_end_minutes, 1, 1_440, "idle_end_minutes")?);
        put(&mut policy.max_minutes, within(self.max_minutes, 1, 1_440, "max_minutes")?);
        put(&mut policy.recording, self.recording);
        put(&mut policy.e2ee, self.e2ee);
        if let Some(Some(region)) = &self.region {
            length(region, 1, 64, "policy.region")?;
        }
        put(&mut policy.region, self.region);
        if let Some(consent) = self.consent {
            let consent = consent.map(|Strict(consent)| consent.judged()).transpose()?;
            policy.consent = consent.as_ref().map(|(text, _)| text.clone());
            *consent_text = consent.map(|(_, text)| text);
        }
        Ok(())
    }
}

impl ConsentWords {
    fn judged(self) -> Result<(ConsentText, String), Problem> {
        length(&self.id, 1, 128, "policy.consent.id")?;
        length(&self.text, 1, MAX_CONSENT_TEXT, "policy.consent.text")?;
        let sha256 = parlour_store::sha256(self.text.as_bytes());
        Ok((ConsentText { id: self.id, sha256 }, self.text))
    }
}

fn within(value: Option<u32>, least: u32, most: u32, name: &str) -> Result<Option<u32>, Problem> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Problem::from(Kind::OutOfRange).at(format!("policy.{name}")))
        }
        value => Ok(value),
    }
}

/// Refuses texts that are too short or too long (in bytes, and so in characters).
pub(crate) fn length(text: &str, least: usize, most: usize, field: &str) -> Result<(), Problem> {
    if (least..=most).contains(&text.len()) { Ok(()) } else { Err(Problem::from(Kind::OutOfRange).at(field)) }
}

/// The rules as they are.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Policy")]
pub(crate) struct PolicyBody {
    waiting_room: bool,
    require_therapist: bool,
    therapist_grace_seconds: u32,
    #[schemars(schema_with = "duplicate_words")]
    duplicate_identity: DuplicatePolicy,
    max_participants: u32,
    end_after_schedule_minutes: Option<u32>,
    idle_end_minutes: u32,
    max_minutes: u32,
    #[schemars(schema_with = "recording_words")]
    recording: RecordingPolicy,
    #[schemars(schema_with = "e2ee_words")]
    e2ee: E2eePolicy,
    consent: Option<ConsentBody>,
    region: Option<String>,
}

/// The text to accept.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Consent")]
pub(crate) struct ConsentBody {
    /// The integrator's name of this version.
    id: String,
    /// Of the text, in hexadecimal: what is accepted.
    sha256: String,
    /// The text itself.
    text: String,
}

impl PolicyBody {
    pub(super) fn of(policy: &SessionPolicy, consent_text: Option<&str>) -> Self {
        let SessionPolicy {
            waiting_room,
            require_therapist,
            therapist_grace_seconds,
            duplicate_identity,
            max_participants,
            end_after_schedule_minutes,
            idle_end_minutes,
            max_minutes,
            recording,
            e2ee,
            consent,
            region,
        } = policy.clone();
        Self {
            waiting_room,
            require_therapist,
            therapist_grace_seconds,
            duplicate_identity,
            max_participants,
            end_after_schedule_minutes,
            idle_end_minutes,
            max_minutes,
            recording,
            e2ee,
            consent: consent.map(|text| ConsentBody {
                sha256: parlour_store::hex(&text.sha256),
                id: text.id,
                text: consent_text.unwrap_or_default().to_owned(),
            }),
            region,
        }
    }
}
