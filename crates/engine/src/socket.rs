//! A worker's UDP sockets: batches in with recvmmsg and GRO, batches out with GSO (quinn-udp).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use parlour_shard::Run;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

/// Buffers of one receive call. Each may hold a whole run of datagrams (GRO), so a few are many packets.
const BUFFERS: usize = 16;

/// Bytes of one buffer: the most that one coalesced run may hold.
const BUFFER_SIZE: usize = 65_536;

/// Kernel buffers asked for: 100 rooms' bursts of keyframes while the worker is away for 100 ms. What the system allows
/// may be less.
const KERNEL_BUFFER: usize = 4 * 1024 * 1024;

/// One bound UDP port.
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// The kernel said that there is something, and what was taken since was not all.
    pub(crate) readable: bool,
}

/// Space for received datagrams; one per worker, used for all its sockets.
pub(crate) struct ReceiveBuffers {
    bytes: Vec<u8>,
    meta: [RecvMeta; BUFFERS],
}

/// Datagrams of one client that the kernel handed over together.
pub(crate) struct ReceivedRun<'a> {
    pub(crate) from: SocketAddr,
    /// Where they were sent, if the kernel told.
    pub(crate) to: Option<IpAddr>,
    /// All datagrams, end to end.
    pub(crate) bytes: &'a mut [u8],
    /// The size of each but the last.
    pub(crate) stride: usize,
}

impl ReceiveBuffers {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; BUFFERS * BUFFER_SIZE], meta: [RecvMeta::default(); BUFFERS] }
    }

    /// One of the runs of the last batch.
    pub(crate) fn run(&mut self, index: usize) -> Option<ReceivedRun<'_>> {
        let meta = self.meta.get(index)?;
        let start = index * BUFFER_SIZE;
        let bytes = self.bytes.get_mut(start..start + meta.len.min(BUFFER_SIZE))?;
        Some(ReceivedRun { from: meta.addr, to: meta.dst_ip, bytes, stride: meta.stride.max(1) })
    }
}

impl MediaSocket {
    /// Binds `address`; port 0 takes a free one.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        let local = socket.local_addr()?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // Smaller buffers than asked for are the system's choice, not an error.
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), KERNEL_BUFFER);
        let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), KERNEL_BUFFER);
        Ok(Self { socket: UdpSocket::from_std(socket), state, local, readable: true })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Whether this socket can send from `address`.
    pub(crate) fn serves(&self, address: SocketAddr) -> bool {
        self.local.is_ipv4() == address.is_ipv4()
    }

    /// Takes one batch from the kernel: how many runs of datagrams [`ReceiveBuffers::run`] has. A batch that is not full
    /// was all there was: asking again would be a system call for each wake-up.
    pub(crate) fn receive(&mut self, buffers: &mut ReceiveBuffers) -> io::Result<usize> {
        let mut chunks = buffers.bytes.chunks_exact_mut(BUFFER_SIZE).map(IoSliceMut::new);
        let mut slices: [IoSliceMut<'_>; BUFFERS] =
            std::array::from_fn(|_| chunks.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        let received = match self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut buffers.meta) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                self.readable = false;
                return Err(error);
            }
        };
        self.readable = received == BUFFERS;
        Ok(received)
    }

    /// Gives one run to the kernel. `WouldBlock` when its buffer is full: the run is lost, as on any full link.
    pub(crate) fn send(&self, run: &Run<'_>) -> io::Result<()> {
        let transmit = Transmit {
            destination: run.to,
            ecn: None,
            contents: run.bytes,
            segment_size: Some(run.segment),
            src_ip: self.source_ip(run.from.ip()),
        };
        self.state.try_send(UdpSockRef::from(&self.socket), &transmit)
    }

    /// The address to send from, where the client's check told it and the socket can send from others as well. Saying it
    /// costs the kernel a search and an allocation with each call.
    fn source_ip(&self, address: IpAddr) -> Option<IpAddr> {
        (!address.is_unspecified() && address != self.local.ip()).then_some(address)
    }
}
