//! Writing an offer of ours, for a connection we only send on (RFC 8829 5.2). Its sections are ours: mids are their
//! places, numbers of codecs and extensions are the ones below.

use parlour_model::{Codec, MediaKind};
use parlour_rtp::{ExtensionKind, ExtensionMap};

use super::answer::{ChosenCodec, LocalTransport, kind_name, line, write_application, write_codec, write_sources};
use super::offer::MAX_SECTIONS;
use super::plan::{AnswerError, OfferedSection, RedUse};
use super::section::{Feedback, OfferedCodec, SectionKind};

/// Header extensions of what we send.
const EXTENSIONS: [(ExtensionKind, u8); 5] = [
    (ExtensionKind::AudioLevel, 1),
    (ExtensionKind::AbsSendTime, 2),
    (ExtensionKind::TransportCc, 3),
    (ExtensionKind::Mid, 4),
    (ExtensionKind::VideoOrientation, 5),
];

/// A section of ours, as last offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalSection {
    kind: SectionKind,
    /// What it sends or last sent; `None` for data.
    codec: Option<Codec>,
}

impl LocalSection {
    pub(crate) fn kind(&self) -> SectionKind {
        self.kind
    }
}

/// The sections after this plan, or why it does not go on from the ones before.
pub(crate) fn plan_sections(
    before: &[LocalSection],
    plan: &[OfferedSection],
) -> Result<Vec<LocalSection>, AnswerError> {
    if plan.len() < before.len() || plan.len() > MAX_SECTIONS {
        return Err(AnswerError::Count);
    }
    let mut sections = Vec::with_capacity(plan.len());
    for (section, plan) in plan.iter().enumerate() {
        let old = before.get(section).copied();
        let new = match plan {
            OfferedSection::Application => LocalSection { kind: SectionKind::Application, codec: None },
            OfferedSection::Send(send) => {
                let kind = match send.codec.kind() {
                    MediaKind::Audio => SectionKind::Audio,
                    MediaKind::Video => SectionKind::Video,
                };
                LocalSection { kind, codec: Some(send.codec) }
            }
            OfferedSection::Inactive => old.ok_or(AnswerError::Direction { section })?,
        };
        if let Some(old) = old.filter(|old| old.kind != new.kind) {
            return Err(AnswerError::Kind { section, kind: old.kind });
        }
        sections.push(new);
    }
    Ok(sections)
}

/// Our offer of these sections by the plan they were made of.
pub(crate) fn write_offer(
    transport: &LocalTransport<'_>,
    sections: &[LocalSection],
    plan: &[OfferedSection],
) -> String {
    let mids: Vec<String> = (0..sections.len()).map(|mid| mid.to_string()).collect();
    let mut sdp = transport.head(mids.iter().map(String::as_str));
    for (index, (section, plan)) in sections.iter().zip(plan).enumerate() {
        let codec = section.codec.map(offered_codec);
        let formats = codec.as_ref().map_or_else(|| "webrtc-datachannel".to_owned(), formats);
        let protocol = if codec.is_some() { "UDP/TLS/RTP/SAVPF" } else { "UDP/DTLS/SCTP" };
        line(&mut sdp, format_args!("m={} 9 {protocol} {formats}", kind_name(section.kind)));
        transport.write(&mut sdp, index == 0);
        line(&mut sdp, format_args!("a=mid:{index}"));
        match codec {
            None => write_application(&mut sdp),
            Some(codec) => write_sending(&mut sdp, section.kind, codec, plan),
        }
    }
    sdp
}

fn write_sending(sdp: &mut String, kind: SectionKind, codec: OfferedCodec, plan: &OfferedSection) {
    for (extension, id) in extensions(kind).iter() {
        line(sdp, format_args!("a=extmap:{id} {}", extension.uri()));
    }
    let send = match plan {
        OfferedSection::Send(send) => Some(send),
        OfferedSection::Inactive | OfferedSection::Application => None,
    };
    line(sdp, format_args!("a={}", if send.is_some() { "sendonly" } else { "inactive" }));
    if let Some(send) = send {
        line(sdp, format_args!("a=msid:{} {}", send.stream_id, send.track_id));
    }
    line(sdp, format_args!("a=rtcp-mux"));
    line(sdp, format_args!("a=rtcp-rsize"));
    let (rtx, fmtp) = (codec.rtx.is_some(), codec.fmtp.clone());
    write_codec(sdp, &ChosenCodec { offered: &codec, red: RedUse::Accepted, rtx, fmtp });
    if let Some(send) = send {
        write_sources(sdp, send, rtx);
    }
}

fn extensions(kind: SectionKind) -> ExtensionMap {
    let other = match kind {
        SectionKind::Audio => ExtensionKind::VideoOrientation,
        SectionKind::Video | SectionKind::Application => ExtensionKind::AudioLevel,
    };
    EXTENSIONS.into_iter().filter(|(extension, _)| *extension != other).collect()
}

fn offered_codec(codec: Codec) -> OfferedCodec {
    let video = Feedback { nack: true, pli: true, fir: true, transport_cc: true, remb: true };
    let audio = Feedback { nack: true, transport_cc: true, ..Feedback::default() };
    let (payload_type, rtx, red, fmtp, feedback) = match codec {
        Codec::Opus => (111, None, Some(63), "minptime=10;useinbandfec=1", audio),
        Codec::Vp8 => (96, Some(97), None, "", video),
        Codec::H264 => {
            let fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
            (108, Some(109), None, fmtp, video)
        }
    };
    OfferedCodec { payload_type, codec, rtx, red, fmtp: fmtp.to_owned(), feedback }
}

fn formats(codec: &OfferedCodec) -> String {
    let all = [Some(codec.payload_type), codec.red, codec.rtx];
    all.into_iter().flatten().map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}
