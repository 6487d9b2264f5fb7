//! Redundant audio (RFC 2198): earlier blocks, then the primary one.
//!
//! A block header is four bytes `1|PT(7)|timestamp offset(14)|length(10)`; the last, of the primary block, is one byte
//! `0|PT(7)` and its data runs to the end.

use thiserror::Error;

use crate::wire::{BufferFull, Cursor, u8_at, u32_at};

/// More blocks than this are not sent by anyone (browsers use one or two redundant ones) and are refused.
pub const MAX_BLOCKS: usize = 9;

/// Longest redundant block: its length has ten bits.
pub const MAX_BLOCK_LEN: usize = 0x3ff;

/// Longest distance of a redundant block: 14 bits.
pub const MAX_TIMESTAMP_OFFSET: u16 = 0x3fff;

/// Why a payload is not redundant audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RedError {
    /// Ends inside the headers or a block.
    #[error("the payload ends inside a block")]
    Truncated,
    /// More than [`MAX_BLOCKS`].
    #[error("too many blocks")]
    TooManyBlocks,
}

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Of the codec inside.
    pub payload_type: u8,
    /// How much older than the packet's timestamp; zero for the primary block.
    pub timestamp_offset: u16,
    /// The codec's payload.
    pub data: &'a [u8],
    /// Whether this is the newest block, the last.
    pub primary: bool,
}

/// Iterates over the blocks of a checked payload, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a> {
    headers: &'a [u8],
    data: &'a [u8],
}

/// Checks a payload and gives its blocks, oldest first; the last is the primary one.
pub fn blocks(payload: &[u8]) -> Result<Blocks<'_>, RedError> {
    let mut headers_len = 0;
    let mut data_len = 0;
    for _ in 0..MAX_BLOCKS {
        let first = u8_at(payload, headers_len).ok_or(RedError::Truncated)?;
        if first & 0x80 == 0 {
            let (headers, data) = payload.split_at_checked(headers_len + 1).ok_or(RedError::Truncated)?;
            return if data.len() < data_len { Err(RedError::Truncated) } else { Ok(Blocks { headers, data }) };
        }
        data_len += (u32_at(payload, headers_len).ok_or(RedError::Truncated)? & 0x3ff) as usize;
        headers_len += 4;
    }
    Err(RedError::TooManyBlocks)
}

/// The primary block: what the packet would carry without redundancy.
pub fn unwrap(payload: &[u8]) -> Result<Block<'_>, RedError> {
    blocks(payload)?.last().ok_or(RedError::Truncated)
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let first = u8_at(self.headers, 0)?;
        if first & 0x80 == 0 {
            let data = std::mem::take(&mut self.data);
            self.headers = &[];
            return Some(Block { payload_type: first, timestamp_offset: 0, data, primary: true });
        }
        let word = u32_at(self.headers, 0)?;
        self.headers = self.headers.get(4..)?;
        let (data, rest) = self.data.split_at_checked((word & 0x3ff) as usize)?;
        self.data = rest;
        let timestamp_offset = (word >> 10) as u16 & MAX_TIMESTAMP_OFFSET;
        Some(Block { payload_type: first & 0x7f, timestamp_offset, data, primary: false })
    }
}

/// Writes a payload from the primary block and redundant ones `(timestamp offset, data)`, oldest first. Redundant blocks
/// beyond what the format can say (see the constants above) are left out.
pub fn wrap(
    payload_type: u8,
    redundant: &[(u16, &[u8])],
    primary: &[u8],
    buffer: &mut [u8],
) -> Result<usize, BufferFull> {
    let fits = |&&(offset, data): &&(u16, &[u8])| data.len() <= MAX_BLOCK_LEN && offset <= MAX_TIMESTAMP_OFFSET;
    let surplus = redundant.len().saturating_sub(MAX_BLOCKS - 1);
    let redundant = redundant.get(surplus..).unwrap_or_default();
    let mut cursor = Cursor::new(buffer);
    for &(offset, data) in redundant.iter().filter(fits) {
        let word = 1 << 31 | u32::from(payload_type & 0x7f) << 24 | u32::from(offset) << 10 | data.len() as u32;
        cursor.put_u32(word)?;
    }
    cursor.put_u8(payload_type & 0x7f)?;
    for (_, data) in redundant.iter().filter(fits) {
        cursor.put(data)?;
    }
    cursor.put(primary)?;
    Ok(cursor.len())
}
