//! The event catalogue (10 §14.3) and its envelope (10 §14.2, R-20, R-87).

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{Timestamp, WorkspaceId};

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Every kind of event that the platform publishes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $variant,)* }

        impl EventKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

events! {
    /// A launch began.
    WorkspaceProvisioning = "WORKSPACE_PROVISIONING",
    /// Registered, or recovered by heartbeat.
    WorkspaceOnline = "WORKSPACE_ONLINE",
    /// External, and no agent yet.
    WorkspaceAwaitingAgent = "WORKSPACE_AWAITING_AGENT",
    /// Liveness or process lost.
    WorkspaceOffline = "WORKSPACE_OFFLINE",
    /// Reports errors or is wedged.
    WorkspaceDegraded = "WORKSPACE_DEGRADED",
    /// The launch failed.
    WorkspaceProvisionFailed = "WORKSPACE_PROVISION_FAILED",
    /// Paused by the person.
    WorkspacePaused = "WORKSPACE_PAUSED",
    /// Asleep.
    WorkspaceHibernated = "WORKSPACE_HIBERNATED",
    /// Deleted.
    WorkspaceRemoved = "WORKSPACE_REMOVED",
    /// A team was made of it.
    WorkspaceExpanded = "WORKSPACE_EXPANDED",
    /// Its team was dissolved.
    WorkspaceCollapsed = "WORKSPACE_COLLAPSED",
    /// A row was edited (name, place, parent …): this edition's addition, broadcast only.
    WorkspaceUpdated = "WORKSPACE_UPDATED",
    /// A sign of life; never stored.
    WorkspaceHeartbeat = "WORKSPACE_HEARTBEAT",
    /// The task text changed.
    TaskUpdated = "TASK_UPDATED",
    /// The agent's card changed.
    AgentCardUpdated = "AGENT_CARD_UPDATED",
    /// An agent speaks to the person.
    AgentMessage = "AGENT_MESSAGE",
    /// The answer to a message of the person.
    A2aResponse = "A2A_RESPONSE",
    /// A row of the activity log.
    ActivityLogged = "ACTIVITY_LOGGED",
    /// A delegation began.
    DelegationSent = "DELEGATION_SENT",
    /// A delegation moved on.
    DelegationStatus = "DELEGATION_STATUS",
    /// A delegation came back.
    DelegationComplete = "DELEGATION_COMPLETE",
    /// A delegation failed.
    DelegationFailed = "DELEGATION_FAILED",
    /// An agent asks for a decision.
    ApprovalRequested = "APPROVAL_REQUESTED",
    /// The same, told to the parent.
    ApprovalEscalated = "APPROVAL_ESCALATED",
    /// Approved.
    ApprovalApproved = "APPROVAL_APPROVED",
    /// Denied, or expired.
    ApprovalDenied = "APPROVAL_DENIED",
    /// Nobody decided in time.
    ApprovalExpired = "APPROVAL_EXPIRED",
    /// The decision, for waiting agents; broadcast only.
    ApprovalDecided = "APPROVAL_DECIDED",
    /// A template was edited.
    TemplatesChanged = "TEMPLATES_CHANGED",
    /// What the platform knows of itself changed (vault, engine, accepting agents); broadcast only.
    PlatformChanged = "PLATFORM_CHANGED",
}

/// The fields of an event, as JSON text: built once, stored and sent as the same characters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(Box<RawValue>);

impl Payload {
    /// What `fields` serialises to; `{}` where it cannot be JSON (a key that is no text).
    #[must_use]
    pub fn of(fields: &impl Serialize) -> Self {
        serde_json::value::to_raw_value(fields).map_or_else(|_| Self::default(), Self)
    }

    /// From stored text; `None` where it is no JSON.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The fields, taken apart.
    #[must_use]
    pub fn fields(&self) -> Value {
        serde_json::from_str(self.as_str()).unwrap_or_default()
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl From<Value> for Payload {
    fn from(fields: Value) -> Self {
        Self::of(&fields)
    }
}

/// One event as it goes over `/ws`: all four contract keys are always there; `seq` only where it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// The name, e.g. `WORKSPACE_ONLINE`.
    pub event: String,
    /// The workspace it is about, or `""`.
    pub workspace_id: String,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its fields, `{}` where there are none.
    pub payload: Payload,
    /// Its number in the outbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
}

impl Envelope {
    /// An event that is only broadcast, without a number.
    #[must_use]
    pub fn ephemeral(kind: EventKind, workspace: Option<WorkspaceId>, timestamp: Timestamp, payload: Payload) -> Self {
        Self {
            event: kind.as_str().to_owned(),
            workspace_id: workspace.map(|id| id.to_string()).unwrap_or_default(),
            timestamp,
            payload,
            seq: None,
        }
    }
}
