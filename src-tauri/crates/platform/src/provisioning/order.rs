//! What is asked of a lane.

use super::lanes::Merge;
use crate::templates::Folder;

/// Why an agent is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A new row: create, org import, expand. Its row is `provisioning` already.
    Created,
    /// The person resumed it. Its row is `provisioning` already.
    Resumed,
    /// The person restarted it. Its row is `provisioning` already.
    Restarted,
    /// Something that it depends on changed (20 §3.2).
    Changed,
    /// It was found dead (20 §3.2).
    Lost,
    /// Its process ended by itself.
    Exited,
    /// The server started. Its row is `provisioning` already.
    Booted,
}

/// One request.
#[derive(Debug)]
pub struct Order {
    pub(super) reason: Reason,
    /// A template to lay over the config folder first (20 §7.2 tiers 1 to 4).
    pub(super) template: Option<Folder>,
}

impl Order {
    /// From the config folder as it is.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self { reason, template: None }
    }

    /// From this template laid over the config folder.
    #[must_use]
    pub fn from_template(reason: Reason, template: Option<Folder>) -> Self {
        Self { reason, template }
    }
}

impl Reason {
    /// Whether the row was already moved to `provisioning` by whoever asked.
    pub(super) const fn is_prepared(self) -> bool {
        matches!(self, Self::Created | Self::Resumed | Self::Restarted | Self::Booted)
    }

    /// Whether a start that fails is tried again by itself: nobody asked for it, so nobody is there to ask again.
    pub(super) const fn is_persistent(self) -> bool {
        matches!(self, Self::Exited | Self::Booted | Self::Lost)
    }

    /// Whether the agent had a session before, so that it is told of the restart (20 §3.6).
    pub(super) const fn is_restart(self) -> bool {
        matches!(self, Self::Restarted | Self::Changed | Self::Lost | Self::Exited)
    }

    /// Whether what runs is ended first: the row may say less than the launcher knows.
    pub(super) const fn replaces(self) -> bool {
        matches!(self, Self::Changed | Self::Lost)
    }
}

impl Merge for Order {
    /// What a person asked for outlives what happened by itself, whichever came first.
    fn merge(self, newer: Self) -> Self {
        let reason = match (self.reason.is_prepared(), newer.reason.is_prepared()) {
            (true, false) => self.reason,
            _ => newer.reason,
        };
        Self { reason, template: newer.template.or(self.template) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Merge, Order, Reason};

    #[test]
    fn a_persons_request_outlives_others() {
        let merge = |a, b| Order::new(a).merge(Order::new(b)).reason;
        assert_eq!(merge(Reason::Restarted, Reason::Changed), Reason::Restarted);
        assert_eq!(merge(Reason::Changed, Reason::Restarted), Reason::Restarted);
        assert_eq!(merge(Reason::Exited, Reason::Changed), Reason::Changed);
        assert_eq!(merge(Reason::Created, Reason::Restarted), Reason::Restarted);
    }
}
