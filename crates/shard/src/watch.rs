//! What media tells about a room, passed on to those whom it concerns and nobody else: speakers, layers wanted, video
//! held back, connection quality.

use parlour_media::{MediaEvent, NARROW_SPEECH, ReceiverReport};
use parlour_model::event::{ConnectionQuality, Speaker, StreamState};
use parlour_model::{Edge, Event, Layer, Medium, ParticipantKey, PublicationKey, Quality};

use crate::room::{QUALITY_INTERVAL, RoomContext};

impl RoomContext<'_> {
    /// Passes on what media has to say.
    pub(crate) fn handle_media_events(&mut self) {
        while let Some(event) = self.room.media.poll_event() {
            self.handle_media_event(event);
        }
    }

    pub(crate) fn handle_media_event(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Speakers(levels) => self.tell_speakers(&levels),
            MediaEvent::SubscribedLayers { publication, wanted } => self.tell_wanted_layers(publication, &wanted),
            MediaEvent::StreamState { receiver, publication, paused } => {
                self.tell_stream_state(receiver, publication, paused);
            }
            MediaEvent::NarrowSpeech { publication, narrow } => self.tell_narrow_speech(publication, narrow),
            MediaEvent::FirstPacket { receiver, .. } => self.first_media(receiver),
        }
    }

    /// A level is told to the speaker and to those who hear it: along audio edges, like the sound itself.
    fn tell_speakers(&mut self, levels: &[(ParticipantKey, f32, bool)]) {
        let receivers: Vec<_> = self.room.participants.keys().copied().collect();
        for receiver in receivers {
            let audible = |publisher: ParticipantKey| {
                publisher == receiver || self.room.edges.contains(&Edge { publisher, receiver, medium: Medium::Audio })
            };
            let speakers: Vec<_> = levels
                .iter()
                .filter(|(publisher, ..)| audible(*publisher))
                .filter_map(|(publisher, level, active)| {
                    let participant = self.room.participants.get(publisher)?.record.sid.clone();
                    Some(Speaker { participant, level: *level, active: *active })
                })
                .collect();
            if !speakers.is_empty() {
                self.tell(receiver, Event::Speakers(speakers));
            }
        }
    }

    /// A publisher need not send what nobody takes.
    fn tell_wanted_layers(&mut self, key: PublicationKey, wanted: &[(Layer, bool)]) {
        let Some(publication) = self.room.publications.get(&key) else { return };
        let layers = wanted.len();
        let qualities = wanted.iter().map(|(layer, wanted)| (quality_of(*layer, layers), *wanted)).collect();
        let (publisher, track, codec) = (publication.publisher, publication.sid.clone(), publication.codec);
        self.tell(publisher, Event::SubscribedQuality { track, codec, qualities });
    }

    fn tell_narrow_speech(&mut self, key: PublicationKey, narrow: bool) {
        let Some(publication) = self.room.publications.get(&key) else { return };
        let (publisher, track) = (publication.publisher, publication.sid.clone());
        self.tell(publisher, Event::NarrowSpeech { track, most: narrow.then_some(NARROW_SPEECH) });
    }

    fn tell_stream_state(&mut self, receiver: ParticipantKey, key: PublicationKey, paused: bool) {
        let Some(publication) = self.room.publications.get(&key) else { return };
        let Some(publisher) = self.room.participants.get(&publication.publisher) else { return };
        let state = StreamState { participant: publisher.record.sid.clone(), track: publication.sid.clone(), paused };
        self.tell(receiver, Event::StreamStates(vec![state]));
    }

    fn first_media(&mut self, receiver: ParticipantKey) {
        let now = self.now;
        let Some(participant) = self.participant(receiver) else { return };
        if let Some(joined) = participant.awaits_media_since.take() {
            self.counters.first_media.push(now.saturating_duration_since(joined));
        }
    }

    /// Judges everyone's connection when it is time, and tells what changed to those who may know of the person.
    pub(crate) fn check_quality(&mut self) {
        if self.now < self.room.next_quality {
            return;
        }
        self.room.next_quality = self.now + QUALITY_INTERVAL;
        let mut changed = Vec::new();
        for participant in self.room.participants.values_mut() {
            let Some(report) = self.room.media.receiver_report(participant.key) else { continue };
            let quality = judge(&report);
            if participant.quality.replace(quality) != Some(quality) {
                changed.push((participant.key, participant.record.sid.clone(), quality));
            }
        }
        let viewers: Vec<_> = self.room.participants.keys().copied().collect();
        for viewer in viewers {
            let visible = self.room.visible_to(viewer);
            let news: Vec<_> = changed
                .iter()
                .filter(|(key, ..)| *key == viewer || visible.contains(key))
                .map(|(_, sid, quality)| (sid.clone(), *quality))
                .collect();
            if !news.is_empty() {
                self.tell(viewer, Event::ConnectionQuality(news));
            }
        }
    }
}

/// The rung a layer is called by: rids q, h, f in order, and a single encoding is the best there is.
fn quality_of(layer: Layer, layers: usize) -> Quality {
    match (layer.0, layers) {
        (_, 0 | 1) => Quality::High,
        (0, _) => Quality::Low,
        (1, _) => Quality::Medium,
        _ => Quality::High,
    }
}

/// How a connection is, from what was measured. Speech suffers noticeably from about 2 % of loss that repair did not
/// mend and from 5 % for certain; ITU-T G.114 calls one way over 400 ms unacceptable and 150 ms good.
fn judge(report: &ReceiverReport) -> ConnectionQuality {
    let loss = report.uplink_loss.max(report.downlink_loss);
    let round_trip_ms = report.rtt.map_or(0, |rtt| rtt.as_millis());
    if loss > 0.05 || round_trip_ms > 800 {
        ConnectionQuality::Poor
    } else if loss > 0.02 || round_trip_ms > 300 || report.held_back {
        ConnectionQuality::Good
    } else {
        ConnectionQuality::Excellent
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_worse_direction_decides() {
        let clean = ReceiverReport { rtt: Some(Duration::from_millis(40)), ..ReceiverReport::default() };
        assert_eq!(judge(&clean), ConnectionQuality::Excellent);
        assert_eq!(judge(&ReceiverReport { uplink_loss: 0.03, ..clean }), ConnectionQuality::Good);
        assert_eq!(judge(&ReceiverReport { downlink_loss: 0.06, ..clean }), ConnectionQuality::Poor);
        assert_eq!(judge(&ReceiverReport { rtt: Some(Duration::from_secs(1)), ..clean }), ConnectionQuality::Poor);
        assert_eq!(judge(&ReceiverReport { held_back: true, ..clean }), ConnectionQuality::Good);
    }

    #[test]
    fn a_single_encoding_is_called_high() {
        assert_eq!(quality_of(Layer(0), 1), Quality::High);
        assert_eq!([0, 1, 2].map(|layer| quality_of(Layer(layer), 3)), [Quality::Low, Quality::Medium, Quality::High]);
    }
}
