//! Which packets of a publication one receiver gets: those of one layer, up to one temporal layer. A change of layer
//! waits for a keyframe of the new one and the old goes on until then; temporal layers go at the next frame and come back
//! where the encoder says that one may step up (RFC 7741, the Y bit).

use crate::error::ForwardDrop;
use crate::inbound::Inbound;

/// What a receiver should get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub layer: u8,
    /// The highest temporal layer.
    pub temporal: u8,
}

/// What becomes of a packet that is the newest of its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It goes out and is the first of its layer.
    Begin,
    /// It goes out.
    Pass,
    /// It is left out of what goes out.
    Skip,
    /// It is not of what goes out.
    Ignore(ForwardDrop),
}

/// See the head of this file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Selector {
    target: Option<Target>,
    /// The layer that goes out, since a keyframe.
    current: Option<u8>,
    temporal: u8,
}

impl Selector {
    /// What to go for; `None`: nothing, from now on.
    pub fn aim(&mut self, target: Option<Target>) {
        self.target = target;
        if target.is_none() {
            self.current = None;
        }
    }

    /// What it goes for.
    pub fn target(&self) -> Option<Target> {
        self.target
    }

    /// The layer that goes out.
    pub fn current(&self) -> Option<u8> {
        self.current
    }

    /// The layer whose keyframe is waited for.
    pub fn awaited(&self) -> Option<u8> {
        let target = self.target?;
        (self.current != Some(target.layer)).then_some(target.layer)
    }

    /// What went out is of no use any more: a keyframe is needed.
    pub fn restart(&mut self) {
        self.current = None;
    }

    /// Decides on a packet.
    pub fn choose(&mut self, packet: &Inbound) -> Choice {
        let Some(target) = self.target else { return Choice::Ignore(ForwardDrop::Layer) };
        if packet.frame.key && packet.layer == target.layer && self.current != Some(target.layer) {
            self.current = Some(target.layer);
            self.temporal = target.temporal;
            return Choice::Begin;
        }
        if self.current != Some(packet.layer) {
            let reason = if packet.layer == target.layer { ForwardDrop::AwaitsKeyframe } else { ForwardDrop::Layer };
            return Choice::Ignore(reason);
        }
        self.choose_temporal(packet, target)
    }

    fn choose_temporal(&mut self, packet: &Inbound, target: Target) -> Choice {
        let frame = packet.frame;
        if packet.size == 0 {
            return Choice::Skip;
        }
        if frame.start {
            // While the old layer goes on it goes on as it is: its days are counted.
            let goal = if target.layer == packet.layer { target.temporal } else { self.temporal };
            let step_up = frame.key || (frame.sync && frame.temporal <= goal && frame.temporal > self.temporal);
            if step_up {
                self.temporal = if frame.key { goal } else { frame.temporal };
            } else if goal < self.temporal {
                self.temporal = goal;
            }
        }
        if frame.temporal > self.temporal { Choice::Skip } else { Choice::Pass }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::Frame;
    use crate::tests::epoch;

    fn packet(layer: u8, frame: Frame) -> Inbound {
        Inbound { layer, sequence: 1, timestamp: 0, arrived: epoch(), size: 100, frame }
    }

    const KEY: Frame = Frame { key: true, start: true, temporal: 0, sync: false, picture: None };
    const DELTA: Frame = Frame { key: false, ..KEY };

    fn delta(temporal: u8, sync: bool) -> Frame {
        Frame { temporal, sync, ..DELTA }
    }

    fn on_layer(layer: u8, temporal: u8) -> Selector {
        let mut selector = Selector::default();
        selector.aim(Some(Target { layer, temporal }));
        assert_eq!(selector.choose(&packet(layer, KEY)), Choice::Begin);
        selector
    }

    #[test]
    fn nothing_goes_out_before_a_keyframe() {
        let mut selector = Selector::default();
        selector.aim(Some(Target { layer: 1, temporal: 3 }));
        assert_eq!(selector.choose(&packet(1, DELTA)), Choice::Ignore(ForwardDrop::AwaitsKeyframe));
        assert_eq!(selector.choose(&packet(0, KEY)), Choice::Ignore(ForwardDrop::Layer));
        assert_eq!(selector.choose(&packet(1, KEY)), Choice::Begin);
    }

    #[test]
    fn the_old_layer_goes_on_until_the_new_has_a_keyframe() {
        let mut selector = on_layer(0, 3);
        selector.aim(Some(Target { layer: 2, temporal: 3 }));
        assert_eq!(selector.awaited(), Some(2));
        assert_eq!(selector.choose(&packet(0, DELTA)), Choice::Pass);
        assert_eq!(selector.choose(&packet(2, DELTA)), Choice::Ignore(ForwardDrop::AwaitsKeyframe));
        assert_eq!(selector.choose(&packet(2, KEY)), Choice::Begin);
        assert_eq!(selector.choose(&packet(0, DELTA)), Choice::Ignore(ForwardDrop::Layer));
        assert_eq!(selector.awaited(), None);
    }

    #[test]
    fn the_old_layer_goes_on_with_all_its_frames() {
        let mut selector = on_layer(0, 2);
        selector.aim(Some(Target { layer: 2, temporal: 0 }));
        assert_eq!(selector.choose(&packet(0, delta(0, false))), Choice::Pass);
        assert_eq!(selector.choose(&packet(0, delta(2, false))), Choice::Pass);
    }

    #[test]
    fn temporal_layers_go_at_once_and_come_back_at_a_sync_frame() {
        let mut selector = on_layer(0, 2);
        assert_eq!(selector.choose(&packet(0, delta(2, false))), Choice::Pass);
        selector.aim(Some(Target { layer: 0, temporal: 0 }));
        assert_eq!(selector.choose(&packet(0, delta(2, true))), Choice::Skip);
        selector.aim(Some(Target { layer: 0, temporal: 2 }));
        assert_eq!(selector.choose(&packet(0, delta(1, false))), Choice::Skip);
        assert_eq!(selector.choose(&packet(0, delta(1, true))), Choice::Pass);
        assert_eq!(selector.choose(&packet(0, delta(2, false))), Choice::Skip);
        assert_eq!(selector.choose(&packet(0, delta(2, true))), Choice::Pass);
    }

    #[test]
    fn a_frame_is_not_torn_by_a_new_target() {
        let mut selector = on_layer(0, 2);
        assert_eq!(selector.choose(&packet(0, delta(2, false))), Choice::Pass);
        selector.aim(Some(Target { layer: 0, temporal: 0 }));
        let rest = Frame { start: false, ..delta(2, false) };
        assert_eq!(selector.choose(&packet(0, rest)), Choice::Pass);
    }

    #[test]
    fn padding_is_left_out() {
        let mut selector = on_layer(0, 2);
        let padding = Inbound { size: 0, ..packet(0, Frame::default()) };
        assert_eq!(selector.choose(&padding), Choice::Skip);
    }
}
