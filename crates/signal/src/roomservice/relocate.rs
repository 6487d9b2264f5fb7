//! MoveParticipant: from one session of this server to another.

use livekit_protocol as proto;
use parlour_model::{Refusal, SessionId};
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
    check_destination(call, &to, &request.identity).await?;
    let link = call.shared.relocations(&person.sid).ok_or_else(unreachable)?;
    let (done, left) = oneshot::channel();
    let relocation = Relocation { to, grants: person.grants, done };
    let moving = async {
        link.try_send(relocation).map_err(|_| unreachable())?;
        match timeout(ENGINE_TIMEOUT, left).await {
            Ok(Ok(())) => Ok(proto::MoveParticipantResponse {}),
            _ => Err(unreachable()),
        }
    };
    call.recorded(&from, "move", Some(&person.identity), moving).await
}

/// Whether there is a place for this person. What else the rules there say, they say when it comes.
async fn check_destination(call: &Call<'_>, to: &SessionId, identity: &str) -> Result<(), TwirpError> {
    let (destination, people) = match call.describe(to).await {
        Ok(found) => found,
        // One that was made and that nobody has come to yet.
        Err(error) if error.is_not_found() => {
            return if let Ok(Some(_)) = call.shared.directory.find(to).await { Ok(()) } else { Err(error) };
        }
        Err(error) => return Err(error),
    };
    if people.iter().any(|one| one.identity.as_str() == identity) {
        return Err(Refusal::DuplicateIdentity.into());
    }
    if destination.participants >= destination.max_participants {
        return Err(Refusal::Full.into());
    }
    Ok(())
}

fn unreachable() -> TwirpError {
    TwirpError::unavailable("the participant's connection is away")
}
