//! Ctrl-C, SIGTERM and a closed terminal mean the same as *Quit*.

use tauri::AppHandle;

use super::shell;

/// Listens for as long as the process lives. The first signal stops in order, the second at once.
pub(super) fn watch(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        match listen(&app).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "signals are not listened to; quit from the tray"),
        }
    });
}

#[cfg(unix)]
async fn listen(app: &AppHandle) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            _ = hang_up.recv() => "SIGHUP",
        };
        tracing::info!(signal = name, "stopping");
        shell::quit(app);
    }
}

#[cfg(not(unix))]
async fn listen(app: &AppHandle) -> std::io::Result<()> {
    loop {
        tokio::signal::ctrl_c().await?;
        tracing::info!(signal = "ctrl-c", "stopping");
        shell::quit(app);
    }
}
