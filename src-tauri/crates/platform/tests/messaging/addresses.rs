//! S3 of the targets: which addresses an agent may have, asked over HTTP of both checkers (10 §8, R-30, R-34, S247–S253).
//!
//! A register is refused with 400 and a reason; a stored address that should never have got in is refused with 502
//! when a message is sent there and with 503 when it is asked for. Nothing that is refused is ever dialled.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use futures_util::{FutureExt, future::BoxFuture};
use molecule_platform::{Config, registry::Names};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    agent::Agent,
    bed::{Bed, Known, message},
};

/// `y` allowed, `l` only with `MOLECULE_ALLOW_LAN=1`, `n` never. `OWN` is the server's own port.
const TABLE: [(&str, char); 122] = [
    // This machine, by name and by number.
    ("http://localhost:9", 'y'),
    ("http://LocalHost:9/a2a", 'y'),
    ("http://127.0.0.1:9", 'y'),
    ("http://127.0.0.1", 'y'),
    ("https://127.0.0.1:9", 'y'),
    ("http://127.255.255.254:9", 'y'),
    ("http://[::1]:9", 'y'),
    ("http://[0:0:0:0:0:0:0:1]:9", 'y'),
    ("http://[::ffff:127.0.0.1]:9", 'y'),
    ("http://[::ffff:7f00:1]:9", 'y'),
    // Our own port under each of our own names.
    ("http://localhost:OWN", 'n'),
    ("http://LOCALHOST:OWN/workspaces", 'n'),
    ("http://127.0.0.1:OWN", 'n'),
    ("http://127.0.0.1:OWN/as/x/workspaces", 'n'),
    ("http://127.0.0.1:0OWN", 'n'),
    ("https://127.0.0.1:OWN", 'n'),
    ("http://127.0.0.2:OWN", 'n'),
    ("http://127.255.255.254:OWN", 'n'),
    ("http://[::1]:OWN", 'n'),
    ("http://[::ffff:127.0.0.1]:OWN", 'n'),
    ("http://[::ffff:7f00:1]:OWN", 'n'),
    ("http://[64:ff9b::7f00:1]:OWN", 'n'),
    ("http://[2002:7f00:1::]:OWN", 'n'),
    ("http://0.0.0.0:OWN", 'n'),
    ("http://[::]:OWN", 'n'),
    ("http://localhost.:OWN", 'n'),
    ("http://127.0.0.1.:OWN", 'n'),
    ("http://192.168.1.4:OWN", 'n'),
    ("http://10.0.0.4:OWN", 'n'),
    ("http://host.docker.internal:OWN", 'n'),
    ("http://host.containers.internal:OWN", 'n'),
    ("http://platform:OWN", 'n'),
    // A container engine, anywhere.
    ("http://localhost:2375", 'n'),
    ("http://localhost:2376", 'n'),
    ("http://127.0.0.1:2375/containers/json", 'n'),
    ("https://127.0.0.1:2376", 'n'),
    ("http://[::1]:2375", 'n'),
    ("http://93.184.216.34:2375", 'n'),
    ("http://agent.example:2376", 'n'),
    // Link-local, and where clouds keep their credentials.
    ("http://169.254.169.254", 'n'),
    ("http://169.254.169.254/latest/meta-data/iam/security-credentials/", 'n'),
    ("http://169.254.170.2", 'n'),
    ("http://169.254.0.1:9", 'n'),
    ("http://[::ffff:169.254.169.254]", 'n'),
    ("http://[::ffff:a9fe:a9fe]", 'n'),
    ("http://[64:ff9b::169.254.169.254]", 'n'),
    ("http://[64:ff9b::a9fe:a9fe]", 'n'),
    ("http://[64:ff9b:1::a9fe:a9fe]", 'n'),
    ("http://[2002:a9fe:a9fe::1]", 'n'),
    ("http://[::169.254.169.254]", 'n'),
    ("http://[fd00:ec2::254]", 'n'),
    ("http://[fe80::1]:9", 'n'),
    ("http://[fe80::1%25lo]:9", 'n'),
    ("http://[febf::1]:9", 'n'),
    // The local network.
    ("http://10.0.0.1:9", 'l'),
    ("http://10.255.255.254:9", 'l'),
    ("http://172.16.0.1:9", 'l'),
    ("http://172.17.0.1:9", 'l'),
    ("http://172.31.255.254:9", 'l'),
    ("http://192.168.0.1:9", 'l'),
    ("http://192.168.255.254:9", 'l'),
    ("http://[::ffff:10.0.0.1]:9", 'l'),
    ("http://[::ffff:c0a8:1]:9", 'l'),
    ("http://[64:ff9b::10.0.0.1]:9", 'l'),
    ("http://[fd12:3456::1]:9", 'l'),
    ("http://[fdff:ffff::1]:9", 'l'),
    // Carrier NAT, test nets, benchmarks, documentation, protocol assignments.
    ("http://100.64.0.1:9", 'n'),
    ("http://100.127.255.254:9", 'n'),
    ("http://192.0.2.1", 'n'),
    ("http://198.51.100.7", 'n'),
    ("http://203.0.113.255", 'n'),
    ("http://198.18.0.1", 'n'),
    ("http://198.19.255.254", 'n'),
    ("http://192.0.0.8", 'n'),
    ("http://[2001:db8::1]", 'n'),
    ("http://[2001::1]", 'n'),
    // Multicast, unspecified, reserved, broadcast, and the ranges that nobody assigned.
    ("http://224.0.0.1", 'n'),
    ("http://224.0.1.1", 'n'),
    ("http://239.255.255.250:1900", 'n'),
    ("http://240.0.0.1", 'n'),
    ("http://255.255.255.255", 'n'),
    ("http://0.0.0.0:9", 'n'),
    ("http://0.1.2.3", 'n'),
    ("http://[::]:9", 'n'),
    ("http://[ff01::1]", 'n'),
    ("http://[ff02::1]", 'n'),
    ("http://[fc00::1]", 'n'),
    ("http://[fec0::1]", 'n'),
    ("http://[::7f00:2]:9", 'n'),
    ("http://[5f00::1]", 'n'),
    // Public, and just outside of what is not.
    ("http://93.184.216.34", 'y'),
    ("https://93.184.216.34:8443/a2a?x=1", 'y'),
    ("https://[2606:2800:220:1:248:1893:25c8:1946]", 'y'),
    ("http://9.255.255.255", 'y'),
    ("http://172.32.0.1", 'y'),
    ("http://192.169.0.1", 'y'),
    ("http://100.128.0.1", 'y'),
    ("http://169.253.255.255", 'y'),
    // Numbers in disguise.
    ("http://2130706433:9", 'n'),
    ("http://017700000001:9", 'n'),
    ("http://0x7f000001:9", 'n'),
    ("http://0x7f.1:9", 'n'),
    ("http://0x7f.0x0.0x0.0x1:9", 'n'),
    ("http://0177.0.0.1:9", 'n'),
    ("http://127.1:9", 'n'),
    ("http://127.0.1:9", 'n'),
    ("http://127.0.0.1.:9", 'n'),
    ("http://2852039166", 'n'),
    ("http://127.0.0.1%00.agent.example", 'n'),
    ("http://\u{ff11}\u{ff12}\u{ff17}.0.0.1:9", 'n'),
    ("http://127\u{3002}0\u{3002}0\u{3002}1:9", 'n'),
    ("http://b\u{fc}cher.invalid", 'n'),
    ("http://xn--bcher-kva.invalid", 'n'),
    // A name before it, other schemes, broken text.
    ("http://user@127.0.0.1:9", 'n'),
    ("http://93.184.216.34@127.0.0.1:9", 'n'),
    ("http://user:password@93.184.216.34", 'n'),
    ("ftp://127.0.0.1", 'n'),
    ("gopher://127.0.0.1:6379/_FLUSHALL", 'n'),
    ("file:///etc/passwd", 'n'),
    ("//127.0.0.1:9", 'n'),
    ("http://127.0.0.1:99999", 'n'),
    ("http://127.0.0.1:9 http://169.254.169.254", 'n'),
];

/// No name is known, and none of them is asked of the network.
#[derive(Debug)]
struct Nowhere;

impl Names for Nowhere {
    fn look_up(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        async { Err(io::ErrorKind::NotFound.into()) }.boxed()
    }
}

async fn bed(change: impl FnOnce(&mut Config)) -> Bed {
    Bed::with(|config| {
        config.names = Arc::new(Nowhere);
        change(config);
    })
    .await
}

/// Status and text of a register with this address.
async fn register(bed: &Bed, known: &Known, url: &str, mode: &str) -> (u16, String) {
    let body = json!({"id": known.id, "url": url, "agent_card": {}, "delivery_mode": mode});
    let answer = bed.post("/registry/register").bearer_auth(&known.token).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

/// Status and text of a message to it.
async fn send(bed: &Bed, to: &Known) -> (u16, String) {
    let request = bed.post(&format!("/workspaces/{}/a2a", to.id)).bearer_auth(&bed.admin);
    let answer = request.json(&message("message/send", "hi")).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

async fn discover(bed: &Bed, from: &Known, to: &Known) -> (u16, String) {
    let path = format!("{}/registry/discover/{}", bed.base, to.id);
    let request = bed.http.get(path).bearer_auth(&from.token).header("X-Workspace-ID", from.id.to_string());
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

/// The whole table through the registration checker, in push mode and in poll mode (O-28), and what is refused
/// through the dispatch checker too.
async fn table(bed: &Bed, lan: bool) {
    let own = bed.app.endpoint.port.to_string();
    let (agent, peer) = (bed.workspace("Agent", None).await, bed.workspace("Peer", None).await);
    let mut wrong = Vec::new();
    for (text, kind) in TABLE {
        let url = text.replace("OWN", &own);
        let allowed = kind == 'y' || lan && kind == 'l';
        for mode in ["push", "poll"] {
            let (status, reason) = register(bed, &agent, &url, mode).await;
            if status != if allowed { 200 } else { 400 } {
                wrong.push(format!("register {url} ({mode}): {status} {reason}"));
            }
            // S253: a reason, and no address in it.
            if !allowed && (reason.is_empty() || reason.bytes().filter(|byte| *byte == b'.').count() > 1) {
                wrong.push(format!("register {url}: the reason is {reason:?}"));
            }
        }
        if allowed {
            continue;
        }
        // It got in all the same: an older row, a changed setting, a hand on the database.
        let sql = "UPDATE workspaces SET url = ?1, delivery_mode = 'push', status = 'online' WHERE id = ?2";
        bed.sql(sql, vec![url.clone(), agent.id.to_string()]).await;
        let sent = send(bed, &agent).await;
        if (sent.0, sent.1.as_str()) != (502, "workspace URL is not publicly routable") {
            wrong.push(format!("message to {url}: {sent:?}"));
        }
        let found = discover(bed, &peer, &agent).await;
        if (found.0, found.1.as_str()) != (503, "workspace URL failed safety check") {
            wrong.push(format!("discover {url}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_s247_s250_s251_s253_every_address_by_both_checkers() {
    let bed = bed(|_| {}).await;
    table(&bed, false).await;
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_s248_r34_the_local_network_is_an_opt_in() {
    let bed = bed(|config| config.allow_lan = true).await;
    table(&bed, true).await;
    bed.stop().await;
}

/// Development opens no address that the desktop column keeps shut; the test's switch is a field of this server's own
/// settings and leaks nowhere (S249, S252).
#[tokio::test(flavor = "multi_thread")]
async fn s3_s249_s252_development_opens_no_further_address() {
    let open = bed(|config| config.allow_lan = true).await;
    let bed = bed(|config| config.development = true).await;
    table(&bed, false).await;
    bed.stop().await;
    open.stop().await;
}

/// A name server that answers a name with one list after the other, and the last one ever after; it counts.
#[derive(Debug, Default)]
struct Rebinding {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Rebinding {
    fn script(&self, name: &str, answers: &[&[&str]]) {
        let parse = |list: &&[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers.iter().map(parse).collect());
    }

    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().get(name).copied().unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
struct Resolver(Arc<Rebinding>);

impl Names for Resolver {
    fn look_up(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        *self.0.asked.lock().unwrap().entry(name.clone()).or_default() += 1;
        let mut answers = self.0.answers.lock().unwrap();
        let found = answers
            .get_mut(&name)
            .and_then(|answers| if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() });
        async move { found.ok_or_else(|| io::ErrorKind::NotFound.into()) }.boxed()
    }
}

/// S132, R-62: the name passes at registration and leads elsewhere when it is dialled. What is dialled is what was
/// checked a moment before; there is no second look-up in between that could say something else.
#[tokio::test(flavor = "multi_thread")]
async fn s3_s132_r62_a_name_that_changes_its_mind_is_refused_and_never_dialled() {
    let names = Arc::new(Rebinding::default());
    let resolver = Resolver(Arc::clone(&names));
    let bed = Bed::with(|config| config.names = Arc::new(resolver)).await;
    let agent = Agent::saying("here").await;
    let port = agent.url.rsplit(':').next().unwrap().to_owned();
    let own = bed.app.endpoint.port.to_string();
    let public: &[&str] = &["93.184.216.34"];
    // Somebody who must never be called, at an address that only a lie leads to.
    let rows: [(&str, &str, &[&str]); 9] = [
        ("http", "OWN", &["127.0.0.1"]),
        ("http", "OWN", &["::1"]),
        ("http", "OWN", &["93.184.216.34", "127.0.0.1"]),
        ("https", "OWN", &["127.0.0.1"]),
        ("http", "80", &["169.254.169.254"]),
        ("https", "443", &["169.254.169.254"]),
        ("http", "AGENT", &["127.0.0.1", "169.254.169.254"]),
        ("http", "AGENT", &["10.0.0.1", "127.0.0.1"]),
        ("http", "80", &["fd00:ec2::254"]),
    ];
    for (n, (scheme, at, second)) in rows.into_iter().enumerate() {
        let name = format!("rebinding-{n}.example");
        names.script(&name, &[public, second]);
        let url = format!("{scheme}://{name}:{}", at.replace("OWN", &own).replace("AGENT", &port));
        let known = bed.workspace("Rebinding", None).await;
        assert_eq!(register(&bed, &known, &url, "push").await.0, 200, "{url}: the first answer is a public address");
        let sent = send(&bed, &known).await;
        assert_eq!((sent.0, sent.1.as_str()), (502, "workspace URL is not publicly routable"), "{url} → {second:?}");
        assert_eq!(names.asked(&name), 2, "{url}");
        let again = register(&bed, &known, &url, "push").await;
        assert_eq!(again.0, 400, "{url}: the next register sees the second answer");
        assert!(second.iter().all(|ip| !again.1.contains(ip)), "S253: {}", again.1);
    }
    assert!(agent.got().is_empty(), "nothing that was refused was dialled");

    // One look-up a connection: the answer that was checked is the one that is dialled, whatever the next would be.
    names.script("honest.example", &[&["127.0.0.1"], &["127.0.0.1"], &["169.254.169.254"]]);
    let known = bed.agent("Honest", None, &format!("http://honest.example:{port}")).await;
    assert_eq!(send(&bed, &known).await.0, 200);
    assert_eq!((names.asked("honest.example"), agent.got().len()), (2, 1));
    assert_eq!(agent.got()[0].headers["host"], format!("honest.example:{port}"), "R-63: the name as it was given");
    bed.stop().await;
}

/// every checked address is tried in turn, and the first one that answers has it.
#[tokio::test(flavor = "multi_thread")]
async fn r62_all_checked_addresses_are_tried() {
    let names = Arc::new(Rebinding::default());
    let resolver = Resolver(Arc::clone(&names));
    let bed = Bed::with(|config| config.names = Arc::new(resolver)).await;
    let agent = Agent::saying("here").await;
    let port = agent.url.rsplit(':').next().unwrap();
    // Nobody listens at the first two.
    names.script("several.example", &[&["127.0.0.3", "::1", "127.0.0.1"]]);
    let known = bed.agent("Several", None, &format!("http://several.example:{port}")).await;
    assert_eq!(send(&bed, &known).await, (200, String::new()));
    assert_eq!(agent.got().len(), 1);
    bed.stop().await;
}

/// an address is dialled as the characters that were registered.
#[tokio::test(flavor = "multi_thread")]
async fn r63_an_address_is_kept_and_dialled_as_text() {
    let bed = Bed::new().await;
    let agent = Agent::saying("here").await;
    let port = agent.url.rsplit(':').next().unwrap();
    for url in [
        format!("http://LocalHost:{port}"),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.1:{port}/a2a/./inbound?x=%41"),
    ] {
        let known = bed.agent("Text", None, &url).await;
        assert_eq!(bed.row(known.id).await.live_url(), Some(url.as_str()));
        assert_eq!(send(&bed, &known).await.0, 200, "{url}");
        let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        assert_eq!(agent.got().last().unwrap().headers["host"], host, "{url}");
    }
    bed.stop().await;
}

/// O-6: whatever an agent answers with 3xx goes back as its refusal; nobody looks where it points.
#[tokio::test(flavor = "multi_thread")]
async fn s3_o6_redirects_are_never_followed() {
    let bed = Bed::new().await;
    let elsewhere = Agent::saying("you should not be here").await;
    for code in [300, 301, 302, 303, 307, 308] {
        let target = elsewhere.url.clone();
        let agent = Agent::new(move |_| {
            let target = target.clone();
            async move {
                let response = axum::http::Response::builder().status(code).header("location", target);
                response.body(axum::body::Body::empty()).unwrap()
            }
        })
        .await;
        let known = bed.agent("Redirecting", None, &agent.url).await;
        let (status, text) = send(&bed, &known).await;
        assert_eq!(status, code);
        assert!(!text.is_empty() && !text.contains("http"), "{text}");
        assert_eq!(agent.got().len(), 1);
    }
    assert!(elsewhere.got().is_empty());
    bed.stop().await;
}

/// S132: a TLS agent with a certificate that nobody vouches for is unreachable, and the port is still judged.
#[tokio::test(flavor = "multi_thread")]
async fn s3_https_to_something_that_is_not_tls_ends_as_unreachable() {
    let bed = Bed::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").await;
        }
    });
    let known = bed.agent("Plain", None, &format!("https://127.0.0.1:{port}")).await;
    let (status, text) = send(&bed, &known).await;
    // Nonsense instead of a greeting, or a connection that ends within it: which of the two is a matter of timing.
    assert!([502, 503].contains(&status), "{status} {text}");
    bed.stop().await;
}
