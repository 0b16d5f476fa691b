//! Done when 6, with a real browser: a page from another port of this machine tries everything it has,
//! and even with the admin token in hand it reaches nothing.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use axum::{Router, extract::State, response::Html, routing};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

use crate::support::{TestServer, skipped};

/// What the page is told it may not even learn the outcome of; its effect is looked for on the server.
const BLIND: [&str; 3] = ["write blindly", "a beacon", "a form"];

fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|name| Path::new(name).is_file()) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut found = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    found.find(|file| file.is_file())
}

/// A server of somebody else: it has one page, and takes the page's report.
struct Stranger {
    origin: String,
    reports: mpsc::Receiver<Value>,
    serving: tokio::task::JoinHandle<()>,
}

impl Stranger {
    async fn start() -> Self {
        let (sender, reports) = mpsc::channel(1);
        let take = |State(sender): State<mpsc::Sender<Value>>, body: String| async move {
            sender.send(serde_json::from_str(&body).unwrap()).await.unwrap();
        };
        let router = Router::new()
            .route("/", routing::get(|| async { Html(include_str!("foreign_page.html")) }))
            .route("/report", routing::post(take))
            .with_state(sender);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin, reports, serving }
    }

    /// Opens the page in a browser of its own and waits for its report.
    async fn visit(&mut self, browser: &Path, server: &TestServer) -> Value {
        let told = json!({"server": server.url(), "token": server.admin_token()}).to_string();
        let url = format!("{}/#{}", self.origin, encoded(&told));
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(browser);
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--remote-debugging-port=0", "--disable-background-networking"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let browser = Browser(command.spawn().unwrap());
        let report = tokio::time::timeout(std::time::Duration::from_secs(60), self.reports.recv()).await;
        drop(browser);
        report.expect("the page did not report").unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn done_when_6_a_real_browser_s_page_from_another_port_reaches_nothing() {
    let Some(browser) = chromium() else {
        return skipped("done_when_6_a_real_browser", "no Chromium on this machine");
    };
    let mut stranger = Stranger::start().await;
    let server = TestServer::start().await;
    let report = stranger.visit(&browser, &server).await;
    for (attempt, outcome) in report.as_object().unwrap() {
        assert!(outcome["refused"].is_string(), "{attempt}: {outcome}");
    }
    assert_eq!(report.as_object().unwrap().len(), 12, "{report}");
    let rows = server.admin().get("/workspaces").await.expect(200);
    assert_eq!(rows, json!([]), "{BLIND:?} had no effect either");

    // The page does know its trade: where its origin is listed, it gets through.
    let listed = TestServer::builder().env("CORS_ORIGINS", &stranger.origin).start().await;
    let report = stranger.visit(&browser, &listed).await;
    for attempt in ["read without a credential", "read with the token", "write with the token", "a socket"] {
        assert!(report[attempt]["got"].is_string(), "{attempt}: {}", report[attempt]);
    }
    let rows = listed.admin().get("/workspaces").await.expect(200);
    assert_eq!(rows.as_array().unwrap().len(), 1, "its one write with a credential: {rows}");
}
