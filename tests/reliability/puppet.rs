//! An agent of somebody else that can die, hang and come back as a process does: all its sockets live in a runtime of
//! its own, which is torn down in one go.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, body::Bytes, extract::State};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

use super::bed::text;
use crate::support::{TestServer, eventually};

/// Between two signs of life.
const BEAT: Duration = Duration::from_millis(300);

struct Shared {
    /// Takes messages and answers none.
    hangs: AtomicBool,
    /// Says nothing of itself.
    silent: AtomicBool,
    got: Mutex<Vec<String>>,
}

/// An external workspace and who answers for it.
pub struct Puppet {
    pub id: String,
    token: String,
    server: String,
    address: Option<SocketAddr>,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Puppet {
    /// One that is called, online.
    pub async fn push(server: &TestServer, name: &str) -> Self {
        Self::made(server, name, true).await
    }

    /// One that only fetches, online.
    pub async fn poll(server: &TestServer, name: &str) -> Self {
        Self::made(server, name, false).await
    }

    async fn made(server: &TestServer, name: &str, push: bool) -> Self {
        let api = server.admin();
        let made = api.post("/workspaces", &json!({"name": name, "runtime": "external"})).await.expect(201);
        let shared = Shared { hangs: false.into(), silent: false.into(), got: Mutex::default() };
        let mut puppet = Self {
            id: text(&made, "id"),
            token: text(&made["connection"], "auth_token"),
            server: server.url(),
            address: push.then(|| SocketAddr::from(([127, 0, 0, 1], 0))),
            shared: Arc::new(shared),
            runtime: None,
        };
        puppet.comes().await;
        puppet
    }

    /// Its process starts: it listens where it did before, registers and beats.
    pub async fn comes(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        if let Some(address) = self.address {
            let shared = Arc::clone(&self.shared);
            // The process before is torn down behind `dies`, and its port is free a moment later.
            let listener = eventually(format!("{address} to be free"), || async {
                std::net::TcpListener::bind(address).map_err(|error| error.to_string())
            })
            .await;
            let served = runtime.spawn(async move {
                listener.set_nonblocking(true).unwrap();
                let listener = TcpListener::from_std(listener).unwrap();
                let address = listener.local_addr().unwrap();
                let router = Router::new().fallback(answer).with_state(shared);
                tokio::spawn(async move { axum::serve(listener, router).await });
                address
            });
            self.address = Some(served.await.unwrap());
        }
        let (shared, id, token, server) =
            (Arc::clone(&self.shared), self.id.clone(), self.token.clone(), self.server.clone());
        let mode = if self.address.is_some() { "push" } else { "poll" };
        let url = self.address.map(|address| format!("http://{address}"));
        runtime.spawn(async move {
            let client = reqwest::Client::new();
            let post = |path: &str, body: Value| {
                let request = client.post(format!("{server}{path}")).bearer_auth(&token).json(&body);
                // A server that is away answers nothing, and one that was stopped answers later.
                async move { request.send().await.is_ok_and(|answer| answer.status().is_success()) }
            };
            let card = json!({"id": id, "url": url, "delivery_mode": mode, "agent_card": {"name": "Puppet"}});
            while !post("/registry/register", card.clone()).await {
                tokio::time::sleep(BEAT).await;
            }
            loop {
                tokio::time::sleep(BEAT).await;
                if !shared.silent.load(Ordering::Relaxed) {
                    post("/registry/heartbeat", json!({"workspace_id": id, "uptime_seconds": 9})).await;
                }
            }
        });
        self.runtime = Some(runtime);
    }

    /// Its process ends at once, with all its sockets.
    pub fn dies(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    pub fn hangs(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::Relaxed);
    }

    pub fn is_silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::Relaxed);
    }

    /// The ids of the messages that it was sent.
    pub fn got(&self) -> Vec<String> {
        self.shared.got.lock().unwrap().clone()
    }

    pub async fn has_got(&self, id: &str) {
        eventually(format!("{id} at its agent"), || async {
            let got = self.got();
            if got.iter().any(|one| one == id) { Ok(()) } else { Err(format!("{got:?}")) }
        })
        .await;
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Json<Value> {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    shared.got.lock().unwrap().push(text(&body["params"]["message"], "messageId"));
    if shared.hangs.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    Json(crate::support::fake_agent::says(&body, "here"))
}
