//! Random turns from a seed.

use std::time::Duration;

use parlour_model::Entry;
use parlour_model::session::{CheckInId, ConsentText, DuplicatePolicy, Floor, SameRoom, SessionCommand, SessionPolicy};

use super::Play;
use super::cast::{A, B, C, S, T, Who};

/// Who plays: two therapists and three clients.
pub const PLAYERS: [Who; 5] = [T, A, B, C, S];

/// A small generator with a good spread (SplitMix64), so that a seed is all one needs to see a failure again.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.roll(chances) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }
}

pub fn text() -> ConsentText {
    ConsentText { id: "v1".to_owned(), sha256: [1; 32] }
}

pub fn policy(dice: &mut Dice) -> SessionPolicy {
    SessionPolicy {
        waiting_room: !dice.one_in(3),
        require_therapist: !dice.one_in(5),
        therapist_grace_seconds: dice.pick(&[5, 40]),
        duplicate_identity: dice.pick(&[DuplicatePolicy::RejectNew, DuplicatePolicy::Replace]),
        consent: dice.one_in(4).then(text),
        ..SessionPolicy::default()
    }
}

/// Everyone comes in, and most are let in: most of what matters happens in a session that is under way.
pub fn overture(play: &mut Play, dice: &mut Dice) {
    for who in PLAYERS {
        if who != S || !dice.one_in(4) {
            let _ = play.join(who, Entry::Ordinary);
        }
    }
    for who in [A, B, C] {
        if play.policy.consent.is_some() && !dice.one_in(5) {
            let _ = play.command(Some(who), SessionCommand::AcceptConsent(text()));
        }
        if !dice.one_in(6) {
            let _ = play.command(None, SessionCommand::Admit(who.identity()));
        }
    }
    play.watch_until_all_flows();
    first_turn(play);
}

/// What the promises are about is in every five plays.
fn first_turn(play: &mut Play) {
    let command = match play.seed % 5 {
        0 => SessionCommand::StartCheckIn { therapist: None, with: [A.identity()].into() },
        1 => {
            let _ = play.command(None, SessionCommand::Admit(B.identity()));
            SessionCommand::Hold(B.identity())
        }
        2 => SessionCommand::SetFloor(Floor::TherapistOnly),
        3 => {
            play.leave(S);
            play.vanish(T);
            return play.come_back(T);
        }
        _ => return play.restart(),
    };
    let _ = play.command(Some(T), command);
    play.let_arrive();
    play.everyone_speaks();
    play.watch(Duration::from_secs(1));
}

/// One thing happens; then nothing passes that may not, and everything that may.
pub fn turn(play: &mut Play, dice: &mut Dice) {
    let who = dice.pick(&PLAYERS);
    match dice.roll(30) {
        0..=16 => {
            let by = dice.pick(&[Some(T), Some(T), Some(T), Some(S), None, Some(A), Some(B), Some(C)]);
            let command = command(dice);
            let _ = play.command(by, command);
        }
        17 => play.vanish(who),
        18 | 19 => play.come_back(who),
        20 => play.reconnect(who),
        21 => play.leave(who),
        22 | 23 => {
            // Again with another connection, or for the first time.
            let _ = play.join(who, Entry::Ordinary);
        }
        24 | 25 => play.hand_over(who),
        26 => {
            let _ = play.command(Some(dice.pick(&[A, B, C])), SessionCommand::QuickExit);
        }
        27 => play.restart(),
        _ => {
            let seconds = dice.pick(&[1, 5, 16, 45]);
            play.say(format!("{seconds} s"));
            play.watch(Duration::from_secs(seconds));
        }
    }
    play.let_arrive();
    play.everyone_speaks();
    play.watch(Duration::from_millis(300));
    play.watch_until_all_flows();
}

fn command(dice: &mut Dice) -> SessionCommand {
    let clients = [A, B, C];
    let client = dice.pick(&clients).identity();
    match dice.roll(22) {
        0..=2 => SessionCommand::Admit(client),
        3 => SessionCommand::Deny(client),
        4 => SessionCommand::ReturnToWaiting(client),
        5 | 6 => SessionCommand::Hold(client),
        7 | 8 => SessionCommand::Resume(client),
        9 => SessionCommand::ResumeAll,
        10..=13 => {
            let with = clients.into_iter().filter(|_| dice.one_in(3)).map(Who::identity).chain([client]).collect();
            SessionCommand::StartCheckIn { therapist: None, with }
        }
        14 | 15 => SessionCommand::EndCheckIn(CheckInId(dice.roll(4) as u32)),
        16 => SessionCommand::SetFloor(Floor::Open),
        17 if dice.one_in(2) => SessionCommand::SetFloor(Floor::TherapistOnly),
        17 => SessionCommand::SetFloor(Floor::OneVoice(client)),
        18 => SessionCommand::SetSameRoom {
            a: A.identity(),
            b: dice.pick(&[B, C]).identity(),
            how: dice.pick(&[SameRoom::Apart, SameRoom::Audio, SameRoom::AudioAndVideo]),
        },
        19 => SessionCommand::Remove(client),
        20 => SessionCommand::Signal,
        _ => SessionCommand::AcceptConsent(text()),
    }
}
