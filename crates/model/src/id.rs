//! Names of things. Strings where the outside gives or sees the name, small integers where a packet looks it up.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name. Bounds on length and alphabet are checked where the name enters the server.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }
    };
}

macro_rules! printed {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A therapy session. LiveKit clients see it as the name of their room.
    SessionId
}
printed!(SessionId);

text_id! {
    /// One stay of one participant, made by the server (`PA_…`). Carries nothing personal: safe in logs.
    ParticipantSid
}
printed!(ParticipantSid);

text_id! {
    /// One publication, made by the server (`TR_…`).
    TrackSid
}
printed!(TrackSid);

text_id! {
    /// The client's own name of a track before it has a [`TrackSid`]: the `msid` track id of its offer.
    TrackCid
}
printed!(TrackCid);

text_id! {
    /// Who the integrator says this person is. Opaque to us and possibly personal: it prints redacted.
    Identity
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// A participant's number within its worker. Never reused while the worker lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantKey(pub u32);

/// A publication's number within its worker. Never reused while the worker lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationKey(pub u32);
