//! Transport-wide sequence numbers of one connection (draft-holmer-rmcat-transport-wide-cc-extensions-01). What became of
//! the packets that had them is for the estimator to remember.

/// Gives out numbers.
#[derive(Debug)]
pub(crate) struct TransportNumbers {
    next: u64,
}

impl TransportNumbers {
    pub fn new() -> Self {
        // One cycle up, so that a first number minus a window is still a number.
        Self { next: 1 << 16 }
    }

    /// The number of the next packet, extended; its lower half goes on the wire.
    pub fn take(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// The last number given out.
    pub fn newest(&self) -> u64 {
        self.next - 1
    }
}
