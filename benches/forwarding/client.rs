//! One load client: its socket, its protection, what it sends and what it counts.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use parlour_peer::srtp::{Inbound, Outbound};
use parlour_rtp::packet::Prefix;
use parlour_rtp::{Packet, is_rtcp};

use crate::handshake::{Checks, Handshake};
use crate::media::{PACKETS_PER_FRAME, Source, Stamp};
use crate::raw::RawCipher;
use crate::reports::Reports;
use crate::socket::{Buffers, Socket};

/// Room for one packet of a frame with its tag.
const PACKET: usize = 1_500;

/// How packets are protected.
pub enum Link {
    /// Preset keys.
    Raw { inbound: RawCipher, outbound: RawCipher },
    /// Not yet.
    Connecting { checks: Checks, handshake: Box<Handshake> },
    /// By DTLS.
    Srtp { checks: Checks, inbound: Box<Inbound>, outbound: Box<Outbound>, reports: Box<Reports> },
}

/// What was counted while measuring.
#[derive(Default)]
pub struct Tally {
    /// RTP packets sent.
    pub sent: u64,
    /// Nanoseconds each received packet took that was sent within the measurement.
    pub latencies: Vec<u32>,
    /// RTP packets received, whenever sent.
    pub received: u64,
    /// RTCP datagrams received.
    pub rtcp: u64,
    /// Packets that could not be opened or had no stamp.
    pub bad: u64,
}

/// The time in which packets count, in nanoseconds since the run began.
#[derive(Clone, Copy)]
pub struct Window {
    pub from: u64,
    pub to: u64,
}

impl Window {
    fn contains(self, nanos: u64) -> bool {
        (self.from..self.to).contains(&nanos)
    }
}

fn nanos(epoch: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(epoch).as_nanos() as u64
}

/// One participant.
pub struct Client {
    pub socket: Socket,
    pub link: Link,
    pub tally: Tally,
    /// Packets sent within it count.
    pub window: Option<Window>,
    server: SocketAddr,
    source: Source,
    epoch: Instant,
    frame: Vec<u8>,
}

impl Client {
    pub fn new(socket: Socket, link: Link, server: SocketAddr, source: Source, epoch: Instant) -> Self {
        let frame = vec![0; PACKETS_PER_FRAME * PACKET];
        Self { socket, link, tally: Tally::default(), window: None, server, source, epoch, frame }
    }

    pub fn is_connected(&self) -> bool {
        !matches!(self.link, Link::Connecting { .. })
    }

    /// Advances the handshake, or keeps consent.
    pub fn poll_link(&mut self, now: Instant) -> io::Result<()> {
        match &mut self.link {
            Link::Raw { .. } => Ok(()),
            Link::Srtp { checks, .. } => match checks.poll(now) {
                Some(check) => self.socket.send(self.server, &check, check.len()),
                None => Ok(()),
            },
            Link::Connecting { checks, handshake } => {
                if let Some(check) = checks.poll(now) {
                    self.socket.send(self.server, &check, check.len())?;
                }
                if !checks.is_answered() {
                    return Ok(());
                }
                let progress = handshake.poll(now).map_err(io::Error::other)?;
                self.progress(progress, now)
            }
        }
    }

    fn progress(
        &mut self,
        (datagrams, keys): (Vec<Vec<u8>>, Option<(Inbound, Outbound)>),
        now: Instant,
    ) -> io::Result<()> {
        for datagram in datagrams {
            self.socket.send(self.server, &datagram, datagram.len())?;
        }
        let Some((inbound, outbound)) = keys else { return Ok(()) };
        let (inbound, outbound) = (Box::new(inbound), Box::new(outbound));
        let reports = Box::new(Reports::new(self.epoch, self.source.audio_ssrc));
        // Only the checks are needed from now on; a stand-in takes their place for a moment.
        let idle = Checks::new("", "", "", now);
        if let Link::Connecting { checks, .. } = &mut self.link {
            let checks = std::mem::replace(checks, idle);
            self.link = Link::Srtp { checks, inbound, outbound, reports };
        }
        Ok(())
    }

    /// Sends one audio packet.
    pub fn send_audio(&mut self, now: Instant) -> io::Result<()> {
        let mut buffer = [0; 256];
        let (header_len, len) = self.source.audio(self.epoch, now, &mut buffer).map_err(io::Error::other)?;
        let sealed = seal(&mut self.link, &mut buffer, header_len, len)?;
        self.note_sent(now, 1);
        self.socket.send(self.server, &buffer[..sealed], sealed)
    }

    /// Sends the packets of one frame in one burst.
    pub fn send_frame(&mut self, now: Instant) -> io::Result<()> {
        self.source.next_frame();
        let (mut used, mut size) = (0, 0);
        for part in 0..PACKETS_PER_FRAME {
            let buffer = &mut self.frame[used..used + PACKET];
            let (header_len, len) = self.source.video(part, self.epoch, now, buffer).map_err(io::Error::other)?;
            size = seal(&mut self.link, buffer, header_len, len)?;
            used += size;
        }
        self.note_sent(now, PACKETS_PER_FRAME as u64);
        self.socket.send(self.server, &self.frame[..used], size)
    }

    fn note_sent(&mut self, now: Instant, packets: u64) {
        if self.window.is_some_and(|window| window.contains(nanos(self.epoch, now))) {
            self.tally.sent += packets;
        }
    }

    /// Sends reports and feedback, if there are any.
    pub fn send_reports(&mut self, now: Instant) -> io::Result<()> {
        let Link::Srtp { outbound, reports, .. } = &mut self.link else { return Ok(()) };
        let mut buffer = [0; PACKET];
        let len = reports.write(&self.source, now, &mut buffer[..PACKET - 32]);
        if len == 0 {
            return Ok(());
        }
        let sealed = outbound.seal_rtcp(&mut buffer, len).map_err(io::Error::other)?;
        self.socket.send(self.server, &buffer[..sealed], sealed)
    }

    /// Takes all that has arrived.
    pub fn receive(&mut self, buffers: &mut Buffers) -> io::Result<()> {
        loop {
            let mut handshakes = Vec::new();
            let Self { socket, link, tally, epoch, window, .. } = self;
            let received = socket.receive(buffers, |_, run, stride| {
                let now = Instant::now();
                for datagram in run.chunks_mut(stride) {
                    match datagram.first() {
                        Some(0..=3) => {
                            if let Link::Connecting { checks, .. } | Link::Srtp { checks, .. } = link {
                                checks.handle(datagram);
                            }
                        }
                        Some(20..=63) => handshakes.push(datagram.to_vec()),
                        _ if is_rtcp(datagram) => tally.rtcp += 1,
                        _ => count(link, tally, datagram, nanos(*epoch, now), now, *window),
                    }
                }
            })?;
            for datagram in handshakes {
                if let Link::Connecting { handshake, .. } = &mut self.link {
                    let now = Instant::now();
                    let progress = handshake.handle(&datagram, now).map_err(io::Error::other)?;
                    self.progress(progress, now)?;
                }
            }
            if !received {
                return Ok(());
            }
        }
    }
}

fn seal(link: &mut Link, buffer: &mut [u8], header_len: usize, len: usize) -> io::Result<usize> {
    match link {
        Link::Raw { outbound, .. } => outbound.seal(buffer, header_len, len).map_err(io::Error::other),
        Link::Srtp { outbound, .. } => outbound.seal_rtp(buffer, len).map_err(io::Error::other),
        Link::Connecting { .. } => Err(io::Error::other("not connected")),
    }
}

fn count(link: &mut Link, tally: &mut Tally, datagram: &mut [u8], nanos: u64, now: Instant, window: Option<Window>) {
    let opened = match link {
        Link::Raw { inbound, .. } => Prefix::parse(datagram)
            .ok()
            .map(|prefix| prefix.header_len)
            .and_then(|len| inbound.open(datagram, len).ok()),
        Link::Srtp { inbound, .. } => inbound.open_rtp(datagram).ok(),
        Link::Connecting { .. } => None,
    };
    let packet = opened.and_then(|len| Packet::parse(datagram.get(..len)?).ok());
    let Some(packet) = packet else {
        tally.bad += 1;
        return;
    };
    if let Link::Srtp { reports, .. } = link {
        reports.handle_packet(&packet, now);
    }
    // Padding fills a gap in numbering and carries no stamp.
    if packet.payload.is_empty() {
        return;
    }
    let Some(Stamp { sent }) = Stamp::of(&packet) else {
        tally.bad += 1;
        return;
    };
    tally.received += 1;
    if window.is_some_and(|window| window.contains(sent)) {
        tally.latencies.push(u32::try_from(nanos.saturating_sub(sent)).unwrap_or(u32::MAX));
    }
}
