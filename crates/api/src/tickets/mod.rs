//! Tickets: links that let one person into one session, once.
//!
//! The secret in a link is drawn at random and kept only as its hash. Behind it, sealed under the server's key, is the
//! name that others will see: so a name is in the link and in memory, and in no file.

mod codes;
mod drawn;
mod hand_over;
mod one_each;
mod passing;
mod redeem;

use axum::extract::State;
use parlour_model::{Identity, Role, SessionId};
use parlour_store::{Action, AuditRecord, Change, NewTicket, SessionRow, StoreError, Subject, Ticket};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::codes::Codes;
use self::drawn::{DrawnTicket, MAX_DISPLAY_NAME};
pub(crate) use self::passing::PassingTickets;
pub(crate) use self::redeem::is_guess;
use crate::caller::Caller;
use crate::now_ms;
use crate::once::Once;
use crate::operation::{Operation, delete, get, post};
use crate::problem::{Kind, Problem, or_missing};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::seal::random_hex;
use crate::sessions::{self, length, planned_end, role_words};
use crate::state::ApiState;
use crate::words::{At, Body, MAX_NAME};

const HOUR_MS: i64 = 3_600_000;

/// A ticket to a session without a schedule is good for this long when nothing is said; to one with a schedule, for
/// this long after its planned end.
const DEFAULT_VALIDITY_MS: i64 = 24 * HOUR_MS;

/// Tickets are good for this long at most.
const MAX_VALIDITY_MS: i64 = 400 * 24 * HOUR_MS;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        post("/v1/sessions/{session}/tickets", "issueTicket", "Make a join link for one person.", issue)
            .tag("tickets")
            .key(Scope::TicketsWrite)
            .takes::<NewTicketWords>()
            .gives::<IssuedBody>(201)
            .refuses(&[Kind::SessionNotFound, Kind::SessionEnded, Kind::PastExpiry]),
        get("/v1/sessions/{session}/tickets", "listTickets", "List the tickets to a session.", list)
            .tag("tickets")
            .key(Scope::TicketsRead)
            .gives::<TicketsBody>(200)
            .refuses(&[Kind::SessionNotFound]),
        delete("/v1/sessions/{session}/tickets/{ticket}", "revokeTicket", "Take a ticket back.", revoke)
            .tag("tickets")
            .key(Scope::TicketsWrite)
            .gives_nothing()
            .refuses(&[Kind::TicketNotFound]),
        redeem::operation(),
        hand_over::operation(),
    ]
}

/// A ticket to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewTicket")]
struct NewTicketWords {
    /// Who: the integrator's own name of the person, the same at every join; not shown.
    #[schemars(length(min = 1, max = 256))]
    identity: String,
    /// As what.
    #[schemars(schema_with = "role_words")]
    role: Role,
    /// As they are shown to others, at most 128 bytes of UTF-8. It travels sealed in the link and is kept nowhere.
    #[serde(default)]
    #[schemars(length(max = 128))]
    name: String,
    /// No use from this time on, milliseconds since the Unix epoch. Left out: a day, or a day after the planned end.
    #[serde(default)]
    #[schemars(range(min = 0))]
    expires_at_ms: Option<i64>,
}

/// A ticket that was made; its secret is shown this once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "IssuedTicket")]
struct IssuedBody {
    /// Our name of it, for revocation.
    id: String,
    /// The secret.
    ticket: String,
    /// The link with the secret behind its `#`, which browsers do not send.
    link: String,
    identity: String,
    #[schemars(schema_with = "role_words")]
    role: Role,
    expires_at_ms: i64,
}

async fn issue(
    State(api): State<ApiState>,
    caller: Caller,
    once: Once,
    At(session): At<SessionId>,
    Body(words): Body<NewTicketWords>,
) -> Result<Reply, Problem> {
    length(&words.identity, 1, MAX_NAME, "identity")?;
    length(&words.name, 0, MAX_DISPLAY_NAME, "name")?;
    let row = sessions::row(&api, &session).await?;
    if row.ended_at_ms.is_some() {
        return Err(Kind::SessionEnded.into());
    }
    let expires_at_ms = expiry(words.expires_at_ms, &row, now_ms())?;
    let person = Person { identity: words.identity, role: words.role, name: words.name };
    let (body, new) = draw(&api, session, person, expires_at_ms)?;
    let reply = Reply::created(&body)?;
    keep(&api, caller.subject(&api.pseudonyms), once, new, reply).await
}

/// Whom a ticket is for.
pub(crate) struct Person {
    pub(crate) identity: String,
    pub(crate) role: Role,
    pub(crate) name: String,
}

/// A ticket for someone, and what is to be kept of it.
fn draw(
    api: &ApiState,
    session: SessionId,
    person: Person,
    expires_at_ms: i64,
) -> Result<(IssuedBody, NewTicket), Problem> {
    let ticket = DrawnTicket::new(&person.name, &api.signing.sealer)?;
    let body = IssuedBody {
        id: random_hex::<8>()?,
        link: format!("{}/join#ticket={}", api.config.link_base, ticket.text),
        ticket: ticket.text,
        identity: person.identity,
        role: person.role,
        expires_at_ms,
    };
    let new = NewTicket {
        id: body.id.clone(),
        session,
        secret: ticket.hash,
        identity: Identity::from(body.identity.as_str()),
        role: body.role,
        hand_over: false,
        created_at_ms: now_ms(),
        expires_at_ms,
    };
    Ok((body, new))
}

/// Makes a ticket and gives its link.
pub(crate) async fn link_for(api: &ApiState, session: &SessionId, person: Person) -> Result<String, Problem> {
    let expires_at_ms = now_ms().saturating_add(DEFAULT_VALIDITY_MS);
    let (body, new) = draw(api, session.clone(), person, expires_at_ms)?;
    keep(api, Subject::system(), Once::default(), new, Reply::done()).await?;
    Ok(body.link)
}

/// Writes a new ticket down, with its record.
async fn keep(api: &ApiState, actor: Subject, once: Once, new: NewTicket, reply: Reply) -> Result<Reply, Problem> {
    let record = issued(api, actor, &new);
    let issue = move |change: &mut Change<'_>| -> Result<Reply, Problem> {
        change.audit(&record)?;
        change.issue_ticket(&new).map_err(or_missing(Kind::SessionNotFound))?;
        once.keep(change, &reply)?;
        Ok(reply)
    };
    api.ledger.change(issue).await
}

fn issued(api: &ApiState, actor: Subject, new: &NewTicket) -> AuditRecord {
    AuditRecord {
        at_ms: new.created_at_ms,
        action: Action::TicketIssued,
        session: Some(new.session.clone()),
        actor,
        subject: Subject::person(&api.pseudonyms, &new.identity),
        detail: format!("{}{}", new.role.as_str(), if new.hand_over { " hand_over" } else { "" }),
    }
}

fn expiry(asked: Option<i64>, row: &SessionRow, now_ms: i64) -> Result<i64, Problem> {
    let from = row.spec.schedule.as_ref().map_or(now_ms, |schedule| planned_end(schedule).max(now_ms));
    let expires = asked.unwrap_or_else(|| from.saturating_add(DEFAULT_VALIDITY_MS));
    let latest = from.saturating_add(MAX_VALIDITY_MS);
    if expires < 0 {
        return Err(Problem::from(Kind::OutOfRange).at("expires_at_ms"));
    }
    if expires <= now_ms || expires > latest { Err(Kind::PastExpiry.into()) } else { Ok(expires) }
}

/// A ticket, its secret aside.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ticket")]
struct TicketBody {
    id: String,
    identity: String,
    #[schemars(schema_with = "role_words")]
    role: Role,
    /// Moves a live seat to another device.
    hand_over: bool,
    expires_at_ms: i64,
    used_at_ms: Option<i64>,
    revoked_at_ms: Option<i64>,
}

/// The tickets to a session.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tickets")]
struct TicketsBody {
    tickets: Vec<TicketBody>,
}

impl From<Ticket> for TicketBody {
    fn from(ticket: Ticket) -> Self {
        let Ticket { id, session: _, identity, role, hand_over, expires_at_ms, used_at_ms, revoked_at_ms } = ticket;
        Self { id, identity: identity.into(), role, hand_over, expires_at_ms, used_at_ms, revoked_at_ms }
    }
}

async fn list(State(api): State<ApiState>, At(session): At<SessionId>) -> Result<Reply, Problem> {
    sessions::row(&api, &session).await?;
    let tickets = api.ledger.list(move |store| store.tickets(&session)).await?;
    Ok(Reply::ok(&TicketsBody { tickets: tickets.into_iter().map(TicketBody::from).collect() })?)
}

async fn revoke(
    State(api): State<ApiState>,
    caller: Caller,
    At((session, ticket)): At<(SessionId, String)>,
) -> Result<Reply, Problem> {
    let now = now_ms();
    let record = AuditRecord {
        at_ms: now,
        action: Action::TicketRevoked,
        session: Some(session.clone()),
        actor: caller.subject(&api.pseudonyms),
        subject: Subject::none(),
        detail: String::new(),
    };
    let revoke = move |change: &mut Change<'_>| -> Result<(), StoreError> {
        change.revoke_ticket(&session, &ticket, now)?;
        change.audit(&record).map(drop)
    };
    api.ledger.change(revoke).await.map_err(or_missing(Kind::TicketNotFound))?;
    Ok(Reply::done())
}
