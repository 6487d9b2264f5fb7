//! LiveKit's RoomService: what an integrator's server asks, as Twirp (`POST /twirp/livekit.RoomService/<Method>`, JSON
//! or protobuf; https://twitchtv.github.io/twirp/docs/spec_v7.html).
//!
//! It translates and asks the engine, and what changes a session goes through the record as the control API's commands
//! do (`once`); the rules of a session stay in force for whoever asks. Nobody can be made to
//! listen unseen, nobody is unmuted by someone else, and who is removed stays out.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Router, http::Method};
use parlour_model::command::SessionRecord;
use parlour_model::{Command, Identity, ParticipantRecord, Reply, SessionId};
use tokio::time::timeout;

use self::access::Access;
use self::codec::{Codec, Encoded};
use self::twirp::TwirpError;
use crate::http::address_of;
use crate::record::AskedCommand;
use crate::service::{Shared, SignalState};

mod access;
pub(crate) mod codec;
mod data;
mod once;
mod participants;
mod relocate;
mod rooms;
mod twirp;

/// The largest request: data of 64 KiB or metadata of 64 KiB, written as JSON.
const MAX_BODY: usize = 256 * 1024;
/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the engine may take to answer.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);

/// The routes of the server API.
pub(crate) fn router(state: SignalState) -> Router {
    Router::new().route("/twirp/{service}/{method}", any(serve)).with_state(state)
}

async fn serve(
    State(state): State<SignalState>,
    Path((service, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    match answer(&state, &service, &method, request).await {
        Ok(response) => {
            state.shared.metrics.asked("done");
            response
        }
        Err(error) => {
            state.shared.metrics.asked(error.code.as_str());
            error.into_response()
        }
    }
}

/// Who asks is judged before anything of the body is read.
async fn answer(state: &SignalState, service: &str, method: &str, request: Request) -> Result<Response, TwirpError> {
    if service != "livekit.RoomService" {
        return Err(TwirpError::bad_route("no such service"));
    }
    if request.method() != Method::POST {
        return Err(TwirpError::bad_route("only POST is served"));
    }
    let (parts, body) = request.into_parts();
    let codec = Codec::of(&parts.headers)?;
    let shared = &state.shared;
    let access = match Access::of(&parts.headers, &shared.config.keys) {
        Ok(access) => access,
        Err(error) => return Err(slowed(shared, address_of(&parts.headers, &parts.extensions, shared), error)),
    };
    let body = read(body).await?;
    let call = Call { shared, access };
    match once::id_of(&parts.headers)? {
        Some(id) if CHANGES.contains(&method) => once::carry_out(&call, &id, method, codec, &body).await,
        _ => Ok(dispatch(&call, method, codec, &body).await?.into_response()),
    }
}

/// Methods that change something, and are carried out once for each id of a request.
const CHANGES: [&str; 9] = [
    "CreateRoom",
    "DeleteRoom",
    "UpdateRoomMetadata",
    "RemoveParticipant",
    "MutePublishedTrack",
    "UpdateParticipant",
    "UpdateSubscriptions",
    "SendData",
    "MoveParticipant",
];

/// Refused attempts count against their address, as those to connect do; an integrator's own calls do not.
fn slowed(shared: &Shared, address: std::net::IpAddr, error: TwirpError) -> TwirpError {
    match shared.admission.admit(address, Instant::now()) {
        Ok(_) => error,
        Err(reason) => {
            shared.metrics.dropped(reason);
            TwirpError::limited("too many refused requests")
        }
    }
}

async fn read(body: Body) -> Result<bytes::Bytes, TwirpError> {
    match timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(TwirpError::malformed("the request is too large or was cut off")),
        Err(_) => Err(TwirpError::malformed("the request did not arrive in time")),
    }
}

async fn dispatch(call: &Call<'_>, method: &str, codec: Codec, body: &[u8]) -> Result<Encoded, TwirpError> {
    match method {
        "CreateRoom" => codec.answer(body, |request| rooms::create(call, request)).await,
        "ListRooms" => codec.answer(body, |request| rooms::list(call, request)).await,
        "DeleteRoom" => codec.answer(body, |request| rooms::delete(call, request)).await,
        "UpdateRoomMetadata" => codec.answer(body, |request| rooms::update_metadata(call, request)).await,
        "ListParticipants" => codec.answer(body, |request| participants::list(call, request)).await,
        "GetParticipant" => codec.answer(body, |request| participants::get(call, request)).await,
        "RemoveParticipant" => codec.answer(body, |request| participants::remove(call, request)).await,
        "MutePublishedTrack" => codec.answer(body, |request| participants::mute(call, request)).await,
        "UpdateParticipant" => codec.answer(body, |request| participants::update(call, request)).await,
        "UpdateSubscriptions" => codec.answer(body, |request| participants::subscribe(call, request)).await,
        "SendData" => codec.answer(body, |request| data::send(call, request)).await,
        "MoveParticipant" => codec.answer(body, |request| relocate::participant(call, request)).await,
        _ => Err(TwirpError::unimplemented("this server has no such method")),
    }
}

/// A call under way: who asks, and whom to ask.
struct Call<'a> {
    shared: &'a Shared,
    access: Access,
}

impl Call<'_> {
    /// Asks the engine. An engine that takes too long is as good as none.
    async fn ask(&self, session: &SessionId, command: Command) -> Result<Reply, TwirpError> {
        match timeout(ENGINE_TIMEOUT, self.shared.engine.request(session, command)).await {
            Ok(reply) => reply.map_err(TwirpError::from),
            Err(_) => Err(TwirpError::unavailable("the server is busy")),
        }
    }

    /// Carries out what changes a session, so that it is on record: appended first, in force, on the disk, answered.
    async fn recorded<T>(
        &self,
        session: &SessionId,
        word: &'static str,
        whom: Option<&Identity>,
        work: impl Future<Output = Result<T, TwirpError>>,
    ) -> Result<T, TwirpError> {
        let asked = AskedCommand { key: &self.access.key, session, word, whom };
        let unwritten = |_| TwirpError::unavailable("the record of this cannot be written now; nothing was changed");
        let open = self.shared.record.append(asked).await.map_err(unwritten)?;
        let done = work.await?;
        let unsynced = |_| TwirpError::unavailable("it is in force, but the record of it cannot be written now");
        open.settle().await.map_err(unsynced)?;
        Ok(done)
    }

    async fn describe(&self, session: &SessionId) -> Result<(SessionRecord, Vec<ParticipantRecord>), TwirpError> {
        match self.ask(session, Command::DescribeSession).await? {
            Reply::Session(session, people) => Ok((*session, people)),
            _ => Err(TwirpError::internal()),
        }
    }

    /// The stay of a person.
    async fn person(&self, session: &SessionId, identity: &str) -> Result<ParticipantRecord, TwirpError> {
        let (_, people) = self.describe(session).await?;
        let found = people.into_iter().find(|one| one.identity.as_str() == identity);
        found.ok_or_else(|| parlour_model::Refusal::UnknownParticipant.into())
    }
}
