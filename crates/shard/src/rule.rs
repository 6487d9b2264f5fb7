//! What is asked of the session's rules, and what may be seen of them. The rules themselves are in `parlour-session`.

use parlour_model::command::Requester;
use parlour_model::session::{Actor, SessionCommand, SessionReply};
use parlour_model::{Identity, Medium, ParticipantKey, Redacted, Refusal, SessionView, Viewer};

use crate::room::{Room, RoomContext};

impl RoomContext<'_> {
    /// Asks the session. What is protected by it is in force once this room is up to date, which it is before the reply
    /// goes out.
    pub(crate) fn rule(&mut self, by: Requester, command: SessionCommand) -> Result<SessionReply, Refusal> {
        let actor = match by {
            Requester::Server => Actor::Server,
            Requester::Participant(sid) => {
                Actor::Participant(self.room.by_sid(&sid).ok_or(Refusal::UnknownParticipant)?)
            }
            Requester::Identity(identity) => match self.seat_of(&identity) {
                Ok(key) => Actor::Participant(key),
                // Asked again, because the answer was lost on the way: it is so.
                Err(Refusal::NotPresent) if command == SessionCommand::QuickExit => return Ok(SessionReply::Done),
                Err(_) => return Err(Refusal::UnknownParticipant),
            },
        };
        let reply = self.room.session.handle_command(actor, command, self.now)?;
        let SessionReply::Receipt(receipt) = reply else { return Ok(reply) };
        // The edges are cut when this room is brought up to date, which is next: nothing passes in between.
        let Room { session, media, messages, .. } = &mut *self.room;
        let counted = session.count_cut(receipt.id, |edge| match edge.medium {
            Medium::Data => messages.get(&(edge.publisher, edge.receiver)).copied().unwrap_or(0),
            _ => media.packets_along(edge),
        });
        Ok(SessionReply::Receipt(counted.cloned().unwrap_or(receipt)))
    }

    /// What this viewer may see.
    pub(crate) fn view(&self, viewer: &Viewer) -> SessionView {
        self.room.session.view(viewer, |identity| self.room.names.get(identity).cloned().unwrap_or_default())
    }

    /// Keeps how someone is shown, for as long as the session knows them: names live in memory only.
    pub(crate) fn remember_name(&mut self, identity: &Identity, name: &Redacted<String>) {
        let Room { session, names, .. } = &mut *self.room;
        names.retain(|identity, _| session.knows(identity));
        names.insert(identity.clone(), name.clone());
    }

    fn seat_of(&self, identity: &Identity) -> Result<ParticipantKey, Refusal> {
        let session = &self.room.session;
        let absent = if session.knows(identity) { Refusal::NotPresent } else { Refusal::UnknownParticipant };
        session.seat(identity).ok_or(absent)
    }
}
