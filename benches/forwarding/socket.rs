//! A UDP socket with batches in (recvmmsg, GRO) and out (GSO), as the engine's.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

const BUFFERS: usize = 16;
const BUFFER_SIZE: usize = 65_536;
const KERNEL_BUFFER: usize = 4 * 1024 * 1024;

/// One bound port.
pub struct Socket {
    pub source: UdpSocket,
    state: UdpSocketState,
    pub local: SocketAddr,
}

/// Room for received datagrams.
pub struct Buffers {
    bytes: Vec<u8>,
    meta: [RecvMeta; BUFFERS],
}

impl Buffers {
    pub fn new() -> Self {
        Self { bytes: vec![0; BUFFERS * BUFFER_SIZE], meta: [RecvMeta::default(); BUFFERS] }
    }
}

impl Socket {
    /// A free port on loopback.
    pub fn bind() -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
        let local = socket.local_addr()?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), KERNEL_BUFFER);
        let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), KERNEL_BUFFER);
        Ok(Self { source: UdpSocket::from_std(socket), state, local })
    }

    /// Hands out runs of datagrams as the kernel has them: (from, all of a run, size of each but the last). `Ok(true)`: the
    /// batch was full, so that there may be more.
    pub fn receive(
        &self,
        buffers: &mut Buffers,
        mut each: impl FnMut(SocketAddr, &mut [u8], usize),
    ) -> io::Result<bool> {
        let mut chunks = buffers.bytes.chunks_exact_mut(BUFFER_SIZE).map(IoSliceMut::new);
        let mut slices: [IoSliceMut<'_>; BUFFERS] =
            std::array::from_fn(|_| chunks.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        let received = match self.state.recv(UdpSockRef::from(&self.source), &mut slices, &mut buffers.meta) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        for (slice, meta) in slices.iter_mut().zip(&buffers.meta).take(received) {
            if let Some(run) = slice.get_mut(..meta.len) {
                each(meta.addr, run, meta.stride.max(1));
            }
        }
        Ok(received == BUFFERS)
    }

    /// Sends datagrams of one size (the last may be shorter) to one destination.
    pub fn send(&self, to: SocketAddr, bytes: &[u8], segment: usize) -> io::Result<()> {
        let transmit =
            Transmit { destination: to, ecn: None, contents: bytes, segment_size: Some(segment), src_ip: None };
        self.state.try_send(UdpSockRef::from(&self.source), &transmit)
    }
}
