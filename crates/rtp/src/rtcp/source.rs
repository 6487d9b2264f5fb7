//! Who a source is and that it ends: SDES and BYE (RFC 3550 sections 6.5 and 6.6).

use crate::wire::{u8_at, u32_at};

const CNAME: u8 = 1;

/// Source descriptions; only canonical names are read.
#[derive(Clone, Copy, Debug)]
pub struct Sdes<'a> {
    chunks: &'a [u8],
    count: u8,
}

impl<'a> Sdes<'a> {
    pub(crate) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let sdes = Self { chunks: body, count };
        (sdes.names().count() == usize::from(count)).then_some(sdes)
    }

    /// Each chunk's SSRC with its canonical name, if it has one.
    pub fn names(&self) -> impl Iterator<Item = (u32, Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.chunks;
        (0..self.count).map_while(move |_| {
            let (ssrc, name, len) = chunk(rest)?;
            rest = rest.get(len..)?;
            Some((ssrc, name))
        })
    }
}

/// (source, canonical name, bytes of the chunk with its padding to a word).
fn chunk(bytes: &[u8]) -> Option<(u32, Option<&[u8]>, usize)> {
    let ssrc = u32_at(bytes, 0)?;
    let mut name = None;
    let mut at = 4;
    loop {
        match u8_at(bytes, at)? {
            0 => return Some((ssrc, name, (at + 1).next_multiple_of(4))),
            kind => {
                let len = usize::from(u8_at(bytes, at + 1)?);
                let value = bytes.get(at + 2..at + 2 + len)?;
                if kind == CNAME {
                    name = name.or(Some(value));
                }
                at += 2 + len;
            }
        }
    }
}

/// Sources that end; the reason text is not read.
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    sources: &'a [u8],
}

impl<'a> Bye<'a> {
    pub(crate) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        Some(Self { sources: body.get(..4 * usize::from(count))? })
    }

    /// Their SSRCs.
    pub fn sources(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.sources.chunks_exact(4).filter_map(|bytes| u32_at(bytes, 0))
    }
}
