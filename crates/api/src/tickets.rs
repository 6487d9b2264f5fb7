//! Tickets: links that let one person into one session, once.
//!
//! The secret in a link is drawn at random and kept only as its hash. Behind it, sealed under the server's key, is the
//! name that others will see: so a name is in the link and in memory, and in no file.

use std::time::Instant;

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parlour_model::session::{HAND_OVER_SECONDS, SessionCommand};
use parlour_model::{Command, Identity, Reply as EngineReply, Role, SessionId};
use parlour_signal::Claims;
use parlour_store::{
    Action, AuditRecord, Change, NewTicket, SecretHash, SessionRow, StoreError, Subject, Ticket, TicketRefusal,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::commands::{self, Asked};
use crate::gate::Arrived;
use crate::now_ms;
use crate::once::Once;
use crate::operation::{Operation, Seats, delete, get, post};
use crate::problem::{Kind, Problem, or_missing};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::seal::{Purpose, Sealer, random, random_hex};
use crate::sessions::{self, length, planned_end, role_words};
use crate::state::ApiState;
use crate::words::{At, Body, MAX_NAME};

/// What tickets begin with.
const PREFIX: &str = "tk_";

/// Random bytes of a ticket.
const SECRET: usize = 32;

/// Longest name in a ticket, in bytes.
const MAX_DISPLAY_NAME: usize = 128;

/// Longer than any ticket of ours.
const MAX_TICKET: usize = 512;

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
        post("/v1/tickets/redeem", "redeemTicket", "Use a ticket up and get a session token for it.", redeem)
            .anyone()
            .takes::<RedeemWords>()
            .gives::<RedeemedBody>(200)
            .refuses(&[Kind::TicketRefused, Kind::SessionEnded]),
        post(
            "/v1/sessions/{session}/hand-over",
            "handOver",
            "Make a ticket to one's own seat, for another device.",
            hand_over,
        )
        .tag("participants")
        .own(Seats::Everyone)
        .gives::<HandOverBody>(201)
        .refuses(commands::REFUSALS),
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
    let record = AuditRecord {
        at_ms: new.created_at_ms,
        action: Action::TicketIssued,
        session: Some(new.session.clone()),
        actor,
        subject: Subject::person(&api.pseudonyms, &new.identity),
        detail: format!("{}{}", new.role.as_str(), if new.hand_over { " hand_over" } else { "" }),
    };
    let issue = move |change: &mut Change<'_>| -> Result<Reply, Problem> {
        change.audit(&record)?;
        change.issue_ticket(&new).map_err(or_missing(Kind::SessionNotFound))?;
        once.keep(change, &reply)?;
        Ok(reply)
    };
    api.ledger.change(issue).await
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

/// A ticket as it stands in a link.
struct DrawnTicket {
    text: String,
    hash: SecretHash,
}

impl DrawnTicket {
    fn new(name: &str, sealer: &Sealer) -> Result<Self, Kind> {
        let secret = random::<SECRET>()?;
        let sealed = if name.is_empty() { Vec::new() } else { sealer.seal(Purpose::TicketName, name.as_bytes())? };
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([secret.as_slice(), &sealed].concat()));
        Ok(Self { hash: SecretHash::of(text.as_bytes()), text })
    }

    /// The name in a ticket; empty if there is none, or another server sealed it.
    fn name(text: &str, sealer: &Sealer) -> String {
        let opened = || {
            let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
            let plain = sealer.open(Purpose::TicketName, bytes.get(SECRET..)?)?;
            String::from_utf8(plain).ok()
        };
        opened().unwrap_or_default()
    }
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

/// A ticket to be used.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Redemption")]
struct RedeemWords {
    /// The secret, as it stood in the link.
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

async fn redeem(State(api): State<ApiState>, once: Once, Body(words): Body<RedeemWords>) -> Result<Reply, Problem> {
    let text = words.ticket;
    if text.is_empty() || text.len() > MAX_TICKET {
        return Err(Problem::from(Kind::OutOfRange).at("ticket"));
    }
    let hash = SecretHash::of(text.as_bytes());
    // Guesses cost a look-up, never a write.
    let used = if api.ledger.read(move |store| store.knows_ticket(hash)).await? {
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
                let reply = Reply::ok(&token_for(&state, ticket, &text, now)?)?;
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
fn token_for(api: &ApiState, ticket: Ticket, text: &str, now_ms: i64) -> Result<RedeemedBody, Kind> {
    let lifetime = i64::try_from(api.config.token_lifetime.as_millis()).unwrap_or(i64::MAX);
    let expires_at_ms = now_ms.saturating_add(lifetime);
    let exp = u64::try_from(expires_at_ms / 1_000).unwrap_or_default();
    let name = DrawnTicket::name(text, &api.signing.sealer);
    let mut claims = Claims::join(&api.signing.key, &ticket.session, &ticket.identity, ticket.role, exp);
    claims.name.clone_from(&name);
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

/// A ticket to one's own seat.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HandOver")]
struct HandOverBody {
    /// The secret, for the other device.
    ticket: String,
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
    let body = HandOverBody {
        ticket: ticket.text,
        expires_at_ms: now.saturating_add(i64::try_from(HAND_OVER_SECONDS * 1_000).unwrap_or_default()),
    };
    let new = NewTicket {
        id: random_hex::<8>()?,
        session: session.clone(),
        secret: ticket.hash,
        identity: identity.clone(),
        role: *role,
        hand_over: true,
        created_at_ms: now,
        expires_at_ms: body.expires_at_ms,
    };
    keep(&api, caller.subject(&api.pseudonyms), once, new, Reply::created(&body)?).await
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_name_in_a_ticket_is_read_by_its_server_only() {
        let sealer = Sealer::new(b"secret");
        let ticket = DrawnTicket::new("Alex Å", &sealer).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(ticket.text.strip_prefix(PREFIX).unwrap()).unwrap();
        assert!(!bytes.windows(4).any(|part| part == b"Alex"));
        assert_eq!(DrawnTicket::name(&ticket.text, &sealer), "Alex Å");
        assert_eq!(DrawnTicket::name(&ticket.text, &Sealer::new(b"other")), "");
        for wrong in ["", "tk_", "tk_!!", "xx", &"tk_A".repeat(100)] {
            assert_eq!(DrawnTicket::name(wrong, &sealer), "");
        }
    }

    #[test]
    fn the_longest_name_fits_into_a_ticket_that_is_taken() {
        let ticket = DrawnTicket::new(&"n".repeat(MAX_DISPLAY_NAME * 2), &Sealer::new(b"secret")).unwrap();
        assert!(ticket.text.len() <= MAX_TICKET);
    }
}
