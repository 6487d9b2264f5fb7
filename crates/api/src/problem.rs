//! Errors as RFC 9457 problem details: a stable type each, and nothing of what was sent.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parlour_model::Refusal;
use parlour_store::StoreError;
use schemars::JsonSchema;
use serde::Serialize;

/// What every type begins with. A name, not an address: nothing is fetched from it.
pub const PREFIX: &str = "urn:parlour:problem:";

macro_rules! kinds {
    ($($name:ident = $status:literal $word:literal $title:literal,)*) => {
        /// What went wrong. The words are part of the API and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $title] $name,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Of HTTP.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The last part of the type.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// For people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

kinds! {
    // The request itself.
    InvalidJson = 400 "invalid-json" "The body is not JSON.",
    InvalidUtf8 = 400 "invalid-utf8" "The body is not UTF-8.",
    UnknownField = 400 "unknown-field" "The request has a field that is not known here.",
    MissingField = 400 "missing-field" "A field that is required is missing.",
    InvalidValue = 400 "invalid-value" "A value is not of the form it must have.",
    OutOfRange = 400 "out-of-range" "A number, text or list is beyond its bounds.",
    UnexpectedBody = 400 "unexpected-body" "This request takes no body.",
    InvalidParameter = 400 "invalid-parameter" "A part of the address or its query is not valid.",
    InvalidCursor = 400 "invalid-cursor" "The cursor is not one that was given out.",
    InvalidIdempotencyKey = 400 "invalid-idempotency-key" "The Idempotency-Key must have 1 to 128 visible characters.",
    RequestTimeout = 408 "request-timeout" "The body did not arrive in time.",
    BodyTooLarge = 413 "body-too-large" "The body is larger than 64 KiB.",
    UnsupportedMediaType = 415 "unsupported-media-type" "The body must be application/json.",
    NotFound = 404 "not-found" "There is nothing at this address.",
    MethodNotAllowed = 405 "method-not-allowed" "This address does not know the method.",
    // Who asks.
    Unauthenticated = 401 "unauthenticated" "A valid API key or session token is needed.",
    MissingScope = 403 "missing-scope" "The API key does not have the scope for this.",
    OtherSession = 403 "other-session" "The token is for another session.",
    NotAllowed = 403 "not-allowed" "The role does not allow this.",
    TicketRefused = 403 "ticket-refused" "This ticket does not let anybody in.",
    TooManyRequests = 429 "too-many-requests" "Too many requests.",
    // What is asked for.
    SessionNotFound = 404 "session-not-found" "There is no such session.",
    ParticipantNotFound = 404 "participant-not-found" "There is no such participant in the session.",
    TicketNotFound = 404 "ticket-not-found" "There is no such ticket.",
    CheckInNotFound = 404 "check-in-not-found" "There is no such check-in.",
    KeyNotFound = 404 "key-not-found" "There is no such key.",
    EndpointNotFound = 404 "endpoint-not-found" "There is no such webhook endpoint.",
    // What does not go together with how things are.
    SessionExists = 409 "session-exists" "There is a session of this id.",
    SessionEnded = 409 "session-ended" "The session has ended.",
    SessionNotOpen = 409 "session-not-open" "Nobody is in the session.",
    SessionInUse = 409 "session-in-use" "This cannot be changed once people have come.",
    ParticipantNotPresent = 409 "participant-not-present" "The participant is not present.",
    ParticipantNotWaiting = 409 "participant-not-waiting" "The participant does not wait.",
    SessionFull = 409 "session-full" "The session is full.",
    InCheckIn = 409 "participant-in-check-in" "A participant is in another check-in.",
    NoTherapist = 409 "no-therapist" "There is no therapist for this, or it is not clear which.",
    OtherConsentText = 409 "other-consent-text" "Another text, or another version of it, is to be accepted.",
    NotPossible = 409 "not-possible" "This does not go together with how the session is.",
    LimitReached = 409 "limit-reached" "A limit of the session was reached.",
    PreconditionRequired = 428 "precondition-required" "An If-Match header with the ETag is needed.",
    PreconditionFailed = 412 "precondition-failed" "It was changed since it was read.",
    IdempotencyMismatch = 422 "idempotency-mismatch" "The Idempotency-Key was used for another request.",
    IdempotencyInFlight = 409 "idempotency-in-flight" "The request with this Idempotency-Key is being carried out.",
    UnfitAddress = 422 "unfit-address" "Events are not sent to this address.",
    PastExpiry = 422 "past-expiry" "The expiry is over already, or too far away.",
    PastSchedule = 422 "past-schedule" "The schedule is over already.",
    // The server.
    StoreUnavailable = 503 "store-unavailable" "The record of this cannot be written now; nothing was changed.",
    RecordFailed = 503 "record-failed" "It is in force, but the record of it cannot be written now.",
    Busy = 503 "busy" "The server has too much to do.",
    Draining = 503 "draining" "The server is stopping.",
    Internal = 500 "internal" "Something is wrong with the server.",
}

/// An answer that says what went wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    field: Option<String>,
    retry_after: Option<u64>,
}

/// As it is sent.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemBody {
    /// `urn:parlour:problem:…`: what went wrong; stable.
    #[serde(rename = "type")]
    kind: String,
    /// The same for people.
    title: &'static str,
    /// The status of the response.
    status: u16,
    /// Which field of the request, in our words; never what was in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// The longest path of a field that is told.
const MAX_FIELD: usize = 100;

impl Problem {
    /// Names the field it is about. The name must be ours, not what was sent.
    pub fn at(mut self, field: impl Into<String>) -> Self {
        let mut field = field.into();
        if field.len() > MAX_FIELD {
            field.clear();
        }
        self.field = Some(field).filter(|field| !field.is_empty() && field != ".");
        self
    }

    /// Says when to come again.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        let retry_after = matches!(kind, Kind::Busy | Kind::Draining | Kind::StoreUnavailable).then_some(1);
        Self { kind, field: None, retry_after }
    }
}

impl From<StoreError> for Problem {
    /// What was not found depends on what was looked for: say it where it is known.
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::NotFound => Kind::NotFound,
            StoreError::AlreadyExists => Kind::SessionExists,
            StoreError::VersionConflict => Kind::PreconditionFailed,
            StoreError::Unavailable(_) => Kind::StoreUnavailable,
            StoreError::Damaged | StoreError::TooNew { .. } | StoreError::Bug(_) => Kind::Internal,
        };
        if kind == Kind::Internal || kind == Kind::StoreUnavailable {
            tracing::warn!(%error, "the store refused");
        }
        kind.into()
    }
}

/// `not_found` says what was looked for.
pub(crate) fn or_missing(not_found: Kind) -> impl Fn(StoreError) -> Problem {
    move |error| match error {
        StoreError::NotFound => not_found.into(),
        other => other.into(),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Kind::from(refusal).into()
    }
}

impl From<Refusal> for Kind {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownSession => Self::SessionNotOpen,
            Refusal::UnknownParticipant => Self::ParticipantNotFound,
            Refusal::Ended => Self::SessionEnded,
            Refusal::Full => Self::SessionFull,
            Refusal::NotPresent => Self::ParticipantNotPresent,
            Refusal::NotWaiting => Self::ParticipantNotWaiting,
            Refusal::UnknownCheckIn => Self::CheckInNotFound,
            Refusal::InCheckIn => Self::InCheckIn,
            Refusal::NoTherapist => Self::NoTherapist,
            Refusal::OtherText => Self::OtherConsentText,
            Refusal::NotOpenYet => Self::SessionNotOpen,
            Refusal::NotAllowed | Refusal::EncryptionRequired | Refusal::Removed | Refusal::Denied => Self::NotAllowed,
            Refusal::Invalid
            | Refusal::UnknownTrack
            | Refusal::Locked
            | Refusal::DuplicateIdentity
            | Refusal::WrongRegion
            | Refusal::NoHandOver => Self::NotPossible,
            Refusal::Limit => Self::LimitReached,
            Refusal::Draining => Self::Draining,
            Refusal::Internal => Self::Internal,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.title())
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = ProblemBody {
            kind: format!("{PREFIX}{}", self.kind.word()),
            title: self.kind.title(),
            status: status.as_u16(),
            field: self.field,
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], json).into_response();
        let headers = response.headers_mut();
        if self.kind == Kind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self.kind);
        response
    }
}
