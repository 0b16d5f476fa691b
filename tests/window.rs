//! Done when 7: the real window, driven as a person would. Runs inside `scripts/window-session`.
#![cfg(all(feature = "desktop", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, and says so")]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::{Value, json};

const MOLECULE: &str = env!("CARGO_BIN_EXE_molecule");
/// The key of an element in the driver's answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The Enter key as the driver types it.
const ENTER: &str = "\u{e007}";
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A window under the driver.
struct Window {
    http: Client,
    session: String,
    _driver: Ends,
}

impl Window {
    async fn open(home: &Path) -> Self {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let driver = Command::new("WebKitWebDriver")
            .arg(format!("--port={port}"))
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("TAURI_AUTOMATION", "true")
            .env("MOLECULE_HOME", home)
            .env("PORT", "0")
            .stdin(Stdio::null())
            .spawn()
            .expect("WebKitWebDriver, of the package webkit2gtk-driver");
        let driver = Ends(driver);
        let http = Client::builder().no_proxy().build().unwrap();
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": {"binary": MOLECULE, "args": []}}}});
        let base = format!("http://127.0.0.1:{port}/session");
        let deadline = Instant::now() + PATIENCE;
        let answer: Value = loop {
            match http.post(&base).json(&wanted).send().await {
                Ok(answer) => break answer.json().await.unwrap(),
                Err(error) if Instant::now() >= deadline => panic!("the driver does not answer: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        Self { http, session: format!("{base}/{id}"), _driver: driver }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}{path}", self.session)).json(&body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["value"].clone()
    }

    /// The element of this XPath, as soon as it is there.
    async fn find(&self, xpath: &str) -> String {
        self.until(xpath, || async {
            let found = self.post("/element", json!({"using": "xpath", "value": xpath})).await;
            found[ELEMENT].as_str().map(str::to_owned)
        })
        .await
    }

    async fn click(&self, xpath: &str) {
        let element = self.find(xpath).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    async fn type_into(&self, xpath: &str, keys: &str) {
        let element = self.find(xpath).await;
        self.post(&format!("/element/{element}/value"), json!({"text": keys})).await;
    }

    async fn words(&self) -> String {
        let text = self.post("/execute/sync", json!({"script": "return document.body.innerText", "args": []})).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    async fn reads(&self, words: &str) {
        self.until(words, || async { self.words().await.contains(words).then_some(()) }).await;
    }

    async fn until<T, W: Future<Output = Option<T>>>(&self, what: &str, look: impl Fn() -> W) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            if Instant::now() >= deadline {
                panic!("waited for {what:?}; the window says:\n{}", self.words().await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Keeps a picture where `SCREENS` names a folder.
    async fn picture(&self, name: &str) {
        let Ok(folder) = std::env::var("SCREENS") else { return };
        let shot: Value =
            self.http.get(format!("{}/screenshot", self.session)).send().await.unwrap().json().await.unwrap();
        use base64::Engine;
        let png = base64::engine::general_purpose::STANDARD.decode(shot["value"].as_str().unwrap()).unwrap();
        std::fs::write(Path::new(&folder).join(name), png).unwrap();
    }
}

#[tokio::test]
async fn done_when_7_open_start_the_demo_send_a_message_read_the_reply() {
    let home = tempfile::tempdir().unwrap();
    let window = Window::open(home.path()).await;
    window.reads("Who should work on it?").await;
    window.click("(//button[contains(., 'Try it') or contains(., 'Start the demo')])[1]").await;
    window.reads("5 of 5 running").await;
    window.click("(//*[@role='treeitem' or @role='tree']//*[text()='Product lead'])[1]").await;
    window.type_into("//textarea", "Why do people leave on day 3?").await;
    window.type_into("//textarea", ENTER).await;
    window.reads("Short version").await;
    window.reads("Test engineer adds").await;
    window.find("//article[@data-state='done']").await;
    window.picture("window.png").await;

    // A second start brings the first one's window to the front and ends; the first goes on.
    let mut second = Ends(Command::new(MOLECULE).env("MOLECULE_HOME", home.path()).env("PORT", "0").spawn().unwrap());
    let deadline = Instant::now() + PATIENCE;
    let code = loop {
        if let Some(status) = second.0.try_wait().unwrap() {
            break status.code();
        }
        assert!(Instant::now() < deadline, "the second start stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(code, Some(0));
    window.reads("5 of 5 running").await;
    window.http.delete(&window.session).send().await.unwrap();
}
