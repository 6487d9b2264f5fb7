//! What stands in front of every handler: rate limits, who is asking, whether they may, and whether they asked before.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parlour_model::{Role, SessionId};
use parlour_store::{Action, AuditRecord, Subject};

use crate::caller::Caller;
use crate::once::{self, Once, Turn};
use crate::operation::{Access, Facts, Seats};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::state::ApiState;
use crate::tickets;
use crate::words;

/// A gate's own.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) api: ApiState,
    pub(crate) operation: Arc<Facts>,
}

/// When a request arrived, for those who measure.
#[derive(Clone, Copy)]
pub(crate) struct Arrived(pub(crate) Instant);

/// Lets a request through to its handler, or answers it.
pub(crate) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let response = gate.pass(arrived, request, next).await.unwrap_or_else(IntoResponse::into_response);
    let problem = response.extensions().get::<Kind>().map_or("none", |kind| kind.word());
    gate.api.metrics.answered(gate.operation.id, problem, arrived.elapsed());
    response
}

impl Gate {
    async fn pass(&self, arrived: Instant, request: Request, next: Next) -> Result<Response, Problem> {
        let (mut parts, body) = request.into_parts();
        let names = Names::of(&mut parts).await?;
        let caller = self.admit(&parts, &names, arrived).await?;
        let account = caller.account(&self.api.pseudonyms);
        parts.extensions.insert(caller);
        parts.extensions.insert(Arrived(arrived));
        let body = self.without_surprise(body).await?;
        let key = if self.operation.method == Method::POST { once::key_of(&parts.headers)? } else { None };
        let Some(key) = key else { return Ok(next.run(Request::from_parts(parts, body)).await) };

        let bytes = words::whole(body).await?;
        if self.is_guess(&bytes).await? && !once::is_known(&self.api, &account, &key).await? {
            return Ok(next.run(Request::from_parts(parts, Body::from(bytes))).await);
        }
        let path = parts.uri.path().as_bytes();
        let same = [self.operation.method.as_str().as_bytes(), b" ", path, b"\n", &bytes].concat();
        match once::claim::<Reply>(&self.api, account, &key, same).await? {
            Turn::Again(reply) => Ok(reply.into_response()),
            Turn::First(once) => {
                parts.extensions.insert(once.clone());
                let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
                self.close(once, response).await
            }
        }
    }

    /// A stranger's request that will be refused. It costs a look-up and no write: not even its key is kept.
    async fn is_guess(&self, body: &[u8]) -> Result<bool, Problem> {
        match self.operation.access {
            Access::Anyone => tickets::is_guess(&self.api, body).await,
            _ => Ok(false),
        }
    }

    /// Problems are not kept: what was refused may be tried again.
    async fn close(&self, once: Once, response: Response) -> Result<Response, Problem> {
        if !response.status().is_success() {
            once.close(&self.api, None::<Reply>).await;
            return Ok(response);
        }
        let (reply, response) = Reply::of(response).await?;
        once.close(&self.api, Some(reply)).await;
        Ok(response)
    }

    /// Who asks, if they may.
    async fn admit(&self, parts: &Parts, names: &Names, now: Instant) -> Result<Caller, Problem> {
        let address = parlour_signal::client_address(&parts.headers, &parts.extensions, self.api.config.behind_proxy);
        let address = parlour_signal::counted_as(address);
        match self.operation.access {
            Access::Public => return Ok(Caller::Nobody),
            Access::Anyone => return self.stranger(address, now).map(|()| Caller::Nobody),
            _ => {}
        }
        let caller = match Caller::of(&parts.headers, &self.api).await {
            Ok(caller) => caller,
            Err(problem) if problem.kind() == Kind::Unauthenticated => {
                // Only those who fail are counted by address: a clinic is one address and many callers.
                self.stranger(address, now)?;
                self.record_failure(now);
                return Err(problem);
            }
            Err(problem) => return Err(problem),
        };
        let account = caller.account(&self.api.pseudonyms);
        let meter = match caller {
            Caller::Key { .. } => &self.api.meters.accounts,
            _ => &self.api.meters.seats,
        };
        meter.take(account, now).map_err(|after| Problem::from(Kind::TooManyRequests).retry_after(after))?;
        self.may(&caller, names)?;
        Ok(caller)
    }

    fn stranger(&self, address: IpAddr, now: Instant) -> Result<(), Problem> {
        let taken = self.api.meters.strangers.take(address, now);
        taken.map_err(|after| Problem::from(Kind::TooManyRequests).retry_after(after))
    }

    /// Written down without waiting, and not more often than the disk can bear.
    fn record_failure(&self, now: Instant) {
        if self.api.meters.recorded.take((), now).is_err() {
            return;
        }
        let record = AuditRecord {
            at_ms: crate::now_ms(),
            action: Action::AuthenticationFailed,
            session: None,
            actor: Subject::none(),
            subject: Subject::none(),
            detail: self.operation.id.to_owned(),
        };
        let ledger = self.api.ledger.clone();
        tokio::spawn(async move { ledger.append(move |change| change.audit(&record).map(drop)).await });
    }

    fn may(&self, caller: &Caller, names: &Names) -> Result<(), Problem> {
        match (self.operation.access, caller) {
            (Access::Public | Access::Anyone, _) => Ok(()),
            (Access::Key(scope) | Access::Seat(scope, _), Caller::Key { scopes, .. }) => {
                if scopes.contains(&scope) {
                    Ok(())
                } else {
                    Err(Kind::MissingScope.into())
                }
            }
            (Access::Key(_), _) | (_, Caller::Nobody) | (Access::Own(_), Caller::Key { .. }) => {
                Err(Kind::NotAllowed.into())
            }
            (Access::Seat(_, seats) | Access::Own(seats), Caller::Bearer { session, role, .. }) => {
                if names.session.as_ref() != Some(session) {
                    return Err(Kind::OtherSession.into());
                }
                if seats == Seats::Therapists && *role != Role::Therapist {
                    return Err(Kind::NotAllowed.into());
                }
                Ok(())
            }
        }
    }

    /// A request that takes no body comes without one, or with an empty object.
    async fn without_surprise(&self, body: Body) -> Result<Body, Problem> {
        if self.operation.body.is_some() {
            return Ok(body);
        }
        let bytes = words::whole(body).await?;
        match bytes.trim_ascii() {
            b"" | b"{}" => Ok(Body::empty()),
            _ => Err(Kind::UnexpectedBody.into()),
        }
    }
}

/// What a path names.
struct Names {
    session: Option<SessionId>,
}

impl Names {
    /// Every part of a path is bounded like the ids and identities it stands for.
    async fn of(parts: &mut Parts) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Kind::InvalidParameter)?;
        if params.iter().any(|(_, value)| value.is_empty() || value.len() > words::MAX_NAME) {
            return Err(Kind::InvalidParameter.into());
        }
        Ok(Self { session: params.iter().find(|(name, _)| *name == "session").map(|(_, value)| value.into()) })
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Kind::Internal.into())
    }
}

impl<S: Sync> FromRequestParts<S> for Arrived {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().copied().ok_or_else(|| Kind::Internal.into())
    }
}
