//! What a stream brings: messages, and channels that the client opens.

use bytes::Bytes;
use sctp_proto::{Chunks, PayloadProtocolIdentifier};

use super::dcep::{ACK_MESSAGE, Message, Open};
use super::{Channel, ChannelEvent, ChannelId, Channels, MAX_CHANNELS, MAX_MESSAGE_SIZE, State, opened};

impl Channels {
    /// Reads all messages of a stream.
    pub(super) fn read(&mut self, id: u16) {
        // Bounded by the receive buffer: every message takes some of it.
        while let Some(chunks) = self.next_message(id) {
            if chunks.len() > MAX_MESSAGE_SIZE {
                // RFC 8841 6.1: it was told. Its channel ends, as no later message may stand in for this one.
                self.dropped += 1;
                return self.reset(id);
            }
            let mut payload = vec![0; chunks.len()];
            let Ok(len) = chunks.read(&mut payload) else { return };
            payload.truncate(len);
            self.received(len);
            self.take(id, payload, chunks.ppi);
        }
    }

    fn next_message(&mut self, id: u16) -> Option<Chunks> {
        let (_, association) = self.association.as_mut()?;
        association.stream(id).ok()?.read_sctp().ok().flatten()
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
