//! Which media sections the next offer has, and whether one is needed. One offer is outstanding at a time.

use str0m::Rtc;
use str0m::change::{SdpApi, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};

use super::config::Offer;
use super::published::Published;
use super::sdp::like_a_browser;

pub(crate) struct Sections {
    receive: Vec<(MediaKind, Mid)>,
    audio_wanted: u32,
    video_wanted: u32,
    retired: Vec<Mid>,
    needed: bool,
    restart: bool,
    pending: Option<(u32, SdpPendingOffer)>,
    last_id: u32,
}

impl Sections {
    pub(crate) fn new(audio: u32, video: u32) -> Self {
        Self {
            receive: Vec::new(),
            audio_wanted: audio,
            video_wanted: video,
            retired: Vec::new(),
            needed: true,
            restart: false,
            pending: None,
            last_id: 0,
        }
    }

    pub(crate) fn renegotiate(&mut self) {
        self.needed = true;
    }

    pub(crate) fn add(&mut self, audio: u32, video: u32) {
        self.audio_wanted += audio;
        self.video_wanted += video;
        self.needed = true;
    }

    pub(crate) fn retire(&mut self, mid: Mid) {
        self.retired.push(mid);
        self.needed = true;
    }

    pub(crate) fn restart_ice(&mut self) {
        self.restart = true;
        self.needed = true;
        // The answer of an offer made on a connection that is gone will never come.
        self.pending = None;
    }

    /// Kind of a receive section.
    pub(crate) fn kind(&self, mid: Mid) -> Option<MediaKind> {
        self.receive.iter().find(|(_, known)| *known == mid).map(|(kind, _)| *kind)
    }

    pub(crate) fn take_pending(&mut self, id: u32) -> Option<SdpPendingOffer> {
        let (_, pending) = self.pending.take_if(|(pending, _)| *pending == id)?;
        Some(pending)
    }

    pub(crate) fn poll_offer(
        &mut self,
        rtc: &mut Rtc,
        published: &mut Published,
        add_channels: impl FnOnce(&mut SdpApi<'_>),
    ) -> Option<Offer> {
        if !self.needed || self.pending.is_some() {
            return None;
        }
        let mut api = rtc.sdp_api();
        for (kind, wanted) in [(MediaKind::Audio, &mut self.audio_wanted), (MediaKind::Video, &mut self.video_wanted)] {
            for _ in 0..std::mem::take(wanted) {
                self.receive.push((kind, api.add_media(kind, Direction::RecvOnly, None, None, None)));
            }
        }
        add_channels(&mut api);
        published.add_sections(&mut api);
        for mid in self.retired.drain(..) {
            api.set_direction(mid, Direction::Inactive);
        }
        for (_, mid) in &self.receive {
            // An answer of `inactive` only means nothing is sent yet; we go on offering to receive.
            api.set_direction(*mid, Direction::RecvOnly);
        }
        if std::mem::take(&mut self.restart) {
            api.ice_restart(true);
        }
        if !api.has_changes()
            && let Some((_, mid)) = self.receive.first()
        {
            // `str0m` makes no offer without a change; this one comes to nothing.
            api.set_direction(*mid, Direction::SendRecv);
            api.set_direction(*mid, Direction::RecvOnly);
        }
        let (offer, pending) = api.apply()?;
        self.needed = false;
        self.last_id += 1;
        self.pending = Some((self.last_id, pending));
        Some(Offer { id: self.last_id, sdp: like_a_browser(&offer.to_sdp_string()) })
    }
}
