//! Using a ticket up. It lets one person in once; who tries it again is on record; who guesses learns nothing and costs
//! a look-up.

use std::time::Instant;

use axum::extract::State;
use parlour_model::session::E2eePolicy;
use parlour_model::{Command, Reply as EngineReply, Role};
use parlour_signal::Claims;
use parlour_store::{Action, AuditRecord, Change, NewTicket, SecretHash, Subject, Ticket, TicketRefusal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drawn::{DrawnTicket, MAX_TICKET};
use crate::now_ms;
use crate::once::Once;
use crate::operation::{Operation, post};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::sessions::role_words;
use crate::state::ApiState;
use crate::words::Body;

/// The operation of this module.
pub(super) fn operation() -> Operation {
    post("/v1/tickets/redeem", "redeemTicket", "Use a ticket up and get a session token for it.", redeem)
        .anyone()
        .takes::<RedeemWords>()
        .gives::<RedeemedBody>(200)
        .refuses(&[Kind::TicketRefused, Kind::SessionEnded])
}

/// A ticket to be used.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Redemption")]
struct RedeemWords {
    /// The secret, as it stood in the link, or the code of a hand-over.
    #[schemars(length(min = 1, max = 512))]
    ticket: String,
}

/// What a ticket opened.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Redeemed")]
struct RedeemedBody {
    /// Lets this person join, and use this API for this session.
    token: String,
    session: String,
    identity: String,
    #[schemars(schema_with = "role_words")]
    role: Role,
    /// As they are shown; empty: nothing was said.
    name: String,
    /// Of the token, milliseconds since the Unix epoch.
    expires_at_ms: i64,
}

/// Whether this body names no ticket there ever was.
pub(crate) async fn is_guess(api: &ApiState, body: &[u8]) -> Result<bool, Problem> {
    let Ok(words) = serde_json::from_slice::<RedeemWords>(body) else { return Ok(true) };
    let text = api.codes.ticket(&words.ticket, now_ms()).unwrap_or(words.ticket);
    let hash = SecretHash::of(text.as_bytes());
    Ok(!api.passing.knows(hash, now_ms()) && !api.ledger.read(move |store| store.knows_ticket(hash)).await?)
}

async fn redeem(State(api): State<ApiState>, once: Once, Body(words): Body<RedeemWords>) -> Result<Reply, Problem> {
    if words.ticket.is_empty() || words.ticket.len() > MAX_TICKET {
        return Err(Problem::from(Kind::OutOfRange).at("ticket"));
    }
    let text = api.codes.ticket(&words.ticket, now_ms()).unwrap_or(words.ticket);
    let hash = SecretHash::of(text.as_bytes());
    // Guesses cost a look-up, never a write.
    let used = if let Some(ticket) = api.passing.take(hash, now_ms()) {
        use_passing(&api, once, text, ticket).await?
    } else if api.ledger.read(move |store| store.knows_ticket(hash)).await? {
        use_up(&api, once, text, hash).await?
    } else {
        record_guess(&api);
        Err(TicketRefusal::Unknown)
    };
    let result = used.as_ref().map_or_else(|refusal| refusal_word(*refusal), |_| "redeemed");
    api.metrics.tickets.with_label_values(&[result]).inc();
    used.map_err(|refusal| match refusal {
        TicketRefusal::SessionEnded => Kind::SessionEnded.into(),
        // Whoever holds a wrong one learns nothing of the others.
        _ => Kind::TicketRefused.into(),
    })
}

/// Use, record and answer in one change: of two who try at once, one gets in, and the other is on record.
async fn use_up(
    api: &ApiState,
    once: Once,
    text: String,
    hash: SecretHash,
) -> Result<Result<Reply, TicketRefusal>, Problem> {
    let (state, now) = (api.clone(), now_ms());
    let used = move |change: &mut Change<'_>| -> Result<Result<Reply, TicketRefusal>, Problem> {
        let record = |ticket: &Ticket, action, detail: &'static str| AuditRecord {
            at_ms: now,
            action,
            session: Some(ticket.session.clone()),
            actor: Subject::none(),
            subject: Subject::person(&state.pseudonyms, &ticket.identity),
            detail: detail.to_owned(),
        };
        match change.use_ticket(hash, now)? {
            Ok(ticket) => {
                change.audit(&record(&ticket, Action::TicketUsed, ticket.role.as_str()))?;
                let e2ee = change.policy_of(&ticket.session)?.e2ee;
                let reply = Reply::ok(&token_for(&state, ticket, e2ee, &text, now)?)?;
                once.keep(change, &reply)?;
                Ok(Ok(reply))
            }
            Err((refusal, known)) => {
                if let Some(ticket) = known {
                    change.audit(&record(&ticket, Action::TicketRefused, refusal_word(refusal)))?;
                }
                Ok(Err(refusal))
            }
        }
    };
    api.ledger.change(used).await
}

/// One that is kept nowhere: what it leads to is as it is now. If its use cannot be written down it was not used.
async fn use_passing(
    api: &ApiState,
    once: Once,
    text: String,
    new: NewTicket,
) -> Result<Result<Reply, TicketRefusal>, Problem> {
    let now = now_ms();
    let Ok(EngineReply::Snapshot(room)) = api.engine.request(&new.session, Command::Snapshot).await else {
        return Ok(Err(TicketRefusal::SessionEnded));
    };
    let NewTicket { id, session, identity, role, hand_over, expires_at_ms, .. } = new.clone();
    let ticket =
        Ticket { id, session, identity, role, hand_over, expires_at_ms, used_at_ms: Some(now), revoked_at_ms: None };
    let record = AuditRecord {
        at_ms: now,
        action: Action::TicketUsed,
        session: Some(ticket.session.clone()),
        actor: Subject::none(),
        subject: Subject::person(&api.pseudonyms, &ticket.identity),
        detail: ticket.role.as_str().to_owned(),
    };
    let reply = Reply::ok(&token_for(api, ticket, room.policy.e2ee, &text, now)?)?;
    let write = move |change: &mut Change<'_>| -> Result<Reply, Problem> {
        change.audit(&record)?;
        once.keep(change, &reply)?;
        Ok(reply)
    };
    let written = api.ledger.change(write).await;
    if written.is_err() {
        api.passing.put_back(new, now);
    }
    written.map(Ok)
}

/// Not more often than the disk can bear, and without waiting.
fn record_guess(api: &ApiState) {
    if api.meters.recorded.take((), Instant::now()).is_err() {
        return;
    }
    let record = AuditRecord {
        at_ms: now_ms(),
        action: Action::TicketRefused,
        session: None,
        actor: Subject::none(),
        subject: Subject::none(),
        detail: refusal_word(TicketRefusal::Unknown).to_owned(),
    };
    let ledger = api.ledger.clone();
    tokio::spawn(async move { ledger.append(move |change| change.audit(&record).map(drop)).await });
}

fn refusal_word(refusal: TicketRefusal) -> &'static str {
    match refusal {
        TicketRefusal::Unknown => "unknown",
        TicketRefusal::Used => "used",
        TicketRefusal::Revoked => "revoked",
        TicketRefusal::Expired => "expired",
        TicketRefusal::SessionEnded => "session_ended",
    }
}

/// The session token that a ticket is worth. Its role is the ticket's, and nothing else can make it another.
///
/// Where end-to-end encryption is required it says that its bearer's client encrypts, as an integrator's token says it:
/// a client's join has no word for it. Whoever does not is in and publishes nothing.
fn token_for(api: &ApiState, ticket: Ticket, e2ee: E2eePolicy, text: &str, now_ms: i64) -> Result<RedeemedBody, Kind> {
    let lifetime = i64::try_from(api.config.token_lifetime.as_millis()).unwrap_or(i64::MAX);
    let expires_at_ms = now_ms.saturating_add(lifetime);
    let exp = u64::try_from(expires_at_ms / 1_000).unwrap_or_default();
    let name = DrawnTicket::name(text, &api.signing.sealer);
    let mut claims = Claims::join(&api.signing.key, &ticket.session, &ticket.identity, ticket.role, exp);
    claims.name.clone_from(&name);
    if e2ee == E2eePolicy::Required {
        claims.parlour.encryption = "gcm".to_owned();
    }
    if ticket.hand_over {
        claims.parlour.entry = "hand_over".to_owned();
    }
    Ok(RedeemedBody {
        token: parlour_signal::mint(&claims, &api.signing.keys).map_err(|_| Kind::Internal)?,
        session: ticket.session.as_str().to_owned(),
        identity: ticket.identity.into(),
        role: ticket.role,
        name,
        expires_at_ms,
    })
}
