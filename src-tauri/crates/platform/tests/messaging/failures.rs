//! Messages that are not answered as they should be (10 §9.1, §9.5–§9.9).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use molecule_model::{Status, WorkspaceId, event::EventKind};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    agent::{Agent, reply},
    bed::{Bed, message},
};

async fn say(bed: &Bed, to: WorkspaceId) -> (u16, Value, Option<String>) {
    let answer = bed.say(to, "hi").send().await.unwrap();
    let again = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), answer.json().await.unwrap(), again)
}

/// An address where nobody listens.
async fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn s128_fifty_bad_bodies_reach_nobody() {
    let bed = Bed::new().await;
    let agent = Agent::saying("ok").await;
    let a = bed.agent("Echo", None, &agent.url).await;
    let path = format!("/workspaces/{}/a2a", a.id);
    let deep =
        format!(r#"{{"jsonrpc":"2.0","method":"message/send","params":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    let message =
        |inner: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"message/send","params":{{"message":{inner}}}}}"#);
    let mut bad: Vec<Vec<u8>> = [
        "",
        " ",
        "\n\t ",
        "{",
        "}",
        "[",
        "]",
        "{}x",
        "{]",
        "nul",
        "tru",
        "nope",
        "'a'",
        "{'a':1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "[]",
        "[1]",
        "[{}]",
        "1",
        "-1",
        "1.5",
        "1e999",
        "\"text\"",
        "true",
        "false",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":1} {\"b\":2}",
        "/*x*/{}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"message/send\",\"params\":{\"message\":{\"parts\":[",
        "<html></html>",
        "method=message/send",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bad.extend([
        deep.into_bytes(),
        message("{}").into_bytes(),
        message(r#"{"role":"user"}"#).into_bytes(),
        message(r#"{"role":"user","content":5}"#).into_bytes(),
        message(r#"{"role":"user","content":true}"#).into_bytes(),
        message(r#"{"role":"user","content":null}"#).into_bytes(),
        message(r#"{"role":"user","content":{"text":"x"}}"#).into_bytes(),
        b"\xff\xfe".to_vec(),
        b"{\"a\":\"\xff\"}".to_vec(),
        b"\x00".to_vec(),
        "\u{feff}{".as_bytes().to_vec(),
    ]);
    assert!(bad.len() >= 50, "{}", bad.len());
    for body in bad {
        let answer = bed.post(&path).bearer_auth(&bed.admin).body(body.clone()).send().await.unwrap();
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{shown}");
        let refusal: Value = answer.json().await.unwrap();
        let text = refusal["error"].as_str().unwrap();
        assert!(
            text.starts_with("invalid JSON") || (text.contains("params.message.parts") && refusal["code"] == -32602),
            "{shown}: {refusal}"
        );
    }
    // One byte too many is 413 with a reason (R-46); a body of the limit passes.
    let fill = |length: usize| {
        let empty = message(r#"{"role":"user","parts":[{"kind":"text","text":""}]}"#);
        let text = "x".repeat(length - empty.len());
        message(&format!(r#"{{"role":"user","parts":[{{"kind":"text","text":"{text}"}}]}}"#))
    };
    let limit = 1024 * 1024;
    let over = bed.post(&path).bearer_auth(&bed.admin).body(fill(limit + 1)).send().await.unwrap();
    assert_eq!(over.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(over.json::<Value>().await.unwrap()["code"], "body_too_large");
    assert!(agent.got().is_empty());
    assert!(bed.activity(a.id).await.is_empty(), "rejections before dispatch leave no row");
    assert_eq!(
        bed.post(&path).bearer_auth(&bed.admin).body(fill(limit)).send().await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(bed.get("/health").send().await.unwrap().status(), StatusCode::OK);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s015_a_budget_goes_before_the_body() {
    let bed = Bed::new().await;
    let agent = Agent::saying("ok").await;
    let a = bed.agent("Echo", None, &agent.url).await;
    bed.sql("UPDATE workspaces SET budget_limit = 100, monthly_spend = 99 WHERE id = ?1", vec![a.id.to_string()]).await;
    assert_eq!(say(&bed, a.id).await.0, 200);
    bed.sql("UPDATE workspaces SET monthly_spend = 100 WHERE id = ?1", vec![a.id.to_string()]).await;
    let (status, body, _) = say(&bed, a.id).await;
    assert_eq!((status, &body["error"]), (402, &json!("workspace budget limit exceeded")));
    let path = format!("/workspaces/{}/a2a", a.id);
    assert_eq!(bed.post(&path).bearer_auth(&bed.admin).body("{").send().await.unwrap().status().as_u16(), 402);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s139_s141_an_agents_refusal_is_replaced_by_its_text() {
    let bed = Bed::new().await;
    let table: [(u16, &str, &str); 12] = [
        (302, "", "Found"),
        (400, r#"{"error":"say please"}"#, "say please"),
        (401, r#"{"error":{"code":-32000,"message":"x"}}"#, "Unauthorized"),
        (404, "<html>", "Not Found"),
        (418, "{}", "I'm a teapot"),
        (429, r#"{"error":7}"#, "Too Many Requests"),
        (500, r#"{"error":null}"#, "Internal Server Error"),
        (500, "[]", "Internal Server Error"),
        (502, "", "Bad Gateway"),
        (503, r#"{"error":"warming up"}"#, "warming up"),
        (521, "", "agent error"),
        (525, r#"{"error":"tls"}"#, "tls"),
    ];
    for (status, sent, text) in table {
        let agent = Agent::answering(status, sent).await;
        let a = bed.agent("Sour", None, &agent.url).await;
        let (got, body, _) = say(&bed, a.id).await;
        assert_eq!((got, body), (status, json!({"error": text})), "{status} {sent}");
        let row = &bed.activity(a.id).await[0];
        // A redirect is refused to the caller, and below 400 for the log (10 §9.10).
        let logged = if status < 400 { "ok" } else { "error" };
        assert_eq!((&row["status"], &row["summary"]), (&json!(logged), &json!("message/send → Sour")), "{status}");
        assert_eq!(agent.got().len(), 1, "a redirect is not followed (O-6)");
        assert_eq!(bed.row(a.id).await.status, Status::Online);
    }
    // A JSON-RPC error under 200 passes.
    let agent = Agent::answering(200, r#"{"jsonrpc":"2.0","id":"r1","error":{"code":-32601,"message":"no"}}"#).await;
    let a = bed.agent("Rpc", None, &agent.url).await;
    let (status, body, _) = say(&bed, a.id).await;
    assert_eq!((status, &body["error"]["code"]), (200, &json!(-32601)));
    // 201 keeps its status, and an answer that is no JSON passes and is kept as text.
    let agent = Agent::answering(201, "fine").await;
    let a = bed.agent("Text", None, &agent.url).await;
    let answer = bed.say(a.id, "hi").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (201, "fine"));
    assert_eq!(bed.activity(a.id).await[0]["response_body"], "fine");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_and_nobody_is_there() {
    let bed = Bed::new().await;
    let a = bed.agent("Away", None, &closed().await).await;
    // It registered just now, so its port is tried for a moment (40 §3); then it counts as unreachable.
    let (status, body, _) = say(&bed, a.id).await;
    assert_eq!((status, body), (502, json!({"error": "failed to reach workspace agent"})));
    let row = &bed.activity(a.id).await[0];
    assert_eq!((&row["status"], &row["error_detail"]), (&json!("error"), &json!("connection refused")));
    assert_eq!(row["summary"], "A2A request to Away failed: connection refused");
    assert_eq!(bed.row(a.id).await.status, Status::Online, "what we did not launch is not ours to call dead (R-59)");
    let b = bed.workspace("Nowhere", None).await;
    let (status, body, _) = say(&bed, b.id).await;
    assert_eq!((status, body), (503, json!({"error": "workspace has no URL", "status": "provisioning"})));
    for (url, want) in [("http://169.254.169.254/", 502), ("http://127.0.0.1:2375/", 502), (bed.base.as_str(), 502)] {
        bed.sql("UPDATE workspaces SET url = ?1 WHERE id = ?2", vec![url.to_owned(), b.id.to_string()]).await;
        let (status, body, _) = say(&bed, b.id).await;
        assert_eq!((status, body), (want, json!({"error": "workspace URL is not publicly routable"})), "{url}");
    }
    assert!(bed.activity(b.id).await.is_empty());
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s40_3_a_port_that_opens_late_is_no_failure() {
    let bed = Bed::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let a = bed.agent("Late", None, &format!("http://{address}")).await;
    let sending = tokio::spawn(bed.say(a.id, "hi").send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let listener = TcpListener::bind(address).await.unwrap();
    let _agent = Agent::on(listener, |got| async move { reply(&got, "up").into_response() });
    assert_eq!(sending.await.unwrap().unwrap().status(), StatusCode::OK);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s123_s140_a_dead_agent_is_offline_and_restarted() {
    let bed = Bed::new().await;
    let a = bed.agent("Dead", None, &closed().await).await;
    let mut events = bed.events();
    // A record of an instance of ours, and no process: gone.
    bed.sql("UPDATE workspaces SET launched = 1 WHERE id = ?1", vec![a.id.to_string()]).await;
    let (status, body, again) = say(&bed, a.id).await;
    assert_eq!(status, 503);
    assert_eq!(
        body,
        json!({"error": "workspace agent unreachable — container restart triggered", "restarting": true, "retry_after": 15})
    );
    assert_eq!(again.as_deref(), Some("15"));
    events.next(EventKind::WorkspaceOffline).await;
    assert_eq!(bed.activity(a.id).await[0]["status"], "error");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s134_s135_silence_ends_a_forward_and_signs_of_life_do_not() {
    let bed = Bed::with(|config| config.a2a_idle = Duration::from_millis(400)).await;
    let agent = Agent::new(|got| async move {
        if got.text.contains("never") {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        reply(&got, "long thought").into_response()
    })
    .await;
    let a = bed.agent("Thinker", None, &agent.url).await;
    let answer = bed.say(a.id, "never").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.json::<Value>().await.unwrap()["queued"], true);
    assert_eq!(bed.activity(a.id).await[0]["error_detail"], "no sign of life from the agent for too long");
    bed.sql("DELETE FROM a2a_queue", Vec::new()).await;
    // With a beat every 150 ms the same silence is thought.
    let beating = {
        let (app, id) = (bed.app.clone(), a.id);
        tokio::spawn(async move {
            loop {
                app.bus.ephemeral(EventKind::WorkspaceHeartbeat, Some(id), app.now(), json!({}));
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        })
    };
    assert_eq!(say(&bed, a.id).await.0, 200);
    beating.abort();
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o11_x_timeout_is_the_callers_own_deadline() {
    let bed = Bed::new().await;
    let agent = Agent::new(|_| std::future::pending::<Response>()).await;
    let a = bed.agent("Never", None, &agent.url).await;
    let began = std::time::Instant::now();
    let answer = bed.say(a.id, "hi").header("X-Timeout", "1").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    assert_eq!(answer.json::<Value>().await.unwrap()["queued"], true);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(bed.activity(a.id).await[0]["error_detail"], "the deadline passed before the agent answered");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s146_a_native_session_is_told_to_retry_itself() {
    let bed = Bed::with(|config| config.a2a_idle = Duration::from_millis(200)).await;
    let agent = Agent::new(|_| std::future::pending::<Response>()).await;
    let a = bed.agent("Native", None, &agent.url).await;
    let beat = json!({"workspace_id": a.id, "runtime_metadata": {"capabilities": {"session": true}}});
    bed.post("/registry/heartbeat").bearer_auth(&a.token).json(&beat).send().await.unwrap();
    let (status, body, again) = say(&bed, a.id).await;
    assert_eq!((status, &body["native_session"], again.as_deref()), (503, &json!(true), Some("30")));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_says_whether_it_was_taken() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let bed = Bed::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 4096];
            let _ = stream.read(&mut seen).await;
            let head = if String::from_utf8_lossy(&seen).contains("m-early") {
                ""
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":"
            };
            let _ = stream.write_all(head.as_bytes()).await;
        }
    });
    let a = bed.agent("Broken", None, &url).await;
    let (status, body, _) = say(&bed, a.id).await;
    assert_eq!((status, body), (502, json!({"error": "failed to read agent response", "delivery_confirmed": true})));
    assert_eq!(bed.activity(a.id).await[0]["status"], "ok", "it was delivered (10 §9.9)");
    // Closed before any answer: it may be at work (O-22).
    let answer = bed.say(a.id, "early").send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["queued"], true);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_ten_mebibytes_is_cut_there() {
    let bed = Bed::new().await;
    let agent = Agent::new(|_| async { "x".repeat(11 * 1024 * 1024).into_response() }).await;
    let a = bed.agent("Large", None, &agent.url).await;
    let path = format!("/workspaces/{}/a2a", a.id);
    let answer = bed.post(&path).bearer_auth(&bed.admin).json(&message("message/send", "x")).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap().len(), 10 * 1024 * 1024);
    bed.stop().await;
}
