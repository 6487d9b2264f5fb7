//! Everything that goes to one receiver on one connection: its streams, what is ready for the wire, what waits for its
//! turn, and the writing of packets. Which packets, is decided before; here they become bytes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parlour_model::command::Leg;
use parlour_model::{Bitrate, Codec, MediaKind};
use parlour_rtp::{
    AudioLevel, BufferFull, ExtensionKind, ExtensionMap, Header, HeaderWriter, TransportSequence, VideoOrientation,
    rtx, vp8,
};

use crate::config::MediaConfig;
use crate::egress::outgoing::{Form, Outgoing};
use crate::egress::pacer::{Pacer, Turn};
use crate::egress::repair::RepairBudget;
use crate::egress::stream::Stream;
use crate::egress::transport::TransportHistory;
use crate::error::ForwardDrop;
use crate::inbound::Picture;
use crate::publication::cache::Kept;
use crate::spec::DownlinkSpec;
use crate::tick::Tick;

/// Sections of one connection that may ever carry something to it. SSRCs are not forgotten while the connection lives:
/// their numbering must go on, or SRTP would use a nonce twice.
pub(crate) const MAX_STREAMS: usize = 128;

/// Packets that may wait to be fetched: several batches of a whole room.
const MAX_READY: usize = 4_096;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Downlink {
    pub leg: Leg,
    pub extensions: ExtensionMap,
    pub transport_cc: bool,
    pub streams: Vec<Stream>,
    pub budget: Bitrate,
    pub repair: RepairBudget,
    pub transport: TransportHistory,
    pub rtt: Option<Duration>,
    ready: VecDeque<Outgoing>,
    pacer: Pacer,
    pace_factor: f64,
}

/// A packet's payload and what is kept of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cached<'a> {
    pub kept: &'a Kept,
    pub payload: &'a [u8],
    pub codec: Codec,
}

/// The instant of writing, in both forms, and how long to remember it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub now: Instant,
    pub tick: Tick,
    pub keep: Duration,
}

impl Downlink {
    pub fn new(config: &MediaConfig, now: Instant) -> Self {
        let rate = config.budget.scaled(config.pace_factor);
        Self {
            leg: Leg::Publish,
            extensions: ExtensionMap::new(),
            transport_cc: false,
            streams: Vec::new(),
            budget: config.budget,
            repair: RepairBudget::new(config.budget.scaled(config.repair_share), now),
            transport: TransportHistory::new(config.estimate),
            rtt: None,
            ready: VecDeque::new(),
            pacer: Pacer::new(rate, config.pacer_size.as_bytes(), config.pacer_delay, now),
            pace_factor: config.pace_factor,
        }
    }

    pub fn configure(&mut self, spec: &DownlinkSpec) {
        self.leg = spec.leg;
        self.extensions = spec.extensions;
        self.transport_cc = spec.transport_cc;
    }

    pub fn set_budget(&mut self, budget: Bitrate, repair_share: f64, now: Instant) {
        self.budget = budget;
        self.pacer.set_rate(budget.scaled(self.pace_factor), now);
        self.repair.set_rate(budget.scaled(repair_share), now);
    }

    /// Something is ready for the wire.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Sends a new packet on its way. On an error it, and perhaps others of its stream, are gone.
    pub fn dispatch(&mut self, item: Outgoing, kind: MediaKind, size: usize, now: Instant) -> Result<(), Loss> {
        let turn = match kind {
            MediaKind::Audio => {
                self.pacer.spend(size, now);
                Turn::Now
            }
            MediaKind::Video => self.pacer.offer(item, size, now),
        };
        match turn {
            Turn::Now => self.make_ready(item),
            Turn::Later => Ok(()),
            Turn::Overflow => {
                let packets = 1 + self.pacer.remove(item.stream);
                self.interrupt_at_committed(item.stream);
                Err(Loss { reason: ForwardDrop::PacerOverflow, packets })
            }
        }
    }

    /// Sends a packet again.
    pub fn repeat(&mut self, item: Outgoing, size: usize, now: Instant) -> Result<(), Loss> {
        if self.ready.len() >= MAX_READY {
            return Err(Loss { reason: ForwardDrop::OutboxOverflow, packets: 1 });
        }
        self.pacer.spend(size, now);
        self.ready.push_back(item);
        Ok(())
    }

    /// Makes ready what may leave now; whether there is anything.
    pub fn release(&mut self, now: Instant) -> bool {
        while self.ready.len() < MAX_READY {
            let Some(item) = self.pacer.poll(now) else { break };
            self.commit(&item);
            self.ready.push_back(item);
        }
        self.is_ready()
    }

    /// When something that waits may leave.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pacer.poll_timeout()
    }

    /// The next packet to write.
    pub fn poll(&mut self) -> Option<Outgoing> {
        self.ready.pop_front()
    }

    /// Throws away all that waits for a stream, as if it had never been numbered, and says how much.
    pub fn flush(&mut self, stream: u16) -> usize {
        let before = self.ready.len();
        self.ready.retain(|item| item.stream != stream);
        let flushed = before - self.ready.len() + self.pacer.remove(stream);
        if let Some(stream) = self.streams.get_mut(usize::from(stream)) {
            stream.interrupt(stream.next_unsent());
        }
        flushed
    }

    fn make_ready(&mut self, item: Outgoing) -> Result<(), Loss> {
        if self.ready.len() >= MAX_READY {
            self.interrupt_at_committed(item.stream);
            return Err(Loss { reason: ForwardDrop::OutboxOverflow, packets: 1 });
        }
        self.commit(&item);
        self.ready.push_back(item);
        Ok(())
    }

    fn commit(&mut self, item: &Outgoing) {
        if let Some(stream) = self.streams.get_mut(usize::from(item.stream)) {
            stream.committed = stream.committed.max(item.sequence + 1);
        }
    }

    fn interrupt_at_committed(&mut self, stream: u16) {
        if let Some(stream) = self.streams.get_mut(usize::from(stream)) {
            stream.interrupt(stream.committed);
        }
    }

    /// Writes a packet: header, payload (the copy), and the numbers in it. Returns its length.
    pub fn write(
        &mut self,
        item: &Outgoing,
        cached: Cached<'_>,
        moment: Moment,
        buffer: &mut [u8],
    ) -> Result<usize, ForwardDrop> {
        let numbered = self.transport_cc && self.extensions.id(ExtensionKind::TransportCc).is_some();
        let stream = self.streams.get_mut(usize::from(item.stream)).ok_or(ForwardDrop::Expired)?;
        let mut plan = Plan::new(stream, item, &cached)?;
        let is_new = plan.is_new;
        if numbered && stream.spec.transport_cc && is_new {
            plan.transport = Some(self.transport.number());
        }
        let len =
            plan.write(&self.extensions, &stream.spec.mid, cached, item, buffer).map_err(|_| ForwardDrop::Buffer)?;
        if item.form != Form::Repair {
            let filler = item.form == Form::Filler;
            stream.history.record(item, filler, plan.transport, moment.tick, moment.keep);
            stream.packets = stream.packets.wrapping_add(1);
            stream.octets = stream.octets.wrapping_add(cached.payload.len() as u32);
        }
        if is_new && plan.transport.is_some() {
            self.transport.record(len, item.form == Form::Repair, moment.now, moment.tick);
        }
        Ok(len)
    }

    /// The bytes a packet of this payload takes on the wire, about: header, extensions and SRTP tag.
    pub fn wire_size(payload: usize) -> usize {
        payload + 40
    }
}

/// Packets of one stream that were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub reason: ForwardDrop,
    pub packets: usize,
}

/// How one packet is written.
#[derive(Debug)]
struct Plan {
    header: Header,
    /// The packet is on the repair stream and carries this number in front of its payload.
    original: Option<u16>,
    filler: bool,
    /// These very bytes never left before.
    is_new: bool,
    transport: Option<u16>,
    /// Where the payload begins that this receiver gets.
    offset: usize,
    /// Redundant audio goes out as such; its blocks get this payload type.
    red: Option<u8>,
}

impl Plan {
    fn new(stream: &mut Stream, item: &Outgoing, cached: &Cached<'_>) -> Result<Self, ForwardDrop> {
        let sent = match item.form {
            Form::Repair => Some(*stream.history.get(item.sequence).ok_or(ForwardDrop::Expired)?),
            Form::Media | Form::Filler => None,
        };
        let spec = &stream.spec;
        let red = spec.red.filter(|_| cached.kept.red.is_some());
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
            red: red.map(|_| spec.payload_type),
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

    fn write(
        &self,
        extensions: &ExtensionMap,
        mid: &str,
        cached: Cached<'_>,
        item: &Outgoing,
        buffer: &mut [u8],
    ) -> Result<usize, BufferFull> {
        let mut writer = HeaderWriter::new(buffer, self.header)?;
        if let Some(id) = extensions.id(ExtensionKind::Mid).filter(|_| !mid.is_empty()) {
            writer.put_bytes(id, mid.as_bytes())?;
        }
        if let (Some(id), Some(number)) = (extensions.id(ExtensionKind::TransportCc), self.transport) {
            writer.put(id, &TransportSequence(number))?;
        }
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
            (Codec::Vp8, Some(picture), _) => rewrite_picture(place, picture),
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
        if let Some(first) = buffer.first_mut() {
            *first |= 0x20;
        }
        Ok(len + 1)
    }
}

/// Puts a stream's own numbers into a VP8 payload descriptor. Its length stays: no field comes or goes.
fn rewrite_picture(payload: &mut [u8], picture: Picture) {
    let Ok((mut descriptor, _)) = vp8::Descriptor::parse(payload) else { return };
    descriptor.picture_id = descriptor.picture_id.map(|id| id.with_value(picture.id));
    descriptor.tl0_picture_index = descriptor.tl0_picture_index.map(|_| picture.tl0);
    descriptor.key_index = descriptor.key_index.map(|_| picture.key);
    // It was read from this very place, so it fits.
    let _ = descriptor.write(payload);
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
