//! S1 of the targets, the `Host` rows (R-52): only our own names with our own port pass, on HTTP, on the
//! WebSocket and on the event stream. Every row is sent byte by byte.

use serde_json::json;

use crate::support::{
    TestServer,
    raw::{Ask, send},
};

/// What stands in the `Host` lines of a request. `PORT` is the server's own.
struct Row {
    why: &'static str,
    hosts: &'static [&'static str],
    passes: bool,
}

const fn row(why: &'static str, hosts: &'static [&'static str], passes: bool) -> Row {
    Row { why, hosts, passes }
}

const ROWS: [Row; 36] = [
    row("our number", &["127.0.0.1:PORT"], true),
    row("our name", &["localhost:PORT"], true),
    row("our number, version 6", &["[::1]:PORT"], true),
    row("host names have no case", &["LocalHost:PORT"], true),
    row("no header at all", &[], false),
    row("an empty header", &[""], false),
    row("ours, twice", &["127.0.0.1:PORT", "127.0.0.1:PORT"], false),
    row("ours first, then a stranger's", &["127.0.0.1:PORT", "evil.example"], false),
    row("a stranger's first, then ours", &["evil.example", "127.0.0.1:PORT"], false),
    row("two in one line", &["127.0.0.1:PORT, evil.example"], false),
    row("ours without the port", &["127.0.0.1"], false),
    row("our name without the port", &["localhost"], false),
    row("an empty port", &["localhost:"], false),
    row("another port", &["127.0.0.1:1"], false),
    row("our port with a digit behind it", &["127.0.0.1:PORT0"], false),
    row("a signed port", &["127.0.0.1:+PORT"], false),
    row("a rebinding name", &["evil.example:PORT"], false),
    row("a rebinding name that begins like ours", &["localhost.evil.example:PORT"], false),
    row("a rebinding name that ends like ours", &["evil-localhost:PORT"], false),
    row("a public name of 127.0.0.1", &["127.0.0.1.nip.io:PORT"], false),
    row("a public name of loopback", &["localtest.me:PORT"], false),
    row("a subdomain of localhost", &["app.localhost:PORT"], false),
    row("a rooted name", &["localhost.:PORT"], false),
    row("decimal", &["2130706433:PORT"], false),
    row("hexadecimal", &["0x7f000001:PORT"], false),
    row("octal", &["0177.0.0.1:PORT"], false),
    row("short", &["127.1:PORT"], false),
    row("another loopback number", &["127.0.0.2:PORT"], false),
    row("any address", &["0.0.0.0:PORT"], false),
    row("version 4 in version 6", &["[::ffff:127.0.0.1]:PORT"], false),
    row("version 6 without brackets", &["::1:PORT"], false),
    row("a user before it", &["user@127.0.0.1:PORT"], false),
    row("a path behind it", &["127.0.0.1:PORT/evil.example"], false),
    row("a container's name for us", &["host.docker.internal:PORT"], false),
    row("a network's name for us", &["platform:PORT"], false),
    row("the machine's address in a network", &["192.168.1.10:PORT"], false),
];

fn with_hosts(mut ask: Ask, hosts: &[&str], port: u16) -> Ask {
    for host in hosts {
        ask = ask.line(format!("Host: {}", host.replace("PORT", &port.to_string())));
    }
    ask
}

#[tokio::test]
async fn s1_r52_only_our_own_names_pass_on_http_websocket_and_stream() {
    let server = TestServer::start().await;
    let (port, admin) = (server.port(), server.admin_token());
    let body = json!({"name": "Listener", "external": true});
    let workspace = server.admin().post("/workspaces", &body).await.expect(201);
    let stream = format!("/workspaces/{}/events/stream", workspace["id"].as_str().unwrap());
    for Row { why, hosts, passes } in ROWS {
        let ask = |what: Ask| with_hosts(what, hosts, port).send(port).status;
        let got = [
            ask(Ask::get("/health")),
            ask(Ask::get("/").bearer(admin)),
            ask(Ask::get("/workspaces").bearer(admin)),
            ask(Ask::get(&stream).bearer(admin)),
            ask(Ask::upgrade("/ws", admin)),
        ];
        if passes {
            assert_eq!(got[0], 200, "{why}: {hosts:?} on /health");
            assert_eq!(got[2..], [200, 200, 101], "{why}: {hosts:?}");
        } else {
            let refused = |status: &u16| [400, 403].contains(status);
            assert!(got.iter().all(refused), "{why}: {hosts:?} got {got:?}");
        }
    }
}

#[tokio::test]
async fn s1_an_absolute_target_must_be_ours_too() {
    let server = TestServer::start().await;
    let port = server.port();
    let rows = [
        ("http://127.0.0.1:PORT/health", "127.0.0.1:PORT", true),
        ("http://localhost:PORT/health", "127.0.0.1:PORT", true),
        ("http://evil.example/health", "127.0.0.1:PORT", false),
        ("http://evil.example:PORT/health", "127.0.0.1:PORT", false),
        ("http://127.0.0.1:PORT/health", "evil.example", false),
        ("http://evil.example@127.0.0.1:PORT/health", "127.0.0.1:PORT", false),
    ];
    for (target, host, passes) in rows {
        let fill = |text: &str| text.replace("PORT", &port.to_string());
        let answer = Ask::get(fill(target)).line(format!("Host: {}", fill(host))).send(port);
        let expected: &[u16] = if passes { &[200] } else { &[400, 403] };
        assert!(expected.contains(&answer.status), "{target} with {host}: {}", answer.status);
    }
}

#[tokio::test]
async fn s1_forwarded_headers_are_never_read() {
    let server = TestServer::start().await;
    let (port, admin) = (server.port(), server.admin_token());
    let own = format!("127.0.0.1:{port}");
    let names = ["X-Forwarded-Host", "X-Host", "X-Original-Host", "X-Forwarded-Server", "Forwarded"];
    for name in names {
        let told = |host: &str| match name {
            "Forwarded" => format!("Forwarded: host={host};proto=https"),
            _ => format!("{name}: {host}"),
        };
        let ask = Ask::get("/workspaces").bearer(admin);
        let answer = ask.clone().line("Host: evil.example").line(told(&own)).send(port);
        assert_eq!(answer.status, 403, "{name} does not help a stranger's host");
        let answer = ask.line(format!("Host: {own}")).line(told("evil.example")).send(port);
        assert_eq!(answer.status, 200, "{name} does not harm our own");
    }
    let ticket = Ask { method: "POST", ..Ask::get("/app/ticket") }
        .bearer(admin)
        .line(format!("Host: localhost:{port}"))
        .line("X-Forwarded-Host: evil.example")
        .line("X-Forwarded-Proto: https")
        .line("Content-Length: 0")
        .send(port);
    let body = String::from_utf8_lossy(&ticket.body).into_owned();
    assert!(body.contains(&format!("http://127.0.0.1:{port}/#ticket=")), "{body}");
    assert!(!body.contains("evil"), "{body}");
}

#[tokio::test]
async fn s1_r52_the_names_inside_containers_need_a_workspace_credential() {
    let server = TestServer::start().await;
    let (port, admin) = (server.port(), server.admin());
    let body = json!({"name": "Contained", "external": true});
    let workspace = admin.post("/workspaces", &body).await.expect(201);
    let id = workspace["id"].as_str().unwrap();
    let token = admin.post(&format!("/workspaces/{id}/tokens"), &json!({})).await.expect(201);
    let token = token["auth_token"].as_str().unwrap();
    for host in ["host.docker.internal", "host.containers.internal", "platform"] {
        let ask = |bearer: &str| {
            let path = format!("/workspaces/{id}/activity");
            Ask::get(path).bearer(bearer).line(format!("Host: {host}:{port}")).send(port).status
        };
        assert_eq!(ask(token), 200, "{host} with a workspace's token");
        assert_eq!(ask(server.admin_token()), 403, "{host} with the admin token");
        assert_eq!(ask("guess"), 403, "{host} with a guess");
    }
}

/// The guard speaks before anything else does: no body is read, no row is written.
#[tokio::test]
async fn s1_a_refused_host_has_no_effect_and_says_what_to_use() {
    let server = TestServer::start().await;
    let (port, admin) = (server.port(), server.admin_token());
    let body = r#"{"name":"Ghost","external":true}"#;
    let answer = send(
        port,
        format!(
            "POST /workspaces HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {admin}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
    );
    assert_eq!(answer.status, 403);
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(said.contains("127.0.0.1") && said.contains("host_not_allowed"), "{said}");
    assert_eq!(server.admin().get("/workspaces").await.expect(200), json!([]));
}
