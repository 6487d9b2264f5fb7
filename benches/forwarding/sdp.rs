//! The offer of a load client, and what it needs of the answer. Written as browsers write them, as far as the server reads.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Payload types, the same for all.
pub const OPUS: u8 = 111;
pub const VP8: u8 = 96;
pub const VP8_RTX: u8 = 97;

/// Header extension ids.
pub const AUDIO_LEVEL: u8 = 1;
pub const TRANSPORT_CC: u8 = 3;
pub const MID: u8 = 4;

/// What a client offers.
pub struct OfferText<'a> {
    pub ufrag: &'a str,
    pub password: &'a str,
    /// `AB:CD:…`, SHA-256.
    pub fingerprint: &'a str,
    /// Published streams.
    pub audio_ssrc: u32,
    pub video_ssrc: u32,
    pub video_rtx_ssrc: u32,
    /// Sections to receive on, of each kind.
    pub others: usize,
}

/// The client's names of its tracks, as announced before the offer.
pub const AUDIO_TRACK: &str = "microphone";
pub const VIDEO_TRACK: &str = "camera";

pub fn offer(text: &OfferText<'_>) -> String {
    let mids: Vec<_> = (0..2 + 2 * text.others).map(|mid| mid.to_string()).collect();
    let mut sdp = String::from("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    let _ = write!(sdp, "a=group:BUNDLE {}\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n", mids.join(" "));
    for (index, mid) in mids.iter().enumerate() {
        let video = index % 2 == 1;
        let _ = if video { video_codecs(&mut sdp) } else { audio_codecs(&mut sdp) };
        let _ = write!(
            sdp,
            "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:{mid}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n",
            text.ufrag, text.password, text.fingerprint,
        );
        let _ = match (index, video) {
            (0, _) => write!(sdp, "a=sendonly\r\na=msid:- {AUDIO_TRACK}\r\na=ssrc:{} cname:load\r\n", text.audio_ssrc),
            (1, _) => write!(
                sdp,
                "a=sendonly\r\na=msid:- {VIDEO_TRACK}\r\na=ssrc-group:FID {0} {1}\r\na=ssrc:{0} cname:load\r\n\
                 a=ssrc:{1} cname:load\r\n",
                text.video_ssrc, text.video_rtx_ssrc,
            ),
            _ => write!(sdp, "a=recvonly\r\n"),
        };
    }
    sdp
}

fn extensions(sdp: &mut String) -> std::fmt::Result {
    for (id, kind) in [(TRANSPORT_CC, parlour_rtp::ExtensionKind::TransportCc), (MID, parlour_rtp::ExtensionKind::Mid)]
    {
        write!(sdp, "a=extmap:{id} {}\r\n", kind.uri())?;
    }
    Ok(())
}

fn audio_codecs(sdp: &mut String) -> std::fmt::Result {
    write!(
        sdp,
        "m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\r\na=rtpmap:{OPUS} opus/48000/2\r\na=rtcp-fb:{OPUS} transport-cc\r\n\
         a=rtcp-fb:{OPUS} nack\r\na=fmtp:{OPUS} minptime=10;useinbandfec=1\r\n",
    )?;
    write!(sdp, "a=extmap:{AUDIO_LEVEL} {}\r\n", parlour_rtp::ExtensionKind::AudioLevel.uri())?;
    extensions(sdp)
}

fn video_codecs(sdp: &mut String) -> std::fmt::Result {
    write!(sdp, "m=video 9 UDP/TLS/RTP/SAVPF {VP8} {VP8_RTX}\r\na=rtpmap:{VP8} VP8/90000\r\n")?;
    for feedback in ["transport-cc", "ccm fir", "nack", "nack pli"] {
        write!(sdp, "a=rtcp-fb:{VP8} {feedback}\r\n")?;
    }
    write!(sdp, "a=rtpmap:{VP8_RTX} rtx/90000\r\na=fmtp:{VP8_RTX} apt={VP8}\r\n")?;
    extensions(sdp)
}

/// Where an answer leads: (address, ufrag, password).
pub fn gate(answer: &str) -> Option<(SocketAddr, String, String)> {
    let value = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name));
    let candidate: Vec<_> = value("a=candidate:")?.split(' ').collect();
    let address = format!("{}:{}", candidate.get(4)?, candidate.get(5)?).parse().ok()?;
    Some((address, value("a=ice-ufrag:")?.to_owned(), value("a=ice-pwd:")?.to_owned()))
}
