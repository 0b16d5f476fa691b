//! Chat files of agents that have an address: handed through, unchanged, as they come (10 §13).

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Response as Answer},
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use molecule_model::{WorkspaceId, wire::DeliveryMode};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::bed::{Bed, Known, PATIENCE};

const MIB: usize = 1024 * 1024;

/// A request that an agent was sent, its body as far as the agent read it.
#[derive(Clone, Debug)]
struct Got {
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Answer<Body>> + Send + Sync>;

/// An agent that serves files as a test says.
struct FileAgent {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl FileAgent {
    /// Does with each request what `handler` says.
    async fn raw<W>(handler: impl Fn(Request) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Answer<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let handler: Handler = Arc::new(move |request| handler(request).boxed());
        let serve = |State(handler): State<Handler>, request: Request| async move { handler(request).await };
        let router = Router::new().fallback(serve).with_state(handler);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, got: Arc::default() }
    }

    /// Reads each request and gives this answer.
    async fn answering(answer: impl Fn() -> Answer<Body> + Send + Sync + 'static) -> Self {
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (notes, answer) = (Arc::clone(&got), Arc::new(answer));
        let agent = Self::raw(move |request| {
            let (notes, answer) = (Arc::clone(&notes), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let mut read = Vec::new();
                let mut pieces = body.into_data_stream();
                while let Some(Ok(piece)) = pieces.next().await {
                    read.extend_from_slice(&piece);
                }
                notes.lock().unwrap().push(Got { target: parts.uri.to_string(), headers: parts.headers, body: read });
                answer()
            }
        })
        .await;
        Self { got, ..agent }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

fn plain(status: u16, body: &'static str) -> Answer<Body> {
    Answer::builder().status(status).header("content-type", "application/json").body(Body::from(body)).unwrap()
}

fn upload(bed: &Bed, id: impl std::fmt::Display, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    let request = bed.post(&format!("/workspaces/{id}/chat/uploads")).bearer_auth(&bed.admin);
    request.header("content-type", "multipart/form-data; boundary=\"cut here\"").body(body)
}

fn download(bed: &Bed, id: impl std::fmt::Display, query: &str) -> reqwest::RequestBuilder {
    bed.get(&format!("/workspaces/{id}/chat/download{query}")).bearer_auth(&bed.admin)
}

/// The status, `error`, and the whole body.
async fn refusal(answer: Response) -> (u16, String, Value) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["error"].as_str().unwrap_or_default().to_owned(), body)
}

/// The secret that an agent learned when it registered.
async fn secret_of(bed: &Bed, agent: &Known) -> String {
    let beat = json!({"workspace_id": agent.id});
    let answer = bed.post("/registry/heartbeat").bearer_auth(&agent.token).json(&beat).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["platform_inbound_secret"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn s173_r63_r65_an_upload_reaches_the_agent_byte_for_byte() {
    let bed = Bed::new().await;
    let files = FileAgent::answering(|| {
        let builder = Answer::builder().status(207).header("content-type", "application/x-odd").header("x-own", "1");
        builder.header("set-cookie", "a=b").body(Body::from(r#"{"files":[]}"#)).unwrap()
    })
    .await;
    // Stored as it was reported, with a slash too many and a query.
    let a = bed.agent("A", None, &format!("{}/a2a/?x=1", files.url)).await;
    let secret = secret_of(&bed, &a).await;
    let body: Vec<u8> = (0..3 * MIB).map(|at| (at % 251) as u8).collect();
    let answer = upload(&bed, a.id, body.clone()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 207);
    assert_eq!(answer.headers()["content-type"], "application/x-odd");
    for name in ["x-own", "set-cookie"] {
        assert!(answer.headers().get(name).is_none(), "{name} was passed back");
    }
    assert_eq!(answer.text().await.unwrap(), r#"{"files":[]}"#);
    let got = files.got().remove(0);
    assert_eq!(got.target, "/a2a/internal/chat/uploads/ingest");
    assert_eq!(got.header("authorization"), Some(format!("Bearer {secret}").as_str()));
    assert_eq!(got.header("content-type"), Some("multipart/form-data; boundary=\"cut here\""));
    assert_eq!(got.header("content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(got.header("transfer-encoding"), None);
    assert!(got.body == body, "the bytes were changed");
    // Its own token opens it too, and no other's; of a length that nobody knows, chunked.
    let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("a"), Ok("b")]);
    let own = upload(&bed, a.id, reqwest::Body::wrap_stream(pieces));
    assert_eq!(own.send().await.unwrap().status().as_u16(), 207);
    let got = files.got().remove(1);
    assert_eq!((got.header("content-length"), got.header("transfer-encoding")), (None, Some("chunked")));
    assert_eq!(got.body, b"ab");
    let stranger = bed.workspace("B", None).await;
    let path = format!("/workspaces/{}/chat/uploads", a.id);
    // However much is still coming: the refusal is read, not a broken connection.
    for size in [1, MIB, 20 * MIB] {
        for token in [&stranger.token, "guess"] {
            assert_eq!(bed.post(&path).bearer_auth(token).body(vec![0; size]).send().await.unwrap().status(), 401);
        }
        assert_eq!(bed.post(&path).body(vec![0; size]).send().await.unwrap().status(), 401);
    }
    assert_eq!(files.got().len(), 2);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s173_s179_nothing_is_held_on_its_way() {
    let bed = Bed::new().await;
    // The agent says what it has read so far, and the test sends on only when it has heard that.
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let (more, next) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let next = Arc::new(Mutex::new(Some(next)));
    let agent = FileAgent::raw(move |request| {
        let (heard, next) = (heard.clone(), Arc::clone(&next));
        async move {
            if request.method() == "GET" {
                let pieces = next.lock().unwrap().take().unwrap();
                return Answer::new(Body::from_stream(ReceiverStream::new(pieces)));
            }
            let mut pieces = request.into_body().into_data_stream();
            while let Some(Ok(piece)) = pieces.next().await {
                heard.send(piece).unwrap();
            }
            plain(200, "{}")
        }
    })
    .await;
    let a = bed.agent("A", None, &agent.url).await;
    let (sender, body) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let sending = upload(&bed, a.id, reqwest::Body::wrap_stream(ReceiverStream::new(body))).send();
    let sending = tokio::spawn(sending);
    for piece in ["first", "second", "third"] {
        sender.send(Ok(Bytes::from(piece))).await.unwrap();
        let came = tokio::time::timeout(PATIENCE, hearing.recv()).await.expect("it was held").unwrap();
        assert_eq!(came, piece);
    }
    drop(sender);
    assert_eq!(sending.await.unwrap().unwrap().status(), 200);

    let mut answer = download(&bed, a.id, "?path=/workspace/a").send().await.unwrap();
    for piece in ["first", "second", "third"] {
        more.send(Ok(Bytes::from(piece))).await.unwrap();
        let came = tokio::time::timeout(PATIENCE, answer.chunk()).await.expect("it was held").unwrap().unwrap();
        assert_eq!(came, piece);
    }
    drop(more);
    assert!(answer.chunk().await.unwrap().is_none());
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s174_s175_o24_refusals_come_in_the_order_of_the_contract() {
    let bed = Bed::new().await;
    let files = FileAgent::answering(|| plain(200, "{}")).await;
    let big = vec![0_u8; 20 * MIB];
    let ask = |id: String| [upload(&bed, &id, big.clone()), download(&bed, &id, "?path=/workspace/a")];
    for request in ask("no-uuid".into()) {
        let (status, error, _) = refusal(request.send().await.unwrap()).await;
        assert_eq!((status, error.as_str()), (400, "invalid workspace ID"));
    }
    // The path before the row.
    let (status, error, _) = refusal(download(&bed, WorkspaceId::random(), "?path=x").send().await.unwrap()).await;
    assert_eq!((status, error.as_str()), (400, "path must be absolute"));
    let removed = bed.workspace("Gone", None).await;
    bed.remove(removed.id).await;
    for request in [WorkspaceId::random(), removed.id].into_iter().flat_map(|id| ask(id.to_string())) {
        let (status, error, _) = refusal(request.send().await.unwrap()).await;
        assert_eq!((status, error.as_str()), (404, "workspace not found"));
    }
    // One that we start has no address yet: that is said before its secret is looked for.
    let starting = bed.workspace("Starting", None).await;
    for request in ask(starting.id.to_string()) {
        let (status, error, body) = refusal(request.send().await.unwrap()).await;
        assert_eq!((status, &body["code"]), (503, &json!("no_url")), "{error}");
        assert!(body.get("retry_after_seconds").is_none());
    }
    // An address, and no secret: made now, learned with the next heartbeat, then it works.
    let a = bed.workspace_as("A", None, "external", DeliveryMode::Push).await;
    bed.sql("UPDATE workspaces SET url = ?1 WHERE id = ?2", vec![files.url.clone(), a.id.to_string()]).await;
    let [up, down] = ask(a.id.to_string());
    let answer = up.send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "30");
    let (status, error, body) = refusal(answer).await;
    assert_eq!((status, &body["retry_after_seconds"]), (503, &json!(30)));
    assert!(error.contains("retry"), "{error}");
    assert!(files.got().is_empty());
    let secret = secret_of(&bed, &a).await;
    assert!(!body.to_string().contains(&secret));
    assert_eq!(down.send().await.unwrap().status(), 200);
    assert_eq!(files.got()[0].header("authorization"), Some(format!("Bearer {secret}").as_str()));
    // What the agent says goes through as it is.
    for (status, said) in
        [(413, r#"{"error":"big.bin"}"#), (400, "{}"), (401, "no"), (404, "{}"), (500, "oh"), (302, "")]
    {
        let files = FileAgent::answering(move || {
            let mut answer = plain(status, said);
            answer.headers_mut().insert("location", "http://169.254.169.254/".parse().unwrap());
            answer
        })
        .await;
        bed.sql("UPDATE workspaces SET url = ?1 WHERE id = ?2", vec![files.url.clone(), a.id.to_string()]).await;
        for request in ask(a.id.to_string()) {
            let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
            let answer = client.execute(request.build().unwrap()).await.unwrap();
            assert_eq!(answer.status().as_u16(), status);
            assert!(answer.headers().get("location").is_none());
            assert_eq!(answer.text().await.unwrap(), said);
        }
    }
    // Nobody there.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    bed.sql("UPDATE workspaces SET url = ?1 WHERE id = ?2", vec![format!("http://{closed}"), a.id.to_string()]).await;
    for request in ask(a.id.to_string()) {
        let (status, error, body) = refusal(request.send().await.unwrap()).await;
        assert_eq!((status, &body["code"]), (502, &json!("agent_unreachable")), "{error}");
        assert!(!body.to_string().contains(&closed.to_string()), "{body}");
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s174_an_agent_that_refuses_before_it_has_read_is_heard() {
    let bed = Bed::new().await;
    let agent = FileAgent::raw(|_| async { plain(413, r#"{"error":"enough"}"#) }).await;
    let a = bed.agent("A", None, &agent.url).await;
    for size in [100, MIB, 4 * MIB, 30 * MIB, 300 * 1024, 30 * MIB] {
        let (status, error, _) = refusal(upload(&bed, a.id, vec![0; size]).send().await.unwrap()).await;
        assert_eq!((status, error.as_str()), (413, "enough"), "{size}");
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o24_an_upload_of_more_than_fifty_mebibytes_is_cut_off() {
    let bed = Bed::new().await;
    let files = FileAgent::answering(|| plain(200, "{}")).await;
    let a = bed.agent("A", None, &files.url).await;
    assert_eq!(upload(&bed, a.id, vec![1; 50 * MIB]).send().await.unwrap().status(), 200);
    assert_eq!(files.got()[0].body.len(), 50 * MIB);
    // Said beforehand: nothing is forwarded.
    let (status, error, body) = refusal(upload(&bed, a.id, vec![1; 50 * MIB + 1]).send().await.unwrap()).await;
    assert_eq!((status, &body["code"]), (413, &json!("upload_too_large")), "{error}");
    assert!(error.contains("50 MiB"));
    assert_eq!(files.got().len(), 1);
    // Found out on the way: the agent gets no whole request of it.
    let pieces = futures_util::stream::iter((0..51).map(|_| Ok::<_, std::io::Error>(vec![1_u8; MIB])));
    let answer = upload(&bed, a.id, reqwest::Body::wrap_stream(pieces)).send().await.unwrap();
    assert_eq!(refusal(answer).await.0, 413);
    assert!(files.got().iter().skip(1).all(|got| got.body.len() <= 50 * MIB));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s178_s179_s182_a_download_has_three_headers_and_is_never_a_page() {
    let bed = Bed::new().await;
    let files = FileAgent::answering(|| {
        let disposition = r#"attachment; filename="a\"b.md"; filename*=UTF-8''a%22b.md"#;
        let builder =
            Answer::builder().header("content-type", "text/markdown").header("content-disposition", disposition);
        builder.header("x-own", "1").header("access-control-allow-origin", "*").body(Body::from("# hi")).unwrap()
    })
    .await;
    let a = bed.agent("A", None, &files.url).await;
    let answer = download(&bed, a.id, "?path=/workspace/a.md").send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").unwrap(), "text/markdown");
    assert_eq!(header("content-length").unwrap(), "4");
    assert_eq!(header("content-disposition").unwrap(), r#"attachment; filename="a\"b.md"; filename*=UTF-8''a%22b.md"#);
    assert_eq!((header("x-own"), header("access-control-allow-origin")), (None, None));
    assert_eq!(header("content-security-policy").unwrap(), "default-src 'none'; sandbox");
    assert_eq!(header("x-content-type-options").unwrap(), "nosniff");
    assert_eq!(answer.text().await.unwrap(), "# hi");
    // A page that would be ours, where the agent says no disposition or another one.
    for disposition in [None, Some("inline")] {
        let evil = FileAgent::answering(move || {
            let builder = Answer::builder().header("content-type", "text/html");
            let builder = disposition.into_iter().fold(builder, |all, each| all.header("content-disposition", each));
            builder.body(Body::from("<script src=x></script>")).unwrap()
        })
        .await;
        bed.sql("UPDATE workspaces SET url = ?1 WHERE id = ?2", vec![evil.url.clone(), a.id.to_string()]).await;
        let answer = download(&bed, a.id, "?path=/workspace/%22%0d%0aX-Evil:%201%22.html").send().await.unwrap();
        assert_eq!(answer.headers()["content-security-policy"], "default-src 'none'; sandbox");
        assert_eq!(
            answer.headers()["content-disposition"],
            "attachment; filename=\"\\\"X-Evil: 1\\\".html\"; filename*=UTF-8''%22%0D%0AX-Evil%3A%201%22.html"
        );
        assert!(answer.headers().get("x-evil").is_none());
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s180_r103_the_agent_is_asked_only_for_paths_that_pass() {
    let bed = Bed::new().await;
    let files = FileAgent::answering(|| plain(404, "{}")).await;
    let a = bed.agent("A", None, &files.url).await;
    // The query as sent, and the query that the agent gets; None: refused.
    let table = [
        ("?path=/workspace/a", Some("/workspace/a")),
        ("?path=%2Fworkspace%2Fa", Some("/workspace/a")),
        ("?path=/workspace/a+b", Some("/workspace/a%20b")),
        ("?path=/workspace/a%2Bb", Some("/workspace/a%2Bb")),
        ("?path=/workspace/a%252e%252e/b", Some("/workspace/a%252e%252e/b")),
        ("?path=/workspace/%C3%BC", Some("/workspace/%C3%BC")),
        ("?path=/workspace/a%26path%3D/etc", Some("/workspace/a%26path%3D/etc")),
        ("?path=/configs/config.yaml", Some("/configs/config.yaml")),
        ("?path=/home/agent/x", Some("/home/agent/x")),
        ("?path=/plugins/p", Some("/plugins/p")),
        ("", None),
        ("?path=", None),
        ("?other=/workspace/a", None),
        ("?path=workspace/a", None),
        ("?path=/etc/passwd", None),
        ("?path=/workspace/../etc/passwd", None),
        ("?path=/workspace/%2e%2e/etc/passwd", None),
        ("?path=/workspace%2F..%2Fetc", None),
        ("?path=/workspace//a", None),
        ("?path=/workspace/a%00", None),
        ("?path=/workspaces", None),
        ("?path=%252Fworkspace", None),
    ];
    for (query, want) in table {
        let answer = download(&bed, a.id, query).send().await.unwrap();
        let asked = files.got.lock().unwrap().pop().map(|got| got.target);
        assert_eq!(asked, want.map(|path| format!("/internal/file/read?path={path}")), "{query}");
        assert_eq!(answer.status().as_u16(), if want.is_some() { 404 } else { 400 }, "{query}");
    }
    // Twice the same key: refused rather than guessed.
    let twice = download(&bed, a.id, "?path=/workspace/a&path=/etc/passwd").send().await.unwrap();
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
    assert!(files.got().is_empty());
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s183_o28_the_address_is_checked_before_each_forward() {
    let bed = Bed::new().await;
    let files = FileAgent::answering(|| plain(200, "{}")).await;
    let a = bed.agent("A", None, &files.url).await;
    assert_eq!(upload(&bed, a.id, "x").send().await.unwrap().status(), 200);
    let own = format!("http://127.0.0.1:{}", bed.app.endpoint.port);
    let lan = "http://192.168.1.7:9000".to_owned();
    for url in ["http://169.254.169.254".to_owned(), own, lan, "http://127.0.0.1:2375".into(), "file:///etc".into()] {
        bed.sql("UPDATE workspaces SET url = ?1 WHERE id = ?2", vec![url.clone(), a.id.to_string()]).await;
        for request in [upload(&bed, a.id, vec![0; MIB]), download(&bed, a.id, "?path=/workspace/a")] {
            let (status, error, body) = refusal(request.send().await.unwrap()).await;
            assert_eq!((status, error.as_str()), (502, "workspace URL is not publicly routable"), "{url}");
            assert!(!body.to_string().contains("169.254"), "{body}");
        }
    }
    assert_eq!(files.got().len(), 1);
    // A poll agent that gave an address is asked there all the same.
    bed.sql(
        "UPDATE workspaces SET url = ?1, delivery_mode = 'poll' WHERE id = ?2",
        vec![files.url.clone(), a.id.to_string()],
    )
    .await;
    assert_eq!(upload(&bed, a.id, "x").send().await.unwrap().status(), 200);
    assert_eq!(files.got().len(), 2);
    bed.stop().await;
}
