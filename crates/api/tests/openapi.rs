//! The committed OpenAPI document is the one the code makes. `PARLOUR_WRITE_OPENAPI=1 cargo test -p parlour-api` writes it
//! anew.

#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_committed_document_is_made_by_this_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let made = parlour_api::openapi_document();
    if std::env::var_os("PARLOUR_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let committed: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(committed == made, "docs/openapi.json is not what the code makes: see the head of this test");
}

#[test]
fn the_document_page_and_problem_list_know_every_problem() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md")).unwrap();
    for kind in parlour_api::problem::Kind::ALL {
        assert!(text.contains(&format!("`{}`", kind.word())), "docs/api.md does not list {}", kind.word());
    }
}
