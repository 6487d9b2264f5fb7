#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use super::*;

const KEY: &str = "[keys.test]\nsecret = \"0123456789abcdef0123456789abcdef\"\n";

fn parse(text: &str) -> Result<Config, String> {
    let raw = toml::from_str(&format!("{text}\n{KEY}")).map_err(|error| error.to_string())?;
    Config::from_raw(raw, Path::new(".")).and_then(Config::for_serving).map_err(|error| error.to_string())
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name)
}

#[test]
fn the_shipped_files_are_valid() {
    for name in ["development.toml", "clinic.example.toml"] {
        let text = std::fs::read_to_string(shipped(name)).unwrap();
        let raw: RawConfig = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        engine(&raw).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_reference_file_states_the_defaults() {
    let text = std::fs::read_to_string(shipped("parlour.toml")).unwrap();
    let written: toml::Table = toml::from_str(&text).unwrap();
    let stated = parse(&text).unwrap();
    let default = parse("").unwrap();
    assert_eq!(stated.summary(), default.summary());
    assert_eq!(stated.engine.session.policy, default.engine.session.policy);
    assert_eq!(stated.engine.media.budget, default.engine.media.budget);
    assert_eq!(stated.log.filter, default.log.filter);
    assert_eq!(format!("{:?}{:?}", stated.store, stated.api), format!("{:?}{:?}", default.store, default.api));
    for section in ["http", "media", "sessions", "store", "retention", "api", "webhooks", "limits", "shutdown", "log"] {
        assert!(written.contains_key(section), "{section} is not explained");
    }
}

#[test]
fn wrong_values_are_named_by_their_key() {
    for (text, key) in [
        ("[media]\nworkers = 0", "media.workers"),
        ("[media]\naddresses = []", "media.addresses"),
        ("[media]\naddresses = [\"10.0.0.1\", \"10.0.0.2\"]", "media.addresses"),
        ("[media]\nreceiver_budget_kbps = 10", "media.receiver_budget_kbps"),
        ("[media]\nfirst_port = 65535\nworkers = 2", "media.first_port"),
        ("[sessions]\nmax_participants = 13", "sessions.max_participants"),
        ("[sessions]\nresume_seconds = 0", "sessions.resume_seconds"),
        ("[retention]\naudit_days = 0", "retention"),
        ("[api]\ntoken_hours = 0", "api.token_hours"),
        ("[api]\nseat_requests_per_second = -1.0", "api"),
        ("[limits]\nattempts_per_second = 0.0", "limits"),
        ("[media]\nworkerz = 1", "workerz"),
        ("[http]\nlisten = \"everywhere\"", "listen"),
        ("[http]\nquick_exit_url = \"/somewhere\"", "http.quick_exit_url"),
        ("[http]\nquick_exit_url = \"javascript:alert(1)\"", "http.quick_exit_url"),
        ("[http]\nquick_exit_url = \"https://a.example/\\r\\nset-cookie: a=b\"", "http.quick_exit_url"),
    ] {
        let error = parse(text).err().unwrap_or_else(|| panic!("{text} was taken"));
        assert!(error.contains(key), "{text}: {error}");
    }
}

#[test]
fn a_short_secret_is_refused_and_not_shown() {
    let raw = toml::from_str("[keys.weak]\nsecret = \"hunter2\"").unwrap();
    let error = Config::from_raw(raw, Path::new(".")).err().unwrap().to_string();
    assert!(error.contains("weak") && !error.contains("hunter2"), "{error}");
}
