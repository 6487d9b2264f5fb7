//! Check-ins: a sealed conversation of a therapist with chosen people, begun and ended in one change of edges.

use std::collections::BTreeSet;
use std::time::Instant;

use parlour_model::session::{CheckInId, CheckInReceipt, CutEdge, SessionEvent, Space};
use parlour_model::{Edge, Identity};

use crate::command::Authority;
use crate::error::CommandRefusal;
use crate::seal::CheckIn;
use crate::session::Session;

impl Session {
    /// Seals the members off from everyone else. Asked again for the same people, the same receipt comes back.
    pub(crate) fn start_check_in(
        &mut self,
        by: &Authority,
        therapist: Option<Identity>,
        with: BTreeSet<Identity>,
        now: Instant,
    ) -> Result<CheckInReceipt, CommandRefusal> {
        let therapist = self.leader(by, therapist)?;
        let mut members = with;
        members.insert(therapist.clone());
        if let Some((_, same)) = self.check_ins.iter().find(|(_, c)| c.therapist == therapist && c.members == members) {
            return Ok(same.receipt.clone());
        }
        self.check_members(&therapist, &members)?;

        let edges = self.edges().clone();
        let alone = self.held_now();
        let id = self.check_ins.next_id();
        let exempt = self.check_ins.iter().flat_map(|(_, other)| other.members.iter().cloned()).collect();
        let mut receipt = CheckInReceipt {
            id,
            at_ms: self.clock.unix_ms_at(now),
            members: members.clone(),
            held: BTreeSet::new(),
            cut: Vec::new(),
        };
        let check_in = CheckIn {
            therapist: therapist.clone(),
            members: members.clone(),
            exempt,
            receipt: receipt.clone(),
            counted: false,
        };
        self.check_ins.begin(id, check_in);
        self.tell(SessionEvent::CheckInStarted { id, therapist, members });
        self.settle(now);

        receipt.cut = edges.difference(self.edges()).filter_map(|edge| self.cut_edge(*edge)).collect();
        receipt.held = self.held_now().difference(&alone).cloned().collect();
        if let Some(check_in) = self.check_ins.check_in_mut(id) {
            check_in.receipt = receipt.clone();
        }
        Ok(receipt)
    }

    /// Every edge that was cut has both of its ends still seated: a seal sends nobody out.
    fn cut_edge(&self, edge: Edge) -> Option<CutEdge> {
        let (publisher, receiver) = (self.identity(edge.publisher)?.clone(), self.identity(edge.receiver)?.clone());
        Some(CutEdge { edge, publisher, receiver, medium: edge.medium, packets: 0 })
    }

    /// Adds to the receipt of a check-in how much had gone along each edge when it was cut. Once: what was counted
    /// stays, so that whoever asks again is answered the same.
    pub fn count_cut(&mut self, id: CheckInId, packets: impl Fn(Edge) -> u64) -> Option<&CheckInReceipt> {
        let check_in = self.check_ins.check_in_mut(id)?;
        if !std::mem::replace(&mut check_in.counted, true) {
            for cut in &mut check_in.receipt.cut {
                cut.packets = packets(cut.edge);
            }
        }
        Some(&check_in.receipt)
    }

    /// Lifts the seal. Everyone goes to where they would be without it: to hold, where a therapist holds them.
    pub(crate) fn end_check_in(&mut self, id: CheckInId) -> Result<(), CommandRefusal> {
        if !self.check_ins.was(id) {
            return Err(CommandRefusal::UnknownCheckIn);
        }
        if self.check_ins.end(id).is_some() {
            self.tell(SessionEvent::CheckInEnded(id));
        }
        Ok(())
    }

    /// A therapist leads their own check-in; a server key names one, or means the only one there.
    fn leader(&self, by: &Authority, named: Option<Identity>) -> Result<Identity, CommandRefusal> {
        match (by, named) {
            (Authority::Therapist(own), None) => Ok(own.clone()),
            (Authority::Therapist(own), Some(named)) if *own == named => Ok(named),
            (Authority::Server, Some(named)) => {
                if self.known(&named)?.is_therapist() {
                    Ok(named)
                } else {
                    Err(CommandRefusal::NoTherapist)
                }
            }
            (Authority::Server, None) => {
                let mut present = self.people.seats().filter(|(_, person, _)| person.is_therapist());
                match (present.next(), present.next()) {
                    (Some((only, _, _)), None) => Ok(only.clone()),
                    _ => Err(CommandRefusal::NoTherapist),
                }
            }
            _ => Err(CommandRefusal::NotAllowed),
        }
    }

    fn check_members(&self, therapist: &Identity, members: &BTreeSet<Identity>) -> Result<(), CommandRefusal> {
        if members.len() < 2 {
            return Err(CommandRefusal::Invalid);
        }
        if !self.known(therapist)?.is_connected() {
            return Err(CommandRefusal::NoTherapist);
        }
        for identity in members {
            let person = self.known(identity)?;
            if person.line.is_none() || !person.is_admitted() || !self.facts().has_consented(person) {
                return Err(CommandRefusal::NotPresent);
            }
            if self.check_ins.of(identity).is_some() {
                return Err(CommandRefusal::InCheckIn);
            }
        }
        Ok(())
    }

    fn held_now(&self) -> BTreeSet<Identity> {
        let seats = self.people.seats();
        let held = seats.filter(|(_, _, line)| matches!(self.space(line.key), Some(Space::Hold(_))));
        held.map(|(identity, _, _)| identity.clone()).collect()
    }
}
