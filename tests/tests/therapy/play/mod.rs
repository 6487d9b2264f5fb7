//! A random play on the real worker: people come, go, drop, come back, move to other devices and command; the oracle of
//! `parlour-session` says what may pass, and what passes is counted at the bots.

pub mod check;
pub mod script;
mod turns;

#[path = "../../../../crates/session/tests/rules/stage/cast.rs"]
#[allow(dead_code, reason = "not everyone plays here")]
pub mod cast;
#[path = "../../../../crates/session/tests/rules/stage/follow.rs"]
pub mod follow;
#[path = "../../../../crates/session/tests/rules/stage/oracle.rs"]
pub mod oracle;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parlour_bot::direct::{BotId, World};
use parlour_model::session::{Modality, SessionEvent, SessionPolicy};
use parlour_model::{Encryption, Entry, ParticipantKey, SessionNotice};

use crate::stage::{SILENCE, open, world};
use cast::Who;
use oracle::Oracle;

/// The stage of a play.
pub struct Play {
    pub world: World,
    pub oracle: Oracle,
    /// On which bot each person sits.
    pub seats: BTreeMap<Who, BotId>,
    /// Who went silent, and when.
    pub silent: BTreeMap<Who, Instant>,
    /// Who is with nobody, and since when.
    pub(crate) alone_since: BTreeMap<Who, Instant>,
    /// Whose bot a stay is.
    pub owners: BTreeMap<BotId, Who>,
    pub policy: SessionPolicy,
    pub(crate) seed: u64,
    pub(crate) restarts: u64,
    /// What happened so far, for the message of a failure.
    pub log: Vec<String>,
    /// Messages sent so far: each is known by its number.
    pub(crate) messages: u64,
    /// How many messages of each bot were looked at.
    pub(crate) read: BTreeMap<BotId, usize>,
}

/// The oracle's name of a bot's seat.
pub fn label(bot: BotId) -> ParticipantKey {
    ParticipantKey(bot.index() as u32)
}

impl Play {
    pub fn new(seed: u64, policy: SessionPolicy) -> Self {
        let mut world = world(seed, SessionPolicy::default());
        open(&mut world, policy.clone(), None);
        Self {
            world,
            oracle: Oracle::new(policy.clone(), Modality::Video),
            seats: BTreeMap::new(),
            silent: BTreeMap::new(),
            alone_since: BTreeMap::new(),
            owners: BTreeMap::new(),
            policy,
            seed,
            restarts: 0,
            log: Vec::new(),
            messages: 0,
            read: BTreeMap::new(),
        }
    }

    /// What the session told since, for the oracle.
    pub fn listen(&mut self) -> usize {
        let notices = self.world.session_events();
        for notice in &notices {
            self.hear(notice);
        }
        let now = self.world.now();
        for (who, since) in &self.silent {
            if now >= *since + SILENCE
                && let Some(fact) = self.oracle.facts.get_mut(who)
            {
                fact.lost |= fact.seat.is_some();
            }
        }
        self.oracle.lays_ghosts(now);
        notices.len()
    }

    fn hear(&mut self, notice: &SessionNotice) {
        let bot = notice.participant.as_ref().and_then(|sid| self.world.by_sid(sid));
        let key = bot.map_or(ParticipantKey(u32::MAX), label);
        match notice.event.clone() {
            SessionEvent::Departed { identity, how, .. } => {
                self.oracle.hears(&SessionEvent::Departed { key, identity, how });
            }
            SessionEvent::HandedOver { identity, from, .. } => {
                let who = self.oracle.who(&identity);
                self.seats.insert(who, bot.expect("a device that came up"));
                self.silent.remove(&who);
                self.alone_since.remove(&who);
                self.oracle.hears(&SessionEvent::HandedOver { identity, from, to: key });
            }
            SessionEvent::LineLost(identity) => {
                let who = self.oracle.who(&identity);
                self.oracle.facts.get_mut(&who).expect("known").signalling_lost = true;
            }
            SessionEvent::LineBack(identity) => {
                let who = self.oracle.who(&identity);
                self.silent.remove(&who);
                let fact = self.oracle.facts.get_mut(&who).expect("known");
                (fact.lost, fact.signalling_lost) = (false, false);
            }
            event => self.oracle.hears(&event),
        }
    }

    /// Someone came in on this bot.
    pub(crate) fn seated(&mut self, who: Who, bot: BotId, entry: Entry) {
        self.owners.insert(bot, who);
        self.oracle.joined(who, label(bot), Encryption::None, entry, self.world.now());
        if entry == Entry::Ordinary {
            self.seats.insert(who, bot);
            self.silent.remove(&who);
            self.alone_since.remove(&who);
        }
    }

    pub fn say(&mut self, what: impl std::fmt::Display) {
        let at = self.world.elapsed();
        self.log.push(format!("{:>8.3} {what}", at.as_secs_f64()));
    }

    /// Fails with everything that led here.
    #[track_caller]
    pub fn fail(&self, what: impl std::fmt::Display) -> ! {
        panic!("seed {}: {what}\n{}\nlog:\n{}", self.seed, self.picture(), self.log.join("\n"))
    }

    #[track_caller]
    pub fn ensure(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what());
        }
    }

    fn picture(&self) -> String {
        let facts = self.oracle.facts.iter().map(|(who, fact)| {
            let why = self.oracle.alone(*who).unwrap_or("with others");
            format!("  {who:?}: {why}, seat {:?}, bot {:?}, lost {}", fact.seat, self.seats.get(who), fact.lost)
        });
        facts.collect::<Vec<_>>().join("\n")
    }

    /// Virtual time since somebody went silent.
    pub(crate) fn silent_for(&self, who: Who) -> Option<Duration> {
        Some(self.world.now() - *self.silent.get(&who)?)
    }
}
