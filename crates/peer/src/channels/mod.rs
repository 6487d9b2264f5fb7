//! Data channels (RFC 8831) over one SCTP association, by crate `sctp-proto`. Usually the client opens them; in a
//! connection that we only send on, we do.
//!
//! What comes in is whole messages within bounds; what goes out waits in a bounded buffer.

mod dcep;
mod incoming;
mod packet;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload, PayloadProtocolIdentifier,
    ServerConfig, StreamEvent, TransportConfig,
};
use thiserror::Error;

use self::dcep::{MAX_LABEL, Message, Open, Partial};
use self::packet::Cause;
use crate::DatagramDrop;
use crate::dtls::MTU;

/// Most data channels of a peer.
pub const MAX_CHANNELS: usize = 16;

/// Largest message, in bytes, either way.
pub const MAX_MESSAGE_SIZE: usize = 262_144;

/// Most bytes that wait to be sent or acknowledged on one channel, and on all of a peer.
const MAX_BUFFERED: usize = 1 << 20;
const MAX_BUFFERED_ALL: usize = 2 << 20;

/// Most bytes that wait to be read or put together: one message on each of LiveKit's two channels, and some.
const RECEIVE_BUFFER: u32 = 1 << 20;

/// Stream numbers that are agreed on. Far more than channels, since clients need not count from zero.
const STREAMS: u16 = 1024;

/// Small pieces of messages beyond what was received whole: `sctp-proto` looks at all pieces of a message for each that
/// comes, so that one in a hundred thousand pieces would keep the worker for seconds.
const MAX_SMALL_PIECES: u32 = 1_024;

/// What is received whole brings the right to another back: clients cut a message where a packet is full, so that a packet
/// has one at most, among some 1,100 bytes. Each message counts with its header.
const BYTES_PER_SMALL_PIECE: usize = 800;
const MESSAGE_HEADER: usize = 16;

/// What DTLS and SCTP put around a payload, at most (observed: 77).
const OVERHEAD: usize = 80;

/// Largest message a client takes that names no size (RFC 8841 6.1).
const UNSTATED_MESSAGE_SIZE: usize = 65_536;

/// SCTP is told one address for the other side; ICE moves what lies below.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5000);

/// Names a data channel of a peer: its SCTP stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u16);

/// What a channel of ours promises (RFC 8831 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// In order, repeated until received.
    Reliable,
    /// In any order, sent once.
    Lossy,
}

/// Why a message was not taken, or a channel not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ChannelError {
    /// No such channel, or not open.
    #[error("no such channel")]
    Unknown,
    /// Too much waits to be sent; try later or drop.
    #[error("channel buffer is full")]
    Full,
    /// Larger than [`MAX_MESSAGE_SIZE`] or than the client takes; or too long a label.
    #[error("message too large")]
    TooLarge,
    /// [`MAX_CHANNELS`] are open.
    #[error("too many channels")]
    TooManyChannels,
    /// The association is gone.
    #[error("not connected")]
    NotConnected,
}

/// What happened on the channels.
#[derive(Debug)]
pub(crate) enum ChannelEvent {
    Opened { id: ChannelId, label: String, ordered: bool, reliable: bool },
    Message { id: ChannelId, payload: Bytes, binary: bool },
    Closed(ChannelId),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Ours, to be opened when there is an association.
    Waiting,
    /// Ours, without its acknowledgement.
    Opening,
    Open,
}

#[derive(Debug)]
struct Channel {
    state: State,
    open: Open,
}

/// The association and its channels.
pub(crate) struct Channels {
    endpoint: Endpoint,
    /// Large, and many clients open none.
    association: Option<(AssociationHandle, Box<Association>)>,
    established: bool,
    lost: bool,
    /// How the client knows the association: its ports and its tag.
    remote: Option<([u8; 4], u32)>,
    channels: BTreeMap<u16, Channel>,
    /// Largest message the client takes.
    client_takes: usize,
    /// Small pieces that may still come, and bytes towards the next.
    small_pieces: u32,
    towards_piece: usize,
    packets: VecDeque<Bytes>,
    events: VecDeque<ChannelEvent>,
    dropped: u64,
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("channels", &self.channels.len()).finish_non_exhaustive()
    }
}

impl Channels {
    pub(crate) fn new() -> Self {
        let mut endpoint = EndpointConfig::default();
        endpoint.max_payload_size((MTU - OVERHEAD) as u32);
        let mut server = ServerConfig::default();
        // ICE and consent decide when a client is gone, not SCTP.
        server.transport = Arc::new(
            TransportConfig::default()
                .with_max_init_retransmits(None)
                .with_max_data_retransmits(None)
                .with_max_receive_buffer_size(RECEIVE_BUFFER)
                // Longer ones are refused when they are whole, which ends their channel alone; what does not fit the
                // buffer ends the association.
                .with_max_receive_message_size(u32::MAX)
                .with_max_num_inbound_streams(STREAMS)
                .with_max_num_outbound_streams(STREAMS)
                .with_rto_initial_ms(500)
                .with_rto_min_ms(200)
                .with_rto_max_ms(10_000),
        );
        Self {
            endpoint: Endpoint::new(Arc::new(endpoint), Some(Arc::new(server))),
            association: None,
            established: false,
            lost: false,
            remote: None,
            channels: BTreeMap::new(),
            client_takes: UNSTATED_MESSAGE_SIZE,
            small_pieces: MAX_SMALL_PIECES,
            towards_piece: 0,
            packets: VecDeque::new(),
            events: VecDeque::new(),
            dropped: 0,
        }
    }

    /// As `a=max-message-size` says; zero means any.
    pub(crate) fn set_client_takes(&mut self, size: Option<u32>) {
        let size = size.map_or(UNSTATED_MESSAGE_SIZE, |size| size as usize);
        self.client_takes = if size == 0 { MAX_MESSAGE_SIZE } else { size.min(MAX_MESSAGE_SIZE) };
        if let Some((_, association)) = &mut self.association {
            association.set_max_send_message_size(self.client_takes as u32);
        }
    }

    /// Messages dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn open(&mut self, label: &str, reliability: Reliability) -> Result<ChannelId, ChannelError> {
        if self.lost {
            return Err(ChannelError::NotConnected);
        }
        if label.len() > MAX_LABEL {
            return Err(ChannelError::TooLarge);
        }
        if self.channels.len() >= MAX_CHANNELS {
            return Err(ChannelError::TooManyChannels);
        }
        // RFC 8832 6: the DTLS server uses odd streams.
        let id = (1..STREAMS).step_by(2).find(|id| !self.channels.contains_key(id));
        let id = id.ok_or(ChannelError::TooManyChannels)?;
        let (ordered, partial) = match reliability {
            Reliability::Reliable => (true, Partial::Never),
            Reliability::Lossy => (false, Partial::Retransmissions(0)),
        };
        let open = Open { label: label.to_owned(), ordered, partial };
        self.channels.insert(id, Channel { state: State::Waiting, open });
        self.open_waiting();
        Ok(ChannelId(id))
    }

    /// Queues a message, whole or not at all.
    pub(crate) fn send(&mut self, id: ChannelId, payload: &[u8], binary: bool) -> Result<(), ChannelError> {
        let is_open = self.channels.get(&id.0).is_some_and(|channel| channel.state == State::Open);
        if !is_open {
            return Err(ChannelError::Unknown);
        }
        if payload.len() > self.client_takes {
            return Err(ChannelError::TooLarge);
        }
        if self.buffered(id) + payload.len() > MAX_BUFFERED || self.buffered_all() + payload.len() > MAX_BUFFERED_ALL {
            return Err(ChannelError::Full);
        }
        // RFC 8831 6.6: SCTP has no empty messages; a byte stands in, and the identifier says so.
        let (payload, identifier) = match (payload, binary) {
            ([], true) => (&[0][..], PayloadProtocolIdentifier::BinaryEmpty),
            ([], false) => (&[0][..], PayloadProtocolIdentifier::StringEmpty),
            (payload, true) => (payload, PayloadProtocolIdentifier::Binary),
            (payload, false) => (payload, PayloadProtocolIdentifier::String),
        };
        let (_, association) = self.association.as_mut().ok_or(ChannelError::NotConnected)?;
        let mut stream = association.stream(id.0).map_err(|_| ChannelError::Unknown)?;
        stream.write_with_ppi(payload, identifier).map_err(|_| ChannelError::NotConnected)?;
        Ok(())
    }

    /// Bytes that wait on a channel.
    pub(crate) fn buffered(&mut self, id: ChannelId) -> usize {
        let Some((_, association)) = &mut self.association else { return 0 };
        association.stream(id.0).and_then(|stream| stream.buffered_amount()).unwrap_or(0)
    }

    fn buffered_all(&mut self) -> usize {
        let ids: Vec<u16> = self.channels.keys().copied().collect();
        ids.into_iter().map(|id| self.buffered(ChannelId(id))).sum()
    }

    /// Handles an SCTP packet out of DTLS.
    pub(crate) fn handle_packet(&mut self, now: Instant, packet: Vec<u8>) -> Result<(), DatagramDrop> {
        let outside = packet::look(&packet).ok_or(DatagramDrop::Sctp)?;
        let Some(small_pieces) = self.small_pieces.checked_sub(outside.small_pieces) else {
            self.lose(Cause::ProtocolViolation);
            return Err(DatagramDrop::Sctp);
        };
        self.small_pieces = small_pieces;
        let ports = packet.first_chunk::<4>().map(|&[a, b, c, d]| [c, d, a, b]);
        let (handle, event) =
            self.endpoint.handle(now, ADDRESS, None, None, Bytes::from(packet)).ok_or(DatagramDrop::Sctp)?;
        match event {
            DatagramEvent::NewAssociation(mut association) => {
                if self.association.is_some() || self.lost {
                    return Err(DatagramDrop::Sctp);
                }
                association.set_max_send_message_size(self.client_takes as u32);
                self.association = Some((handle, Box::new(association)));
                self.remote = ports.zip(outside.initiate_tag);
                // One per connection; another would only take memory.
                self.endpoint.reject_new_associations();
            }
            DatagramEvent::AssociationEvent(event) => {
                let (_, association) = self.association.as_mut().ok_or(DatagramDrop::Sctp)?;
                association.handle_event(event);
            }
        }
        if outside.ends {
            // RFC 9260 8.4: what ends an association is not answered with an ABORT.
            self.remote = None;
        }
        self.drain();
        // What ends the association was no good, unless it was meant to.
        if self.lost && !outside.ends { Err(DatagramDrop::Sctp) } else { Ok(()) }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
            self.drain();
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.association.as_ref()?.1.poll_timeout()
    }

    /// The next SCTP packet for DTLS.
    pub(crate) fn poll_packet(&mut self, now: Instant) -> Option<Bytes> {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                return Some(packet);
            }
            let transmit = match self.endpoint.poll_transmit() {
                Some(transmit) => transmit,
                None => self.association.as_mut()?.1.poll_transmit(now)?,
            };
            if let Payload::RawEncode(packets) = transmit.payload {
                self.packets.extend(packets);
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// Ends the association; gives the last packet for DTLS. Over a closing connection no SHUTDOWN could be answered.
    pub(crate) fn close(&mut self) -> Option<Bytes> {
        self.lose(Cause::UserInitiated);
        self.events.clear();
        std::mem::take(&mut self.packets).pop_back()
    }

    fn drain(&mut self) {
        let Some((handle, association)) = &mut self.association else { return };
        while let Some(event) = association.poll_endpoint_event() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                association.handle_event(event);
            }
        }
        // Told by events too; what nobody takes from this list it keeps for ever.
        while association.accept_stream().is_some() {}
        while let Some(event) = self.association.as_mut().and_then(|(_, association)| association.poll()) {
            match event {
                Event::Connected => {
                    self.established = true;
                    self.open_waiting();
                }
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => self.lose(Cause::ProtocolViolation),
                Event::Stream(StreamEvent::Readable { id }) => self.read(id),
                Event::Stream(StreamEvent::Finished { id } | StreamEvent::Stopped { id, .. }) => self.end(id),
                _ => {}
            }
        }
    }

    /// A message of so many bytes came whole.
    fn received(&mut self, bytes: usize) {
        self.towards_piece += bytes + MESSAGE_HEADER;
        let earned = u32::try_from(self.towards_piece / BYTES_PER_SMALL_PIECE).unwrap_or(u32::MAX);
        self.towards_piece %= BYTES_PER_SMALL_PIECE;
        self.small_pieces = self.small_pieces.saturating_add(earned).min(MAX_SMALL_PIECES);
    }

    /// The association is over, which the client is told unless it said so itself.
    fn lose(&mut self, cause: Cause) {
        self.lost = true;
        self.association = None;
        self.packets.clear();
        self.packets.extend(self.remote.take().map(|(ports, tag)| packet::abort(tag, ports, cause)));
        let ids = std::mem::take(&mut self.channels).into_keys();
        self.events.extend(ids.map(|id| ChannelEvent::Closed(ChannelId(id))));
    }

    /// The client closed a channel (RFC 8831 6.7): close our direction too.
    fn end(&mut self, id: u16) {
        // What was sent before the end is still to be read.
        self.read(id);
        self.reset(id);
    }

    fn reset(&mut self, id: u16) {
        if let Some((_, association)) = &mut self.association
            && let Ok(mut stream) = association.stream(id)
        {
            // It fails only when the association is gone, and with it the stream.
            let _ = stream.close();
        }
        if self.channels.remove(&id).is_some() {
            self.events.push_back(ChannelEvent::Closed(ChannelId(id)));
        }
    }

    fn open_waiting(&mut self) {
        let Some((_, association)) = self.association.as_mut().filter(|_| self.established) else { return };
        let mut failed = Vec::new();
        for (id, channel) in self.channels.iter_mut().filter(|(_, channel)| channel.state == State::Waiting) {
            let (kind, value) = channel.open.partial.parameters();
            let opened = association.open_stream(*id, PayloadProtocolIdentifier::Binary).and_then(|mut stream| {
                stream.write_with_ppi(&channel.open.write(), PayloadProtocolIdentifier::Dcep)?;
                stream.set_reliability_params(!channel.open.ordered, kind, value)
            });
            match opened {
                Ok(()) => channel.state = State::Opening,
                Err(_) => failed.push(*id),
            }
        }
        failed.into_iter().for_each(|id| self.reset(id));
    }
}

/// Reads a message of the establishment protocol; what is taken is written again and reads the same. For
/// [`crate::fuzz`].
pub(crate) fn read_dcep(bytes: &[u8]) {
    if let Some(Message::Open(open)) = Message::read(bytes) {
        assert_eq!(Message::read(&open.write()), Some(Message::Open(open)));
    }
}

fn opened(id: u16, open: &Open) -> ChannelEvent {
    ChannelEvent::Opened {
        id: ChannelId(id),
        label: open.label.clone(),
        ordered: open.ordered,
        reliable: open.partial == Partial::Never,
    }
}
