//! RTCP: fixed vectors, write-then-parse, and arbitrary bytes.

#![allow(clippy::unwrap_used)]

use parlour_rtp::rtcp::transport::{MAX_STATUSES, Observed, TICK_MICROS};
use parlour_rtp::rtcp::{
    FirEntry, MAX_MESSAGES, Message, ReportBlock, RtcpError, SenderInfo, Writer, compact_ntp, parse,
};
use proptest::prelude::*;

fn only(datagram: &[u8]) -> Message<'_> {
    let mut messages = parse(datagram);
    let message = messages.next().unwrap().unwrap();
    assert!(messages.next().is_none());
    message
}

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = [0; 1_500];
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer);
    writer.written().to_vec()
}

/// Reads every part of every message, as a consumer would.
fn exhaust(datagram: &[u8]) {
    for message in parse(datagram).flatten() {
        match message {
            Message::SenderReport(report) => report.report_blocks().for_each(drop),
            Message::ReceiverReport(report) => report.report_blocks().for_each(drop),
            Message::Sdes(sdes) => sdes.names().for_each(drop),
            Message::Bye(bye) => bye.sources().for_each(drop),
            Message::Nack(nack) => nack.sequences().for_each(drop),
            Message::Fir(fir) => fir.entries().for_each(drop),
            Message::Remb(remb) => remb.ssrcs().for_each(drop),
            Message::TransportFeedback(feedback) => {
                assert_eq!(feedback.arrivals().count(), usize::from(feedback.status_count));
            }
            Message::Pli(_) => {}
        }
    }
}

#[test]
fn pli_has_the_bytes_of_rfc_4585() {
    let bytes = written(|writer| writer.pli(1, 2).unwrap());
    assert_eq!(bytes, [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
}

#[test]
fn nack_has_the_bytes_of_rfc_4585() {
    // PID 10 with bits for 11 and 26 (the first and sixteenth after it), then PID 27.
    let bytes = written(|writer| writer.nack(1, 2, &[10, 11, 26, 27]).unwrap());
    assert_eq!(bytes, [0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 10, 0x80, 0x01, 0, 27, 0, 0]);
}

#[test]
fn nack_for_nothing_is_no_message() {
    assert!(written(|writer| writer.nack(1, 2, &[]).unwrap()).is_empty());
}

#[test]
fn sdes_list_ends_with_a_zero_even_on_a_word() {
    // 4 + 2 + 2 bytes end on a word, so a whole word of zeros follows (RFC 3550 section 6.5).
    let bytes = written(|writer| writer.sdes(9, b"ab").unwrap());
    assert_eq!(bytes, [0x81, 202, 0, 3, 0, 0, 0, 9, 1, 2, b'a', b'b', 0, 0, 0, 0]);
    let Message::Sdes(sdes) = only(&bytes) else { panic!("not SDES") };
    assert_eq!(sdes.names().collect::<Vec<_>>(), [(9, Some(&b"ab"[..]))]);
}

#[test]
fn cumulative_loss_keeps_its_sign() {
    let block = ReportBlock { ssrc: 5, fraction_lost: 255, cumulative_lost: -3, ..ReportBlock::default() };
    let bytes = written(|writer| writer.receiver_report(1, &[block]).unwrap());
    let Message::ReceiverReport(report) = only(&bytes) else { panic!("not a receiver report") };
    assert_eq!(report.report_blocks().collect::<Vec<_>>(), [block]);
}

#[test]
fn a_compound_packet_comes_back_message_by_message() {
    let info = SenderInfo { ntp: 0x0102_0304_0506_0708, rtp_timestamp: 9, packets: 10, octets: 11 };
    let block = ReportBlock { ssrc: 7, jitter: 3, highest_sequence: 65_537, ..ReportBlock::default() };
    let bytes = written(|writer| {
        writer.sender_report(1, &info, &[block, block]).unwrap();
        writer.sdes(1, b"name").unwrap();
        writer.fir(1, &[FirEntry { media_ssrc: 2, sequence: 200 }]).unwrap();
        writer.remb(1, 1_234_567, &[3, 4]).unwrap();
        writer.bye(&[1, 2]).unwrap();
    });
    let messages: Vec<_> = parse(&bytes).map(Result::unwrap).collect();
    let [Message::SenderReport(report), Message::Sdes(_), Message::Fir(fir), Message::Remb(remb), Message::Bye(bye)] =
        messages[..]
    else {
        panic!("{messages:?}")
    };
    assert_eq!((report.ssrc, report.info), (1, info));
    assert_eq!(report.report_blocks().collect::<Vec<_>>(), [block, block]);
    assert_eq!(fir.entries().collect::<Vec<_>>(), [FirEntry { media_ssrc: 2, sequence: 200 }]);
    assert_eq!(remb.ssrcs().collect::<Vec<_>>(), [3, 4]);
    assert!(remb.bitrate <= 1_234_567 && remb.bitrate > 1_234_550, "{} of 18 bits mantissa", remb.bitrate);
    assert_eq!(bye.sources().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(compact_ntp(info.ntp), 0x0304_0506);
}

#[test]
fn unknown_messages_are_skipped_and_malformed_ones_cost_only_themselves() {
    let mut bytes = vec![0x80, 204, 0, 1, 1, 2, 3, 4]; // APP
    bytes.extend([0x81, 207, 0, 0]); // extended report, empty
    bytes.extend([0x81, 201, 0, 1, 0, 0, 0, 1]); // RR that lacks its block
    bytes.extend([0x8f, 206, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]); // application feedback, not REMB
    bytes.extend(written(|writer| writer.pli(1, 2).unwrap()));
    let results: Vec<_> = parse(&bytes).collect();
    assert!(matches!(results[..], [Err(RtcpError::Malformed), Ok(Message::Pli(_))]), "{results:?}");
}

#[test]
fn padding_is_taken_off_and_must_fit() {
    let mut bytes = vec![0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4];
    assert!(matches!(only(&bytes), Message::Pli(pli) if pli.media_ssrc == 2));
    bytes[15] = 13;
    assert!(matches!(parse(&bytes).next(), Some(Err(RtcpError::Malformed))));
}

#[test]
fn a_length_beyond_the_end_loses_the_rest() {
    let bytes = [0x81, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2];
    let mut messages = parse(&bytes);
    assert!(matches!(messages.next(), Some(Err(RtcpError::Truncated))));
    assert!(messages.next().is_none());
    assert!(matches!(parse(&[0x41, 206, 0, 0]).next(), Some(Err(RtcpError::Version))));
}

#[test]
fn the_number_of_messages_looked_at_is_bounded() {
    let bytes = [0x80, 203, 0, 0].repeat(MAX_MESSAGES + 1);
    let results: Vec<_> = parse(&bytes).collect();
    assert_eq!(results.len(), MAX_MESSAGES + 1);
    assert!(matches!(results.last(), Some(Err(RtcpError::TooMany))));
}

#[test]
fn a_message_that_does_not_fit_leaves_what_was_written() {
    let mut buffer = [0; 20];
    let mut writer = Writer::new(&mut buffer);
    writer.pli(1, 2).unwrap();
    assert!(writer.pli(3, 4).is_err());
    assert_eq!(writer.len(), 12);
    assert!(matches!(only(writer.written()), Message::Pli(_)));
}

#[test]
fn transport_feedback_has_the_bytes_of_the_draft() {
    // Reference 1 x 64 ms; packets at +0, +1 ms; one lost; then one 64 ms later (two bytes): a vector of two-bit symbols.
    let arrivals = [Some(64_000), Some(65_000), None, Some(129_000)];
    let observed = Observed { feedback_count: 7, base_sequence: 0xfffe, arrivals: arrivals.iter().copied() };
    let bytes = written(|writer| assert_eq!(writer.transport_feedback(1, 2, &observed).unwrap(), 4));
    let symbols = 0b11_01_01_00_10_00_00_00_u16.to_be_bytes();
    #[rustfmt::skip]
    let expected = [
        0x8f, 205, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe, 0, 4, 0, 0, 1, 7,
        symbols[0], symbols[1], 0, 4, 1, 0, 0, 0,
    ];
    assert_eq!(bytes, expected);
    let Message::TransportFeedback(feedback) = only(&bytes) else { panic!("not transport feedback") };
    let read: Vec<_> = feedback.arrivals().collect();
    assert_eq!(read, [(0xfffe, Some(64_000)), (0xffff, Some(65_000)), (0, None), (1, Some(129_000))]);
}

#[test]
fn a_negative_reference_time_and_delta_are_read() {
    #[rustfmt::skip]
    let bytes = [
        0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 1, 0xff, 0xff, 0xff, 0,
        0x40, 1, 0xff, 0xfc, // run of one large delta: -4 ticks
    ];
    let Message::TransportFeedback(feedback) = only(&bytes) else { panic!("not transport feedback") };
    assert_eq!(feedback.arrivals().collect::<Vec<_>>(), [(1, Some(-65_000))]);
}

#[test]
fn reserved_symbols_and_missing_deltas_are_malformed() {
    let base = [0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 3, 0, 0, 1, 0];
    for tail in [[0x60, 3, 0, 0], [0x40, 3, 0, 0], [0x20, 2, 0, 0]] {
        let bytes = [&base[..], &tail[..]].concat();
        assert!(matches!(parse(&bytes).next(), Some(Err(RtcpError::Malformed))), "{tail:?}");
    }
}

#[test]
fn an_arrival_too_late_for_a_delta_begins_the_next_message() {
    let arrivals = [Some(0), Some(9_000_000)];
    let observed = Observed { feedback_count: 0, base_sequence: 0, arrivals: arrivals.iter().copied() };
    written(|writer| assert_eq!(writer.transport_feedback(1, 2, &observed).unwrap(), 1));
}

#[test]
fn the_worst_pattern_fits_a_packet() {
    let worst: Vec<_> = (0..MAX_STATUSES as u64).map(|n| Some(n * 70_000)).collect();
    let observed = Observed { feedback_count: 0, base_sequence: 0, arrivals: worst.iter().copied() };
    let bytes = written(|writer| assert_eq!(writer.transport_feedback(1, 2, &observed).unwrap(), MAX_STATUSES));
    assert!(bytes.len() <= 1_200, "{}", bytes.len());
}

/// Runs of arrivals, lost packets and jumps, in microseconds.
fn arrivals() -> impl Strategy<Value = Vec<Option<u64>>> {
    let step = prop_oneof![
        8 => (-2_000_i64..20_000).prop_map(Some),
        2 => (-200_000_i64..900_000).prop_map(Some),
        3 => Just(None),
    ];
    (prop::collection::vec((step, 1_usize..20), 1..40), 0_u64..1 << 42).prop_map(|(steps, start)| {
        let mut at = start + (1 << 30);
        let runs = steps.into_iter().flat_map(|(step, times)| std::iter::repeat_n(step, times));
        runs.map(|step| {
            at = at.saturating_add_signed(step?);
            Some(at)
        })
        .collect()
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        exhaust(&bytes);
    }

    #[test]
    fn arbitrary_bodies_of_known_kinds_never_panic(
        kind in prop::sample::select(vec![200_u8, 201, 202, 203, 205, 206]), count in 0_u8..32, padded: bool,
        body in prop::collection::vec(any::<[u8; 4]>(), 0..40),
    ) {
        let mut bytes = vec![0x80 | u8::from(padded) << 5 | count, kind, 0, body.len() as u8];
        bytes.extend(body.concat());
        exhaust(&bytes);
    }

    #[test]
    fn nack_names_exactly_the_packets_asked_for(start: u16, gaps in prop::collection::vec(1_u16..40, 0..200)) {
        let mut at = start;
        let asked: Vec<u16> = gaps.iter().map(|gap| { at = at.wrapping_add(*gap); at }).collect();
        let bytes = written(|writer| writer.nack(1, 2, &asked).unwrap());
        let read: Vec<u16> = parse(&bytes).map(Result::unwrap).flat_map(|message| match message {
            Message::Nack(nack) => nack.sequences().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(read, asked);
    }

    #[test]
    fn transport_feedback_tells_every_arrival(base: u16, feedback_count: u8, arrivals in arrivals()) {
        let mut rest = &arrivals[..];
        let mut sequence = base;
        while !rest.is_empty() {
            let observed = Observed { feedback_count, base_sequence: sequence, arrivals: rest.iter().copied() };
            let mut covered = 0;
            let bytes = written(|writer| covered = writer.transport_feedback(1, 2, &observed).unwrap());
            if covered == 0 {
                prop_assert!(rest.iter().take(MAX_STATUSES).all(Option::is_none) && bytes.is_empty());
                break;
            }
            let Message::TransportFeedback(feedback) = only(&bytes) else { panic!("not transport feedback") };
            prop_assert_eq!((feedback.base_sequence, feedback.feedback_count), (sequence, feedback_count));
            prop_assert_eq!(usize::from(feedback.status_count), covered);
            // The reference has 24 bits: compare modulo its range.
            let range = (1_i64 << 24) * 64_000;
            let expected = rest.iter().take(covered).enumerate().map(|(index, arrival)| {
                let micros = arrival.map(|micros| (micros as i64 / TICK_MICROS * TICK_MICROS).rem_euclid(range));
                (sequence.wrapping_add(index as u16), micros)
            });
            let read = feedback.arrivals().map(|(sequence, at)| (sequence, at.map(|at| at.rem_euclid(range))));
            prop_assert!(read.eq(expected));
            rest = &rest[covered..];
            sequence = sequence.wrapping_add(covered as u16);
        }
    }

    #[test]
    fn remb_never_promises_more(bitrate: u64) {
        let bytes = written(|writer| writer.remb(1, bitrate, &[2]).unwrap());
        let Message::Remb(remb) = only(&bytes) else { panic!("not REMB") };
        prop_assert!(remb.bitrate <= bitrate && remb.bitrate >= bitrate - (bitrate >> 17));
    }
}
