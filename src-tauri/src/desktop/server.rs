//! The platform server as the window sees it: in this process, or already running in another one.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use molecule_platform::{
    Config,
    events::{Bus, Published},
    server::{self, Server, StartError},
};
use tokio::sync::{broadcast::error::RecvError, watch};

use super::{DesktopOptions, ServerHandle};
use crate::remote::Remote;

impl DesktopOptions {
    /// A window on the platform server with these settings. Where a server without a window already runs
    /// on the data directory, the window opens on that one (`R-7`), and quitting leaves it running.
    #[must_use]
    pub fn platform(runtime: tokio::runtime::Handle, config: Config) -> Self {
        Self { runtime, home: config.data_dir.clone(), start: Box::new(|| Box::pin(start(config))) }
    }
}

async fn start(config: Config) -> anyhow::Result<ServerHandle> {
    let home = config.data_dir.clone();
    match server::start(config).await {
        Ok(server) => Ok(own(server)),
        Err(StartError::Owner(owner)) => match Remote::find(&home).ok().filter(Remote::answers) {
            Some(remote) => attached(&home, remote),
            None => Err(owner.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// A server that lives and dies with this process.
fn own(server: Server) -> ServerHandle {
    let url = server.app.endpoint.url();
    let agents_running = count_agents(&server.app.bus);
    let server = Arc::new(Mutex::new(Some(server)));
    let linking = Arc::clone(&server);
    ServerHandle {
        url,
        link: Box::new(move || {
            let server = linking.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(server.as_ref().context("the server is stopping")?.link())
        }),
        agents_running,
        shutdown: Box::new(move || {
            let server = server.lock().unwrap_or_else(PoisonError::into_inner).take();
            Box::pin(async {
                if let Some(server) = server {
                    server.stop().await;
                }
            })
        }),
    }
}

/// A server that another process started and will stop.
fn attached(home: &Path, remote: Remote) -> anyhow::Result<ServerHandle> {
    tracing::info!(home = %home.display(), "a server already runs on this data directory; the window opens on it");
    let link = move || {
        let answer = remote.call("POST", "/app/ticket", None)?;
        Ok(answer["url"].as_str().context("the server gave no link")?.to_owned())
    };
    let first: tauri::Url = link()?.parse()?;
    Ok(ServerHandle {
        url: first.origin().ascii_serialization(),
        link: Box::new(link),
        // Nobody here knows how many; the tray says so by saying nothing.
        agents_running: watch::channel(None).1,
        shutdown: Box::new(|| Box::pin(std::future::ready(()))),
    })
}

/// Follows the events that say which agents are up. After a start every agent is launched anew and says
/// so, hence the count begins at none.
fn count_agents(bus: &Bus) -> watch::Receiver<Option<usize>> {
    let mut events = bus.subscribe();
    let (sender, receiver) = watch::channel(Some(0));
    tokio::spawn(async move {
        let mut up = HashSet::new();
        loop {
            match events.recv().await {
                Ok(event) => note(&mut up, &event, &sender),
                // The missed ones come right with each agent's next change.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    receiver
}

fn note(up: &mut HashSet<String>, event: &Published, count: &watch::Sender<Option<usize>>) {
    let id = &event.envelope.workspace_id;
    match event.envelope.event.as_str() {
        "WORKSPACE_ONLINE" | "WORKSPACE_DEGRADED" => {
            up.insert(id.clone());
        }
        "WORKSPACE_OFFLINE"
        | "WORKSPACE_AWAITING_AGENT"
        | "WORKSPACE_PROVISIONING"
        | "WORKSPACE_PROVISION_FAILED"
        | "WORKSPACE_PAUSED"
        | "WORKSPACE_HIBERNATED"
        | "WORKSPACE_REMOVED" => {
            up.remove(id);
        }
        _ => return,
    }
    count.send_if_modified(|count| count.replace(up.len()) != Some(up.len()));
}
