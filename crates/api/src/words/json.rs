//! JSON bodies into typed values, or a problem that names our field and echoes nothing.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Strict;
use crate::problem::{Kind, Problem};

/// Parses a whole body.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Kind::InvalidUtf8)?;
    let mut parser = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize(&mut parser) {
        Ok(Strict(value)) => parser.end().map(|()| value).map_err(|_| Kind::InvalidJson.into()),
        Err(error) if error.inner().to_string().contains(FLOAT) => with_whole_numbers(text),
        Err(error) => Err(judge(error.inner(), error.path().to_string())),
    }
}

/// In the parser's words.
const FLOAT: &str = "floating point";

/// Parses once more with `50.0` as 50: for JSON both are the same integer, and some languages write it so.
fn with_whole_numbers<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let mut value: Value = serde_json::from_str(text).map_err(|_| Kind::InvalidJson)?;
    make_whole(&mut value);
    let read = serde_path_to_error::deserialize(value);
    read.map(|Strict(value)| value).map_err(|error| judge(error.inner(), error.path().to_string()))
}

/// The parser bounds how deep it goes.
fn make_whole(value: &mut Value) {
    /// Whole numbers beyond this are not told apart by a double (RFC 7493 section 2.2).
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT);
            if let Some(float) = whole {
                *number = (float as i64).into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_whole),
        Value::Object(fields) => fields.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// What is wrong, from the parser's words; its words themselves hold input and go no further.
fn judge(error: &serde_json::Error, path: String) -> Problem {
    let words = error.to_string();
    let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| words.starts_with(beginning));
    if begins(&[
        "number out of range",
        "invalid value: integer",
        "invalid value: floating point",
        "invalid type: floating point",
    ]) {
        return Problem::from(Kind::OutOfRange).at(path);
    }
    if !error.is_data() {
        return Kind::InvalidJson.into();
    }
    // The path of an unknown field ends in its name, which is input.
    if begins(&["unknown field"]) {
        return Kind::UnknownField.into();
    }
    if begins(&["missing field"]) {
        return Problem::from(Kind::MissingField).at(path);
    }
    if begins(&["out of range"]) {
        return Problem::from(Kind::OutOfRange).at(path);
    }
    Problem::from(Kind::InvalidValue).at(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Example {
        number: u32,
        #[serde(default)]
        inner: Option<Box<Example>>,
    }

    fn kind(body: &[u8]) -> (Kind, Option<String>) {
        let problem = from_json::<Example>(body).unwrap_err();
        let body = format!("{problem:?}");
        let field = body.split("field: Some(\"").nth(1).and_then(|rest| rest.split('"').next());
        (problem.kind(), field.map(str::to_owned))
    }

    #[test]
    fn what_is_wrong_with_a_body_has_a_kind_of_its_own_and_our_field() {
        let at = |field: &str| Some(field.to_owned());
        assert_eq!(kind(b"{"), (Kind::InvalidJson, None));
        assert_eq!(kind(b"{} {}").0, Kind::MissingField);
        assert_eq!(kind(b"{\"number\":1} x"), (Kind::InvalidJson, None));
        assert_eq!(kind(b"\xff"), (Kind::InvalidUtf8, None));
        assert_eq!(kind(b"{\"number\":1,\"SECRET\":2}"), (Kind::UnknownField, None));
        assert_eq!(kind(b"{\"number\":-1}"), (Kind::OutOfRange, at("number")));
        assert_eq!(kind(b"{\"number\":1e400}").0, Kind::OutOfRange);
        assert_eq!(kind(b"{\"number\":99999999999999999999999}"), (Kind::OutOfRange, at("number")));
        assert_eq!(kind(b"[1]").0, Kind::InvalidValue);
        assert_eq!(kind(b"{\"number\":\"SECRET\"}"), (Kind::InvalidValue, at("number")));
        assert_eq!(kind(b"{\"number\":1,\"inner\":{\"number\":true}}"), (Kind::InvalidValue, at("inner.number")));
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point_and_no_other_may() {
        let read = |body: &str| from_json::<Example>(body.as_bytes()).map(|example| example.number);
        assert_eq!(read("{\"number\":50.0}").unwrap(), 50);
        assert_eq!(read("{\"number\":5e1,\"inner\":{\"number\":-0.0}}").unwrap(), 50);
        for wrong in ["50.5", "-1.0", "1e300", "9007199254740993.0"] {
            let body = format!("{{\"number\":{wrong}}}");
            assert_eq!(kind(body.as_bytes()), (Kind::OutOfRange, Some("number".to_owned())), "{wrong}");
        }
        assert_eq!(kind(b"{\"number\":1.0,\"SECRET\":2}"), (Kind::UnknownField, None));
        assert_eq!(kind(b"{\"number\":1.0} x").0, Kind::InvalidJson);
    }
}
