//! What happens in a play: each turn is done on the server and told to the oracle.

use std::collections::BTreeMap;
use std::time::Duration;

use parlour_bot::direct::{BotId, join};
use parlour_bot::media::{AudioConfig, VideoConfig};
use parlour_model::command::Requester;
use parlour_model::session::{Admission, Departure, SessionCommand, SessionReply, SessionSnapshot};
use parlour_model::{Command, Entry, Identity, Join, Refusal, Reply, Role, Viewer};

use super::cast::{CAST, Who};
use super::check::SLICE;
use super::{Play, label};
use crate::stage::{SESSION, SILENCE, open, session, snapshot, view, world};

/// Everything of a session that can be seen from outside.
#[derive(PartialEq)]
struct Picture {
    snapshot: SessionSnapshot,
    views: BTreeMap<Who, String>,
    everything: String,
}

impl Play {
    /// Someone comes in with microphone and camera; whether they were let in.
    pub fn join(&mut self, who: Who, entry: Entry) -> Result<BotId, Refusal> {
        let request = Join { entry, ..join(who.identity().as_str(), who.role()) };
        let before = self.seats.get(&who).copied();
        match self.world.join_as(SESSION, request, None, |_| ()) {
            Ok(bot) => {
                self.say(format!("{who:?} joins {entry:?} as bot {}", bot.index()));
                self.check_admission(who, entry, before);
                self.seated(who, bot, entry);
                self.listen();
                self.world.publish_audio(bot, AudioConfig::default());
                self.world.publish_video(bot, VideoConfig { fps: 10, ..VideoConfig::single(320, 180, 60_000) });
                Ok(bot)
            }
            Err(refusal) => {
                self.say(format!("{who:?} is refused: {refusal:?}"));
                Err(refusal)
            }
        }
    }

    /// One person, one seat: the connection that had it is out.
    fn check_admission(&self, who: Who, entry: Entry, before: Option<BotId>) {
        let admission = self.oracle.admission_at_join(who, self.world.now());
        let sent_away = matches!(admission, Admission::Denied | Admission::Removed);
        self.ensure(!sent_away, || format!("{who:?} was sent away and is let in"));
        let seat = self.oracle.facts.get(&who).and_then(|fact| fact.seat);
        let old = before.filter(|bot| entry == Entry::Ordinary && seat == Some(label(*bot)));
        let is_out = old.is_none_or(|bot| self.world.left(bot).is_some() || self.silent.contains_key(&who));
        self.ensure(is_out, || format!("{who:?} sits twice"));
    }

    /// A command; refused, it changes nothing; done again, neither.
    pub fn command(&mut self, by: Option<Who>, command: SessionCommand) -> Result<SessionReply, Refusal> {
        self.listen();
        let before = self.picture_of_all();
        self.listen_to_bots();
        let requester = by.map_or(Requester::Server, |who| Requester::Identity(who.identity()));
        let reply = self.ask(requester.clone(), command.clone());
        self.say(format!("{by:?}: {command:?} {:?} -> {:?}", named_in(&command), reply.as_ref().map(|_| "done")));
        match reply {
            Err(refusal) => {
                let told = self.listen() + self.told_to_bots();
                self.ensure(told == 0, || "a refused command told something".to_owned());
                let after = self.picture_of_all();
                self.ensure(before == after, || "a refused command changed something".to_owned());
                Err(refusal)
            }
            Ok(reply) => {
                self.oracle.obeys(by, &command, &reply, self.world.now());
                self.listen();
                self.check_views_across(&before);
                self.repeat(requester, &command, &reply);
                Ok(reply)
            }
        }
    }

    fn repeat(&mut self, by: Requester, command: &SessionCommand, reply: &SessionReply) {
        let before = self.picture_of_all();
        self.listen_to_bots();
        let again = self.ask(by, command.clone());
        self.ensure(again.as_ref() == Ok(reply), || format!("asked again, answered {again:?}"));
        let told = self.listen() + self.told_to_bots();
        // An offer made again is an offer, for two minutes from now.
        let is_offer = *command == SessionCommand::OfferHandOver;
        self.ensure(told == 0 || is_offer, || "a repeated command told something".to_owned());
        let after = self.picture_of_all();
        self.ensure(before == after, || "a repeated command changed something".to_owned());
    }

    fn ask(&mut self, by: Requester, command: SessionCommand) -> Result<SessionReply, Refusal> {
        match self.world.command(&session(), Command::Rule { by, command }) {
            Reply::Ruled { reply, .. } => Ok(reply),
            Reply::Refused(refusal) => Err(refusal),
            other => self.fail(format!("{other:?}")),
        }
    }

    fn told_to_bots(&self) -> usize {
        self.seats.values().filter_map(|bot| self.world.bot(*bot).told.as_ref()).map(Vec::len).sum()
    }

    fn picture_of_all(&mut self) -> Picture {
        let json = |view| serde_json::to_string(&view).unwrap();
        let views = CAST.into_iter().map(|who| {
            let viewer = Viewer::Person { identity: who.identity(), role: who.role() };
            (who, json(view(&mut self.world, viewer)))
        });
        let views = views.collect();
        let everything = json(view(&mut self.world, Viewer::Server));
        Picture { snapshot: snapshot(&mut self.world), views, everything }
    }

    /// Whoever is held, before and after, sees the same, byte for byte, whatever happened elsewhere.
    fn check_views_across(&mut self, before: &Picture) {
        let after = self.picture_of_all();
        for who in CAST.into_iter().filter(|who| who.role() != Role::Therapist) {
            let (old, new) = (&before.views[&who], &after.views[&who]);
            let held = |json: &str| json.contains("\"place\":\"hold\"");
            self.ensure(!(held(old) && held(new)) || own(old, new), || {
                format!("{who:?} is held and sees {old} -> {new}")
            });
        }
    }

    /// Signalling and media fall silent at once; six seconds later both are known to be gone.
    pub fn vanish(&mut self, who: Who) {
        let Some(bot) = self.live(who) else { return };
        if !self.world.bot(bot).endpoint.is_connected() {
            return;
        }
        self.say(format!("{who:?} vanishes"));
        self.silent.insert(who, self.world.now());
        self.world.vanish(bot);
        self.listen();
        self.watch(SILENCE + Duration::from_secs(1));
    }

    /// The same device is heard again.
    pub fn come_back(&mut self, who: Who) {
        let Some(bot) = self.seats.get(&who).copied().filter(|_| self.silent.contains_key(&who)) else { return };
        if self.oracle.facts[&who].seat != Some(label(bot)) {
            return;
        }
        self.world.bot_mut(bot).endpoint.restart_ice();
        let back = self.world.come_back(bot);
        self.say(format!("{who:?} comes back: {back:?}"));
        self.listen();
        let limit = self.world.now() + Duration::from_secs(10);
        while self.silent.contains_key(&who) && self.oracle.facts[&who].seat.is_some() {
            self.watch(SLICE);
            self.ensure(self.world.now() < limit, || format!("{who:?} is not heard again"));
        }
    }

    /// The device is gone for good; the person comes in anew, on the seat if it is still kept.
    pub fn reconnect(&mut self, who: Who) {
        self.vanish(who);
        let _ = self.join(who, Entry::Ordinary);
    }

    /// Says goodbye.
    pub fn leave(&mut self, who: Who) {
        let Some(bot) = self.live(who) else { return };
        self.say(format!("{who:?} leaves"));
        self.oracle.left(who, Departure::Left, self.world.now());
        self.world.leave(bot);
        self.listen();
    }

    /// Moves to another device.
    pub fn hand_over(&mut self, who: Who) {
        if self.live(who).is_none() || self.command(Some(who), SessionCommand::OfferHandOver).is_err() {
            return;
        }
        let Ok(bot) = self.join(who, Entry::HandOver) else { return };
        let limit = self.world.now() + Duration::from_secs(10);
        while self.seats.get(&who) != Some(&bot) {
            self.watch(SLICE);
            self.ensure(self.world.now() < limit, || format!("{who:?} does not get the seat"));
        }
    }

    /// The server dies and comes back from what it kept; everyone comes in again.
    pub fn restart(&mut self) {
        let kept = snapshot(&mut self.world);
        self.say("the server restarts");
        self.restarts += 1;
        self.world = world(self.seed.wrapping_mul(1_000).wrapping_add(self.restarts), Default::default());
        open(&mut self.world, self.policy.clone(), Some(kept));
        let seated: Vec<Who> =
            self.oracle.facts.iter().filter(|(_, fact)| fact.seat.is_some()).map(|(who, _)| *who).collect();
        self.oracle.restarts();
        (self.seats, self.silent, self.owners, self.read) = Default::default();
        for who in seated {
            let _ = self.join(who, Entry::Ordinary);
        }
    }

    /// Who sits there with a line that is up.
    fn live(&self, who: Who) -> Option<BotId> {
        let bot = *self.seats.get(&who)?;
        let here = self.world.left(bot).is_none() && !self.silent.contains_key(&who);
        let seat = self.oracle.facts.get(&who)?.seat == Some(label(bot));
        (here && seat).then_some(bot)
    }
}

/// Equal but for what the person did themselves: to accept a text, to agree.
fn own(old: &str, new: &str) -> bool {
    let without = |json: &str| {
        let mut value: serde_json::Value = serde_json::from_str(json).unwrap();
        value["consent"] = serde_json::Value::Null;
        value["recording_agreement"] = serde_json::Value::Null;
        value
    };
    old == new || without(old) == without(new)
}

/// Identities print redacted.
fn named_in(command: &SessionCommand) -> Vec<Who> {
    let named = |identity: &Identity| CAST.into_iter().find(|who| who.identity() == *identity);
    match command {
        SessionCommand::Admit(identity)
        | SessionCommand::Deny(identity)
        | SessionCommand::ReturnToWaiting(identity)
        | SessionCommand::Hold(identity)
        | SessionCommand::Resume(identity)
        | SessionCommand::Remove(identity)
        | SessionCommand::SetFloor(parlour_model::session::Floor::OneVoice(identity)) => {
            named(identity).into_iter().collect()
        }
        SessionCommand::SetSameRoom { a, b, .. } => [a, b].into_iter().filter_map(named).collect(),
        SessionCommand::StartCheckIn { therapist, with } => therapist.iter().chain(with).filter_map(named).collect(),
        _ => Vec::new(),
    }
}
