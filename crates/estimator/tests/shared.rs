//! Two clients behind one line, each with a clock of its own.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test takes an epoch")]

use std::time::{Duration, Instant};

use parlour_estimator::{Burst, Config, Line, MemberId, PacketKind, PacketResult, SentPacket};
use parlour_model::{Bitrate, DataSize};

const PACKET: u64 = 1_200;
const FEEDBACK: u64 = 50_000;

/// One client: what its clock says more than ours, what was sent to it and is not reported yet.
struct Client {
    id: MemberId,
    clock: u64,
    seq: u64,
    owed: f64,
    arrivals: Vec<(u64, u64)>,
    next_feedback: u64,
}

/// A line of this rate, 20 ms each way; everyone sends what the estimate says, and no more than `most`. Microseconds.
struct Call {
    most: Bitrate,
    epoch: Instant,
    line: Line,
    rate: f64,
    free_at: u64,
    clients: Vec<Client>,
    now: u64,
}

impl Call {
    fn new(rate: Bitrate, first_guess: Bitrate) -> Self {
        let epoch = Instant::now();
        let mut line = Line::new(Config { initial: first_guess, ..Config::default() }, epoch);
        let clients = [(0, 25_000), (3_600_000_000, 50_000)].map(|(clock, next_feedback)| {
            let id = line.join(1.0, epoch).unwrap();
            Client { id, clock, seq: 0, owed: 0.0, arrivals: Vec::new(), next_feedback }
        });
        Self {
            most: Bitrate::mbps(100),
            epoch,
            line,
            rate: rate.as_bps() as f64,
            free_at: 0,
            clients: clients.into(),
            now: 0,
        }
    }

    fn run(&mut self, seconds: u64) {
        self.run_until(self.now + seconds * 1_000_000);
    }

    fn run_until(&mut self, end: u64) {
        while self.now < end {
            self.now += 1_000;
            let at = self.epoch + Duration::from_micros(self.now);
            for client in &mut self.clients {
                let target = self.line.estimate(client.id).target.min(self.most);
                client.owed += target.as_bps() as f64 / 8_000.0;
                while client.owed >= PACKET as f64 {
                    client.owed -= PACKET as f64;
                    let seq = client.seq;
                    let (size, kind) = (DataSize::bytes(PACKET), PacketKind::Video);
                    self.line.handle_sent(client.id, &SentPacket { seq, size, at, kind, burst: Burst::None });
                    self.free_at = self.free_at.max(self.now) + (PACKET as f64 * 8e6 / self.rate) as u64;
                    client.arrivals.push((seq, self.free_at + 20_000));
                    client.seq += 1;
                }
                // What arrived 20 ms ago is told now.
                if self.now >= client.next_feedback {
                    client.next_feedback += FEEDBACK;
                    let told = client.arrivals.partition_point(|&(_, arrival)| arrival + 20_000 <= self.now);
                    let result = |(seq, arrival)| PacketResult {
                        seq,
                        arrival: Some(Duration::from_micros(arrival + client.clock)),
                    };
                    let results: Vec<_> = client.arrivals.drain(..told).map(result).collect();
                    self.line.handle_feedback(client.id, &results, at);
                }
            }
            self.line.handle_timeout(at);
        }
    }

    fn queue(&self) -> Duration {
        Duration::from_micros(self.free_at.saturating_sub(self.now))
    }

    fn capacity(&self) -> Bitrate {
        self.clients.iter().map(|client| self.line.estimate(client.id).capacity).sum()
    }
}

#[test]
fn a_line_that_is_thought_too_fast_is_found_out_and_its_queue_drains() {
    let mut call = Call::new(Bitrate::kbps(3_000), Bitrate::kbps(3_500));
    call.run(3);
    let (capacity, queue) = (call.capacity(), call.queue());
    assert!((Bitrate::kbps(2_600)..Bitrate::kbps(3_150)).contains(&capacity), "{capacity} {queue:?}");
    assert!(queue < Duration::from_millis(50), "{capacity} {queue:?}");
    call.run(10);
    let (capacity, queue) = (call.capacity(), call.queue());
    assert!((Bitrate::kbps(2_800)..Bitrate::kbps(3_150)).contains(&capacity), "{capacity} {queue:?}");
    assert!(queue < Duration::from_millis(50), "{capacity} {queue:?}");
}

#[test]
fn a_probe_that_one_has_nothing_to_fill_with_is_the_others_next() {
    // Nobody here sends what a probe asks for.
    let mut call = Call::new(Bitrate::kbps(3_000), Bitrate::kbps(500));
    call.most = Bitrate::kbps(400);
    for client in &call.clients {
        call.line.handle_demand(client.id, Bitrate::mbps(2));
    }
    let mut asked = Vec::new();
    for _ in 0..100 {
        call.run_until(call.now + 100_000);
        asked.extend(call.clients.iter().position(|client| call.line.estimate(client.id).probe.is_some()));
    }
    assert!(asked.contains(&0) && asked.contains(&1), "{asked:?} {}", call.capacity());
}
