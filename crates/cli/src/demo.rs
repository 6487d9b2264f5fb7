//! The first thing a newcomer sees: three links into one couples session.

use std::time::Duration;

use parlour_model::Role;

use crate::config::Config;
use crate::token::{Person, sign};

/// How long the links work.
const VALID_FOR: Duration = Duration::from_secs(12 * 3_600);

/// The session the links lead to.
const SESSION: &str = "couples-session";

/// Prints a join link for the therapist and each partner. The token is in the fragment, which browsers keep to
/// themselves.
pub(crate) fn print_links(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let base = config.link_base();
    println!("\nA couples session is ready. Open each link in a tab of its own:\n");
    for (label, identity, role, name) in [
        ("Therapist", "therapist", Role::Therapist, "Dr. Sanders"),
        ("Partner A", "partner-a", Role::Client, "Alex"),
        ("Partner B", "partner-b", Role::Client, "Robin"),
    ] {
        let token = sign(config, &config.signing_key, SESSION, &Person { identity, role, name }, VALID_FOR)?;
        println!("  {label}:\n  {base}/join#token={token}\n");
    }
    println!("Ctrl-C ends it.");
    Ok(())
}
