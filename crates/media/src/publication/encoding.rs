//! One encoding of a publication, as it arrives: its numbers, what is missing of it, its second of history, its rate.

use std::time::{Duration, Instant};

use parlour_model::Codec;

use crate::config::MediaConfig;
use crate::inbound::Inbound;
use crate::ingress::{Arrival, GapTracker, KeyframeMethod, KeyframeRequests, Repair, SourceStatistics};
use crate::publication::cache::RepairCache;
use crate::publication::clock::SenderClock;
use crate::publication::life::Life;
use crate::publication::meter::RateMeter;
use crate::publication::thin::Thin;
use crate::spec::IngressSection;

/// Video grows by a frame of 2 Mbit/s, audio by an eighth of a second with redundancy.
pub(crate) const VIDEO_STEP: u16 = 8 * 1_024;
const AUDIO_STEP: u16 = 2 * 1_024;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Encoding {
    /// Of its media.
    pub ssrc: u32,
    /// Counts beginnings of its numbering.
    pub generation: u32,
    pub cache: RepairCache,
    pub meter: RateMeter,
    pub clock: Option<SenderClock>,
    pub statistics: SourceStatistics,
    pub gaps: GapTracker,
    pub keyframes: KeyframeRequests,
    pub life: Life,
    pub thin: Thin,
    /// Added to the numbers of the statistics: they begin anew with a new SSRC, ours never go back. Whole cycles, so
    /// that the lower sixteen bits stay those on the wire.
    offset: u64,
    /// Packets that a repair stream brought back.
    repaired: u64,
    /// Expected and had, at the last call of [`Encoding::take_loss`].
    judged: (u64, u64),
}

/// Fewer packets say nothing of a line.
const MIN_JUDGED: u64 = 10;

impl Encoding {
    pub fn new(ssrc: u32, section: &IngressSection, config: &MediaConfig, now: Instant) -> Self {
        let step = if section.codec == Codec::Opus { AUDIO_STEP } else { VIDEO_STEP };
        Self {
            ssrc,
            generation: 0,
            cache: RepairCache::new(config.repair_history, config.repair_size.as_bytes(), step),
            meter: RateMeter::new(now),
            clock: None,
            statistics: SourceStatistics::new(section.codec.clock_rate()),
            gaps: gap_tracker(section),
            keyframes: KeyframeRequests::new(KeyframeMethod::negotiated(section.pli, section.fir)),
            life: Life::new(now),
            thin: Thin::default(),
            offset: 0,
            repaired: 0,
            judged: (0, 0),
        }
    }

    /// Goes on under a new SSRC: what came is kept, what is counted begins anew.
    pub fn renumber(&mut self, ssrc: u32, section: &IngressSection) {
        let highest = self.newest();
        self.ssrc = ssrc;
        self.generation = self.generation.wrapping_add(1);
        self.offset = ((highest >> 16) + 1) << 16;
        self.statistics = SourceStatistics::new(section.codec.clock_rate());
        self.gaps = gap_tracker(section);
        self.clock = None;
        self.repaired = 0;
        self.judged = (0, 0);
    }

    /// The highest number so far.
    pub fn newest(&self) -> u64 {
        self.statistics.highest().unwrap_or(0) + self.offset
    }

    /// A packet came on the stream itself: its number here. `None` for one that fits nowhere.
    pub fn arrive(&mut self, sequence: u16, timestamp: u32, now: Instant) -> Option<u64> {
        let extended = match self.statistics.handle_packet(sequence, timestamp, now) {
            Arrival::Newer(extended) | Arrival::Older(extended) => extended,
            Arrival::Restarted(extended) => {
                self.gaps.handle_restart(extended);
                self.generation = self.generation.wrapping_add(1);
                self.clock = None;
                self.repaired = 0;
                self.judged = (0, 0);
                extended
            }
            Arrival::Suspect => return None,
        };
        self.gaps.handle_packet(extended, now);
        Some(extended + self.offset)
    }

    /// A packet was brought back by a repair stream: its number here.
    pub fn arrive_repaired(&mut self, sequence: u16) -> Option<u64> {
        let extended = self.statistics.locate(sequence)?;
        self.repaired += u64::from(self.gaps.handle_recovered(extended));
        Some(extended + self.offset)
    }

    /// The share of packets that are missing for good, 0 to 1, since the last call; what was brought back is not.
    pub fn take_loss(&mut self) -> f32 {
        let (expected, had) = (self.statistics.expected(), self.statistics.received() + self.repaired);
        let since = expected.saturating_sub(self.judged.0);
        let lost = since.saturating_sub(had.saturating_sub(self.judged.1));
        if since < MIN_JUDGED {
            return 0.0;
        }
        self.judged = (expected, had);
        lost as f32 / since as f32
    }

    /// Counts a packet; whether the layer was taken for stopped until now.
    pub fn note_packet(&mut self, packet: &Inbound, timeout: Duration) -> bool {
        self.meter.count(packet);
        self.life.handle_packet(packet, timeout)
    }
}

fn gap_tracker(section: &IngressSection) -> GapTracker {
    let repair = if section.rtx.is_some() { Repair::Rtx } else { Repair::Plain };
    GapTracker::new(section.codec.kind(), repair)
}
