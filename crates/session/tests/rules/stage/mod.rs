//! A session on a stage: random inputs, the machine and the oracle side by side, compared after every input.

pub mod cast;
pub mod follow;
pub mod oracle;

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use parlour_model::session::{
    Actor, Admission, CheckInId, ConsentText, Departure, DuplicatePolicy, E2eePolicy, Floor, Modality, MuteTarget,
    RecordingPolicy, SameRoom, SessionCommand, SessionEvent, SessionPhase, SessionPolicy, SessionReply, Space,
};
use parlour_model::{Encryption, Grants, Identity, ParticipantKey, Redacted, Role, SessionId};
use parlour_session::{Clock, CommandRefusal, Entry, JoinRefusal, JoinRequest, Loss, Session, SessionOptions};

pub use cast::{A, B, C, CAST, R, S, T, Who};
use oracle::Oracle;

pub const START_MS: i64 = 1_800_000_000_000;

/// One input.
#[derive(Clone)]
pub enum Input {
    Join { who: Who, encryption: Encryption, entry: Entry },
    MediaUp { who: Who },
    Left { who: Who, how: Departure },
    Lost { who: Who, loss: Loss },
    Back { who: Who },
    Grants { who: Who, grants: Grants },
    Command { by: Option<Who>, command: SessionCommand },
    Wait { seconds: u64 },
    Restart,
}

impl fmt::Debug for Input {
    /// On one line, with the people a command names, whom it would not print itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join { who, encryption, entry } => write!(f, "{who:?} joins {encryption:?} {entry:?}"),
            Self::MediaUp { who } => write!(f, "{who:?} media up"),
            Self::Left { who, how } => write!(f, "{who:?} {how:?}"),
            Self::Lost { who, loss } => write!(f, "{who:?} loses {loss:?}"),
            Self::Back { who } => write!(f, "{who:?} back"),
            Self::Grants { who, grants } => write!(f, "{who:?} {grants:?}"),
            Self::Command { by, command } => write!(f, "{by:?}: {command:?} {:?}", named_in(command)),
            Self::Wait { seconds } => write!(f, "{seconds} s"),
            Self::Restart => write!(f, "restart"),
        }
    }
}

fn named_in(command: &SessionCommand) -> Vec<Who> {
    let named = |identity: &Identity| CAST.into_iter().find(|who| who.identity() == *identity).expect("of the cast");
    match command {
        SessionCommand::Admit(identity)
        | SessionCommand::Deny(identity)
        | SessionCommand::ReturnToWaiting(identity)
        | SessionCommand::Hold(identity)
        | SessionCommand::Resume(identity)
        | SessionCommand::Remove(identity)
        | SessionCommand::Mute { identity, .. }
        | SessionCommand::SetFloor(Floor::OneVoice(identity)) => vec![named(identity)],
        SessionCommand::SetSameRoom { a, b, .. } => vec![named(a), named(b)],
        SessionCommand::StartCheckIn { therapist, with } => therapist.iter().chain(with).map(named).collect(),
        _ => Vec::new(),
    }
}

pub struct Stage {
    pub session: Session,
    pub oracle: Oracle,
    pub now: Instant,
    pub epoch: Instant,
    next_key: u32,
    /// Every event so far, in order.
    pub told: Vec<SessionEvent>,
}

impl Stage {
    pub fn new(options: SessionOptions) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an epoch; time is an argument from here on")]
        let now = Instant::now();
        let oracle = Oracle::new(options.policy.clone(), options.modality);
        let session = Session::new(SessionId::from("s"), options, Clock { now, unix_ms: START_MS });
        Self { session, oracle, now, epoch: now, next_key: 1, told: Vec::new() }
    }

    pub fn with_policy(policy: SessionPolicy) -> Self {
        Self::new(SessionOptions { policy, ..SessionOptions::default() })
    }

    /// Therapist T and these, admitted.
    pub fn live(policy: SessionPolicy, people: &[Who]) -> Self {
        let mut stage = Self::with_policy(policy);
        stage.join(T);
        for who in people {
            stage.join(*who);
            stage.ok(T, SessionCommand::Admit(who.identity()));
        }
        stage.session_events();
        stage
    }

    pub fn join(&mut self, who: Who) {
        self.apply(&Input::Join { who, encryption: Encryption::Gcm, entry: Entry::Ordinary });
    }

    pub fn key(&self, who: Who) -> ParticipantKey {
        self.session.seat(&who.identity()).expect("seated")
    }

    pub fn space(&self, who: Who) -> Space {
        self.session.space(self.key(who)).expect("placed")
    }

    pub fn is_alone(&self, who: Who) -> bool {
        let key = self.key(who);
        self.session.roster(key).next().is_none()
            && !self.session.edges().iter().any(|edge| edge.publisher == key || edge.receiver == key)
    }

    /// Any medium from one to the other.
    pub fn reaches(&self, from: Who, to: Who) -> bool {
        let (publisher, receiver) = (self.key(from), self.key(to));
        self.session.edges().iter().any(|edge| edge.publisher == publisher && edge.receiver == receiver)
    }

    pub fn command(&mut self, by: Who, command: SessionCommand) -> Result<SessionReply, CommandRefusal> {
        let actor = self.session.seat(&by.identity()).map_or(Actor::Server, Actor::Participant);
        let reply = self.session.handle_command(actor, command.clone(), self.now);
        if let Ok(reply) = &reply {
            self.oracle.obeys(Some(by), &command, reply, self.now);
        }
        self.session_events();
        reply
    }

    pub fn ok(&mut self, by: Who, command: SessionCommand) -> SessionReply {
        self.command(by, command).expect("accepted")
    }

    pub fn wait(&mut self, seconds: u64) {
        self.apply(&Input::Wait { seconds });
    }

    /// Gives one input to both, and checks what holds at every step.
    pub fn apply(&mut self, input: &Input) {
        match input {
            Input::Join { who, encryption, entry } => self.apply_join(*who, *encryption, *entry),
            Input::MediaUp { who } => self.apply_media_up(*who),
            Input::Left { who, how } => self.apply_left(*who, *how),
            Input::Lost { who, loss } => self.apply_lost(*who, *loss),
            Input::Back { who } => {
                if let Some(key) = self.session.seat(&who.identity()) {
                    self.session.handle_back(key, self.now);
                    let fact = self.oracle.facts.get_mut(who).expect("known");
                    (fact.lost, fact.signalling_lost) = (false, false);
                }
            }
            Input::Grants { who, grants } => {
                if let Some(key) = self.session.seat(&who.identity()) {
                    self.session.handle_grants(key, *grants, self.now);
                    self.oracle.facts.get_mut(who).expect("known").grants = *grants;
                }
            }
            Input::Command { by, command } => self.apply_command(*by, command),
            Input::Wait { seconds } => self.apply_wait(Duration::from_secs(*seconds)),
            Input::Restart => self.apply_restart(),
        }
        self.session_events();
        self.check();
    }

    fn apply_join(&mut self, who: Who, encryption: Encryption, entry: Entry) {
        let key = ParticipantKey(self.next_key);
        self.next_key += 1;
        let locked = self.session.is_locked();
        let before = self.oracle.facts.get(&who).cloned();
        let request =
            JoinRequest { key, identity: who.identity(), role: who.role(), grants: Grants::ALL, encryption, entry };
        let seat = match self.session.handle_join(request, self.now) {
            Ok(seat) => seat,
            Err(refusal) => return self.check_refusal(who, entry, refusal),
        };
        let admission = self.oracle.admission_at_join(who, self.now);
        assert!(!matches!(admission, Admission::Denied | Admission::Removed), "{who:?} was sent away");
        assert!(!locked || admission == Admission::Admitted, "{who:?} came through a lock");
        if entry == Entry::HandOver {
            let offered = before.as_ref().and_then(|fact| fact.offered_until);
            assert!(offered.is_some_and(|until| self.now < until), "no hand-over was offered");
            assert_eq!(seat.taking_over, before.and_then(|fact| fact.seat));
        } else {
            assert_eq!(seat.replaced, before.and_then(|fact| fact.seat), "one person, one seat");
        }
        self.oracle.joined(who, key, encryption, entry, self.now);
    }

    /// Nobody is kept out without the reason that is given.
    fn check_refusal(&self, who: Who, entry: Entry, refusal: JoinRefusal) {
        let (policy, fact) = (&self.oracle.policy, self.oracle.facts.get(&who));
        let admission = fact.map(|fact| fact.admission);
        let is_true = match refusal {
            JoinRefusal::DuplicateIdentity => {
                policy.duplicate_identity == DuplicatePolicy::RejectNew
                    && fact.is_some_and(|fact| fact.seat.is_some() && !fact.signalling_lost)
            }
            JoinRefusal::Denied => admission == Some(Admission::Denied),
            JoinRefusal::Removed => admission == Some(Admission::Removed),
            JoinRefusal::Locked => self.session.is_locked(),
            JoinRefusal::NoHandOver => entry == Entry::HandOver,
            JoinRefusal::Ended => self.oracle.ended,
            JoinRefusal::Full => fact.is_none_or(|fact| fact.seat.is_none()),
            JoinRefusal::EncryptionRequired => policy.e2ee == E2eePolicy::Required,
            JoinRefusal::ServiceNotAllowed => who.role() == Role::Service && policy.recording == RecordingPolicy::Never,
            _ => false,
        };
        assert!(is_true, "{who:?} was kept out: {refusal:?}");
    }

    fn apply_media_up(&mut self, who: Who) {
        let Some(successor) = self.oracle.facts.get(&who).and_then(|fact| fact.successor) else { return };
        self.session.handle_media_up(successor, self.now);
        self.oracle.moves_seat(who);
    }

    fn apply_left(&mut self, who: Who, how: Departure) {
        let Some(key) = self.session.seat(&who.identity()) else { return };
        self.session.handle_left(key, how, self.now);
        self.oracle.left(who, how, self.now);
    }

    fn apply_lost(&mut self, who: Who, loss: Loss) {
        let Some(key) = self.session.seat(&who.identity()) else { return };
        self.session.handle_lost(key, loss, self.now);
        let fact = self.oracle.facts.get_mut(&who).expect("known");
        fact.signalling_lost = true;
        fact.lost |= loss == Loss::Everything;
    }

    fn apply_command(&mut self, by: Option<Who>, command: &SessionCommand) {
        let actor = match by.map(|who| self.session.seat(&who.identity())) {
            None => Actor::Server,
            Some(Some(key)) => Actor::Participant(key),
            Some(None) => Actor::Participant(ParticipantKey(u32::MAX)),
        };
        let before = Picture::of(&self.session);
        match self.session.handle_command(actor, command.clone(), self.now) {
            Err(_) => {
                assert_eq!(before, Picture::of(&self.session), "a refused command changed something");
                assert_eq!(self.session.poll_event(), None, "a refused command told something");
            }
            Ok(reply) => {
                self.check_authority(by, command);
                self.oracle.obeys(by, command, &reply, self.now);
                self.session_events();
                let after = Picture::of(&self.session);
                let again = match command {
                    // Whoever is sent out cannot ask again.
                    SessionCommand::End => self.session.handle_command(Actor::Server, command.clone(), self.now),
                    SessionCommand::QuickExit => Ok(reply.clone()),
                    _ => self.session.handle_command(actor, command.clone(), self.now),
                };
                assert_eq!(again, Ok(reply), "the same command was answered differently");
                assert_eq!(after, Picture::of(&self.session), "a repeated command changed something");
            }
        }
    }

    fn check_authority(&self, by: Option<Who>, command: &SessionCommand) {
        let own = |a: &Identity, b: &Identity| by.is_some_and(|who| [a, b].contains(&&who.identity()));
        let anyone = match command {
            SessionCommand::Signal
            | SessionCommand::OfferHandOver
            | SessionCommand::QuickExit
            | SessionCommand::AcceptConsent(_)
            | SessionCommand::AgreeToRecording(_) => return assert!(by.is_some(), "nobody speaks for another"),
            SessionCommand::SetPolicy(_) => return assert_eq!(by, None, "only a server key sets the rules"),
            SessionCommand::SetSameRoom { a, b, .. } => own(a, b),
            _ => false,
        };
        assert!(anyone || by.is_none_or(|who| who.role() == Role::Therapist), "{by:?} may not {command:?}");
    }

    fn apply_wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.oracle.lays_ghosts(self.now);
            self.session_events();
            assert!(self.session.poll_timeout().is_none_or(|next| next > due), "time stands still");
            self.check();
        }
        self.now = until;
        self.session.handle_timeout(self.now);
        self.oracle.lays_ghosts(self.now);
    }

    fn apply_restart(&mut self) {
        let snapshot = self.session.snapshot();
        let options = self.session.options().clone();
        let clock = Clock { now: self.now, unix_ms: START_MS + (self.now - self.epoch).as_millis() as i64 };
        let mut twin = Session::restore(SessionId::from("s"), options, snapshot.clone(), clock);
        assert_eq!(twin.snapshot(), snapshot, "a restart forgets nothing");
        std::mem::swap(&mut self.session, &mut twin);
        self.oracle.restarts();
    }

    /// Reads the events; those that time alone brings about are news to the oracle.
    pub fn session_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.oracle.hears(&event);
            self.told.push(event);
        }
        assert_eq!(self.session.dropped_events(), 0);
        self.oracle.lays_ghosts(self.now);
    }

    /// Machine and oracle say the same, and what must hold of any state does.
    pub fn check(&self) {
        let session = &self.session;
        assert_eq!(*session.edges(), self.oracle.edges(), "edges");
        for (who, fact) in &self.oracle.facts {
            assert_eq!(session.seat(&who.identity()), fact.seat, "seat of {who:?}");
            let Some(key) = fact.seat else { continue };
            let mut roster: BTreeSet<ParticipantKey> = session.roster(key).collect();
            for edge in session.edges().iter().filter(|edge| edge.publisher == key) {
                assert!(roster.contains(&edge.receiver), "a silent listener: {edge:?}");
            }
            roster.retain(|other| session.identity(*other).is_some()); // not the ghosts
            assert_eq!(roster, self.oracle.roster(*who), "roster of {who:?}");
        }
        let views: Vec<_> = session.people().collect();
        let inside = views.iter().filter(|p| p.seat.is_some() && p.admission == Admission::Admitted).count();
        assert!(inside <= 12, "more seats than there are");
        if session.phase() == SessionPhase::Ended {
            assert!(session.edges().is_empty() && session.poll_timeout().is_none());
        }
    }
}

/// Everything of a session that can be seen from outside, to be compared.
#[derive(Debug, PartialEq)]
pub struct Picture {
    snapshot: parlour_model::session::SessionSnapshot,
    edges: BTreeSet<parlour_model::Edge>,
    version: u64,
    people: Vec<parlour_session::PersonView>,
    rosters: Vec<Vec<ParticipantKey>>,
    check_ins: Vec<(CheckInId, BTreeSet<Identity>)>,
    message: Option<Redacted<String>>,
    timeout: Option<Instant>,
}

impl Picture {
    pub fn of(session: &Session) -> Self {
        let people: Vec<_> = session.people().collect();
        let seats = people.iter().filter_map(|person| person.seat);
        Self {
            snapshot: session.snapshot(),
            edges: session.edges().clone(),
            version: session.edges_version(),
            rosters: seats.map(|(key, _)| session.roster(key).collect()).collect(),
            people,
            check_ins: session.check_ins().map(|(receipt, members)| (receipt.id, members.clone())).collect(),
            message: session.waiting_message().cloned(),
            timeout: session.poll_timeout(),
        }
    }
}

pub fn consent_text(version: u8) -> ConsentText {
    ConsentText { id: format!("v{version}"), sha256: [version; 32] }
}

pub fn modality_of(number: u8) -> Modality {
    [Modality::Video, Modality::Audio, Modality::Text][usize::from(number % 3)]
}

pub fn floor_of(number: u8) -> Floor {
    match number % 8 {
        0 | 1 => Floor::Open,
        2 => Floor::TherapistOnly,
        _ => Floor::OneVoice(CAST[usize::from(number % 7)].identity()),
    }
}

pub fn same_room_of(number: u8) -> SameRoom {
    [SameRoom::Apart, SameRoom::Audio, SameRoom::AudioAndVideo][usize::from(number % 3)]
}

pub fn mute_of(number: u8) -> MuteTarget {
    if number.is_multiple_of(2) { MuteTarget::Audio } else { MuteTarget::Video }
}
