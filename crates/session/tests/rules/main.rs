//! The rules of a therapy session: each by an example, and all of them under random inputs.

#![allow(clippy::unwrap_used)]

mod arriving;
mod bounds;
mod lasting;
mod leading;
mod properties;
mod stage;
mod views;
