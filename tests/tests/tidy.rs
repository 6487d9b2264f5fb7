//! The order of the house, checked: the crate graph is the one ARCHITECTURE.md states, pure crates are pure, files say
//! what they are and keep a readable length, and nothing names a machine.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates whose only inputs are arguments.
const PURE: [&str; 8] = ["model", "rtp", "session", "estimator", "media", "peer", "linetest", "shard"];

/// What a pure crate may not lean on, whatever the table allows.
const IMPURE_DEPENDENCIES: [&str; 10] =
    ["tokio", "mio", "axum", "hyper", "quinn-udp", "socket2", "reqwest", "rusqlite", "async-nats", "prometheus"];

/// What a pure crate's `clippy.toml` bans at least.
const BANNED_IN_PURE: [&str; 6] = [
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::thread::spawn",
    "std::net::UdpSocket::bind",
    "std::collections::HashMap::iter",
    "std::collections::HashMap::values",
];

/// Longer files have lost their one subject.
const LINES_MAX: usize = 700;

/// Files of about this length are what the house aims at; the report names longer ones.
const LINES_AIM: usize = 300;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file of the project, without what is built, fetched or ignored.
fn files() -> Vec<PathBuf> {
    const SKIPPED: [&str; 9] =
        ["target", "node_modules", ".git", ".tools", "dist", ".venv", "artifacts", "corpus", "__pycache__"];
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_symlink() || SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| (path.strip_prefix(root()).unwrap().to_owned(), fs::read_to_string(&path).unwrap())).collect()
}

/// Normal dependencies of each of our crates, by name without prefix; (ours, foreign).
fn dependencies() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut graph = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let Some(name) = package["name"].as_str().unwrap().strip_prefix("parlour-") else { continue };
        let (mut ours, mut foreign) = (BTreeSet::new(), BTreeSet::new());
        // Kind `null` is a normal dependency.
        for dependency in package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null()) {
            let dependency = dependency["name"].as_str().unwrap();
            match dependency.strip_prefix("parlour-") {
                Some(own) => ours.insert(own.to_owned()),
                None => foreign.insert(dependency.to_owned()),
            };
        }
        graph.insert(name.to_owned(), (ours, foreign));
    }
    graph
}

/// The table of ARCHITECTURE.md whose head is `| crate | may depend on |`: names in backticks.
fn stated_graph() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md states the crate graph");
    let rows = text.lines().skip_while(|line| !line.starts_with("| crate | may depend on |")).skip(2);
    let graph: BTreeMap<_, _> = rows
        .take_while(|line| line.starts_with('|'))
        .filter_map(|row| {
            let mut cells = row.trim_matches('|').split('|');
            let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
            let name = names(cells.next()?).pop()?;
            Some((name, names(cells.next()?).into_iter().collect()))
        })
        .collect();
    assert!(!graph.is_empty(), "ARCHITECTURE.md has no table `| crate | may depend on |`");
    graph
}

#[test]
fn the_crate_graph_is_the_one_stated() {
    let stated = stated_graph();
    let mut wrong = Vec::new();
    for (name, (ours, _)) in dependencies() {
        match stated.get(&name) {
            None => wrong.push(format!("`{name}` has no row")),
            Some(allowed) => {
                wrong.extend(ours.difference(allowed).map(|other| format!("`{name}` depends on `{other}`")));
                wrong.extend(allowed.difference(&ours).map(|other| format!("`{name}` no longer depends on `{other}`")));
            }
        }
    }
    assert!(wrong.is_empty(), "ARCHITECTURE.md and Cargo.toml differ:\n  {}", wrong.join("\n  "));
}

#[test]
fn pure_crates_depend_on_nothing_that_does_io() {
    let graph = dependencies();
    for name in PURE {
        let (ours, foreign) = &graph[name];
        let impure: Vec<_> = foreign.iter().filter(|other| IMPURE_DEPENDENCIES.contains(&other.as_str())).collect();
        assert!(impure.is_empty(), "`{name}` depends on {impure:?}");
        let shells: Vec<_> = ours.iter().filter(|other| !PURE.contains(&other.as_str())).collect();
        assert!(shells.is_empty(), "`{name}` depends on {shells:?}");
    }
}

#[test]
fn pure_crates_ban_clocks_sockets_threads_and_hash_order() {
    for name in PURE {
        let path = root().join("crates").join(name).join("clippy.toml");
        let bans = fs::read_to_string(&path).unwrap_or_default();
        for banned in BANNED_IN_PURE {
            assert!(bans.contains(&format!("\"{banned}\"")), "{} does not ban {banned}", path.display());
        }
    }
}

/// Tests that stand beside their subject are named for it.
fn is_beside_its_subject(path: &Path) -> bool {
    let file = path.file_stem().unwrap().to_string_lossy();
    file.ends_with("tests") || path.parent().is_some_and(|folder| folder.components().any(|c| c.as_os_str() == "tests"))
}

#[test]
fn every_source_file_begins_by_saying_what_it_is() {
    let files = rust_files().into_iter().filter(|(path, _)| !is_beside_its_subject(path));
    let silent: Vec<_> = files.filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "no `//!` first: {silent:#?}");
}

#[test]
fn source_files_keep_a_readable_length() {
    let mut lengths: Vec<_> = rust_files().into_iter().map(|(path, text)| (text.lines().count(), path)).collect();
    lengths.sort();
    let long: Vec<_> = lengths.iter().rev().filter(|(lines, _)| *lines > LINES_AIM).collect();
    eprintln!("{} of {} Rust files are longer than {LINES_AIM} lines:", long.len(), lengths.len());
    long.iter().for_each(|(lines, path)| eprintln!("{lines:6} {}", path.display()));
    let (longest, path) = lengths.last().unwrap();
    assert!(*longest <= LINES_MAX, "{} has {longest} lines", path.display());
}

#[test]
fn nothing_names_a_machine_or_leaves_a_note_to_self() {
    // Put together here, or this file would find itself.
    let forbidden = [
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["/ho", "me/"],
        ["/tmp/", "briefs"],
        ["FIX", "ME"],
        ["TO", "DO"],
        ["XX", "X:"],
    ]
    .map(|parts| parts.concat());
    let readable = ["rs", "toml", "md", "js", "mjs", "ts", "py", "sh", "html", "css", "yml", "yaml", "json", "service"];
    let mut found = Vec::new();
    for path in files() {
        let extension = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
        let locked = path.file_name().is_some_and(|name| name == "package-lock.json");
        if locked || !readable.contains(&extension.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = forbidden.iter().find(|word| line.contains(word.as_str())) {
                found.push(format!("{}:{}: {word}", path.strip_prefix(root()).unwrap().display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn utility_drawers_do_not_exist() {
    let drawers = ["utils.rs", "util.rs", "helpers.rs", "helper.rs", "common.rs", "misc.rs", "manager.rs"];
    let found: Vec<_> =
        files().into_iter().filter(|path| path.file_name().is_some_and(|n| drawers.iter().any(|d| n == *d))).collect();
    assert!(found.is_empty(), "{found:#?}");
}
