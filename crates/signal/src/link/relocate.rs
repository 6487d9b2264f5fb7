//! Sending a client to another session of this server.
//!
//! Two sessions share nothing, least of all a worker and its media port, so a client comes in there as it would come
//! in anywhere: with a token for the other session and the advice to reconnect. Its application sees a reconnect after
//! which the room has another name.

use livekit_protocol::DisconnectReason;
use livekit_protocol::leave_request::Action as Advice;
use livekit_protocol::signal_response::Message as Response;
use parlour_model::{Grants, SessionId};
use tokio::sync::oneshot;

use super::{Flow, Link};
use crate::translate::leave;

/// An order to send a client elsewhere.
pub(crate) struct Relocation {
    pub(crate) to: SessionId,
    /// What it may do here is the most it may do there.
    pub(crate) grants: Grants,
    /// Told once it has left; dropped when it cannot be reached.
    pub(crate) done: oneshot::Sender<()>,
}

impl Link {
    /// A client whose signalling is away hears nothing: it stays.
    pub(super) fn relocate(&mut self, relocation: Relocation) -> Flow {
        let Relocation { to, grants, done } = relocation;
        let token = self.refresh.elsewhere(&to, grants, &self.shared.config.keys);
        let (Some(token), Some(_)) = (token, &self.wire) else { return Flow::On };
        self.send(Response::RefreshToken(token));
        self.send(leave::request(DisconnectReason::Migration, Advice::Reconnect));
        if self.wire.is_none() {
            return Flow::On;
        }
        self.relocated = Some(done);
        Flow::End
    }
}
