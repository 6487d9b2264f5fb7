//! What API keys may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One right of an API key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Scope {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Scope {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word in keys and documents.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

scopes! {
    /// See sessions, who is in them, check-ins and consents.
    SessionsRead = "sessions:read",
    /// Make, edit and end sessions.
    SessionsWrite = "sessions:write",
    /// See tickets; the secrets are shown to nobody again.
    TicketsRead = "tickets:read",
    /// Issue and revoke tickets.
    TicketsWrite = "tickets:write",
    /// Everything a therapist may ask of a session.
    ParticipantsWrite = "participants:write",
    /// Read what happened.
    EventsRead = "events:read",
    /// Say where events are sent.
    WebhooksWrite = "webhooks:write",
    /// Read the audit log and check its chain.
    AuditRead = "audit:read",
    /// Make, rotate and revoke keys, with any scope.
    KeysWrite = "keys:write",
    /// Read how the server is set up.
    FactsRead = "facts:read",
}

impl Scope {
    /// By its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == word)
    }
}
