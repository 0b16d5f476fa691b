//! The embedded agent: a small A2A server with model providers and tools.
//!
//! One process per workspace, started by the platform. It registers, beats, answers messages with the help
//! of a model or of a rehearsal script, and asks colleagues, the person and its memory through the platform.

mod agent;
mod clock;
mod commands;
mod config;
mod files;
mod heartbeat;
mod models;
mod platform;
mod presence;
mod process;
mod profile;
mod prompt;
mod server;
mod skills;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod tools;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
pub use config::{AgentConfig, FolderConfig, Missing, ModelVariables, Overrides, Timing};
pub use profile::{ConfigFault, check_config};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long running turns and open connections may take to say that it is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs one agent until its standard input closes, it is told to stop, or its workspace is deleted.
///
/// # Errors
/// When it cannot listen, or its process cannot be set up.
pub async fn run(config: AgentConfig) -> anyhow::Result<()> {
    process::log();
    process::limit_memory(config.memory_mb);
    let ending = process::Ending::watch().context("no signals")?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port on loopback")?;
    let url = format!("http://{}", listener.local_addr()?);
    let agent = Arc::new(agent::Agent::new(config)?);
    let card = server::card(&agent, &url);
    let stop = CancellationToken::new();
    let mut serving = tokio::spawn(server::serve(listener, Arc::clone(&agent), card.clone(), stop.clone()));
    process::announce(&url)?;
    let removed = CancellationToken::new();
    let beating = tokio::spawn(heartbeat::run(Arc::clone(&agent), url, card, removed.clone()));
    let first = tokio::spawn(turns::initial(Arc::clone(&agent)));
    tokio::select! {
        why = ending.comes() => tracing::info!(why, "stopping"),
        () = removed.cancelled() => tracing::info!("this workspace was deleted"),
        ended = &mut serving => tracing::error!(?ended, "the server ended"),
    }
    agent.memory.snapshot(&agent);
    beating.abort();
    first.abort();
    agent.turns.end_all(FAREWELL).await;
    stop.cancel();
    let _ = tokio::time::timeout(FAREWELL, serving).await;
    Ok(())
}
