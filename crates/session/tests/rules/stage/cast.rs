//! Who plays: the same people for the machine on its own and for the whole server.

use std::fmt;

use parlour_model::{Identity, Role};

/// The cast: two therapists, three clients, a guest, a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who(pub u8);

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["T", "S", "A", "B", "C", "G", "R"][usize::from(self.0 % 7)])
    }
}

pub const T: Who = Who(0);
pub const S: Who = Who(1);
pub const A: Who = Who(2);
pub const B: Who = Who(3);
pub const C: Who = Who(4);
pub const G: Who = Who(5);
pub const R: Who = Who(6);
pub const CAST: [Who; 7] = [T, S, A, B, C, G, R];

impl Who {
    pub fn role(self) -> Role {
        match self.0 {
            0 | 1 => Role::Therapist,
            2..=4 => Role::Client,
            5 => Role::Guest,
            _ => Role::Service,
        }
    }

    pub fn identity(self) -> Identity {
        Identity::new(format!("p{}", self.0))
    }
}
