//! Bad input, generated: every member of every body and every query parameter that `/openapi.json` names, with values
//! that nobody means. A 4xx with a reason or an answer, never a 5xx, never a hang.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::support::{Answer, Api, NOBODY, TestServer};

/// Longer than anything here takes, shorter than a hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// One operation of the document.
struct Operation {
    method: Method,
    path: String,
    described: Value,
}

async fn operations(server: &TestServer) -> (Value, Vec<Operation>) {
    let document: Value = server.anonymous().get("/openapi.json").await.expect(200);
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) else { continue };
            found.push(Operation { method, path: path.clone(), described: described.clone() });
        }
    }
    (document, found)
}

impl Operation {
    fn about(&self, id: &str) -> String {
        let path = self.path.replace("{id}", id);
        path.split('/').map(|part| if part.starts_with('{') { NOBODY } else { part }).collect::<Vec<_>>().join("/")
    }

    /// The members that its body may have, each with its schema.
    fn members(&self, document: &Value) -> Map<String, Value> {
        let schema = &self.described["requestBody"]["content"]["application/json"]["schema"];
        resolve(document, schema)["properties"].as_object().cloned().unwrap_or_default()
    }

    fn parameters(&self) -> Vec<String> {
        let listed = self.described["parameters"].as_array().cloned().unwrap_or_default();
        let in_query = listed.iter().filter(|parameter| parameter["in"] == "query");
        in_query.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
    }
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(pointer) => document.pointer(pointer.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => schema,
    }
}

/// A value that the schema means.
fn meant(document: &Value, name: &str, schema: &Value, id: &str) -> Value {
    let schema = resolve(document, schema);
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str).unwrap_or_default(),
        kind => kind.as_str().unwrap_or_default(),
    };
    match kind {
        "string" if name == "id" || name.ends_with("_id") => json!(id),
        "string" => json!("text"),
        "integer" | "number" => json!(1),
        "boolean" => json!(true),
        "array" => json!([]),
        _ => json!({}),
    }
}

/// Values as they stand in a body, so that none of them is made harmless by a writer of JSON.
fn values() -> Vec<(&'static str, String)> {
    let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    vec![
        ("null", "null".into()),
        ("true", "true".into()),
        ("zero", "0".into()),
        ("minus zero", "-0.0".into()),
        ("minus one", "-1".into()),
        ("a fraction", "1.5".into()),
        ("an exponent", "1e2".into()),
        ("the least 64-bit number", i64::MIN.to_string()),
        ("the largest 64-bit number", i64::MAX.to_string()),
        ("one more than 64 bits hold", "18446744073709551616".into()),
        ("a number of a thousand digits", "9".repeat(1_000)),
        ("the largest double", "1.7976931348623157e308".into()),
        ("more than a double holds", "-1e999".into()),
        ("an empty text", r#""""#.into()),
        ("a control character", r#""a\u0000b\u001b[31m""#.into()),
        ("half a surrogate pair", r#""\ud800""#.into()),
        ("the other half", r#""\udfff x""#.into()),
        ("text that turns around", "\"\u{202e}txt.exe\u{2066}\"".into()),
        ("a path", r#""../../../../etc/passwd""#.into()),
        ("a statement", r#""'; DROP TABLE workspaces; --""#.into()),
        ("a hundred thousand characters", format!("\"{}\"", "x".repeat(100_000))),
        ("an empty list", "[]".into()),
        ("an empty object", "{}".into()),
        ("a list of ten thousand", list(r#"{"id":"x"}"#, 10_000)),
        ("ten thousand texts", list(r#""x""#, 10_000)),
        ("lists in lists", nested("[", "]", 5_000)),
        ("objects in objects", nested(r#"{"a":"#, "}", 5_000)),
        ("an object with one name many times", format!("{{{}}}", vec![r#""a":1"#; 1_000].join(","))),
    ]
}

async fn judge(api: &Api, operation: &Operation, request: reqwest::RequestBuilder, what: &str) -> Answer {
    let Operation { method, path, .. } = operation;
    let answer = tokio::time::timeout(PATIENCE, api.try_head(request)).await;
    let answer = answer.unwrap_or_else(|_| panic!("{method} {path} with {what} hangs"));
    let answer = answer.unwrap_or_else(|error| panic!("{method} {path} with {what}: {error:?}"));
    // What is not there to be used says so with 5xx of its own, each with a reason (10 §9.5).
    let reason = answer.json()["error"]["message"].as_str().map_or_else(|| answer.error(), str::to_owned);
    let passing = [502, 503].contains(&answer.status) && !reason.is_empty();
    assert!(answer.status < 500 || passing, "{method} {path} with {what}: {} {}", answer.status, answer.text());
    if (400..500).contains(&answer.status) && answer.text() != "404 page not found" {
        assert!(!reason.is_empty(), "{method} {path} with {what} says nothing: {}", answer.text());
    }
    answer
}

async fn poked(server: &TestServer) -> String {
    let row = server.admin().post("/workspaces", &json!({"name": "Poked", "external": true})).await.expect(201);
    row["id"].as_str().unwrap().to_owned()
}

async fn still_up(server: &TestServer) {
    server.anonymous().get("/health").await.expect(200);
    let admin = server.admin();
    // What was taken in can be read again, by a parser that is not ours to choose.
    let listed = admin.get("/workspaces").await.expect(200);
    assert!(listed.as_array().is_some_and(|rows| !rows.is_empty()), "{listed}");
    admin.get("/events").await.expect(200).as_array().expect("a list");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn bad_input_every_member_of_every_body_with_every_hostile_value() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let (document, operations) = operations(&server).await;
    let values = values();
    let mut tried = 0;
    for operation in &operations {
        let members = operation.members(&document);
        let id = poked(&server).await;
        for name in members.keys() {
            for (what, value) in &values {
                let mut text = String::from("{");
                for (other, schema) in members.iter().filter(|(other, _)| *other != name) {
                    text.push_str(&format!("{}:{},", json!(other), meant(&document, other, schema, &id)));
                }
                text.push_str(&format!("{}:{value}}}", json!(name)));
                let request = admin.request(operation.method.clone(), &operation.about(&id));
                let request = request.header("content-type", "application/json").body(text);
                judge(&admin, operation, request, &format!("{name} as {what}")).await;
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "only {tried} bodies were tried");
    poked(&server).await;
    still_up(&server).await;
}

/// Batches are no bodies here: ten thousand requests at once are refused at once, by every route with a body.
#[tokio::test]
async fn bad_input_batches_of_ten_thousand_and_bodies_without_an_end() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let (_, operations) = operations(&server).await;
    let batch = format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"message/send"}"#; 10_000].join(","));
    let broken =
        [&b"{\"name\":\"\xc3\x28\"}"[..], b"\xff\xfe{\x00}\x00", b"\xed\xa0\x80", b"\x00", b"{\"a\":\"\xf0\x9f\"}"];
    for operation in operations.iter().filter(|operation| !["GET", "DELETE"].contains(&operation.method.as_str())) {
        let id = poked(&server).await;
        let bodies = broken.iter().map(|bytes| bytes.to_vec()).chain([batch.clone().into_bytes()]);
        for (n, body) in bodies.enumerate() {
            let request = admin.request(operation.method.clone(), &operation.about(&id));
            let request = request.header("content-type", "application/json").body(body);
            judge(&admin, operation, request, &format!("body {n}")).await;
        }
    }
    poked(&server).await;
    still_up(&server).await;
}

/// Bad cursors, limits, times and flags.
#[tokio::test]
async fn bad_input_every_query_parameter_with_every_hostile_value() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let (_, operations) = operations(&server).await;
    let long = "x".repeat(4_000);
    let values = [
        "",
        "0",
        "-1",
        "-9223372036854775809",
        "18446744073709551616",
        "1e9",
        "1.5",
        "NaN",
        "null",
        "true",
        "abc",
        NOBODY,
        "2026-02-30T25:61:61Z",
        "9999-12-31T23:59:59.999999Z",
        "0000-00-00",
        "%00",
        "%ff%fe",
        "%",
        "%2e%2e%2f",
        "%27%20OR%201%3D1",
        "a+b",
        "%F0%9F%92%A9",
        "*",
        "%22%20AND%20NEAR(",
        &long,
    ];
    let mut tried = 0;
    for operation in &operations {
        let id = poked(&server).await;
        let parameters = operation.parameters();
        for name in &parameters {
            for value in values {
                for query in [format!("{name}={value}"), format!("{name}={value}&{name}={value}")] {
                    let path = format!("{}?{query}", operation.about(&id));
                    let request = admin.request(operation.method.clone(), &path);
                    let request = if operation.method == Method::GET { request } else { request.json(&json!({})) };
                    judge(&admin, operation, request, &query[..query.len().min(60)]).await;
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 300, "only {tried} queries were tried");
    poked(&server).await;
    still_up(&server).await;
}

/// A card that other readers could not read is not taken in: the peers of its agent would choke on it.
#[tokio::test]
async fn bad_input_a_card_that_nobody_can_read_is_refused() {
    let server = TestServer::start().await;
    let id = poked(&server).await;
    let made = server.admin().post(&format!("/workspaces/{id}/tokens"), &json!({})).await.expect(201);
    let agent = server.bearer(made["auth_token"].as_str().unwrap());
    let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
    for card in [deep.as_str(), r#"{"name":"\ud800"}"#, "{\"name\":\"\u{7}\"}", r#"{"n":1e999}"#, r#"{"name":}"#] {
        for (path, key) in [("/registry/register", "id"), ("/registry/update-card", "workspace_id")] {
            let body = format!(r#"{{"{key}":"{id}","agent_card":{card}}}"#);
            let answer = agent.post_bytes(path, body).await;
            answer.expect(400);
            assert_eq!(answer.error(), "invalid request body", "{path}: {}", &card[..card.len().min(40)]);
        }
    }
    let at_the_limit = format!("{}{}", "[".repeat(90), "]".repeat(90));
    let body = format!(r#"{{"workspace_id":"{id}","agent_card":{at_the_limit}}}"#);
    agent.post_bytes("/registry/update-card", body).await.expect(200);
    let shown = server.admin().get(&format!("/workspaces/{id}")).await.expect(200);
    assert_eq!(shown["agent_card"].to_string(), at_the_limit);
}
