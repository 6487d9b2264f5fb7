//! The rules of a session once more, told about pairs of people instead of places: what the machine is judged by.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parlour_model::session::{
    Admission, CheckInId, ConsentText, E2eePolicy, Floor, Modality, RecordingPolicy, SameRoom, SessionPolicy,
};
use parlour_model::{Edge, Encryption, Grants, Identity, Medium, ParticipantKey, Role};

use super::cast::Who;

#[derive(Clone, Debug)]
pub struct Fact {
    pub admission: Admission,
    pub apart: bool,
    pub consent: Option<ConsentText>,
    pub agreed: bool,
    pub seat: Option<ParticipantKey>,
    pub successor: Option<ParticipantKey>,
    pub signalling_lost: bool,
    pub lost: bool,
    pub encryption: Encryption,
    pub grants: Grants,
    pub left_at: Option<Instant>,
    pub offered_until: Option<Instant>,
}

#[derive(Clone, Debug)]
pub struct Oracle {
    pub policy: SessionPolicy,
    pub modality: Modality,
    pub facts: BTreeMap<Who, Fact>,
    pub check_ins: BTreeMap<CheckInId, BTreeSet<Who>>,
    pub let_past: BTreeMap<CheckInId, BTreeSet<Who>>,
    pub floor: Floor,
    pub same_room: BTreeMap<(Who, Who), SameRoom>,
    /// Who left by quick exit: until when they seem to be there, and whether they agreed to a recording.
    pub ghosts: BTreeMap<Who, (Instant, bool)>,
    pub ended: bool,
}

impl Oracle {
    pub fn new(policy: SessionPolicy, modality: Modality) -> Self {
        Self {
            policy,
            modality,
            facts: BTreeMap::new(),
            check_ins: BTreeMap::new(),
            let_past: BTreeMap::new(),
            floor: Floor::Open,
            same_room: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            ended: false,
        }
    }

    pub fn check_in_of(&self, who: Who) -> Option<CheckInId> {
        self.check_ins.iter().find(|(_, members)| members.contains(&who)).map(|(id, _)| *id)
    }

    /// Out of any check-in.
    pub fn expel(&mut self, who: Who) {
        self.check_ins.values_mut().for_each(|members| {
            members.remove(&who);
        });
    }

    /// Every edge there should be.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for publisher in self.facts.keys() {
            for receiver in self.facts.keys().filter(|receiver| *receiver != publisher) {
                if self.kept_apart(*publisher, *receiver).is_some() {
                    continue;
                }
                let (p, r) = (&self.facts[publisher], &self.facts[receiver]);
                if p.lost || r.lost {
                    continue;
                }
                for medium in Medium::ALL.into_iter().filter(|medium| self.carries(*publisher, *receiver, *medium)) {
                    let (Some(publisher), Some(receiver)) = (p.seat, r.seat) else { continue };
                    edges.insert(Edge { publisher, receiver, medium });
                }
            }
        }
        edges
    }

    /// Whom `viewer` should know of, ghosts aside.
    pub fn roster(&self, viewer: Who) -> BTreeSet<ParticipantKey> {
        let others = self.facts.iter().filter(|(who, _)| **who != viewer);
        others.filter(|(who, _)| self.kept_apart(viewer, **who).is_none()).filter_map(|(_, fact)| fact.seat).collect()
    }

    /// Why these two may not be together, if they may not.
    pub fn kept_apart(&self, a: Who, b: Who) -> Option<&'static str> {
        self.alone(a)
            .or_else(|| self.alone(b))
            .or_else(|| (self.check_in_of(a) != self.check_in_of(b)).then_some("a seal is between them"))
    }

    /// Why this one may be with nobody, if so.
    pub fn alone(&self, who: Who) -> Option<&'static str> {
        let Some(fact) = self.facts.get(&who) else { return Some("nobody") };
        let therapist = who.role() == Role::Therapist;
        if fact.seat.is_none() || self.ended {
            return Some("not here");
        }
        if fact.admission != Admission::Admitted {
            return Some("not admitted");
        }
        let must_consent = matches!(who.role(), Role::Client | Role::Guest) && self.policy.consent.is_some();
        if must_consent && fact.consent != self.policy.consent {
            return Some("no consent");
        }
        if who.role() == Role::Service && !self.all_agree() {
            return Some("recording not agreed");
        }
        if let Some(id) = self.check_in_of(who) {
            return (!self.check_ins[&id].iter().any(|member| self.leads(*member))).then_some("no therapist inside");
        }
        if therapist {
            return None;
        }
        if fact.apart {
            return Some("held");
        }
        if self.let_past.values().any(|past| !past.contains(&who)) {
            return Some("sealed out");
        }
        let led = self.facts.keys().any(|who| self.leads(*who) && self.check_in_of(*who).is_none());
        (self.policy.require_therapist && !led).then_some("no therapist")
    }

    pub fn leads(&self, who: Who) -> bool {
        let fact = self.facts.get(&who);
        who.role() == Role::Therapist
            && fact.is_some_and(|f| f.seat.is_some() && !f.lost && f.admission == Admission::Admitted)
    }

    fn all_agree(&self) -> bool {
        let inside = self.facts.iter().filter(|(who, fact)| {
            fact.seat.is_some() && fact.admission == Admission::Admitted && who.role() != Role::Service
        });
        self.policy.recording == RecordingPolicy::ByServiceWithConsent
            && inside.into_iter().all(|(_, f)| f.agreed)
            && self.ghosts.iter().all(|(who, (_, agreed))| who.role() == Role::Service || *agreed)
    }

    fn carries(&self, publisher: Who, receiver: Who, medium: Medium) -> bool {
        let (p, r) = (&self.facts[&publisher], &self.facts[&receiver]);
        let sound = matches!(medium, Medium::Audio | Medium::ScreenAudio);
        let modal = match self.modality {
            Modality::Video => true,
            Modality::Audio => sound || medium == Medium::Data,
            Modality::Text => medium == Medium::Data,
        };
        let granted = match medium {
            Medium::Audio => p.grants.microphone,
            Medium::Camera => p.grants.camera,
            Medium::ScreenAudio | Medium::ScreenVideo => p.grants.screen,
            Medium::Data => p.grants.data,
        };
        let clear = self.policy.e2ee == E2eePolicy::Required
            && (p.encryption == Encryption::None || r.encryption == Encryption::None);
        let heard = !sound
            || [publisher.role(), receiver.role()].contains(&Role::Therapist)
            || match &self.floor {
                Floor::Open => true,
                Floor::TherapistOnly => false,
                Floor::OneVoice(speaker) => *speaker == publisher.identity(),
            };
        let pair = (publisher.min(receiver), publisher.max(receiver));
        let echo = match self.same_room.get(&pair) {
            None | Some(SameRoom::Apart) => false,
            Some(SameRoom::Audio) => sound,
            Some(SameRoom::AudioAndVideo) => medium != Medium::Data,
        };
        modal && granted && r.grants.subscribe && !clear && heard && !echo
    }

    /// What a join of someone known, or new, does to the admission.
    pub fn admission_at_join(&self, who: Who, now: Instant) -> Admission {
        let waits = match who.role() {
            Role::Therapist => false,
            Role::Client | Role::Guest => self.policy.waiting_room,
            Role::Service => true,
        };
        let stale = |fact: &Fact| fact.left_at.is_some_and(|at| now - at > Duration::from_secs(120));
        match self.facts.get(&who) {
            Some(fact) if !(stale(fact) && waits) => fact.admission,
            _ if waits => Admission::Waiting,
            _ => Admission::Admitted,
        }
    }

    pub fn who(&self, identity: &Identity) -> Who {
        *self.facts.keys().find(|who| who.identity() == *identity).expect("a known identity")
    }
}
