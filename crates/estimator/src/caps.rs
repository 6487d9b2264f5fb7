//! What a publisher needs to send, given what its receivers can take (bandwidth.md, ideas 6 and 7). Pure functions; the
//! server turns the results into REMB and `subscribed_quality_update`.

use parlour_model::Bitrate;

/// Of a budget, what an encoding made for it gets: encoders breathe. It leaves the estimate room to grow, since a line
/// used above 85 % is tried by the media itself, and below that by probes; what is wanted stays the whole picture, so a
/// cap never makes itself last.
const FOLLOWED: f64 = 0.95;
/// Budgets closer than this share do not deserve an encoding of their own: its keyframes cost more.
pub const DISTINCT: f64 = 0.75;

/// Rates of a publisher's encodings, the largest first: one for the receiver with the largest budget and all who are
/// near it, a second for the smallest of the others. Nobody takes anything else, so nothing else should be sent.
pub fn publisher_caps(budgets: &[Bitrate], most: Bitrate) -> Vec<Bitrate> {
    let taken = budgets.iter().copied().filter(|&budget| budget > Bitrate::ZERO);
    let Some(largest) = taken.clone().max() else { return Vec::new() };
    let is_near = |budget: &Bitrate| *budget >= largest.scaled(DISTINCT);
    let (near, far) = (taken.clone().filter(is_near).min(), taken.filter(|budget| !is_near(budget)).min());
    [near, far].into_iter().flatten().map(|budget| budget.scaled(FOLLOWED).min(most)).collect()
}

/// Divides one uplink among the publishers behind it: speech of each first, then equal parts of the rest for those that
/// want them; what one does not want is the others'. The result is in the order of `wanted`, speech included.
pub fn uplink_caps(uplink: Bitrate, speech: Bitrate, wanted: &[Bitrate]) -> Vec<Bitrate> {
    let count = wanted.len() as u64;
    let mut left = uplink.saturating_sub(Bitrate::bps(speech.as_bps().saturating_mul(count)));
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&index| wanted.get(index).copied());
    let mut caps = vec![speech; wanted.len()];
    for (done, index) in order.into_iter().enumerate() {
        let part = Bitrate::bps(left.as_bps() / (count - done as u64));
        let (Some(cap), Some(&wish)) = (caps.get_mut(index), wanted.get(index)) else { continue };
        let given = wish.saturating_sub(speech).min(part);
        *cap = Bitrate::bps(speech.as_bps() + given.as_bps());
        left = left.saturating_sub(given);
    }
    caps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kbps(values: &[u64]) -> Vec<Bitrate> {
        values.iter().map(|&value| Bitrate::kbps(value)).collect()
    }

    #[test]
    fn one_receiver_gets_one_encoding_a_little_below_its_budget() {
        assert_eq!(publisher_caps(&kbps(&[1_000]), Bitrate::kbps(1_700)), kbps(&[950]));
        assert_eq!(publisher_caps(&kbps(&[3_000]), Bitrate::kbps(1_700)), kbps(&[1_700]));
    }

    #[test]
    fn a_second_encoding_is_sent_only_for_a_clearly_smaller_budget() {
        assert_eq!(publisher_caps(&kbps(&[1_000, 900, 800]), Bitrate::kbps(1_700)), kbps(&[760]));
        assert_eq!(publisher_caps(&kbps(&[400, 1_000]), Bitrate::kbps(1_700)), kbps(&[950, 380]));
    }

    #[test]
    fn nobody_to_receive_means_nothing_to_send() {
        assert!(publisher_caps(&kbps(&[0, 0]), Bitrate::kbps(1_700)).is_empty());
    }

    #[test]
    fn speech_of_all_comes_before_pictures_of_any() {
        assert_eq!(uplink_caps(Bitrate::kbps(80), Bitrate::kbps(40), &kbps(&[1_700, 1_700])), kbps(&[40, 40]));
    }

    #[test]
    fn what_one_does_not_want_is_the_others() {
        let caps = uplink_caps(Bitrate::kbps(2_000), Bitrate::kbps(40), &kbps(&[1_700, 200, 1_700]));
        assert_eq!(caps, kbps(&[900, 200, 900]));
        assert!(uplink_caps(Bitrate::kbps(2_000), Bitrate::kbps(40), &[]).is_empty());
    }
}
