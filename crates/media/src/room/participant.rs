//! One participant of a room: what it publishes, what goes to it, and the reports between.

use std::time::{Duration, Instant};

use parlour_model::{Bitrate, ParticipantKey};
use parlour_rtp::extension::ExtensionValue;
use parlour_rtp::{AbsSendTime, ExtensionKind, ExtensionMap, Packet, TransportSequence};

use crate::config::MediaConfig;
use crate::egress::downlink::Downlink;
use crate::egress::lines::Home;
use crate::error::RtpDrop;
use crate::ingress::sources::Source;
use crate::ingress::{SourceError, SourceTable, Told, TransportRecorder, UplinkMeter};
use crate::room::transmit::RtcpOutboxes;

/// After a stream begins its first report comes this soon: lips are in step from the first second on.
const FIRST_REPORT: Duration = Duration::from_millis(50);

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Participant {
    pub key: ParticipantKey,
    /// Where it was seen; nothing where that tells nothing.
    pub home: Option<Home>,
    /// Whether it shares a line with others of its home, once their delays have told.
    pub shares: Option<bool>,
    pub uplink: Uplink,
    pub downlink: Downlink,
    pub rtcp: RtcpOutboxes,
    /// The source that we are in RTCP to this participant.
    pub ssrc: u32,
    pub next_report: Instant,
    /// On the room's list of those with something to send.
    pub marked: bool,
    /// Share of its packets lost on the way to us, over the last report interval.
    pub uplink_loss: f32,
}

/// What one participant's publishing connection negotiated and how its packets arrive.
#[derive(Debug)]
pub(super) struct Uplink {
    pub extensions: ExtensionMap,
    pub table: SourceTable,
    /// Index of the publication of each section, as the table counts them.
    pub publications: Vec<u16>,
    /// Only where transport-wide feedback was negotiated.
    pub recorder: Option<TransportRecorder>,
    /// A stream to name in transport feedback.
    pub any_ssrc: u32,
    /// How its packets fare on their way.
    pub meter: UplinkMeter,
    /// Its part of an uplink that it shares and that is full.
    pub part: Option<Bitrate>,
    /// Its line is too small for pictures beside the voices that are sent over it.
    pub starved: bool,
    /// Its line is too small for the voices that are sent over it.
    pub narrow: bool,
    /// The bound it was told.
    pub told: Told,
}

impl Participant {
    pub fn new(key: ParticipantKey, ssrc: u32, config: &MediaConfig, now: Instant) -> Self {
        Self {
            key,
            home: None,
            shares: None,
            uplink: Uplink {
                extensions: ExtensionMap::new(),
                table: SourceTable::new(),
                publications: Vec::new(),
                recorder: None,
                any_ssrc: 0,
                meter: UplinkMeter::new(now),
                part: None,
                starved: false,
                narrow: false,
                told: Told::default(),
            },
            downlink: Downlink::new(config, now),
            rtcp: RtcpOutboxes::default(),
            ssrc,
            next_report: now + config.report_interval,
            marked: false,
            uplink_loss: 0.0,
        }
    }

    /// Brings the next report forward.
    pub fn report_soon(&mut self, now: Instant) {
        self.next_report = self.next_report.min(now + FIRST_REPORT);
    }
}

impl Uplink {
    /// The transport-wide number of a packet.
    pub fn transport_number(&self, packet: &Packet<'_>) -> Option<u16> {
        let value = packet.extension(self.extensions.id(ExtensionKind::TransportCc)?)?;
        TransportSequence::decode(value).map(|TransportSequence(number)| number)
    }

    /// When a packet was sent, by its sender's clock.
    pub fn sending_time(&self, packet: &Packet<'_>) -> Option<AbsSendTime> {
        AbsSendTime::decode(packet.extension(self.extensions.id(ExtensionKind::AbsSendTime)?)?)
    }

    /// Where a packet belongs.
    pub fn resolve(&mut self, packet: &Packet<'_>, now: Instant) -> Result<Source, RtpDrop> {
        self.table.resolve(packet, now).map_err(|error| match error {
            SourceError::PayloadType => RtpDrop::UnknownPayload,
            SourceError::Unknown | SourceError::Taken | SourceError::TooMany => RtpDrop::UnknownSource,
        })
    }
}
