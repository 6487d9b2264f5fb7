//! How much of the worker one client may take with what it sends at will. All rooms of a worker share one thread: a client
//! that writes messages or descriptions without end would be felt by people it has nothing to do with.

use std::time::{Duration, Instant};

use crate::room::RoomContext;
use parlour_model::ParticipantKey;

/// What a data message counts for: 2,000 a second. Files go in pieces of 15 kB, so that this is 240 Mbit/s.
const MESSAGE: Duration = Duration::from_micros(500);

/// Messages that may come at once, by what they count for: 4,000.
const MESSAGES_AHEAD: Duration = Duration::from_secs(2);

/// What a byte of a description counts for: 200 kB a second. The description of a group of twelve is some 64 kB.
const DESCRIPTION_BYTE: Duration = Duration::from_micros(5);

/// Descriptions that may come at once, by what they count for: 4 MB, as when twelve people come in together and each new
/// one makes all others describe themselves anew, some times over.
const DESCRIPTIONS_AHEAD: Duration = Duration::from_secs(20);

/// What one client has taken of each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowance {
    messages: Meter,
    descriptions: Meter,
}

/// Goes ahead of time by what is taken, and time catches up.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    paid_until: Option<Instant>,
}

impl Meter {
    /// False: too much, and nothing is taken.
    fn take(&mut self, cost: Duration, ahead: Duration, now: Instant) -> bool {
        let until = self.paid_until.map_or(now, |until| until.max(now)) + cost;
        let affords = until.saturating_duration_since(now) <= ahead;
        if affords {
            self.paid_until = Some(until);
        }
        affords
    }
}

impl RoomContext<'_> {
    /// Whether this client may send another message now.
    pub(crate) fn affords_message(&mut self, key: ParticipantKey) -> bool {
        let affords = self.room.allowances.entry(key).or_default().messages.take(MESSAGE, MESSAGES_AHEAD, self.now);
        self.counters.over_allowance += u64::from(!affords);
        affords
    }

    /// Whether this client may have another description of so many bytes looked at now.
    pub(crate) fn affords_description(&mut self, key: ParticipantKey, bytes: usize) -> bool {
        // Longer ones are refused unseen.
        let cost = DESCRIPTION_BYTE * u32::try_from(bytes).unwrap_or(u32::MAX).min(1 << 20);
        let meter = &mut self.room.allowances.entry(key).or_default().descriptions;
        let affords = meter.take(cost, DESCRIPTIONS_AHEAD, self.now);
        self.counters.over_allowance += u64::from(!affords);
        affords
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test takes an epoch")]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_at_once_comes_back_with_time() {
        let start = Instant::now();
        let mut meter = Meter::default();
        let taken = |meter: &mut Meter, now| (0..5_000).filter(|_| meter.take(MESSAGE, MESSAGES_AHEAD, now)).count();
        assert_eq!(taken(&mut meter, start), 4_000);
        assert_eq!(taken(&mut meter, start + Duration::from_secs(1)), 2_000);
        assert_eq!(taken(&mut meter, start + Duration::from_secs(60)), 4_000);
    }
}
