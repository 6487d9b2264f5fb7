//! Handing one's own seat over to another device: the live one offers it, and gets a ticket for the other.

use std::time::Duration;

use axum::extract::State;
use parlour_model::session::{HAND_OVER_SECONDS, SessionCommand};
use parlour_model::{Command, Identity, Reply as EngineReply, SessionId};
use parlour_store::{Change, NewTicket, Subject};
use schemars::JsonSchema;
use serde::Serialize;

use super::drawn::DrawnTicket;
use super::{issued, keep};
use crate::caller::Caller;
use crate::commands::{self, Asked};
use crate::gate::Arrived;
use crate::now_ms;
use crate::once::Once;
use crate::operation::{Operation, Seats, post};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::seal::random_hex;
use crate::sessions;
use crate::state::ApiState;
use crate::words::At;

/// The operation of this module.
pub(super) fn operation() -> Operation {
    let summary = "Make a ticket to one's own seat, for another device.";
    post("/v1/sessions/{session}/hand-over", "handOver", summary, hand_over)
        .tag("participants")
        .own(Seats::Everyone)
        .gives::<HandOverBody>(201)
        .refuses(commands::REFUSALS)
}

/// A ticket to one's own seat.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HandOver")]
struct HandOverBody {
    /// The secret, for the other device. Of a room that nothing is kept of, a newer one takes its place.
    ticket: String,
    /// The same, short enough to be typed: ten letters and digits, whose case does not matter, nor spaces and dashes
    /// between them. `POST /v1/tickets/redeem` takes it in place of the ticket. A newer one takes its place.
    code: String,
    /// No use from this time on, milliseconds since the Unix epoch.
    expires_at_ms: i64,
}

async fn hand_over(
    State(api): State<ApiState>,
    caller: Caller,
    once: Once,
    arrived: Arrived,
    At(session): At<SessionId>,
) -> Result<Reply, Problem> {
    let Caller::Bearer { identity, role, .. } = &caller else { return Err(Kind::NotAllowed.into()) };
    commands::ask(&api, &session, Asked::by(&caller, SessionCommand::OfferHandOver, "hand_over"), arrived).await?;
    let now = now_ms();
    let ticket = DrawnTicket::new(&shown_name(&api, &session, identity).await, &api.signing.sealer)?;
    let expires_at_ms = now.saturating_add(i64::try_from(HAND_OVER_SECONDS * 1_000).unwrap_or_default());
    let code = api.codes.draw((session.clone(), identity.clone()), &ticket.text, (now, expires_at_ms))?;
    let body = HandOverBody { ticket: ticket.text, code, expires_at_ms };
    let later = api.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(HAND_OVER_SECONDS)).await;
        later.codes.forget(now_ms());
    });
    let new = NewTicket {
        id: random_hex::<8>()?,
        session: session.clone(),
        secret: ticket.hash,
        identity: identity.clone(),
        role: *role,
        hand_over: true,
        created_at_ms: now,
        expires_at_ms,
    };
    let (actor, reply) = (caller.subject(&api.pseudonyms), Reply::created(&body)?);
    match sessions::row(&api, &session).await {
        Err(problem) if problem.kind() == Kind::SessionNotFound => keep_passing(&api, actor, once, new, reply).await,
        _ => keep(&api, actor, once, new, reply).await,
    }
}

/// Of a room that nothing is kept of; that it was made is on record all the same.
async fn keep_passing(
    api: &ApiState,
    actor: Subject,
    once: Once,
    new: NewTicket,
    reply: Reply,
) -> Result<Reply, Problem> {
    let record = issued(api, actor, &new);
    let now = new.created_at_ms;
    if !api.passing.keep(new, now) {
        return Err(Kind::Busy.into());
    }
    let write = move |change: &mut Change<'_>| -> Result<Reply, Problem> {
        change.audit(&record)?;
        once.keep(change, &reply)?;
        Ok(reply)
    };
    api.ledger.change(write).await
}

/// As the person is shown now.
async fn shown_name(api: &ApiState, session: &SessionId, identity: &Identity) -> String {
    match api.engine.request(session, Command::DescribeSession).await {
        Ok(EngineReply::Session(_, people)) => {
            people.into_iter().find(|person| person.identity == *identity).map_or_else(String::new, |one| one.name.0)
        }
        _ => String::new(),
    }
}
