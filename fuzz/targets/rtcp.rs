//! An RTCP datagram: every list of every message, to its end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_rtp::rtcp::{MAX_MESSAGES, Message, parse};

fuzz_target!(|bytes: &[u8]| {
    let mut results = 0;
    for message in parse(bytes) {
        results += 1;
        match message {
            Ok(Message::SenderReport(report)) => report.report_blocks().for_each(drop),
            Ok(Message::ReceiverReport(report)) => report.report_blocks().for_each(drop),
            Ok(Message::Sdes(sdes)) => sdes.names().for_each(drop),
            Ok(Message::Bye(bye)) => bye.sources().for_each(drop),
            Ok(Message::Nack(nack)) => assert!(nack.sequences().count() <= 17 * bytes.len() / 4),
            Ok(Message::Fir(fir)) => fir.entries().for_each(drop),
            Ok(Message::Remb(remb)) => remb.ssrcs().for_each(drop),
            Ok(Message::TransportFeedback(feedback)) => {
                assert_eq!(feedback.arrivals().count(), usize::from(feedback.status_count));
            }
            Ok(Message::Pli(_)) | Err(_) => {}
        }
    }
    assert!(results <= MAX_MESSAGES + 1);
});
