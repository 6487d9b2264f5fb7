//! Twirp's errors: a word, an HTTP status that belongs to it, and a text that echoes nothing.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parlour_model::Refusal;

use crate::token::TokenError;

/// The words of Twirp that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument,
    Malformed,
    NotFound,
    BadRoute,
    PermissionDenied,
    Unauthenticated,
    ResourceExhausted,
    AlreadyExists,
    FailedPrecondition,
    Aborted,
    Unimplemented,
    Internal,
    Unavailable,
}

impl Code {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::Malformed => "malformed",
            Self::NotFound => "not_found",
            Self::BadRoute => "bad_route",
            Self::PermissionDenied => "permission_denied",
            Self::Unauthenticated => "unauthenticated",
            Self::ResourceExhausted => "resource_exhausted",
            Self::AlreadyExists => "already_exists",
            Self::FailedPrecondition => "failed_precondition",
            Self::Aborted => "aborted",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidArgument | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NotFound | Self::BadRoute => StatusCode::NOT_FOUND,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::AlreadyExists | Self::Aborted => StatusCode::CONFLICT,
            Self::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Why something was not done.
#[derive(Debug)]
pub(super) struct TwirpError {
    pub(super) code: Code,
    message: String,
}

impl TwirpError {
    fn new(code: Code, message: &str) -> Self {
        Self { code, message: message.to_owned() }
    }

    pub(super) fn invalid(message: &str) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(super) fn malformed(message: &str) -> Self {
        Self::new(Code::Malformed, message)
    }

    pub(super) fn bad_route(message: &str) -> Self {
        Self::new(Code::BadRoute, message)
    }

    pub(super) fn not_permitted(message: &str) -> Self {
        Self::new(Code::PermissionDenied, message)
    }

    pub(super) fn limited(message: &str) -> Self {
        Self::new(Code::ResourceExhausted, message)
    }

    pub(super) fn precondition(message: &str) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    pub(super) fn aborted(message: &str) -> Self {
        Self::new(Code::Aborted, message)
    }

    pub(super) fn unimplemented(message: &str) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    pub(super) fn unavailable(message: &str) -> Self {
        Self::new(Code::Unavailable, message)
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.code == Code::NotFound
    }

    pub(super) fn internal() -> Self {
        Refusal::Internal.into()
    }
}

impl From<Refusal> for TwirpError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::UnknownSession | Refusal::UnknownParticipant | Refusal::UnknownTrack => Code::NotFound,
            Refusal::NotAllowed => Code::PermissionDenied,
            Refusal::Full | Refusal::Limit => Code::ResourceExhausted,
            Refusal::DuplicateIdentity => Code::AlreadyExists,
            Refusal::Invalid => Code::InvalidArgument,
            Refusal::Draining => Code::Unavailable,
            Refusal::Internal => Code::Internal,
            // The session's state or rules stand against it.
            _ => Code::FailedPrecondition,
        };
        Self { code, message: refusal.to_string() }
    }
}

impl From<TokenError> for TwirpError {
    fn from(error: TokenError) -> Self {
        let code = if error.is_permission() { Code::PermissionDenied } else { Code::Unauthenticated };
        Self { code, message: error.to_string() }
    }
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "code": self.code.as_str(), "msg": self.message });
        (self.code.status(), Json(body)).into_response()
    }
}
