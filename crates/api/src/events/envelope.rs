//! An event as it is given out: what, when, of which session, and where it stands among all.

use parlour_store::StoredEvent;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::words::cursor;

/// Something that happened.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct Envelope {
    /// Where it stands among all events; to go on after it.
    pub(crate) id: String,
    /// What happened, see the list of events.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// When (RFC 3339, UTC).
    pub(crate) timestamp: String,
    /// What it is about. No names.
    pub(crate) data: Facts,
}

/// What an event is about.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventData")]
pub(crate) struct Facts {
    /// Which session.
    pub(crate) session: String,
    /// 1, 2, 3 … within the session, without a gap.
    pub(crate) seq: i64,
    /// More, by the type.
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

impl From<&StoredEvent> for Envelope {
    fn from(event: &StoredEvent) -> Self {
        Self {
            id: cursor(event.number),
            kind: event.kind.clone(),
            timestamp: rfc3339(event.at_ms),
            data: Facts {
                session: event.session.as_str().to_owned(),
                seq: event.seq,
                // Written by us, as an object.
                rest: serde_json::from_str(&event.body).unwrap_or_default(),
            },
        }
    }
}

/// Milliseconds since the Unix epoch as RFC 3339, UTC.
fn rfc3339(ms: i64) -> String {
    let (days, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (seconds, millis) = (in_day / 1_000, in_day % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The date of a day counted from 1970-01-01 (proleptic Gregorian). Years begin in March here, so that the day that is
/// sometimes missing is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_735_689_600_001, "2025-01-01T00:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }

    #[test]
    fn an_envelope_has_all_facts_at_one_level() {
        let event = StoredEvent {
            number: 37,
            session: "s".into(),
            seq: 2,
            kind: "participant.joined".into(),
            body: r#"{"identity":"ada"}"#.into(),
            at_ms: 0,
        };
        let json = serde_json::json!(Envelope::from(&event));
        let data = serde_json::json!({ "session": "s", "seq": 2, "identity": "ada" });
        assert_eq!((&json["id"], &json["type"], &json["data"]), (&"c11".into(), &"participant.joined".into(), &data));
    }
}
