//! ICE-lite (RFC 8445 2.5): answers checks, learns the client's addresses from them, follows its nomination.
//!
//! STUN messages are read, verified and written by crate `is`; the agent is ours, because a lite one needs none of a
//! full agent's parts and some that it lacks: two generations of credentials during a restart, bounds on what an
//! authenticated client can fill, nomination by the client's latest word (docs/decisions/0020-ice-lite.md). Remote candidates in SDP are
//! not looked at: nothing is resolved, nothing is sent to an address that has not sent a valid check.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use aws_lc_rs::hmac;
use is::stun::{StunMessage, TransId};

use crate::{DatagramDrop, IceCredentials, Route, Transmit};

/// Most pairs remembered as valid. Clients have a handful of interfaces, times IPv4 and IPv6.
const MAX_PAIRS: usize = 16;

/// Most replies that wait to be polled.
const MAX_REPLIES: usize = 32;

/// Checks with USE-CANDIDATE, with none on the nominated pair in between, after which a pair of lower priority takes
/// over. A client that nominates aggressively (RFC 5245 8.1.1.2) checks all its pairs that way and means the best.
const CHECKS_TO_STEP_DOWN: u8 = 2;

/// Checks that are remembered. A browser sends one per pair each 2.5 s once it is connected, so this is over five minutes
/// of two pairs.
const MAX_SEEN: usize = 256;

/// Room for a success or error response.
const REPLY_SIZE: usize = 128;

/// The local ufrag a STUN binding request is for; `None` if it is none. For the demultiplexer; proves nothing.
pub fn stun_ufrag(datagram: &[u8]) -> Option<&str> {
    let message = StunMessage::parse(datagram).ok().filter(StunMessage::is_binding_request)?;
    Some(message.username()?.split_once(':')?.0)
}

/// What a valid check brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckOutcome {
    /// The nominated pair is another than before.
    pub(crate) route: Option<Route>,
    /// A restart is complete: this ufrag is no longer ours.
    pub(crate) retired: Option<String>,
}

/// Credentials of both sides, of one generation.
struct Generation {
    local: IceCredentials,
    /// Unknown until the client's description.
    remote_ufrag: Option<String>,
}

struct Pair {
    route: Route,
    heard: Instant,
}

struct Nominated {
    route: Route,
    priority: u32,
    /// Another pair that the client nominates, and how often in a row.
    challenger: Option<(Route, u8)>,
}

/// A lite agent: always controlled, one component.
pub(crate) struct IceLite {
    current: Generation,
    former: Option<Generation>,
    /// Valid pairs, at most [`MAX_PAIRS`].
    pairs: Vec<Pair>,
    nominated: Option<Nominated>,
    replies: VecDeque<(Transmit, Vec<u8>)>,
    /// The latest checks and where they came from. The integrity of a check does not cover its source (RFC 8489 9.1.4),
    /// so one that was captured and comes again from elsewhere would move the route there.
    seen: VecDeque<(TransId, SocketAddr)>,
}

impl IceLite {
    pub(crate) fn new(local: IceCredentials) -> Self {
        Self {
            current: Generation { local, remote_ufrag: None },
            former: None,
            pairs: Vec::new(),
            nominated: None,
            replies: VecDeque::new(),
            seen: VecDeque::new(),
        }
    }

    pub(crate) fn local(&self) -> &IceCredentials {
        &self.current.local
    }

    /// The client's ufrag as of its last description.
    pub(crate) fn set_remote(&mut self, ufrag: &str) {
        self.current.remote_ufrag = Some(ufrag.to_owned());
    }

    /// Starts a new generation. The former one is answered to until a pair of the new one is nominated. Returns the
    /// ufrag of the one before, if the client restarts again before it finished a restart.
    pub(crate) fn restart(&mut self, local: IceCredentials) -> Option<String> {
        let next = Generation { local, remote_ufrag: None };
        let before = self.former.replace(std::mem::replace(&mut self.current, next));
        before.map(|generation| generation.local.ufrag)
    }

    pub(crate) fn route(&self) -> Option<Route> {
        self.nominated.as_ref().map(|nominated| nominated.route)
    }

    /// The nominated pair, or before there is one the pair of the latest valid check.
    pub(crate) fn best_route(&self) -> Option<Route> {
        self.route().or_else(|| self.pairs.iter().max_by_key(|pair| pair.heard).map(|pair| pair.route))
    }

    /// Whether a valid check came this way.
    pub(crate) fn is_valid(&self, route: Route) -> bool {
        self.pairs.iter().any(|pair| pair.route == route)
    }

    pub(crate) fn poll_reply(&mut self) -> Option<(Transmit, Vec<u8>)> {
        self.replies.pop_front()
    }

    /// Handles a STUN datagram. Nothing changes unless its integrity is verified.
    pub(crate) fn handle_check(
        &mut self,
        now: Instant,
        route: Route,
        datagram: &[u8],
    ) -> Result<CheckOutcome, DatagramDrop> {
        let message = StunMessage::parse(datagram).map_err(|_| DatagramDrop::MalformedStun)?;
        if !message.is_binding_request() {
            return Err(DatagramDrop::MalformedStun);
        }
        let is_current = self.verify(&message)?;
        self.check_replay(message.trans_id(), route.remote)?;
        if self.replies.len() >= MAX_REPLIES {
            return Err(DatagramDrop::StunFlood);
        }
        if message.ice_controlled().is_some() {
            // A lite side never controls a full one (RFC 8445 6.1.1); 487 tells the client to.
            self.reply(route, StunMessage::binding_role_conflict_reply(message.trans_id()), is_current);
            return Err(DatagramDrop::StunRole);
        }
        let seen = SocketAddr::new(route.remote.ip().to_canonical(), route.remote.port());
        self.reply(route, StunMessage::binding_reply(message.trans_id(), seen), is_current);
        self.remember(now, route);
        if !message.use_candidate() {
            return Ok(CheckOutcome::default());
        }
        // During a restart the old generation keeps its pair but cannot move it.
        if !is_current {
            return Ok(CheckOutcome::default());
        }
        let retired = self.former.take().map(|generation| generation.local.ufrag);
        if retired.is_some() {
            // What the former generation nominated has no say in the new one.
            self.nominated.as_mut().into_iter().for_each(|nominated| nominated.priority = 0);
        }
        Ok(CheckOutcome { route: self.nominate(route, message.prio().unwrap_or(0)), retired })
    }

    /// Whether the message is for the current generation; an error unless it is authentic.
    fn verify(&self, message: &StunMessage<'_>) -> Result<bool, DatagramDrop> {
        let (local, remote) = message.split_username().ok_or(DatagramDrop::MalformedStun)?;
        let is_current = local == self.current.local.ufrag;
        let former = self.former.as_ref().filter(|former| former.local.ufrag == local);
        let generation = if is_current { &self.current } else { former.ok_or(DatagramDrop::StunCredentials)? };
        // A check may come before the description that names the remote ufrag; the password is proof enough.
        if generation.remote_ufrag.as_ref().is_some_and(|known| known != remote) {
            return Err(DatagramDrop::StunCredentials);
        }
        let authentic = message.verify(generation.local.password.as_bytes(), hmac_sha1);
        authentic.then_some(is_current).ok_or(DatagramDrop::StunIntegrity)
    }

    /// A client may repeat a check, but only from where it sent it first.
    fn check_replay(&mut self, id: TransId, from: SocketAddr) -> Result<(), DatagramDrop> {
        match self.seen.iter().find(|(seen, _)| *seen == id) {
            Some((_, first)) if *first == from => return Ok(()),
            Some(_) => return Err(DatagramDrop::Replayed),
            None => {}
        }
        if self.seen.len() >= MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back((id, from));
        Ok(())
    }

    fn reply(&mut self, route: Route, message: StunMessage<'_>, is_current: bool) {
        let generation = if is_current { &self.current } else { self.former.as_ref().unwrap_or(&self.current) };
        let mut bytes = vec![0; REPLY_SIZE];
        let Ok(len) = message.to_bytes(Some(generation.local.password.as_bytes()), &mut bytes, hmac_sha1) else {
            debug_assert!(false, "a reply fits {REPLY_SIZE} bytes");
            return;
        };
        bytes.truncate(len);
        self.replies.push_back((Transmit { from: route.local, to: route.remote }, bytes));
    }

    fn remember(&mut self, now: Instant, route: Route) {
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.route == route) {
            pair.heard = now;
            return;
        }
        if self.pairs.len() >= MAX_PAIRS {
            let nominated = self.route();
            let oldest = (0..self.pairs.len())
                .filter(|&at| Some(self.pairs[at].route) != nominated)
                .min_by_key(|&at| self.pairs[at].heard);
            if let Some(oldest) = oldest {
                self.pairs.swap_remove(oldest);
            }
        }
        self.pairs.push(Pair { route, heard: now });
    }

    /// The client wants this pair; returns it if it is now the nominated one and was not before.
    fn nominate(&mut self, route: Route, priority: u32) -> Option<Route> {
        if let Some(current) = &mut self.nominated {
            if current.route == route {
                current.challenger = None;
                current.priority = priority;
                return None;
            }
            let streak = match current.challenger {
                Some((challenger, streak)) if challenger == route => streak.saturating_add(1),
                _ => 1,
            };
            if priority < current.priority && streak < CHECKS_TO_STEP_DOWN {
                current.challenger = Some((route, streak));
                return None;
            }
        }
        self.nominated = Some(Nominated { route, priority, challenger: None });
        Some(route)
    }
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "ice_tests.rs"]
mod tests;
