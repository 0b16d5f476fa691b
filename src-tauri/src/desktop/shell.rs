//! The life of the server inside the shell: starting, running, stopping, each once.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tauri::{AppHandle, Manager};

use super::{Link, Pending, ServerHandle, Shutdown, tray, window};

/// How long the agents and the server have to stop in order before the process ends without them.
const STOPPING: Duration = Duration::from_secs(15);

/// What the shell knows while it runs.
pub(super) struct Shell {
    home: PathBuf,
    canvas: OnceLock<Canvas>,
    shutdown: Mutex<Option<Shutdown>>,
    failure: OnceLock<String>,
    quitting: AtomicBool,
}

/// How to get a page of the running server.
struct Canvas {
    url: String,
    link: Link,
}

impl Shell {
    pub(super) fn new(home: PathBuf) -> Self {
        Self {
            home,
            canvas: OnceLock::new(),
            shutdown: Mutex::new(None),
            failure: OnceLock::new(),
            quitting: AtomicBool::new(false),
        }
    }

    /// The data directory, below which the web view keeps its own files.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The canvas's address and a new launch link for it; `None` while the server is not there.
    pub(super) fn launch(&self) -> Option<anyhow::Result<(&str, String)>> {
        let canvas = self.canvas.get()?;
        Some((canvas.link)().map(|link| (canvas.url.as_str(), link)))
    }

    /// Why the server could not be started, if so.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    /// Whether the process is about to end: it was told to, or there is no server to stay for.
    pub(super) fn is_over(&self) -> bool {
        self.quitting.load(Ordering::SeqCst) || self.failure.get().is_some()
    }

    /// Stops the server in order; a second call has nothing to do.
    pub(super) async fn stop_server(&self) {
        // Taken out before the wait, so that the lock is not held across it.
        let shutdown = self.shutdown.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(shutdown) = shutdown else { return };
        if tokio::time::timeout(STOPPING, shutdown()).await.is_err() {
            tracing::warn!(limit_ms = STOPPING.as_millis(), "the server did not stop in time");
        }
    }
}

/// Waits for the server and then opens the window on it, or tells the person why there is none.
pub(super) async fn start(app: &AppHandle, starting: Pending<anyhow::Result<ServerHandle>>) {
    let shell = app.state::<Shell>();
    match starting.await {
        Ok(server) => {
            let ServerHandle { url, link, agents_running, shutdown } = server;
            *shell.shutdown.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(shutdown);
            let _ = shell.canvas.set(Canvas { url, link });
            tray::follow(app, agents_running);
            window::show(app);
        }
        Err(error) => {
            let reason = format!("{error:#}");
            tracing::error!(reason, "the server could not be started");
            window::notice(app, &reason);
            let _ = shell.failure.set(reason);
        }
    }
}

/// Ends the process after the server has stopped in order. A second call does not wait any longer.
pub(super) fn quit(app: &AppHandle) {
    let shell = app.state::<Shell>();
    if shell.quitting.swap(true, Ordering::SeqCst) {
        tracing::warn!("asked to quit twice; the server is not waited for");
        app.exit(0);
        return;
    }
    tray::say_stopping(app);
    window::hide(app);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        app.state::<Shell>().stop_server().await;
        app.exit(0);
    });
}
