//! Commands: what the outside asks of a session, one arm each.

use parlour_model::command::Action;
use parlour_model::{Command, Event, LeaveReason, ParticipantKey, Refusal, Reply, SessionId};

use crate::participant::Permission;
use crate::room::RoomContext;
use crate::shard::Shard;

impl Shard {
    /// Carries out a command. What it protects is in force when this returns.
    pub fn handle_command(&mut self, now: std::time::Instant, session: &SessionId, command: Command) -> Reply {
        self.culprit = self.culprit_of(session, &command);
        let reply = match command {
            Command::ListSessions => return Reply::Sessions(self.rooms.iter().map(|room| room.record()).collect()),
            Command::Join(_) | Command::Open(_) if self.draining => Err(Refusal::Draining),
            Command::Open(opening) => self.open_session(session, *opening, now).map(|()| Reply::Done),
            Command::Join(join) => self.room_of(session, now).and_then(|room| {
                let joined = self.in_room(room, now, |context| context.join(*join));
                joined.unwrap_or(Err(Refusal::UnknownSession)).map(|joined| Reply::Joined(Box::new(joined)))
            }),
            command => match self.rooms.of_session(session) {
                Some(room) => {
                    let is_passing = match &command {
                        Command::Act(_, Action::SendData(_) | Action::Trickle(_)) => true,
                        // Only edges that wait for it change with it.
                        Command::Act(_, Action::Acknowledge(_)) => {
                            self.rooms.get(room).is_some_and(|room| !room.withholds)
                        }
                        _ => false,
                    };
                    let work = |context: &mut RoomContext<'_>| context.handle_command(command);
                    let reply =
                        if is_passing { self.in_settled_room(room, now, work) } else { self.in_room(room, now, work) };
                    reply.unwrap_or(Err(Refusal::UnknownSession))
                }
                None => Err(Refusal::UnknownSession),
            },
        };
        reply.unwrap_or_else(Reply::Refused)
    }
}

impl RoomContext<'_> {
    fn handle_command(&mut self, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Resume(resume) => {
                let key = self.room.by_sid(&resume.participant).ok_or(Refusal::UnknownParticipant)?;
                let same = self.room.participants.get(&key).is_some_and(|one| one.record.identity == resume.identity);
                if !same {
                    return Err(Refusal::UnknownParticipant);
                }
                self.resume(key).map(|joined| Reply::Resumed(Box::new(joined)))
            }
            Command::Act(sid, action) => {
                let key = self.room.by_sid(&sid).ok_or(Refusal::UnknownParticipant)?;
                self.act(key, action).map(|()| Reply::Done)
            }
            Command::SignalLost(sid) => {
                let key = self.room.by_sid(&sid).ok_or(Refusal::UnknownParticipant)?;
                self.signal_lost(key);
                Ok(Reply::Done)
            }
            Command::Remove { identity, reason } => {
                let key = self.room.by_identity(&identity).ok_or(Refusal::UnknownParticipant)?;
                self.depart(key, reason);
                Ok(Reply::Done)
            }
            Command::MuteTrack { identity, track } => {
                let key = self.room.by_identity(&identity).ok_or(Refusal::UnknownParticipant)?;
                self.mute_by_server(key, &track).map(|()| Reply::Done)
            }
            Command::UpdateParticipant { identity, update, grants } => {
                let key = self.room.by_identity(&identity).ok_or(Refusal::UnknownParticipant)?;
                self.update_profile(key, update)?;
                grants.map_or(Ok(()), |grants| self.set_grants(key, grants)).map(|()| Reply::Done)
            }
            Command::Rule { by, command } => {
                let reply = self.rule(by, command)?;
                Ok(Reply::Ruled { reply, snapshot: Box::new(self.room.session.snapshot()) })
            }
            Command::Snapshot => Ok(Reply::Snapshot(Box::new(self.room.session.snapshot()))),
            Command::View { viewer } => Ok(Reply::View(Box::new(self.view(&viewer)))),
            Command::SendData(data) => {
                self.send_data(None, &data);
                Ok(Reply::Done)
            }
            Command::UpdateSessionMetadata(metadata) => {
                self.room.metadata = metadata;
                self.tell_session_changed();
                Ok(Reply::Done)
            }
            Command::End => {
                self.end(LeaveReason::SessionEnded);
                Ok(Reply::Done)
            }
            Command::TraceLines => Ok(Reply::Lines(self.line_traces())),
            Command::DescribeSession => {
                let everyone: Vec<_> = self.room.present().map(|one| one.key).collect();
                Ok(Reply::Session(Box::new(self.room.record()), self.room.records(&everyone)))
            }
            // Handled before a room was chosen.
            Command::Open(_) | Command::Join(_) | Command::ListSessions => Err(Refusal::Internal),
        }
    }

    fn act(&mut self, key: ParticipantKey, action: Action) -> Result<(), Refusal> {
        match action {
            Action::Offer { sdp, offer_id } | Action::Answer { sdp, offer_id }
                if !self.affords_description(key, sdp.0.len()) =>
            {
                self.counters.offers_refused += 1;
                self.tell(key, Event::OfferRefused { offer_id, reason: "too many descriptions".into() });
            }
            Action::Offer { sdp, offer_id } => self.handle_offer(key, &sdp.0, offer_id),
            Action::Answer { sdp, offer_id } => self.handle_answer(key, &sdp.0, offer_id),
            // An ICE-lite agent learns addresses from checks alone (RFC 8445 section 2.5).
            Action::Trickle(_) => self.counters.trickled += 1,
            Action::AddTrack(request) => self.add_track(key, request),
            Action::Unpublish(track) => return self.unpublish_track(key, &track),
            Action::Mute { track, muted } => return self.mute(key, &track, muted),
            Action::Subscribe { tracks, wanted } => return self.subscribe(key, &tracks, wanted),
            Action::TrackSettings { tracks, settings } => return self.track_settings(key, &tracks, settings),
            Action::SubscriptionPermission { all: true, .. } => self.set_permission(key, Permission::Everyone),
            Action::SubscriptionPermission { all: false, others } => {
                self.set_permission(key, Permission::Only(others.into_iter().collect()));
            }
            Action::UpdateLayers { track, layers } => return self.update_layers(key, &track, layers),
            Action::UpdateProfile { request, update } => {
                let own = self.room.participants.get(&key).is_some_and(|one| one.record.grants.update_own_metadata);
                let done = if own { self.update_profile(key, update) } else { Err(Refusal::NotAllowed) };
                self.tell(
                    key,
                    match done {
                        Ok(()) => Event::RequestDone(request),
                        Err(refusal) => Event::RequestFailed { request, refusal },
                    },
                );
            }
            Action::SendData(data) => self.send_data(Some(key), &data),
            Action::Acknowledge(number) => self.acknowledged(key, number),
            Action::SyncState(state) => return self.sync_state(key, state),
            Action::LineTested(hint) => self.room.media.set_line_hint(key, hint, self.now),
            Action::Leave => self.depart(key, LeaveReason::ClientInitiated),
        }
        Ok(())
    }

    fn tell_session_changed(&mut self) {
        let everyone: Vec<_> = self.room.present().map(|one| one.key).collect();
        for key in everyone {
            let record = self.record_for(key);
            self.tell(key, Event::SessionChanged(record));
        }
    }
}
