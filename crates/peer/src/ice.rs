//! ICE-lite.
/// The local ufrag a STUN binding request is for; `None` if it is none. For the demultiplexer; proves nothing.
pub fn stun_ufrag(_datagram: &[u8]) -> Option<&str> {
    None
}
