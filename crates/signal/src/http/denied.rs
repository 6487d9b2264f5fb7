//! Why a connection is refused, in the statuses and words that SDKs act on.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parlour_model::Refusal;

use crate::joinrequest::JoinRequestError;
use crate::metrics::Drop as Reason;
use crate::token::TokenError;

/// Why a connection is refused.
#[derive(Debug)]
pub(super) enum Denied {
    Token(TokenError),
    Request(JoinRequestError),
    Query,
    NotAnUpgrade,
    Limited(Reason),
    Refused(Refusal),
}

impl Denied {
    fn status(&self) -> StatusCode {
        match self {
            Self::Token(error) if error.is_permission() => StatusCode::FORBIDDEN,
            Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::Request(JoinRequestError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Request(_) | Self::Query => StatusCode::BAD_REQUEST,
            Self::NotAnUpgrade => StatusCode::UPGRADE_REQUIRED,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(refusal) => refusal_status(*refusal),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Token(error) => error.to_string(),
            Self::Request(error) => error.to_string(),
            Self::Query => "the query is not valid".to_owned(),
            Self::NotAnUpgrade => "a WebSocket upgrade was expected".to_owned(),
            Self::Limited(_) => "too many connections".to_owned(),
            // JS takes a 404 for a server without v1, unless it says exactly this.
            Self::Refused(Refusal::UnknownSession) => "requested room does not exist".to_owned(),
            Self::Refused(refusal) => refusal.to_string(),
        }
    }

    /// For metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Token(error) => error.as_str(),
            Self::Request(_) => "bad_join_request",
            Self::Query => "bad_query",
            Self::NotAnUpgrade => "not_an_upgrade",
            Self::Limited(_) => "limited",
            Self::Refused(refusal) => refusal_word(*refusal),
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        (self.status(), cors(), self.text()).into_response()
    }
}

/// 403 tells an SDK to give up, 5xx and 429 to try again later.
fn refusal_status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::UnknownSession | Refusal::UnknownParticipant | Refusal::UnknownTrack | Refusal::UnknownCheckIn => {
            StatusCode::NOT_FOUND
        }
        Refusal::Ended
        | Refusal::Full
        | Refusal::Locked
        | Refusal::DuplicateIdentity
        | Refusal::Removed
        | Refusal::NotAllowed
        | Refusal::EncryptionRequired
        | Refusal::NotOpenYet
        | Refusal::WrongRegion
        | Refusal::Denied
        | Refusal::NoHandOver
        | Refusal::NotPresent
        | Refusal::NotWaiting
        | Refusal::OtherText
        | Refusal::InCheckIn
        | Refusal::NoTherapist => StatusCode::FORBIDDEN,
        Refusal::Invalid => StatusCode::BAD_REQUEST,
        Refusal::Limit | Refusal::Draining => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn refusal_word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::UnknownSession => "unknown_session",
        Refusal::UnknownParticipant => "unknown_participant",
        Refusal::UnknownTrack => "unknown_track",
        Refusal::Ended => "ended",
        Refusal::Full => "full",
        Refusal::Locked => "locked",
        Refusal::DuplicateIdentity => "duplicate_identity",
        Refusal::Removed => "removed",
        Refusal::NotAllowed => "not_allowed",
        Refusal::Limit => "limit",
        Refusal::Invalid => "invalid",
        Refusal::Draining => "draining",
        Refusal::EncryptionRequired => "encryption_required",
        Refusal::Internal => "internal",
        Refusal::NotOpenYet => "not_open_yet",
        Refusal::WrongRegion => "wrong_region",
        Refusal::Denied => "denied",
        Refusal::NoHandOver => "no_hand_over",
        Refusal::NotPresent => "not_present",
        Refusal::NotWaiting => "not_waiting",
        Refusal::OtherText => "other_text",
        Refusal::UnknownCheckIn => "unknown_check_in",
        Refusal::InCheckIn => "in_check_in",
        Refusal::NoTherapist => "no_therapist",
    }
}

/// Pages of any origin may read the answer: it says nothing to a stranger.
pub(super) fn cors() -> [(HeaderName, HeaderValue); 1] {
    [(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))]
}
