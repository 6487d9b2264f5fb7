//! What a stream brings: messages, and channels that the client opens.

use bytes::Bytes;
use sctp_proto::PayloadProtocolIdentifier;

use super::dcep::{ACK_MESSAGE, Message, Open};
use super::{Channel, ChannelEvent, ChannelId, Channels, MAX_CHANNELS, State, opened};

impl Channels {
    /// Reads all messages of a stream.
    pub(super) fn read(&mut self, id: u16) {
        // Bounded by the receive buffer: every message takes some of it.
        while let Some((payload, identifier)) = self.next_message(id) {
            self.take(id, payload, identifier);
        }
    }

    fn next_message(&mut self, id: u16) -> Option<(Vec<u8>, PayloadProtocolIdentifier)> {
        let (_, association) = self.association.as_mut()?;
        let chunks = association.stream(id).ok()?.read_sctp().ok().flatten()?;
        let mut payload = vec![0; chunks.len()];
        let len = chunks.read(&mut payload).ok()?;
        payload.truncate(len);
        Some((payload, chunks.ppi))
    }

    fn take(&mut self, id: u16, payload: Vec<u8>, identifier: PayloadProtocolIdentifier) {
        use PayloadProtocolIdentifier::{Binary, BinaryEmpty, Dcep, String, StringEmpty};
        let (payload, binary) = match identifier {
            Dcep => return self.take_dcep(id, &payload),
            Binary => (payload, true),
            String => (payload, false),
            BinaryEmpty => (Vec::new(), true),
            StringEmpty => (Vec::new(), false),
            _ => {
                self.dropped += 1;
                return;
            }
        };
        self.acknowledged(id);
        if self.channels.contains_key(&id) {
            let payload = Bytes::from(payload);
            self.events.push_back(ChannelEvent::Message { id: ChannelId(id), payload, binary });
        } else {
            self.dropped += 1;
        }
    }

    fn take_dcep(&mut self, id: u16, message: &[u8]) {
        match Message::read(message) {
            Some(Message::Ack) => self.acknowledged(id),
            Some(Message::Open(open)) => self.accept(id, open),
            None => {
                self.dropped += 1;
                self.reset(id);
            }
        }
    }

    /// A channel of ours is open with its acknowledgement, or with data, which may come first.
    fn acknowledged(&mut self, id: u16) {
        if let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.state == State::Opening) {
            channel.state = State::Open;
            let event = opened(id, &channel.open);
            self.events.push_back(event);
        }
    }

    /// The client opens a channel.
    fn accept(&mut self, id: u16, open: Open) {
        if self.channels.contains_key(&id) || self.channels.len() >= MAX_CHANNELS {
            self.dropped += 1;
            if !self.channels.contains_key(&id) {
                self.reset(id);
            }
            return;
        }
        let Some((_, association)) = &mut self.association else { return };
        let (kind, value) = open.partial.parameters();
        let accepted = association.stream(id).and_then(|mut stream| {
            stream.write_with_ppi(&ACK_MESSAGE, PayloadProtocolIdentifier::Dcep)?;
            stream.set_reliability_params(!open.ordered, kind, value)
        });
        if accepted.is_err() {
            self.dropped += 1;
            return;
        }
        self.events.push_back(opened(id, &open));
        self.channels.insert(id, Channel { state: State::Open, open });
    }
}
