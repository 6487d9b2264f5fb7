//! What people ask for themselves: a sign to the therapists, a way out, one room on two devices, a recorder.

use axum::extract::State;
use parlour_model::SessionId;
use parlour_model::session::{SameRoom, SessionCommand};
use schemars::JsonSchema;
use serde::Deserialize;

use super::named;
use crate::caller::Caller;
use crate::commands::{self, Asked};
use crate::gate::Arrived;
use crate::operation::{Operation, Seats, post, put};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::scope::Scope;
use crate::sessions::same_room_words;
use crate::state::ApiState;
use crate::words::{At, Body};

/// The operations of this module.
pub(super) fn operations() -> Vec<Operation> {
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
