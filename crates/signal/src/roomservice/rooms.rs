//! Rooms: made, listed, ended. A room is a session that knows no therapist's schedule: it has the server's rules.

use livekit_protocol as proto;
use parlour_model::command::Requester;
use parlour_model::session::SessionCommand;
use parlour_model::{Command, Redacted};

use super::Call;
use super::twirp::TwirpError;
use crate::token::MAX_METADATA;
use crate::translate::roster;

pub(super) async fn create(call: &Call<'_>, request: proto::CreateRoomRequest) -> Result<proto::Room, TwirpError> {
    call.access.create(&request.name)?;
    Err(TwirpError::unimplemented("rooms open when the first participant joins"))
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
    call.ask(&session, Command::Rule { by: Requester::Server, command: SessionCommand::End }).await?;
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
        call.ask(&session, Command::UpdateSessionMetadata(Redacted(request.metadata))).await?;
    }
    Ok(roster::room(&call.describe(&session).await?.0))
}
