//! One client of the shard alone: what it sends and takes, as bytes.

use std::io;
use std::time::Instant;

use parlour_model::{ParticipantSid, SessionId};
use parlour_peer::srtp::{Inbound, Outbound};
use parlour_rtp::{Packet, is_rtcp};

use crate::handshake::{Checks, Handshake};
use crate::media::{PACKETS_PER_FRAME, Source};
use crate::protocol::Seat;
use crate::reports::Reports;

/// One client, with ready-made signalling.
pub struct Caller {
    pub seat: Seat,
    pub session: SessionId,
    pub sid: ParticipantSid,
    pub offers: u32,
    pub source: Source,
    pub checks: Option<Checks>,
    pub handshake: Handshake,
    pub keys: Option<(Inbound, Outbound)>,
    pub reports: Reports,
    pub received: u64,
}

/// What a client does now and then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Audio,
    Frame,
    Reports,
    Link,
}

impl Caller {
    /// Takes a datagram and gives what there is to answer.
    pub fn hear(&mut self, datagram: &mut [u8], now: Instant) -> io::Result<Vec<Vec<u8>>> {
        match datagram.first() {
            Some(0..=3) => self.checks.iter_mut().for_each(|checks| checks.handle(datagram)),
            Some(20..=63) if self.keys.is_none() => {
                let (datagrams, keys) = self.handshake.handle(datagram, now).map_err(io::Error::other)?;
                self.keys = keys;
                return Ok(datagrams);
            }
            _ if is_rtcp(datagram) => {}
            _ => {
                let Some((inbound, _)) = &mut self.keys else { return Ok(Vec::new()) };
                let Ok(len) = inbound.open_rtp(datagram) else { return Ok(Vec::new()) };
                if let Ok(packet) = Packet::parse(&datagram[..len]) {
                    self.reports.handle_packet(&packet, now);
                    self.received += 1;
                }
            }
        }
        Ok(Vec::new())
    }

    /// What it sends now.
    pub fn say(&mut self, does: Does, epoch: Instant, now: Instant) -> io::Result<Vec<Vec<u8>>> {
        let Some((_, outbound)) = &mut self.keys else { return Ok(Vec::new()) };
        let mut seal = |mut bytes: Vec<u8>, len: usize| -> io::Result<Vec<u8>> {
            let sealed = outbound.seal_rtp(&mut bytes, len).map_err(io::Error::other)?;
            bytes.truncate(sealed);
            Ok(bytes)
        };
        let mut bytes = vec![0; 1_500];
        match does {
            Does::Audio => {
                let (_, len) = self.source.audio(epoch, now, &mut bytes).map_err(io::Error::other)?;
                Ok(vec![seal(bytes, len)?])
            }
            Does::Frame => {
                self.source.next_frame();
                let packets = (0..PACKETS_PER_FRAME).map(|part| {
                    let mut bytes = vec![0; 1_500];
                    let (_, len) = self.source.video(part, epoch, now, &mut bytes).map_err(io::Error::other)?;
                    seal(bytes, len)
                });
                packets.collect()
            }
            Does::Reports => {
                let len = self.reports.write(&self.source, now, &mut bytes[..1_400]);
                if len == 0 {
                    return Ok(Vec::new());
                }
                let sealed = outbound.seal_rtcp(&mut bytes, len).map_err(io::Error::other)?;
                bytes.truncate(sealed);
                Ok(vec![bytes])
            }
            Does::Link => Ok(Vec::new()),
        }
    }
}
