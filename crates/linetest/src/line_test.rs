//! One test: a peer connection, its one channel, and what happens on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parlour_peer::{ChannelId, IceCredentials, Peer, PeerConfig, PeerEvent, SectionKind, SectionPlan, Transmit};

use crate::course::Course;

/// From the offer to the end, whatever happens: 5 s to connect, 6 s of test, and a slow line's share.
pub(crate) const LONGEST: Duration = Duration::from_secs(15);

/// The label of the channel.
const LABEL: &str = "line-test";

/// Media sections beside the channel's that an offer may have; they stay unused.
const MAX_SECTIONS: usize = 4;

pub(crate) struct LineTest {
    peer: Peer,
    ends: Instant,
    course: Option<(ChannelId, Course)>,
    is_closed: bool,
    /// The client sent more than a test has.
    pub(crate) is_over_budget: bool,
}

impl LineTest {
    /// A test, and the answer to its client. `None`: no offer of a channel.
    pub(crate) fn new(
        config: Arc<PeerConfig>,
        credentials: IceCredentials,
        seed: [u8; 32],
        offer: &str,
        now: Instant,
    ) -> Option<(Self, String)> {
        let mut peer = Peer::new(config, credentials.clone(), seed, now);
        peer.handle_offer(offer, credentials, now).ok()?;
        let sections = peer.sections();
        let channels = sections.iter().filter(|section| section.kind == SectionKind::Application).count();
        if channels != 1 || sections.len() > MAX_SECTIONS {
            return None;
        }
        let plan: Vec<_> = sections
            .iter()
            .map(|section| match section.kind {
                SectionKind::Application => SectionPlan::Application,
                _ => SectionPlan::Inactive,
            })
            .collect();
        let answer = peer.answer(&plan).ok()?;
        let test = Self { peer, ends: now + LONGEST, course: None, is_closed: false, is_over_budget: false };
        Some((test, answer))
    }

    /// `true` if the peer found the datagram authentic or at least in place.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: std::net::SocketAddr,
        to: std::net::SocketAddr,
        datagram: &mut [u8],
    ) -> bool {
        let taken = self.peer.handle_datagram(now, from, to, datagram).is_ok();
        self.follow_peer(now);
        taken
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if now >= self.ends {
            self.close(now);
        }
        self.peer.handle_timeout(now);
        self.follow_peer(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let course = self.course.as_ref().and_then(|(_, course)| course.poll_timeout());
        [self.peer.poll_timeout(), course, Some(self.ends)].into_iter().flatten().min()
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        self.write(now);
        self.peer.poll_transmit(now, buffer)
    }

    /// What is due goes into the channel. What the channel does not take is lost, as on the way.
    fn write(&mut self, now: Instant) {
        let Some((channel, course)) = &mut self.course else { return };
        while let Some(message) = course.poll_message(now, self.peer.buffered_amount(*channel)) {
            let _ = self.peer.send_channel(*channel, &message, true);
        }
    }

    fn follow_peer(&mut self, now: Instant) {
        while let Some(event) = self.peer.poll_event() {
            match event {
                PeerEvent::ChannelOpened { id, label, reliable: false, .. }
                    if label == LABEL && self.course.is_none() =>
                {
                    self.course = Some((id, Course::new(now)));
                }
                PeerEvent::ChannelMessage { id, payload, .. } => self.take(id, &payload, now),
                PeerEvent::Closed(_) | PeerEvent::ChannelClosed(_) => self.is_closed = true,
                _ => {}
            }
        }
    }

    fn take(&mut self, id: ChannelId, payload: &[u8], now: Instant) {
        let Some((_, course)) = self.course.as_mut().filter(|(channel, _)| *channel == id) else { return };
        if !course.handle_message(payload, now) {
            self.is_over_budget = true;
            self.close(now);
        }
    }

    fn close(&mut self, now: Instant) {
        self.peer.close(now);
        self.is_closed = true;
    }

    /// Nothing more will come of it; a last look at [`Self::poll_transmit`] says goodbye.
    pub(crate) fn is_over(&self) -> bool {
        self.is_closed
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.course.as_ref().is_some_and(|(_, course)| course.is_complete())
    }
}
