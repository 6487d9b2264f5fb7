//! What a client makes of what arrives: audio in time or missing, frames decoded, freezes, keyframes asked for.

use std::collections::BTreeMap;

use parlour_simnet::Micros;

use crate::media::MediaPacket;

/// Audio later than this after its making is missing.
pub const AUDIO_DEADLINE: Micros = Micros::millis(250);
/// A decoder stuck for so long asks for a keyframe.
const STUCK: Micros = Micros::millis(300);
/// And again after this.
const ASK_AGAIN: Micros = Micros::millis(500);

/// A decoded frame.
#[derive(Clone, Copy, Debug)]
pub struct Decoded {
    pub at: Micros,
    pub made: Micros,
    pub layer: u8,
    pub stream: u8,
}

#[derive(Clone, Debug, Default)]
struct Assembly {
    have: u16,
    seen: u64,
    packet: Option<MediaPacket>,
}

/// One video stream's decoder.
#[derive(Clone, Debug, Default)]
struct Decoder {
    frames: BTreeMap<u32, Assembly>,
    decoded: BTreeMap<u32, ()>,
    last: u32,
    progress: Micros,
    asked: Option<Micros>,
}

/// A client's player.
#[derive(Clone, Debug, Default)]
pub struct Player {
    decoders: BTreeMap<u8, Decoder>,
    pub frames: Vec<Decoded>,
    /// (made, arrived) of audio packets.
    pub audio: Vec<(Micros, Micros)>,
    /// (arrived, wire bytes, age) of all unique packets.
    pub received: Vec<(Micros, u32, Micros)>,
}

impl Player {
    pub fn receive(&mut self, now: Micros, packet: &MediaPacket) {
        self.received.push((now, packet.wire() as u32, now - packet.made));
        if packet.is_audio() {
            self.audio.push((packet.made, now));
            return;
        }
        let decoder = self.decoders.entry(packet.stream).or_default();
        decoder.receive(packet);
        decoder.decode(now, packet.stream, &mut self.frames);
    }

    /// Streams whose decoder is stuck.
    pub fn keyframes_wanted(&mut self, now: Micros) -> Vec<u8> {
        let stuck = self.decoders.iter_mut().filter_map(|(&stream, decoder)| decoder.is_stuck(now).then_some(stream));
        stuck.collect()
    }
}

impl Decoder {
    fn receive(&mut self, packet: &MediaPacket) {
        if packet.frame <= self.last.saturating_sub(64) || self.decoded.contains_key(&packet.frame) {
            return;
        }
        let assembly = self.frames.entry(packet.frame).or_default();
        let bit = 1u64 << (packet.index % 64);
        if assembly.seen & bit == 0 || packet.count > 64 {
            assembly.seen |= bit;
            assembly.have += 1;
        }
        assembly.packet = Some(*packet);
    }

    fn decode(&mut self, now: Micros, stream: u8, out: &mut Vec<Decoded>) {
        loop {
            let ready = self.frames.iter().find_map(|(&number, assembly)| {
                let packet = assembly.packet.as_ref()?;
                let complete = assembly.have >= packet.count;
                let has_reference = packet.key || self.decoded.contains_key(&packet.refers);
                (complete && has_reference).then_some((number, *packet))
            });
            let Some((number, packet)) = ready else { break };
            self.frames.remove(&number);
            // A frame older than one already shown helps its successors but is not shown.
            if number > self.last {
                out.push(Decoded { at: now, made: packet.made, layer: packet.layer, stream });
                self.last = number;
                self.progress = now;
            }
            if packet.key {
                self.decoded.clear();
                self.frames = self.frames.split_off(&number);
            }
            self.decoded.insert(number, ());
            while self.decoded.len() > 32 {
                self.decoded.pop_first();
            }
        }
        while self.frames.len() > 200 {
            self.frames.pop_first();
        }
    }

    fn is_stuck(&mut self, now: Micros) -> bool {
        let waiting = self.frames.keys().next_back().is_some_and(|&newest| newest > self.last);
        let stuck = waiting && now - self.progress > STUCK && self.asked.is_none_or(|at| now - at > ASK_AGAIN);
        if stuck {
            self.asked = Some(now);
        }
        stuck
    }
}
