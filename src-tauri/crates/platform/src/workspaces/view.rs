//! The workspace as it is shown (20 §1.3, §1.4, R-41, R-71, R-94, R-108).

use molecule_model::{Status, Timestamp, WorkspaceId, wire::DeliveryMode};
use molecule_store::workspaces::Workspace;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Platform;

/// What anybody may see.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Public {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Option<String>,
    /// 1 to 4.
    pub tier: i64,
    /// Its status.
    pub status: Status,
    /// Where its agent answers; `""` when unset.
    pub url: String,
    /// Its parent.
    pub parent_id: Option<WorkspaceId>,
    /// What it runs on.
    pub runtime: String,
    /// The card, as the agent sent it.
    #[schema(value_type = Option<Object>)]
    pub agent_card: Option<Box<RawValue>>,
    /// The larger of what it reports and what is on its way to it now.
    pub active_tasks: i64,
    /// How many it may run.
    pub max_concurrent_tasks: i64,
    /// Since its agent's start.
    pub uptime_seconds: i64,
    /// 0 to 1.
    pub last_error_rate: f64,
    /// Absolute place on the canvas; 0 where it was never placed.
    pub x: f64,
    /// Absolute place on the canvas; 0 where it was never placed.
    pub y: f64,
    /// Whether its team is folded.
    pub collapsed: bool,
    /// How long its runtime may take to come up, where a template says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provision_timeout_ms: Option<u64>,
    /// The last sign of life.
    pub last_heartbeat_at: Option<Timestamp>,
}

/// What the person and the workspace itself see.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Full {
    /// What anybody may see.
    #[serde(flatten)]
    pub public: Public,
    /// Why it is degraded or failed; `""` when unset.
    pub last_sample_error: String,
    /// What it says it works on; `""` when unset.
    pub current_task: String,
    /// The folder the person gave it.
    pub workspace_dir: Option<String>,
    /// US cents a month.
    pub budget_limit: Option<i64>,
    /// US cents this month.
    pub monthly_spend: i64,
    /// The same number under its other name.
    pub budget_used: i64,
    /// Idle minutes after which it sleeps; null never (20 §3.5).
    pub hibernation_idle_minutes: Option<i64>,
    /// How messages reach it.
    pub delivery_mode: DeliveryMode,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many messages wait until its agent is free.
    pub queued_messages: i64,
}

/// What a stranger gets of one workspace.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Stripped {
    /// What anybody may see.
    #[serde(flatten)]
    pub public: Public,
    /// The last message it sent.
    pub last_outbound_at: Option<Timestamp>,
}

fn public(platform: &Platform, row: Workspace) -> Public {
    let timeout = platform.templates.provision_timeout(&row.runtime);
    Public {
        agent_card: row.card(),
        url: row.url.unwrap_or_default(),
        id: row.id,
        name: row.name,
        role: row.role.filter(|role| !role.is_empty()),
        tier: row.tier,
        status: row.status,
        parent_id: row.parent_id,
        runtime: row.runtime,
        active_tasks: platform.messaging.shown_tasks(row.id, row.active_tasks),
        max_concurrent_tasks: row.max_concurrent_tasks,
        uptime_seconds: row.uptime_seconds,
        last_error_rate: row.last_error_rate,
        x: row.x,
        y: row.y,
        collapsed: row.collapsed,
        provision_timeout_ms: timeout.map(|timeout| timeout.as_secs() * 1000),
        last_heartbeat_at: row.last_heartbeat_at,
    }
}

/// The whole object.
#[must_use]
pub fn full(platform: &Platform, mut row: Workspace, queued_messages: i64) -> Full {
    Full {
        last_sample_error: row.last_sample_error.take().unwrap_or_default(),
        current_task: row.current_task.take().unwrap_or_default(),
        workspace_dir: row.workspace_dir.take().filter(|dir| !dir.is_empty()),
        budget_limit: row.budget_limit,
        monthly_spend: row.monthly_spend,
        budget_used: row.monthly_spend,
        hibernation_idle_minutes: row.hibernation_idle_minutes,
        delivery_mode: row.delivery_mode,
        created_at: row.created_at,
        queued_messages,
        public: public(platform, row),
    }
}

/// The stripped object.
#[must_use]
pub fn stripped(platform: &Platform, row: Workspace) -> Stripped {
    Stripped { last_outbound_at: row.last_outbound_at, public: public(platform, row) }
}
