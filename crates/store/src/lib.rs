//! What must outlive the process: sessions, tickets, keys, consents, webhook outbox, audit chain. One SQLite file.
//!
//! What it is not: it holds no media, chat or display names, and no secret in the clear but those with which webhooks
//! are signed. It knows the words of `parlour-model`, not the rules of a session.
//!
//! Everything that changes goes through [`Store::change`]: what belongs together (a command, its audit record, its
//! event in the outbox) is committed together, durably, or not at all. Calls block for a disk write; an async caller
//! gives them to a thread of their own. Times are milliseconds since the Unix epoch and arguments.

mod audit;
mod audit_events;
mod backup;
mod chain;
mod consents;
mod endpoints;
mod error;
mod hash;
mod idempotency;
mod keys;
mod outbox;
mod retention;
mod schema;
mod sessions;
mod store;
mod tickets;
mod webhook_form;

pub use audit::{Action, AuditEntry, AuditRecord, Subject};
pub use chain::{Break, Chain, ChainHash};
pub use consents::Consent;
pub use endpoints::{Endpoint, NewEndpoint, OldSecret};
pub use error::{StoreError, Unavailable};
pub use hash::{PseudonymKey, SecretHash, hex, sha256};
pub use idempotency::{Claim, SavedResponse};
pub use keys::{ApiKey, NewApiKey};
pub use outbox::{Delivery, StoredEvent, Wait};
pub use retention::{Purged, Retention};
pub use sessions::{BackupPlan, NewSession, SessionEdit, SessionRow, SessionSpec};
pub use store::{Change, LogSync, Store};
pub use tickets::{NewTicket, Ticket, TicketRefusal};
pub use webhook_form::WebhookForm;
