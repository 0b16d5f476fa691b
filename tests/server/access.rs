//! S2 of the targets: every operation of `/openapi.json` with every kind of caller, in the closed mode and in
//! development.
//!
//! What each route needs is read from the document (`x-molecule-access`), where the routes' own
//! declarations put it. A route without that word fails here, and so does one that decides by itself
//! (`handler`) and has no row below.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api, NOBODY, TestServer};

/// Who asks. Each of the seven kinds, and the workspace's own base URL beside its own bearer.
const CALLERS: [&str; 8] = ["none", "wrong", "another's", "own", "own, by base URL", "org", "admin", "canvas"];

/// A route whose handler asks who it is, and whom it lets in: `y` or `n` for each of [`CALLERS`].
struct Asked {
    method: &'static str,
    path: &'static str,
    /// `X-Workspace-ID`: the workspace in the path, or none.
    named: bool,
    closed: &'static str,
    development: &'static str,
}

const fn asked(
    method: &'static str,
    path: &'static str,
    named: bool,
    closed: &'static str,
    development: &'static str,
) -> Asked {
    Asked { method, path, named, closed, development }
}

/// `{id}` is a root workspace that has a live token; "another's" is another root's.
const ASKED_BY_THE_HANDLER: [Asked; 14] = [
    // 10 §15.1: whoever names a workspace must be it, development or not (10 §2.5).
    asked("get", "/ws", false, "nnyyyyyy", "ynyyyyyy"),
    asked("get", "/ws", true, "nnnyynnn", "nnnyynnn"),
    // 10 §9.2: roots may write to each other; development knows callers without an identity.
    asked("post", "/workspaces/{id}/a2a", false, "nnyyyyyy", "yyyyyyyy"),
    // … and the target's own id is believed there; elsewhere the bearer is the authority (S076, S077).
    asked("post", "/workspaces/{id}/a2a", true, "nnnyyyyy", "yyyyyyyy"),
    // 10 §2.9: neither the person nor another agent speaks for one that has a token.
    asked("post", "/registry/register", false, "nnnyynnn", "nnnyynnn"),
    asked("post", "/registry/heartbeat", false, "nnnyynnn", "nnnyynnn"),
    asked("post", "/registry/update-card", false, "nnnyynnn", "nnnyynnn"),
    // 10 §7.1, R-27: the subject itself and the person.
    asked("get", "/registry/discover/{id}", true, "nnnyyyyy", "yyyyyyyy"),
    asked("get", "/registry/{id}/peers", false, "nnnyyyyy", "yyyyyyyy"),
    // As behind the guard; only what was deleted says more (40 §12).
    asked("get", "/workspaces/{id}/state", false, "nnnyyyyy", "ynnyyyyy"),
    // 10 §7.5: whoever may talk to it, and roots may talk to each other.
    asked("get", "/workspaces/{id}/a2a/.well-known/{card}", false, "nnyyyyyy", "ynyyyyyy"),
    asked("get", "/workspaces/{id}/.well-known/{card}", false, "nnyyyyyy", "ynyyyyyy"),
    // Nobody is shown the door: a message that is not one's own is not there (10 §10.4).
    asked("get", "/workspaces/{id}/a2a/queue/{queue_id}", false, "yyyyyyyy", "yyyyyyyy"),
    // Not there at all unless test tokens are on, and then for whoever asks (10 §17.3, R-3).
    asked("get", "/admin/workspaces/{id}/test-token", false, "yyyyyyyy", "yyyyyyyy"),
];

/// Routes behind a guard that ask once more, with the text they then refuse with: values of secrets are for the
/// workspace's own agent even where a person stands in front of them (20 §9.2) or nobody in development, and the
/// tools' limiter counts bearers in development too (10 §1.3).
const ASKED_AGAIN: [(&str, &str); 4] = [
    ("/workspaces/{id}/secrets/values", "invalid workspace auth token"),
    ("/workspaces/{id}/secrets/values", "missing workspace auth token"),
    ("/workspaces/{id}/mcp", "missing bearer token"),
    ("/workspaces/{id}/mcp/stream", "missing bearer token"),
];

/// R-35, and nothing else. (What `POST /launch` needs is a ticket.)
const OPEN: [(&str, &str); 10] = [
    ("get", "/health"),
    ("get", "/buildinfo"),
    ("get", "/metrics"),
    ("get", "/openapi.json"),
    ("get", "/docs"),
    ("post", "/launch"),
    ("get", "/workspaces/{id}"),
    ("get", "/plugins"),
    ("get", "/plugins/sources"),
    ("get", "/channels/adapters"),
];

struct Route {
    method: String,
    path: String,
    access: String,
}

impl Route {
    fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    /// The path about workspace `id`; whatever else it names does not exist.
    fn about(&self, id: &str) -> String {
        let parts = self.path.split('/').map(|part| match part {
            "{id}" => id,
            part if part.starts_with('{') => NOBODY,
            part => part,
        });
        parts.collect::<Vec<_>>().join("/")
    }

    async fn ask(&self, caller: &Api, id: &str) -> Answer {
        let method = Method::from_bytes(self.method.to_ascii_uppercase().as_bytes()).unwrap();
        let request = caller.request(method.clone(), &self.about(id));
        // Bodies that name a workspace name this one; everything else about them is missing.
        let mut body = json!({"workspace_id": id, "agent_card": {}, "caller_id": id, "target_id": id});
        if self.path == "/registry/register" {
            body = json!({"id": id, "agent_card": {}});
        }
        let request = if method == Method::GET { request } else { request.json(&body) };
        // A stream of events answers with its head; that is all that is asked here.
        let built = caller.try_head(request).await;
        built.unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path))
    }
}

async fn routes(server: &TestServer) -> Vec<Route> {
    let document: Value = server.anonymous().get("/openapi.json").await.expect(200);
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                continue;
            }
            let access = operation["x-molecule-access"].as_str();
            let access = access.unwrap_or_else(|| panic!("{method} {path} does not say what it needs"));
            routes.push(Route { method: method.clone(), path: path.clone(), access: access.to_owned() });
        }
    }
    assert!(routes.len() > 40, "only {} routes in the document", routes.len());
    routes
}

/// A workspace with a live token, for one question only: a valid caller may well delete it.
async fn workspace(server: &TestServer) -> (String, String) {
    let admin = server.admin();
    let row = admin.post("/workspaces", &json!({"name": "Asked", "external": true})).await.expect(201);
    let id = row["id"].as_str().unwrap().to_owned();
    let token = admin.post(&format!("/workspaces/{id}/tokens"), &json!({})).await.expect(201);
    (id, token["auth_token"].as_str().unwrap().to_owned())
}

/// A base URL that speaks as this workspace, without any header.
async fn base_url(server: &TestServer, id: &str) -> Api {
    let made = server.admin().post(&format!("/workspaces/{id}/tokens"), &json!({"kind": "url"})).await.expect(201);
    server.by_url(made["url"].as_str().unwrap())
}

async fn org_token(server: &TestServer) -> String {
    let made = server.admin().post("/org/tokens", &json!({"name": "a test"})).await.expect(200);
    made["auth_token"].as_str().unwrap().to_owned()
}

/// What every question of one matrix shares: the workspace that refused callers ask about, since whoever is
/// refused changes nothing, and a stranger's token.
struct Bench<'a> {
    server: &'a TestServer,
    shared: (String, String),
    strangers: String,
}

impl<'a> Bench<'a> {
    async fn of(server: &'a TestServer) -> Self {
        let (_, strangers) = workspace(server).await;
        Self { server, shared: workspace(server).await, strangers }
    }

    async fn caller(&self, kind: &str, id: &str, own: &str) -> Api {
        let server = self.server;
        match kind {
            "none" => server.anonymous(),
            "wrong" => server.bearer("guess"),
            "another's" => server.bearer(&self.strangers),
            "own" => server.bearer(own),
            "own, by base URL" => base_url(server, id).await,
            // Made for this question: a route may revoke what it was asked with.
            "org" => server.bearer(&org_token(server).await),
            "admin" => server.admin(),
            "canvas" => server.canvas().await,
            other => panic!("no such caller: {other}"),
        }
    }

    /// Asks `route` as each kind of caller and says where the answer is not as `admitted` has it.
    async fn mismatches(&self, route: &Route, named: bool, admitted: &str) -> Vec<String> {
        assert_eq!(admitted.len(), CALLERS.len());
        let mut wrong = Vec::new();
        for (kind, expected) in CALLERS.into_iter().zip(admitted.bytes().map(|byte| byte == b'y')) {
            let (id, own) = if expected { workspace(self.server).await } else { self.shared.clone() };
            let caller = self.caller(kind, &id, &own).await;
            let caller = if named { caller.with_header("X-Workspace-ID", &id) } else { caller };
            let answer = route.ask(&caller, &id).await;
            let refused = [401, 403].contains(&answer.status) && !(expected && asks_again(route, kind, &answer));
            // what makes tickets does not exist under a base URL, admitted or not.
            let hidden = kind == "own, by base URL" && answer.text() == "404 page not found";
            if (refused || hidden && !expected) == expected {
                let Route { method, path, access } = route;
                let text = answer.text();
                wrong.push(format!("{method} {path} ({access}, named: {named}): {kind} got {} {text}", answer.status));
            }
            assert_ne!(answer.status, 500, "{} {}: {}", route.method, route.path, answer.text());
        }
        wrong
    }
}

fn asks_again(route: &Route, kind: &str, answer: &Answer) -> bool {
    let known = ASKED_AGAIN.iter().any(|(path, text)| route.path == *path && answer.error() == *text);
    known && ["none", "org", "admin", "canvas"].contains(&kind)
}

/// Whom a guarded route lets in: `y` or `n` for each of [`CALLERS`]. None where the handler decides.
fn admitted(route: &Route, development: bool) -> Option<&'static str> {
    Some(match (route.access.as_str(), development) {
        ("open", _) => "yyyyyyyy",
        ("workspace", false) => "nnnyyyyy",
        ("admin", false) => "nnnnnyyy",
        ("credential", false) => "nnyyyyyy",
        // 10 §2.3: no bearer is let in, a bad one is not. §2.4: the bearer is not even looked at. R-69.
        ("workspace", true) => "ynnyyyyy",
        ("admin", true) => "yyyyyyyy",
        ("credential", true) => "ynyyyyyy",
        ("handler", _) => return None,
        (other, _) => panic!("{} {}: unknown access {other}", route.method, route.path),
    })
}

async fn matrix(server: &TestServer, development: bool) {
    let bench = Bench::of(server).await;
    let (mut wrong, mut met) = (Vec::new(), BTreeSet::new());
    for route in routes(server).await {
        if let Some(admitted) = admitted(&route, development) {
            wrong.extend(bench.mismatches(&route, false, admitted).await);
            continue;
        }
        let rows: Vec<&Asked> = ASKED_BY_THE_HANDLER.iter().filter(|row| route.is(row.method, row.path)).collect();
        if rows.is_empty() {
            wrong.push(format!("{} {} decides by itself and has no row here", route.method, route.path));
        }
        for row in rows {
            met.insert((row.method, row.path));
            let admitted = if development { row.development } else { row.closed };
            wrong.extend(bench.mismatches(&route, row.named, admitted).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let rows: BTreeSet<_> = ASKED_BY_THE_HANDLER.iter().map(|row| (row.method, row.path)).collect();
    let idle: Vec<_> = rows.difference(&met).collect();
    assert!(idle.is_empty(), "rows about routes that do not exist: {idle:?}");
}

#[tokio::test]
async fn s2_done_when_3_every_operation_with_every_caller() {
    matrix(&TestServer::start().await, false).await;
}

/// what development opens, and what it keeps shut.
#[tokio::test]
async fn s2_r3_r69_r99_every_operation_with_every_caller_in_development() {
    matrix(&TestServer::development().await, true).await;
}

#[tokio::test]
async fn r35_nothing_else_is_open() {
    let server = TestServer::start().await;
    let routes = routes(&server).await;
    let known = |route: &&Route| OPEN.iter().any(|(method, path)| route.is(method, path));
    let more: Vec<String> = routes
        .iter()
        .filter(|route| route.access == "open")
        .filter(|route| !known(route) && !route.path.starts_with("/docs/"))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert!(more.is_empty(), "open, and not on the list of R-35: {more:?}");
}
