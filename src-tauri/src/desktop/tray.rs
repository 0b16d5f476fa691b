//! The tray icon: what is running while no window is open, and the only way to quit.

use tauri::{
    AppHandle, Manager, Wry,
    image::Image,
    menu::{MenuBuilder, MenuItem, MenuItemBuilder},
    tray::{MouseButton, MouseButtonState, TrayIconBuilder, TrayIconEvent},
};
use tokio::sync::watch;

use super::{shell, window};

const OPEN: &str = "open";
const QUIT: &str = "quit";

/// The one line of the menu that changes. Managed by the app while the tray is there.
struct StatusLine(MenuItem<Wry>);

/// Puts the icon into the tray. A desktop without a tray is a normal state: then closing the window
/// quits, because nothing would be left to quit from.
pub(super) fn build(app: &AppHandle) {
    if let Err(error) = try_build(app) {
        tracing::warn!(%error, "there is no tray here; closing the window will quit");
    }
}

/// Whether the person can reach the app without its window.
pub(super) fn is_there(app: &AppHandle) -> bool {
    app.try_state::<StatusLine>().is_some()
}

fn try_build(app: &AppHandle) -> tauri::Result<()> {
    let status = MenuItemBuilder::new("Starting").enabled(false).build(app)?;
    let menu = MenuBuilder::new(app)
        .text(OPEN, "Open Molecule")
        .separator()
        .item(&status)
        .separator()
        .text(QUIT, "Quit")
        .build()?;

    TrayIconBuilder::with_id("molecule")
        .icon(icon())
        .icon_as_template(true)
        .tooltip("Molecule")
        .menu(&menu)
        .show_menu_on_left_click(cfg!(target_os = "macos"))
        .on_menu_event(|app, event| match event.id().as_ref() {
            OPEN => window::show(app),
            QUIT => shell::quit(app),
            _ => {}
        })
        .on_tray_icon_event(|tray, event| {
            if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } = event {
                window::show(tray.app_handle());
            }
        })
        .build(app)?;
    app.manage(StatusLine(status));
    Ok(())
}

#[cfg(target_os = "macos")]
fn icon() -> Image<'static> {
    tauri::include_image!("src-tauri/icons/tray-template.png")
}

#[cfg(not(target_os = "macos"))]
fn icon() -> Image<'static> {
    tauri::include_image!("src-tauri/icons/tray.png")
}

/// Keeps the status line true for as long as the server reports.
pub(super) fn follow(app: &AppHandle, mut agents_running: watch::Receiver<Option<usize>>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        loop {
            let text = status_text(*agents_running.borrow_and_update());
            set_status(&app, &text);
            if agents_running.changed().await.is_err() {
                return;
            }
        }
    });
}

/// Says that the end is near, so that a slow stop does not look like a dead menu.
pub(super) fn say_stopping(app: &AppHandle) {
    set_status(app, "Stopping the agents");
}

fn set_status(app: &AppHandle, text: &str) {
    if let Some(line) = app.try_state::<StatusLine>()
        && let Err(error) = line.0.set_text(text)
    {
        tracing::debug!(%error, "the tray's status line was not updated");
    }
}

fn status_text(agents_running: Option<usize>) -> String {
    match agents_running {
        None => "The agents run in another process".to_owned(),
        Some(0) => "No agents running".to_owned(),
        Some(1) => "1 agent running".to_owned(),
        Some(n) => format!("{n} agents running"),
    }
}

#[cfg(test)]
mod tests {
    use super::status_text;

    #[test]
    fn the_status_line_counts_like_a_person() {
        assert_eq!(
            [0, 1, 5].map(|n| status_text(Some(n))),
            ["No agents running", "1 agent running", "5 agents running"]
        );
    }
}
