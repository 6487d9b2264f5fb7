//! Writing our answer: one section for each of the offer's, in its order (RFC 8829 5.3).

use std::fmt::Write;
use std::net::SocketAddr;

use parlour_model::Codec;

use super::media::parameter;
use super::plan::{AnswerError, ReceivePlan, RedUse, SectionPlan, SendPlan};
use super::section::{OfferedCodec, Section, SectionKind};
use crate::MAX_MESSAGE_SIZE;
use crate::config::IceCredentials;

/// Our side of the transport, the same for every section.
#[derive(Debug)]
pub(crate) struct LocalTransport<'a> {
    pub(crate) credentials: &'a IceCredentials,
    pub(crate) fingerprint: &'a str,
    pub(crate) candidates: &'a [SocketAddr],
    pub(crate) session_id: u64,
    pub(crate) version: u64,
    pub(crate) mixed_extensions: bool,
    /// `passive`, or `actpass` in an offer.
    pub(crate) setup: &'static str,
}

/// Our answer to these sections by this plan. The plan was made to fit, or there is an error and no answer.
pub(crate) fn write_answer(
    transport: &LocalTransport<'_>,
    sections: &[Section],
    plan: &[SectionPlan],
) -> Result<String, AnswerError> {
    if sections.len() != plan.len() {
        return Err(AnswerError::Count);
    }
    let asks_dtx = plan.iter().all(|plan| !matches!(plan, SectionPlan::Receive(ReceivePlan { dtx: false, .. })));
    let mids = sections.iter().filter(|section| !section.rejected).map(|section| section.mid.as_str());
    let mut sdp = transport.head(mids);
    let mut needs_candidates = true;
    for (index, (section, plan)) in sections.iter().zip(plan).enumerate() {
        if section.rejected {
            write_rejected(&mut sdp, section);
            if *plan != SectionPlan::Inactive {
                return Err(AnswerError::Codec { section: index });
            }
            continue;
        }
        let chosen = choose(index, section, plan, asks_dtx)?;
        write_media_line(&mut sdp, section, &chosen);
        transport.write(&mut sdp, std::mem::take(&mut needs_candidates));
        line(&mut sdp, format_args!("a=mid:{}", section.mid));
        match section.kind {
            SectionKind::Application => write_application(&mut sdp),
            SectionKind::Audio | SectionKind::Video => write_media(&mut sdp, section, plan, &chosen),
        }
    }
    Ok(sdp)
}

/// Appends a line. Writing to a string cannot fail.
pub(super) fn line(sdp: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = sdp.write_fmt(text);
    sdp.push_str("\r\n");
}

impl LocalTransport<'_> {
    pub(super) fn head<'a>(&self, mids: impl Iterator<Item = &'a str>) -> String {
        let mut sdp = String::with_capacity(4096);
        line(&mut sdp, format_args!("v=0"));
        line(&mut sdp, format_args!("o=- {} {} IN IP4 127.0.0.1", self.session_id, self.version));
        line(&mut sdp, format_args!("s=-"));
        line(&mut sdp, format_args!("t=0 0"));
        let mut group = String::from("a=group:BUNDLE");
        mids.for_each(|mid| {
            group.push(' ');
            group.push_str(mid);
        });
        line(&mut sdp, format_args!("{group}"));
        line(&mut sdp, format_args!("a=ice-lite"));
        if self.mixed_extensions {
            line(&mut sdp, format_args!("a=extmap-allow-mixed"));
        }
        line(&mut sdp, format_args!("a=msid-semantic: WMS *"));
        sdp
    }

    pub(super) fn write(&self, sdp: &mut String, with_candidates: bool) {
        line(sdp, format_args!("c=IN IP4 0.0.0.0"));
        line(sdp, format_args!("a=ice-ufrag:{}", self.credentials.ufrag));
        line(sdp, format_args!("a=ice-pwd:{}", self.credentials.password));
        line(sdp, format_args!("a=fingerprint:{}", self.fingerprint));
        line(sdp, format_args!("a=setup:{}", self.setup));
        if with_candidates {
            for (order, address) in self.candidates.iter().enumerate() {
                let priority = host_priority(order);
                let (ip, port) = (address.ip(), address.port());
                line(sdp, format_args!("a=candidate:{} 1 udp {priority} {ip} {port} typ host", order + 1));
            }
            line(sdp, format_args!("a=end-of-candidates"));
        }
    }
}

/// RFC 8445 5.1.2.1: type preference of a host 126, component 1; the first candidate is preferred.
fn host_priority(order: usize) -> u32 {
    let local_preference = 65_535 - u32::try_from(order).unwrap_or(u32::MAX).min(65_535);
    (126 << 24) | (local_preference << 8) | 255
}

/// A codec as it goes into a section of ours.
pub(super) struct ChosenCodec<'a> {
    pub(super) offered: &'a OfferedCodec,
    pub(super) red: RedUse,
    pub(super) rtx: bool,
    pub(super) fmtp: String,
}

/// The codecs of a section, by plan; checks that the plan fits.
fn choose<'a>(
    index: usize,
    section: &'a Section,
    plan: &SectionPlan,
    asks_dtx: bool,
) -> Result<Vec<ChosenCodec<'a>>, AnswerError> {
    let is_application = section.kind == SectionKind::Application;
    match plan {
        SectionPlan::Application if is_application => return Ok(Vec::new()),
        SectionPlan::Inactive if is_application => return Ok(Vec::new()),
        SectionPlan::Receive(_) | SectionPlan::Send(_) | SectionPlan::Application
            if is_application || *plan == SectionPlan::Application =>
        {
            return Err(AnswerError::Kind { section: index, kind: section.kind });
        }
        SectionPlan::Receive(_) if !section.direction.sends() => return Err(AnswerError::Direction { section: index }),
        SectionPlan::Send(_) if !section.direction.receives() => {
            return Err(AnswerError::Direction { section: index });
        }
        _ => {}
    }
    let wanted = |codec: Codec| match plan {
        SectionPlan::Receive(receive) => receive.codecs.is_empty() || receive.codecs.contains(&codec),
        SectionPlan::Send(send) => send.codec == codec,
        SectionPlan::Inactive | SectionPlan::Application => true,
    };
    let red = match plan {
        SectionPlan::Receive(receive) => receive.red,
        _ => RedUse::Accepted,
    };
    let mut chosen: Vec<ChosenCodec<'a>> = Vec::new();
    for offered in section.codecs.iter().filter(|offered| wanted(offered.codec)) {
        // Several H.264 payload types differ in level only: the first is enough.
        if chosen.iter().any(|codec| codec.offered.codec == offered.codec) {
            continue;
        }
        let fmtp = answered_fmtp(offered, asks_dtx);
        chosen.push(ChosenCodec { offered, red, rtx: offered.rtx.is_some(), fmtp });
    }
    if chosen.is_empty() {
        return Err(AnswerError::Codec { section: index });
    }
    Ok(chosen)
}

fn answered_fmtp(offered: &OfferedCodec, asks_dtx: bool) -> String {
    let mut fmtp = offered.fmtp.clone();
    if offered.codec == Codec::Opus && asks_dtx && parameter(&fmtp, "usedtx").is_none() {
        if !fmtp.is_empty() {
            fmtp.push(';');
        }
        fmtp.push_str("usedtx=1");
    }
    fmtp
}

impl ChosenCodec<'_> {
    /// Payload types in order of preference.
    fn payload_types(&self) -> Vec<u8> {
        let codec = self.offered.payload_type;
        let red = self.offered.red;
        let mut all = match self.red {
            RedUse::Preferred => red.into_iter().chain([codec]).collect::<Vec<_>>(),
            RedUse::Accepted => [codec].into_iter().chain(red).collect(),
            RedUse::Refused => vec![codec],
        };
        all.extend(self.offered.rtx.filter(|_| self.rtx));
        all
    }
}

fn write_rejected(sdp: &mut String, section: &Section) {
    line(sdp, format_args!("m={} 0 {} {}", kind_name(section.kind), section.protocol, section.format));
    line(sdp, format_args!("c=IN IP4 0.0.0.0"));
    line(sdp, format_args!("a=mid:{}", section.mid));
    line(sdp, format_args!("a=inactive"));
}

pub(super) fn kind_name(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Audio => "audio",
        SectionKind::Video => "video",
        SectionKind::Application => "application",
    }
}

fn write_media_line(sdp: &mut String, section: &Section, chosen: &[ChosenCodec<'_>]) {
    let mut formats = String::new();
    for payload_type in chosen.iter().flat_map(ChosenCodec::payload_types) {
        let _ = write!(formats, " {payload_type}");
    }
    if section.kind == SectionKind::Application {
        formats.push_str(" webrtc-datachannel");
    }
    line(sdp, format_args!("m={} 9 {}{formats}", kind_name(section.kind), section.protocol));
}

pub(super) fn write_application(sdp: &mut String) {
    line(sdp, format_args!("a=sctp-port:5000"));
    line(sdp, format_args!("a=max-message-size:{MAX_MESSAGE_SIZE}"));
}

fn write_media(sdp: &mut String, section: &Section, plan: &SectionPlan, chosen: &[ChosenCodec<'_>]) {
    for (kind, id) in section.extensions.iter() {
        line(sdp, format_args!("a=extmap:{id} {}", kind.uri()));
    }
    let direction = match plan {
        SectionPlan::Receive(_) => "recvonly",
        SectionPlan::Send(_) => "sendonly",
        SectionPlan::Inactive | SectionPlan::Application => "inactive",
    };
    line(sdp, format_args!("a={direction}"));
    if let SectionPlan::Send(send) = plan {
        line(sdp, format_args!("a=msid:{} {}", send.stream_id, send.track_id));
    }
    line(sdp, format_args!("a=rtcp-mux"));
    line(sdp, format_args!("a=rtcp-rsize"));
    chosen.iter().for_each(|codec| write_codec(sdp, codec));
    match plan {
        SectionPlan::Receive(_) => write_encodings(sdp, section),
        SectionPlan::Send(send) => write_sources(sdp, send, chosen.iter().any(|codec| codec.rtx)),
        SectionPlan::Inactive | SectionPlan::Application => {}
    }
}

pub(super) fn write_codec(sdp: &mut String, codec: &ChosenCodec<'_>) {
    let OfferedCodec { payload_type, codec: name, rtx, red, feedback, .. } = codec.offered;
    let encoding = match name {
        Codec::Opus => "opus/48000/2",
        Codec::Vp8 => "VP8/90000",
        Codec::H264 => "H264/90000",
    };
    line(sdp, format_args!("a=rtpmap:{payload_type} {encoding}"));
    for (offered, name) in [
        (feedback.remb, "goog-remb"),
        (feedback.transport_cc, "transport-cc"),
        (feedback.fir, "ccm fir"),
        (feedback.nack, "nack"),
        (feedback.pli, "nack pli"),
    ] {
        if offered {
            line(sdp, format_args!("a=rtcp-fb:{payload_type} {name}"));
        }
    }
    if !codec.fmtp.is_empty() {
        line(sdp, format_args!("a=fmtp:{payload_type} {}", codec.fmtp));
    }
    if let Some(red) = red.filter(|_| codec.red != RedUse::Refused) {
        line(sdp, format_args!("a=rtpmap:{red} red/48000/2"));
        line(sdp, format_args!("a=fmtp:{red} {payload_type}/{payload_type}"));
    }
    if let Some(rtx) = rtx.filter(|_| codec.rtx) {
        line(sdp, format_args!("a=rtpmap:{rtx} rtx/90000"));
        line(sdp, format_args!("a=fmtp:{rtx} apt={payload_type}"));
    }
}

/// RFC 8853 5.3.2: what the client offers to send, we receive, in its order.
fn write_encodings(sdp: &mut String, section: &Section) {
    let rids: Vec<&str> = section.sent_rids().map(|rid| rid.as_str()).collect();
    if rids.is_empty() {
        return;
    }
    rids.iter().for_each(|rid| line(sdp, format_args!("a=rid:{rid} recv")));
    line(sdp, format_args!("a=simulcast:recv {}", rids.join(";")));
}

pub(super) fn write_sources(sdp: &mut String, send: &SendPlan, with_repair: bool) {
    let SendPlan { stream_id, track_id, ssrc, cname, .. } = send;
    let repair = send.rtx_ssrc.filter(|_| with_repair);
    if let Some(repair) = repair {
        line(sdp, format_args!("a=ssrc-group:FID {ssrc} {repair}"));
    }
    for ssrc in [Some(*ssrc), repair].into_iter().flatten() {
        line(sdp, format_args!("a=ssrc:{ssrc} cname:{cname}"));
        line(sdp, format_args!("a=ssrc:{ssrc} msid:{stream_id} {track_id}"));
    }
}
