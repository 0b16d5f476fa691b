//! Where the window may go: to its own server and nowhere else.

use tauri::Url;

/// What to do with an address that the page wants to go to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// The canvas itself.
    Stay,
    /// A page of the wide world: the system's browser shows it.
    Browser,
    /// Anything else (`file:`, `data:`, schemes of other programs): nobody shows it.
    Nowhere,
}

/// Decides for one address. `home` is the address of the canvas.
pub(super) fn destination(home: &Url, target: &Url) -> Destination {
    // `origin()` of a blob: address is that of the page that made it; opaque origins equal nothing.
    if target.origin() == home.origin() {
        return Destination::Stay;
    }
    match target.scheme() {
        "http" | "https" | "mailto" => Destination::Browser,
        _ => Destination::Nowhere,
    }
}

/// Follows a link inside the window. Returns whether the window itself may go there.
pub(super) fn follow(home: &Url, target: &Url) -> bool {
    match destination(home, target) {
        Destination::Stay => true,
        Destination::Browser => {
            open_in_browser(target);
            false
        }
        Destination::Nowhere => {
            tracing::warn!(scheme = target.scheme(), "a page asked for an address that the window does not open");
            false
        }
    }
}

/// Opens a link that asks for a window of its own: always in the system's browser.
pub(super) fn open_elsewhere(home: &Url, target: &Url) {
    if destination(home, target) != Destination::Nowhere && target.scheme() != "blob" {
        open_in_browser(target);
    }
}

fn open_in_browser(target: &Url) {
    if let Err(error) = open::that_detached(target.as_str()) {
        tracing::warn!(%error, "the system's browser could not be started");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(target: &str) -> Destination {
        let home = Url::parse("http://127.0.0.1:8787/").unwrap();
        destination(&home, &Url::parse(target).unwrap())
    }

    #[test]
    fn only_the_canvas_itself_stays_in_the_window() {
        for own in [
            "http://127.0.0.1:8787/",
            "http://127.0.0.1:8787/#ticket=x",
            "http://127.0.0.1:8787/docs",
            "blob:http://127.0.0.1:8787/0f3c",
        ] {
            assert_eq!(decide(own), Destination::Stay, "{own}");
        }
    }

    #[test]
    fn another_origin_goes_to_the_browser() {
        for foreign in [
            "http://127.0.0.1:8788/",
            "http://localhost:8787/",
            "https://127.0.0.1:8787/",
            "http://127.0.0.1:8787@example.com/",
            "http://127.0.0.1.example.com:8787/",
            "https://example.com/",
            "mailto:ada@example.com",
        ] {
            assert_eq!(decide(foreign), Destination::Browser, "{foreign}");
        }
    }

    #[test]
    fn schemes_that_reach_into_the_machine_go_nowhere() {
        for local in [
            "file:///etc/passwd",
            "data:text/html,x",
            "javascript:alert(1)",
            "tauri://localhost/",
            "ipc://localhost/",
            "about:blank",
            "vscode://file/x",
            "blob:http://127.0.0.1:9999/0f3c",
        ] {
            assert_eq!(decide(local), Destination::Nowhere, "{local}");
        }
    }
}
