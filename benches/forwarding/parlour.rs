//! The engine under measurement: one worker, in this process, with signalling done here in its place.

use std::io::{self, stdin, stdout};
use std::net::{IpAddr, Ipv4Addr};

use parlour_engine::{Engine, EngineConfig, EngineHandle, EngineMetrics, MediaListen};
use parlour_media::MediaConfig;
use parlour_model::command::{Action, Topology};
use parlour_model::session::SessionPolicy;
use parlour_model::{
    Bitrate, Encryption, Event, Grants, Identity, Join, LayerSpec, MediaKind, ParticipantSid, Quality, Redacted, Role,
    SessionId, TrackCid, TrackRequest, TrackSource, VideoSize,
};
use parlour_peer::DtlsVersions;
use parlour_session::SessionOptions;
use tokio::sync::oneshot;

use crate::process;
use crate::protocol::{self, Gate, Ready, Seat, Setup};
use crate::sdp;

/// Runs the server of this process until standard input ends.
pub fn serve(estimate: bool) -> io::Result<()> {
    let setup: Setup = protocol::read(&mut stdin().lock())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let registry = prometheus::Registry::new();
    let metrics = EngineMetrics::new(&registry).map_err(io::Error::other)?;
    let engine = Engine::start(&config(estimate), &metrics).map_err(io::Error::other)?;
    let idle_kib = process::resident_kib("self")?;
    let gates = runtime.block_on(seat_all(engine.handle(), setup.seats))?;
    protocol::write(&mut stdout(), &Ready { idle_kib, gates })?;
    // Signalling goes on while standard input is open: renegotiation follows what others publish.
    runtime.block_on(async {
        let (ended, end) = oneshot::channel();
        std::thread::spawn(move || {
            let _ = io::copy(&mut stdin().lock(), &mut io::sink());
            let _ = ended.send(());
        });
        let _ = end.await;
    });
    // For whoever wants to know where packets stayed.
    if std::env::var_os("FORWARDING_METRICS").is_some() {
        metrics.refresh();
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap_or_default();
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.ends_with(" 0"))
            .for_each(|line| eprintln!("{line}"));
    }
    Ok(())
}

fn config(estimate: bool) -> EngineConfig {
    EngineConfig {
        workers: 1,
        listen: MediaListen { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], first_port: 0, advertise: Vec::new() },
        dtls: DtlsVersions::Both,
        media: MediaConfig { estimate, ..MediaConfig::default() },
        session: SessionOptions { policy: SessionPolicy::open_development(), ..SessionOptions::default() },
        max_rooms: 1_000,
        max_peers: 10_000,
    }
}

async fn seat_all(handle: EngineHandle, seats: Vec<Seat>) -> io::Result<Vec<Gate>> {
    let mut gates = Vec::new();
    for seat in seats {
        let (told, gate) = oneshot::channel();
        tokio::spawn(participate(handle.clone(), seat, told));
        gates.push(gate.await.map_err(|_| io::Error::other("a participant was not let in"))?);
    }
    Ok(gates)
}

/// One participant's signalling, for as long as it lasts.
async fn participate(handle: EngineHandle, seat: Seat, told: oneshot::Sender<Gate>) {
    let session = SessionId::from(format!("room-{}", seat.room));
    let (joined, mut events) = match handle.join(&session, join(&seat)).await {
        Ok(joined) => joined,
        Err(refusal) => return eprintln!("forwarding: join refused: {refusal}"),
    };
    let sid = joined.participant.sid;
    let mut told = Some(told);
    let mut offers = 0;
    let mut offer = |handle: &EngineHandle| {
        offers += 1;
        act(handle, &session, &sid, Action::Offer { sdp: Redacted(seat.offer.clone()), offer_id: offers });
    };
    for track in [audio_track(), video_track()] {
        act(&handle, &session, &sid, Action::AddTrack(track));
    }
    offer(&handle);
    while let Some(event) = events.recv().await {
        match event {
            Event::Answer { sdp, .. } => {
                let gate = sdp::gate(&sdp.0).map(|(address, ufrag, password)| Gate { address, ufrag, password });
                if let (Some(gate), Some(told)) = (gate, told.take()) {
                    let _ = told.send(gate);
                }
            }
            Event::SectionsNeeded { .. } => offer(&handle),
            Event::OfferRefused { reason, .. } => eprintln!("forwarding: offer refused: {reason}"),
            Event::TrackRefused { refusal, .. } => eprintln!("forwarding: track refused: {refusal}"),
            Event::Leave(reason) => eprintln!("forwarding: a participant was put out: {reason:?}"),
            _ => {}
        }
    }
}

fn act(handle: &EngineHandle, session: &SessionId, sid: &ParticipantSid, action: Action) {
    if let Err(refusal) = handle.act(session, sid, action) {
        eprintln!("forwarding: action refused: {refusal}");
    }
}

pub fn join(seat: &Seat) -> Join {
    Join {
        identity: Identity::from(format!("{}", seat.place)),
        role: if seat.place == 0 { Role::Therapist } else { Role::Client },
        grants: Grants::ALL,
        name: Redacted(String::new()),
        metadata: Redacted(String::new()),
        attributes: Redacted::default(),
        client: Default::default(),
        topology: Topology::Single,
        encryption: Encryption::None,
        auto_subscribe: true,
        entry: Default::default(),
    }
}

pub fn audio_track() -> TrackRequest {
    TrackRequest {
        cid: TrackCid::from(sdp::AUDIO_TRACK),
        name: Redacted(String::new()),
        kind: MediaKind::Audio,
        source: TrackSource::Microphone,
        muted: false,
        size: VideoSize::default(),
        layers: Vec::new(),
        stereo: false,
        disable_dtx: false,
        disable_red: true,
        encryption: Encryption::None,
        stream: String::new(),
    }
}

pub fn video_track() -> TrackRequest {
    let size = VideoSize { width: 1280, height: 720 };
    TrackRequest {
        cid: TrackCid::from(sdp::VIDEO_TRACK),
        kind: MediaKind::Video,
        source: TrackSource::Camera,
        size,
        layers: vec![LayerSpec { quality: Quality::High, size, bitrate: Bitrate::mbps(2), ssrc: 0 }],
        ..audio_track()
    }
}
