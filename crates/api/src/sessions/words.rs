//! Sessions as the API says them.

use parlour_model::session::{Modality, Schedule, SessionKind, SessionPhase, SessionPolicy};
use parlour_model::{Redacted, SessionId};
use parlour_store::{BackupPlan, NewSession, SessionRow, SessionSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{PolicyBody, PolicyWords, kind_words, length, modality_words, nullable, phase_words};
use crate::problem::{Kind, Problem};
use crate::words::{MAX_NAME, Strict};

/// The end of the year 9999: later times are mistakes.
const MAX_TIME_MS: i64 = 253_402_300_799_999;

/// Arrivals are possible this long before the start when nothing is said.
const OPENS_BEFORE: u32 = 15;

/// When the session is planned.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Schedule")]
pub(crate) struct ScheduleWords {
    /// Milliseconds since the Unix epoch.
    #[schemars(range(min = 0, max = 253402300799999i64))]
    starts_at_ms: i64,
    /// Minutes from start to planned end.
    #[schemars(range(min = 1, max = 1440))]
    planned_minutes: u32,
    /// How many minutes before the start people may arrive.
    #[serde(default = "opens_before")]
    #[schemars(range(min = 0, max = 1440))]
    opens_minutes_before: u32,
}

fn opens_before() -> u32 {
    OPENS_BEFORE
}

impl ScheduleWords {
    fn judged(self, now_ms: i64) -> Result<Schedule, Problem> {
        let wrong = |field: &str| Err(Problem::from(Kind::OutOfRange).at(format!("schedule.{field}")));
        if !(0..=MAX_TIME_MS).contains(&self.starts_at_ms) {
            return wrong("starts_at_ms");
        }
        if !(1..=1_440).contains(&self.planned_minutes) {
            return wrong("planned_minutes");
        }
        if self.opens_minutes_before > 1_440 {
            return wrong("opens_minutes_before");
        }
        let schedule = Schedule {
            starts_at_ms: self.starts_at_ms,
            planned_minutes: self.planned_minutes,
            opens_minutes_before: self.opens_minutes_before,
        };
        if planned_end(&schedule) <= now_ms { Err(Kind::PastSchedule.into()) } else { Ok(schedule) }
    }
}

impl From<Schedule> for ScheduleWords {
    fn from(schedule: Schedule) -> Self {
        let Schedule { starts_at_ms, planned_minutes, opens_minutes_before } = schedule;
        Self { starts_at_ms, planned_minutes, opens_minutes_before }
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn planned_end(schedule: &Schedule) -> i64 {
    schedule.starts_at_ms.saturating_add(i64::from(schedule.planned_minutes) * 60_000)
}

/// What people do when the call does not work; shown to those in the session.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BackupPlan")]
pub(crate) struct BackupPlanWords {
    /// In words.
    #[schemars(length(max = 2000))]
    text: String,
    /// Whom to call; empty: nobody.
    #[serde(default)]
    #[schemars(length(max = 64))]
    phone: String,
}

impl BackupPlanWords {
    fn judged(self) -> Result<BackupPlan, Problem> {
        length(&self.text, 0, 8_000, "backup_plan.text")?;
        length(&self.phone, 0, 256, "backup_plan.phone")?;
        Ok(BackupPlan { text: self.text, phone: self.phone })
    }
}

impl From<&BackupPlan> for BackupPlanWords {
    fn from(plan: &BackupPlan) -> Self {
        Self { text: plan.text.clone(), phone: plan.phone.clone() }
    }
}

/// A session to be made.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "NewSession")]
pub(crate) struct NewSessionWords {
    /// Its name: LiveKit clients see it as their room's. Left out: one is made.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"))]
    id: Option<String>,
    /// The integrator's own name of it; not shown to participants.
    #[schemars(length(min = 1, max = 256))]
    external_id: Option<String>,
    /// For whom.
    #[schemars(schema_with = "kind_words")]
    kind: SessionKind,
    /// In what.
    #[schemars(schema_with = "modality_words")]
    modality: Modality,
    /// When; left out: at once, on demand.
    schedule: Option<Strict<ScheduleWords>>,
    /// The rules.
    policy: Strict<PolicyWords>,
    /// What people do when the call does not work.
    backup_plan: Option<Strict<BackupPlanWords>>,
}

impl NewSessionWords {
    pub(crate) fn judged(self, defaults: &SessionPolicy, now_ms: i64) -> Result<NewSession, Problem> {
        let id = match self.id {
            Some(id) => judged_id(id)?,
            None => SessionId::from(format!("s-{}", crate::seal::random_hex::<12>()?)),
        };
        if let Some(external) = &self.external_id {
            length(external, 1, 1_024, "external_id")?;
        }
        let (mut policy, mut consent_text) = (defaults.clone(), None);
        self.policy.0.apply(&mut policy, &mut consent_text)?;
        let spec = SessionSpec {
            kind: self.kind,
            modality: self.modality,
            schedule: self.schedule.map(|Strict(schedule)| schedule.judged(now_ms)).transpose()?,
            backup_plan: Redacted(self.backup_plan.map(|Strict(plan)| plan.judged()).transpose()?),
            consent_text,
        };
        let (unused_until_ms, _) = super::unused_until(&spec, &policy, now_ms);
        Ok(NewSession { id, external_id: self.external_id, spec, policy, created_at_ms: now_ms, unused_until_ms })
    }
}

fn judged_id(id: String) -> Result<SessionId, Problem> {
    let ordinary = |byte: u8| byte.is_ascii_alphanumeric();
    let fits = id.len() <= 128
        && id.bytes().next().is_some_and(ordinary)
        && id.bytes().all(|byte| ordinary(byte) || matches!(byte, b'_' | b'.' | b'-'));
    if fits { Ok(SessionId::from(id)) } else { Err(Problem::from(Kind::InvalidValue).at("id")) }
}

/// What is to be different; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SessionChange")]
pub(crate) struct SessionChangeWords {
    /// When, as long as nobody has come; `null`: on demand.
    #[serde(deserialize_with = "nullable")]
    #[schemars(with = "Option<ScheduleWords>")]
    pub(crate) schedule: Option<Option<Strict<ScheduleWords>>>,
    /// The rules.
    pub(crate) policy: Option<Strict<PolicyWords>>,
    /// What people do when the call does not work; `null`: nothing is said.
    #[serde(deserialize_with = "nullable")]
    #[schemars(with = "Option<BackupPlanWords>")]
    backup_plan: Option<Option<Strict<BackupPlanWords>>>,
}

impl SessionChangeWords {
    pub(crate) fn applied(self, row: &SessionRow, now_ms: i64) -> Result<(SessionSpec, SessionPolicy), Problem> {
        let (mut spec, mut policy) = (row.spec.clone(), row.policy.clone());
        if let Some(schedule) = self.schedule {
            spec.schedule = schedule.map(|Strict(schedule)| schedule.judged(now_ms)).transpose()?;
        }
        if let Some(plan) = self.backup_plan {
            spec.backup_plan = Redacted(plan.map(|Strict(plan)| plan.judged()).transpose()?);
        }
        if let Some(Strict(words)) = self.policy {
            words.apply(&mut policy, &mut spec.consent_text)?;
        }
        Ok((spec, policy))
    }
}

/// A session.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub(crate) struct SessionBody {
    /// Its name.
    #[schemars(length(max = 256))]
    id: String,
    /// The integrator's own name of it.
    external_id: Option<String>,
    /// For whom.
    #[schemars(schema_with = "kind_words")]
    kind: SessionKind,
    /// In what.
    #[schemars(schema_with = "modality_words")]
    modality: Modality,
    /// How far it is.
    #[schemars(schema_with = "phase_words")]
    phase: SessionPhase,
    /// When; `null`: on demand.
    schedule: Option<ScheduleWords>,
    /// The rules.
    policy: PolicyBody,
    /// What people do when the call does not work.
    backup_plan: Option<BackupPlanWords>,
    /// Milliseconds since the Unix epoch.
    created_at_ms: i64,
    /// Likewise; `null`: it may still be held.
    ended_at_ms: Option<i64>,
}

const _: () = assert!(MAX_NAME == 256, "as the schema of an id says");

impl SessionBody {
    pub(crate) fn of(row: &SessionRow, now_ms: i64) -> Self {
        Self {
            id: row.id.as_str().to_owned(),
            external_id: row.external_id.clone(),
            kind: row.spec.kind,
            modality: row.spec.modality,
            phase: phase(row, now_ms),
            schedule: row.spec.schedule.map(ScheduleWords::from),
            policy: PolicyBody::of(&row.policy, row.spec.consent_text.as_deref()),
            backup_plan: row.spec.backup_plan.0.as_ref().map(BackupPlanWords::from),
            created_at_ms: row.created_at_ms,
            ended_at_ms: row.ended_at_ms,
        }
    }
}

/// How far a session is, from what is kept of it: what happens in it is kept as it happens.
pub(crate) fn phase(row: &SessionRow, now_ms: i64) -> SessionPhase {
    if row.ended_at_ms.is_some() {
        return SessionPhase::Ended;
    }
    match (row.snapshot.as_ref().map(|snapshot| snapshot.phase), row.spec.schedule) {
        (Some(phase @ (SessionPhase::Open | SessionPhase::Live | SessionPhase::Ended)), _) => phase,
        (_, Some(schedule)) => {
            let opens = schedule.starts_at_ms.saturating_sub(i64::from(schedule.opens_minutes_before) * 60_000);
            if opens > now_ms { SessionPhase::Scheduled } else { SessionPhase::Open }
        }
        _ => SessionPhase::Open,
    }
}

/// A page of sessions.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SessionPage")]
pub(crate) struct SessionPage {
    pub(crate) sessions: Vec<SessionBody>,
    /// Where the next page begins; `null`: this is the last.
    pub(crate) next_cursor: Option<String>,
}
