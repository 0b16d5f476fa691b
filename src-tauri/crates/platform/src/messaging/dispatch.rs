//! Talking to agents over HTTP: one POST, only to addresses that were checked, never through a redirect (10 §9.6).
//!
//! Hot path. Plain HTTP, which is every agent on this machine, goes through hyper's own client; TLS goes through
//! reqwest with the same resolver. A URL is dialled as the characters that were stored.

use std::{error::Error as StdError, io, net::SocketAddr, sync::Arc, task::Poll, time::Duration};

use axum::http::{HeaderValue, Request, Response, Uri, header};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http_body_util::{
    BodyExt, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::TcpStream;

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
            Self::Busy(text) | Self::Unreachable(text) => text.to_owned(),
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
    tls: Option<reqwest::Client>,
}

impl Dispatcher {
    /// Dials only what `rules` allow.
    #[must_use]
    pub fn new(rules: AddressRules) -> Self {
        let rules = Arc::new(rules);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(KEEP_IDLE);
        let plain = builder.build(Dialler(Arc::clone(&rules)));
        let passing = builder.build(Dialler(Arc::clone(&rules)));
        let tls = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(KEEP_IDLE)
            .dns_resolver(Arc::new(CheckedNames(rules)))
            .build();
        if let Err(error) = &tls {
            tracing::error!(%error, "agents behind https cannot be reached");
        }
        Self { plain, passing, tls: tls.ok() }
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
            let request = request.body(reqwest::Body::from(body)).map_err(|_| Failure::Unbuildable)?;
            let request = reqwest::Request::try_from(request).map_err(|_| Failure::Unbuildable)?;
            self.over_tls(request).await
        } else {
            let request = request.body(Full::new(body)).map_err(|_| Failure::Unbuildable)?;
            let answer = self.plain.request(request).await.map_err(|error| classify(&error))?;
            Ok(answer.map(|body| body.map_err(BodyError::from).boxed()))
        }
    }

    /// Sends a request whose body is passed on as it comes.
    ///
    /// # Errors
    /// [`Failure`] when there was no answer.
    pub async fn pass(&self, request: Request<PassedBody>) -> Result<Response<AnswerBody>, Failure> {
        if request.uri().scheme_str() == Some("https") {
            let request = request.map(|body| reqwest::Body::wrap_stream(body.into_data_stream()));
            return self.over_tls(reqwest::Request::try_from(request).map_err(|_| Failure::Unbuildable)?).await;
        }
        let answer = self.passing.request(request).await.map_err(|error| classify(&error))?;
        Ok(answer.map(|body| body.map_err(BodyError::from).boxed()))
    }

    async fn over_tls(&self, request: reqwest::Request) -> Result<Response<AnswerBody>, Failure> {
        let client = self.tls.as_ref().ok_or(Failure::Unreachable("this machine can do no TLS"))?;
        let answer = client.execute(request).await.map_err(|error| classify(&error))?;
        Ok(Response::from(answer).map(|body| body.map_err(BodyError::from).boxed()))
    }
}

/// Reads the kinds of an error's causes, never their texts (S138).
fn classify(error: &(dyn StdError + 'static)) -> Failure {
    tracing::debug!(error = ?error, "an agent was not reached");
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<AddressRefused>() {
            return Failure::Refused(*refused);
        }
        if error.downcast_ref::<TimedOut>().is_some()
            || error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout)
        {
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
    type Response = TokioIo<TcpStream>;
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

async fn dial(addresses: &[SocketAddr]) -> Result<TokioIo<TcpStream>, BodyError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(TokioIo::new(stream));
            }
            // The first refusal says more than what comes after it: `::1` is closed where IPv4 is.
            Err(error) if last.kind() == io::ErrorKind::AddrNotAvailable => last = error,
            Err(_) => {}
        }
    }
    Err(last.into())
}

/// Resolves names for TLS connections: every address must pass, or none is given.
struct CheckedNames(Arc<AddressRules>);

impl reqwest::dns::Resolve for CheckedNames {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let rules = Arc::clone(&self.0);
        async move {
            // Port 0 is nobody's; the port itself was judged with the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<_> = found.map(|address| address.ip()).collect();
            let checked = rules.check_all(&found, 0)?;
            Ok(Box::new(checked.into_iter()) as reqwest::dns::Addrs)
        }
        .boxed()
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
