//! The workspace status machine (10 §18): ten statuses, one table, no other way.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a workspace is doing, as far as is known (10 §18.1, S101).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The row exists, the launch is in progress.
    Provisioning,
    /// An external workspace that waits for its agent.
    AwaitingAgent,
    /// Reachable and healthy as far as known.
    Online,
    /// Alive but erring or wedged; still gets messages.
    Degraded,
    /// Liveness lost, or the agent's process gone.
    Offline,
    /// The launch failed or timed out.
    Failed,
    /// Stopped by the person.
    Paused,
    /// Being stopped for idleness.
    Hibernating,
    /// Stopped for idleness; wakes on a message.
    Hibernated,
    /// A tombstone. Nothing leads out.
    Removed,
}

impl Status {
    /// Every status, in the order of 10 §18.1.
    pub const ALL: [Self; 10] = [
        Self::Provisioning,
        Self::AwaitingAgent,
        Self::Online,
        Self::Degraded,
        Self::Offline,
        Self::Failed,
        Self::Paused,
        Self::Hibernating,
        Self::Hibernated,
        Self::Removed,
    ];

    /// The word on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::AwaitingAgent => "awaiting_agent",
            Self::Online => "online",
            Self::Degraded => "degraded",
            Self::Offline => "offline",
            Self::Failed => "failed",
            Self::Paused => "paused",
            Self::Hibernating => "hibernating",
            Self::Hibernated => "hibernated",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is none of the ten statuses.
#[derive(Debug, thiserror::Error)]
#[error("unknown workspace status")]
pub struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or(UnknownStatus)
    }
}

/// What can move a workspace from one status to another (10 §18.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// An external workspace was created with its URL.
    ExternalWithUrl,
    /// An external workspace was created, or resumed, without a live agent.
    AwaitAgent,
    /// The agent registered.
    Register,
    /// A heartbeat of a healthy agent.
    Heartbeat,
    /// A heartbeat that reports errors or a wedge.
    Degrade,
    /// A heartbeat that reports health again.
    Recover,
    /// The launch failed or timed out.
    LaunchFailed,
    /// The agent's process was found dead.
    ProcessGone,
    /// No sign of life of a workspace that we launched.
    LivenessLost,
    /// No sign of life of an external agent.
    ExternalStale,
    /// The person paused it.
    Pause,
    /// The person resumed it.
    Resume,
    /// A restart, by hand or by itself.
    Restart,
    /// Claimed for hibernation.
    Hibernate,
    /// Stopped for hibernation.
    Hibernated,
    /// A message for a sleeping workspace.
    Wake,
    /// Deleted.
    Remove,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 17] = [
        Self::ExternalWithUrl,
        Self::AwaitAgent,
        Self::Register,
        Self::Heartbeat,
        Self::Degrade,
        Self::Recover,
        Self::LaunchFailed,
        Self::ProcessGone,
        Self::LivenessLost,
        Self::ExternalStale,
        Self::Pause,
        Self::Resume,
        Self::Restart,
        Self::Hibernate,
        Self::Hibernated,
        Self::Wake,
        Self::Remove,
    ];

    /// The statuses this trigger leads out of, and the one it leads to (10 §18.2).
    ///
    /// The conditional UPDATE of the store is built from this and from nothing else; no row leads out of
    /// [`Status::Removed`], so a removed workspace stays removed.
    #[must_use]
    pub const fn edges(self) -> (&'static [Status], Status) {
        use Status::{
            AwaitingAgent, Degraded, Failed, Hibernated, Hibernating, Offline, Online, Paused, Provisioning, Removed,
        };
        match self {
            Self::ExternalWithUrl => (&[Provisioning], Online),
            Self::AwaitAgent => (&[Provisioning, Paused], AwaitingAgent),
            Self::Register => (
                &[Provisioning, AwaitingAgent, Online, Degraded, Offline, Failed, Paused, Hibernating, Hibernated],
                Online,
            ),
            Self::Heartbeat => (&[Provisioning, Offline, AwaitingAgent], Online),
            Self::Degrade => (&[Online], Degraded),
            Self::Recover => (&[Degraded], Online),
            Self::LaunchFailed => (&[Provisioning], Failed),
            Self::ProcessGone => (&[AwaitingAgent, Online, Degraded, Failed, Hibernating], Offline),
            Self::LivenessLost => (&[Provisioning, AwaitingAgent, Online, Degraded, Failed, Hibernating], Offline),
            Self::ExternalStale => (&[Provisioning, Online, Degraded, Offline, Failed, Hibernating], AwaitingAgent),
            Self::Pause => {
                (&[Provisioning, AwaitingAgent, Online, Degraded, Offline, Failed, Hibernating, Hibernated], Paused)
            }
            Self::Resume => (&[Paused], Provisioning),
            Self::Restart => (
                &[Provisioning, AwaitingAgent, Online, Degraded, Offline, Failed, Paused, Hibernating, Hibernated],
                Provisioning,
            ),
            Self::Hibernate => (&[Online, Degraded], Hibernating),
            Self::Hibernated => (&[Hibernating], Hibernated),
            Self::Wake => (&[Hibernated], Provisioning),
            Self::Remove => (
                &[Provisioning, AwaitingAgent, Online, Degraded, Offline, Failed, Paused, Hibernating, Hibernated],
                Removed,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Status, Trigger};

    #[test]
    fn s094_nothing_leads_out_of_removed() {
        for trigger in Trigger::ALL {
            assert!(!trigger.edges().0.contains(&Status::Removed), "{trigger:?}");
        }
    }

    #[test]
    fn s101_words_round_trip() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse::<Status>().unwrap(), status);
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!("running".parse::<Status>().is_err());
    }

    #[test]
    fn heartbeats_never_move_a_stopped_workspace() {
        let (from, to) = Trigger::Heartbeat.edges();
        assert_eq!(to, Status::Online);
        for still in [Status::Paused, Status::Hibernating, Status::Hibernated, Status::Failed, Status::Removed] {
            assert!(!from.contains(&still), "{still}");
        }
    }

    #[test]
    fn the_table_is_the_table() {
        let table: Vec<String> = Trigger::ALL
            .into_iter()
            .map(|t| {
                let (from, to) = t.edges();
                format!("{t:?}: {} -> {to}", from.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" "))
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }
}
