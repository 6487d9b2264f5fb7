//! A media section ("m-line") as the client describes it.

use std::fmt;

use parlour_model::Codec;
use parlour_rtp::ExtensionMap;

/// Longest mid and rid. RFC 9143 suggests three bytes; some clients use more.
pub(crate) const MAX_TOKEN: usize = 16;

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// `None` unless 1 to 16 token characters (RFC 8866 9).
            pub fn new(text: &str) -> Option<Self> {
                let fits = (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(is_token_byte);
                fits.then(|| Self(text.into()))
            }

            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

token! {
    /// Names a media section within a connection (RFC 5888).
    Mid
}
token! {
    /// Names an encoding within a media section (RFC 8851).
    Rid
}

/// RFC 8866 9, `token-char`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'~')
}

/// What a section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
    /// `m=application` for data channels
    Application,
}

/// Direction from the client's view (RFC 8866 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The client sends.
    SendOnly,
    /// The client receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// Whether the client would send.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the client would receive.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// Direction of a rid, from the client's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RidDirection {
    /// The client sends this encoding.
    Send,
    /// The client receives it.
    Recv,
}

/// The RTCP feedback a codec is offered with (RFC 4585, RFC 5104, transport-wide-cc draft).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Feedback {
    /// `nack`
    pub nack: bool,
    /// `nack pli`
    pub pli: bool,
    /// `ccm fir`
    pub fir: bool,
    /// `transport-cc`
    pub transport_cc: bool,
    /// `goog-remb`
    pub remb: bool,
}

impl Feedback {
    /// What either says.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            nack: self.nack || other.nack,
            pli: self.pli || other.pli,
            fir: self.fir || other.fir,
            transport_cc: self.transport_cc || other.transport_cc,
            remb: self.remb || other.remb,
        }
    }
}

/// A codec of ours that a section offers. Others are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedCodec {
    /// 0 to 127.
    pub payload_type: u8,
    /// Which.
    pub codec: Codec,
    /// Payload type of its retransmissions (RFC 4588).
    pub rtx: Option<u8>,
    /// Audio: payload type of the RED (RFC 2198) whose `fmtp` names this codec.
    pub red: Option<u8>,
    /// Its `fmtp` parameters, verbatim; empty if none.
    pub fmtp: String,
    /// Its feedback.
    pub feedback: Feedback,
}

/// A media section of the client's last description.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name.
    pub mid: Mid,
    /// What it carries.
    pub kind: SectionKind,
    /// As the client sees it.
    pub direction: Direction,
    /// The client gave it up (port 0), or it holds no codec of ours: it can only be [`crate::SectionPlan::Inactive`].
    pub rejected: bool,
    /// Stream and track id.
    pub msid: Option<(String, String)>,
    /// In the client's order of preference.
    pub codecs: Vec<OfferedCodec>,
    /// Header extensions we know, with the client's numbers.
    pub extensions: ExtensionMap,
    /// In the client's order.
    pub rids: Vec<(Rid, RidDirection)>,
    /// Sources the client names, each with that of its retransmissions.
    pub ssrcs: Vec<(u32, Option<u32>)>,
    /// `a=max-message-size` of an application section.
    pub max_message_size: Option<u32>,
    /// Echoed in our `m=`.
    pub(crate) protocol: String,
    /// The first format of its `m=`; echoed in a rejection.
    pub(crate) format: String,
}

impl Section {
    /// The first offer of this codec.
    pub fn codec(&self, codec: Codec) -> Option<&OfferedCodec> {
        self.codecs.iter().find(|offered| offered.codec == codec)
    }

    /// Rids of the encodings the client would send, in its order; empty without simulcast.
    pub fn sent_rids(&self) -> impl Iterator<Item = &Rid> {
        self.rids.iter().filter(|(_, direction)| *direction == RidDirection::Send).map(|(rid, _)| rid)
    }
}
