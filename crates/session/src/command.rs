//! Commands: who may give which, and the short ones. Each is checked whole before it changes anything, so a refused
//! one changes nothing; each states a result, not a step, so repeating it changes nothing either.

use std::time::{Duration, Instant};

use parlour_model::session::{
    Actor, ConsentText, Departure, EndReason, Floor, HAND_OVER_SECONDS, MuteTarget, RecordingPolicy, SameRoom,
    SessionCommand, SessionEvent, SessionPhase, SessionPolicy, SessionReply,
};
use parlour_model::{Identity, LeaveReason, ParticipantKey, Role};

use crate::error::CommandRefusal;
use crate::people::Person;
use crate::session::Session;

/// A second sign within this is the same sign.
const SIGNAL_INTERVAL: Duration = Duration::from_secs(5);

/// Characters of a message to the waiting room.
pub(crate) const MAX_WAITING_MESSAGE: usize = 1_000;

type Outcome = Result<SessionReply, CommandRefusal>;

/// What the actor's role amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    Server,
    Therapist(Identity),
    Other(Identity),
}

impl Session {
    /// Someone asks for something. A protecting command is in force in [`Session::edges`] when this returns.
    pub fn handle_command(&mut self, by: Actor, command: SessionCommand, now: Instant) -> Outcome {
        if self.phase == SessionPhase::Ended {
            return if command == SessionCommand::End { self.end_again(by) } else { Err(CommandRefusal::Ended) };
        }
        let authority = self.authority(by)?;
        match command {
            SessionCommand::Signal
            | SessionCommand::OfferHandOver
            | SessionCommand::QuickExit
            | SessionCommand::AcceptConsent(_)
            | SessionCommand::AgreeToRecording(_) => self.command_of_oneself(&authority, command, now)?,
            SessionCommand::SetSameRoom { a, b, how } => self.set_same_room(&authority, &a, &b, how)?,
            SessionCommand::SetPolicy(policy) => self.set_policy(&authority, *policy, now)?,
            command => return self.command_of_therapist(authority, command, now),
        }
        self.settle(now);
        Ok(SessionReply::Done)
    }

    fn authority(&self, by: Actor) -> Result<Authority, CommandRefusal> {
        let Actor::Participant(key) = by else { return Ok(Authority::Server) };
        let (identity, person) = self.people.seated(key).ok_or(CommandRefusal::UnknownActor)?;
        Ok(match person.role {
            Role::Therapist => Authority::Therapist(identity.clone()),
            Role::Client | Role::Guest | Role::Service => Authority::Other(identity.clone()),
        })
    }

    /// Nobody sits in an ended session any more, so only a server key can ask again.
    fn end_again(&self, by: Actor) -> Outcome {
        if by == Actor::Server { Ok(SessionReply::Done) } else { Err(CommandRefusal::Ended) }
    }

    fn command_of_therapist(&mut self, by: Authority, command: SessionCommand, now: Instant) -> Outcome {
        if matches!(by, Authority::Other(_)) {
            return Err(CommandRefusal::NotAllowed);
        }
        match command {
            SessionCommand::StartCheckIn { therapist, with } => {
                return self.start_check_in(&by, therapist, with, now).map(SessionReply::Receipt);
            }
            SessionCommand::EndCheckIn(id) => self.end_check_in(id)?,
            SessionCommand::Admit(identity) => self.admit(&identity)?,
            SessionCommand::Deny(identity) => self.deny(&identity, now)?,
            SessionCommand::ReturnToWaiting(identity) => self.return_to_waiting(&identity)?,
            SessionCommand::SetWaitingMessage(message) => self.set_waiting_message(message)?,
            SessionCommand::Hold(identity) => self.hold(&identity)?,
            SessionCommand::Resume(identity) => self.resume(&identity)?,
            SessionCommand::ResumeAll => self.resume_all(),
            SessionCommand::Mute { identity, target } => self.mute(&identity, target)?,
            SessionCommand::SetFloor(floor) => self.set_floor(floor)?,
            SessionCommand::SetLock(locked) => self.set_lock(locked),
            SessionCommand::ExtendUntil(until_ms) => self.extend_until(until_ms)?,
            SessionCommand::Remove(identity) => self.remove(&by, &identity, now)?,
            SessionCommand::End => self.end(EndReason::Command, now),
            SessionCommand::Signal
            | SessionCommand::OfferHandOver
            | SessionCommand::QuickExit
            | SessionCommand::AcceptConsent(_)
            | SessionCommand::AgreeToRecording(_)
            | SessionCommand::SetSameRoom { .. }
            | SessionCommand::SetPolicy(_) => return Err(CommandRefusal::NotAllowed),
        }
        self.settle(now);
        Ok(SessionReply::Done)
    }

    /// Nobody accepts, agrees or signals in another's name.
    fn command_of_oneself(
        &mut self,
        by: &Authority,
        command: SessionCommand,
        now: Instant,
    ) -> Result<(), CommandRefusal> {
        let (Authority::Therapist(identity) | Authority::Other(identity)) = by else {
            return Err(CommandRefusal::NotAllowed);
        };
        match command {
            SessionCommand::Signal => self.signal(identity, now),
            SessionCommand::OfferHandOver => self.offer_hand_over(identity, now),
            SessionCommand::QuickExit => self.quick_exit(identity, now),
            SessionCommand::AcceptConsent(text) => self.accept_consent(identity, text),
            SessionCommand::AgreeToRecording(agreed) => self.agree_to_recording(identity, agreed),
            _ => Err(CommandRefusal::NotAllowed),
        }
    }

    pub(crate) fn known(&self, identity: &Identity) -> Result<&Person, CommandRefusal> {
        self.people.person(identity).ok_or(CommandRefusal::UnknownParticipant)
    }

    pub(crate) fn known_mut(&mut self, identity: &Identity) -> Result<&mut Person, CommandRefusal> {
        self.people.person_mut(identity).ok_or(CommandRefusal::UnknownParticipant)
    }

    /// The signal reaches therapists wherever they are, sealed or not: it carries nothing of what is said in a space,
    /// and someone who is held may be the one in need.
    fn signal(&mut self, identity: &Identity, now: Instant) -> Result<(), CommandRefusal> {
        let person = self.known_mut(identity)?;
        if !person.is_admitted() {
            return Err(CommandRefusal::NotPresent);
        }
        if person.signalled_at.is_some_and(|at| now.saturating_duration_since(at) < SIGNAL_INTERVAL) {
            return Ok(());
        }
        person.signalled_at = Some(now);
        self.tell(SessionEvent::Signal(identity.clone()));
        Ok(())
    }

    fn offer_hand_over(&mut self, identity: &Identity, now: Instant) -> Result<(), CommandRefusal> {
        let until = now.checked_add(Duration::from_secs(HAND_OVER_SECONDS));
        self.known_mut(identity)?.hand_over_until = until;
        self.tell(SessionEvent::HandOverOffered(identity.clone()));
        Ok(())
    }

    /// Out at once; whoever asks again is out already.
    fn quick_exit(&mut self, identity: &Identity, now: Instant) -> Result<(), CommandRefusal> {
        let key = self.known(identity)?.line.ok_or(CommandRefusal::NotPresent)?.key;
        self.depart(key, Departure::QuickExit, now);
        self.tell(SessionEvent::Close { key, reason: LeaveReason::ClientInitiated });
        Ok(())
    }

    /// Only the text that is asked for now can be accepted.
    fn accept_consent(&mut self, identity: &Identity, text: ConsentText) -> Result<(), CommandRefusal> {
        if self.policy().consent.as_ref() != Some(&text) {
            return Err(CommandRefusal::OtherText);
        }
        let person = self.known_mut(identity)?;
        if person.consent.as_ref() != Some(&text) {
            person.consent = Some(text.clone());
            self.tell(SessionEvent::ConsentAccepted { identity: identity.clone(), text });
        }
        Ok(())
    }

    fn agree_to_recording(&mut self, identity: &Identity, agreed: bool) -> Result<(), CommandRefusal> {
        if agreed && self.policy().recording == RecordingPolicy::Never {
            return Err(CommandRefusal::Invalid);
        }
        let person = self.known_mut(identity)?;
        if person.recording_agreed != agreed {
            person.recording_agreed = agreed;
            self.tell(SessionEvent::RecordingAgreement { identity: identity.clone(), agreed });
        }
        Ok(())
    }

    fn mute(&mut self, identity: &Identity, target: MuteTarget) -> Result<(), CommandRefusal> {
        let key = self.known(identity)?.line.ok_or(CommandRefusal::NotPresent)?.key;
        self.tell(SessionEvent::Mute { key, identity: identity.clone(), target });
        Ok(())
    }

    fn set_floor(&mut self, floor: Floor) -> Result<(), CommandRefusal> {
        if let Floor::OneVoice(identity) = &floor {
            self.known(identity)?;
        }
        if self.voice.floor != floor {
            self.voice.floor = floor.clone();
            self.tell(SessionEvent::FloorChanged(floor));
        }
        Ok(())
    }

    fn set_same_room(
        &mut self,
        by: &Authority,
        a: &Identity,
        b: &Identity,
        how: SameRoom,
    ) -> Result<(), CommandRefusal> {
        if matches!(by, Authority::Other(identity) if identity != a && identity != b) {
            return Err(CommandRefusal::NotAllowed);
        }
        if a == b {
            return Err(CommandRefusal::Invalid);
        }
        self.check_pair(by, a, b)?;
        if self.voice.same_room(a, b) != how {
            if !self.voice.set_same_room(a, b, how) {
                return Err(CommandRefusal::Limit);
            }
            self.tell(SessionEvent::SameRoomChanged { a: a.clone(), b: b.clone(), how });
        }
        Ok(())
    }

    /// A client pairs with somebody it sees, ghosts too, and is answered alike about everyone else: whether they are let in,
    /// sent away, gone at once or were never here is news from across a seal or the door.
    fn check_pair(&self, by: &Authority, a: &Identity, b: &Identity) -> Result<(), CommandRefusal> {
        let is_possible = match by {
            Authority::Other(own) => self.sees(own, if own == a { b } else { a }),
            Authority::Server | Authority::Therapist(_) => {
                [self.known(a)?, self.known(b)?].into_iter().all(Person::is_admitted)
            }
        };
        if is_possible { Ok(()) } else { Err(CommandRefusal::NotPresent) }
    }

    fn set_lock(&mut self, locked: bool) {
        if self.door.locked != locked {
            self.door.locked = locked;
            self.tell(SessionEvent::LockChanged(locked));
        }
    }

    /// The end by schedule moves, later only, and not past what nothing moves.
    fn extend_until(&mut self, until_ms: i64) -> Result<(), CommandRefusal> {
        let end_ms = self.timeline.scheduled_end_ms(self.policy()).ok_or(CommandRefusal::Invalid)?;
        if until_ms > self.timeline.latest_end_ms(self.policy()) {
            return Err(CommandRefusal::Limit);
        }
        if until_ms > end_ms {
            self.timeline.extended_until_ms = Some(until_ms);
            self.tell(SessionEvent::EndMoved(until_ms));
        }
        Ok(())
    }

    fn remove(&mut self, by: &Authority, identity: &Identity, now: Instant) -> Result<(), CommandRefusal> {
        if matches!(by, Authority::Therapist(own) if own == identity) {
            return Err(CommandRefusal::Invalid); // leaving is not removing
        }
        self.known(identity)?;
        self.expel(identity, parlour_model::session::Admission::Removed, Departure::Removed, now);
        Ok(())
    }

    fn set_policy(&mut self, by: &Authority, policy: SessionPolicy, now: Instant) -> Result<(), CommandRefusal> {
        if *by != Authority::Server {
            return Err(CommandRefusal::NotAllowed);
        }
        if !(1..=SessionPolicy::HARD_MAX_PARTICIPANTS).contains(&policy.max_participants) {
            return Err(CommandRefusal::Invalid);
        }
        if self.options.policy == policy {
            return Ok(());
        }
        self.options.policy = policy;
        self.tell(SessionEvent::PolicyChanged);
        if self.policy().recording == RecordingPolicy::Never {
            let seats = self.people.seats().filter(|(_, person, _)| person.role == Role::Service);
            for key in seats.map(|(_, _, line)| line.key).collect::<Vec<ParticipantKey>>() {
                self.tell(SessionEvent::Close { key, reason: LeaveReason::Removed });
                self.depart(key, Departure::Removed, now);
            }
        }
        Ok(())
    }
}
