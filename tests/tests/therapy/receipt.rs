//! A check-in's receipt: proof of what had gone along each edge when it was cut.

use std::time::Duration;

use parlour_bot::endpoint::Channel;
use parlour_model::session::{CheckInReceipt, SessionCommand, SessionReply};
use parlour_model::{Identity, Medium};

use crate::stage::{ask, by, couple, open_door};

fn start(world: &mut parlour_bot::direct::World) -> CheckInReceipt {
    let with = [Identity::from("ann")].into();
    match ask(world, by("therapist"), SessionCommand::StartCheckIn { therapist: None, with }) {
        Ok(SessionReply::Receipt(receipt)) => receipt,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_receipt_counts_what_had_gone_along_each_edge_and_stays_as_it_is() {
    let (mut world, _, ann, ben) = couple(51, open_door());
    // Until what she writes is certainly for him too.
    world.run_for(Duration::from_secs(1));
    assert!(world.send(ann, Channel::Reliable, b"before"));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.bot(ben).messages.len(), 1);
    let mic = world.bot(ann).track_sid("mic-1").unwrap().clone();
    let receipt = start(&mut world);
    world.run_for(Duration::from_millis(1));
    let got = world.bot(ben).track(&mic).unwrap().packets;
    let packets = |receipt: &CheckInReceipt, medium| {
        let (from, to) = (Identity::from("ann"), Identity::from("ben"));
        receipt
            .cut
            .iter()
            .find(|cut| (&cut.publisher, &cut.receiver) == (&from, &to) && cut.medium == medium)
            .unwrap()
            .packets
    };
    assert_eq!(packets(&receipt, Medium::Audio), got, "as many as reached him");
    assert!(packets(&receipt, Medium::Camera) > 0);
    assert_eq!(packets(&receipt, Medium::Data), world.bot(ben).messages.len() as u64);
    assert_eq!(packets(&receipt, Medium::ScreenVideo), 0, "nobody shared a screen");
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.bot(ben).track(&mic).unwrap().packets, got);
    assert_eq!(start(&mut world), receipt, "asked again, answered the same");
}
