//! Everything that goes to one receiver on one connection: its streams, what is ready for the wire, what waits for its
//! turn, and what is noted of each packet as it is written. Which packets go is decided before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parlour_estimator::{PacketKind, Speed};
use parlour_model::command::Leg;
use parlour_model::{Bitrate, MediaKind};
use parlour_rtp::{ExtensionKind, ExtensionMap};

use crate::config::MediaConfig;
use crate::egress::estimation::{Estimation, Written};
use crate::egress::lines::{Home, Lines};
use crate::egress::outgoing::{Form, Outgoing};
use crate::egress::pacer::{Pacer, Turn};
use crate::egress::packet::{Cached, Opening, Plan, write_padding_alone};
use crate::egress::protection::Protection;
use crate::egress::repair::RepairBudget;
use crate::egress::start::Start;
use crate::egress::stream::Stream;
use crate::egress::transport::TransportNumbers;
use crate::error::ForwardDrop;
use crate::narrow::Narrow;
use crate::spec::DownlinkSpec;
use crate::tick::{Span, Tick};
use crate::wire::BELOW_RTP;

/// Sections of one connection that may carry something to it at a time. A stream that carries nothing any more keeps its
/// numbers until its place is needed: every publication has sources of its own.
pub(crate) const MAX_STREAMS: usize = 128;

/// A burst that is none.
const AT_ONCE: Bitrate = Bitrate::mbps(1_000);

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
    pub transport: TransportNumbers,
    /// Where the client sends transport-wide feedback and the server estimates.
    pub estimation: Option<Box<Estimation>>,
    /// What a test said of the line before there was an estimation.
    start: Option<Start>,
    /// Nothing is heard of the line: no video leaves, and nobody is asked for a keyframe on its behalf. The first packet
    /// after its return asks.
    pub held: bool,
    /// What its layers take as they were chosen last, audio included.
    pub spent: Bitrate,
    pub rtt: Option<Duration>,
    pub protection: Protection,
    /// Whether its line is too small for the voices that it is sent.
    pub narrow: Narrow,
    ready: VecDeque<Outgoing>,
    pacer: Pacer,
    pace_factor: f64,
}

/// The instant of writing, in both forms, and how long to remember it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub now: Instant,
    pub tick: Tick,
    pub keep: Span,
}

impl Downlink {
    pub fn new(config: &MediaConfig, now: Instant) -> Self {
        let speed = unestimated(config.budget, config.pace_factor);
        Self {
            leg: Leg::Publish,
            extensions: ExtensionMap::new(),
            transport_cc: false,
            streams: Vec::new(),
            budget: config.budget,
            repair: RepairBudget::new(config.budget.scaled(config.repair_share), now),
            transport: TransportNumbers::new(),
            estimation: None,
            start: None,
            held: false,
            spent: Bitrate::ZERO,
            rtt: None,
            protection: Protection::default(),
            narrow: Narrow::default(),
            ready: VecDeque::new(),
            pacer: Pacer::new(speed, config.pacer_size.as_bytes(), config.pacer_delay, now),
            pace_factor: config.pace_factor,
        }
    }

    pub fn configure(
        &mut self,
        spec: &DownlinkSpec,
        (lines, home): (&mut Lines, Option<Home>),
        config: &MediaConfig,
        now: Instant,
    ) {
        self.leg = spec.leg;
        self.extensions = spec.extensions;
        self.streams.iter_mut().for_each(|stream| stream.opening = Opening::Unknown);
        self.transport_cc = spec.transport_cc;
        let numbered = spec.transport_cc && spec.extensions.id(ExtensionKind::TransportCc).is_some();
        if numbered && config.estimate && self.estimation.is_none() {
            let mut estimation = Box::new(Estimation::new(lines, home, config, now));
            if let Some(start) = self.start.take() {
                estimation.hint(lines, start, now);
            }
            self.estimation = Some(estimation);
            self.follow_line(lines, config.repair_share, now);
        }
    }

    /// A test found something of the line, which may not be there yet.
    pub fn hint_line(&mut self, start: Option<Start>, lines: &mut Lines, config: &MediaConfig, now: Instant) {
        match (&mut self.estimation, start) {
            (Some(estimation), Some(start)) => {
                estimation.hint(lines, start, now);
                self.follow_line(lines, config.repair_share, now);
            }
            _ => self.start = start,
        }
    }

    /// Layers were chosen: what they take, what all that is wanted would take, audio included, and how much that counts
    /// beside what others on the line want.
    pub fn note_layers(&mut self, lines: &mut Lines, spent: Bitrate, wanted: Bitrate, weight: f64) {
        self.spent = spent;
        if let Some(estimation) = &mut self.estimation {
            estimation.handle_demand(lines, wanted, weight);
        }
    }

    /// Takes over what the line is held to carry; whether layers should be chosen anew.
    pub fn follow_line(&mut self, lines: &Lines, repair_share: f64, now: Instant) -> bool {
        let Some(estimation) = &mut self.estimation else { return false };
        let allowance = estimation.allowance(lines, self.spent, self.pacer.is_waiting(), now);
        self.budget = allowance.budget;
        self.held = allowance.speed == Speed::Held;
        self.repair.set_rate(allowance.budget.scaled(repair_share), now);
        self.pacer.set_speed(allowance.speed, now);
        allowance.telling
    }

    pub fn set_budget(&mut self, budget: Bitrate, repair_share: f64, now: Instant) {
        self.budget = budget;
        self.pacer.set_speed(unestimated(budget, self.pace_factor), now);
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
        match item.form {
            Form::Probe | Form::Padding(_) => self.pacer.take_turn(size, now),
            _ => self.pacer.spend(size, now),
        }
        self.ready.push_back(item);
        Ok(())
    }

    /// Sends the last packet of a picture again, if there is room and allowance for it.
    fn repeat_end(&mut self, item: &Outgoing, size: usize, now: Instant) {
        if self.repair.take_spare(size, now) {
            // No room: then it is not repeated.
            let _ = self.repeat(Outgoing { form: Form::Copy, ..*item }, size, now);
        }
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
        let line = self.estimation.as_ref().and_then(|estimation| estimation.poll_timeout());
        [self.poll_turn(), line, self.protection.poll_timeout()].into_iter().flatten().min()
    }

    /// When the first of what waits for its turn may leave.
    pub fn poll_turn(&self) -> Option<Instant> {
        self.pacer.poll_timeout()
    }

    /// The next packet to write.
    pub fn poll(&mut self) -> Option<Outgoing> {
        self.ready.pop_front()
    }

    /// Throws away all that waits for a stream, as if it had never been numbered, and says how much.
    pub fn flush(&mut self, stream: u16) -> usize {
        let flushed = self.discard(stream);
        if let Some(stream) = self.streams.get_mut(usize::from(stream)) {
            stream.interrupt(stream.next_unsent());
        }
        flushed
    }

    /// Throws away all that waits for a stream that will carry nothing more, and says how much.
    pub fn discard(&mut self, stream: u16) -> usize {
        let before = self.ready.len();
        self.ready.retain(|item| item.stream != stream);
        before - self.ready.len() + self.pacer.remove(stream)
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
        lines: &mut Lines,
        buffer: &mut [u8],
    ) -> Result<usize, ForwardDrop> {
        let numbered = self.transport_cc && self.extensions.id(ExtensionKind::TransportCc).is_some();
        let stream = self.streams.get_mut(usize::from(item.stream)).ok_or(ForwardDrop::Expired)?;
        let bare = self.protection.bares_speech();
        let mut plan = Plan::new(stream, item, &cached, bare)?;
        let is_new = plan.is_new;
        let number = (numbered && stream.spec.transport_cc && is_new).then(|| self.transport.take());
        // The cut to 16 bits is the wrap.
        plan.transport = number.map(|number| number as u16).or(plan.transport);
        if let Opening::Unknown = stream.opening {
            stream.opening = Opening::new(&self.extensions, &stream.spec.mid);
        }
        let begins = (&*stream.spec.mid, stream.opening);
        let len = plan.write(&self.extensions, begins, cached, item, buffer).map_err(|_| ForwardDrop::Buffer)?;
        if !item.form.is_repetition() {
            let filler = item.form == Form::Filler;
            stream.history.record(item, filler, plan.transport, moment.tick, moment.keep);
            stream.packets = stream.packets.wrapping_add(1);
            stream.octets = stream.octets.wrapping_add(cached.payload.len() as u32);
            if cached.codec.kind() == MediaKind::Audio {
                stream.redundant = stream.spec.red.is_some() && cached.kept.red.is_some() && !bare;
                // Only what a receiver may ask for again is kept as it was sealed. The lower half names it.
                if stream.spec.nack && stream.spec.rtx.is_none() {
                    self.protection.note_sent(item.stream, item.sequence as u16, moment.now);
                }
            }
        }
        let ends_picture = item.form == Form::Media && cached.kept.marker && cached.codec.kind() == MediaKind::Video;
        if ends_picture && self.protection.doubles_repairs() && stream.spec.rtx.is_some() {
            self.repeat_end(item, len, moment.now);
        }
        if let Some(number) = number {
            let kind = match (item.form, cached.codec.kind()) {
                (Form::Repair | Form::Copy | Form::Probe, _) => PacketKind::Retransmission,
                (Form::Filler | Form::Padding(_), _) => PacketKind::Padding,
                (Form::Media, MediaKind::Audio) => PacketKind::Audio,
                (Form::Media, MediaKind::Video) => PacketKind::Video,
            };
            self.note_written(lines, Written { number, len, kind, frame: item.timestamp }, moment.now);
        }
        Ok(len)
    }

    /// Writes padding and returns its length.
    pub fn write_padding(
        &mut self,
        item: &Outgoing,
        padding: u8,
        now: Instant,
        lines: &mut Lines,
        buffer: &mut [u8],
    ) -> Result<usize, ForwardDrop> {
        let stream = self.streams.get_mut(usize::from(item.stream)).ok_or(ForwardDrop::Expired)?;
        let number = self.transport.take();
        // The cut to 16 bits is the wrap.
        let len = write_padding_alone(stream, &self.extensions, (item.timestamp, number as u16, padding), buffer)?;
        self.note_written(lines, Written { number, len, kind: PacketKind::Padding, frame: item.timestamp }, now);
        Ok(len)
    }

    /// What comes after a probe has to wait for what the probe was too much.
    fn note_written(&mut self, lines: &mut Lines, written: Written, now: Instant) {
        let Some(estimation) = &mut self.estimation else { return };
        if estimation.handle_sent(lines, written, now) {
            self.pacer.set_speed(estimation.speed(lines, self.spent, self.pacer.is_waiting()), now);
        }
    }

    /// The bytes a packet of this payload takes on the line, about: with header, extensions and what is below.
    pub fn wire_size(payload: usize) -> usize {
        payload + 24 + BELOW_RTP
    }
}

/// Without an estimate nothing is known of the line, and only what is far too much is held back.
fn unestimated(budget: Bitrate, pace_factor: f64) -> Speed {
    Speed::Paced { burst: AT_ONCE, mean: budget.scaled(pace_factor) }
}

/// Packets of one stream that were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub reason: ForwardDrop,
    pub packets: usize,
}
