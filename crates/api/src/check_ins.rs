//! Check-ins: sealed conversations, with a receipt of what was cut.

use axum::extract::State;
use parlour_model::session::{CheckInId, CheckInReceipt, SessionCommand, SessionReply};
use parlour_model::view::Viewer;
use parlour_model::{Identity, Medium, SessionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::commands::{self, Asked, REFUSALS};
use crate::gate::Arrived;
use crate::operation::{Operation, Seats, delete, get, post};
use crate::participants::{all_named, named};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::sessions::medium_words;
use crate::state::ApiState;
use crate::view;
use crate::words::{At, Body};

/// People named in one request.
const MAX_PEOPLE: usize = 12;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    let path = "/v1/sessions/{session}/check-ins";
    vec![
        post(
            path,
            "startCheckIn",
            "Seal a conversation: from the answer on nothing passes between those inside and the others.",
            start,
        )
        .tag("check-ins")
        .seat(Scope::ParticipantsWrite, Seats::Therapists)
        .takes::<CheckInWords>()
        .gives::<ReceiptBody>(201)
        .refuses(REFUSALS),
        get(path, "listCheckIns", "List the check-ins that are going on.", list)
            .tag("check-ins")
            .seat(Scope::SessionsRead, Seats::Therapists)
            .gives::<CheckInsBody>(200)
            .refuses(&[Kind::SessionNotFound]),
        delete("/v1/sessions/{session}/check-ins/{check_in}", "endCheckIn", "End a check-in.", end)
            .tag("check-ins")
            .seat(Scope::ParticipantsWrite, Seats::Therapists)
            .gives_nothing()
            .refuses(REFUSALS),
    ]
}

/// Who is to be in a check-in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewCheckIn")]
struct CheckInWords {
    /// With whom.
    #[schemars(length(min = 1, max = 12), inner(length(min = 1, max = 256)))]
    participants: Vec<String>,
    /// Who leads it: the asking therapist if left out. A key must name one when several are present.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    therapist: Option<String>,
}

/// Proof of a seal.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CheckInReceipt")]
struct ReceiptBody {
    /// Of the check-in.
    id: u32,
    /// When its edges were cut, milliseconds since the Unix epoch.
    at_ms: i64,
    /// Who is inside.
    members: Vec<String>,
    /// Who was held for it.
    held: Vec<String>,
    /// Every way media or data could have gone and no longer can.
    cut: Vec<CutBody>,
}

/// A way that was cut.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CutEdge")]
struct CutBody {
    /// Who sent.
    publisher: String,
    /// Who received.
    receiver: String,
    /// What: `audio`, `camera`, `screen_audio`, `screen_video` or `data`.
    #[schemars(schema_with = "medium_words")]
    medium: Medium,
    /// Packets (of data: messages) that had gone along it until then.
    packets: u64,
}

impl From<CheckInReceipt> for ReceiptBody {
    fn from(receipt: CheckInReceipt) -> Self {
        let CheckInReceipt { id, at_ms, members, held, cut } = receipt;
        let texts = |people: std::collections::BTreeSet<Identity>| people.into_iter().map(String::from).collect();
        let cut = cut.into_iter().map(|edge| CutBody {
            publisher: edge.publisher.into(),
            receiver: edge.receiver.into(),
            medium: edge.medium,
            packets: edge.packets,
        });
        Self { id: id.0, at_ms, members: texts(members), held: texts(held), cut: cut.collect() }
    }
}

async fn start(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
    Body(words): Body<CheckInWords>,
) -> Result<Reply, Problem> {
    if !(1..=MAX_PEOPLE).contains(&words.participants.len()) {
        return Err(Problem::from(Kind::OutOfRange).at("participants"));
    }
    let with = all_named(words.participants, "participants")?;
    let therapist = words.therapist.map(|identity| named(identity, "therapist")).transpose()?;
    let whom = with.first().cloned();
    let mut asked = Asked::by(&caller, SessionCommand::StartCheckIn { therapist, with }, "start_check_in");
    if let Some(whom) = &whom {
        asked = asked.about(whom);
    }
    let done = commands::ask(&api, &session, asked, arrived).await?;
    let SessionReply::Receipt(receipt) = done.said else { return Err(Kind::Internal.into()) };
    let location = format!("/v1/sessions/{session}/check-ins/{}", receipt.id.0);
    Ok(Reply::created(&ReceiptBody::from(receipt))?.at(location).in_force_after(done.after))
}

async fn end(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At((session, check_in)): At<(SessionId, u32)>,
) -> Result<Reply, Problem> {
    let asked = Asked::by(&caller, SessionCommand::EndCheckIn(CheckInId(check_in)), "end_check_in");
    Ok(commands::ask(&api, &session, asked, arrived).await?.reply)
}

/// The check-ins that are going on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CheckIns")]
struct CheckInsBody {
    check_ins: Vec<CheckInBody>,
}

/// A check-in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CheckIn")]
struct CheckInBody {
    id: u32,
    /// Who leads it.
    therapist: String,
    /// Who is inside now.
    members: Vec<String>,
}

async fn list(State(api): State<ApiState>, At(session): At<SessionId>) -> Result<Reply, Problem> {
    let view = view::of(&api, &session, Viewer::Server).await?;
    let check_ins = view.check_ins.unwrap_or_default().into_iter().map(|check_in| CheckInBody {
        id: check_in.id.0,
        therapist: check_in.therapist.into(),
        members: check_in.members.into_iter().map(String::from).collect(),
    });
    Ok(Reply::ok(&CheckInsBody { check_ins: check_ins.collect() })?)
}
