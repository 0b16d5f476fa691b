//! Bytes that script-type clients compare (40 §22), what the platform lives with (§21), and the status codes that
//! clients react to (§12).

use serde_json::{Value, json};

use super::external::{External, external};
use crate::support::{Answer, Api, FakeAgent, NOBODY, TestServer, eventually};

/// An agent that is called, with the API as it and as the person.
struct Pushed {
    server: TestServer,
    agent: FakeAgent,
    row: External,
    own: Api,
    admin: Api,
}

impl Pushed {
    async fn new() -> Self {
        Self::answered_by(FakeAgent::start().await).await
    }

    async fn answered_by(agent: FakeAgent) -> Self {
        let server = TestServer::start().await;
        let row = external(&server, "Pushed", json!({"delivery_mode": "push"})).await;
        let (own, admin) = (server.bearer(&row.token), server.admin());
        let body = json!({"id": row.id, "url": agent.url(), "agent_card": FakeAgent::card("Pushed")});
        own.post("/registry/register", &body).await.expect(200);
        Self { server, agent, row, own, admin }
    }

    fn path(&self, rest: &str) -> String {
        format!("/workspaces/{}{rest}", self.row.id)
    }

    async fn rows(&self, query: &str) -> Vec<Value> {
        let rows = self.admin.get(&self.path(&format!("/activity?{query}"))).await.expect(200);
        rows.as_array().unwrap().clone()
    }
}

fn says(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(words), "{words} is not in {}", answer.text());
}

fn message(parts: &Value) -> Value {
    json!({"method": "message/send", "params": {"message": {"role": "user", "messageId": uuid::Uuid::new_v4(), "parts": parts}}})
}

#[tokio::test]
async fn s40_22_answers_are_compact_and_say_the_words_that_scripts_look_for() {
    let t = Pushed::new().await;
    let body = json!({"id": t.row.id, "url": t.agent.url(), "agent_card": {"name": "Again"}});
    says(&t.own.post("/registry/register", &body).await, 200, r#""status":"registered""#);
    says(&t.own.post("/registry/heartbeat", &json!({"workspace_id": t.row.id})).await, 200, r#""status":"ok""#);
    let card = json!({"workspace_id": t.row.id, "agent_card": {"name": "Newer"}});
    says(&t.own.post("/registry/update-card", &card).await, 200, r#""status":"updated""#);
    let report = json!({"activity_type": "agent_log", "summary": "s"});
    says(&t.own.post(&t.path("/activity"), &report).await, 200, r#""status":"logged""#);
    let pair = json!({"caller_id": t.row.id, "target_id": t.row.id});
    says(&t.admin.post("/registry/check-access", &pair).await, 200, r#""allowed":true"#);
    says(&t.admin.put("/settings/secrets", &json!({"key": "A_KEY", "value": "v"})).await, 200, r#""status":"saved""#);
    says(&t.admin.get("/settings/secrets").await, 200, r#""has_value":true"#);
    says(&t.admin.delete("/settings/secrets/A_KEY").await, 200, r#""status":"deleted""#);
    says(&t.admin.patch(&t.path(""), &json!({"role": "r"})).await, 200, r#""status":"updated""#);
    let child = json!({"name": "Child", "external": true, "parent_id": t.row.id});
    t.admin.post("/workspaces", &child).await.expect(201);
    says(&t.admin.delete(&t.path("")).await, 409, r#""status":"confirmation_required""#);
    let removed = t.admin.delete(&t.path("?confirm=true")).await;
    says(&removed, 200, r#""status":"removed""#);
    says(&removed, 200, r#""cascade_deleted":1"#);
    // R-35: with the last row gone no workspace token is worth anything.
    t.own.post("/registry/heartbeat", &json!({"workspace_id": t.row.id})).await.expect(401);
}

#[tokio::test]
async fn s40_22_empty_is_a_list_and_every_key_stands_in_both_reads() {
    let server = TestServer::start().await;
    let admin = server.admin();
    assert_eq!(admin.get("/workspaces").await.text(), "[]");
    let row = external(&server, "Fresh", json!({})).await;
    let own = server.bearer(&row.token);
    for rest in ["/activity", "/delegations", "/approvals", "/memories", "/shared-context"] {
        let answer = own.get(&format!("/workspaces/{}{rest}", row.id)).await;
        if answer.status != 404 {
            assert_eq!(answer.text(), "[]", "{rest}");
        }
    }
    assert_eq!(own.get(&format!("/registry/{}/peers", row.id)).await.text(), "[]");
    assert_eq!(admin.get(&format!("/workspaces/{NOBODY}/activity")).await.text(), "[]", "an unknown id (40 §11)");
    let list = admin.get("/workspaces").await;
    let single = admin.get(&format!("/workspaces/{}", row.id)).await;
    for read in [&list, &single] {
        for text in [
            r#""agent_card":null"#,
            r#""current_task":"""#,
            r#""active_tasks":0"#,
            r#""uptime_seconds":0"#,
            r#""last_error_rate":0"#,
            r#""url":"""#,
        ] {
            says(read, 200, text);
        }
    }
    // An address is kept as it was written (R-63).
    let body =
        json!({"id": row.id, "url": "http://localhost:8001", "delivery_mode": "push", "agent_card": {"name": "F"}});
    own.post("/registry/register", &body).await.expect(200);
    says(&admin.get(&format!("/workspaces/{}", row.id)).await, 200, r#""url":"http://localhost:8001""#);
    let beat = json!({"workspace_id": row.id, "active_tasks": 2, "current_task": "reading", "uptime_seconds": 7});
    own.post("/registry/heartbeat", &beat).await.expect(200);
    says(&admin.get("/workspaces").await, 200, r#""current_task":"reading""#);
}

#[tokio::test]
async fn s40_22_error_texts_that_are_matched() {
    let t = Pushed::new().await;
    says(&t.admin.get(&format!("/registry/discover/{}", t.row.id)).await, 400, "X-Workspace-ID header is required");
    says(&t.own.post(&t.path("/activity"), &json!({"activity_type": "dance"})).await, 400, "invalid activity_type");
    says(&t.own.post(&t.path("/activity"), &json!({"summary": "s"})).await, 400, "ActivityType");
    let notice = json!({"message": "m", "attachments": [{"uri": "workspace:/a", "name": "a"}, {"name": "no uri"}]});
    says(&t.own.post(&t.path("/notify"), &notice).await, 400, "attachment[1]");
    // Test tokens are for development (R-3).
    let path = format!("/admin/workspaces/{}/test-token", t.row.id);
    assert_eq!(t.server.anonymous().get(&path).await.status, 404);
    let server = TestServer::development().await;
    let made = server.anonymous().post("/workspaces", &json!({"name": "Dev", "external": true})).await.expect(201);
    let path = format!("/admin/workspaces/{}/test-token", made["id"].as_str().unwrap());
    assert!(server.anonymous().get(&path).await.expect(200)["auth_token"].is_string());
}

#[tokio::test]
async fn s40_22_an_agents_bytes_are_handed_on_as_they_are() {
    let t = Pushed::answered_by(
        FakeAgent::answering(|seen| {
            let body = json!({"jsonrpc": "2.0", "id": seen.body["id"], "zebra": 1, "result": {"kind": "message", "role": "agent",
                "messageId": "a", "parts": [{"kind": "text", "text": "grüße"}], "apple": [1.0, 1e2]}});
            (200, body)
        })
        .await,
    )
    .await;
    let mut sent = message(&json!([{"kind": "text", "text": "x"}]));
    sent["jsonrpc"] = json!("2.0");
    sent["id"] = json!("mine");
    let answer = t.admin.post(&t.path("/a2a"), &sent).await;
    let expected = json!({"jsonrpc": "2.0", "id": "mine", "zebra": 1, "result": {"kind": "message", "role": "agent",
        "messageId": "a", "parts": [{"kind": "text", "text": "grüße"}], "apple": [1.0, 1e2]}});
    assert_eq!(answer.text(), expected.to_string());
    says(&answer, 200, r#""kind":"text""#);
}

#[tokio::test]
async fn s40_21_rows_2_9_10_13_what_clients_send_amiss_is_taken_or_plainly_refused() {
    let t = Pushed::new().await;
    // 2: a completion notice without a message.
    let answer = t.own.post(&t.path("/notify"), &json!({"type": "delegation_complete", "task": "t"})).await;
    assert!(answer.status == 400 && !answer.error().is_empty(), "{}", answer.text());
    assert!(!t.server.log().contains("ERROR"), "no noise in the log");
    // 9: queued is a state that agents report.
    let peer = external(&t.server, "Peer", json!({})).await;
    let record = json!({"target_id": peer.id, "task": "look", "delegation_id": uuid::Uuid::new_v4()});
    let recorded = t.own.post(&t.path("/delegations/record"), &record).await;
    recorded.expect(202);
    let path = t.path(&format!("/delegations/{}/update", record["delegation_id"].as_str().unwrap()));
    t.own.post(&path, &json!({"status": "queued"})).await.expect(200);
    let listed = t.own.get(&t.path("/delegations")).await.expect(200);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["status"]), (1, &json!("queued")));
    for key in ["id", "type", "delegation_id", "source_id", "target_id", "status", "summary", "created_at"] {
        assert!(listed[0].get(key).is_some(), "{key} in {listed}");
    }
    assert_eq!((&listed[0]["source_id"], &listed[0]["type"]), (&json!(t.row.id), &json!("delegation")));
    // 10: a side beat says nothing of the uptime and ends no wedge.
    let beat = |more: Value| {
        let mut body = json!({"workspace_id": t.row.id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    t.own.post("/registry/heartbeat", &beat(json!({"uptime_seconds": 90, "error_rate": 0.0}))).await.expect(200);
    let wedged = json!({"uptime_seconds": 120, "runtime_state": "wedged", "sample_error": "stuck"});
    t.own.post("/registry/heartbeat", &beat(wedged)).await.expect(200);
    let side = json!({"uptime_seconds": 0, "error_rate": 0.0, "active_tasks": 1, "current_task": "on it"});
    t.own.post("/registry/heartbeat", &beat(side)).await.expect(200);
    let shown = t.row.row(&t.server).await;
    assert_eq!(
        (&shown["status"], &shown["uptime_seconds"], &shown["current_task"]),
        (&json!("degraded"), &json!(120), &json!("on it"))
    );
    // 13: `workspace_id` for `id`.
    let body = json!({"workspace_id": t.row.id, "url": t.agent.url(), "agent_card": {"name": "By the old page"}});
    t.own.post("/registry/register", &body).await.expect(200);
    assert_eq!(t.row.row(&t.server).await["agent_card"]["name"], "By the old page");
}

#[tokio::test]
async fn s40_21_rows_3_4_5_messages_that_lack_something_reach_the_agent_whole() {
    let t = Pushed::new().await;
    let peer = external(&t.server, "Channel", json!({})).await;
    // 3: the channel plugin sends no role, and `type` for `kind`.
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": {
        "messageId": "c", "parts": [{"type": "text", "text": "from the channel"}]}}});
    let channel = t.server.bearer(&peer.token).with_header("X-Source-Workspace-Id", &peer.id);
    channel.post(&t.path("/a2a"), &body).await.expect(200);
    let got = t.agent.seen().pop().unwrap().body;
    assert_eq!((&got["params"]["message"]["role"], &got["id"]), (&json!("user"), &json!(1)));
    // 4: neither `jsonrpc` nor `id`, in both shapes.
    for kind in ["type", "kind"] {
        let parts = json!([{kind: "text", "text": "to myself"}]);
        let body = json!({"method": "message/send", "params": {"message": {"role": "user", "parts": parts}}});
        t.own.post(&t.path("/a2a"), &body).await.expect(200);
        let got = t.agent.seen().pop().unwrap().body;
        assert_eq!(got["jsonrpc"], "2.0");
        assert!(got["id"].is_string() && got["params"]["message"]["messageId"].is_string(), "{got}");
    }
    // 5: … and is the agent's own, not the person's.
    let rows = t.rows("type=a2a_receive").await;
    assert_eq!((&rows[0]["source_id"], &rows[0]["data"]["source"]), (&json!(t.row.id), &json!("self")));
    assert_eq!(rows[2]["source_id"], json!(peer.id));
    assert!(t.rows("type=a2a_receive&source=canvas").await.is_empty());
}

#[tokio::test]
async fn s40_21_rows_6_8_12_pollers_find_their_mail_and_nobody_dials_a_placeholder() {
    let server = TestServer::start().await;
    let poller = external(&server, "Poller", json!({})).await;
    let peer = external(&server, "Peer", json!({"role": "Asks"})).await;
    let own = server.bearer(&poller.token);
    // 8: what the SDK says where it has no address.
    let body = json!({"id": poller.id, "url": "remote://no-inbound", "agent_card": {"name": "Poller"}});
    assert_eq!(own.post("/registry/register", &body).await.expect(200)["delivery_mode"], "poll");
    let pushed =
        json!({"id": poller.id, "url": "remote://no-inbound", "delivery_mode": "push", "agent_card": {"name": "P"}});
    own.post("/registry/register", &pushed).await.expect(400);
    let answer = poller.says(&server, "from you").await;
    assert_eq!(answer, json!({"status": "queued", "delivery_mode": "poll", "method": "message/send"}));
    poller.sent_by(&server.bearer(&peer.token), "from a peer").await;
    // 6: `data` beside the row, oldest first wherever something since is asked.
    let path = format!("/workspaces/{}/activity?type=a2a_receive", poller.id);
    for query in ["", "&since_secs=60"] {
        let rows = own.get(&format!("{path}{query}")).await.expect(200);
        let texts: Vec<&Value> = rows.as_array().unwrap().iter().map(|row| &row["data"]["text"]).collect();
        assert_eq!(texts, [&json!("from you"), &json!("from a peer")], "{query}");
        assert_eq!(rows[0]["type"], "a2a_receive");
        assert_eq!((&rows[0]["data"]["source"], &rows[0]["data"]["peer_name"]), (&json!("canvas_user"), &json!("")));
        assert_eq!((&rows[1]["data"]["source"], &rows[1]["data"]["peer_name"]), (&json!("peer_agent"), &json!("Peer")));
        assert_eq!(rows[1]["data"]["peer_role"], "Asks");
        assert!(rows[0]["request_body"].is_object() && rows[0]["source_id"].is_null());
    }
    // 12: where a peer is found is where it can be written to, from here.
    let found = server.bearer(&peer.token).with_header("X-Workspace-ID", &peer.id);
    let found = found.get(&format!("/registry/discover/{}", poller.id)).await.expect(200);
    let url = found["url"].as_str().unwrap();
    let posted =
        Api::new(url, Some(&peer.token)).post("", &message(&json!([{"kind": "text", "text": "found you"}]))).await;
    assert_eq!(posted.expect(200)["status"], "queued");
}

#[tokio::test]
async fn s40_21_row_11_a_client_that_gives_up_ends_nothing() {
    let t = Pushed::answered_by(FakeAgent::holding().await).await;
    let asked = t
        .admin
        .request(reqwest::Method::POST, &t.path("/a2a"))
        .json(&message(&json!([{"kind": "text", "text": "slow"}])));
    let waiting = tokio::spawn(t.admin.clone().try_send_owned(asked));
    eventually("the agent to be asked", || async {
        if t.agent.seen().is_empty() { Err("nothing came") } else { Ok(()) }
    })
    .await;
    waiting.abort();
    drop(waiting.await);
    t.agent.release();
    eventually("the answer in the log", || async {
        let rows = t.rows("type=a2a_receive").await;
        let answered = rows.iter().any(|row| row["response_body"]["result"]["parts"][0]["text"] == "at last");
        if answered { Ok(()) } else { Err(json!(rows).to_string()) }
    })
    .await;
}

#[tokio::test]
async fn s40_21_row_14_a_v1_agent_that_declares_nothing_is_asked_as_the_caller_asks() {
    let t = Pushed::answered_by(
        FakeAgent::answering(|seen| {
            let v1 = seen.headers.get("a2a-version").is_some_and(|version| version == "1.0");
            let result = json!({"message": {"messageId": "a", "role": "ROLE_AGENT", "parts": [{"text": "v1"}]}});
            let error = json!({"code": -32009, "message": "version not supported"});
            let member = if v1 && seen.body["method"] == "SendMessage" { ("result", result) } else { ("error", error) };
            (200, json!({"jsonrpc": "2.0", "id": seen.body["id"], member.0: member.1}))
        })
        .await,
    )
    .await;
    let v1 = json!({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": {
        "messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]}}});
    let answer = t.admin.with_header("A2A-Version", "1.0").post(&t.path("/a2a"), &v1).await.expect(200);
    assert_eq!(answer["result"]["message"]["parts"][0]["text"], "v1");
    let old = t.admin.post(&t.path("/a2a"), &message(&json!([{"kind": "text", "text": "hello"}]))).await.expect(200);
    assert_eq!(old["error"]["code"], -32009, "a JSON-RPC error is an answer (10 §9.9)");
}

#[tokio::test]
async fn s40_12_every_status_that_clients_react_to() {
    let t = Pushed::new().await;
    let peer = external(&t.server, "Peer", json!({})).await;
    // 202 exactly for a delegation, again for the same key.
    let task = json!({"target_id": peer.id, "task": "look", "idempotency_key": "k"});
    let first = t.own.post(&t.path("/delegate"), &task).await.expect(202);
    let again = t.own.post(&t.path("/delegate"), &task).await.expect(202);
    assert_eq!(again["delegation_id"], first["delegation_id"]);
    // 201, 200 and 400 as listed.
    t.own.post(&t.path("/approvals"), &json!({"action": "a", "reason": "r"})).await.expect(201);
    t.own.post(&t.path("/memories"), &json!({"content": "c", "scope": "LOCAL"})).await.expect(201);
    t.own.post(&t.path("/notify"), &json!({"message": "m"})).await.expect(200);
    t.own.post(&t.path("/delegate"), &json!({"target_id": t.row.id, "task": "self"})).await.expect(400);
    t.own.post(&t.path("/delegate"), &json!({"target_id": "no-id", "task": "x"})).await.expect(400);
    t.own.post(&t.path("/delegate"), &json!({"task": "without a target"})).await.expect(400);
    // 401 on a beat is how an agent learns that its token is gone; 403 and 404 that nobody is there for it.
    let beat = json!({"workspace_id": t.row.id});
    t.server.bearer("guess").post("/registry/heartbeat", &beat).await.expect(401);
    let named = t.own.with_header("X-Workspace-ID", &t.row.id);
    named.get(&format!("/registry/discover/{NOBODY}")).await.expect(403);
    let text = message(&json!([{"kind": "text", "text": "x"}]));
    t.own.post(&format!("/workspaces/{NOBODY}/a2a"), &text).await.expect(403);
    t.admin.post(&format!("/workspaces/{NOBODY}/a2a"), &text).await.expect(404);
    t.admin.get(&format!("/workspaces/{NOBODY}/state")).await.expect(404);
    for forged in ["webhook:x", "system:x", "test:x", "channel:x"] {
        t.own.with_header("X-Workspace-ID", forged).post(&t.path("/a2a"), &text).await.expect(403);
    }
    // 402 before anything is written.
    let poor = external(&t.server, "Poor", json!({"budget_limit": 0})).await;
    t.admin.post(&format!("/workspaces/{}/a2a", poor.id), &text).await.expect(402);
    assert!(poor.told(&t.server).await.is_empty());
    // 410 for a cursor that is unknown, foreign or malformed; never a 200 that would start from the beginning.
    let foreign = peer.says(&t.server, "theirs").await;
    assert_eq!(foreign["status"], "queued");
    let theirs = t.admin.get(&format!("/workspaces/{}/activity", peer.id)).await.expect(200);
    for cursor in [NOBODY, "00000000-0000-0000-0000-000000000000", theirs[0]["id"].as_str().unwrap()] {
        t.own.get(&t.path(&format!("/activity?since_id={cursor}"))).await.expect(410);
    }
    // 429 tells when to come back.
    let limited = TestServer::builder().env("RATE_LIMIT", "3").start().await;
    let mut last = limited.anonymous().get("/health").await;
    for _ in 0..5 {
        last = limited.anonymous().get("/workspaces").await;
    }
    assert_eq!(last.status, 429);
    assert!(last.header("retry-after").and_then(|text| text.parse::<u64>().ok()).is_some_and(|seconds| seconds > 0));
}

#[tokio::test]
async fn s142_s40_8_2_a_poll_agent_is_never_asked_about() {
    let server = TestServer::start().await;
    let poller = external(&server, "Poller", json!({"delivery_mode": "poll"})).await;
    for method in ["message/send", "message/stream", "SendMessage", "tasks/get"] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": {"role": "user", "parts": [{"kind": "text", "text": "x"}]}}});
        let answer = server.admin().post(&format!("/workspaces/{}/a2a", poller.id), &body).await;
        let expected = format!(r#"{{"status":"queued","delivery_mode":"poll","method":"{method}"}}"#);
        assert_eq!((answer.status, answer.text()), (200, expected));
    }
}

#[tokio::test]
async fn s141_an_agents_refusal_is_its_status_with_its_own_words() {
    for (body, text) in [
        (json!({"error": "out of paper"}), "out of paper"),
        (json!({"error": {"code": 1}}), "I'm a teapot"),
        (json!({}), "I'm a teapot"),
        (json!(null), "I'm a teapot"),
    ] {
        let told = body.clone();
        let t = Pushed::answered_by(FakeAgent::answering(move |_| (418, told.clone())).await).await;
        let answer = t.admin.post(&t.path("/a2a"), &message(&json!([{"kind": "text", "text": "x"}]))).await;
        assert_eq!((answer.status, answer.error().as_str()), (418, text), "{body}");
    }
}
