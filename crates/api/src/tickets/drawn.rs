//! A ticket as it stands in a link: a secret drawn at random, and behind it, sealed under the server's key, the name that
//! others will see.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parlour_store::SecretHash;

use crate::problem::Kind;
use crate::seal::{Purpose, Sealer, random};

/// What tickets begin with.
const PREFIX: &str = "tk_";

/// Random bytes of a ticket.
const SECRET: usize = 32;

/// Longest name in a ticket, in bytes.
pub(super) const MAX_DISPLAY_NAME: usize = 128;

/// Longer than any ticket of ours.
pub(super) const MAX_TICKET: usize = 512;

/// A ticket as it stands in a link.
pub(super) struct DrawnTicket {
    pub(super) text: String,
    pub(super) hash: SecretHash,
}

impl DrawnTicket {
    pub(super) fn new(name: &str, sealer: &Sealer) -> Result<Self, Kind> {
        let secret = random::<SECRET>()?;
        let sealed = if name.is_empty() { Vec::new() } else { sealer.seal(Purpose::TicketName, name.as_bytes())? };
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([secret.as_slice(), &sealed].concat()));
        Ok(Self { hash: SecretHash::of(text.as_bytes()), text })
    }

    /// The name in a ticket; empty if there is none, or another server sealed it.
    pub(super) fn name(text: &str, sealer: &Sealer) -> String {
        let opened = || {
            let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
            let plain = sealer.open(Purpose::TicketName, bytes.get(SECRET..)?)?;
            String::from_utf8(plain).ok()
        };
        opened().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_name_in_a_ticket_is_read_by_its_server_only() {
        let sealer = Sealer::new(b"secret");
        let ticket = DrawnTicket::new("Alex Å", &sealer).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(ticket.text.strip_prefix(PREFIX).unwrap()).unwrap();
        assert!(!bytes.windows(4).any(|part| part == b"Alex"));
        assert_eq!(DrawnTicket::name(&ticket.text, &sealer), "Alex Å");
        assert_eq!(DrawnTicket::name(&ticket.text, &Sealer::new(b"other")), "");
        for wrong in ["", "tk_", "tk_!!", "xx", &"tk_A".repeat(100)] {
            assert_eq!(DrawnTicket::name(wrong, &sealer), "");
        }
    }

    #[test]
    fn the_longest_name_fits_into_a_ticket_that_is_taken() {
        let ticket = DrawnTicket::new(&"n".repeat(MAX_DISPLAY_NAME * 2), &Sealer::new(b"secret")).unwrap();
        assert!(ticket.text.len() <= MAX_TICKET);
    }
}
