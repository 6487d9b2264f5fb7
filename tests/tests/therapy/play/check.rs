//! What must hold at every moment of a play, counted at the bots' sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parlour_bot::direct::BotId;
use parlour_bot::endpoint::Channel;
use parlour_model::{Edge, Event, Medium, ParticipantSid, ParticipantState, Role};

use super::cast::Who;
use super::{Play, label};

/// Within it no client can tell what came first.
pub const SLICE: Duration = Duration::from_millis(10);

/// What media waits before it tells a publisher that nobody takes a layer, and how often it looks.
const DYNACAST: Duration = Duration::from_secs(7);

/// What passed so far, by publisher, receiver and medium.
type Counts = BTreeMap<(BotId, BotId, Medium), u64>;

impl Play {
    /// Lets time pass; at every slice nothing passes that may not.
    pub fn watch(&mut self, time: Duration) {
        let end = self.world.now() + time;
        while self.world.now() < end {
            self.slice();
        }
        self.check_rosters();
    }

    /// Lets time pass until everything passes that may.
    pub fn watch_until_all_flows(&mut self) {
        let limit = self.world.now() + Duration::from_secs(15);
        let (mut since, mut edges) = (self.counts(), self.media_edges());
        loop {
            self.slice();
            let now = self.counts();
            if self.media_edges() != edges {
                (since, edges) = (now, self.media_edges());
                continue;
            }
            let moved = |edge: &(BotId, BotId, Medium)| {
                now.get(edge).copied().unwrap_or(0) > since.get(edge).copied().unwrap_or(0)
            };
            if edges.iter().all(moved) {
                return self.check_rosters();
            }
            let missing: Vec<_> = edges.iter().filter(|edge| !moved(edge)).collect();
            self.ensure(self.world.now() < limit, || format!("does not come back: {missing:?}"));
        }
    }

    /// What is on the line when a command is answered may still arrive; nothing else.
    pub fn let_arrive(&mut self) {
        self.world.run_for(Duration::from_millis(1));
        self.listen();
        self.read_all_messages();
    }

    fn slice(&mut self) {
        let (before, allowed) = (self.counts(), self.oracle.edges());
        let alone: Vec<(Who, BotId, u64)> = self.alone().collect();
        let known = self.acquaintances();
        let told = self.told();
        self.listen_to_bots();
        self.world.run_for(SLICE);
        self.listen();
        // Time alone may cut in the middle of a slice: what passed before that was allowed, and its sender was told.
        let allowed = &allowed | &self.oracle.edges();
        let told = &told | &self.told();
        self.note_who_is_alone();
        for ((from, to, medium), count) in self.counts() {
            if count > before.get(&(from, to, medium)).copied().unwrap_or(0) {
                self.check_passed(from, to, medium, &allowed, &told);
            }
        }
        for (who, bot, media) in alone {
            if self.oracle.alone(who).is_some() {
                self.ensure(self.world.bot(bot).media_datagrams == media, || {
                    format!("{who:?} is alone and gets media")
                });
            }
        }
        self.check_messages(&allowed);
        self.check_events(&known);
    }

    fn note_who_is_alone(&mut self) {
        let now = self.world.now();
        let acquaintances = self.acquaintances();
        self.alone_since.retain(|who, _| acquaintances.get(who).is_some_and(|known| known.len() < 2));
        for (who, _) in acquaintances.iter().filter(|(_, known)| known.len() < 2) {
            self.alone_since.entry(*who).or_insert(now);
        }
    }

    /// Who was told of whom.
    fn told(&self) -> BTreeSet<(BotId, BotId)> {
        let pairs =
            self.world.bots().flat_map(|(from, bot)| self.world.bots().map(move |(to, other)| (from, bot, to, other)));
        pairs
            .filter(|(_, bot, _, other)| bot.others.contains_key(other.sid()))
            .map(|(from, _, to, _)| (from, to))
            .collect()
    }

    fn check_passed(
        &self,
        from: BotId,
        to: BotId,
        medium: Medium,
        allowed: &BTreeSet<Edge>,
        told: &BTreeSet<(BotId, BotId)>,
    ) {
        let (publisher, receiver) = (label(from), label(to));
        let (p, r) = (self.owners[&from], self.owners[&to]);
        self.ensure(allowed.contains(&Edge { publisher, receiver, medium }), || {
            format!("{medium:?} passes from {p:?} to {r:?} though {:?}", self.oracle.kept_apart(p, r))
        });
        self.ensure(told.contains(&(from, to)), || format!("{r:?} listens to {p:?} in silence"));
    }

    /// Everyone seated who is alone, and the media that reached them.
    fn alone(&self) -> impl Iterator<Item = (Who, BotId, u64)> {
        let alone = self.seats.iter().filter(|(who, _)| self.oracle.alone(**who).is_some());
        alone.map(|(who, bot)| (*who, *bot, self.world.bot(*bot).media_datagrams))
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for (from, publisher) in self.world.bots() {
            for (cid, medium) in [("mic-1", Medium::Audio), ("cam-2", Medium::Camera)] {
                let Some(track) = publisher.track_sid(cid) else { continue };
                for (to, receiver) in self.world.bots().filter(|(to, _)| *to != from) {
                    if let Some(stats) = receiver.track(track) {
                        counts.insert((from, to, medium), stats.packets);
                    }
                }
            }
        }
        counts
    }

    /// The edges along which bots send: nobody shares a screen, and messages are sent now and then.
    fn media_edges(&self) -> BTreeSet<(BotId, BotId, Medium)> {
        let bots: BTreeMap<_, BotId> = self.seats.values().map(|bot| (label(*bot), *bot)).collect();
        let edges =
            self.oracle.edges().into_iter().filter(|edge| matches!(edge.medium, Medium::Audio | Medium::Camera));
        edges.filter_map(|edge| Some((*bots.get(&edge.publisher)?, *bots.get(&edge.receiver)?, edge.medium))).collect()
    }

    /// Everyone sends one message on each channel.
    pub fn everyone_speaks(&mut self) {
        for (who, bot) in self.seats.clone() {
            self.messages += 1;
            let text = format!("{} {}", bot.index(), self.messages);
            if self.silent_for(who).is_none() && self.world.left(bot).is_none() {
                self.world.send(bot, Channel::Reliable, text.as_bytes());
                self.world.send(bot, Channel::Lossy, text.as_bytes());
            }
        }
    }

    pub(super) fn read_all_messages(&mut self) {
        let lengths: Vec<_> = self.world.bots().map(|(id, bot)| (id, bot.messages.len())).collect();
        self.read.extend(lengths);
    }

    fn check_messages(&mut self, allowed: &BTreeSet<Edge>) {
        for (to, bot) in self.world.bots() {
            let read = self.read.get(&to).copied().unwrap_or(0);
            for (_, message) in &bot.messages[read..] {
                let text = String::from_utf8_lossy(message);
                let from: u32 = text.split(' ').next().unwrap().parse().unwrap();
                let publisher = parlour_model::ParticipantKey(from);
                let edge = Edge { publisher, receiver: label(to), medium: Medium::Data };
                self.ensure(allowed.contains(&edge), || {
                    format!("a message from bot {from} reaches {:?}", self.owners[&to])
                });
            }
        }
        self.read_all_messages();
    }

    /// Whom each person may know of now: those who are with them, and who seem to be.
    fn acquaintances(&self) -> BTreeMap<Who, BTreeSet<Who>> {
        let together = |a: Who, b: Who| self.oracle.kept_apart(a, b).is_none() || self.oracle.ghosts.contains_key(&b);
        let of = |a: Who| self.oracle.facts.keys().copied().filter(|b| a == *b || together(a, *b)).collect();
        self.oracle.facts.keys().map(|who| (*who, of(*who))).collect()
    }

    pub(super) fn listen_to_bots(&mut self) {
        for bot in self.seats.values() {
            self.world.bot_mut(*bot).told = Some(Vec::new());
        }
    }

    /// What a bot is told names nobody across a seal, a hold or a door, and does not follow from what they do.
    fn check_events(&mut self, before: &BTreeMap<Who, BTreeSet<Who>>) {
        let after = self.acquaintances();
        let nobody = BTreeSet::new();
        for (who, bot) in self.seats.clone() {
            let told = self.world.bot_mut(bot).told.take().unwrap_or_default();
            let known = before.get(&who).unwrap_or(&nobody) | after.get(&who).unwrap_or(&nobody);
            let is_alone = before.get(&who).is_some_and(|one| one.len() < 2) && after[&who].len() < 2;
            for (at, event) in told {
                let at = self.world.elapsed() - (self.world.now() - at);
                for sid in named(&event) {
                    let whom = self.world.by_sid(&sid).map(|bot| self.owners[&bot]);
                    let may = whom.is_none_or(|whom| known.contains(&whom));
                    self.ensure(may, || format!("{who:?} is told of {whom:?} at {at:?}: {event:?}"));
                }
                let tells = is_alone && self.tells_of_receivers(who, &event);
                self.ensure(!tells, || format!("{who:?} is alone and learns of receivers at {at:?}: {event:?}"));
            }
        }
    }

    /// That nobody takes a layer any more is told some seconds after the seal, and follows from the seal alone.
    fn tells_of_receivers(&self, who: Who, event: &Event) -> bool {
        match event {
            Event::TrackSubscribed(_) | Event::StreamStates(_) => true,
            Event::SubscribedQuality { .. } => {
                let since = self.alone_since.get(&who).copied().unwrap_or(self.world.now());
                self.world.now() - since > DYNACAST
            }
            _ => false,
        }
    }

    /// Everyone knows exactly those whom they are with.
    pub(super) fn check_rosters(&self) {
        for (who, bot) in &self.seats {
            let fact = &self.oracle.facts[who];
            if fact.seat != Some(label(*bot)) || self.silent.contains_key(who) {
                continue;
            }
            let ghosts: BTreeSet<ParticipantSid> = self.sids(|owner| self.oracle.ghosts.contains_key(&owner));
            let told: BTreeSet<ParticipantSid> = self.world.bot(*bot).others.keys().cloned().collect();
            let seats = self.oracle.roster(*who);
            let should: BTreeSet<ParticipantSid> = self
                .world
                .bots()
                .filter(|(id, _)| seats.contains(&label(*id)))
                .map(|(_, bot)| bot.sid().clone())
                .collect();
            let without_ghosts: BTreeSet<_> = told.difference(&ghosts).cloned().collect();
            let expected: BTreeSet<_> = should.difference(&ghosts).cloned().collect();
            self.ensure(without_ghosts == expected, || format!("{who:?} knows {told:?} and should know {should:?}"));
            let sees_ghosts = told.intersection(&ghosts).any(|sid| !should.contains(sid));
            self.ensure(who.role() != Role::Therapist || !sees_ghosts, || format!("{who:?} does not see the truth"));
        }
    }

    fn sids(&self, of: impl Fn(Who) -> bool) -> BTreeSet<ParticipantSid> {
        let bots = self.owners.iter().filter(|(_, owner)| of(**owner));
        bots.map(|(bot, _)| self.world.bot(*bot).sid().clone()).collect()
    }
}

/// Who an event is about, the gone ones not: to be told that someone is gone is how one learns of a seal.
fn named(event: &Event) -> Vec<ParticipantSid> {
    match event {
        Event::Roster(records) => records
            .iter()
            .filter(|record| record.state != ParticipantState::Disconnected)
            .map(|record| record.sid.clone())
            .collect(),
        Event::Speakers(speakers) => speakers.iter().map(|speaker| speaker.participant.clone()).collect(),
        Event::ConnectionQuality(news) => news.iter().map(|(sid, _)| sid.clone()).collect(),
        Event::StreamStates(states) => states.iter().map(|state| state.participant.clone()).collect(),
        Event::SubscriptionPermission { participant, .. } => vec![participant.clone()],
        _ => Vec::new(),
    }
}
