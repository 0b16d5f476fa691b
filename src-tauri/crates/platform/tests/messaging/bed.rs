//! A server on an empty folder, and what tests ask of it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use molecule_model::{
    Timestamp, Trigger, WorkspaceId,
    event::EventKind,
    wire::{DeliveryMode, WorkspaceAccess},
};
use molecule_platform::{
    App, Clock, Config, SystemClock,
    auth::{fresh, issue},
    config::PortChoice,
    events::{Listening, Published},
    registry::SystemNames,
    server::{self, Server},
};
use molecule_store::workspaces::{self, NewWorkspace};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// Long enough for a slow machine; reached only by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Bed {
    pub server: Option<Server>,
    pub app: App,
    pub http: reqwest::Client,
    pub admin: String,
    pub base: String,
    pub dir: Arc<tempfile::TempDir>,
}

/// A workspace with its bearer.
#[derive(Clone)]
pub struct Known {
    pub id: WorkspaceId,
    pub token: String,
}

pub fn config(dir: PathBuf) -> Config {
    Config {
        data_dir: dir,
        port: PortChoice::Exactly(0),
        admin_token: None,
        development: false,
        cors_origins: None,
        rate_limit: None,
        external_url: None,
        a2a_idle: Duration::from_secs(60),
        external_stale: Duration::from_secs(90),
        provision_timeout: None,
        activity_retention_days: 7,
        activity_cleanup_hours: 6,
        mcp_send_message: false,
        keychain: false,
        shipped_templates: Vec::new(),
        agent_program: (PathBuf::from("/nonexistent/agent"), Vec::new()),
        allow_lan: false,
        client_patience: Duration::from_secs(60),
        names: Arc::new(SystemNames),
        test_tokens: false,
        hanging_step: None,
        git_sha: "test".into(),
        assets: |_| None,
    }
}

impl Bed {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn development() -> Self {
        Self::with(|config| config.development = true).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), change, Arc::new(SystemClock)).await
    }

    pub async fn start(dir: Arc<tempfile::TempDir>, change: impl FnOnce(&mut Config), clock: Arc<dyn Clock>) -> Self {
        let mut config = config(dir.path().to_owned());
        change(&mut config);
        let hanging = config.hanging_step.clone();
        let server = server::start_with(config, clock).await.unwrap();
        // No test is to race with it: a message that waits, say, is delivered once the recovery has opened the queue.
        let hanging = hanging.as_deref();
        let recovered = server.app.recovering.done_but(hanging.as_slice());
        tokio::time::timeout(PATIENCE, recovered).await.expect("the recovery did not end");
        let admin = std::fs::read_to_string(dir.path().join("admin.token")).unwrap().trim().to_owned();
        let app = Arc::clone(&server.app);
        let base = app.endpoint.url();
        Self { server: Some(server), app, http: reqwest::Client::new(), admin, base, dir }
    }

    pub async fn stop(mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// A row with a bearer. It is `provisioning` until its agent registers.
    pub async fn workspace(&self, name: &str, parent: Option<WorkspaceId>) -> Known {
        self.workspace_as(name, parent, "local", DeliveryMode::Push).await
    }

    pub async fn workspace_as(
        &self,
        name: &str,
        parent_id: Option<WorkspaceId>,
        runtime: &str,
        mode: DeliveryMode,
    ) -> Known {
        let id = WorkspaceId::random();
        let token = fresh();
        let text = token.expose().to_owned();
        let (name, runtime) = (name.to_owned(), runtime.to_owned());
        self.app
            .store
            .write(move |tx| {
                workspaces::insert(
                    tx,
                    &NewWorkspace {
                        id,
                        name: name.clone(),
                        role: Some(format!("{name} role")),
                        tier: 1,
                        runtime: runtime.clone(),
                        delivery_mode: mode,
                        parent_id,
                        template: None,
                        workspace_dir: None,
                        workspace_access: WorkspaceAccess::None,
                        max_concurrent_tasks: 1,
                        budget_limit: None,
                        x: 0.0,
                        y: 0.0,
                    },
                )?;
                issue(tx, id, &token)
            })
            .await
            .unwrap();
        Known { id, token: text }
    }

    /// A workspace whose agent answers at `url`.
    pub async fn agent(&self, name: &str, parent: Option<WorkspaceId>, url: &str) -> Known {
        let known = self.workspace(name, parent).await;
        let body = json!({"id": known.id, "url": url, "agent_card": {"name": name}});
        let answer = self.post("/registry/register").bearer_auth(&known.token).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
        known
    }

    pub async fn sql(&self, sql: &'static str, values: Vec<String>) {
        let run = move |tx: &mut molecule_store::Tx<'_>| {
            tx.execute(sql, molecule_store::rusqlite::params_from_iter(values.iter()))?;
            Ok(())
        };
        self.app.store.write(run).await.unwrap();
    }

    pub async fn remove(&self, id: WorkspaceId) {
        self.app.store.write(move |tx| workspaces::transition(tx, id, Trigger::Remove).map(drop)).await.unwrap();
    }

    pub async fn row(&self, id: WorkspaceId) -> workspaces::Workspace {
        self.app.store.read(move |conn| workspaces::get(conn, id)).await.unwrap().unwrap()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// As the person.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).bearer_auth(&self.admin).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    /// A message of the person.
    pub fn say(&self, to: WorkspaceId, text: &str) -> RequestBuilder {
        self.post(&format!("/workspaces/{to}/a2a")).bearer_auth(&self.admin).json(&message("message/send", text))
    }

    pub fn stream(&self, to: WorkspaceId, text: &str) -> RequestBuilder {
        self.post(&format!("/workspaces/{to}/a2a")).bearer_auth(&self.admin).json(&message("message/stream", text))
    }

    pub async fn activity(&self, id: WorkspaceId) -> Vec<Value> {
        let rows = self.read(&format!("/workspaces/{id}/activity")).await;
        rows.as_array().unwrap().clone()
    }

    pub fn events(&self) -> Events {
        Events(self.app.bus.subscribe())
    }

    pub fn now(&self) -> Timestamp {
        self.app.now()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.app.tasks.stopping().cancel();
    }
}

/// The bus, read in order.
pub struct Events(Listening);

impl Events {
    /// The next event of this kind.
    pub async fn next(&mut self, kind: EventKind) -> Arc<Published> {
        self.find(|event| event.kind == kind).await
    }

    pub async fn find(&mut self, wanted: impl Fn(&Published) -> bool) -> Arc<Published> {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let event = self.0.recv().await.unwrap();
                if wanted(&event) {
                    return event;
                }
            }
        });
        found.await.expect("the event did not come")
    }

    /// What has come so far and was not read.
    pub fn waiting(&mut self) -> Vec<EventKind> {
        std::iter::from_fn(|| self.0.try_recv().ok()).map(|event| event.kind).collect()
    }
}

pub fn message(method: &str, text: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": "r1", "method": method, "params": {"message": {
        "kind": "message", "role": "user", "messageId": format!("m-{text}"), "parts": [{"kind": "text", "text": text}]}}})
}
