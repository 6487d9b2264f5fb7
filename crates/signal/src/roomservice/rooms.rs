//! Rooms: made, listed, ended. A session that was made with the control API is opened by its own rules. Any other room
//! is a session without a schedule, by the rules that hold for those opened by a token alone, and gone when the server
//! restarts.

use livekit_protocol as proto;
use parlour_model::command::Requester;
use parlour_model::session::{Modality, SessionCommand, SessionKind, SessionPolicy};
use parlour_model::{Command, Redacted, Refusal, SessionOpening};

use super::Call;
use super::twirp::TwirpError;
use crate::token::MAX_METADATA;
use crate::translate::roster;

pub(super) async fn create(call: &Call<'_>, request: proto::CreateRoomRequest) -> Result<proto::Room, TwirpError> {
    let session = call.access.create(&request.name)?;
    if request.egress.is_some() || !request.agents.is_empty() {
        return Err(TwirpError::invalid("this server records nothing and dispatches no agents"));
    }
    if request.metadata.len() > MAX_METADATA {
        return Err(TwirpError::invalid("the metadata is too long"));
    }
    match call.describe(&session).await {
        Ok((existing, _)) => return Ok(roster::room(&existing)),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    let opening = match call.shared.directory.find(&session).await {
        Ok(Some(kept)) => kept,
        Ok(None) | Err(Refusal::UnknownSession) => room(&call.shared.config.room_policy, &request),
        Err(refusal) => return Err(refusal.into()),
    };
    let making = async {
        call.ask(&session, Command::Open(Box::new(opening))).await?;
        if !request.metadata.is_empty() {
            call.ask(&session, Command::UpdateSessionMetadata(Redacted(request.metadata))).await?;
        }
        call.describe(&session).await
    };
    let (made, _) = call.recorded(&session, "create_room", None, making).await?;
    Ok(roster::room(&made))
}

fn room(default: &SessionPolicy, request: &proto::CreateRoomRequest) -> SessionOpening {
    SessionOpening {
        kind: SessionKind::default(),
        modality: Modality::default(),
        schedule: None,
        policy: policy(default, request),
        snapshot: None,
    }
}

/// The server's rules with the few that a room may set. LiveKit's two waits, before anyone came and after everyone
/// left, are one here: the longer.
fn policy(default: &SessionPolicy, request: &proto::CreateRoomRequest) -> SessionPolicy {
    let mut policy = default.clone();
    if request.max_participants > 0 {
        policy.max_participants = request.max_participants.min(SessionPolicy::HARD_MAX_PARTICIPANTS);
    }
    let idle = request.empty_timeout.max(request.departure_timeout);
    if idle > 0 {
        policy.idle_end_minutes = idle.div_ceil(60).min(policy.max_minutes);
    }
    policy
}

pub(super) async fn list(
    call: &Call<'_>,
    request: proto::ListRoomsRequest,
) -> Result<proto::ListRoomsResponse, TwirpError> {
    call.access.list()?;
    let wanted = |name: &str| request.names.is_empty() || request.names.iter().any(|one| one == name);
    let sessions = call.shared.engine.sessions().await;
    let mut rooms: Vec<_> = sessions.iter().filter(|one| wanted(one.id.as_str())).map(roster::room).collect();
    rooms.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(proto::ListRoomsResponse { rooms })
}

/// Ends the session, for good.
pub(super) async fn delete(
    call: &Call<'_>,
    request: proto::DeleteRoomRequest,
) -> Result<proto::DeleteRoomResponse, TwirpError> {
    let session = call.access.create(&request.room)?;
    let end = call.ask(&session, Command::Rule { by: Requester::Server, command: SessionCommand::End });
    let ending = async {
        match end.await {
            // One that nobody came to yet, or that found no room after a start.
            Err(error) if error.is_not_found() => match call.shared.directory.end(&session, &call.access.key).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(error),
                Err(refusal) => Err(refusal.into()),
            },
            other => other.map(drop),
        }
    };
    call.recorded(&session, "end", None, ending).await?;
    Ok(proto::DeleteRoomResponse {})
}

pub(super) async fn update_metadata(
    call: &Call<'_>,
    request: proto::UpdateRoomMetadataRequest,
) -> Result<proto::Room, TwirpError> {
    let session = call.access.administer(&request.room)?;
    if request.metadata.len() > MAX_METADATA {
        return Err(TwirpError::invalid("the metadata is too long"));
    }
    if !request.metadata.is_empty() {
        let updating = call.ask(&session, Command::UpdateSessionMetadata(Redacted(request.metadata)));
        call.recorded(&session, "update_metadata", None, updating).await?;
    }
    Ok(roster::room(&call.describe(&session).await?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_changes_its_limits_and_no_other_rule() {
        let default = SessionPolicy::default();
        let asked = proto::CreateRoomRequest {
            max_participants: 100,
            empty_timeout: 90,
            departure_timeout: 20,
            ..Default::default()
        };
        let policy = policy(&default, &asked);
        assert_eq!(policy, SessionPolicy { max_participants: 12, idle_end_minutes: 2, ..default.clone() });
        assert_eq!(super::policy(&default, &proto::CreateRoomRequest::default()), default);
    }
}
