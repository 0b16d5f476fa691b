//! S2 of the targets: every route of `/openapi.json` with every kind of caller.
//!
//! What each route needs is read from the document (`x-molecule-access`), where the routes' own
//! declarations put it. A route without that word fails here, and so does one that is open and not on
//! the list of R-35, or one that decides by itself (`handler`) and has no row below.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Api, FakeAgent, NOBODY, TestServer};

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

/// Routes whose handler asks who it is, and what it tells somebody without a credential.
///
/// `{id}` is a workspace that has a live token. 401: shown the door. The three registry routes take an
/// existing row without a live token; that they do, and only that, has tests of its own below.
const ASKED_BY_THE_HANDLER: [(&str, &str, &[u16]); 11] = [
    ("get", "/ws", &[401]),
    ("post", "/workspaces/{id}/a2a", &[401]),
    ("get", "/workspaces/{id}", &[200]),
    // … and for the body before the token (10 §4.2).
    ("post", "/registry/register", &[400, 401]),
    ("post", "/registry/heartbeat", &[401]),
    ("post", "/registry/update-card", &[401]),
    // The contract looks for the header first (10 §7.2).
    ("get", "/registry/discover/{id}", &[400, 401]),
    ("get", "/registry/{id}/peers", &[401]),
    ("post", "/registry/check-access", &[401]),
    ("put", "/canvas/viewport", &[401]),
    // Not there at all unless test tokens are on.
    ("get", "/admin/workspaces/{id}/test-token", &[404]),
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
        let body = json!({"id": id, "workspace_id": id, "agent_card": {}, "caller_id": id, "target_id": id});
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

/// A workspace with a live token, for one route only: a valid caller may well delete it.
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

fn refused(answer: &Answer) -> bool {
    [401, 403].contains(&answer.status)
}

const CALLERS: [&str; 8] = ["none", "wrong", "another's", "own", "own, by base URL", "org", "admin", "canvas"];

#[tokio::test]
async fn s2_done_when_6_every_route_with_every_caller() {
    let server = TestServer::start().await;
    let (_, strangers) = workspace(&server).await;
    let shared = workspace(&server).await;
    let mut wrong = Vec::new();
    for route in routes(&server).await {
        // Who gets in: none, a wrong bearer, another workspace, the own one, its base URL, org, admin, canvas.
        let admitted = match route.access.as_str() {
            "open" => "yyyyyyyy",
            "workspace" => "nnnyyyyy",
            "admin" => "nnnnnyyy",
            "credential" => "nnyyyyyy",
            "handler" => continue,
            other => panic!("{} {}: unknown access {other}", route.method, route.path),
        };
        for (at, kind) in CALLERS.into_iter().enumerate() {
            let expected = admitted.as_bytes()[at] == b'y';
            // Whoever is refused changes nothing, and can be refused at the same one.
            let (id, own) = if expected { workspace(&server).await } else { shared.clone() };
            let caller = match kind {
                "none" => server.anonymous(),
                "wrong" => server.bearer("guess"),
                "another's" => server.bearer(&strangers),
                "own" => server.bearer(&own),
                "own, by base URL" => base_url(&server, &id).await,
                "org" => server.bearer(&org_token(&server).await),
                "admin" => server.admin(),
                _ => server.canvas().await,
            };
            let answer = route.ask(&caller, &id).await;
            let person = ["org", "admin", "canvas"].contains(&kind);
            // what makes tickets does not exist under a base URL.
            let hidden = kind == "own, by base URL" && answer.text() == "404 page not found";
            let got = !(refused(&answer) || hidden && !expected) || (person && says_more_than_who(&route, &answer));
            if got != expected {
                wrong.push(format!(
                    "{} {} ({}): {kind} got {} {}",
                    route.method,
                    route.path,
                    route.access,
                    answer.status,
                    answer.text()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `GET …/secrets/values` is the one guarded route that asks again: it is for the workspace's own agent
/// even where the person stands in front of it (20 §9.2).
fn says_more_than_who(route: &Route, answer: &Answer) -> bool {
    route.path == "/workspaces/{id}/secrets/values" && answer.error() == "invalid workspace auth token"
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

#[tokio::test]
async fn s2_routes_that_ask_themselves_refuse_somebody_without_a_credential() {
    let server = TestServer::start().await;
    let (id, _) = workspace(&server).await;
    let mut wrong = Vec::new();
    let mut met = BTreeSet::new();
    for route in routes(&server).await.into_iter().filter(|route| route.access == "handler") {
        let row = ASKED_BY_THE_HANDLER.iter().find(|(method, path, _)| route.is(method, path));
        let Some((method, path, expected)) = row else {
            wrong.push(format!("{} {} has no row here", route.method, route.path));
            continue;
        };
        met.insert((*method, *path));
        for caller in [server.anonymous(), server.bearer("guess")] {
            let answer = route.ask(&caller, &id).await;
            if !expected.contains(&answer.status) {
                wrong.push(format!("{method} {path}: {} {}", answer.status, answer.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(met.len() >= 3, "the rows above are about routes that exist: {met:?}");
}

/// the stripped object for whoever asks, the whole one for the person and the agent itself.
#[tokio::test]
async fn r41_r72_a_workspace_shows_a_stranger_only_its_outside() {
    let server = TestServer::start().await;
    let (id, own) = workspace(&server).await;
    let (_, strangers) = workspace(&server).await;
    let path = format!("/workspaces/{id}");
    let hidden = ["budget_limit", "monthly_spend", "current_task", "last_sample_error", "workspace_dir"];
    for caller in [server.anonymous(), server.bearer("guess"), server.bearer(&strangers)] {
        let shown = caller.get(&path).await.expect(200);
        let leaked: Vec<&&str> = hidden.iter().filter(|key| shown.get(**key).is_some()).collect();
        assert!(leaked.is_empty(), "{leaked:?} in {shown}");
    }
    for caller in [server.bearer(&own), server.admin(), server.canvas().await] {
        let shown = caller.get(&path).await.expect(200);
        assert!(hidden.iter().all(|key| shown.get(*key).is_some()), "{shown}");
    }
}

/// register, heartbeat and update-card work without a credential for an existing row that has no
/// live token, and stop doing so once it has one.
#[tokio::test]
async fn r35_an_existing_row_without_a_live_token_may_register_itself() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let agent = FakeAgent::start().await;
    let row = admin.post("/workspaces", &json!({"name": "Bare", "external": true})).await.expect(201);
    let id = row["id"].as_str().unwrap().to_owned();
    let tokens = admin.get(&format!("/workspaces/{id}/tokens")).await.expect(200);
    let beat = json!({"workspace_id": id});
    let card = json!({"id": id, "url": agent.url(), "delivery_mode": "push", "agent_card": FakeAgent::card("Bare")});
    server.anonymous().post("/registry/register", &card).await.expect(401);
    server.anonymous().post("/registry/heartbeat", &beat).await.expect(401);
    for token in tokens["tokens"].as_array().unwrap() {
        let path = format!("/workspaces/{id}/tokens/{}", token["id"].as_str().unwrap());
        admin.delete(&path).await.expect(200);
    }
    server.anonymous().post("/registry/heartbeat", &beat).await.expect(200);
    let registered = server.anonymous().post("/registry/register", &card).await.expect(200);
    let token = registered["auth_token"].as_str().unwrap();
    server.anonymous().post("/registry/register", &card).await.expect(401);
    server.bearer("guess").post("/registry/heartbeat", &beat).await.expect(401);
    server.bearer(token).post("/registry/heartbeat", &beat).await.expect(200);
    let update = json!({"workspace_id": id, "agent_card": {}});
    server.anonymous().post("/registry/update-card", &update).await.expect(401);
    server.bearer(token).post("/registry/update-card", &update).await.expect(200);
}

/// an unknown id needs a credential, unless the person let new agents in for some minutes.
#[tokio::test]
async fn r35_an_unknown_id_registers_only_while_the_person_lets_new_agents_in() {
    let server = TestServer::start().await;
    let agent = FakeAgent::start().await;
    let ask =
        |id: &str| json!({"id": id, "url": agent.url(), "delivery_mode": "push", "agent_card": FakeAgent::card("New")});
    let fresh = || uuid::Uuid::new_v4().to_string();
    let refused = server.anonymous().post("/registry/register", &ask(&fresh())).await;
    refused.expect(401);
    assert!(
        refused.error().contains("Accept new local agents"),
        "it says what the person can switch on: {}",
        refused.error()
    );
    assert_eq!(server.admin().get("/workspaces").await.expect(200), json!([]), "no row was made");

    server.admin().post("/app/accept-agents", &json!({"minutes": 10})).await.expect(200);
    let id = fresh();
    let taken = server.anonymous().post("/registry/register", &ask(&id)).await.expect(200);
    assert!(taken["auth_token"].is_string());
    let state = server.state().await;
    assert!(state["accepting_agents_until"].is_string(), "{state}");
    server.anonymous().post("/registry/register", &ask(&id)).await.expect(401);

    server.admin().post("/app/accept-agents", &json!({"minutes": 0})).await.expect(200);
    server.anonymous().post("/registry/register", &ask(&fresh())).await.expect(401);
    server.admin().post("/registry/register", &ask(&fresh())).await.expect(200);
}

/// 10 §2.2: a removed workspace's tokens are worth nothing.
#[tokio::test]
async fn s094_a_removed_workspace_has_no_credential() {
    let server = TestServer::start().await;
    let (id, own) = workspace(&server).await;
    let own = server.bearer(&own);
    own.get(&format!("/workspaces/{id}/activity")).await.expect(200);
    server.admin().delete(&format!("/workspaces/{id}?confirm=true")).await.expect(200);
    own.get(&format!("/workspaces/{id}/activity")).await.expect(401);
    own.post("/registry/heartbeat", &json!({"workspace_id": id})).await.expect(401);
    let gone = server.anonymous().get(&format!("/workspaces/{id}")).await;
    assert_eq!(gone.expect(410)["id"], id.as_str());
}

#[tokio::test]
async fn r3_in_development_the_contract_s_own_doors_are_open() {
    let server = TestServer::development().await;
    let anonymous = server.anonymous();
    anonymous.get("/workspaces").await.expect(200);
    let row = anonymous.post("/workspaces", &json!({"name": "Free", "external": true})).await.expect(201);
    let id = row["id"].as_str().unwrap();
    anonymous.get(&format!("/workspaces/{id}/activity")).await.expect(200);
    anonymous.get("/canvas/viewport").await.expect(200);
    server.bearer("guess").get(&format!("/workspaces/{id}/activity")).await.expect(401);
    // ADMIN_TOKEN closes it again (10 §2.5).
    let closed = TestServer::builder().env("MOLECULE_ENV", "development").env("ADMIN_TOKEN", "mine").start().await;
    closed.anonymous().get("/workspaces").await.expect(401);
}
