//! Talking to agents over HTTP: one POST, only to addresses that were checked, never through a redirect (10 §9.6).
//!
//! Hot path. Plain HTTP and TLS go through one kind of client and one dialler, which knows name, address and port
//! together when it judges them. A URL is dialled as the characters that were stored.

use std::{error::Error as StdError, io, net::SocketAddr, sync::Arc, task::Poll, time::Duration};

use axum::http::{HeaderValue, Request, Response, Uri, header};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http_body_util::{
    BodyExt, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;

use super::forgiving::Forgiving;
use crate::registry::{AddressRefused, AddressRules, Destination};

/// All attempts to connect together.
const CONNECT: Duration = Duration::from_secs(10);
/// Shorter than what agents' servers keep an idle connection (uvicorn: 5 s), so that we close it and not they
/// while a message is on its way.
const KEEP_IDLE: Duration = Duration::from_secs(4);
/// The largest answer, bytes; what comes beyond is cut (10 §9.6).
pub const LARGEST_ANSWER: usize = 10 * 1024 * 1024;

/// The body of an agent's answer, as it comes.
pub type AnswerBody = BoxBody<Bytes, BodyError>;
/// A body that is passed on as it comes.
pub type PassedBody = UnsyncBoxBody<Bytes, BodyError>;
/// Why a body ended early.
pub type BodyError = Box<dyn StdError + Send + Sync>;

/// Why an agent gave no answer (10 §9.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The address is not allowed.
    Refused(AddressRefused),
    /// The stored URL cannot be made a request of.
    Unbuildable,
    /// It may be at work: timed out, reset, closed early. The text is for people.
    Busy(&'static str),
    /// It has the message and was given up: silent for too long, or too late. Busy for whoever sent it. The text is
    /// for people.
    GivenUp(&'static str),
    /// Nobody listens there.
    ConnectionRefused,
    /// It cannot be reached. The text is for people.
    Unreachable(&'static str),
}

impl Failure {
    /// What went wrong, for people.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Refused(refused) => refused.to_string(),
            Self::Unbuildable => "the stored URL is not valid".to_owned(),
            Self::Busy(text) | Self::GivenUp(text) | Self::Unreachable(text) => text.to_owned(),
            Self::ConnectionRefused => "connection refused".to_owned(),
        }
    }
}

/// The clients.
pub struct Dispatcher {
    plain: Client<Dialler, Full<Bytes>>,
    /// For bodies that are passed on.
    passing: Client<Dialler, PassedBody>,
    /// None where this machine can do no TLS.
    tls: Option<Client<Greeter, PassedBody>>,
}

impl Dispatcher {
    /// Dials only what `rules` allow.
    #[must_use]
    pub fn new(rules: AddressRules) -> Self {
        let dialler = Dialler(Arc::new(rules));
        let builder = || {
            let mut builder = Client::builder(TokioExecutor::new());
            builder.pool_timer(TokioTimer::new()).pool_idle_timeout(KEEP_IDLE);
            builder
        };
        let tls = trusting_this_machine().map(|config| {
            let tls = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
            builder().build(Greeter(tls.wrap_connector(dialler.clone())))
        });
        if let Err(error) = &tls {
            tracing::error!(%error, "agents behind https cannot be reached");
        }
        Self { plain: builder().build(dialler.clone()), passing: builder().build(dialler), tls: tls.ok() }
    }

    /// Posts `body` to `url` and answers with the agent's response, whatever its status.
    ///
    /// # Errors
    /// [`Failure`] when there was none.
    pub async fn post(
        &self,
        url: &str,
        body: Bytes,
        accept: &'static str,
        version: Option<&str>,
    ) -> Result<Response<AnswerBody>, Failure> {
        let uri: Uri = url.parse().map_err(|_| Failure::Unbuildable)?;
        let tls = uri.scheme_str() == Some("https");
        let mut request = Request::post(uri)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(header::ACCEPT, HeaderValue::from_static(accept));
        if let Some(version) = version.and_then(|text| HeaderValue::from_str(text).ok()) {
            request = request.header(molecule_a2a::VERSION_HEADER, version);
        }
        if tls {
            let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
            return self.over_tls(request.body(body).map_err(|_| Failure::Unbuildable)?).await;
        }
        let request = request.body(Full::new(body)).map_err(|_| Failure::Unbuildable)?;
        answered(self.plain.request(request).await)
    }

    /// Sends a request whose body is passed on as it comes.
    ///
    /// # Errors
    /// [`Failure`] when there was no answer.
    pub async fn pass(&self, request: Request<PassedBody>) -> Result<Response<AnswerBody>, Failure> {
        if request.uri().scheme_str() == Some("https") {
            return self.over_tls(request).await;
        }
        answered(self.passing.request(request).await)
    }

    async fn over_tls(&self, request: Request<PassedBody>) -> Result<Response<AnswerBody>, Failure> {
        let client = self.tls.as_ref().ok_or(Failure::Unreachable("this machine can do no TLS"))?;
        answered(client.request(request).await)
    }
}

fn answered(
    answer: Result<Response<hyper::body::Incoming>, hyper_util::client::legacy::Error>,
) -> Result<Response<AnswerBody>, Failure> {
    Ok(answer.map_err(|error| classify(&error))?.map(|body| body.map_err(BodyError::from).boxed()))
}

/// TLS with the roots that this machine trusts, a company's own among them.
fn trusting_this_machine() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
}

/// Reads the kinds of an error's causes, never their texts (S138).
fn classify(error: &(dyn StdError + 'static)) -> Failure {
    tracing::debug!(error = ?error, "an agent was not reached");
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<AddressRefused>() {
            return Failure::Refused(*refused);
        }
        if error.downcast_ref::<TimedOut>().is_some() {
            return Failure::Busy("connecting took longer than 10 s");
        }
        if let Some(io) = error.downcast_ref::<io::Error>()
            && let Some(known) = of_io(io.kind())
        {
            return known;
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
            if hyper.is_incomplete_message() || hyper.is_canceled() || hyper.is_closed() {
                return Failure::Busy("the agent closed the connection before it answered");
            }
            if hyper.is_parse() {
                return Failure::Unreachable("the agent did not answer in HTTP");
            }
        }
        cause = error.source();
    }
    Failure::Unreachable("the agent could not be reached")
}

fn of_io(kind: io::ErrorKind) -> Option<Failure> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some(Failure::ConnectionRefused),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Some(Failure::Busy("the connection was reset"))
        }
        io::ErrorKind::UnexpectedEof => Some(Failure::Busy("the agent closed the connection before it answered")),
        io::ErrorKind::TimedOut => Some(Failure::Busy("the connection timed out")),
        _ => None,
    }
}

/// Connecting took too long.
#[derive(Debug, thiserror::Error)]
#[error("connecting took too long")]
struct TimedOut;

/// Connects to the addresses that were checked, in turn, within one budget.
#[derive(Clone)]
struct Dialler(Arc<AddressRules>);

impl tower::Service<Uri> for Dialler {
    type Response = TokioIo<Forgiving>;
    type Error = BodyError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let rules = Arc::clone(&self.0);
        async move {
            let connecting = async {
                let destination = Destination::of_uri(&uri)?;
                dial(&rules.addresses(&destination).await?).await
            };
            tokio::time::timeout(CONNECT, connecting).await.map_err(|_| TimedOut)?
        }
        .boxed()
    }
}

async fn dial(addresses: &[SocketAddr]) -> Result<TokioIo<Forgiving>, BodyError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(TokioIo::new(Forgiving::new(stream)));
            }
            // The first refusal says more than what comes after it: `::1` is closed where IPv4 is.
            Err(error) if last.kind() == io::ErrorKind::AddrNotAvailable => last = error,
            Err(_) => {}
        }
    }
    Err(last.into())
}

/// Dials, then speaks TLS with the name that the URL has. Both have their own ten seconds (S133).
#[derive(Clone)]
struct Greeter(HttpsConnector<Dialler>);

impl tower::Service<Uri> for Greeter {
    type Response = <HttpsConnector<Dialler> as tower::Service<Uri>>::Response;
    type Error = BodyError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let greeting = self.0.call(uri);
        async move { tokio::time::timeout(CONNECT * 2, greeting).await.map_err(|_| TimedOut)? }.boxed()
    }
}

/// Reads a whole answer, cut at [`LARGEST_ANSWER`]. The flag says that it ended as it should.
///
/// # Errors
/// When the connection broke before the end.
pub async fn whole(mut body: AnswerBody) -> Result<Bytes, BodyError> {
    let mut all: Vec<Bytes> = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame?.into_data() else { continue };
        data.truncate(LARGEST_ANSWER - length);
        length += data.len();
        all.push(data);
        if length == LARGEST_ANSWER {
            tracing::warn!(bytes = length, "an answer was cut");
            break;
        }
    }
    // One frame, as nearly every answer is, is handed on as it is.
    Ok(match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            Bytes::from(all.concat())
        }
        None => Bytes::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::{error::Error as StdError, io, sync::Arc, time::Duration};

    use bytes::Bytes;
    use tokio::net::TcpListener;

    use super::{Dispatcher, Failure, TimedOut, classify};
    use crate::registry::{AddressRefused, AddressRules, SystemNames};

    /// An error around another.
    #[derive(Debug, thiserror::Error)]
    #[error("connection timed out, EOF, reset: a text that means nothing")]
    struct Around(#[source] Box<dyn StdError + Send + Sync>);

    fn dispatcher() -> Dispatcher {
        let rules = AddressRules { own_port: 1, allow_lan: false, bridges: Vec::new(), names: Arc::new(SystemNames) };
        Dispatcher::new(rules)
    }

    #[test]
    fn s138_kinds_of_errors_count_however_deep_and_texts_never() {
        use io::ErrorKind::{
            AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidData,
            NetworkUnreachable, NotFound, TimedOut as Expired, UnexpectedEof,
        };
        for kind in [ConnectionReset, ConnectionAborted, BrokenPipe, UnexpectedEof, Expired] {
            for error in [Around(io::Error::from(kind).into()), Around(Around(io::Error::from(kind).into()).into())] {
                assert!(matches!(classify(&error), Failure::Busy(_)), "{kind:?}");
            }
        }
        assert!(matches!(classify(&Around(TimedOut.into())), Failure::Busy(_)));
        assert_eq!(classify(&Around(io::Error::from(ConnectionRefused).into())), Failure::ConnectionRefused);
        for kind in [AddrNotAvailable, InvalidData, NetworkUnreachable, NotFound] {
            let worded = io::Error::new(kind, "deadline exceeded: connection reset by peer");
            assert!(matches!(classify(&Around(worded.into())), Failure::Unreachable(_)), "{kind:?}");
        }
        let refused = Around(AddressRefused::Port.into());
        assert_eq!(classify(&refused), Failure::Refused(AddressRefused::Port));
    }

    /// The clock stands still but for what waits on it: an hour passes here in no time.
    #[tokio::test(start_paused = true)]
    async fn s133_a_greeting_has_a_limit_and_an_answer_none() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let dispatcher = dispatcher();
        let post = |url: String| {
            let dispatcher = &dispatcher;
            async move { dispatcher.post(&url, Bytes::from_static(b"{}"), "application/json", None).await }
        };
        // Connected, and then nothing: no greeting of TLS.
        let greeted = tokio::time::timeout(Duration::from_secs(60), post(format!("https://{address}"))).await.unwrap();
        assert_eq!(greeted.err(), Some(Failure::Busy("connecting took longer than 10 s")));
        // A turn may take hours; what ends it is silence, which is not decided here (S134).
        let turn = tokio::time::timeout(Duration::from_secs(6 * 3_600), post(format!("http://{address}"))).await;
        assert!(turn.is_err(), "the client gave up by itself");
    }
}
