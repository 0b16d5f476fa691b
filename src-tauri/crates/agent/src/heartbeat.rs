//! Staying known: register until the platform answers, then a heartbeat every ten seconds and at once
//! when a turn begins, waits or ends.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::platform::{PlatformFault, Registered};

/// Pauses between two tries to register.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After so many refusals in a row the agent asks whether its workspace still exists.
const REFUSALS: u32 = 3;

/// Registers and beats until `removed` is set by a platform that no longer has this workspace.
pub(crate) async fn run(agent: Arc<Agent>, url: String, card: Value, removed: CancellationToken) {
    if register(&agent, &url, &card).await == Registered::Removed {
        return removed.cancel();
    }
    agent.registered.cancel();
    let mut refusals = 0;
    loop {
        let beat = agent.presence.beat(agent.platform.workspace_id());
        match agent.platform.heartbeat(&beat).await {
            Ok(Registered::Known) => refusals = 0,
            Ok(Registered::Removed) => return removed.cancel(),
            Err(fault) => {
                refusals = if fault.status() == Some(401) { refusals + 1 } else { 0 };
                tracing::warn!(error = %fault, refusals, "heartbeat failed");
                if refusals >= REFUSALS && agent.platform.is_removed().await {
                    return removed.cancel();
                }
            }
        }
        tokio::select! {
            () = sleep(agent.config.timing.heartbeat) => {}
            () = agent.presence.news() => {}
        }
    }
}

async fn register(agent: &Agent, url: &str, card: &Value) -> Registered {
    let mut pause = FIRST_PAUSE;
    loop {
        match agent.platform.register(url, card).await {
            Ok(answer) => {
                tracing::info!(?answer, "registered");
                return answer;
            }
            // The request itself is refused: trying again changes nothing, beating may.
            Err(fault @ PlatformFault::Refused { status: 400, .. }) => {
                tracing::error!(error = %fault, "registration refused");
                return Registered::Known;
            }
            Err(fault) => tracing::warn!(error = %fault, pause_ms = pause.as_millis(), "not registered yet"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
