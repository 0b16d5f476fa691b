//! The HTTP half that both dialects share: sending with a few retries before the first byte, and
//! reading server-sent events while telling silence, a cut and nonsense apart.

use std::sync::OnceLock;
use std::time::Duration;

use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::stream::{BoxStream, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response};
use tokio::time::{sleep, timeout};

use super::Fault;
use super::provider::Endpoint;

/// A provider's error body is read up to here, in bytes.
const ERROR_LIMIT: usize = 64 * 1024;
/// One answer is read up to here, in bytes; more is no answer of a language model.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
/// Calls after the first one, before any byte of an answer.
const RETRIES: u32 = 2;
/// A longer `Retry-After` than this is for the person to wait, not for the agent. Seconds.
const LONGEST_RETRY_AFTER: u64 = 30;

/// Waiting times of a model call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transport {
    pub silence: Duration,
    pub retry: Duration,
}

/// A refusal, and whether asking again may help.
pub(crate) enum Refusal {
    Final(Fault),
    /// Worth another try; a pause that the server asked for, in seconds.
    Passing(Fault, Option<u64>),
}

/// How a dialect reads a refusal: status, headers, body.
pub(crate) type ReadRefusal = fn(&Endpoint, u16, &HeaderMap, &str) -> Refusal;

/// Built when first needed: an agent in rehearsal never loads certificates.
fn client(local: bool) -> Result<Client, reqwest::Error> {
    static DIRECT: OnceLock<Client> = OnceLock::new();
    static PROXIED: OnceLock<Client> = OnceLock::new();
    let slot = if local { &DIRECT } else { &PROXIED };
    if let Some(client) = slot.get() {
        return Ok(client.clone());
    }
    let builder =
        Client::builder().connect_timeout(Duration::from_secs(10)).redirect(reqwest::redirect::Policy::none());
    let client = if local { builder.no_proxy() } else { builder }.build()?;
    Ok(slot.get_or_init(|| client).clone())
}

impl Transport {
    /// Sends the request that `build` makes and answers the stream of its events. Asks again only
    /// while no byte of an answer has come: after 429 as long as `Retry-After` allows, after 5xx and
    /// refused connections.
    pub(crate) async fn open(
        &self,
        endpoint: &Endpoint,
        build: impl Fn(&Client) -> RequestBuilder + Send + Sync,
        read_refusal: ReadRefusal,
    ) -> Result<Events, Fault> {
        let client = client(endpoint.is_local()).map_err(|_| Fault::unreachable(endpoint))?;
        let mut tries = 0;
        loop {
            let (fault, pause) = match self.once(endpoint, build(&client), read_refusal).await {
                Ok(response) => return self.events(endpoint, response),
                Err(Refusal::Final(fault)) => return Err(fault),
                Err(Refusal::Passing(fault, pause)) => (fault, pause),
            };
            if tries == RETRIES || pause.is_some_and(|seconds| seconds > LONGEST_RETRY_AFTER) {
                return Err(fault);
            }
            let pause = pause.map_or(self.retry * 2_u32.pow(tries), Duration::from_secs);
            tracing::info!(code = %fault.code, pause_ms = pause.as_millis(), "model call is repeated");
            sleep(pause).await;
            tries += 1;
        }
    }

    async fn once(&self, endpoint: &Endpoint, request: RequestBuilder, read: ReadRefusal) -> Result<Response, Refusal> {
        let silent = || Refusal::Final(Fault::silent(endpoint, self.silence.as_secs()));
        let response = match timeout(self.silence, request.send()).await {
            Err(_) => return Err(silent()),
            Ok(Err(error)) if error.is_builder() => {
                return Err(Refusal::Final(Fault::bad_answer(endpoint, "the address or the key cannot be sent")));
            }
            Ok(Err(_)) => return Err(Refusal::Passing(Fault::unreachable(endpoint), None)),
            Ok(Ok(response)) => response,
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = timeout(self.silence.min(Duration::from_secs(10)), head_of(response)).await.unwrap_or_default();
        Err(read(endpoint, status, &headers, &String::from_utf8_lossy(&body)))
    }

    fn events(&self, endpoint: &Endpoint, response: Response) -> Result<Events, Fault> {
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("text/event-stream");
        if !kind.starts_with("text/event-stream") {
            return Err(Fault::bad_answer(endpoint, "no event stream"));
        }
        let silence = self.silence;
        let body = (response.bytes_stream().boxed(), 0_usize);
        let bytes = futures_util::stream::unfold(Some(body), move |state| async move {
            let (mut body, read) = state?;
            match timeout(silence, body.next()).await {
                Err(_) => Some((Err(Broken::Silent), None)),
                Ok(None) => None,
                Ok(Some(Err(_))) => Some((Err(Broken::Cut), None)),
                Ok(Some(Ok(bytes))) if read + bytes.len() > ANSWER_LIMIT => Some((Err(Broken::TooLong), None)),
                Ok(Some(Ok(bytes))) => {
                    let read = read + bytes.len();
                    Some((Ok(bytes), Some((body, read))))
                }
            }
        });
        Ok(Events {
            endpoint: endpoint.clone(),
            silence,
            inner: bytes.eventsource().map(|event| event.map(|event| event.data)).boxed(),
        })
    }
}

/// The first bytes of a refusal's body.
async fn head_of(response: Response) -> Vec<u8> {
    let mut stream = response.bytes_stream();
    let mut head = Vec::new();
    while let Some(Ok(bytes)) = stream.next().await {
        head.extend_from_slice(&bytes);
        if head.len() >= ERROR_LIMIT {
            head.truncate(ERROR_LIMIT);
            break;
        }
    }
    head
}

/// How a body can end other than well.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("silent")]
    Silent,
    #[error("cut")]
    Cut,
    #[error("too long")]
    TooLong,
}

/// The `data` of one event after the other.
pub(crate) struct Events {
    endpoint: Endpoint,
    silence: Duration,
    inner: BoxStream<'static, Result<String, EventStreamError<Broken>>>,
}

impl Events {
    /// The next event; `None` at the end of the body, which is for the dialect to judge.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Fault> {
        match self.inner.next().await {
            None => Ok(None),
            Some(Ok(data)) => Ok(Some(data)),
            Some(Err(EventStreamError::Transport(Broken::Silent))) => {
                Err(Fault::silent(&self.endpoint, self.silence.as_secs()))
            }
            Some(Err(EventStreamError::Transport(Broken::Cut))) => Err(Fault::stream_cut(&self.endpoint)),
            Some(Err(EventStreamError::Transport(Broken::TooLong))) => {
                Err(Fault::bad_answer(&self.endpoint, "an endless answer"))
            }
            Some(Err(EventStreamError::Utf8(_) | EventStreamError::Parser(_))) => {
                Err(Fault::bad_answer(&self.endpoint, "a broken event stream"))
            }
        }
    }

    /// An event that is not the JSON that the dialect speaks.
    pub(crate) fn nonsense(&self) -> Fault {
        Fault::bad_answer(&self.endpoint, "a broken event stream")
    }
}

/// `Retry-After` in seconds; a date form or nonsense counts as absent.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be small and not negative")]
    (0.0..=86_400.0).contains(&seconds).then_some(seconds.ceil() as u64)
}

/// A pass over what both dialects treat alike, for statuses that mean one thing everywhere.
pub(crate) fn common_refusal(endpoint: &Endpoint, status: u16, headers: &HeaderMap, said: &str) -> Refusal {
    match status {
        401 | 403 => Refusal::Final(Fault::key_refused(endpoint, status)),
        402 => Refusal::Final(Fault::quota(endpoint)),
        404 if said.is_empty() => Refusal::Final(Fault::bad_answer(endpoint, "HTTP 404")),
        404 => Refusal::Final(Fault::unknown_model(endpoint)),
        413 => Refusal::Final(Fault::context_too_long(endpoint)),
        429 => {
            let after = retry_after(headers);
            Refusal::Passing(Fault::rate_limited(endpoint, after), after)
        }
        408 | 500.. => Refusal::Passing(Fault::overloaded(endpoint, status), retry_after(headers)),
        300..=399 => Refusal::Final(Fault::bad_answer(endpoint, "a redirect")),
        _ => Refusal::Final(Fault::refused(endpoint, status, said)),
    }
}
