//! Writing RTP headers: fixed fields (RFC 3550 section 5.1) and extension elements (RFC 8285).
//!
//! Elements go out in the one-byte form as long as every id is at most 14 and every value 1 to 16 bytes; the first that
//! does not fit turns the header to the two-byte form, which a peer must have agreed to (`extmap-allow-mixed`) or have
//! asked for by an id above 14.

use crate::extension::{self, ExtensionValue, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};
use crate::wire::{BufferFull, Cursor};

/// The fields of every RTP packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// See [`crate::Packet::marker`].
    pub marker: bool,
    /// 0..=127; the eighth bit is not written.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// In units of the codec's clock.
    pub timestamp: u32,
    /// Of the stream.
    pub ssrc: u32,
}

impl Header {
    /// Its bytes, `first` in front: version and whether an extension follows.
    fn fixed(&self, first: u8) -> [u8; crate::packet::FIXED_HEADER_LEN] {
        let second = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.to_be_bytes();
        [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    None,
    OneByte,
    TwoByte,
}

/// Where the first element goes: after the fixed header and the four bytes of profile and length.
const ELEMENTS_AT: usize = crate::packet::FIXED_HEADER_LEN + 4;

/// The most bytes that elements of the one-byte form can take: 14 ids with 16 bytes and a length each.
const ONE_BYTE_MAX: usize = 14 * 17;

/// The beginning of headers that differ in their fixed fields and in one number: its elements are written once, and copied
/// from then on.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    bytes: [u8; FRONT_MAX],
    len: usize,
}

/// A mid of up to eight characters and a transport-wide number fit.
const FRONT_MAX: usize = 32;

impl Front {
    /// With the elements that `write` adds and behind them a [`crate::TransportSequence`] of this id. `None` where they are
    /// too long or need the two-byte form: then each header is to be written for itself.
    pub fn new(number: u8, write: impl FnOnce(&mut HeaderWriter<'_>) -> Result<(), BufferFull>) -> Option<Self> {
        let mut bytes = [0; FRONT_MAX];
        let mut writer = HeaderWriter::new(&mut bytes, Header::default()).ok()?;
        write(&mut writer).ok()?;
        writer.put(number, &crate::TransportSequence(0)).ok()?;
        let (form, len) = (writer.form, writer.cursor.len());
        (form == Form::OneByte).then_some(Self { bytes, len })
    }
}

/// Writes a header element by element.
///
/// ```
/// # use parlour_rtp::{Header, HeaderWriter, TransportSequence};
/// let mut buffer = [0; 1500];
/// let mut writer = HeaderWriter::new(&mut buffer, Header { payload_type: 96, ..Header::default() })?;
/// writer.put(3, &TransportSequence(7))?;
/// assert_eq!(writer.finish()?, 20);
/// # Ok::<(), parlour_rtp::BufferFull>(())
/// ```
#[derive(Debug)]
pub struct HeaderWriter<'a> {
    cursor: Cursor<'a>,
    form: Form,
}

impl<'a> HeaderWriter<'a> {
    /// Begins at the front of `buffer`.
    pub fn new(buffer: &'a mut [u8], header: Header) -> Result<Self, BufferFull> {
        let mut cursor = Cursor::new(buffer);
        cursor.put_array(header.fixed(2 << 6))?;
        Ok(Self { cursor, form: Form::None })
    }

    /// Begins with `front`, with this number in it. The buffer has room for the longest there is.
    pub fn with_front(buffer: &'a mut [u8], header: Header, front: &Front, number: u16) -> Result<Self, BufferFull> {
        let mut bytes = front.bytes;
        *bytes.first_chunk_mut().ok_or(BufferFull)? = header.fixed(2 << 6 | 1 << 4);
        let place = bytes.get_mut(..front.len).and_then(|front| front.last_chunk_mut());
        *place.ok_or(BufferFull)? = number.to_be_bytes();
        let mut cursor = Cursor::new(buffer);
        cursor.put_array(bytes)?;
        cursor.truncate(front.len);
        Ok(Self { cursor, form: Form::OneByte })
    }

    /// Adds a typed element.
    pub fn put(&mut self, id: u8, value: &impl ExtensionValue) -> Result<(), BufferFull> {
        let (bytes, len) = value.encoded();
        match (bytes, len) {
            // Nearly all, in each packet: of a length that the compiler knows.
            ([a, b, ..], 2) if self.takes_short(id) => self.cursor.put_array([id << 4 | 1, a, b]),
            ([a, ..], 1) if self.takes_short(id) => self.cursor.put_array([id << 4, a]),
            _ => self.put_bytes(id, bytes.get(..len).unwrap_or_default()),
        }
    }

    /// Elements are being written in the one-byte form, and this id has one.
    fn takes_short(&self, id: u8) -> bool {
        self.form == Form::OneByte && (1..=14).contains(&id)
    }

    /// Adds an element with any value of up to 255 bytes. Id 0 is padding on the wire and is refused as not fitting.
    pub fn put_bytes(&mut self, id: u8, value: &[u8]) -> Result<(), BufferFull> {
        let len = u8::try_from(value.len()).map_err(|_| BufferFull)?;
        if id == 0 {
            return Err(BufferFull);
        }
        let fits_one_byte = id <= 14 && (1..=16).contains(&len);
        match (self.form, fits_one_byte) {
            (Form::None, _) => self.open(if fits_one_byte { Form::OneByte } else { Form::TwoByte })?,
            (Form::OneByte, false) => self.widen()?,
            (Form::OneByte | Form::TwoByte, _) => {}
        }
        match (self.form, value) {
            // A mid, in each packet: as in [`Self::put`].
            (Form::OneByte, &[a]) => self.cursor.put_array([id << 4, a]),
            (Form::OneByte, &[a, b]) => self.cursor.put_array([id << 4 | 1, a, b]),
            (Form::OneByte, _) => self.cursor.put_u8(id << 4 | (len - 1)).and_then(|()| self.cursor.put(value)),
            (Form::None | Form::TwoByte, _) => self.cursor.put_array([id, len]).and_then(|()| self.cursor.put(value)),
        }
    }

    /// Closes the header and returns its length: where the payload goes.
    pub fn finish(mut self) -> Result<usize, BufferFull> {
        if self.form != Form::None {
            self.cursor.pad_to_word(ELEMENTS_AT)?;
            let words = u16::try_from((self.cursor.len() - ELEMENTS_AT) / 4).map_err(|_| BufferFull)?;
            self.cursor.overwrite(ELEMENTS_AT - 2, &words.to_be_bytes());
        }
        Ok(self.cursor.len())
    }

    fn open(&mut self, form: Form) -> Result<(), BufferFull> {
        let profile = if form == Form::OneByte { ONE_BYTE_PROFILE } else { TWO_BYTE_PROFILE };
        let [first, second] = profile.to_be_bytes();
        self.cursor.put_array([first, second, 0, 0])?;
        self.cursor.overwrite(0, &[2 << 6 | 1 << 4]);
        self.form = form;
        Ok(())
    }

    /// Rewrites the elements so far from the one-byte to the two-byte form. Rare, hence simple.
    fn widen(&mut self) -> Result<(), BufferFull> {
        let mut copy = [0; ONE_BYTE_MAX];
        let elements = self.cursor.written().get(ELEMENTS_AT..).unwrap_or_default();
        let copy = copy.get_mut(..elements.len()).ok_or(BufferFull)?;
        copy.copy_from_slice(elements);
        self.cursor.truncate(crate::packet::FIXED_HEADER_LEN);
        self.open(Form::TwoByte)?;
        extension::elements(ONE_BYTE_PROFILE, copy).try_for_each(|(id, value)| self.put_bytes(id, value))
    }
}
