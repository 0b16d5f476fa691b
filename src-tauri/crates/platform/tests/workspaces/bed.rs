//! A server in this process on a data directory of its own, and agents that do what a script says.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use molecule_model::{Timestamp, WorkspaceId, event::EventKind};
use molecule_platform::{
    App, Clock, Config, ManualClock,
    config::PortChoice,
    events::{Listening, Published},
    server::{self, Server},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Says where it listens and lives until its stdin ends.
pub const WELL_BEHAVED: &str = r#"echo '{"listening":"http://127.0.0.1:41234"}'; while read -r line; do :; done"#;
/// Ends right after it said where it listens.
pub const SHORT_LIVED: &str =
    r#"echo '{"listening":"http://127.0.0.1:41234"}'; echo "giving up: SECRET_TOKEN=abc" >&2; exit 3"#;
/// Never says where it listens.
pub const BROKEN: &str = "echo boom >&2; exit 7";

/// Longer than anything here should take.
pub const SOON: Duration = Duration::from_secs(20);

pub struct Bed {
    pub home: TempDir,
    pub server: Option<Server>,
    pub http: reqwest::Client,
    pub clock: Arc<ManualClock>,
    script: String,
    adjust: fn(&mut Config),
}

impl Bed {
    pub async fn new() -> Self {
        Self::with(WELL_BEHAVED, |_| {}).await
    }

    pub async fn with(script: &str, adjust: fn(&mut Config)) -> Self {
        let start: Timestamp = "2026-05-02T09:14:03Z".parse().unwrap();
        let mut bed = Self {
            home: tempfile::tempdir().unwrap(),
            server: None,
            http: reqwest::Client::new(),
            clock: Arc::new(ManualClock::new(start)),
            script: script.to_owned(),
            adjust,
        };
        bed.start().await;
        bed
    }

    /// Another server over the same data directory, once the first is gone.
    pub async fn start(&mut self) {
        let program = PathBuf::from("/bin/sh");
        let args = ["-c", &self.script, "fake-agent"].map(str::to_owned).to_vec();
        let data = self.home.path().join("data");
        let mut config = Config::from_env(data, PortChoice::Exactly(0), (program, args), Vec::new(), |_| None).unwrap();
        config.keychain = false;
        config.development = false;
        (self.adjust)(&mut config);
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let server = server::start_with(config, clock).await.unwrap();
        server.app.provisioning.set_first_pause(20);
        self.server = Some(server);
        let recovered = self.app().recovering.done_but(&[]);
        tokio::time::timeout(SOON, recovered).await.unwrap_or_else(|_| panic!("the recovery did not end"));
    }

    pub async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub fn app(&self) -> &App {
        &self.server.as_ref().unwrap().app
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app().endpoint.url())
    }

    pub fn admin(&self) -> String {
        std::fs::read_to_string(self.app().paths.admin_token()).unwrap()
    }

    /// A request of the person.
    pub async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask_as(Some(&self.admin()), method, path, body).await
    }

    pub async fn ask_as(&self, bearer: Option<&str>, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let mut request = self.http.request(method, self.url(path));
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        let value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} with a body that is no JSON: {text:?}"));
        (status, value)
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    pub async fn post(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::POST, path, Value::Null).await
    }

    /// Makes a workspace and answers its id.
    pub async fn create(&self, body: Value) -> WorkspaceId {
        let (status, body) = self.ask(Method::POST, "/workspaces", body).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["id"].as_str().unwrap().parse().unwrap()
    }

    /// Makes a local workspace and waits until its agent runs.
    pub async fn running(&self, name: &str) -> WorkspaceId {
        let id = self.create(json!({"name": name, "runtime": "local"})).await;
        self.until_launched(id).await;
        id
    }

    /// Makes a local workspace whose agent has registered.
    pub async fn online(&self, name: &str) -> WorkspaceId {
        let id = self.running(name).await;
        self.register(id).await;
        id
    }

    pub async fn row(&self, id: WorkspaceId) -> Value {
        self.get(&format!("/workspaces/{id}?include_removed=true")).await
    }

    pub async fn status(&self, id: WorkspaceId) -> String {
        self.row(id).await["status"].as_str().unwrap().to_owned()
    }

    /// The token that the launched agent was given.
    pub fn token(&self, id: WorkspaceId) -> String {
        std::fs::read_to_string(self.app().paths.configs(id).join(".auth_token")).unwrap()
    }

    pub fn pid(&self, id: WorkspaceId) -> u32 {
        let record: Value = serde_json::from_slice(&std::fs::read(self.app().paths.run_state(id)).unwrap()).unwrap();
        record["pid"].as_u64().unwrap().try_into().unwrap()
    }

    /// The same while restarts go on, when the process or its record may be gone at any moment.
    pub fn maybe_pid(&self, id: WorkspaceId) -> Option<u32> {
        let record: Value = serde_json::from_slice(&std::fs::read(self.app().paths.run_state(id)).ok()?).ok()?;
        record["pid"].as_u64()?.try_into().ok()
    }

    /// What the agent does first.
    pub async fn register(&self, id: WorkspaceId) {
        let card = json!({"name": "Agent", "version": "1.0.0"});
        let body = json!({"id": id, "url": "http://127.0.0.1:41234", "agent_card": card});
        let (status, body) = self.ask_as(Some(&self.token(id)), Method::POST, "/registry/register", body).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    pub async fn until_launched(&self, id: WorkspaceId) {
        self.until(&format!("{id} launched"), || async {
            let row = self.row(id).await;
            assert_ne!(row["status"], "failed", "{row}");
            row["url"] == "http://127.0.0.1:41234"
        })
        .await;
    }

    pub async fn until_status(&self, id: WorkspaceId, want: &str) {
        self.until(&format!("{id} {want}"), || async { self.status(id).await == want }).await;
    }

    /// Looks again at whatever happens in the server, until it is so.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, happened: impl Fn() -> F) {
        let mut events = self.app().bus.subscribe();
        let waiting = async {
            while !happened().await {
                // An event wakes at once; what makes none is looked at now and then.
                drop(tokio::time::timeout(Duration::from_millis(20), events.recv()).await);
            }
        };
        tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    pub fn listen(&self) -> Heard {
        Heard(self.app().bus.subscribe())
    }
}

/// Events from a moment on.
pub struct Heard(Listening);

impl Heard {
    /// The next event of one of these kinds.
    pub async fn next(&mut self, kinds: &[EventKind]) -> Arc<Published> {
        let wanted: HashSet<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let waiting = async {
            loop {
                let event = self.0.recv().await.unwrap();
                if wanted.contains(event.kind.as_str()) {
                    return event;
                }
            }
        };
        tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("never heard one of {kinds:?}"))
    }

    /// Everything that was published so far, by name and workspace.
    pub fn so_far(&mut self) -> Vec<(&'static str, Option<WorkspaceId>)> {
        std::iter::from_fn(|| self.0.try_recv().ok()).map(|event| (event.kind.as_str(), event.workspace)).collect()
    }
}

/// Whether a process is there and not only waits to be collected.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Variables that a process was started with.
pub fn environment(pid: u32) -> Vec<String> {
    maybe_environment(pid).unwrap()
}

/// The same; an error where the process ended meanwhile.
pub fn maybe_environment(pid: u32) -> std::io::Result<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ"))?;
    Ok(bytes.split(|byte| *byte == 0).map(|entry| String::from_utf8_lossy(entry).into_owned()).collect())
}

pub fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}
