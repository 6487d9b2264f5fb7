//! What someone writes or says in one circle reaches nobody of a wider one, however late it arrives: lines with a delay,
//! clients that learn of a change after the worker made it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::endpoint::Channel;
use parlour_model::Identity;
use parlour_model::session::{CheckInId, SessionCommand, SessionPolicy, SessionReply};
use parlour_simnet::{HomeConfig, LinkConfig, Micros};

use crate::play::script::Dice;
use crate::stage::{SETTLED, ask, by, flows, knows, open_door, packets, publish, rule};

/// Between two messages of one person.
const BEAT: Duration = Duration::from_millis(10);

/// A therapist and two partners on lines that take their time: ann's, and those of the others.
struct Talk {
    world: World,
    therapist: BotId,
    ann: BotId,
    ben: BotId,
    /// Whom each sender knew of when it sent the message of this number.
    meant: BTreeMap<u64, BTreeSet<BotId>>,
    sent_by: BTreeMap<u64, BotId>,
}

impl Talk {
    fn new(
        seed: u64,
        policy: SessionPolicy,
        [hers, others]: [LinkConfig; 2],
        [her_way, other_way]: [Duration; 2],
    ) -> Self {
        let mut world = crate::stage::world(seed, policy);
        let people = [("therapist", Role::Therapist), ("ann", Role::Client), ("ben", Role::Client)];
        let [therapist, ann, ben] = people.map(|(identity, role)| {
            let is_ann = identity == "ann";
            let (line, one_way) = if is_ann { (&hers, her_way) } else { (&others, other_way) };
            let home = world.add_home(HomeConfig { up: line.clone(), down: line.clone() });
            let bot = world
                .join_with(crate::stage::SESSION, identity, role, Some(home), |bot| bot.signalling_delay = one_way)
                .unwrap();
            publish(&mut world, bot);
            bot
        });
        Self { world, therapist, ann, ben, meant: BTreeMap::new(), sent_by: BTreeMap::new() }
    }

    fn couple(seed: u64, lines: [LinkConfig; 2], ways: [Duration; 2]) -> Self {
        let mut talk = Self::new(seed, open_door(), lines, ways);
        for identity in ["ann", "ben"] {
            rule(&mut talk.world, SessionCommand::Admit(Identity::from(identity)));
        }
        talk.come_together();
        talk
    }

    fn everyone(&self) -> [BotId; 3] {
        [self.therapist, self.ann, self.ben]
    }

    fn come_together(&mut self) {
        let everyone = self.everyone();
        let writes = |world: &World, bot| world.bot(bot).endpoint.has_channel(Channel::Reliable);
        let all = |world: &World, bot| everyone.iter().all(|from| *from == bot || flows(world, *from, bot));
        let ready = |world: &World| everyone.iter().all(|bot| writes(world, *bot) && all(world, *bot));
        assert!(self.world.run_until(SETTLED, ready), "not everyone receives everyone");
        self.world.run_for(Duration::from_secs(3));
    }

    /// Everyone writes all the time, on both channels.
    fn write_for(&mut self, time: Duration) {
        let end = self.world.now() + time;
        while self.world.now() < end {
            for from in self.everyone() {
                let known = self.everyone().into_iter().filter(|whom| knows(&self.world, from, *whom)).collect();
                let number = self.meant.len() as u64;
                self.meant.insert(number, known);
                self.sent_by.insert(number, from);
                let text = number.to_string();
                assert!(self.world.send(from, Channel::Reliable, text.as_bytes()));
                assert!(self.world.send(from, Channel::Lossy, text.as_bytes()));
            }
            self.world.run_for(BEAT);
        }
    }

    fn check_in(&mut self) -> CheckInId {
        let with = [Identity::from("ann")].into();
        match ask(&mut self.world, by("therapist"), SessionCommand::StartCheckIn { therapist: None, with }) {
            Ok(SessionReply::Receipt(receipt)) => receipt.id,
            other => panic!("{other:?}"),
        }
    }

    fn read(&self, bot: BotId) -> impl Iterator<Item = u64> {
        let texts = self.world.bot(bot).messages.iter();
        texts.map(|(_, text)| String::from_utf8_lossy(text).parse().unwrap())
    }

    /// Nobody got what was written to a circle without them.
    fn check(&self) {
        for reader in self.everyone() {
            for number in self.read(reader) {
                let (meant, from) = (&self.meant[&number], self.sent_by[&number]);
                assert!(meant.contains(&reader), "{reader:?} reads what {from:?} wrote to {meant:?}");
            }
        }
    }

    /// Whether the last messages reach everyone.
    fn all_get_the_last(&self) -> bool {
        self.everyone().into_iter().all(|reader| {
            let numbers: BTreeSet<u64> = self.read(reader).collect();
            let senders = self.everyone().into_iter().filter(|from| *from != reader);
            senders.into_iter().all(|from| {
                let last = self.sent_by.iter().rev().filter(|(_, sender)| **sender == from).map(|(number, _)| *number);
                last.take(100).any(|number| numbers.contains(&number))
            })
        })
    }
}

fn line(one_way: Duration) -> LinkConfig {
    LinkConfig { delay: Micros::from(one_way), ..LinkConfig::default() }
}

#[test]
fn what_is_written_in_a_check_in_is_read_by_nobody_else_however_late_it_arrives() {
    for (seed, one_way) in [(61, 5), (62, 60), (63, 400)] {
        let one_way = Duration::from_millis(one_way);
        let mut talk = Talk::couple(seed, [line(one_way), line(one_way)], [one_way; 2]);
        talk.write_for(Duration::from_secs(1));
        let id = talk.check_in();
        talk.write_for(Duration::from_secs(2));
        rule(&mut talk.world, SessionCommand::EndCheckIn(id));
        talk.write_for(Duration::from_secs(5));
        talk.world.run_for(Duration::from_secs(2));
        talk.check();
        assert!(talk.all_get_the_last(), "and then they read each other again ({one_way:?})");
        let withheld = talk.world.shard().counters().data_withheld;
        assert!(withheld > 0, "there was something to keep back");
    }
}

#[test]
fn what_is_under_way_when_someone_is_let_in_or_freed_is_not_for_them() {
    let one_way = Duration::from_millis(120);
    let mut talk = Talk::new(65, SessionPolicy::default(), [line(one_way), line(one_way)], [one_way; 2]);
    rule(&mut talk.world, SessionCommand::Admit(Identity::from("ann")));
    let (therapist, ann, ben) = (talk.therapist, talk.ann, talk.ben);
    let ready = |world: &World| {
        flows(world, therapist, ann)
            && [therapist, ann, ben].iter().all(|bot| world.bot(*bot).endpoint.has_channel(Channel::Reliable))
    };
    assert!(talk.world.run_until(SETTLED, ready));
    talk.write_for(Duration::from_secs(1));
    rule(&mut talk.world, SessionCommand::Admit(Identity::from("ben")));
    talk.write_for(Duration::from_secs(3));
    rule(&mut talk.world, SessionCommand::Hold(Identity::from("ann")));
    talk.write_for(Duration::from_secs(1));
    rule(&mut talk.world, SessionCommand::Resume(Identity::from("ann")));
    talk.write_for(Duration::from_secs(3));
    talk.world.run_for(Duration::from_secs(1));
    talk.check();
    assert!(talk.all_get_the_last());
}

#[test]
fn whatever_moves_people_make_nobody_reads_what_was_not_for_them() {
    for seed in 0..3 {
        let mut dice = Dice(seed);
        let [her_way, other_way] = [0, 1].map(|_| Duration::from_millis(5 + dice.roll(250)));
        let mut talk = Talk::couple(70 + seed, [line(her_way), line(other_way)], [her_way, other_way]);
        let mut check_in = None;
        for _ in 0..16 {
            match (dice.roll(4), check_in.take()) {
                (0 | 1, Some(id)) => _ = rule(&mut talk.world, SessionCommand::EndCheckIn(id)),
                (_, Some(id)) => check_in = Some(id),
                (0, None) => check_in = Some(talk.check_in()),
                (1, None) => _ = rule(&mut talk.world, SessionCommand::Hold(Identity::from("ann"))),
                (2, None) => _ = rule(&mut talk.world, SessionCommand::Hold(Identity::from("ben"))),
                _ => _ = rule(&mut talk.world, SessionCommand::ResumeAll),
            }
            talk.write_for(Duration::from_millis(20 + dice.roll(900)));
        }
        check_in.map(|id| rule(&mut talk.world, SessionCommand::EndCheckIn(id)));
        rule(&mut talk.world, SessionCommand::ResumeAll);
        talk.write_for(Duration::from_secs(4));
        talk.world.run_for(Duration::from_secs(1));
        talk.check();
        assert!(talk.all_get_the_last(), "in the end they read each other (seed {seed})");
    }
}

#[test]
fn what_is_said_and_shown_before_the_sender_knows_who_is_there_again_is_heard_by_nobody_new() {
    // The slower her line, the longer she speaks to the therapist alone, as she believes.
    for her_way in [20, 100, 300] {
        let (her_way, his_way) = (Duration::from_millis(her_way), Duration::from_millis(20));
        let mut talk = Talk::couple(66, [her_way, his_way].map(line), [her_way, his_way]);
        let id = talk.check_in();
        talk.world.run_for(Duration::from_secs(2));
        let (ann, ben) = (talk.ann, talk.ben);
        let before = packets(&talk.world, ann, ben);
        rule(&mut talk.world, SessionCommand::EndCheckIn(id));
        let ended = talk.world.now();
        let mut learned: Option<Instant> = None;
        let heard = loop {
            talk.world.run_for(Duration::from_millis(1));
            let now = talk.world.now();
            learned = learned.or_else(|| knows(&talk.world, ann, ben).then_some(now));
            if packets(&talk.world, ann, ben) > before {
                break now;
            }
            assert!(now < ended + SETTLED, "never heard again");
        };
        // Nothing that was sent with the news can be there sooner.
        let took = heard - ended;
        let knew = learned.is_some_and(|learned| heard >= learned + her_way + his_way);
        assert!(knew, "heard after {took:?}, with {her_way:?} each way: she did not know yet");
    }
}
