//! Whom a client means by what it sends: those of whom it knows that they are there.
//!
//! When someone's circle grows (a check-in ends, a newcomer is let in), what it sent before it learned of that is still
//! under way, and was for the circle as it was. Every client is therefore asked to acknowledge the news, on the ordered
//! way on which it was told; what comes in until then, and a little longer, goes to nobody who is new in the circle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parlour_model::command::AudienceMark;
use parlour_model::{Identity, ParticipantKey};

/// What came by signalling and what comes by SCTP do not wait for each other: for so long after the acknowledgement a
/// message may still come that was sent before the news, because its packet was lost. Clients repeat it after 400 ms at
/// the earliest (libwebrtc's least timeout of retransmission).
const SETTLING: Duration = Duration::from_millis(500);

/// Whoever joins is greeted: an application answers the news at once, and its message comes just behind the
/// acknowledgement. Those who were apart from the sender for a while are not greeted, and what was said meanwhile was not for them.
const SETTLING_FOR_NEWCOMERS: Duration = Duration::ZERO;

/// On a line that was slow to acknowledge: twice as long as that took, as timeouts double, and no longer than this.
const MOST_SETTLING: Duration = Duration::from_secs(5);

/// After a resume clients send again what was not received, once their connection is whole.
const SETTLING_AFTER_RESUME: Duration = Duration::from_secs(2);

/// For how long sound and picture wait for the acknowledgement at most: they are not repeated later, and silence in a
/// call is a fault.
const MEDIA_WAIT: Duration = Duration::from_secs(2);

/// And this much longer once it came: a packet repeats the two frames of 20 ms before it (RFC 2198), and what was said is
/// under way within a device before it is sent.
const MEDIA_REPEATS: Duration = Duration::from_millis(60);

/// Who is connected and has not acknowledged by then never will: its client answers no pings (RFC 6455 5.5.2 says that
/// it must), and its messages would reach no newcomer for ever.
const NEVER: Duration = Duration::from_secs(15);

/// People that one client met. A session has 12 seats and knows 64 people.
const MAX_MET: usize = 64;

/// Whether something could reach somebody at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Yes.
    Up,
    /// It is being made, which takes longer than news.
    Coming,
}

/// The circle of one client.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    listeners: BTreeMap<ParticipantKey, Listener>,
    /// Who was in it, and is elsewhere in the session. Bounded by the session's seats.
    apart: BTreeSet<ParticipantKey>,
    /// Of whom it ever knew; at [`MAX_MET`] nobody is new any more.
    met: BTreeSet<Identity>,
    /// Grows with the circle.
    mark: AudienceMark,
    /// The last acknowledgement it was asked for.
    asked: u32,
}

#[derive(Debug)]
struct Listener {
    knowledge: Knowledge,
    /// It knew nothing of them before: to name them shows that it does now.
    is_new: bool,
    /// Until then sound and picture wait.
    media_waits: Option<Instant>,
}

/// What is known of what the client knows.
#[derive(Debug)]
enum Knowledge {
    /// It was told.
    Told { since: Instant, asked: Option<(u32, Instant)>, settling: Duration },
    /// It has the news; what it sent before may be under way.
    Settling { until: Instant },
    /// What came in at this mark or later was sent with the news.
    Since(AudienceMark),
}

impl Audience {
    /// Those of whom its first message told: it has sent nothing before.
    pub(crate) fn begin(&mut self, circle: impl Iterator<Item = (ParticipantKey, Identity)>) {
        for (key, identity) in circle {
            self.met.insert(identity);
            let knowledge = Knowledge::Since(self.mark);
            self.listeners.insert(key, Listener { knowledge, is_new: true, media_waits: None });
        }
    }

    /// It is being told that someone is there.
    pub(crate) fn told(&mut self, key: ParticipantKey, identity: &Identity, their: Connection, now: Instant) {
        let is_new = self.met.len() < MAX_MET && self.met.insert(identity.clone());
        let settling = if self.apart.remove(&key) { SETTLING } else { SETTLING_FOR_NEWCOMERS };
        let knowledge = Knowledge::Told { since: now, asked: None, settling };
        let media_waits = (their == Connection::Up).then(|| now + MEDIA_WAIT);
        self.listeners.insert(key, Listener { knowledge, is_new, media_waits });
    }

    /// It is being told everything anew, after a break: of its circle, and that nobody else is there.
    pub(crate) fn told_anew(&mut self, circle: impl Iterator<Item = (ParticipantKey, Identity)>, now: Instant) {
        let mut before = std::mem::take(&mut self.listeners);
        for (key, identity) in circle {
            match before.remove(&key) {
                Some(listener) => _ = self.listeners.insert(key, listener),
                None => self.told(key, &identity, Connection::Up, now),
            }
        }
        self.apart.extend(before.into_keys());
        for listener in self.listeners.values_mut() {
            if let Knowledge::Told { since, asked, settling } = &mut listener.knowledge {
                (*since, *asked, *settling) = (now, None, SETTLING_AFTER_RESUME);
            }
        }
    }

    /// It is being told that someone is there no more, who is elsewhere in the session.
    pub(crate) fn parted(&mut self, key: ParticipantKey) {
        if self.listeners.remove(&key).is_some() {
            self.apart.insert(key);
        }
    }

    /// Someone has left the session.
    pub(crate) fn left(&mut self, key: ParticipantKey) {
        self.listeners.remove(&key);
        self.apart.remove(&key);
    }

    /// The acknowledgement to ask for now, behind what it was told.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<u32> {
        let number = self.asked.wrapping_add(1);
        let mut asks = false;
        for listener in self.listeners.values_mut() {
            if let Knowledge::Told { asked: asked @ None, .. } = &mut listener.knowledge {
                *asked = Some((number, now));
                asks = true;
            }
        }
        asks.then(|| {
            self.asked = number;
            number
        })
    }

    /// It has everything that it was told before this was asked.
    pub(crate) fn acknowledged(&mut self, number: u32, now: Instant) {
        for listener in self.listeners.values_mut() {
            if let Knowledge::Told { asked: Some((asked, at)), settling, .. } = listener.knowledge
                && asked == number
            {
                let slow = (now.saturating_duration_since(at) * 2).min(MOST_SETTLING);
                let settling = if settling.is_zero() { settling } else { slow.max(settling) };
                listener.knowledge = Knowledge::Settling { until: now + settling };
                listener.media_waits = listener.media_waits.map(|_| now + MEDIA_REPEATS);
            }
        }
    }

    /// A message comes in: by what it was sent, so far as is certain. `connected`: the client is being told things.
    pub(crate) fn mark(&mut self, connected: bool, now: Instant) -> AudienceMark {
        let next = AudienceMark(self.mark.0.wrapping_add(1));
        for listener in self.listeners.values_mut() {
            let is_certain = match listener.knowledge {
                Knowledge::Told { since, .. } => connected && now.saturating_duration_since(since) >= NEVER,
                Knowledge::Settling { until } => now >= until,
                Knowledge::Since(_) => false,
            };
            if is_certain {
                listener.knowledge = Knowledge::Since(next);
                self.mark = next;
            }
        }
        self.mark
    }

    /// Whether a message that came in at `mark` may have been meant for someone. `named`: it says so.
    pub(crate) fn means(&self, receiver: ParticipantKey, mark: AudienceMark, named: bool) -> bool {
        self.listeners.get(&receiver).is_some_and(|listener| match listener.knowledge {
            _ if named && listener.is_new => true,
            Knowledge::Since(since) => since <= mark,
            Knowledge::Told { .. } | Knowledge::Settling { .. } => false,
        })
    }

    /// Whether what it says and shows has to wait before someone gets it.
    pub(crate) fn withholds_media(&self, receiver: ParticipantKey) -> bool {
        self.listeners.get(&receiver).is_some_and(|listener| listener.media_waits.is_some())
    }

    /// When sound and picture have waited long enough.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.listeners.values().filter_map(|listener| listener.media_waits).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for listener in self.listeners.values_mut() {
            listener.media_waits = listener.media_waits.filter(|until| *until > now);
        }
    }
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
