//! The MCP bridge's protocol, limit and stream (10 §16.1, §16.2, §1.3).

use std::sync::Arc;

use futures_util::StreamExt;
use molecule_model::Timestamp;
use molecule_platform::ManualClock;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::bed::{Bed, Known};

pub async fn post(bed: &Bed, to: &Known, body: impl Into<reqwest::Body>) -> Response {
    bed.post(&format!("/workspaces/{}/mcp", to.id)).bearer_auth(&to.token).body(body).send().await.unwrap()
}

async fn raw(bed: &Bed, to: &Known, body: &'static str) -> (u16, String) {
    let answer = post(bed, to, body).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

pub fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn s158_the_protocol_to_the_letter() {
    let bed = Bed::new().await;
    let a = bed.workspace("A", None).await;
    let table = [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#,
            200,
            r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2024-11-05","capabilities":{"tools":{"listChanged":false}},"serverInfo":{"name":"molecule-a2a","version":"1.0.0"}}}"#,
        ),
        (r#"{"method":"notifications/initialized"}"#, 200, r#"{"jsonrpc":"2.0","id":null}"#),
        // The id comes back as it was written.
        (
            r#"{"id":1.50,"method":"x"}"#,
            200,
            r#"{"jsonrpc":"2.0","id":1.50,"error":{"code":-32601,"message":"method not found: x"}}"#,
        ),
        (
            r#"{"id":"\u00e9","method":"ping"}"#,
            200,
            r#"{"jsonrpc":"2.0","id":"\u00e9","error":{"code":-32601,"message":"method not found: ping"}}"#,
        ),
        (
            r#"{"id":null}"#,
            200,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"method not found: "}}"#,
        ),
        (
            r#"{"id":2,"method":"tools/call","params":{"name":"fly"}}"#,
            200,
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"unknown tool: fly"}}"#,
        ),
    ];
    for (sent, status, expected) in table {
        assert_eq!(raw(&bed, &a, sent).await, (status, expected.to_owned()), "{sent}");
    }
    let answer = post(&bed, &a, "{}").await;
    assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
    for sent in
        ["", "{", "nope", "[]", r#"[{"method":"initialize"}]"#, r#"{"method":5}"#, "\u{0}", r#"{"id":1,"id":2}"#]
    {
        let (status, answer) = raw(&bed, &a, sent).await;
        let answer = json_of(&answer);
        assert_eq!((status, &answer["id"], &answer["error"]["code"]), (400, &Value::Null, &json!(-32700)), "{sent}");
        assert!(answer["error"]["message"].as_str().unwrap().starts_with("parse error: "), "{answer}");
    }
    for params in [
        "",
        r#","params":null"#,
        r#","params":[]"#,
        r#","params":"x""#,
        r#","params":{"name":5}"#,
        r#","params":{"name":"list_peers","arguments":[1]}"#,
    ] {
        let answer = post(&bed, &a, format!(r#"{{"id":3,"method":"tools/call"{params}}}"#)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(3), &json!(-32602)), "{params}");
        assert!(answer["error"]["message"].as_str().unwrap().starts_with("invalid params: "), "{answer}");
    }
    let deep = format!(r#"{{"params":{}}}"#, "[".repeat(100_000));
    assert_eq!(post(&bed, &a, deep).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(post(&bed, &a, vec![b' '; 9 << 20]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let none = bed.get(&format!("/workspaces/{}/mcp", a.id)).bearer_auth(&a.token).send().await.unwrap();
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s202_the_tools_and_what_they_take() {
    for allowed in [false, true] {
        let bed = Bed::with(|config| config.mcp_send_message = allowed).await;
        let a = bed.workspace("A", None).await;
        let (_, answer) = raw(&bed, &a, r#"{"id":1,"method":"tools/list"}"#).await;
        let answer = json_of(&answer);
        let told: Vec<String> = answer["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| {
                assert!(tool["description"].as_str().unwrap().len() > 20);
                let schema = &tool["inputSchema"];
                assert_eq!(schema["type"], "object");
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                let mut takes: Vec<String> = schema["properties"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(name, about)| {
                        assert_eq!(about["type"], "string");
                        format!("{name}{}", if required.contains(&json!(name)) { "*" } else { "" })
                    })
                    .collect();
                takes.sort();
                format!("{}({})", tool["name"].as_str().unwrap(), takes.join(" "))
            })
            .collect();
        let mut expected = vec![
            "list_peers()",
            "get_workspace_info()",
            "delegate_task(task* workspace_id*)",
            "delegate_task_async(task* workspace_id*)",
            "check_task_status(task_id* workspace_id*)",
            "commit_memory(content* scope)",
            "recall_memory(query scope)",
        ];
        if allowed {
            expected.insert(5, "send_message_to_user(message*)");
        }
        assert_eq!(told, expected);
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_twenty_calls_a_minute_for_each_credential() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000_000_000_000)));
    let bed = Bed::start(Arc::new(tempfile::tempdir().unwrap()), |_| {}, Arc::clone(&clock) as _).await;
    let (a, b) = (bed.workspace("A", None).await, bed.workspace("B", None).await);
    let path = format!("/workspaces/{}/mcp", a.id);
    let made = bed.post(&format!("/workspaces/{}/tokens", a.id)).bearer_auth(&a.token).json(&json!({"kind": "url"}));
    let url = made.send().await.unwrap().json::<Value>().await.unwrap()["url"].as_str().unwrap().to_owned();
    let figures = |answer: &Response| {
        let of = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        [of("x-ratelimit-limit"), of("x-ratelimit-remaining"), of("retry-after")].map(Option::unwrap_or_default)
    };
    for n in 1..=120 {
        let answer = post(&bed, &a, "{").await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(figures(&answer), ["120".to_owned(), (120 - n).to_string(), String::new()]);
    }
    clock.advance(20);
    for request in [bed.post(&path).body("{}"), bed.get(&format!("{path}/stream"))] {
        let over = request.bearer_auth(&a.token).send().await.unwrap();
        assert_eq!(over.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(figures(&over), ["120", "0", "40"]);
        assert_eq!(over.headers()["x-ratelimit-reset"], "40");
        assert_eq!(over.json::<Value>().await.unwrap(), json!({"error": "MCP rate limit exceeded", "retry_after": 40}));
    }
    // Another credential has its own, a base URL of the same workspace too (R-32).
    assert_eq!(figures(&post(&bed, &b, "{}").await), ["120", "119", ""]);
    let by_url = bed.http.post(format!("{url}{path}")).body("{}").send().await.unwrap();
    assert_eq!((by_url.status(), figures(&by_url)), (StatusCode::OK, ["120", "119", ""].map(str::to_owned)));
    // Other routes are not counted.
    let other = bed.get(&format!("/workspaces/{}/activity", a.id)).bearer_auth(&a.token).send().await.unwrap();
    assert_eq!((other.status(), figures(&other)[0].as_str()), (StatusCode::OK, "unlimited"));
    clock.advance(40);
    assert_eq!(figures(&post(&bed, &a, "{}").await), ["120", "119", ""]);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_is_needed_in_development_too() {
    let bed = Bed::development().await;
    let a = bed.workspace("A", None).await;
    for (method, path) in [(reqwest::Method::POST, "mcp"), (reqwest::Method::GET, "mcp/stream")] {
        let path = format!("/workspaces/{}/{path}", a.id);
        let answer = bed.request(method, &path).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({"error": "missing bearer token"}));
    }
    // The limiter's own reading of the word; the workspace's credential is not asked for here.
    let path = format!("/workspaces/{}/mcp", a.id);
    let answer = bed.post(&path).header("authorization", "bearer x").body("{}").send().await.unwrap();
    assert_eq!((answer.status(), &answer.headers()["x-ratelimit-limit"]), (StatusCode::OK, &"120".parse().unwrap()));
    bed.stop().await;
    let bed = Bed::new().await;
    let (a, b) = (bed.workspace("A", None).await, bed.workspace("B", None).await);
    let path = format!("/workspaces/{}/mcp", a.id);
    for (token, text) in [(None, "missing workspace auth token"), (Some(&b.token), "invalid workspace auth token")] {
        let mut request = bed.post(&path).body("{}");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({"error": text}));
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_says_where_to_post() {
    let bed = Bed::new().await;
    let a = bed.workspace("A", None).await;
    let path = format!("/workspaces/{}/mcp", a.id);
    let made = bed.post(&format!("/workspaces/{}/tokens", a.id)).bearer_auth(&a.token).json(&json!({"kind": "url"}));
    let base = made.send().await.unwrap().json::<Value>().await.unwrap()["url"].as_str().unwrap().to_owned();
    // A client joins the path to the origin, so that of a base URL carries its credential (R-32).
    let below = base.strip_prefix(&bed.base).unwrap();
    let asked = [
        (bed.get(&format!("{path}/stream")).bearer_auth(&a.token), path.clone()),
        (bed.http.get(format!("{base}{path}/stream")), format!("{below}{path}")),
    ];
    for (request, endpoint) in asked {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache"),
            ("x-accel-buffering", "no"),
            ("x-ratelimit-limit", "120"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }
        let first = answer.bytes_stream().next().await.unwrap().unwrap();
        assert_eq!(first, format!("event: endpoint\ndata: {endpoint}\n\n"));
        let mut call = bed.post(&endpoint).body(r#"{"id":1,"method":"initialize"}"#);
        if endpoint == path {
            call = call.bearer_auth(&a.token);
        }
        assert_eq!(call.send().await.unwrap().status(), StatusCode::OK);
    }
    let nobody = bed.get("/workspaces/nobody/mcp/stream").bearer_auth(&bed.admin).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::NOT_FOUND);
    bed.stop().await;
}
