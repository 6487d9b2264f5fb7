//! Controls: plans of str0m's own estimator tests (its `tests/bwe`), through our links and our driving of it.
//!
//! If the opponent failed here, the bench would be at fault: its figures in the table are only as good as these.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parlour_simnet::{Discipline, HomeConfig, LinkConfig, Loss, Micros, Network, QueueConfig, RateSchedule};

use crate::gcc::GccLeg;
use crate::leg::{Leg, Wire};
use crate::media::{MediaPacket, OVERHEAD, VIDEO_PAYLOAD};

/// Bytes of a media packet in those tests.
const PAYLOAD: u16 = 1_150;

#[derive(Clone, Copy)]
enum Step {
    /// Latency ms, jitter ms, loss, Mbit/s, buffer kB; both ways.
    Line(u64, u64, f64, f64, u64),
    /// Desired and sent Mbit/s.
    Media(f64, f64),
    /// Seconds.
    Run(u64),
    /// Estimate of at least this many Mbit/s.
    AtLeast(f64),
}

use Step::{AtLeast, Line, Media, Run};

struct Plan {
    name: &'static str,
    start: f64,
    steps: &'static [Step],
}

const PLANS: [Plan; 6] = [
    Plan {
        name: "bwe_changing_bandwidth",
        start: 1.0,
        steps: &[
            Line(10, 2, 0.0, 10.0, 200),
            Media(5.0, 1.0),
            Run(20),
            AtLeast(5.0),
            Line(10, 20, 0.0, 0.8, 50),
            Run(5),
            AtLeast(0.5),
            Media(5.0, 0.6),
            Run(10),
            AtLeast(0.4),
            Line(10, 2, 0.0, 10.0, 200),
            Run(40),
            AtLeast(3.0),
        ],
    },
    Plan {
        name: "overuse_triggers_aimd_decrease",
        start: 2.0,
        steps: &[
            Line(20, 0, 0.0, 3.0, 100),
            Media(5.0, 2.0),
            Run(5),
            AtLeast(2.0),
            Line(100, 0, 0.0, 3.0, 100),
            Run(2),
            AtLeast(1.0),
        ],
    },
    Plan {
        name: "underuse_allows_estimate_growth",
        start: 1.0,
        steps: &[Line(10, 0, 0.0, 10.0, 200), Media(10.0, 1.0), Run(2), AtLeast(1.0), Run(10), AtLeast(5.0)],
    },
    Plan {
        name: "aimd_additive_increase_recovers_estimate",
        start: 2.0,
        steps: &[
            Line(20, 0, 0.0, 5.0, 100),
            Media(5.0, 2.0),
            Run(5),
            AtLeast(2.0),
            Line(150, 0, 0.0, 5.0, 100),
            Run(3),
            AtLeast(0.5),
            Line(20, 0, 0.0, 5.0, 100),
            Run(10),
            AtLeast(1.0),
        ],
    },
    Plan {
        name: "aimd_recovery_reaches_original_estimate",
        start: 2.0,
        steps: &[
            Line(20, 0, 0.0, 3.0, 100),
            Media(5.0, 2.0),
            Run(5),
            AtLeast(2.0),
            Line(150, 0, 0.0, 3.0, 100),
            Run(2),
            Line(20, 0, 0.0, 3.0, 100),
            Run(15),
            AtLeast(2.0),
        ],
    },
    Plan {
        name: "loss_caps_estimate_below_delay_based",
        start: 2.0,
        steps: &[Line(20, 5, 0.10, 5.0, 100), Media(5.0, 2.0), Run(8), AtLeast(1.0)],
    },
];

/// Runs the plans; true when every assertion of theirs holds. Prints a Markdown table.
pub fn run() -> Result<bool, String> {
    println!("| str0m's test | estimates at its checks, Mbit/s (wanted) | |\n|---|---|---|");
    let mut all = true;
    for plan in &PLANS {
        let (checks, holds) = Control::new(plan)?.follow(plan);
        println!("| {} | {} | {} |", plan.name, checks.join(", "), if holds { "holds" } else { "FAILS" });
        all &= holds;
    }
    Ok(all)
}

struct Control {
    network: Network<Wire>,
    home: parlour_simnet::HomeId,
    leg: GccLeg,
    now: Micros,
    rate: f64,
    credit: f64,
    number: u32,
}

impl Control {
    fn new(plan: &Plan) -> Result<Self, String> {
        let mut network = Network::new(42, Instant::now() + Duration::from_secs(60));
        let home = network.add_home(HomeConfig::default());
        let (server, client) = (SocketAddr::from(([192, 0, 2, 1], 4_000)), SocketAddr::from(([10, 1, 0, 1], 4_000)));
        network.attach(server, None);
        network.attach(client, Some(home));
        let leg =
            GccLeg::new(network.epoch(), server, client, plan.start * 1e6, 1).map_err(|error| error.to_string())?;
        Ok(Self { network, home, leg, now: Micros::ZERO, rate: 0.0, credit: 0.0, number: 0 })
    }

    fn follow(mut self, plan: &Plan) -> (Vec<String>, bool) {
        let (mut checks, mut holds) = (Vec::new(), true);
        for &step in plan.steps {
            match step {
                Line(latency, jitter, loss, rate, buffer) => self.set_line(latency, jitter, loss, rate, buffer),
                Media(desired, rate) => {
                    self.leg.set_demand(self.now, desired * 1e6 * ratio());
                    self.rate = rate * 1e6;
                }
                Run(seconds) => self.run_for(Micros::millis(seconds * 1_000)),
                AtLeast(wanted) => {
                    let estimate = self.leg.budget().now / ratio() / 1e6;
                    checks.push(format!("{estimate:.2} ({wanted})"));
                    holds &= estimate >= wanted;
                }
            }
        }
        (checks, holds)
    }

    fn set_line(&mut self, latency: u64, jitter: u64, loss: f64, rate: f64, buffer: u64) {
        let config = LinkConfig {
            rate: Some(RateSchedule::constant((rate * 1e6) as u64)),
            delay: Micros::millis(latency),
            queue: QueueConfig { bytes: buffer * 1_000, discipline: Discipline::DropTail },
            // Theirs is uniform within this bound, ours is cut at three deviations.
            jitter: Micros(jitter * 1_000 / 3),
            loss: if loss > 0.0 { Loss::Bernoulli(loss) } else { Loss::None },
            ..LinkConfig::default()
        };
        let at = self.network.epoch().instant(self.now);
        let (up, down) = self.network.home_links(self.home);
        self.network.reconfigure(at, up, config.clone());
        self.network.reconfigure(at, down, config);
    }

    fn run_for(&mut self, time: Micros) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + Micros(500);
            self.credit += self.rate / 8.0 * 500e-6;
            while self.credit >= f64::from(PAYLOAD) {
                self.credit -= f64::from(PAYLOAD);
                self.number += 1;
                self.leg.write(self.now, self.packet());
            }
            if self.leg.poll_timeout() <= self.now {
                self.leg.handle_timeout(self.now);
            }
            let at = self.network.epoch().instant(self.now);
            while let Some(sent) = self.leg.poll_transmit() {
                self.network.send_sized(at, sent.from, sent.to, sent.bytes, sent.wire);
            }
            while let Some(datagram) = self.network.poll(at) {
                self.leg.handle(self.now, datagram.from, datagram.to, datagram.payload);
            }
        }
    }

    fn packet(&self) -> MediaPacket {
        MediaPacket {
            stream: 1,
            number: self.number,
            frame: self.number,
            refers: 0,
            index: 0,
            count: 1,
            layer: 0,
            temporal: 0,
            key: true,
            made: self.now,
            payload: PAYLOAD,
        }
    }
}

fn ratio() -> f64 {
    (VIDEO_PAYLOAD + OVERHEAD) as f64 / VIDEO_PAYLOAD as f64
}
