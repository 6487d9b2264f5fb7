//! Data channel messages of one participant: checked, stamped with their sender, addressed, encoded once.
//!
//! Who receives them is decided by the session's edges, not here. RPC, text and byte streams and encrypted messages
//! are forwarded like any other.

mod streams;

use bytes::Bytes;
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;
use parlour_model::command::{AudienceMark, DataChannel, OutgoingData};
use parlour_model::{Bitrate, Identity, ParticipantSid, TrackSid};
use prost::Message as _;

use self::streams::Streams;
use crate::config::MAX_DATA_PACKET;
use crate::metrics::Drop as Reason;
use crate::translate::roster::View;

/// People addressed in one message.
pub(crate) const MAX_DESTINATIONS: usize = 64;

/// The sender's side of data for one participant.
#[derive(Debug)]
pub(crate) struct DataStamp {
    sid: ParticipantSid,
    identity: Identity,
    last_reliable: u32,
    streams: Streams,
}

impl DataStamp {
    pub(crate) fn new(sid: ParticipantSid, identity: Identity) -> Self {
        Self { sid, identity, last_reliable: 0, streams: Streams::default() }
    }

    /// The number of the last reliable message that arrived: what is later, the client sends again after a resume.
    pub(crate) fn last_reliable(&self) -> u32 {
        self.last_reliable
    }

    /// Makes a message from this participant ready for the others: where it came in, and what its sender knew by then.
    pub(crate) fn outgoing(
        &mut self,
        (channel, mark): (DataChannel, AudienceMark),
        payload: &Bytes,
        view: &View,
    ) -> Result<OutgoingData, Reason> {
        if payload.len() > MAX_DATA_PACKET {
            return Err(Reason::InvalidData);
        }
        let mut packet = proto::DataPacket::decode(payload.as_ref()).map_err(|_| Reason::InvalidData)?;
        if channel == DataChannel::Reliable && packet.sequence > 0 {
            if packet.sequence <= self.last_reliable {
                return Err(Reason::DuplicateData);
            }
            self.last_reliable = packet.sequence;
        }
        let mark = self.streams.mark_of(packet.value.as_ref(), mark)?;
        let destinations = take_destinations(&mut packet, view)?;
        self.stamp(&mut packet, channel)?;
        Ok(OutgoingData { channel, destinations, mark, payload: Bytes::from(packet.encode_to_vec()) })
    }

    #[allow(deprecated)] // older SDKs read the old fields
    fn stamp(&self, packet: &mut proto::DataPacket, channel: DataChannel) -> Result<(), Reason> {
        packet.participant_sid = self.sid.as_str().to_owned();
        packet.participant_identity = self.identity.as_str().to_owned();
        packet.kind = kind_of(channel).into();
        match &mut packet.value {
            Some(Value::User(user)) => {
                user.participant_sid.clone_from(&packet.participant_sid);
                user.participant_identity.clone_from(&packet.participant_identity);
                Ok(())
            }
            // What only a server says: believed by clients, so never forwarded from one.
            None | Some(Value::Speaker(_) | Value::Metrics(_)) => Err(Reason::InvalidData),
            Some(_) => Ok(()),
        }
    }
}

/// The topic under which the server asks a publisher for speech of fewer bits.
const SPEECH_TOPIC: &str = "parlour.speech";

/// Asks a publisher to make a voice of no more than this; `None`: as it was.
pub(crate) fn speech_limit(track: &TrackSid, most: Option<Bitrate>, publisher: &Identity) -> OutgoingData {
    let limit = serde_json::json!({ "track": track.as_str(), "max_bitrate": most.map(Bitrate::as_bps) });
    let user = proto::UserPacket {
        payload: limit.to_string().into_bytes(),
        topic: Some(SPEECH_TOPIC.to_owned()),
        ..Default::default()
    };
    from_server(DataChannel::Reliable, vec![publisher.clone()], user)
}

/// A message that no participant sends: without a sender, which is how clients know the server.
#[allow(deprecated)] // older SDKs read the old fields
pub(crate) fn from_server(channel: DataChannel, destinations: Vec<Identity>, user: proto::UserPacket) -> OutgoingData {
    let packet =
        proto::DataPacket { kind: kind_of(channel).into(), value: Some(Value::User(user)), ..Default::default() };
    OutgoingData { channel, destinations, mark: AudienceMark::default(), payload: packet.encode_to_vec().into() }
}

fn kind_of(channel: DataChannel) -> proto::data_packet::Kind {
    match channel {
        DataChannel::Reliable => proto::data_packet::Kind::Reliable,
        DataChannel::Lossy => proto::data_packet::Kind::Lossy,
    }
}

/// Whom it is for, taken out so that nobody learns who else got it. Addressed to nobody we know is not the same as
/// addressed to everybody.
#[allow(deprecated)] // older SDKs write the old fields
fn take_destinations(packet: &mut proto::DataPacket, view: &View) -> Result<Vec<Identity>, Reason> {
    let mut names = std::mem::take(&mut packet.destination_identities);
    let mut sids = Vec::new();
    if let Some(Value::User(user)) = &mut packet.value {
        names.append(&mut user.destination_identities);
        sids.append(&mut user.destination_sids);
    }
    let addressed = names.len() + sids.len();
    if addressed > MAX_DESTINATIONS {
        return Err(Reason::InvalidData);
    }
    let mut destinations: Vec<Identity> = names.into_iter().map(Identity::from).collect();
    destinations.extend(sids.iter().filter_map(|sid| view.identity_of(sid).cloned()));
    destinations.sort_unstable();
    destinations.dedup();
    if addressed > 0 && destinations.is_empty() { Err(Reason::InvalidData) } else { Ok(destinations) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::{any, proptest};

    use super::*;

    const RELIABLE: (DataChannel, AudienceMark) = (DataChannel::Reliable, AudienceMark(0));

    fn stamp() -> DataStamp {
        DataStamp::new(ParticipantSid::from("PA_me"), Identity::from("me"))
    }

    fn user(sequence: u32) -> proto::DataPacket {
        proto::DataPacket {
            sequence,
            participant_identity: "someone else".to_owned(),
            participant_sid: "PA_else".to_owned(),
            value: Some(Value::User(proto::UserPacket { payload: b"hello".to_vec(), ..Default::default() })),
            ..Default::default()
        }
    }

    fn send(stamp: &mut DataStamp, packet: &proto::DataPacket) -> Result<(OutgoingData, proto::DataPacket), Reason> {
        let out = stamp.outgoing(RELIABLE, &packet.encode_to_vec().into(), &View::default())?;
        let packet = proto::DataPacket::decode(out.payload.as_ref()).unwrap();
        Ok((out, packet))
    }

    #[test]
    fn the_sender_is_who_sent_it_whatever_the_packet_says() {
        let (out, packet) = send(&mut stamp(), &user(7)).unwrap();
        assert!(out.destinations.is_empty());
        assert_eq!((packet.participant_identity.as_str(), packet.participant_sid.as_str()), ("me", "PA_me"));
        assert_eq!(packet.sequence, 7);
    }

    #[test]
    fn the_server_asks_a_publisher_for_speech_of_fewer_bits_in_its_own_name() {
        let told = |most| {
            let out = speech_limit(&TrackSid::from("TR_1"), most, &Identity::from("me"));
            assert_eq!(out.destinations, [Identity::from("me")]);
            let packet = proto::DataPacket::decode(out.payload).unwrap();
            let Some(Value::User(user)) = packet.value else { panic!("no message") };
            assert_eq!((user.topic(), packet.participant_identity.as_str()), ("parlour.speech", ""));
            String::from_utf8(user.payload).unwrap()
        };
        assert_eq!(told(Some(Bitrate::kbps(16))), r#"{"max_bitrate":16000,"track":"TR_1"}"#);
        assert_eq!(told(None), r#"{"max_bitrate":null,"track":"TR_1"}"#);
    }

    #[test]
    fn a_reliable_message_sent_again_after_a_resume_goes_out_once() {
        let mut stamp = stamp();
        send(&mut stamp, &user(1)).unwrap();
        send(&mut stamp, &user(2)).unwrap();
        assert_eq!(stamp.last_reliable(), 2);
        assert_eq!(send(&mut stamp, &user(2)).err(), Some(Reason::DuplicateData));
        assert!(send(&mut stamp, &user(3)).is_ok());
    }

    #[test]
    fn destinations_are_honoured_and_not_shown_to_receivers() {
        let (out, packet) = send(
            &mut stamp(),
            &proto::DataPacket { destination_identities: vec!["b".into(), "a".into(), "b".into()], ..user(1) },
        )
        .unwrap();
        assert_eq!(out.destinations, [Identity::from("a"), Identity::from("b")]);
        assert!(packet.destination_identities.is_empty());
    }

    #[test]
    #[allow(deprecated)]
    fn a_message_to_an_unknown_stay_is_not_a_message_to_all() {
        let mut packet = user(1);
        packet.value =
            Some(Value::User(proto::UserPacket { destination_sids: vec!["PA_gone".into()], ..Default::default() }));
        assert_eq!(send(&mut stamp(), &packet).err(), Some(Reason::InvalidData));
    }

    #[test]
    #[allow(deprecated)]
    fn what_only_a_server_says_is_not_forwarded() {
        let mut packet = user(1);
        packet.value = Some(Value::Speaker(proto::ActiveSpeakerUpdate::default()));
        assert_eq!(send(&mut stamp(), &packet).err(), Some(Reason::InvalidData));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = stamp().outgoing(RELIABLE, &bytes.into(), &View::default());
        }
    }
}
