//! Handing files through between a caller and an agent: as they come, in both directions, never held here.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request},
};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::Body as _;
use molecule_model::chat_file;
use secrecy::ExposeSecret;

use super::{Op, passing::Passing, place::Agent};
use crate::{
    App, AppError, AppResult,
    messaging::{AnswerBody, BodyError, Failure},
};

/// When neither side sends anything for so long, the other end counts as gone.
const SILENCE: Duration = Duration::from_secs(60);
/// A file of an agent is shown as nothing but a file: no page of ours, whatever it says it is.
pub(super) const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// Passes an upload on to the agent (S173).
///
/// # Errors
/// 413 where it is larger than a request may be (O-24), 502 where the agent is not reached.
pub(super) async fn upload(app: &App, agent: &Agent, headers: &HeaderMap, body: Body) -> AppResult<Response<Body>> {
    let length = body.size_hint().exact();
    if length.is_some_and(|length| length > chat_file::REQUEST_LIMIT) {
        return Err(too_large());
    }
    let mut request = asking(agent, request::Builder::new().method("POST"), "/internal/chat/uploads/ingest");
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    // chunked only where the caller's own length is unknown.
    if let Some(length) = length {
        request = request.header(header::CONTENT_LENGTH, length);
    }
    let (passing, watch) = Passing::new(body, chat_file::REQUEST_LIMIT);
    let request = request.body(UnsyncBoxBody::new(passing));
    let request = request.map_err(|_| unreached(agent, Op::Upload, Failure::Unbuildable))?;
    let answer = watch.unless_still(SILENCE, app.messaging.pass(request)).await;
    if watch.too_long() {
        return Err(too_large());
    }
    let answer = answer.unwrap_or(Err(Failure::Busy("nothing was heard of the agent for a minute")));
    let answer = answer.map_err(|failure| unreached(agent, Op::Upload, failure))?;
    Ok(handed_back(agent, Op::Upload, answer, &[header::CONTENT_TYPE]))
}

/// Asks the agent for a file (S179). `path` was checked.
///
/// # Errors
/// 502 where the agent is not reached.
pub(super) async fn download(app: &App, agent: &Agent, path: &str) -> AppResult<Response<Body>> {
    let below = format!("/internal/file/read?path={}", escaped(path));
    let request = asking(agent, request::Builder::new().method("GET"), &below);
    let request = request.body(UnsyncBoxBody::new(Empty::new().map_err(|never| match never {})));
    let request = request.map_err(|_| unreached(agent, Op::Download, Failure::Unbuildable))?;
    let answer = tokio::time::timeout(SILENCE, app.messaging.pass(request)).await;
    let answer = answer.unwrap_or(Err(Failure::Busy("nothing was heard of the agent for a minute")));
    let answer = answer.map_err(|failure| unreached(agent, Op::Download, failure))?;
    let allowed = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_DISPOSITION];
    let mut response = handed_back(agent, Op::Download, answer, &allowed);
    // What an agent serves must not become a page of ours, also where it forgets to say that it is a file.
    let says_file = response
        .headers()
        .get(header::CONTENT_DISPOSITION)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"attachment"));
    if response.status().is_success() && !says_file {
        let name = path.rsplit('/').next().unwrap_or_default();
        let value = HeaderValue::from_str(&chat_file::disposition(name));
        let value = value.unwrap_or(HeaderValue::from_static("attachment"));
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// A request to the agent with our bearer, its address joined with exactly one slash.
fn asking(agent: &Agent, request: request::Builder, below: &str) -> request::Builder {
    let base = agent.url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", agent.secret.expose_secret())).ok();
    if let Some(bearer) = &mut bearer {
        bearer.set_sensitive(true);
    }
    let request = request.uri(format!("{base}{below}"));
    match bearer {
        Some(bearer) => request.header(header::AUTHORIZATION, bearer),
        None => request,
    }
}

/// The agent's own status and body, with the headers that may pass (S178). Redirects are not followed and lead
/// nowhere: `Location` is none of them.
fn handed_back(agent: &Agent, op: Op, answer: Response<AnswerBody>, allowed: &[HeaderName]) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    tracing::debug!(workspace_id = %agent.id, status = parts.status.as_u16(), "chat_files {op}: the agent answered");
    let mut response = Response::new(watched(body));
    *response.status_mut() = parts.status;
    for name in allowed {
        if let Some(value) = parts.headers.get(name) {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// The body as it comes; it breaks off when the agent falls silent in the middle.
fn watched(body: AnswerBody) -> Body {
    let pieces = stream::unfold(Some(body), |body| async {
        let mut body = body?;
        loop {
            return match tokio::time::timeout(SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Some((Ok::<Bytes, BodyError>(data), Some(body))),
                    Err(_) => continue,
                },
                Ok(Some(Err(error))) => Some((Err(error), None)),
                Ok(None) => None,
                Err(silent) => Some((Err(silent.into()), None)),
            };
        }
    });
    Body::from_stream(pieces)
}

/// Percent-encoded for a query.
fn escaped(path: &str) -> String {
    use std::fmt::Write;
    path.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn too_large() -> AppError {
    AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "the upload is larger than 50 MiB").code("upload_too_large")
}

fn unreached(agent: &Agent, op: Op, failure: Failure) -> AppError {
    tracing::warn!(workspace_id = %agent.id, reason = %failure.text(), "chat_files {op}: the agent was not reached");
    match failure {
        Failure::Refused(_) => AppError::new(StatusCode::BAD_GATEWAY, "workspace URL is not publicly routable"),
        _ => AppError::new(StatusCode::BAD_GATEWAY, format!("workspace unreachable: {}", failure.text())),
    }
    .code("agent_unreachable")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn r103_a_path_is_encoded_once() {
        let table = [
            ("/workspace/a b+c", "/workspace/a%20b%2Bc"),
            ("/workspace/a%2e", "/workspace/a%252e"),
            ("/workspace/ü&x=1#y", "/workspace/%C3%BC%26x%3D1%23y"),
        ];
        for (path, want) in table {
            assert_eq!(escaped(path), want);
        }
    }
}
