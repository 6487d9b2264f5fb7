//! Codes: a hand-over ticket for those who type, because the other device has no camera at hand. They live in memory and
//! as long as their ticket; a restart leaves the picture to scan.

use std::sync::{Mutex, MutexGuard, PoisonError};

use parlour_store::SecretHash;

use super::one_each::{OneEach, Seat};
use crate::problem::Kind;
use crate::seal::random;

/// 32 signs, so that a random byte gives one without favour; those that are taken for each other (0 O, 1 I) are not
/// among them.
const SIGNS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// 50 bits. With a thousand codes out, who guesses from a thousand addresses at the rate of strangers
/// (`stranger_requests_per_second`) finds one in about seven years.
const LENGTH: usize = 10;

/// Shown in two halves.
const HALF: usize = LENGTH / 2;

/// The tickets behind those that were given out.
#[derive(Default)]
pub(crate) struct Codes(Mutex<OneEach<String>>);

impl Codes {
    /// A code for this ticket, as it is shown; an earlier one of the same seat is over. `Busy`: there are too many.
    pub(super) fn draw(&self, seat: Seat, ticket: &str, times: (i64, i64)) -> Result<String, Kind> {
        let code: String = random::<LENGTH>()?.iter().map(|byte| char::from(SIGNS[usize::from(byte % 32)])).collect();
        if !self.lock().keep(seat, SecretHash::of(code.as_bytes()), ticket.to_owned(), times) {
            return Err(Kind::Busy);
        }
        let (first, second) = code.split_at(HALF);
        Ok(format!("{first}-{second}"))
    }

    /// Lets go of those that are over: behind each is a ticket with a name in it.
    pub(super) fn forget(&self, now_ms: i64) {
        self.lock().forget(now_ms);
    }

    /// The ticket that somebody means by what they typed. Using it up is the ticket's own matter.
    pub(super) fn ticket(&self, typed: &str, now_ms: i64) -> Option<String> {
        let code = read(typed)?;
        self.lock().find(SecretHash::of(code.as_bytes()), now_ms).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, OneEach<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As people type: in either case, with spaces or dashes where they like them.
fn read(typed: &str) -> Option<String> {
    let signs = typed.chars().filter(|sign| !matches!(sign, ' ' | '-')).map(|sign| sign.to_ascii_uppercase());
    let code: String = signs.take(LENGTH + 1).collect();
    (code.len() == LENGTH && code.bytes().all(|sign| SIGNS.contains(&sign))).then_some(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::one_each::MAX;
    use super::*;

    fn draw(codes: &Codes, identity: &str, ticket: &str, times: (i64, i64)) -> Result<String, Kind> {
        codes.draw(("s".into(), identity.into()), ticket, times)
    }

    #[test]
    fn a_code_is_read_however_it_is_typed_until_it_is_over() {
        let codes = Codes::default();
        let code = draw(&codes, "a", "tk_a", (0, 10)).unwrap();
        let bare = code.replace('-', "");
        for typed in [code.clone(), bare.to_lowercase(), format!(" {} {} ", &bare[..3], &bare[3..])] {
            assert_eq!(codes.ticket(&typed, 9).as_deref(), Some("tk_a"), "{typed}");
        }
        let doubled = bare.repeat(2);
        for other in ["", "tk_a", &bare[1..], doubled.as_str(), "ÄÖÜÄÖ"] {
            assert_eq!(codes.ticket(other, 9), None, "{other}");
        }
        assert_eq!(codes.ticket(&code, 10), None);
    }

    #[test]
    fn nothing_is_held_of_what_is_over() {
        let codes = Codes::default();
        draw(&codes, "a", "tk_a", (0, 10)).unwrap();
        draw(&codes, "b", "tk_b", (0, 11)).unwrap();
        codes.forget(10);
        assert_eq!(["a", "b"].map(|identity| codes.lock().has(&("s".into(), identity.into()))), [false, true]);
    }

    #[test]
    fn a_newer_code_of_the_same_person_is_the_only_one() {
        let codes = Codes::default();
        let first = draw(&codes, "a", "tk_1", (0, 10)).unwrap();
        let other = draw(&codes, "b", "tk_b", (0, 10)).unwrap();
        let second = draw(&codes, "a", "tk_2", (0, 10)).unwrap();
        assert_eq!(codes.ticket(&first, 0), None);
        assert_eq!(codes.ticket(&other, 0).as_deref(), Some("tk_b"));
        assert_eq!(codes.ticket(&second, 0).as_deref(), Some("tk_2"));
    }

    #[test]
    fn at_the_bound_of_codes_the_server_is_busy() {
        let codes = Codes::default();
        for number in 0..MAX {
            draw(&codes, &number.to_string(), "tk", (0, 10)).unwrap();
        }
        assert_eq!(draw(&codes, "late", "tk", (9, 20)), Err(Kind::Busy));
    }
}
