//! The first session of a newcomer, made as an integrator would make it.

use parlour_model::session::{SessionKind, SessionPolicy};
use parlour_model::{Redacted, Role};
use parlour_store::{BackupPlan, NewSession, SessionSpec, Subject};

use crate::now_ms;
use crate::once::Once;
use crate::problem::Problem;
use crate::sessions;
use crate::state::ApiState;
use crate::tickets::{self, Person};

impl ApiState {
    /// Makes a couples session whose partners wait until they are admitted; returns for each person a label and a link.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn couples_session(&self) -> Result<Vec<(&'static str, String)>, Problem> {
        let plan = BackupPlan {
            text: "If the call breaks off, wait five minutes for a new link. After that, call.".to_owned(),
            phone: "+47 555 01 234".to_owned(),
        };
        let spec =
            SessionSpec { kind: SessionKind::Couple, backup_plan: Redacted(Some(plan)), ..SessionSpec::default() };
        let policy = SessionPolicy { waiting_room: true, require_therapist: true, ..self.config.policy.clone() };
        let created_at_ms = now_ms();
        let new = NewSession {
            id: format!("couples-{}", crate::seal::random_hex::<4>()?).into(),
            external_id: None,
            unused_until_ms: sessions::unused_until(&spec, &policy, created_at_ms).0,
            spec,
            policy,
            created_at_ms,
        };
        let session = new.id.clone();
        sessions::make(self, Subject::system(), Once::default(), new).await?;
        let mut links = Vec::new();
        for (label, identity, role, name) in [
            ("Therapist", "therapist", Role::Therapist, "Dr. Sanders"),
            ("Partner A", "partner-a", Role::Client, "Alex"),
            ("Partner B", "partner-b", Role::Client, "Robin"),
        ] {
            let person = Person { identity: identity.to_owned(), role, name: name.to_owned() };
            links.push((label, tickets::link_for(self, &session, person).await?));
        }
        Ok(links)
    }
}
