//! What is asked of a session and the people in it. The session decides; here is only what the words mean.

use std::collections::BTreeSet;

use axum::extract::State;
use parlour_model::session::{Floor, MuteTarget, SameRoom, SessionCommand};
use parlour_model::{Identity, Redacted, SessionId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::caller::Caller;
use crate::commands::{self, Asked, REFUSALS};
use crate::gate::Arrived;
use crate::operation::{Operation, Seats, post, put};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::sessions::{length, mute_words, same_room_words};
use crate::state::ApiState;
use crate::words::{At, Body, MAX_NAME, TextOrNull};

/// Longest message to the waiting room, in bytes.
const MAX_MESSAGE: usize = 2_000;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    let mut operations = people();
    operations.extend(whole_session());
    operations.extend(own());
    for operation in &mut operations {
        operation.facts.tag = "participants";
        operation.facts.problems.extend_from_slice(REFUSALS);
    }
    operations
}

type Person = At<(SessionId, Identity)>;

macro_rules! about_one {
    ($($name:ident $command:ident $word:literal,)*) => {
        $(
            async fn $name(
                State(api): State<ApiState>,
                caller: Caller,
                arrived: Arrived,
                At((session, identity)): Person,
            ) -> Result<Reply, Problem> {
                let asked = Asked::by(&caller, SessionCommand::$command(identity.clone()), $word).about(&identity);
                Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
            }
        )*
    };
}

about_one! {
    admit Admit "admit",
    deny Deny "deny",
    return_to_waiting ReturnToWaiting "return_to_waiting",
    hold Hold "hold",
    resume Resume "resume",
    remove Remove "remove",
}

fn people() -> Vec<Operation> {
    let therapist = |operation: Operation| operation.seat(Scope::ParticipantsWrite, Seats::Therapists);
    vec![
        therapist(post(
            "/v1/sessions/{session}/participants/{identity}/admit",
            "admitParticipant",
            "Let someone in who waits, was denied or removed.",
            admit,
        ))
        .gives_nothing(),
        therapist(post(
            "/v1/sessions/{session}/participants/{identity}/deny",
            "denyParticipant",
            "Send someone away who waits.",
            deny,
        ))
        .gives_nothing(),
        therapist(post(
            "/v1/sessions/{session}/participants/{identity}/return-to-waiting",
            "returnParticipantToWaiting",
            "Send someone back to the waiting room.",
            return_to_waiting,
        ))
        .gives_nothing(),
        therapist(post(
            "/v1/sessions/{session}/participants/{identity}/hold",
            "holdParticipant",
            "Put someone alone: from the answer on nothing passes to or from them.",
            hold,
        ))
        .gives_nothing(),
        therapist(post(
            "/v1/sessions/{session}/participants/{identity}/resume",
            "resumeParticipant",
            "Bring someone back from hold.",
            resume,
        ))
        .gives_nothing(),
        therapist(post(
            "/v1/sessions/{session}/participants/{identity}/remove",
            "removeParticipant",
            "Send someone out, not to come back unless admitted again.",
            remove,
        ))
        .gives_nothing(),
        therapist(post(
            "/v1/sessions/{session}/participants/{identity}/mute",
            "muteParticipant",
            "Mute someone; only they can undo it.",
            mute,
        ))
        .takes::<MuteWords>()
        .gives_nothing(),
    ]
}

/// What is muted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Mute")]
struct MuteWords {
    /// `audio`: microphone and screen sound; `video`: camera and screen picture.
    #[schemars(schema_with = "mute_words")]
    target: MuteTarget,
}

async fn mute(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At((session, identity)): Person,
    Body(words): Body<MuteWords>,
) -> Result<Reply, Problem> {
    let command = SessionCommand::Mute { identity: identity.clone(), target: words.target };
    Ok(commands::ask(&api, &session, Asked::by(&caller, command, "mute").about(&identity), arrived).await?.reply)
}

fn whole_session() -> Vec<Operation> {
    let therapist = |operation: Operation| operation.seat(Scope::ParticipantsWrite, Seats::Therapists).gives_nothing();
    vec![
        therapist(post(
            "/v1/sessions/{session}/resume-all",
            "resumeEveryone",
            "Bring back everyone whom a therapist or a restart holds; check-ins stay sealed.",
            resume_all,
        )),
        therapist(put(
            "/v1/sessions/{session}/waiting-message",
            "setWaitingMessage",
            "Set the message shown to those who wait.",
            waiting_message,
        ))
        .takes::<WaitingMessageWords>(),
        therapist(put("/v1/sessions/{session}/floor", "setFloor", "Set who is heard.", floor)).takes::<FloorWords>(),
        therapist(put("/v1/sessions/{session}/lock", "setLock", "Let nobody new in, or let people in again.", lock))
            .takes::<LockWords>(),
        therapist(post(
            "/v1/sessions/{session}/extend",
            "extendSession",
            "Keep the session from ending by itself before a time.",
            extend,
        ))
        .takes::<ExtendWords>()
        .refuses(&[Kind::PastSchedule]),
    ]
}

async fn resume_all(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
) -> Result<Reply, Problem> {
    let asked = Asked::by(&caller, SessionCommand::ResumeAll, "resume_all");
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

/// A message to those who wait.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WaitingMessage")]
struct WaitingMessageWords {
    /// At most 2,000 bytes of UTF-8; `null` takes it away. It is kept in memory only.
    text: TextOrNull<2_000>,
}

async fn waiting_message(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
    Body(words): Body<WaitingMessageWords>,
) -> Result<Reply, Problem> {
    let TextOrNull(text) = words.text;
    length(text.as_deref().unwrap_or_default(), 0, MAX_MESSAGE, "text")?;
    let text = text.filter(|text| !text.is_empty()).map(Redacted);
    let asked = Asked::by(&caller, SessionCommand::SetWaitingMessage(text), "waiting_message").at_any_time();
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

/// Who is heard by clients and guests; therapists hear everyone with them.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Floor")]
enum FloorWords {
    /// Everyone.
    Open {},
    /// Therapists only.
    TherapistOnly {},
    /// Therapists and one person.
    OneVoice {
        /// That person.
        #[schemars(length(min = 1, max = 256))]
        identity: String,
    },
}

async fn floor(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
    Body(words): Body<FloorWords>,
) -> Result<Reply, Problem> {
    let floor = match words {
        FloorWords::Open {} => Floor::Open,
        FloorWords::TherapistOnly {} => Floor::TherapistOnly,
        FloorWords::OneVoice { identity } => Floor::OneVoice(named(identity, "identity")?),
    };
    let whom = if let Floor::OneVoice(identity) = &floor { Some(identity.clone()) } else { None };
    let mut asked = Asked::by(&caller, SessionCommand::SetFloor(floor), "floor").at_any_time();
    if let Some(whom) = &whom {
        asked = asked.about(whom);
    }
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

/// Whether the door is locked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Lock")]
struct LockWords {
    locked: bool,
}

async fn lock(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
    Body(words): Body<LockWords>,
) -> Result<Reply, Problem> {
    let word = if words.locked { "lock" } else { "unlock" };
    let asked = Asked::by(&caller, SessionCommand::SetLock(words.locked), word).at_any_time();
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

/// Until when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Extension")]
struct ExtendWords {
    /// Milliseconds since the Unix epoch.
    #[schemars(range(min = 0))]
    until_ms: i64,
}

async fn extend(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
    Body(words): Body<ExtendWords>,
) -> Result<Reply, Problem> {
    if words.until_ms < 0 {
        return Err(Problem::from(Kind::OutOfRange).at("until_ms"));
    }
    if words.until_ms <= crate::now_ms() {
        return Err(Kind::PastSchedule.into());
    }
    let asked = Asked::by(&caller, SessionCommand::ExtendUntil(words.until_ms), "extend").at_any_time();
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

fn own() -> Vec<Operation> {
    vec![
        post(
            "/v1/sessions/{session}/signal",
            "signalTherapist",
            "Give the therapists a private sign; nobody else can see or hear it.",
            signal,
        )
        .own(Seats::Everyone)
        .gives_nothing(),
        post(
            "/v1/sessions/{session}/quick-exit",
            "quickExit",
            "Leave at once. Others see what a lost line looks like.",
            quick_exit,
        )
        .own(Seats::Everyone)
        .gives_nothing(),
        put(
            "/v1/sessions/{session}/same-room",
            "setSameRoom",
            "Say that two people sit in one room on two devices, so that they do not echo.",
            same_room,
        )
        .seat(Scope::ParticipantsWrite, Seats::Everyone)
        .takes::<SameRoomWords>()
        .gives_nothing(),
        put(
            "/v1/sessions/{session}/recording-agreement",
            "agreeToRecording",
            "Agree to a recorder of the integrator's being present, or no longer.",
            agree,
        )
        .own(Seats::Everyone)
        .takes::<AgreementWords>()
        .gives_nothing(),
    ]
}

async fn signal(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
) -> Result<Reply, Problem> {
    // Between a person and the therapists: the log does not know of it.
    let asked = Asked::by(&caller, SessionCommand::Signal, "signal").unrecorded();
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

async fn quick_exit(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
) -> Result<Reply, Problem> {
    let asked = Asked::by(&caller, SessionCommand::QuickExit, "quick_exit").in_any_case();
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

/// Two people in one room.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SameRoom")]
struct SameRoomWords {
    #[schemars(length(min = 1, max = 256))]
    a: String,
    #[schemars(length(min = 1, max = 256))]
    b: String,
    /// `audio`: no sound between them; `audio_and_video`: no picture either.
    #[schemars(schema_with = "same_room_words")]
    how: SameRoom,
}

async fn same_room(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
    Body(words): Body<SameRoomWords>,
) -> Result<Reply, Problem> {
    let (a, b) = (named(words.a, "a")?, named(words.b, "b")?);
    let asked = Asked::by(&caller, SessionCommand::SetSameRoom { a, b, how: words.how }, "same_room");
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

/// Yes or no.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RecordingAgreement")]
struct AgreementWords {
    agreed: bool,
}

async fn agree(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
    Body(words): Body<AgreementWords>,
) -> Result<Reply, Problem> {
    let asked = Asked::by(&caller, SessionCommand::AgreeToRecording(words.agreed), "recording_agreement");
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

/// Judges an identity of a body.
pub(crate) fn named(identity: String, field: &str) -> Result<Identity, Problem> {
    length(&identity, 1, MAX_NAME, field)?;
    Ok(Identity::from(identity))
}

/// Judges a list of them.
pub(crate) fn all_named(identities: Vec<String>, field: &str) -> Result<BTreeSet<Identity>, Problem> {
    identities.into_iter().map(|identity| named(identity, field)).collect()
}
