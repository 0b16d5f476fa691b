//! An agent on a port, with everything around it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::config::AgentConfig;
use crate::server;
use crate::testing::{ModelStub, PlatformStub};

pub const ID: &str = "00000000-0000-4000-8000-000000000001";

/// What an agent is started with.
pub struct Setup {
    ground: TempDir,
    variables: HashMap<String, String>,
}

impl Setup {
    pub fn new(config: &str) -> Self {
        let ground = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(ground.path().join("data/workspaces/w/configs")).unwrap();
        std::fs::create_dir(ground.path().join("folder")).unwrap();
        let setup = Self { ground, variables: HashMap::new() };
        std::fs::write(setup.configs().join("config.yaml"), config).unwrap();
        std::fs::write(setup.configs().join(".auth_token"), "the-token\n").unwrap();
        std::fs::write(setup.configs().join(".platform_inbound_secret"), "inbound\n").unwrap();
        setup
    }

    /// An agent behind a stub of a model.
    pub fn with_model(stub: &ModelStub) -> Self {
        let mut setup = Self::new("name: Worker\nmodel: anthropic:claude-stub\n");
        setup.set("ANTHROPIC_API_KEY", "sk-stub");
        setup.set("ANTHROPIC_BASE_URL", &stub.base_url());
        setup
    }

    /// A script without pauses; `rules` is the YAML of the list.
    pub fn with_rules(rules: &str) -> Self {
        let rules: String = rules.lines().map(|line| format!("    {line}\n")).collect();
        Self::new(&format!("name: Worker\nmodel: rehearsal\nrehearsal:\n  words_per_second: 0\n  rules:\n{rules}"))
    }

    pub fn configs(&self) -> PathBuf {
        self.ground.path().join("data/workspaces/w/configs")
    }

    pub fn folder(&self) -> PathBuf {
        self.ground.path().join("folder")
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Gives the person's folder.
    pub fn give_folder(&mut self, access: &str) {
        let folder = self.folder();
        self.set("MOLECULE_WORKSPACE_DIR", folder.to_str().unwrap());
        self.set("MOLECULE_WORKSPACE_ACCESS", access);
    }

    pub async fn start(self) -> Bench {
        let platform = PlatformStub::start().await;
        self.start_with(platform).await
    }

    pub async fn start_with(mut self, platform: PlatformStub) -> Bench {
        self.set("WORKSPACE_ID", ID);
        self.set("PLATFORM_URL", &platform.url());
        let configs = self.configs();
        self.set("WORKSPACE_CONFIG_PATH", configs.to_str().unwrap());
        let mut config = AgentConfig::from_variables(|name| self.variables.get(name).cloned()).unwrap();
        config.timing.approval_poll = Duration::from_millis(20);
        config.timing.model_retry = Duration::from_millis(5);
        config.timing.delegation_retry = Duration::from_millis(5);
        config.timing.heartbeat = Duration::from_millis(100);
        let agent = Arc::new(Agent::new(config).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let card = server::card(&agent, &url);
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&agent), card, stop.clone()));
        Bench { setup: self, platform, agent, url, stop, serving, http: reqwest::Client::new() }
    }
}

/// A running agent.
pub struct Bench {
    pub setup: Setup,
    pub platform: PlatformStub,
    pub agent: Arc<Agent>,
    pub url: String,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    http: reqwest::Client,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// `message/send` or `message/stream` of a text.
pub fn message(id: &str, text: &str) -> Value {
    json!({"message": {"kind": "message", "role": "user", "messageId": id, "contextId": "talk", "parts": [{"kind": "text", "text": text}]}})
}

/// The text of a JSON-RPC answer that is a message.
pub fn text(answer: &Value) -> &str {
    answer["result"]["parts"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {answer}"))
}

impl Bench {
    /// Stops it and starts another one on the same files.
    pub async fn restart(mut self) -> Self {
        self.agent.turns.end_all(Duration::from_secs(5)).await;
        self.stop.cancel();
        self.serving.abort();
        let setup = std::mem::replace(&mut self.setup, Setup::new(""));
        setup.start().await
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.url))
    }

    /// Asks for a file as the platform does.
    pub fn file(&self, path: &str) -> reqwest::RequestBuilder {
        let mut url = reqwest::Url::parse(&format!("{}/internal/file/read", self.url)).unwrap();
        url.query_pairs_mut().append_pair("path", path);
        self.http.get(url)
    }

    pub async fn call(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let answer: Value = self.post("/").json(&request).send().await.unwrap().json().await.unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
        answer
    }

    pub async fn send(&self, id: &str, words: &str) -> Value {
        self.call("message/send", message(id, words)).await
    }

    /// Sends from a task of its own.
    pub fn sending(&self, id: &str, words: &str) -> JoinHandle<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": "message/send", "params": message(id, words)});
        let sent = self.post("/").json(&request).send();
        tokio::spawn(async move { sent.await.unwrap().json().await.unwrap() })
    }

    pub async fn stream(&self, method: &str, params: Value) -> Events {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let response = self.post("/").json(&request).send().await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, "text/event-stream");
        Events { response, buffer: String::new() }
    }

    /// Waits until the task of this id is in this state.
    pub async fn until(&self, id: &str, state: &str) -> Value {
        let waiting = async {
            loop {
                let answer = self.call("tasks/get", json!({"id": id})).await;
                if answer["result"]["status"]["state"] == state {
                    return answer["result"].clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .unwrap_or_else(|_| panic!("{id} never was {state}"))
    }
}

/// Events of a stream, one by one.
pub struct Events {
    response: reqwest::Response,
    buffer: String,
}

impl Events {
    /// The `result` of the next event.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let event: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
                self.buffer = rest.to_owned();
                assert_eq!(event["id"], 7);
                return Some(event["result"].clone());
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.buffer.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    pub async fn rest(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

/// The words of all `artifact-update`s.
pub fn words(events: &[Value]) -> String {
    let pieces = events.iter().filter(|event| event["kind"] == "artifact-update");
    pieces.filter_map(|event| event["artifact"]["parts"][0]["text"].as_str()).collect()
}

/// The data parts of all statuses.
pub fn shown(events: &[Value]) -> Vec<Value> {
    let parts = events.iter().map(|event| event["status"]["message"]["parts"][0]["data"].clone());
    parts.filter(Value::is_object).collect()
}

/// Waits for the first of several futures to be there, in whatever order.
pub async fn all<T: Send + 'static>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    futures_util::stream::iter(tasks).then(|task| async { task.await.unwrap() }).collect().await
}
