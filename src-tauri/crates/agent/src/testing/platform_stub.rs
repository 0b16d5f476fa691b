//! A platform as far as one agent sees it: it records what comes in and answers as a test wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A request of the agent.
#[derive(Clone, Debug)]
pub struct Posted {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, without the capability.
    pub path: String,
    /// The bearer it carried.
    pub bearer: Option<String>,
    /// The `X-Workspace-ID` it carried.
    pub workspace: Option<String>,
    /// Its body, `null` where there was none.
    pub body: Value,
}

type Handler = Arc<dyn Fn(Posted) -> BoxFuture<'static, (u16, Value)> + Send + Sync>;

#[derive(Default)]
struct Rules {
    /// By method and path.
    fixed: HashMap<(String, String), (u16, Value)>,
    a2a: Option<Handler>,
    approvals: Vec<Value>,
    memories: Vec<Value>,
}

struct Shared {
    rules: Mutex<Rules>,
    posted: Mutex<Vec<Posted>>,
    count: watch::Sender<usize>,
}

/// A running stub; ends when dropped.
pub struct PlatformStub {
    shared: Arc<Shared>,
    origin: String,
    server: JoinHandle<()>,
}

impl PlatformStub {
    /// Answers every route that an agent calls; no peers, no instructions.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { rules: Mutex::default(), posted: Mutex::default(), count: watch::channel(0).0 });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, origin, server }
    }

    /// What belongs into `PLATFORM_URL`: with a capability, as the launcher gives it.
    pub fn url(&self) -> String {
        format!("{}/as/capability", self.origin)
    }

    /// Answers `method path` with this status and body from now on.
    pub fn fix(&self, method: &str, path: &str, status: u16, body: Value) {
        self.shared.rules.lock().unwrap().fixed.insert((method.to_owned(), path.to_owned()), (status, body));
    }

    /// The peers of every workspace: (id, name, role, parent id).
    pub fn peers(&self, workspace: &str, peers: &[(&str, &str, &str, Option<&str>)]) {
        let rows = peers.iter().map(|(id, name, role, parent)| {
            json!({
                "id": id, "name": name, "role": role, "tier": 1, "status": "online", "url": "", "parent_id": parent,
                "active_tasks": 0, "agent_card": {"name": name, "skills": []},
            })
        });
        self.fix("GET", &format!("/registry/{workspace}/peers"), 200, rows.collect());
    }

    /// Answers messages to colleagues (`POST /workspaces/:id/a2a`) with a status and a body.
    pub fn on_message<F>(&self, answer: impl Fn(Posted) -> F + Send + Sync + 'static)
    where
        F: Future<Output = (u16, Value)> + Send + 'static,
    {
        self.shared.rules.lock().unwrap().a2a = Some(Arc::new(move |posted| answer(posted).boxed()));
    }

    /// Sets the status of every approval asked so far: `approved` or `denied`.
    pub fn decide(&self, status: &str, by: &str) {
        for row in &mut self.shared.rules.lock().unwrap().approvals {
            if row["status"] == "pending" {
                row["status"] = status.into();
                row["decided_by"] = by.into();
            }
        }
    }

    /// Everything so far whose path contains `path`.
    pub fn posted(&self, method: &str, path: &str) -> Vec<Posted> {
        let posted = self.shared.posted.lock().unwrap();
        posted.iter().filter(|each| each.method == method && each.path.contains(path)).cloned().collect()
    }

    /// Waits until `count` such requests came in, and answers them.
    pub async fn wait_for(&self, method: &str, path: &str, count: usize) -> Vec<Posted> {
        let mut changed = self.shared.count.subscribe();
        let waiting = async {
            loop {
                let found = self.posted(method, path);
                if found.len() >= count {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), waiting)
            .await
            .unwrap_or_else(|_| panic!("no {count} × {method} {path}; came: {:?}", self.posted(method, "")))
    }
}

impl Drop for PlatformStub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let full = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let posted = Posted {
        method: method.to_string(),
        path: full.strip_prefix("/as/capability").unwrap_or(&full).to_owned(),
        bearer: header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned)),
        workspace: header("x-workspace-id"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    shared.posted.lock().unwrap().push(posted.clone());
    let answer = answer(&shared, &posted);
    shared.count.send_modify(|count| *count += 1);
    let (status, body) = match answer {
        Answer::Now(status, body) => (status, body),
        Answer::Later(answer) => answer.await,
    };
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

enum Answer {
    Now(u16, Value),
    Later(BoxFuture<'static, (u16, Value)>),
}

fn answer(shared: &Shared, posted: &Posted) -> Answer {
    let mut rules = shared.rules.lock().unwrap();
    let path = posted.path.split('?').next().unwrap_or_default();
    let reply = Answer::Now;
    if let Some((status, body)) = rules.fixed.get(&(posted.method.clone(), path.to_owned())) {
        return reply(*status, body.clone());
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    match (posted.method.as_str(), last) {
        ("POST", "register") => {
            reply(200, json!({"status": "registered", "delivery_mode": "push", "platform_inbound_secret": "inbound"}))
        }
        ("POST", "heartbeat") => reply(200, json!({"status": "ok", "platform_inbound_secret": "inbound"})),
        ("GET", "peers" | "shared-context" | "delegations") => reply(200, json!([])),
        ("GET", "resolve") => reply(200, json!({"workspace_id": "w", "instructions": ""})),
        ("POST", "notify") => reply(200, json!({"status": "sent"})),
        ("POST", "activity") => reply(200, json!({"status": "logged"})),
        ("POST", "delegate") => {
            reply(202, json!({"delegation_id": "d-1", "status": "delegated", "target_id": posted.body["target_id"]}))
        }
        ("POST", "memories") => {
            rules.memories.push(posted.body.clone());
            reply(201, json!({"id": "m-1", "scope": posted.body["scope"], "namespace": "general"}))
        }
        ("GET", "memories") => reply(200, Value::Array(rules.memories.clone())),
        ("POST", "approvals") => {
            let id = format!("a-{}", rules.approvals.len() + 1);
            rules
                .approvals
                .insert(0, json!({"id": id, "status": "pending", "action": posted.body["action"], "decided_by": null}));
            reply(201, json!({"approval_id": id, "id": id, "status": "pending"}))
        }
        ("GET", "approvals") => reply(200, Value::Array(rules.approvals.clone())),
        ("POST", "decide") => reply(200, json!({"status": "denied"})),
        ("POST", "a2a") => match &rules.a2a {
            Some(handler) => Answer::Later(handler(posted.clone())),
            None => reply(404, json!({"error": "workspace not found"})),
        },
        _ => reply(404, json!({"error": "no such route in this stub"})),
    }
}
