//! Reading one media section: codecs, extensions, encodings, ids.

use parlour_model::Codec;
use parlour_rtp::{ExtensionKind, ExtensionMap};
use sdp_types::{Media, Session};

use super::offer::OfferError;
use super::section::{Direction, Feedback, Mid, OfferedCodec, Rid, RidDirection, Section, SectionKind};

/// Most rids of a section. We use three.
const MAX_RIDS: usize = 8;

/// Most sources that a section names.
const MAX_SSRCS: usize = 32;

/// Longest `fmtp` of a codec of ours, and longest id of stream or track.
const MAX_TEXT: usize = 512;

/// The header extensions we negotiate, of those whose meaning `parlour-rtp` knows.
const EXTENSIONS: [ExtensionKind; 7] = [
    ExtensionKind::Mid,
    ExtensionKind::Rid,
    ExtensionKind::RepairedRid,
    ExtensionKind::AudioLevel,
    ExtensionKind::TransportCc,
    ExtensionKind::AbsSendTime,
    ExtensionKind::VideoOrientation,
];

/// Reads a section. One that cannot be used for want of codec or protocol is `rejected`, one that is malformed an error.
pub(super) fn read_section(media: &Media, session: &Session) -> Result<Section, OfferError> {
    let kind = match media.media.as_str() {
        "audio" => SectionKind::Audio,
        "video" => SectionKind::Video,
        "application" => SectionKind::Application,
        _ => return Err(OfferError::Malformed),
    };
    let mid = value(media, "mid").and_then(Mid::new).ok_or(OfferError::Mid)?;
    let bundle_only = media.attributes.iter().any(|attribute| attribute.attribute == "bundle-only");
    let mut section = Section {
        mid,
        kind,
        direction: direction(media, session),
        // RFC 9143 6: port zero with "bundle-only" is not a rejection.
        rejected: media.port == 0 && !bundle_only,
        msid: msid(media)?,
        codecs: Vec::new(),
        extensions: ExtensionMap::new(),
        rids: Vec::new(),
        ssrcs: Vec::new(),
        max_message_size: value(media, "max-message-size").and_then(|size| size.parse().ok()),
        protocol: media.proto.clone(),
        format: media.fmt.split_ascii_whitespace().next().unwrap_or("0").to_owned(),
    };
    if kind == SectionKind::Application {
        // RFC 8841 4.
        section.rejected |= !media.proto.ends_with("/DTLS/SCTP") || section.format != "webrtc-datachannel";
        return Ok(section);
    }
    section.codecs = codecs(media)?;
    section.extensions = extensions(media)?;
    section.rids = rids(media)?;
    section.ssrcs = ssrcs(media)?;
    let muxed = media.attributes.iter().any(|attribute| attribute.attribute == "rtcp-mux");
    let kind_fits = |codec: &OfferedCodec| match kind {
        SectionKind::Audio => codec.codec == Codec::Opus,
        _ => codec.codec != Codec::Opus,
    };
    section.codecs.retain(kind_fits);
    section.rejected |= !muxed || !media.proto.ends_with("RTP/SAVPF") || section.codecs.is_empty();
    Ok(section)
}

fn values<'a>(media: &'a Media, name: &'static str) -> impl Iterator<Item = &'a str> {
    let named = media.attributes.iter().filter(move |attribute| attribute.attribute == name);
    named.filter_map(|attribute| attribute.value.as_deref())
}

fn value<'a>(media: &'a Media, name: &'static str) -> Option<&'a str> {
    values(media, name).next()
}

fn direction(media: &Media, session: &Session) -> Direction {
    let read = |name: &str| match name {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    };
    let mut all = media.attributes.iter().chain(&session.attributes);
    all.find_map(|attribute| read(&attribute.attribute)).unwrap_or(Direction::SendRecv)
}

fn msid(media: &Media) -> Result<Option<(String, String)>, OfferError> {
    let Some(value) = value(media, "msid") else { return Ok(None) };
    if value.len() > MAX_TEXT {
        return Err(OfferError::Malformed);
    }
    let mut words = value.split_ascii_whitespace();
    let stream = words.next().unwrap_or_default();
    Ok(Some((stream.to_owned(), words.next().unwrap_or_default().to_owned())))
}

/// What the lines of a section say of each payload type. Filled in one pass over the lines, since a hostile section
/// has as many as fit.
struct PayloadTypes<'a> {
    encodings: [&'a str; 128],
    fmtps: [&'a str; 128],
    feedback: [Feedback; 128],
}

impl<'a> PayloadTypes<'a> {
    fn read(media: &'a Media) -> Result<Self, OfferError> {
        let mut all = Self { encodings: [""; 128], fmtps: [""; 128], feedback: [Feedback::default(); 128] };
        for line in values(media, "rtpmap") {
            let (number, encoding) = line.split_once(' ').ok_or(OfferError::Malformed)?;
            all.encodings[usize::from(payload_type(number)?)] = encoding.trim();
        }
        for (number, parameters) in values(media, "fmtp").filter_map(|line| line.split_once(' ')) {
            if let Ok(number) = payload_type(number) {
                all.fmtps[usize::from(number)] = parameters.trim();
            }
        }
        let mut for_all = Feedback::default();
        for (target, what) in values(media, "rtcp-fb").filter_map(|line| line.split_once(' ')) {
            match payload_type(target) {
                Ok(number) => note_feedback(&mut all.feedback[usize::from(number)], what),
                Err(_) if target == "*" => note_feedback(&mut for_all, what),
                Err(_) => {}
            }
        }
        all.feedback.iter_mut().for_each(|feedback| *feedback = feedback.or(for_all));
        Ok(all)
    }
}

fn codecs(media: &Media) -> Result<Vec<OfferedCodec>, OfferError> {
    let mut listed = Vec::new();
    for format in media.fmt.split_ascii_whitespace() {
        let payload_type = payload_type(format)?;
        if !listed.contains(&payload_type) {
            listed.push(payload_type);
        }
    }
    let PayloadTypes { encodings, fmtps, feedback } = PayloadTypes::read(media)?;
    let of_repair = |name: &str, names: &dyn Fn(&str) -> bool| {
        let is_named = |at: usize| is_encoding(encodings[at], name) && names(fmtps[at]);
        listed.iter().copied().find(|&payload_type| is_named(usize::from(payload_type)))
    };
    let mut codecs = Vec::new();
    for &payload_type in &listed {
        let at = usize::from(payload_type);
        let Some(codec) = our_codec(encodings[at], fmtps[at]) else { continue };
        if fmtps[at].len() > MAX_TEXT {
            return Err(OfferError::Malformed);
        }
        let number = payload_type.to_string();
        let is_audio = codec == Codec::Opus;
        codecs.push(OfferedCodec {
            payload_type,
            codec,
            rtx: of_repair("rtx", &|fmtp| parameter(fmtp, "apt") == Some(&number)),
            red: of_repair("red", &|fmtp| is_audio && is_red_of(fmtp, payload_type)),
            fmtp: fmtps[at].to_owned(),
            feedback: feedback[at],
        });
    }
    Ok(codecs)
}

fn payload_type(text: &str) -> Result<u8, OfferError> {
    text.parse().ok().filter(|number| *number <= 127).ok_or(OfferError::PayloadType)
}

/// Whether `name/rate[/channels]` names this encoding.
fn is_encoding(encoding: &str, name: &str) -> bool {
    encoding.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(name))
}

fn our_codec(encoding: &str, fmtp: &str) -> Option<Codec> {
    if encoding.eq_ignore_ascii_case("opus/48000/2") {
        return Some(Codec::Opus);
    }
    if encoding.eq_ignore_ascii_case("VP8/90000") {
        return Some(Codec::Vp8);
    }
    let is_h264 = encoding.eq_ignore_ascii_case("H264/90000");
    (is_h264 && is_constrained_baseline(fmtp)).then_some(Codec::H264)
}

/// RFC 6184 8.1: profile 66 with constraint_set1, in packetization mode 1. What every client can both send and receive.
fn is_constrained_baseline(fmtp: &str) -> bool {
    let profile = parameter(fmtp, "profile-level-id").and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let is_baseline = profile.is_some_and(|id| id >> 16 == 0x42 && id & 0x4000 != 0);
    is_baseline && parameter(fmtp, "packetization-mode") == Some("1")
}

/// A parameter of `a;b=c`.
pub(super) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = fmtp.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// RFC 2198 5: `111/111` lists the payload types of the blocks.
fn is_red_of(fmtp: &str, payload_type: u8) -> bool {
    !fmtp.is_empty() && fmtp.split('/').all(|block| block.trim().parse() == Ok(payload_type))
}

fn note_feedback(feedback: &mut Feedback, what: &str) {
    match what.trim() {
        "nack" => feedback.nack = true,
        "nack pli" => feedback.pli = true,
        "ccm fir" => feedback.fir = true,
        "transport-cc" => feedback.transport_cc = true,
        "goog-remb" => feedback.remb = true,
        _ => {}
    }
}

/// RFC 8285 8: `id[/direction] uri [attributes]`.
fn extensions(media: &Media) -> Result<ExtensionMap, OfferError> {
    let mut map = ExtensionMap::new();
    let mut used = [false; 256];
    for line in values(media, "extmap") {
        let mut words = line.split_ascii_whitespace();
        let (id, uri) = words.next().zip(words.next()).ok_or(OfferError::Extension)?;
        let id = id.split('/').next().unwrap_or_default();
        // Larger numbers offer a choice (section 6) that nobody makes; 15 is reserved.
        let id: u8 = id.parse().ok().filter(|&id| id != 0 && id != 15).ok_or(OfferError::Extension)?;
        if std::mem::replace(&mut used[usize::from(id)], true) {
            return Err(OfferError::Extension);
        }
        if let Some(kind) = ExtensionKind::from_uri(uri).filter(|kind| EXTENSIONS.contains(kind)) {
            map.set(kind, id);
        }
    }
    Ok(map)
}

/// RFC 8851 rids, in the order of RFC 8853 `a=simulcast` where there is one.
fn rids(media: &Media) -> Result<Vec<(Rid, RidDirection)>, OfferError> {
    let mut rids = Vec::new();
    for line in values(media, "rid") {
        let mut words = line.split_ascii_whitespace();
        let (rid, direction) = words.next().zip(words.next()).ok_or(OfferError::Encodings)?;
        let direction = match direction {
            "send" => RidDirection::Send,
            "recv" => RidDirection::Recv,
            _ => return Err(OfferError::Encodings),
        };
        let rid = Rid::new(rid).ok_or(OfferError::Encodings)?;
        if rids.len() >= MAX_RIDS || rids.iter().any(|(known, _)| *known == rid) {
            return Err(OfferError::Encodings);
        }
        rids.push((rid, direction));
    }
    if let Some(order) = value(media, "simulcast").map(simulcast_order) {
        let place = |rid: &Rid| order.iter().position(|listed| *listed == rid.as_str()).unwrap_or(usize::MAX);
        rids.sort_by_key(|(rid, _)| place(rid));
    }
    Ok(rids)
}

/// The rids of `send q;h,x;~f recv …` in order, alternatives and paused ones included.
fn simulcast_order(value: &str) -> Vec<&str> {
    let lists = value.split_ascii_whitespace().filter(|word| *word != "send" && *word != "recv");
    lists.flat_map(|list| list.split([';', ','])).map(|rid| rid.trim_start_matches('~')).collect()
}

/// RFC 5576: sources in order of first mention, repair sources attached to what they repair.
fn ssrcs(media: &Media) -> Result<Vec<(u32, Option<u32>)>, OfferError> {
    let read = |text: &str| text.parse::<u32>().map_err(|_| OfferError::Encodings);
    let mut sources: Vec<u32> = Vec::new();
    for line in values(media, "ssrc") {
        let ssrc = read(line.split_ascii_whitespace().next().unwrap_or_default())?;
        if !sources.contains(&ssrc) {
            if sources.len() >= MAX_SSRCS {
                return Err(OfferError::Encodings);
            }
            sources.push(ssrc);
        }
    }
    let mut repairs = Vec::new();
    for line in values(media, "ssrc-group") {
        let Some(pair) = line.strip_prefix("FID ") else { continue };
        let mut words = pair.split_ascii_whitespace();
        let (media_ssrc, repair) = words.next().zip(words.next()).ok_or(OfferError::Encodings)?;
        repairs.push((read(media_ssrc)?, read(repair)?));
    }
    sources.retain(|ssrc| !repairs.iter().any(|(_, repair)| repair == ssrc));
    let repair_of = |ssrc| repairs.iter().find(|(media_ssrc, _)| *media_ssrc == ssrc).map(|(_, repair)| *repair);
    Ok(sources.into_iter().map(|ssrc| (ssrc, repair_of(ssrc))).collect())
}
