//! What is asked of a session and the people in it. The session decides; here is only what the words mean.

mod own;

use std::collections::BTreeSet;

use axum::extract::State;
use parlour_model::session::{Floor, MuteTarget, SessionCommand};
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
use crate::sessions::{length, mute_words};
use crate::state::ApiState;
use crate::words::{At, Body, MAX_NAME, TextOrNull};

/// Longest message to the waiting room, in characters: as the session counts them.
const MAX_MESSAGE: usize = 1_000;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    let mut operations = people();
    operations.extend(whole_session());
    operations.extend(own::operations());
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
    /// At most 1,000 characters; `null` takes it away. It is kept in memory only.
    text: TextOrNull<1_000>,
}

async fn waiting_message(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
    Body(words): Body<WaitingMessageWords>,
) -> Result<Reply, Problem> {
    let TextOrNull(text) = words.text;
    if text.as_deref().is_some_and(|text| text.chars().count() > MAX_MESSAGE) {
        return Err(Problem::from(Kind::OutOfRange).at("text"));
    }
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

/// Judges an identity of a body.
pub(crate) fn named(identity: String, field: &str) -> Result<Identity, Problem> {
    length(&identity, 1, MAX_NAME, field)?;
    Ok(Identity::from(identity))
}

/// Judges a list of them.
pub(crate) fn all_named(identities: Vec<String>, field: &str) -> Result<BTreeSet<Identity>, Problem> {
    identities.into_iter().map(|identity| named(identity, field)).collect()
}
