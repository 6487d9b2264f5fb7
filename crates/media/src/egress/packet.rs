//! The bytes of one outgoing packet: header, the receiver's extensions, the payload from the cache (the one copy) and the
//! numbers inside it.

use parlour_model::{Codec, MediaKind};
use parlour_rtp::{
    AudioLevel, BufferFull, ExtensionKind, ExtensionMap, Front, Header, HeaderWriter, TransportSequence,
    VideoOrientation, rtx, vp8,
};

use crate::egress::outgoing::{Form, Outgoing};
use crate::egress::stream::Stream;
use crate::error::ForwardDrop;
use crate::inbound::Picture;
use crate::publication::cache::Kept;

/// A packet's payload and what is kept of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cached<'a> {
    pub kept: &'a Kept,
    pub payload: &'a [u8],
    pub codec: Codec,
}

/// How one packet is written.
#[derive(Debug)]
pub(crate) struct Plan {
    header: Header,
    /// The packet is on the repair stream and carries this number in front of its payload.
    original: Option<u16>,
    filler: bool,
    /// These very bytes never left before.
    pub is_new: bool,
    /// Its transport-wide number.
    pub transport: Option<u16>,
    /// Where the payload begins that this receiver gets.
    offset: usize,
    /// Redundant audio goes out as such; its blocks get this payload type.
    red: Option<u8>,
}

impl Plan {
    /// What is to be written for `item`. `bare`: without redundancy, where it can be taken out.
    pub fn new(stream: &mut Stream, item: &Outgoing, cached: &Cached<'_>, bare: bool) -> Result<Self, ForwardDrop> {
        let sent = match item.form {
            Form::Repair | Form::Copy | Form::Probe => {
                Some(*stream.history.get(item.sequence).ok_or(ForwardDrop::Expired)?)
            }
            Form::Media | Form::Filler | Form::Padding(_) => None,
        };
        let spec = &stream.spec;
        // What could not be read is not rewritten either.
        let readable = cached.kept.red != Some(0);
        let red = spec.red.filter(|_| cached.kept.red.is_some() && !(bare && readable));
        let offset = if red.is_some() { 0 } else { usize::from(cached.kept.red.unwrap_or(0)) };
        let mut plan = Self {
            header: Header {
                marker: cached.kept.marker && item.form != Form::Filler,
                payload_type: red.unwrap_or(spec.payload_type),
                // The lower half is what goes on the wire.
                sequence: item.sequence as u16,
                timestamp: item.timestamp,
                ssrc: spec.ssrc,
            },
            original: None,
            filler: item.form == Form::Filler || sent.is_some_and(|sent| sent.filler),
            is_new: true,
            transport: None,
            offset,
            red: red.filter(|_| readable).map(|_| spec.payload_type),
        };
        let Some(sent) = sent else { return Ok(plan) };
        match (spec.rtx_ssrc, spec.rtx) {
            (Some(ssrc), Some(payload_type)) => {
                plan.original = Some(plan.header.sequence);
                plan.header = Header { ssrc, payload_type, sequence: stream.repair_next, ..plan.header };
                stream.repair_next = stream.repair_next.wrapping_add(1);
            }
            _ => {
                plan.is_new = false;
                plan.transport = sent.transport;
                plan.header.marker &= !sent.filler;
            }
        }
        Ok(plan)
    }

    /// Writes the packet and returns its length.
    pub fn write(
        &self,
        extensions: &ExtensionMap,
        (mid, opening): (&str, Opening),
        cached: Cached<'_>,
        item: &Outgoing,
        buffer: &mut [u8],
    ) -> Result<usize, BufferFull> {
        let mut writer = match (opening, self.transport) {
            (Opening::Made(front), Some(number)) => HeaderWriter::with_front(buffer, self.header, &front, number)?,
            _ => {
                let mut writer = HeaderWriter::new(buffer, self.header)?;
                write_own(&mut writer, extensions, mid, self.transport)?;
                writer
            }
        };
        self.write_passed(extensions, cached, &mut writer)?;
        let mut len = writer.finish()?;
        if let Some(original) = self.original {
            len += rtx::write_original_sequence(original, buffer.get_mut(len..).ok_or(BufferFull)?)?;
        }
        if self.filler {
            return self.write_padding(len, buffer);
        }
        let payload = cached.payload.get(self.offset..).unwrap_or_default();
        let place = buffer.get_mut(len..len + payload.len()).ok_or(BufferFull)?;
        place.copy_from_slice(payload);
        match (cached.codec, item.picture, self.red) {
            // A stream's own numbers in place of the publisher's.
            (Codec::Vp8, Some(Picture { id, tl0, key }), _) => vp8::Descriptor::renumber(place, id, tl0, key),
            (Codec::Opus, _, Some(payload_type)) => rewrite_blocks(place, payload_type),
            _ => {}
        }
        Ok(len + payload.len())
    }

    /// What the publisher said of the packet in its header and is passed on.
    fn write_passed(
        &self,
        extensions: &ExtensionMap,
        cached: Cached<'_>,
        writer: &mut HeaderWriter<'_>,
    ) -> Result<(), BufferFull> {
        let Some(value) = cached.kept.passed_extension else { return Ok(()) };
        match cached.codec.kind() {
            MediaKind::Audio => {
                let Some(id) = extensions.id(ExtensionKind::AudioLevel) else { return Ok(()) };
                writer.put(id, &AudioLevel { level_dbov: value & 0x7f, voice: value & 0x80 != 0 })
            }
            MediaKind::Video => {
                let Some(id) = extensions.id(ExtensionKind::VideoOrientation) else { return Ok(()) };
                writer.put(id, &VideoOrientation(value))
            }
        }
    }

    /// One byte of padding in place of a payload (RFC 3550, 5.1); a repair packet is empty behind its number instead.
    fn write_padding(&self, len: usize, buffer: &mut [u8]) -> Result<usize, BufferFull> {
        if self.original.is_some() {
            return Ok(len);
        }
        *buffer.get_mut(len).ok_or(BufferFull)? = 1;
        set_padded(buffer);
        Ok(len + 1)
    }
}

/// Writes a packet of the repair stream that is padding and nothing else, and returns its length. Receivers count it and look no further: it does not even carry the number of a packet (RFC 4588, 4).
pub(crate) fn write_padding_alone(
    stream: &mut Stream,
    extensions: &ExtensionMap,
    (timestamp, transport, padding): (u32, u16, u8),
    buffer: &mut [u8],
) -> Result<usize, ForwardDrop> {
    let (Some(payload_type), Some(ssrc)) = (stream.spec.rtx, stream.spec.rtx_ssrc) else {
        return Err(ForwardDrop::Expired);
    };
    let sequence = stream.repair_next;
    stream.repair_next = sequence.wrapping_add(1);
    let header = Header { marker: false, payload_type, sequence, timestamp, ssrc };
    let write = |buffer: &mut [u8]| {
        let mut writer = HeaderWriter::new(buffer, header)?;
        write_own(&mut writer, extensions, &stream.spec.mid, Some(transport))?;
        let len = writer.finish()?;
        let place = buffer.get_mut(len..len + usize::from(padding)).ok_or(BufferFull)?;
        place.fill(0);
        *place.last_mut().ok_or(BufferFull)? = padding;
        set_padded(buffer);
        Ok(len + usize::from(padding))
    };
    write(buffer).map_err(|BufferFull| ForwardDrop::Buffer)
}

/// How the headers of one stream begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening {
    /// It was not asked for since its section or the connection's extensions changed.
    Unknown,
    /// Each for itself.
    Various,
    /// With the same elements, where packets are numbered.
    Made(Front),
}

impl Opening {
    pub fn new(extensions: &ExtensionMap, mid: &str) -> Self {
        let number = extensions.id(ExtensionKind::TransportCc);
        let front = number.and_then(|id| Front::new(id, |writer| write_own(writer, extensions, mid, None)));
        front.map_or(Self::Various, Self::Made)
    }
}

/// The extensions that are this server's own matter.
fn write_own(
    writer: &mut HeaderWriter<'_>,
    extensions: &ExtensionMap,
    mid: &str,
    transport: Option<u16>,
) -> Result<(), BufferFull> {
    if let Some(id) = extensions.id(ExtensionKind::Mid).filter(|_| !mid.is_empty()) {
        writer.put_bytes(id, mid.as_bytes())?;
    }
    if let (Some(id), Some(number)) = (extensions.id(ExtensionKind::TransportCc), transport) {
        writer.put(id, &TransportSequence(number))?;
    }
    Ok(())
}

/// The last byte tells how much is padding (RFC 3550, 5.1).
fn set_padded(packet: &mut [u8]) {
    if let Some(first) = packet.first_mut() {
        *first |= 0x20;
    }
}

/// Gives the blocks of redundant audio the receiver's payload type: they carry that of the publisher's connection.
fn rewrite_blocks(payload: &mut [u8], payload_type: u8) {
    let mut rest = payload;
    while let Some((first, behind)) = rest.split_first_mut() {
        let more = *first & 0x80 != 0;
        *first = *first & 0x80 | payload_type & 0x7f;
        if !more {
            return;
        }
        rest = behind.get_mut(3..).unwrap_or_default();
    }
}
