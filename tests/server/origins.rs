//! S1 of the targets, the `Origin` rows: absent or ours or listed, nothing else; and what a
//! page from another port of this machine can reach, which is nothing.

use serde_json::{Value, json};

use crate::support::{TestServer, raw::Ask};

/// `Origin` lines of a request, and whether they pass. `PORT` is the server's own.
const ROWS: [(&str, &[&str], bool); 33] = [
    ("none, as programs send it", &[], true),
    ("our number", &["http://127.0.0.1:PORT"], true),
    ("our name", &["http://localhost:PORT"], true),
    ("our number, version 6", &["http://[::1]:PORT"], true),
    ("the window where it has its own scheme", &["tauri://localhost"], true),
    ("the window on Windows", &["http://tauri.localhost"], true),
    ("an opaque page", &["null"], false),
    ("an empty line", &[""], false),
    ("a page on another port", &["http://127.0.0.1:3000"], false),
    ("a page on another port, by name", &["http://localhost:5173"], false),
    ("a page on the default port", &["http://127.0.0.1"], false),
    ("our name without the port", &["http://localhost"], false),
    ("another scheme", &["https://127.0.0.1:PORT"], false),
    ("a socket's scheme", &["ws://127.0.0.1:PORT"], false),
    ("a file", &["file://"], false),
    ("an extension", &["chrome-extension://abcdefghijklmnop"], false),
    ("a stranger", &["http://evil.example"], false),
    ("a stranger on our port", &["http://evil.example:PORT"], false),
    ("a name that begins like ours", &["http://localhost.evil.example:PORT"], false),
    ("a name that has ours in it", &["http://evil.example/127.0.0.1:PORT"], false),
    ("a name behind ours", &["http://127.0.0.1:PORT.evil.example"], false),
    ("a subdomain of localhost", &["http://app.localhost:PORT"], false),
    ("a user before it", &["http://user@127.0.0.1:PORT"], false),
    ("a path behind it", &["http://127.0.0.1:PORT/"], false),
    ("decimal", &["http://2130706433:PORT"], false),
    ("hexadecimal", &["http://0x7f000001:PORT"], false),
    ("short", &["http://127.1:PORT"], false),
    ("another loopback number", &["http://127.0.0.2:PORT"], false),
    ("version 4 in version 6", &["http://[::ffff:127.0.0.1]:PORT"], false),
    ("ours, twice", &["http://127.0.0.1:PORT", "http://127.0.0.1:PORT"], false),
    ("ours, then a stranger", &["http://127.0.0.1:PORT", "http://evil.example"], false),
    ("two in one line", &["http://127.0.0.1:PORT http://evil.example"], false),
    ("the window's scheme, another host", &["tauri://evil.example"], false),
];

fn ask(what: Ask, port: u16, origins: &[&str]) -> Ask {
    let mut ask = what.line(format!("Host: 127.0.0.1:{port}"));
    for origin in origins {
        ask = ask.line(format!("Origin: {}", origin.replace("PORT", &port.to_string())));
    }
    ask
}

async fn listener(server: &TestServer) -> String {
    let body = json!({"name": "Listener", "external": true});
    let workspace = server.admin().post("/workspaces", &body).await.expect(201);
    format!("/workspaces/{}/events/stream", workspace["id"].as_str().unwrap())
}

#[tokio::test]
async fn s1_r43_only_our_own_origins_pass_on_http_websocket_and_stream() {
    let server = TestServer::start().await;
    let (port, admin) = (server.port(), server.admin_token());
    let stream = listener(&server).await;
    for (why, origins, passes) in ROWS {
        let asked = [
            (Ask::get("/health"), 200),
            (Ask::get("/workspaces").bearer(admin), 200),
            (Ask::get(&stream).bearer(admin), 200),
            (Ask::upgrade("/ws", admin), 101),
        ];
        for (what, good) in asked {
            let target = what.target.clone();
            let answer = ask(what, port, origins).send(port);
            let expected = if passes { good } else { 403 };
            assert_eq!(answer.status, expected, "{why}: {origins:?} on {target}");
            if !passes {
                assert!(answer.body.is_empty(), "{why}: a refused origin learns nothing");
                let allowed = answer.header("access-control-allow-origin");
                assert_eq!(allowed, None, "{why}: {origins:?} on {target}");
            }
        }
    }
}

/// `Origin` never authenticates.
#[tokio::test]
async fn s1_our_own_origin_is_no_credential() {
    let server = TestServer::start().await;
    let port = server.port();
    let own = format!("http://127.0.0.1:{port}");
    for what in [Ask::get("/workspaces"), Ask::get("/canvas/viewport"), Ask::upgrade("/ws", "guess")] {
        let target = what.target.clone();
        assert_eq!(ask(what, port, &[&own]).send(port).status, 401, "{target}");
    }
}

/// What a browser sends for a page of another port, for each way a page has to reach a server.
#[tokio::test]
async fn done_when_6_a_page_from_another_port_reaches_nothing() {
    let server = TestServer::start().await;
    let (port, admin) = (server.port(), server.admin_token());
    let page = "http://127.0.0.1:3999";
    let document = server.anonymous().get("/openapi.json").await.expect(200);
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let Some(method) = verb(method) else { continue };
            let path = fill(path);
            let base = || Ask { method, ..Ask::get(&path) }.line("Content-Length: 0");
            // fetch() with and without a credential that leaked, a form, a beacon: all carry the origin.
            for what in [base(), base().bearer(admin)] {
                let what = what.line("Sec-Fetch-Site: same-site").line("Sec-Fetch-Mode: cors");
                let answer = ask(what, port, &[page]).send(port);
                assert_eq!((answer.status, answer.body.len()), (403, 0), "{method} {path} from {page}");
            }
            // Its preflight.
            let preflight = Ask { method: "OPTIONS", ..Ask::get(&path) }
                .line(format!("Access-Control-Request-Method: {method}"))
                .line("Access-Control-Request-Headers: authorization");
            let answer = ask(preflight, port, &[page]).send(port);
            assert_eq!(answer.status, 403, "preflight for {method} {path}");
            assert_eq!(answer.header("access-control-allow-methods"), None, "{path}");
            // An image, a script, a frame's subresource: no origin, but the browser says whose it is.
            if method == "GET" {
                for (site, mode, kind) in [
                    ("same-site", "no-cors", "image"),
                    ("same-site", "no-cors", "script"),
                    ("cross-site", "no-cors", "image"),
                    ("cross-site", "no-cors", "object"),
                    ("same-site", "websocket", "websocket"),
                ] {
                    let what = Ask::get(&path)
                        .line(format!("Sec-Fetch-Site: {site}"))
                        .line(format!("Sec-Fetch-Mode: {mode}"))
                        .line(format!("Sec-Fetch-Dest: {kind}"));
                    let answer = ask(what, port, &[]).send(port);
                    assert_eq!(answer.status, 403, "{path} as {kind} from a {site} page");
                    assert!(answer.body.is_empty(), "{path} as {kind} from a {site} page");
                }
            }
            tried += 1;
        }
    }
    assert!(tried > 40, "only {tried} routes were tried");
    let socket = Ask::upgrade("/ws", admin).line("Sec-Fetch-Site: same-site");
    assert_eq!(ask(socket, port, &[page]).send(port).status, 403, "its socket");
    // A window that the page opens, or a frame: it may load our page, which has no credential in it, and
    // no other page may draw it in a frame.
    let shown =
        Ask::get("/").line("Sec-Fetch-Site: same-site").line("Sec-Fetch-Mode: navigate").line("Sec-Fetch-Dest: iframe");
    let shown = ask(shown, port, &[]).send(port);
    assert_eq!(shown.header("x-frame-options"), Some("DENY"));
    let policy = shown.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(shown.header("set-cookie"), None, "R-4: no cookies at all");
}

fn verb(method: &str) -> Option<&'static str> {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    known.into_iter().find(|verb| verb.eq_ignore_ascii_case(method))
}

fn fill(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        parts.push(if part.starts_with('{') { crate::support::NOBODY } else { part });
    }
    parts.join("/")
}

#[tokio::test]
async fn r5_r82_a_listed_origin_gets_its_headers_on_every_answer() {
    let listed = "http://localhost:3000";
    let server = TestServer::builder().env("CORS_ORIGINS", listed).start().await;
    let (port, admin) = (server.port(), server.admin_token());
    let cases: [(Ask, u16); 5] = [
        (Ask::get("/health"), 200),
        (Ask::get("/workspaces").bearer(admin), 200),
        (Ask::get("/workspaces"), 401),
        (Ask::get("/no-such-route").bearer(admin), 404),
        (Ask { method: "OPTIONS", ..Ask::get("/no-such-route") }.line("Access-Control-Request-Method: PUT"), 204),
    ];
    for (what, status) in cases {
        let target = what.target.clone();
        let answer = ask(what, port, &[listed]).send(port);
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(listed), "{target}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{target}");
        let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
        assert!(exposed.contains("Retry-After"), "{target}: {exposed}");
    }
    let preflight = Ask { method: "OPTIONS", ..Ask::get("/workspaces") }.line("Access-Control-Request-Method: POST");
    let answer = ask(preflight, port, &[listed]).send(port);
    for (header, wanted) in [
        ("access-control-allow-methods", "PATCH"),
        ("access-control-allow-headers", "Authorization"),
        ("access-control-allow-headers", "X-Molecule-Org-Slug"),
    ] {
        let value = answer.header(header).unwrap_or_default();
        assert!(value.contains(wanted) && !value.contains('*'), "{header}: {value}");
    }
    assert_eq!(ask(Ask::get("/health"), port, &["http://localhost:3001"]).send(port).status, 403);
}

/// the default list of the contract holds in development only.
#[tokio::test]
async fn r5_the_development_origins_are_foreign_otherwise() {
    let closed = TestServer::start().await;
    let open = TestServer::development().await;
    for origin in ["http://localhost:3000", "http://localhost:3001"] {
        let status =
            |server: &TestServer| ask(Ask::get("/health"), server.port(), &[origin]).send(server.port()).status;
        assert_eq!((status(&closed), status(&open)), (403, 200), "{origin}");
    }
    let health: Value = open.anonymous().get("/health").await.expect(200);
    assert_eq!(health["development"], true, "the UI shows a banner then");
}
