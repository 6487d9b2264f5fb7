//! Data channels that end.

use parlour_peer::{ChannelId, MAX_MESSAGE_SIZE, PeerEvent};

use super::{any_duo, seconds};
use crate::duo::Duo;

/// A duo whose client believes that any message may be sent, with the stream of one of its channels.
fn boastful() -> Duo {
    let mut duo = Duo::new(parlour_peer::DtlsVersions::Both, str0m::config::DtlsVersion::Auto);
    duo.negotiate_as(|answer| answer.replace("a=max-message-size:262144", "a=max-message-size:4000000"));
    duo.run(seconds(3));
    assert_eq!(duo.channels.len(), 2);
    duo
}

fn stream(duo: &Duo, wanted: bool) -> ChannelId {
    let found = duo.events.iter().find_map(|event| match event {
        PeerEvent::ChannelOpened { id, reliable, .. } if *reliable == wanted => Some(*id),
        _ => None,
    });
    found.unwrap()
}

fn write(duo: &mut Duo, label: &str, length: usize) {
    let id = duo.channels.iter().find(|(_, known)| known == label).unwrap().0;
    assert!(duo.client.channel(id).unwrap().write(true, &vec![1; length]).unwrap());
    duo.drive_client();
    duo.run(seconds(3));
}

fn messages(duo: &Duo) -> usize {
    duo.events.iter().filter(|event| matches!(event, PeerEvent::ChannelMessage { .. })).count()
}

#[test]
fn the_largest_message_is_taken_and_a_longer_one_ends_its_channel_alone() {
    let mut duo = boastful();
    write(&mut duo, "_reliable", MAX_MESSAGE_SIZE);
    assert_eq!((messages(&duo), duo.peer.counters().messages_dropped), (1, 0));
    write(&mut duo, "_reliable", MAX_MESSAGE_SIZE + 1);
    assert_eq!((messages(&duo), duo.peer.counters().messages_dropped), (1, 1));
    let closed = PeerEvent::ChannelClosed(stream(&duo, true));
    assert!(duo.saw(|event| *event == closed), "{:?}", duo.events);
    assert_eq!(duo.closed_channels(), ["_reliable"], "and the client is told");
    write(&mut duo, "_lossy", 100);
    assert_eq!(messages(&duo), 2, "the other channel goes on");
    duo.speak(1, b"and so does media");
    assert_eq!(duo.received.len(), 1);
}

#[test]
fn a_message_beyond_what_is_put_together_ends_all_channels_on_both_sides() {
    let mut duo = boastful();
    write(&mut duo, "_reliable", 3_000_000);
    duo.run(seconds(30));
    for reliable in [true, false] {
        let closed = PeerEvent::ChannelClosed(stream(&duo, reliable));
        assert!(duo.saw(|event| *event == closed), "{:?}", duo.events);
    }
    assert!(duo.peer.counters().drop_sctp > 0);
    assert_eq!(duo.closed_channels(), ["_lossy", "_reliable"], "the client does not wait in vain");
}

#[test]
fn a_goodbye_of_ours_ends_the_channels_of_the_client() {
    let mut duo = any_duo();
    duo.run(seconds(1));
    duo.peer.close(duo.now);
    duo.run(seconds(1));
    assert_eq!(duo.closed_channels(), ["_lossy", "_reliable"]);
}
