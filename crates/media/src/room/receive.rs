//! Packets in: where a packet belongs, what its arrival says, and its place in the repair cache. What comes out of here
//! is a packet that never came before, ready to be forwarded.

use std::time::Instant;

use parlour_model::{Codec, Medium, ParticipantKey};
use parlour_rtp::extension::ExtensionValue;
use parlour_rtp::{AudioLevel, ExtensionKind, ExtensionMap, Packet, VideoOrientation, red};

use crate::error::RtpDrop;
use crate::inbound::{Frame, Inbound};
use crate::ingress::sources::Source;
use crate::ingress::{Role, rtx};
use crate::publication::Encoding;
use crate::publication::cache::Kept;
use crate::room::Room;
use crate::room::forward::Arrival;
use crate::room::wake::Wake;
use crate::spec::IngressSection;

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// On its own stream.
    Direct,
    /// As a retransmission.
    Repaired,
}

/// The place of a packet.
#[derive(Clone, Copy, Debug)]
struct Place {
    owner: u16,
    publication: u16,
    layer: u8,
    /// Of the owner's connection.
    extensions: ExtensionMap,
}

impl Room {
    pub(super) fn receive(&mut self, now: Instant, from: ParticipantKey, packet: &mut [u8]) -> Result<(), RtpDrop> {
        let owner = self.participants.find(from).ok_or(RtpDrop::UnknownParticipant)?;
        let participant = self.participants.get_mut(owner).ok_or(RtpDrop::UnknownParticipant)?;
        let (len, is_placed) = (packet.len(), participant.home.is_some());
        let parsed = Packet::parse(packet).map_err(|_| RtpDrop::Malformed)?;
        let uplink = &mut participant.uplink;
        let number = uplink.transport_number(&parsed);
        if let (Some(recorder), Some(number)) = (&mut uplink.recorder, number) {
            self.wake.no_later_than(recorder.handle_packet(number, now));
        }
        // Who is nowhere shares nothing.
        if is_placed {
            uplink.meter.handle_packet(number, uplink.sending_time(&parsed), len, now);
        }
        let source = uplink.resolve(&parsed, now)?;
        let publication = *uplink.publications.get(source.section).ok_or(RtpDrop::UnknownSource)?;
        let place = Place { owner, publication, layer: source.layer.0, extensions: uplink.extensions };
        match source.role {
            Role::Media => self.accept(now, place, Path::Direct, &parsed),
            Role::Repair => {
                let recovered = self.recover(place, source, packet)?;
                let parsed = Packet::parse(recovered).map_err(|_| RtpDrop::BadRepair)?;
                self.accept(now, place, Path::Repaired, &parsed)
            }
        }
    }

    /// The packet inside a retransmission.
    fn recover<'p>(&mut self, place: Place, source: Source, packet: &'p mut [u8]) -> Result<&'p mut [u8], RtpDrop> {
        let participant = self.participants.get(place.owner).ok_or(RtpDrop::UnknownParticipant)?;
        let media = participant.uplink.table.ssrc_of(source.publication, source.layer, Role::Media);
        let publication = self.publications.get(place.publication).ok_or(RtpDrop::UnknownSource)?;
        let media = media.ok_or(RtpDrop::BadRepair)?;
        rtx::recover(packet, media, publication.section.payload_type).map_err(|error| match error {
            rtx::RecoverError::Empty => RtpDrop::Padding,
            rtx::RecoverError::Malformed(_) => RtpDrop::Malformed,
        })
    }

    /// Takes a media packet in and forwards it.
    fn accept(&mut self, now: Instant, place: Place, path: Path, parsed: &Packet<'_>) -> Result<(), RtpDrop> {
        let mut publication = self.publications.get_mut(place.publication).ok_or(RtpDrop::UnknownSource)?;
        let is_new = publication.encoding(place.layer).is_none_or(|encoding| encoding.ssrc != parsed.ssrc);
        if is_new {
            self.open_encoding(place, parsed.ssrc, now)?;
            publication = self.publications.get_mut(place.publication).ok_or(RtpDrop::UnknownSource)?;
        }
        let kept = kept(&publication.section, &place.extensions, parsed);
        let tick = self.epoch.tick(now);
        let codec = publication.codec();
        let encoding = publication.encoding_mut(place.layer).ok_or(RtpDrop::UnknownSource)?;
        let sequence = match path {
            Path::Direct => encoding.arrive(parsed.sequence, parsed.timestamp, now).ok_or(RtpDrop::Late)?,
            Path::Repaired => encoding.arrive_repaired(parsed.sequence).ok_or(RtpDrop::BadRepair)?,
        };
        encoding.cache.insert(sequence, kept, parsed.payload, tick)?;
        let packet = Inbound {
            layer: place.layer,
            sequence,
            timestamp: parsed.timestamp,
            arrived: now,
            size: parsed.payload.len(),
            frame: Frame::read(codec, parsed.payload),
        };
        let revived = encoding.note_packet(&packet, self.config.layer_timeout);
        let passes = packet.frame.start && path == Path::Direct && codec != Codec::Opus;
        let gap_due = encoding.gaps.poll_timeout();
        let needs_nack = gap_due.is_some_and(|due| due <= now);
        let stopped = passes && publication.pass(place.layer, self.config.layer_timeout, now);
        self.wake.no_later_than(gap_due);
        self.counters.packets_in += 1;
        self.counters.bytes_in += bytes_len(parsed) as u64;
        self.counters.repaired_in += u64::from(path == Path::Repaired);
        self.counters.keyframes_in += u64::from(packet.frame.key && codec != Codec::Opus);
        if needs_nack {
            self.request_missing(place.publication, place.layer, now);
        }
        if (is_new || revived || stopped) && codec != Codec::Opus {
            // A layer that was not there is, or the other way round: someone may have waited for it, or will.
            self.wake = Wake::Unknown;
            self.aim_audience(place.publication, now);
            self.cap_publisher(place.owner, now);
        }
        self.hear(place, &kept, now);
        self.fan_out(&Arrival { publication: place.publication, packet, sealed_red: kept.red == Some(0) });
        if packet.frame.key {
            self.satisfy(place);
        }
        if packet.size == 0 { Err(RtpDrop::Padding) } else { Ok(()) }
    }

    /// Has an encoding that is not there yet, or is fed by another SSRC, be fed by this one.
    fn open_encoding(&mut self, place: Place, ssrc: u32, now: Instant) -> Result<(), RtpDrop> {
        let publication = self.publications.get_mut(place.publication).ok_or(RtpDrop::UnknownSource)?;
        if let Some(owner) = self.participants.get_mut(place.owner) {
            owner.uplink.any_ssrc = ssrc;
        }
        let new = match publication.encodings.get_mut(usize::from(place.layer)) {
            None => return Err(RtpDrop::UnknownSource),
            Some(Some(encoding)) => {
                encoding.renumber(ssrc, &publication.section);
                return Ok(());
            }
            Some(None) => Encoding::new(ssrc, &publication.section, &self.config, now),
        };
        if let Some(slot) = publication.encodings.get_mut(usize::from(place.layer)) {
            *slot = Some(Box::new(new));
        }
        Ok(())
    }

    /// A keyframe came: whoever asked has it.
    fn satisfy(&mut self, place: Place) {
        let publication = self.publications.get_mut(place.publication);
        if let Some(encoding) = publication.and_then(|publication| publication.encoding_mut(place.layer)) {
            encoding.keyframes.handle_keyframe();
        }
    }

    /// Notes how loud a microphone is.
    fn hear(&mut self, place: Place, kept: &Kept, now: Instant) {
        let Some(level) = kept.passed_extension else { return };
        let publication = self.publications.get(place.publication);
        let heard = publication.is_some_and(|state| state.medium() == Medium::Audio && !state.muted);
        let Some(key) = self.participants.get(place.owner).map(|owner| owner.key).filter(|_| heard) else { return };
        let level = AudioLevel { level_dbov: level & 0x7f, voice: level & 0x80 != 0 };
        self.speakers.handle_level(key, level, now);
        self.wake.no_later_than(self.speakers.poll_timeout());
    }
}

/// What to keep of a packet beside its payload.
fn kept(section: &IngressSection, extensions: &ExtensionMap, packet: &Packet<'_>) -> Kept {
    let is_red = section.red == Some(packet.payload_type);
    // Frames that only clients can read are redundant inside of their encryption.
    let red = is_red.then(|| if section.encrypted { 0 } else { primary_offset(packet.payload) });
    Kept {
        timestamp: packet.timestamp,
        marker: packet.marker,
        red,
        passed_extension: passed_extension(section.codec, extensions, packet),
    }
}

fn bytes_len(packet: &Packet<'_>) -> usize {
    packet.header_len + packet.payload.len() + packet.padding_len
}

/// Where the primary block of redundant audio begins; zero if that cannot be told.
fn primary_offset(payload: &[u8]) -> u16 {
    let Ok(primary) = red::unwrap(payload) else { return 0 };
    u16::try_from(payload.len() - primary.data.len()).unwrap_or(0)
}

fn passed_extension(codec: Codec, extensions: &ExtensionMap, packet: &Packet<'_>) -> Option<u8> {
    if codec == Codec::Opus {
        let AudioLevel { level_dbov, voice } =
            AudioLevel::decode(packet.extension(extensions.id(ExtensionKind::AudioLevel)?)?)?;
        return Some(level_dbov | u8::from(voice) << 7);
    }
    let value = packet.extension(extensions.id(ExtensionKind::VideoOrientation)?)?;
    VideoOrientation::decode(value).map(|VideoOrientation(orientation)| orientation)
}
