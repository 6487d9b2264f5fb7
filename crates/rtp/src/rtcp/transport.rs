//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1): when each packet of a
//! connection arrived.
//!
//! ```text
//! base sequence(16) | status count(16)
//! reference time(24, signed, 64 ms) | feedback count(8)
//! chunks (16 bits each): 0|symbol(2)|run(13)  or  1|0|14 x 1 bit  or  1|1|7 x 2 bits
//! deltas: one byte (small) or two (large or negative), 250 us
//! ```

use crate::wire::{BufferFull, Cursor, u8_at, u16_at, u24_at, u32_at};

/// The unit of deltas.
pub const TICK_MICROS: i64 = 250;

/// Ticks in the unit of the reference time, 64 ms.
const REFERENCE_TICKS: i64 = 256;

const NOT_RECEIVED: u8 = 0;
const SMALL: u8 = 1;
const LARGE: u8 = 2;

const MAX_RUN: usize = 0x1fff;

/// A message that describes this many packets fits into 1,200 bytes, whatever the pattern.
pub const MAX_STATUSES: usize = 480;

/// A message that claims to describe more packets is malformed: at 100 ms a message that would be a gigabit a second, and
/// a few bytes of run-length chunks could make the reader walk 65,535 statuses.
pub const MAX_PARSED_STATUSES: usize = 8_192;

/// A parsed and checked message.
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    /// Of who reports.
    pub sender_ssrc: u32,
    /// One of the streams of the connection.
    pub media_ssrc: u32,
    /// Number of the first packet described.
    pub base_sequence: u16,
    /// How many packets are described, lost ones too.
    pub status_count: u16,
    /// Arrival clock at the start of the deltas, in units of 64 ms, modulo 2^24 with sign.
    pub reference_time: i32,
    /// Counts messages.
    pub feedback_count: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let status_count = u16_at(body, 10)?;
        (usize::from(status_count) <= MAX_PARSED_STATUSES).then_some(())?;
        let rest = body.get(16..)?;
        let (chunks_len, deltas_len) = lengths(rest, usize::from(status_count))?;
        let (chunks, rest) = rest.split_at_checked(chunks_len)?;
        Some(Self {
            sender_ssrc: u32_at(body, 0)?,
            media_ssrc: u32_at(body, 4)?,
            base_sequence: u16_at(body, 8)?,
            status_count,
            // Extends the sign of 24 bits.
            reference_time: (u24_at(body, 12)? << 8) as i32 >> 8,
            feedback_count: u8_at(body, 15)?,
            chunks,
            deltas: rest.get(..deltas_len)?,
        })
    }

    /// The clock at which the deltas begin, in microseconds; compare it only with that of other messages of this sender,
    /// modulo 2^24 x 64 ms.
    pub fn reference_micros(&self) -> i64 {
        i64::from(self.reference_time) * REFERENCE_TICKS * TICK_MICROS
    }

    /// Each packet described, in order of number: when it arrived, in microseconds on the clock of
    /// [`Self::reference_micros`], or `None` if it had not.
    pub fn arrivals(&self) -> Arrivals<'a> {
        Arrivals {
            sequence: self.base_sequence,
            left: self.status_count,
            symbols: Symbols { chunks: self.chunks, chunk: 0, index: 0, in_chunk: 0 },
            deltas: self.deltas,
            micros: self.reference_micros(),
        }
    }
}

/// Bytes of chunks and of deltas that `count` statuses take; `None` if the chunks end early or hold a reserved symbol.
fn lengths(chunks: &[u8], count: usize) -> Option<(usize, usize)> {
    let mut described = 0;
    let mut deltas_len = 0;
    let mut at = 0;
    while described < count {
        let chunk = u16_at(chunks, at)?;
        at += 2;
        let used = symbols_in(chunk).min(count - described);
        if chunk & 0x8000 == 0 {
            deltas_len += used * delta_len(symbol(chunk, 0))?;
        } else {
            for index in 0..used {
                deltas_len += delta_len(symbol(chunk, index))?;
            }
        }
        // A run of no packets makes no progress; it is bounded by the length of the message.
        described += used;
    }
    Some((at, deltas_len))
}

fn delta_len(symbol: u8) -> Option<usize> {
    match symbol {
        NOT_RECEIVED => Some(0),
        SMALL => Some(1),
        LARGE => Some(2),
        _ => None,
    }
}

fn symbols_in(chunk: u16) -> usize {
    match chunk >> 14 {
        0 | 1 => usize::from(chunk & 0x1fff),
        2 => 14,
        _ => 7,
    }
}

fn symbol(chunk: u16, index: usize) -> u8 {
    let bits = match chunk >> 14 {
        0 | 1 => chunk >> 13 & 3,
        2 => chunk >> (13_usize.saturating_sub(index)) & 1,
        _ => chunk >> (12_usize.saturating_sub(2 * index)) & 3,
    };
    bits as u8
}

#[derive(Clone, Debug)]
struct Symbols<'a> {
    chunks: &'a [u8],
    chunk: u16,
    index: usize,
    in_chunk: usize,
}

impl Iterator for Symbols<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        while self.index == self.in_chunk {
            self.chunk = u16_at(self.chunks, 0)?;
            self.chunks = self.chunks.get(2..)?;
            self.in_chunk = symbols_in(self.chunk);
            self.index = 0;
        }
        self.index += 1;
        Some(symbol(self.chunk, self.index - 1))
    }
}

/// Iterator made by [`TransportFeedback::arrivals`].
#[derive(Clone, Debug)]
pub struct Arrivals<'a> {
    sequence: u16,
    left: u16,
    symbols: Symbols<'a>,
    deltas: &'a [u8],
    micros: i64,
}

impl Iterator for Arrivals<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let (ticks, len) = match self.symbols.next()? {
            SMALL => (i64::from(u8_at(self.deltas, 0)?), 1),
            LARGE => (i64::from(u16_at(self.deltas, 0)? as i16), 2),
            _ => return Some((sequence, None)),
        };
        self.deltas = self.deltas.get(len..)?;
        self.micros += ticks * TICK_MICROS;
        Some((sequence, Some(self.micros)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}

/// What a message says of a run of packets.
#[derive(Clone, Copy, Debug)]
pub struct Observed<I> {
    /// Counts messages.
    pub feedback_count: u8,
    /// Number of the first packet.
    pub base_sequence: u16,
    /// For each packet from the first on: when it arrived, in microseconds since any fixed instant, or `None`. Walked several
    /// times.
    pub arrivals: I,
}

impl<I: Iterator<Item = Option<u64>> + Clone> Observed<I> {
    /// When the first packet came of those that one message can describe.
    pub(crate) fn first(&self) -> Option<u64> {
        self.arrivals.clone().take(MAX_STATUSES).flatten().next()
    }
}

fn ticks(micros: u64) -> i64 {
    (micros / TICK_MICROS.unsigned_abs()) as i64
}

/// Delta to the packet received before, and its symbol; `None` if it does not fit.
fn delta(previous: i64, arrival: i64) -> Option<(u8, i16)> {
    let delta = i16::try_from(arrival - previous).ok()?;
    Some((if (0..=0xff).contains(&delta) { SMALL } else { LARGE }, delta))
}

/// Writes everything after the two SSRCs; returns how many statuses went in: fewer than asked when an arrival is too far
/// from the one before it (8 s), and at most [`MAX_STATUSES`]. Zero, and nothing written, when nothing was received.
pub(crate) fn write<I>(observed: &Observed<I>, cursor: &mut Cursor<'_>) -> Result<usize, BufferFull>
where
    I: Iterator<Item = Option<u64>> + Clone,
{
    let (mut symbols, mut deltas) = ([NOT_RECEIVED; MAX_STATUSES], [0; MAX_STATUSES]);
    let Some(first) = observed.first() else { return Ok(0) };
    let reference = ticks(first).div_euclid(REFERENCE_TICKS);
    let mut previous = reference * REFERENCE_TICKS;
    let mut count = 0;
    for ((symbol, told), arrival) in symbols.iter_mut().zip(&mut deltas).zip(observed.arrivals.clone()) {
        if let Some(arrival) = arrival.map(ticks) {
            let Some(delta) = delta(previous, arrival) else { break };
            (*symbol, *told) = delta;
            previous = arrival;
        }
        count += 1;
    }
    cursor.put_u16(observed.base_sequence)?;
    cursor.put_u16(count as u16)?;
    cursor.put_u32((reference as u32) << 8 | u32::from(observed.feedback_count))?;
    write_chunks(symbols.get(..count).unwrap_or_default(), cursor)?;
    for (&symbol, &delta) in symbols.iter().zip(&deltas).take(count) {
        match symbol {
            SMALL => cursor.put_u8(delta as u8)?,
            LARGE => cursor.put_u16(delta as u16)?,
            _ => {}
        }
    }
    Ok(count)
}

fn write_chunks(mut symbols: &[u8], cursor: &mut Cursor<'_>) -> Result<(), BufferFull> {
    while let Some(&first) = symbols.first() {
        let run = symbols.iter().take_while(|&&symbol| symbol == first).count().min(MAX_RUN);
        let one_bit = symbols.iter().take(14).all(|&symbol| symbol != LARGE);
        let vector = if one_bit { 14 } else { 7 };
        let (chunk, used) = if run >= vector || run == symbols.len() {
            (u16::from(first) << 13 | run as u16, run)
        } else {
            let used = vector.min(symbols.len());
            let width = if one_bit { 1 } else { 2 };
            let bits = symbols.iter().take(used).enumerate();
            let bits = bits.fold(0, |bits, (index, &symbol)| bits | u16::from(symbol) << (14 - width * (index + 1)));
            (1 << 15 | if one_bit { 0 } else { 1 << 14 } | bits, used)
        };
        cursor.put_u16(chunk)?;
        symbols = symbols.get(used..).unwrap_or_default();
    }
    Ok(())
}
