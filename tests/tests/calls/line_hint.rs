//! The way of a line test into a call, over real sockets: what a client said of its line by HTTP is where the first picture
//! to it begins once it joins. What follows from it is tested in virtual time (`weak_lines/hint.rs`).

use std::time::{Duration, Instant};

use parlour_bot::client::{Client, ClientOptions, Snapshot};
use parlour_bot::media::{TrackStats, VideoConfig};

use crate::harness::Server;
use crate::token;

const SOON: Duration = Duration::from_secs(20);

/// Says what a test of one's line found; the status of the answer.
async fn tell(server: &Server, token: &str, down_kbps: u32) -> u16 {
    let result = format!(
        r#"{{"verdict":"weak","down_kbps":{down_kbps},"up_kbps":900,"loss_percent":0,"jitter_ms":4,"round_trip_ms":40}}"#
    );
    let request = format!(
        "PUT /rtc/line-test HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{result}",
        result.len()
    );
    server.exchange(&request).await.0
}

fn picture(snapshot: &Snapshot) -> Option<&TrackStats> {
    snapshot.tracks.values().find(|track| track.packets > 0)
}

/// What a client sees first of a therapist who publishes already, by packets of each encoding.
async fn sees_first(down_kbps: Option<u32>) -> [u64; 4] {
    let server = Server::start().await;
    let epoch = Instant::now();
    let url = format!("ws://{}", server.address);
    // No sound: until a picture is sent nothing is heard of the client's line.
    let video = Some(VideoConfig::default());
    let therapist = ClientOptions { video, ..ClientOptions::new(&url, &token("therapist", "therapist"), epoch) };
    let therapist = Client::join(therapist).await.unwrap();
    let sends = |snapshot: &Snapshot| snapshot.connected && snapshot.sent.video_packets > 0;
    therapist.wait_for("a camera", SOON, sends).await.unwrap();

    let ann = token("ann", "client");
    if let Some(down_kbps) = down_kbps {
        assert_eq!(tell(&server, &ann, down_kbps).await, 204);
    }
    let ann = Client::join(ClientOptions::new(&url, &ann, epoch)).await.unwrap();
    // The real line carries all of it: that is found out whatever the test said.
    let full = |snapshot: &Snapshot| picture(snapshot).is_some_and(|track| track.layer == 2);
    let snapshot = ann.wait_for("the full picture", SOON, full).await.unwrap();
    picture(&snapshot).unwrap().layers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_said_of_its_line_is_where_its_first_picture_begins() {
    let layers = sees_first(Some(250)).await;
    assert!(layers[0] > 0, "{layers:?}");
    // A line that nothing was said of begins at 800 kbit/s, which carry the next layer.
    let layers = sees_first(None).await;
    assert_eq!(layers[0], 0, "{layers:?}");
}
