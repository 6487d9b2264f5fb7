//! What an operator does with the store: keys, the audit log, retention, backups. Each works on the file itself, also
//! while the server runs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parlour_api::{KeyRequest, Scope, create_key, revoke_key, rotate_key};
use parlour_store::{Break, Store, Subject};

use crate::args::{AuditCommand, BackupArgs, KeyArgs, KeyCommand};
use crate::config::Config;

type Failure = Box<dyn std::error::Error>;

/// `parlour key …`.
pub(crate) fn key(command: &KeyCommand, config: &Config) -> Result<(), Failure> {
    let mut store = Store::open(config.store.file()?)?;
    match command {
        KeyCommand::Create(args) => {
            let request = request(args)?;
            println!("{}", store.change(|change| create_key(change, &request, Subject::system()))?);
        }
        KeyCommand::List(_) => list(&store)?,
        KeyCommand::Rotate(args) => {
            let keys = store.keys()?;
            println!("{}", store.change(|change| rotate_key(change, &keys, &args.id, Subject::system()))?);
        }
        KeyCommand::Revoke(args) => {
            store.change(|change| revoke_key(change, &args.id, Subject::system()))?;
            println!("revoked");
        }
    }
    Ok(())
}

fn request(args: &KeyArgs) -> Result<KeyRequest, Failure> {
    let scopes = if args.scopes.iter().any(|word| word == "all") {
        Scope::ALL.to_vec()
    } else {
        let known = || Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
        let parse = |word: &String| Scope::parse(word.trim()).ok_or_else(|| format!("{word} is none of {}", known()));
        args.scopes.iter().map(parse).collect::<Result<_, _>>()?
    };
    let expires_at_ms = args.valid_for.map(|valid| now_ms().saturating_add(millis(valid)));
    Ok(KeyRequest { label: args.label.clone(), scopes, expires_at_ms })
}

fn list(store: &Store) -> Result<(), Failure> {
    let now = now_ms();
    for key in store.keys()? {
        let state = match (key.revoked_at_ms, key.expires_at_ms) {
            (Some(_), _) => "revoked".to_owned(),
            (None, Some(at)) if at <= now => "expired".to_owned(),
            (None, Some(at)) => format!("{} days left", (at - now) / 86_400_000),
            (None, None) => "no end".to_owned(),
        };
        println!("{}  {state:<14}  {}  {}", key.id, key.scopes.join(","), key.label);
    }
    Ok(())
}

/// `parlour audit …`.
pub(crate) fn audit(command: &AuditCommand, config: &Config) -> Result<(), Failure> {
    let AuditCommand::Verify(_) = command;
    let chain = Store::open_read_only(config.store.file()?)?.verify_audit()?;
    println!("{} records, head {} {}", chain.records, chain.head_seq, chain.head);
    match chain.broken {
        None => {
            println!("whole");
            Ok(())
        }
        Some(Break::Missing(seq)) => Err(format!("not whole: record {seq} is missing").into()),
        Some(Break::Altered(seq)) => Err(format!("not whole: record {seq} is not what was written").into()),
        Some(Break::Tail(seq)) => Err(format!("not whole: what followed record {seq} was cut off or put on").into()),
    }
}

/// `parlour purge`.
pub(crate) fn purge(config: &Config) -> Result<(), Failure> {
    let purged = Store::open(config.store.file()?)?.purge(&config.api.retention, now_ms())?;
    println!(
        "taken away: {} sessions, {} tickets, {} consents, {} events, {} audit records",
        purged.sessions, purged.tickets, purged.consents, purged.events, purged.audit
    );
    Ok(())
}

/// `parlour backup`.
pub(crate) fn backup(args: &BackupArgs, config: &Config) -> Result<(), Failure> {
    Store::open_read_only(config.store.file()?)?.back_up(&args.to)?;
    println!("copied to {}", args.to.display());
    Ok(())
}

fn now_ms() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
