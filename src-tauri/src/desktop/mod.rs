//! The window and the tray around the platform server.
//!
//! The shell is thin on purpose: it starts the server inside this process, opens the address that the
//! server answers on, and from then on the page is a caller like any browser tab. The page cannot call
//! the shell (`R-54`): there is no command and no capability, so whatever a hostile page or agent
//! brings into the window stays a web page.
//!
//! Closing the window hides it and the agents keep working; *Quit* in the tray, Ctrl-C and SIGTERM stop
//! the server in order and end the process.

mod instance;
mod navigation;
mod server;
mod shell;
mod signals;
mod tray;
mod window;

use std::{future::Future, path::PathBuf, pin::Pin};

use anyhow::{Context, bail};
use tauri::{Manager, RunEvent, WindowEvent};
use tokio::sync::watch;

use shell::Shell;

/// A boxed future that the shell may send to any worker thread.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Makes a link to the canvas that carries a one-time ticket (`R-4`). Fails when the server is gone.
pub type Link = Box<dyn Fn() -> anyhow::Result<String> + Send + Sync>;

/// Stops the agents and the server in order, once.
pub type Shutdown = Box<dyn FnOnce() -> Pending<()> + Send>;

/// What the shell needs to know of a server that has begun to listen.
pub struct ServerHandle {
    /// The address of the canvas, for example `http://127.0.0.1:8787`. The window never leaves this origin.
    pub url: String,
    /// Each window that is opened takes a new one.
    pub link: Link,
    /// How many agents are up, for the tray; `None` where another process runs them. A closed channel leaves
    /// the last figure standing.
    pub agents_running: watch::Receiver<Option<usize>>,
    /// The shell waits for it at most 15 seconds.
    pub shutdown: Shutdown,
}

/// How the window is to be run.
pub struct DesktopOptions {
    /// The runtime that the server runs on. Its owner keeps it alive until [`run`] has returned.
    pub runtime: tokio::runtime::Handle,
    /// The data directory (`R-8`). Two different ones may have a window each; the same one may not.
    pub home: PathBuf,
    /// Starts the server. Called only once it is certain that no other window owns this data directory;
    /// its error is shown to the person word for word.
    pub start: Box<dyn FnOnce() -> Pending<anyhow::Result<ServerHandle>> + Send>,
}

/// Opens the window and stays until the person quits.
///
/// A second call for the same data directory (in another process) brings the first one's window to the
/// front and ends its own process with code 0.
///
/// # Errors
/// When there is no display, when the window system refuses, or when the server could not be started; in
/// the last case a window has told the person why.
pub fn run(options: DesktopOptions) -> anyhow::Result<()> {
    if !display_is_there() {
        bail!("there is no display to open a window on; `molecule serve` runs without one and prints a link");
    }
    let DesktopOptions { runtime, home, start } = options;

    // Before the builder: Tauri would otherwise make a runtime of its own beside the server's.
    tauri::async_runtime::set(runtime.clone());
    let app = tauri::Builder::default()
        // First of all plugins, so that a second process ends before it touches the data directory.
        .plugin(instance::plugin(&home))
        .manage(Shell::new(home))
        .on_window_event(|window, event| {
            if let WindowEvent::CloseRequested { api, .. } = event {
                window::close_requested(window, api);
            }
        })
        .setup(move |app| {
            let app = app.handle().clone();
            tray::build(&app);
            signals::watch(&app);
            tauri::async_runtime::spawn(async move { shell::start(&app, start()).await });
            Ok(())
        })
        .build(tauri::generate_context!())
        .context("the window system refused the window")?;

    let handle = app.handle().clone();
    app.run_return(move |app, event| match event {
        // The last window is gone, but the agents still work: only a quit ends the process.
        RunEvent::ExitRequested { code: None, api, .. } if !app.state::<Shell>().is_over() => api.prevent_exit(),
        // However the end came about (macOS's own Quit leaves no other moment), the server stops in order.
        RunEvent::Exit => runtime.block_on(app.state::<Shell>().stop_server()),
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => window::show(app),
        _ => {}
    });
    match handle.state::<Shell>().failure() {
        Some(reason) => bail!(reason),
        None => Ok(()),
    }
}

fn display_is_there() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}
