//! Header extension elements (RFC 8285): the ones we know, their values, and the ids a connection negotiated for them.

use crate::wire::{u8_at, u16_at, u24_at};

pub(crate) const ONE_BYTE_PROFILE: u16 = 0xbede;
pub(crate) const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Iterates over (id, value). An element that does not fit ends the iteration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

/// The elements of an extension block. A profile that RFC 8285 does not define has none that we can read.
pub(crate) fn elements(profile: u16, block: &[u8]) -> Extensions<'_> {
    match profile {
        ONE_BYTE_PROFILE => Extensions { rest: block, two_byte: false },
        // The low four bits are the application's ("appbits").
        profile if profile & 0xfff0 == TWO_BYTE_PROFILE => Extensions { rest: block, two_byte: true },
        _ => Extensions::default(),
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, len, value_and_rest) = loop {
            let (&first, rest) = self.rest.split_first()?;
            if first == 0 {
                self.rest = rest;
                continue;
            }
            break if self.two_byte {
                let (&len, rest) = rest.split_first()?;
                (first, usize::from(len), rest)
            } else {
                (first >> 4, usize::from(first & 0x0f) + 1, rest)
            };
        };
        // Section 4.2: id 15 ends the block, whatever its length says. Id 0 with a length is not an element either.
        let end = !self.two_byte && (id == 15 || id == 0);
        let Some((value, rest)) = value_and_rest.split_at_checked(len).filter(|_| !end) else {
            self.rest = &[];
            return None;
        };
        self.rest = rest;
        Some((id, value))
    }
}

/// The header extensions we understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtensionKind {
    /// Media section (RFC 9143).
    Mid,
    /// Encoding (RFC 8852).
    Rid,
    /// Encoding that a repair stream repairs (RFC 8852).
    RepairedRid,
    /// Loudness (RFC 6464).
    AudioLevel,
    /// Connection-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportCc,
    /// Time of sending.
    AbsSendTime,
    /// Rotation of the picture (3GPP TS 26.114 section 7.4.5).
    VideoOrientation,
    /// Time of capture.
    AbsCaptureTime,
    /// Bounds on the receiver's jitter buffer.
    PlayoutDelay,
}

impl ExtensionKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::AudioLevel,
        Self::TransportCc,
        Self::AbsSendTime,
        Self::VideoOrientation,
        Self::AbsCaptureTime,
        Self::PlayoutDelay,
    ];

    /// As in `a=extmap`.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::TransportCc => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        }
    }

    /// The kind with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.uri() == uri)
    }
}

/// Which id each kind has on one connection. BUNDLE makes ids the same in all its media sections (RFC 9143 section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionMap {
    /// Indexed by kind; zero is "not negotiated".
    ids: [u8; ExtensionKind::ALL.len()],
}

impl ExtensionMap {
    /// Nothing negotiated.
    pub const fn new() -> Self {
        Self { ids: [0; ExtensionKind::ALL.len()] }
    }

    /// Notes an id. Zero takes the kind out; ids 15 and 16..=255 exist in the two-byte form only.
    pub fn set(&mut self, kind: ExtensionKind, id: u8) {
        self.ids[kind as usize] = id;
    }

    /// The id of a kind.
    pub fn id(&self, kind: ExtensionKind) -> Option<u8> {
        Some(self.ids[kind as usize]).filter(|&id| id != 0)
    }

    /// The kind of an id.
    pub fn kind(&self, id: u8) -> Option<ExtensionKind> {
        ExtensionKind::ALL.into_iter().find(|&kind| id != 0 && self.ids[kind as usize] == id)
    }

    /// What is negotiated, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (ExtensionKind, u8)> + '_ {
        ExtensionKind::ALL.into_iter().filter_map(|kind| Some((kind, self.id(kind)?)))
    }
}

impl FromIterator<(ExtensionKind, u8)> for ExtensionMap {
    fn from_iter<I: IntoIterator<Item = (ExtensionKind, u8)>>(pairs: I) -> Self {
        let mut map = Self::new();
        pairs.into_iter().for_each(|(kind, id)| map.set(kind, id));
        map
    }
}

/// A typed value that a [`crate::HeaderWriter`] can write.
pub trait ExtensionValue: Sized {
    /// The bytes and how many of them count.
    fn encoded(&self) -> ([u8; 4], usize);
    /// Reads the value back; `None` when its length is wrong.
    fn decode(value: &[u8]) -> Option<Self>;
}

/// Loudness (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// Attenuation: 0 is full scale, 127 silence (the unit is -dBov).
    pub level_dbov: u8,
    /// The encoder believes that this is voice.
    pub voice: bool,
}

impl ExtensionValue for AudioLevel {
    fn encoded(&self) -> ([u8; 4], usize) {
        ([u8::from(self.voice) << 7 | self.level_dbov & 0x7f, 0, 0, 0], 1)
    }

    fn decode(value: &[u8]) -> Option<Self> {
        // The two-byte form may pad the value (section 3).
        let first = u8_at(value, 0)?;
        Some(Self { level_dbov: first & 0x7f, voice: first & 0x80 != 0 })
    }
}

/// Number of a packet among all that one connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSequence(pub u16);

impl ExtensionValue for TransportSequence {
    fn encoded(&self) -> ([u8; 4], usize) {
        let [a, b] = self.0.to_be_bytes();
        ([a, b, 0, 0], 2)
    }

    fn decode(value: &[u8]) -> Option<Self> {
        u16_at(value, 0).map(Self)
    }
}

/// Time of sending in 6.18 fixed-point seconds, modulo 64 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsSendTime(pub u32);

impl AbsSendTime {
    /// From microseconds on any clock that ticks evenly.
    pub fn from_micros(micros: u64) -> Self {
        let fraction = u128::from(micros) * (1 << 18) / 1_000_000;
        Self((fraction & 0x00ff_ffff) as u32)
    }
}

impl ExtensionValue for AbsSendTime {
    fn encoded(&self) -> ([u8; 4], usize) {
        let [_, a, b, c] = self.0.to_be_bytes();
        ([a, b, c, 0], 3)
    }

    fn decode(value: &[u8]) -> Option<Self> {
        u24_at(value, 0).map(Self)
    }
}

/// Camera, flip and rotation bits as the sender set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoOrientation(pub u8);

impl ExtensionValue for VideoOrientation {
    fn encoded(&self) -> ([u8; 4], usize) {
        ([self.0, 0, 0, 0], 1)
    }

    fn decode(value: &[u8]) -> Option<Self> {
        u8_at(value, 0).map(Self)
    }
}

/// A mid or rid as text. RFC 8852 and 8843 allow only ASCII; anything else is not a name we could have negotiated.
pub fn token(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()))
}
