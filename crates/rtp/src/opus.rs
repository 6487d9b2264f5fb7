//! Opus in RTP (RFC 7587): what can be told of a packet from its first byte and length.

/// RTP clock rate, whatever the audio bandwidth (RFC 7587 section 4.1).
pub const CLOCK_RATE: u32 = 48_000;

/// Whether a packet carries no sound: with DTX the encoder emits frames of at most two bytes, a table of contents with
/// (nearly) nothing after it (RFC 6716 section 2.1.9 and RFC 7587 section 3.1.3).
pub fn is_dtx(payload: &[u8]) -> bool {
    payload.len() <= 2
}

/// How much sound a packet holds, in samples at 48 kHz, from its table of contents (RFC 6716 section 3.1). `None` for an
/// empty or impossible packet; more than 120 ms is impossible.
pub fn duration(payload: &[u8]) -> Option<u32> {
    let &toc = payload.first()?;
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1_920, 2_880].get(usize::from(config & 3)).copied()?,
        config @ 12..=15 => [480, 960].get(usize::from(config & 1)).copied()?,
        config => [120, 240, 480, 960].get(usize::from(config & 3)).copied()?,
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(payload.get(1)? & 0x3f),
    };
    Some(frame * frames).filter(|samples| (1..=5_760).contains(samples))
}
