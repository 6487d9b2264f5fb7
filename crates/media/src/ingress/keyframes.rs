//! Asks a publisher for keyframes of one encoding: PLI (RFC 4585 section 6.3.1) or FIR (RFC 5104 section 4.3.1).
//!
//! However many receivers need one, one request goes out: at once for the first, then no sooner than a throttle apart,
//! repeated with growing pauses until a keyframe comes.

use std::time::{Duration, Instant};

/// Requests are at least this far apart. An encoder answers each with a keyframe ten times the size of another frame.
pub const THROTTLE: Duration = Duration::from_millis(300);

/// The pause between repetitions grows up to this.
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// Repetitions after which an encoding is taken to be off; the next need begins anew.
const MAX_TRIES: u8 = 20;

/// What the publisher agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyframeMethod {
    /// Preferred where there is a choice.
    Pli,
    /// Numbered requests.
    Fir,
    /// Neither: keyframes come when they come.
    None,
}

impl KeyframeMethod {
    /// From what was negotiated.
    pub fn negotiated(pli: bool, fir: bool) -> Self {
        match (pli, fir) {
            (true, _) => Self::Pli,
            (false, true) => Self::Fir,
            (false, false) => Self::None,
        }
    }
}

/// A request to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyframeAsk {
    /// Send a PLI.
    Pli,
    /// Send a FIR with this number: a new one for each need, the same when repeated.
    Fir {
        /// `Seq nr.`
        sequence: u8,
    },
}

/// Requests for one encoding.
#[derive(Clone, Debug)]
pub struct KeyframeRequests {
    method: KeyframeMethod,
    sent: Option<Instant>,
    /// When to ask (again); `None` while nobody needs one.
    due: Option<Instant>,
    tries: u8,
    fir_sequence: u8,
    merged: u64,
    requested: u64,
}

impl KeyframeRequests {
    /// Nobody needs one yet.
    pub fn new(method: KeyframeMethod) -> Self {
        Self { method, sent: None, due: None, tries: 0, fir_sequence: 0, merged: 0, requested: 0 }
    }

    /// Someone needs a keyframe: a receiver asked, subscribed, switches, or packets are beyond repair.
    pub fn request(&mut self, now: Instant) {
        if self.method == KeyframeMethod::None {
            return;
        }
        if self.due.is_some() {
            self.merged += 1;
            return;
        }
        self.tries = 0;
        self.fir_sequence = self.fir_sequence.wrapping_add(1);
        self.due = Some(self.sent.map_or(now, |sent| now.max(sent + THROTTLE)));
    }

    /// A keyframe began to arrive.
    pub fn handle_keyframe(&mut self) {
        self.due = None;
    }

    /// The encoding is off (muted, unpublished, taken by nobody).
    pub fn cancel(&mut self) {
        self.due = None;
    }

    /// Somebody waits for a keyframe.
    pub fn is_pending(&self) -> bool {
        self.due.is_some()
    }

    /// When [`Self::poll_request`] has something.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The request to send now, if any.
    pub fn poll_request(&mut self, now: Instant) -> Option<KeyframeAsk> {
        self.due.filter(|&due| due <= now)?;
        // 300 ms, 450, 675, ... 3 s.
        let pause = (0..self.tries).fold(THROTTLE, |pause, _| (pause * 3 / 2).min(MAX_PAUSE));
        self.tries += 1;
        self.sent = Some(now);
        self.due = (self.tries < MAX_TRIES).then(|| now + pause);
        self.requested += 1;
        match self.method {
            KeyframeMethod::Pli => Some(KeyframeAsk::Pli),
            KeyframeMethod::Fir => Some(KeyframeAsk::Fir { sequence: self.fir_sequence }),
            KeyframeMethod::None => None,
        }
    }

    /// Needs that an earlier request already covered.
    pub fn merged(&self) -> u64 {
        self.merged
    }

    /// Requests sent.
    pub fn requested(&self) -> u64 {
        self.requested
    }
}

#[cfg(test)]
mod tests;
