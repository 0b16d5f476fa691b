//! The one window, and the notice that stands in its place when the server could not be started.

use tauri::{
    AppHandle, CloseRequestApi, Manager, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, Window,
    webview::{Color, NewWindowResponse},
};

use super::{navigation, shell::Shell, tray};

const MAIN: &str = "main";
const NOTICE: &str = "notice";
const TITLE: &str = "Molecule";
/// The canvas plane of the dark theme, so that the first frame is not a white flash.
const BEFORE_THE_PAGE: Color = Color(0x13, 0x11, 0x0f, 0xff);

/// Brings the window to the front; opens it where there is none. Does nothing while the server starts,
/// because the window comes by itself then.
pub(super) fn show(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(MAIN).or_else(|| app.get_webview_window(NOTICE)) {
        raise(&window);
        return;
    }
    if let Err(error) = open(app) {
        tracing::error!(error = format!("{error:#}"), "the window could not be opened");
    }
}

/// Takes the window off the screen; the page in it lives on.
pub(super) fn hide(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(MAIN) {
        let _ = window.hide();
    }
}

/// The person closed a window. The canvas is only hidden, as long as the tray can bring it back.
pub(super) fn close_requested(window: &Window, api: &CloseRequestApi) {
    let app = window.app_handle();
    if window.label() != MAIN || app.state::<Shell>().is_over() {
        return;
    }
    api.prevent_close();
    if tray::is_there(app) {
        let _ = window.hide();
        // Some desktops (GNOME without its extension) take a tray icon and never show it.
        tracing::info!(
            "the window is hidden and the agents keep working; start Molecule again or use the tray to bring it back"
        );
    } else {
        super::shell::quit(app);
    }
}

/// Says why there is no canvas. When the person closes the notice, the process ends.
pub(super) fn notice(app: &AppHandle, reason: &str) {
    // JSON is JavaScript here; the page puts the text in as text.
    let script = format!("globalThis.__MOLECULE_REASON__ = {};", serde_json::Value::from(reason));
    let built = WebviewWindowBuilder::new(app, NOTICE, WebviewUrl::App("index.html".into()))
        .title(TITLE)
        .inner_size(520.0, 260.0)
        .center()
        .initialization_script(script)
        .build();
    if let Err(error) = built {
        tracing::error!(%error, "the notice could not be shown");
        app.exit(1);
    }
}

fn open(app: &AppHandle) -> anyhow::Result<()> {
    let shell = app.state::<Shell>();
    let Some(launch) = shell.launch() else { return Ok(()) };
    let (home, launch) = launch?;
    let home: Url = home.parse()?;
    let pinned = home.clone();

    let window = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::External(launch.parse()?))
        .title(TITLE)
        .inner_size(1280.0, 820.0)
        .min_inner_size(900.0, 600.0)
        .center()
        .background_color(BEFORE_THE_PAGE)
        // Each data directory has its own page storage, so a session never meets another server.
        .data_directory(shell.home().join("webview"))
        // Files dropped on the page belong to the page.
        .disable_drag_drop_handler()
        .on_navigation(move |target| navigation::follow(&pinned, target))
        .on_new_window(move |target, _features| {
            navigation::open_elsewhere(&home, &target);
            NewWindowResponse::Deny
        })
        .build()?;
    raise(&window);
    Ok(())
}

fn raise(window: &WebviewWindow) {
    // Each may be refused by the window system, which then has its reasons.
    let _ = window.unminimize();
    let _ = window.show();
    let _ = window.set_focus();
}
