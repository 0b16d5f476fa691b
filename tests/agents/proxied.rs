//! Done when 8: behind a company's proxy with a company's own authority, providers are reached, and what lies on this
//! machine is never asked for through it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use molecule_agent::testing::{ModelStub, Reply, Wire};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use super::bed::{answer_text, message, text};
use crate::support::{TestServer, eventually, server::Builder};

/// The provider's name, which no name server knows.
const PROVIDER: &str = "models.company.invalid";

/// A company: its authority, its proxy, and a provider behind both that only they lead to.
struct Company {
    authority: String,
    proxy: String,
    asked: Arc<Mutex<Vec<String>>>,
    serving: [JoinHandle<()>; 2],
}

impl Drop for Company {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

impl Company {
    /// With a provider that speaks TLS and hands on to `plain`.
    async fn around(plain: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let own = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![PROVIDER.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&own, &Issuer::new(params, key)).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der())),
            )
            .unwrap();
        let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = provider.local_addr().unwrap().to_string();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let plain = plain.strip_prefix("http://").unwrap().to_owned();
        let greeting = tokio::spawn(async move {
            while let Ok((stream, _)) = provider.accept().await {
                let (acceptor, plain) = (acceptor.clone(), plain.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut behind = TcpStream::connect(plain).await.unwrap();
                    drop(copy_bidirectional(&mut stream, &mut behind).await);
                });
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let leading = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(lead(stream, at.clone(), Arc::clone(&log)));
            }
        });
        Self { authority, proxy, asked, serving: [greeting, leading] }
    }

    /// A server whose environment is the company's.
    fn server(&self, trusting: bool) -> Builder {
        let mut builder = TestServer::builder()
            .env("HTTPS_PROXY", &self.proxy)
            .env("HTTP_PROXY", &self.proxy)
            .env("http_proxy", &self.proxy);
        if trusting {
            let path: PathBuf = builder.data().join("company.pem");
            std::fs::write(&path, &self.authority).unwrap();
            builder = builder.env("SSL_CERT_FILE", path);
        }
        builder
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The proxy: notes the first line of each request, leads `CONNECT` to the provider, and refuses everything else.
async fn lead(stream: TcpStream, provider: String, log: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    drop(stream.read_line(&mut first).await);
    log.lock().unwrap().push(first.trim().to_owned());
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
        line.clear();
    }
    if !first.starts_with("CONNECT ") {
        drop(stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await);
        return;
    }
    drop(stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await);
    let mut behind = TcpStream::connect(provider).await.unwrap();
    drop(copy_bidirectional(&mut stream, &mut behind).await);
}

async fn stub() -> ModelStub {
    ModelStub::in_order(Wire::OpenAi, [Reply::say("reached")]).await
}

async fn validate(server: &TestServer, base_url: &str) -> serde_json::Value {
    let body = json!({"provider": "openai", "key": "sk-test-key", "base_url": base_url});
    server.admin().post("/secrets/validate", &body).await.expect(200)
}

#[tokio::test]
async fn done_when_8_a_key_is_tried_through_the_proxy_and_by_the_companys_authority() {
    let listing = crate::support::FakeAgent::answering(|_| (200, json!({"object": "list", "data": []}))).await;
    let company = Company::around(listing.url()).await;
    let away = format!("https://{PROVIDER}/v1");

    let server = company.server(true).start().await;
    assert_eq!(validate(&server, &away).await, json!({"valid": true}), "{}", server.log());
    assert_eq!(company.asked(), [format!("CONNECT {PROVIDER}:443 HTTP/1.1")]);
    assert_eq!(listing.seen().last().unwrap().path, "/v1/models");

    // On this machine: at once, whatever the environment says.
    let here = listing.url().to_owned();
    for here in [here.clone(), here.replace("127.0.0.1", "localhost")] {
        assert_eq!(validate(&server, &here).await, json!({"valid": true}));
    }
    server.state().await;
    assert_eq!(company.asked().len(), 1, "loopback is never asked for through the proxy: {:?}", company.asked());

    // NO_PROXY is heeded: the name is then nobody's.
    let server = company.server(true).env("NO_PROXY", PROVIDER).start().await;
    assert_eq!(validate(&server, &away).await["code"], "unreachable");
    assert_eq!(company.asked().len(), 1, "{:?}", company.asked());

    // Without the company's authority nobody vouches for the provider, and the key is not shown to it.
    let before = listing.seen().len();
    let server = company.server(false).start().await;
    assert_eq!(validate(&server, &away).await["code"], "unreachable");
    assert_eq!((company.asked().len(), listing.seen().len()), (2, before));
}

#[tokio::test]
async fn done_when_8_a_whole_agent_answers_through_the_proxy_and_its_messages_do_not() {
    let stub = stub().await;
    let company = Company::around(stub.base_url().strip_suffix("/v1").unwrap()).await;
    let server = company.server(true).start().await;
    let made = server
        .admin()
        .post(
            "/workspaces",
            &json!({"name": "Thinker", "runtime": "local", "model": "openai/gpt-5", "secrets":
                {"OPENAI_API_KEY": "sk-test-key", "OPENAI_BASE_URL": format!("https://{PROVIDER}/v1")}}),
        )
        .await
        .expect(201);
    let id = text(&made, "id");
    eventually("the agent to be online", || async {
        let row = server.admin().get(&format!("/workspaces/{id}")).await.expect(200);
        if row["status"] == "online" { Ok(()) } else { Err(row["status"].to_string()) }
    })
    .await;
    let answer =
        server.admin().post(&format!("/workspaces/{id}/a2a"), &message("Are you there?", "m")).await.expect(200);
    assert_eq!(answer_text(&answer), "reached", "{answer}");
    assert_eq!(stub.seen().len(), 1);
    // Registering, beating, the message and its answer all went straight.
    let asked = company.asked();
    assert!(
        !asked.is_empty() && asked.iter().all(|line| *line == format!("CONNECT {PROVIDER}:443 HTTP/1.1")),
        "{asked:?}"
    );
}

/// Agents are dialled where they said they are: no proxy comes between, with TLS or without.
#[tokio::test]
async fn done_when_8_messages_to_agents_never_pass_the_proxy() {
    let agent = crate::support::FakeAgent::start().await;
    let company = Company::around(agent.url()).await;
    let server = company.server(true).start().await;
    let body = json!({"name": "External", "external": true, "url": agent.url(), "delivery_mode": "push"});
    let id = text(&server.admin().post("/workspaces", &body).await.expect(201), "id");
    server.admin().post(&format!("/workspaces/{id}/a2a"), &message("hello", "m")).await.expect(200);
    assert_eq!((agent.seen().len(), company.asked()), (1, Vec::new()));
}
