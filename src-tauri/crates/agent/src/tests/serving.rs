//! The port: JSON-RPC and its errors, who may speak, files for the platform, the transcript.

use std::fs;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::bench::{Bench, Setup, text};

async fn agent() -> Bench {
    let mut setup = Setup::with_rules("- steps: [{reply: 'hi {{ message }}'}]");
    setup.give_folder("read_write");
    setup.start().await
}

async fn raw(bench: &Bench, body: &str) -> Value {
    let response =
        bench.post("/").header("content-type", "application/json").body(body.to_owned()).send().await.unwrap();
    assert_eq!(response.status(), 200, "{body}");
    response.json().await.unwrap()
}

#[tokio::test]
async fn errors_are_json_rpc_and_nothing_breaks() {
    let bench = agent().await;
    let table = [
        ("{", -32700),
        ("", -32700),
        ("[]", -32600),
        ("null", -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nope"}"#, -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"message/send"}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":"x"}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"message/stream","params":[]}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":"none"}}"#, -32001),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/cancel","params":{}}"#, -32001),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/resubscribe","params":{"id":5}}"#, -32001),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/pushNotificationConfig/set","params":{}}"#, -32003),
    ];
    for (body, code) in table {
        let answer = raw(&bench, body).await;
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
    }
    // Older shapes of a message are understood.
    for message in
        [r#"{"content":"you"}"#, r#"{"parts":[{"type":"text","text":"you"}]}"#, r#"{"parts":[{"text":"you"}]}"#]
    {
        let answer = raw(&bench, &format!(r#"{{"method":"message/send","params":{{"message":{message}}}}}"#)).await;
        assert_eq!(text(&answer), "hi you", "{message}");
    }
}

#[tokio::test]
async fn web_pages_reach_nothing() {
    let bench = agent().await;
    let body = json!({"method": "message/send", "params": {"message": {"messageId": "evil", "parts": [{"kind": "text", "text": "x"}]}}}).to_string();
    let json = |request: reqwest::RequestBuilder| request.header("content-type", "application/json").body(body.clone());
    let table = [
        (json(bench.post("/")).header("origin", "http://127.0.0.1:9999"), 403),
        (json(bench.post("/")).header("origin", "null"), 403),
        (json(bench.post("/")).header("sec-fetch-site", "same-site"), 403),
        (json(bench.post("/")).header("host", "rebound.example"), 403),
        (bench.post("/").header("content-type", "text/plain").body(body.clone()), 415),
        (bench.post("/").body(body.clone()), 415),
        (bench.get("/.well-known/agent-card.json").header("sec-fetch-mode", "no-cors"), 403),
        (bench.get("/health").header("origin", "https://example.com"), 403),
    ];
    for (request, status) in table {
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.headers().get("access-control-allow-origin").is_none());
    }
    assert_eq!(bench.call("tasks/get", json!({"id": "evil"})).await["error"]["code"], -32001, "a page was heard");
    for path in ["/.well-known/agent-card.json", "/.well-known/agent.json"] {
        let card: Value = bench.get(path).send().await.unwrap().json().await.unwrap();
        assert_eq!(
            (&card["name"], &card["protocolVersion"], &card["url"]),
            (&json!("Worker"), &json!("0.3.0"), &json!(bench.url))
        );
        assert_eq!(card["capabilities"]["streaming"], true);
    }
}

#[tokio::test]
async fn s176_s181_files_go_in_and_out_for_whoever_knows_the_secret() {
    let bench = agent().await;
    let form =
        || Form::new().part("files", Part::text("# hello").file_name("my notes.md").mime_str("text/markdown").unwrap());
    for bearer in [None, Some("wrong"), Some("the-token")] {
        let mut request = bench.post("/internal/chat/uploads/ingest").multipart(form());
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        assert_eq!(request.send().await.unwrap().status(), 401, "{bearer:?}");
    }
    let two = form().part("ignored", Part::text("x")).part("files", Part::bytes(vec![7; 3]).file_name("../../x.bin"));
    let answer =
        bench.post("/internal/chat/uploads/ingest").bearer_auth("inbound").multipart(two).send().await.unwrap();
    let files: Value = answer.json().await.unwrap();
    let files = files["files"].as_array().unwrap();
    assert_eq!(
        (&files[0]["name"], &files[0]["size"], &files[0]["mimeType"]),
        (&json!("my_notes.md"), &json!(7), &json!("text/markdown"))
    );
    assert_eq!((&files[1]["name"], &files[1]["size"]), (&json!("x.bin"), &json!(3)));
    let path = files[0]["uri"].as_str().unwrap().strip_prefix("workspace:").unwrap();
    let read = |path: &str| bench.file(path).bearer_auth("inbound").send();
    let back = read(path).await.unwrap();
    assert_eq!(back.headers()["content-type"], "text/markdown");
    assert_eq!(back.headers()["content-length"], "7");
    assert!(back.headers()["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\""));
    assert_eq!(back.text().await.unwrap(), "# hello");
    let empty =
        bench.post("/internal/chat/uploads/ingest").bearer_auth("inbound").multipart(Form::new().text("other", "x"));
    assert_eq!(empty.send().await.unwrap().status(), 400);
    assert_eq!(bench.file(path).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn s180_s181_files_that_are_not_for_handing_out() {
    let bench = agent().await;
    let (folder, configs) = (bench.setup.folder(), bench.setup.configs());
    let outside = folder.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "s").unwrap();
    fs::write(folder.join("plain.txt"), "p").unwrap();
    #[cfg(unix)]
    for (target, link) in
        [(outside.clone(), "door"), (outside.join("secret"), "file"), (folder.join("plain.txt"), "inner")]
    {
        std::os::unix::fs::symlink(target, folder.join(link)).unwrap();
    }
    let table = [
        ("/workspace/plain.txt", 200),
        ("/configs/config.yaml", 200),
        ("/configs/.auth_token", 404),
        ("/configs/.platform_inbound_secret", 404),
        ("/workspace/door/secret", 404),
        ("/workspace/file", 404),
        ("/workspace/inner", 404),
        ("/workspace/missing", 404),
        ("/workspace/.molecule", 404),
        ("/workspace", 404),
        ("/home/x", 404),
        ("/plugins/x", 404),
        ("/etc/passwd", 400),
        ("/workspace/../outside/secret", 400),
        ("plain.txt", 400),
        ("", 400),
    ];
    for (path, status) in table {
        let response = bench.file(path).bearer_auth("inbound").send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
    fs::remove_file(configs.join(".platform_inbound_secret")).unwrap();
    let closed = bench.file("/workspace/plain.txt").bearer_auth("").send().await.unwrap();
    assert_eq!(closed.status(), 401, "no secret on disk admits nobody");
}

#[tokio::test]
async fn s176_a_file_that_is_too_large_is_named_and_leaves_nothing() {
    let bench = agent().await;
    let form = Form::new().part("files", Part::bytes(vec![0; 25 * 1024 * 1024 + 1]).file_name("big.bin"));
    let refused =
        bench.post("/internal/chat/uploads/ingest").bearer_auth("inbound").multipart(form).send().await.unwrap();
    assert_eq!(refused.status(), 413);
    assert_eq!(refused.text().await.unwrap(), r#"{"error":"big.bin is larger than 25 MiB"}"#);
    let count = || fs::read_dir(bench.setup.folder().join(".molecule/chat-uploads")).unwrap().count();
    assert_eq!(count(), 0);
    // Whoever may not is told so, however much is still coming.
    let form = Form::new().part("files", Part::bytes(vec![0; 20 * 1024 * 1024]).file_name("big.bin"));
    let request = bench.post("/internal/chat/uploads/ingest").bearer_auth("wrong").multipart(form);
    assert_eq!(request.send().await.unwrap().status(), 401);
    assert_eq!(count(), 0);
}

#[tokio::test]
async fn uploads_leave_a_folder_for_reading_as_it_is() {
    let mut setup = Setup::with_rules("- steps: [{reply: 'x'}]");
    setup.give_folder("read_only");
    let bench = setup.start().await;
    let form = Form::new().part("files", Part::text("hello").file_name("a.txt"));
    let answer =
        bench.post("/internal/chat/uploads/ingest").bearer_auth("inbound").multipart(form).send().await.unwrap();
    let files: Value = answer.json().await.unwrap();
    let path = files["files"][0]["uri"].as_str().unwrap().strip_prefix("workspace:").unwrap().to_owned();
    assert_eq!(fs::read_dir(bench.setup.folder()).unwrap().count(), 0);
    let back = bench.file(&path).bearer_auth("inbound").send().await.unwrap();
    assert_eq!(back.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn the_transcript_is_for_the_workspaces_own_token() {
    let bench = agent().await;
    bench.send("m", "you").await;
    bench.send("n", "me").await;
    assert_eq!(bench.get("/transcript").send().await.unwrap().status(), 401);
    assert_eq!(bench.get("/transcript").bearer_auth("inbound").send().await.unwrap().status(), 401);
    let page = |query: &str| {
        let request = bench.get(&format!("/transcript{query}")).bearer_auth("the-token");
        async move { request.send().await.unwrap() }
    };
    let all: Value = page("").await.json().await.unwrap();
    assert_eq!(
        (&all["runtime"], &all["supported"], &all["cursor"], &all["more"]),
        (&json!("local"), &json!(true), &json!(4), &json!(false))
    );
    let some: Value = page("?since=1&limit=2").await.json().await.unwrap();
    assert_eq!((&some["cursor"], &some["more"]), (&json!(3), &json!(true)));
    assert_eq!(some["lines"][0]["text"], "hi you");
    for bad in ["?since=x", "?limit=-1", "?limit=1.5"] {
        assert_eq!(page(bad).await.status(), 400, "{bad}");
    }
}
