//! MoveParticipant: from one session of this server to another.

use livekit_protocol as proto;
use parlour_model::Refusal;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::twirp::TwirpError;
use super::{Call, ENGINE_TIMEOUT};
use crate::link::Relocation;

/// The client leaves here and comes in there, with the role and at most the rights it has here. The rules there are in
/// force as for anyone: where there is a waiting room, it waits.
pub(super) async fn participant(
    call: &Call<'_>,
    request: proto::MoveParticipantRequest,
) -> Result<proto::MoveParticipantResponse, TwirpError> {
    let (from, to) = call.access.move_between(&request.room, &request.destination_room)?;
    if from == to {
        return Err(TwirpError::invalid("the participant is in this room already"));
    }
    let person = call.person(&from, &request.identity).await?;
    let (destination, people) = call.describe(&to).await?;
    if people.iter().any(|one| one.identity.as_str() == request.identity) {
        return Err(Refusal::DuplicateIdentity.into());
    }
    if destination.participants >= destination.max_participants {
        return Err(Refusal::Full.into());
    }
    let link = call.shared.relocations(&person.sid).ok_or_else(unreachable)?;
    let (done, left) = oneshot::channel();
    let relocation = Relocation { to, grants: person.grants, done };
    link.try_send(relocation).map_err(|_| unreachable())?;
    match timeout(ENGINE_TIMEOUT, left).await {
        Ok(Ok(())) => Ok(proto::MoveParticipantResponse {}),
        _ => Err(unreachable()),
    }
}

fn unreachable() -> TwirpError {
    TwirpError::unavailable("the participant's connection is away")
}
