//! How an endpoint wants its events.

/// Whose form they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WebhookForm {
    /// Standard Webhooks.
    Standard,
    /// As LiveKit's servers send them.
    Livekit,
}

impl WebhookForm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Standard, Self::Livekit];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Livekit => "livekit",
        }
    }

    /// By its word; what a later version wrote is not understood here.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == word)
    }
}
