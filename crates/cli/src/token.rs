//! `parlour token create`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parlour_model::{Identity, Role, SessionId};
use parlour_signal::{Claims, mint};

use crate::args::TokenArgs;
use crate::config::Config;

/// Prints a token.
pub(crate) fn create(args: &TokenArgs, config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let key = args.key.as_deref().unwrap_or(&config.signing_key);
    let person =
        Person { identity: &args.identity, role: args.role.into(), name: args.name.as_deref().unwrap_or_default() };
    println!("{}", sign(config, key, &args.session, &person, args.valid_for)?);
    Ok(())
}

/// Whom a token is for.
pub(crate) struct Person<'a> {
    pub(crate) identity: &'a str,
    pub(crate) role: Role,
    pub(crate) name: &'a str,
}

/// A signed token with which `person` joins `session`.
pub(crate) fn sign(
    config: &Config,
    key: &str,
    session: &str,
    person: &Person<'_>,
    valid_for: Duration,
) -> Result<String, Box<dyn std::error::Error>> {
    let expires = (SystemTime::now().duration_since(UNIX_EPOCH)? + valid_for).as_secs();
    let mut claims =
        Claims::join(key, &SessionId::from(session), &Identity::from(person.identity), person.role, expires);
    person.name.clone_into(&mut claims.name);
    // What the server would refuse is refused here, where it can be mended.
    claims.bearer()?;
    Ok(mint(&claims, &config.signal.keys)?)
}
