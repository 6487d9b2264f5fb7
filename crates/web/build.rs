//! Tells cargo to embed the page anew when npm has built it. The page is not built here: a server developer needs no
//! npm, and a build without the page serves a note that says how to get it.

fn main() {
    println!("cargo:rerun-if-changed=client/dist");
    println!("cargo:rerun-if-changed=src/unbuilt.html");
}
