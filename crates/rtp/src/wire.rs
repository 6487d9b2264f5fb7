//! Big-endian reads that cannot panic and a cursor that writes into a caller's buffer.

use thiserror::Error;

/// The caller's buffer cannot hold what was to be written. Nothing after the last complete element is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the buffer is too small")]
pub struct BufferFull;

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

pub(crate) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

pub(crate) fn u24_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}

/// Writes from the front of a buffer.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes back everything written after `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        let end = self.len.checked_add(bytes.len()).ok_or(BufferFull)?;
        self.buffer.get_mut(self.len..end).ok_or(BufferFull)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// As [`Self::put`], for a number of bytes that the compiler knows: a store or two in place of a copying loop.
    #[inline]
    pub(crate) fn put_array<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), BufferFull> {
        let place = self.buffer.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut::<N>());
        *place.ok_or(BufferFull)? = bytes;
        self.len += N;
        Ok(())
    }

    #[inline]
    pub(crate) fn put_u8(&mut self, value: u8) -> Result<(), BufferFull> {
        self.put_array([value])
    }

    #[inline]
    pub(crate) fn put_u16(&mut self, value: u16) -> Result<(), BufferFull> {
        self.put_array(value.to_be_bytes())
    }

    #[inline]
    pub(crate) fn put_u32(&mut self, value: u32) -> Result<(), BufferFull> {
        self.put_array(value.to_be_bytes())
    }

    #[inline]
    pub(crate) fn put_u64(&mut self, value: u64) -> Result<(), BufferFull> {
        self.put_array(value.to_be_bytes())
    }

    /// Fills with zeros up to the next multiple of four bytes counted from `start`.
    pub(crate) fn pad_to_word(&mut self, start: usize) -> Result<(), BufferFull> {
        match (self.len - start) % 4 {
            1 => self.put_array([0; 3]),
            2 => self.put_array([0; 2]),
            3 => self.put_array([0; 1]),
            _ => Ok(()),
        }
    }

    /// Overwrites what was already written; what lies outside of it is left alone.
    pub(crate) fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        if let Some(range) = self.buffer.get_mut(at..self.len).and_then(|rest| rest.get_mut(..bytes.len())) {
            range.copy_from_slice(bytes);
        }
    }

    pub(crate) fn written(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}
