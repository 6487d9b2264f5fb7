//! Data that an integrator's server sends into a room.

use livekit_protocol as proto;
use livekit_protocol::data_packet::Kind;
use parlour_model::command::DataChannel;
use parlour_model::{Command, Identity, Refusal, SessionId};

use super::Call;
use super::twirp::TwirpError;
use crate::config::MAX_DATA_PACKET;
use crate::data::{MAX_DESTINATIONS, from_server};

#[allow(deprecated)] // older SDKs write the old fields
pub(super) async fn send(
    call: &Call<'_>,
    request: proto::SendDataRequest,
) -> Result<proto::SendDataResponse, TwirpError> {
    let session = call.access.administer(&request.room)?;
    let channel = match request.kind() {
        Kind::Reliable => DataChannel::Reliable,
        Kind::Lossy => DataChannel::Lossy,
    };
    let addressed = request.destination_identities.len() + request.destination_sids.len();
    if addressed > MAX_DESTINATIONS {
        return Err(TwirpError::invalid("too many destinations"));
    }
    let destinations = destinations(call, &session, &request).await?;
    if addressed > 0 && destinations.is_empty() {
        // To nobody we know is not the same as to everybody.
        return Err(Refusal::UnknownParticipant.into());
    }
    let user =
        proto::UserPacket { payload: request.data, topic: request.topic, nonce: request.nonce, ..Default::default() };
    let data = from_server(channel, destinations, user);
    if data.payload.len() > MAX_DATA_PACKET {
        return Err(TwirpError::invalid("the data is too long"));
    }
    call.ask(&session, Command::SendData(data)).await?;
    Ok(proto::SendDataResponse {})
}

#[allow(deprecated)]
async fn destinations(
    call: &Call<'_>,
    session: &SessionId,
    request: &proto::SendDataRequest,
) -> Result<Vec<Identity>, TwirpError> {
    let mut named: Vec<Identity> = request.destination_identities.iter().map(|name| name.as_str().into()).collect();
    if !request.destination_sids.is_empty() {
        let (_, people) = call.describe(session).await?;
        let meant = |sid: &str| request.destination_sids.iter().any(|one| one == sid);
        named.extend(people.into_iter().filter(|one| meant(one.sid.as_str())).map(|one| one.identity));
    }
    named.sort_unstable();
    named.dedup();
    Ok(named)
}
