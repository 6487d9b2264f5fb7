//! The check-ins that last: who is inside each, and who was let past its seal. Facts only.

use std::collections::{BTreeMap, BTreeSet};

use parlour_model::Identity;
use parlour_model::session::{CheckInId, CheckInReceipt};

/// One sealed conversation.
#[derive(Clone, Debug)]
pub(crate) struct CheckIn {
    /// Who leads it.
    pub therapist: Identity,
    /// Who is inside now; those who were held or sent away since are not.
    pub members: BTreeSet<Identity>,
    /// Who is not held on account of it: members of other check-ins, and whom a therapist resumed since.
    pub exempt: BTreeSet<Identity>,
    /// As answered when it began.
    pub receipt: CheckInReceipt,
    /// The receipt says how much had gone along each edge.
    pub counted: bool,
}

/// All of them. Each needs a seated therapist of its own to begin, so there are fewer than seats.
#[derive(Clone, Debug)]
pub(crate) struct CheckIns {
    running: BTreeMap<CheckInId, CheckIn>,
    next: u32,
}

/// People read the number on a receipt, and count from one.
const FIRST: u32 = 1;

impl Default for CheckIns {
    fn default() -> Self {
        Self::numbered_from(FIRST)
    }
}

impl CheckIns {
    /// A snapshot of a session that had none may say zero.
    pub fn numbered_from(next: u32) -> Self {
        Self { running: BTreeMap::new(), next: next.max(FIRST) }
    }

    pub fn next_number(&self) -> u32 {
        self.next
    }

    pub fn iter(&self) -> impl Iterator<Item = (CheckInId, &CheckIn)> {
        self.running.iter().map(|(id, check_in)| (*id, check_in))
    }

    pub fn next_id(&mut self) -> CheckInId {
        let id = CheckInId(self.next);
        self.next = self.next.saturating_add(1);
        id
    }

    /// Whether this number was given out, be it running or over.
    pub fn was(&self, id: CheckInId) -> bool {
        (FIRST..self.next).contains(&id.0)
    }

    pub fn begin(&mut self, id: CheckInId, check_in: CheckIn) {
        self.running.insert(id, check_in);
    }

    pub fn check_in_mut(&mut self, id: CheckInId) -> Option<&mut CheckIn> {
        self.running.get_mut(&id)
    }

    pub fn end(&mut self, id: CheckInId) -> Option<CheckIn> {
        self.running.remove(&id)
    }

    pub fn clear(&mut self) {
        self.running.clear();
    }

    /// The check-in this person is inside of.
    pub fn of(&self, identity: &Identity) -> Option<(CheckInId, &CheckIn)> {
        self.iter().find(|(_, check_in)| check_in.members.contains(identity))
    }

    /// Whether a seal keeps this person, who is in no check-in, alone. Whoever comes in later is kept too.
    pub fn keep_out(&self, identity: &Identity) -> bool {
        self.running.values().any(|check_in| !check_in.exempt.contains(identity))
    }

    /// Takes this person out of the check-in they are inside of; it goes on without them, and is sealed against them.
    pub fn expel(&mut self, identity: &Identity) {
        for check_in in self.running.values_mut() {
            check_in.members.remove(identity);
        }
    }

    /// No running seal holds this person any longer.
    pub fn exempt(&mut self, identity: &Identity) {
        for check_in in self.running.values_mut() {
            check_in.exempt.insert(identity.clone());
        }
    }
}
