//! Who accepted which version of which text.

use axum::extract::State;
use parlour_model::SessionId;
use parlour_model::session::{ConsentText, SessionCommand};
use parlour_store::hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::commands::{self, Asked, REFUSALS};
use crate::gate::Arrived;
use crate::operation::{Operation, Seats, get, post};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::sessions::length;
use crate::state::ApiState;
use crate::words::{At, Body};

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    let path = "/v1/sessions/{session}/consents";
    vec![
        post(path, "acceptConsent", "Accept the session's text oneself, exactly this version.", accept)
            .tag("consents")
            .own(Seats::Everyone)
            .takes::<AcceptWords>()
            .gives_nothing()
            .refuses(REFUSALS)
            .refuses(&[Kind::OtherConsentText]),
        get(path, "listConsents", "List who accepted what, and when.", list)
            .tag("consents")
            .seat(Scope::SessionsRead, Seats::Therapists)
            .gives::<ConsentsBody>(200),
    ]
}

/// The version that is accepted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AcceptedText")]
struct AcceptWords {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    id: String,
    /// SHA-256 of the text that was shown, in hexadecimal.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    sha256: String,
}

async fn accept(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
    Body(words): Body<AcceptWords>,
) -> Result<Reply, Problem> {
    length(&words.id, 1, 128, "id")?;
    let sha256 = parse_sha256(&words.sha256).ok_or_else(|| Problem::from(Kind::InvalidValue).at("sha256"))?;
    let command = SessionCommand::AcceptConsent(ConsentText { id: words.id, sha256 });
    Ok(commands::ask(&api, &session, Asked::by(&caller, command, "accept_consent"), arrived).await?.reply)
}

fn parse_sha256(digits: &str) -> Option<[u8; 32]> {
    let digits = digits.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let [high, low] = pair else { return None };
        *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    }
    Some(bytes)
}

/// Who accepted what.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Consents")]
struct ConsentsBody {
    consents: Vec<ConsentBody>,
}

/// One acceptance.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AcceptedConsent")]
struct ConsentBody {
    identity: String,
    id: String,
    sha256: String,
    /// When first, milliseconds since the Unix epoch.
    accepted_at_ms: i64,
}

async fn list(State(api): State<ApiState>, At(session): At<SessionId>) -> Result<Reply, Problem> {
    let kept = api.ledger.list(move |store| store.consents(&session)).await?;
    let consents = kept.into_iter().map(|consent| ConsentBody {
        identity: consent.identity.into(),
        id: consent.text.id,
        sha256: hex(&consent.text.sha256),
        accepted_at_ms: consent.accepted_at_ms,
    });
    Ok(Reply::ok(&ConsentsBody { consents: consents.collect() })?)
}
