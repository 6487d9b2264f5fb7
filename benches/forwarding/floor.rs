//! The floor: what is left of a media server when only the kernel's and the cipher's work is done.
//!
//! Participants, keys and addresses are preset. A run from one sender is opened in place, then copied and sealed for one
//! receiver after the other, so that each gets it as one run.

use std::collections::HashMap;
use std::io::{self, stdin, stdout};
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use parlour_rtp::packet::Prefix;
use parlour_shard::Outbox;

use crate::process;
use crate::protocol::{self, Gate, Ready, Setup};
use crate::raw::{RawCipher, Way};
use crate::socket::{Buffers, Socket};

/// As the engine's.
const OUTBOX_SIZE: usize = 512 * 1024;
const RECEIVES_PER_TURN: usize = 8;

struct Member {
    address: SocketAddr,
    inbound: RawCipher,
    outbound: RawCipher,
    /// The others of the room.
    receivers: Vec<usize>,
}

struct Floor {
    socket: Socket,
    outbox: Outbox,
    members: Vec<Member>,
    by_address: HashMap<SocketAddr, usize>,
}

/// Runs the server of this process until standard input ends.
pub fn serve() -> io::Result<()> {
    let setup: Setup = protocol::read(&mut stdin().lock())?;
    let idle_kib = process::resident_kib("self")?;
    let floor = Floor::new(&setup)?;
    let gate = || Gate { address: floor.socket.local, ufrag: String::new(), password: String::new() };
    protocol::write(&mut stdout(), &Ready { idle_kib, gates: setup.seats.iter().map(|_| gate()).collect() })?;
    std::thread::Builder::new().name("media-0".into()).spawn(move || floor.run())?;
    // The process ends with its input, and the thread with the process.
    io::copy(&mut stdin().lock(), &mut io::sink()).map(drop)
}

impl Floor {
    fn new(setup: &Setup) -> io::Result<Self> {
        let mut members = Vec::new();
        for (index, seat) in setup.seats.iter().enumerate() {
            let others = setup.seats.iter().enumerate();
            let others = others.filter(|(other, one)| one.room == seat.room && *other != index);
            members.push(Member {
                address: seat.address,
                inbound: RawCipher::preset(index, Way::ToServer).map_err(io::Error::other)?,
                outbound: RawCipher::preset(index, Way::ToClient).map_err(io::Error::other)?,
                receivers: others.map(|(other, _)| other).collect(),
            });
        }
        let by_address = members.iter().enumerate().map(|(index, member)| (member.address, index)).collect();
        Ok(Self { socket: Socket::bind()?, outbox: Outbox::new(OUTBOX_SIZE), members, by_address })
    }

    fn run(mut self) -> io::Result<()> {
        let mut poll = Poll::new()?;
        poll.registry().register(&mut self.socket.source, Token(0), Interest::READABLE)?;
        let mut events = Events::with_capacity(16);
        let mut buffers = Buffers::new();
        let mut more = false;
        loop {
            poll.poll(&mut events, more.then_some(Duration::ZERO))?;
            more = self.turn(&mut buffers)?;
        }
    }

    /// `true`: there may be more to receive.
    fn turn(&mut self, buffers: &mut Buffers) -> io::Result<bool> {
        for _ in 0..RECEIVES_PER_TURN {
            let Self { socket, outbox, members, by_address } = self;
            let received = socket.receive(buffers, |from, run, stride| {
                if let Some(&sender) = by_address.get(&from) {
                    forward(socket, outbox, members, sender, run, stride);
                }
            })?;
            flush(&self.socket, &mut self.outbox);
            if !received {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn forward(
    socket: &Socket,
    outbox: &mut Outbox,
    members: &[Member],
    sender: usize,
    run: &mut [u8],
    stride: usize,
) -> Option<()> {
    let sender = members.get(sender)?;
    for packet in run.chunks_mut(stride) {
        let header_len = Prefix::parse(packet).ok()?.header_len;
        sender.inbound.open(packet, header_len).ok()?;
    }
    for receiver in sender.receivers.iter().filter_map(|&receiver| members.get(receiver)) {
        for packet in run.chunks(stride) {
            if !outbox.has_room() {
                flush(socket, outbox);
            }
            let header_len = Prefix::parse(packet).ok()?.header_len;
            let len = packet.len() - crate::raw::TAG;
            let place = outbox.tail();
            place.get_mut(..len)?.copy_from_slice(packet.get(..len)?);
            let sealed = receiver.outbound.seal(place, header_len, len).ok()?;
            outbox.commit(socket.local, receiver.address, sealed);
        }
    }
    Some(())
}

fn flush(socket: &Socket, outbox: &mut Outbox) {
    for run in outbox.runs() {
        // A full kernel buffer loses the run, as in the engine.
        let _ = socket.send(run.to, run.bytes, run.segment);
    }
    outbox.clear();
}
