//! What a shard is told when it is made.

use std::sync::Arc;

use parlour_media::MediaConfig;
use parlour_peer::PeerConfig;
use parlour_session::SessionOptions;

/// Settings of one shard. All durations have defaults that `config/parlour.toml` explains.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// For every peer connection.
    pub peer: Arc<PeerConfig>,
    /// For every room's media.
    pub media: MediaConfig,
    /// Rules of a session that nobody created beforehand.
    pub session: SessionOptions,
    /// Most rooms on this worker.
    pub max_rooms: usize,
    /// Most peer connections on this worker, half-open ones included.
    pub max_peers: usize,
}
