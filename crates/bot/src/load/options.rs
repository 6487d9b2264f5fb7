//! What the load is, as the command line says it.

use std::net::IpAddr;

use super::LoadError;

/// Options of `parlour load`.
#[derive(Clone, Debug, clap::Args)]
pub struct LoadOptions {
    /// Server to load, as ws://host:port
    #[arg(long, default_value = "ws://127.0.0.1:7880", env = "PARLOUR_URL")]
    pub url: String,
    /// API key that signs the bots' tokens, one of the server's; by default that of `make run`
    #[arg(long, default_value = "development", env = "PARLOUR_API_KEY")]
    pub api_key: String,
    /// Secret of the API key
    #[arg(
        long,
        default_value = "a development secret that everyone knows",
        env = "PARLOUR_API_SECRET",
        hide_env_values = true
    )]
    pub api_secret: String,
    /// Number of sessions
    #[arg(long, default_value_t = 1)]
    pub sessions: u32,
    /// Bots in each session; the first is its therapist
    #[arg(long, default_value_t = 2)]
    pub bots: u32,
    /// Seconds to measure, after everyone receives everyone
    #[arg(long, default_value_t = 30)]
    pub duration: u64,
    /// Seconds between everyone receiving and the measurement
    #[arg(long, default_value_t = 3)]
    pub warm_up: u64,
    /// Joins started per second
    #[arg(long, default_value_t = 20.0)]
    pub join_rate: f64,
    /// Session names begin with this
    #[arg(long, default_value = "load")]
    pub prefix: String,
    /// Publish no camera
    #[arg(long)]
    pub no_video: bool,
    /// Publish no microphone
    #[arg(long)]
    pub no_audio: bool,
    /// Publish one 720p encoding instead of three
    #[arg(long)]
    pub no_simulcast: bool,
    /// Frames per second of cameras
    #[arg(long, default_value_t = 30)]
    pub fps: u32,
    /// Multiplies the cameras' bitrates of 160, 450 and 1700 kbit/s
    #[arg(long, default_value_t = 1.0)]
    pub bitrate_factor: f64,
    /// Redundant frames in each audio packet (RFC 2198)
    #[arg(long, default_value_t = 0)]
    pub red: usize,
    /// Process id of the server, to measure its CPU time and memory
    #[arg(long)]
    pub pid: Option<u32>,
    /// Local address of the bots' sockets; by default the one that faces the server
    #[arg(long)]
    pub bind: Option<IpAddr>,
    /// Show no progress
    #[arg(long)]
    pub quiet: bool,
}

impl LoadOptions {
    /// Seconds, rates and counts that make sense.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        if self.sessions == 0 || self.bots == 0 {
            return Err(LoadError::Options("at least one session and one bot are needed"));
        }
        if !(self.join_rate.is_finite() && self.join_rate > 0.0) {
            return Err(LoadError::Options("the join rate must be more than zero"));
        }
        if self.duration == 0 {
            return Err(LoadError::Options("the duration must be at least one second"));
        }
        if !(self.bitrate_factor.is_finite() && self.bitrate_factor > 0.0) || self.fps == 0 {
            return Err(LoadError::Options("bitrate factor and frame rate must be more than zero"));
        }
        Ok(())
    }

    /// Tracks that all bots together should receive when `joined` of them are in.
    pub(super) fn expected_tracks(&self, joined: usize) -> usize {
        let each = usize::from(!self.no_audio) + usize::from(!self.no_video);
        joined * (self.bots as usize - 1) * each
    }
}
