//! The HTTP side: `/rtc/v1`, `/rtc`, and their `validate`.
//!
//! A join is decided before the WebSocket is accepted, so that a refusal is an HTTP status every SDK understands.
//! Query strings and headers hold tokens: nothing here logs either.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Query as UrlQuery, State, WebSocketUpgrade};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parlour_model::command::{Action, Topology};
use parlour_model::{Join, ParticipantSid, Redacted, Refusal};
use tokio::sync::mpsc::error::TrySendError;

use self::denied::{Denied, cors};
use crate::config::{JOIN_TIMEOUT, MAX_FRAME};
use crate::joinrequest::{self, ConnectRequest, Intent, JoinRequestError, Query, Wishes};
use crate::link::{self, Attachment, Beginning};
use crate::metrics::Drop as Reason;
use crate::roomservice;
use crate::service::{Shared, SignalState, unix_now};
use crate::socket::{self, SocketEnd};
use crate::token::{self, Bearer, Claims, MAX_METADATA};
use crate::translate::leave;

mod denied;
mod line_results;
mod line_test;

pub(crate) use line_results::LineResults;

/// The routes of signalling and of the server API. Serve them with
/// `into_make_service_with_connect_info::<SocketAddr>()`, or every client counts as one address.
pub fn router(state: SignalState) -> Router {
    Router::new()
        .route("/rtc/v1", get(connect_v1))
        .route("/rtc", get(connect_v0))
        .route("/rtc/v1/validate", get(validate).options(preflight))
        .route("/rtc/validate", get(validate).options(preflight))
        .with_state(state.clone())
        .merge(line_test::router(state.clone()))
        .merge(roomservice::router(state))
}

async fn preflight() -> impl IntoResponse {
    (
        StatusCode::NO_CONTENT,
        cors(),
        [
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, authorization")),
            (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS")),
            (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
        ],
    )
}

/// What every connection attempt brings along.
struct Attempt {
    headers: HeaderMap,
    extensions: Extensions,
}

type UrlResult = Result<UrlQuery<Query>, QueryRejection>;
type UpgradeResult = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn connect_v1(
    State(state): State<SignalState>,
    query: UrlResult,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: UpgradeResult,
) -> Response {
    connect(&state.shared, Topology::Single, query, Attempt { headers, extensions }, upgrade).await
}

async fn connect_v0(
    State(state): State<SignalState>,
    query: UrlResult,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: UpgradeResult,
) -> Response {
    connect(&state.shared, Topology::Dual, query, Attempt { headers, extensions }, upgrade).await
}

/// After a refused WebSocket, SDKs ask here why.
async fn validate(
    State(state): State<SignalState>,
    query: UrlResult,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let shared = &state.shared;
    let attempt = Attempt { headers, extensions };
    let judged = async {
        let _seat = shared.admission.admit(attempt.address(shared), Instant::now()).map_err(Denied::Limited)?;
        let UrlQuery(query) = query.map_err(|_| Denied::Query)?;
        let (_, _, token) = attempt.bearer(&query, shared)?;
        match shared.refusals.recall(&token.0, Instant::now()) {
            Some(refusal) => Err(Denied::Refused(refusal)),
            None if shared.is_stopping() => Err(Denied::Refused(Refusal::Draining)),
            None => Ok(()),
        }
    };
    match judged.await {
        Ok(()) => (cors(), "success").into_response(),
        Err(denied) => denied.into_response(),
    }
}

async fn connect(
    shared: &std::sync::Arc<Shared>,
    topology: Topology,
    query: UrlResult,
    attempt: Attempt,
    upgrade: UpgradeResult,
) -> Response {
    let accepted = async {
        let seat = shared.admission.admit(attempt.address(shared), Instant::now()).map_err(Denied::Limited)?;
        let UrlQuery(query) = query.map_err(|_| Denied::Query)?;
        let (bearer, claims, token) = attempt.bearer(&query, shared)?;
        let upgrade = upgrade.map_err(|_| Denied::NotAnUpgrade)?;
        let request = match topology {
            Topology::Single => joinrequest::from_v1(&query).map_err(Denied::Request)?,
            Topology::Dual => joinrequest::from_v0(&query),
        };
        let (wire, end) = socket::pair(&shared.config.limits, &shared.metrics, seat);
        let ConnectRequest { auto_subscribe, client, intent } = request;
        match intent {
            Intent::Resume { participant, sync } => {
                let attachment = Attachment { wire, claims, sync };
                resume(shared, &bearer, &participant, attachment);
            }
            Intent::Join(wishes) => {
                let join = wanted(bearer, *wishes, client, topology, auto_subscribe)?;
                enter(shared, join, wire, claims, &token).await?;
            }
        }
        Ok((upgrade, end))
    };
    match accepted.await {
        Ok((upgrade, end)) => accept(upgrade, end),
        Err(denied) => {
            count(shared, &denied);
            denied.into_response()
        }
    }
}

fn count(shared: &Shared, denied: &Denied) {
    shared.metrics.joined(denied.word());
    if let Denied::Limited(reason) = denied {
        shared.metrics.dropped(*reason);
    }
}

fn accept(upgrade: WebSocketUpgrade, end: SocketEnd) -> Response {
    upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        // What does not fit into the sockets of a client that does not read waits in our own, counted queue.
        .write_buffer_size(0)
        .on_upgrade(move |socket| socket::run(socket, end))
}

/// A join, and what the client wishes to do right after it.
struct Entry {
    join: Join,
    session: parlour_model::SessionId,
    wishes: Wishes,
}

/// Token and join request together: the request may add to what the token says only where the token allows it.
fn wanted(
    bearer: Bearer,
    mut wishes: Wishes,
    client: parlour_model::participant::ClientTraits,
    topology: Topology,
    auto_subscribe: bool,
) -> Result<Entry, Denied> {
    let Bearer { session, identity, role, encryption, entry, grants, name, mut metadata, mut attributes } = bearer;
    if grants.update_own_metadata {
        let asked = std::mem::take(&mut wishes.metadata);
        if !asked.0.is_empty() {
            metadata = asked;
        }
        attributes.0.extend(token::permitted_attributes(&std::mem::take(&mut wishes.attributes).0));
    }
    if metadata.0.len() > MAX_METADATA || !token::attributes_fit(&attributes.0) {
        return Err(Denied::Request(JoinRequestError::TooLarge));
    }
    let join = Join {
        identity,
        role,
        grants,
        name,
        metadata,
        attributes,
        client,
        topology,
        encryption,
        auto_subscribe,
        entry,
    };
    Ok(Entry { join, session, wishes })
}

async fn enter(
    shared: &std::sync::Arc<Shared>,
    entry: Entry,
    wire: socket::Wire,
    claims: Claims,
    token: &Redacted<String>,
) -> Result<(), Denied> {
    let Entry { join, session, wishes } = entry;
    let topology = join.topology;
    let hint = shared.line_results.hint(&session, &join.identity, Instant::now());
    let joining = async {
        if shared.is_stopping() {
            return Err(Refusal::Draining);
        }
        // An engine that takes longer than clients wait is no better than one that refuses.
        let coming_in = async {
            shared.open(&session).await?;
            shared.engine.join(&session, join).await
        };
        tokio::time::timeout(JOIN_TIMEOUT, coming_in).await.unwrap_or(Err(Refusal::Limit))
    };
    match joining.await {
        Ok((joined, events)) => {
            shared.metrics.joined("joined");
            if let Some(hint) = hint {
                // A worker that is too busy for it finds the line out as any other.
                let _ = shared.engine.act(&session, &joined.participant.sid, Action::LineTested(hint));
            }
            link::spawn(shared, Beginning { joined, events, wire, topology, claims, wishes });
            Ok(())
        }
        Err(refusal) => {
            shared.refusals.remember(&token.0, refusal, Instant::now());
            Err(Denied::Refused(refusal))
        }
    }
}

/// Hands the socket to its participant. A client whose stay is not here is told so on the socket, as SDKs expect.
fn resume(shared: &Shared, bearer: &Bearer, participant: &ParticipantSid, attachment: Attachment) {
    let attached = match shared.link(participant, &bearer.session, &bearer.identity) {
        Some(link) => link.try_send(attachment).map_err(TrySendError::into_inner),
        None => Err(attachment),
    };
    let Err(attachment) = attached else { return };
    shared.metrics.joined("unknown_resume");
    shared.metrics.dropped(Reason::UnknownResume);
    // A queue this empty takes it, and dropping the wire closes the socket after it.
    let _ = attachment.wire.send(leave::cannot_resume());
}

impl Attempt {
    /// Who is asking: the token of the header or the query.
    fn bearer(&self, query: &Query, shared: &Shared) -> Result<(Bearer, Claims, Redacted<String>), Denied> {
        let header = self.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or(&query.access_token).trim();
        let claims = token::verify(token, &shared.config.keys, unix_now()).map_err(Denied::Token)?;
        let bearer = claims.bearer().map_err(Denied::Token)?;
        Ok((bearer, claims, Redacted(token.to_owned())))
    }

    fn address(&self, shared: &Shared) -> IpAddr {
        address_of(&self.headers, &self.extensions, shared)
    }
}

/// The address limits are counted for.
pub(crate) fn address_of(headers: &HeaderMap, extensions: &Extensions, shared: &Shared) -> IpAddr {
    client_address(headers, extensions, shared.config.behind_proxy)
}

/// Where a request comes from: the peer of its connection, or what our own proxy says of it.
pub fn client_address(headers: &HeaderMap, extensions: &Extensions, behind_proxy: bool) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if !behind_proxy {
        return peer;
    }
    // The last entry is the one our own proxy has written.
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    forwarded.and_then(|list| list.rsplit(',').next()?.trim().parse().ok()).unwrap_or(peer)
}
