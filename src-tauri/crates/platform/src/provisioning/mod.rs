//! Starting and stopping agents.

/// Starting and stopping agents.
#[derive(Default)]
pub struct Provisioning {}
