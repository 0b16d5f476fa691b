//! Clients that dawdle: each is bounded, and nobody else notices (issue "Bad input", slow clients).

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    agent::Agent,
    bed::{Bed, PATIENCE},
};

async fn bed() -> Bed {
    Bed::with(|config| config.client_patience = Duration::from_millis(400)).await
}

/// A connection that has sent this much.
async fn begun(bed: &Bed, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", bed.app.endpoint.port)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// What the server says until it hangs up, which it does.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset is a hang-up too.
    drop(read.expect("the server hangs up"));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn head(bed: &Bed, method: &str, path: &str, more: &str) -> String {
    let Bed { app, admin, .. } = bed;
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {admin}\r\n{more}",
        app.endpoint.port
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_a_head_that_never_ends_is_hung_up_on() {
    let bed = bed().await;
    for text in
        [String::new(), "G".into(), head(&bed, "GET", "/health", "X-Slow: "), head(&bed, "GET", "/workspaces", "")]
    {
        let said = rest(begun(&bed, &text).await).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    // A byte now and then does not help: the head has one time for all of it.
    let mut stream = begun(&bed, "GET /health HTTP/1.1\r\n").await;
    let trickled = tokio::time::timeout(PATIENCE, async {
        while stream.write_all(b"X: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    trickled.await.expect("the server hangs up");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_a_body_that_never_ends_is_told_so() {
    let bed = bed().await;
    let rows = [
        ("/registry/heartbeat", "Content-Length: 100\r\n\r\n{\"work", 408),
        ("/workspaces", "Content-Length: 1000000\r\n\r\n{\"name\":", 400),
        ("/workspaces", "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"nam\r\n", 400),
    ];
    for (path, more, status) in rows {
        let said = rest(begun(&bed, &head(&bed, "POST", path, more)).await).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {more:?}: {said}");
        assert!(said.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{said}");
        let body: Value = serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    assert_eq!(bed.read("/workspaces").await, serde_json::json!([]), "no half a body made a row");
    bed.stop().await;
}

/// Two hundred of them at once: everybody else is served as ever.
#[tokio::test(flavor = "multi_thread")]
async fn bad_input_a_crowd_of_slow_clients_keeps_nobody_waiting() {
    let bed = Bed::new().await;
    let agent = Agent::saying("here").await;
    let known = bed.agent("Echo", None, &agent.url).await;
    let mut crowd = Vec::new();
    for n in 0..200 {
        let more = if n % 2 == 0 { "X-Slow: " } else { "Content-Length: 100\r\n\r\n{" };
        crowd.push(begun(&bed, &head(&bed, "POST", "/registry/heartbeat", more)).await);
    }
    for _ in 0..20 {
        assert_eq!(bed.get("/health").send().await.unwrap().status(), 200);
        assert_eq!(bed.say(known.id, "hello").send().await.unwrap().status(), 200);
    }
    drop(crowd);
    bed.stop().await;
}

/// What a route leaves of a large body would be read as the next request: the connection ends with the answer, and
/// says so.
#[tokio::test(flavor = "multi_thread")]
async fn bad_input_a_large_body_that_nobody_reads_ends_its_connection() {
    let bed = Bed::new().await;
    for _ in 0..5 {
        let body = vec![b' '; 600 * 1024];
        let request = bed.post("/no/such/route").bearer_auth(&bed.admin).body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 404);
        // On another connection, at once.
        assert_eq!(bed.get("/health").send().await.unwrap().status(), 200);
    }
    bed.stop().await;
}
