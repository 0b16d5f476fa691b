//! One request and the bytes of its answer.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{ANSWER_LIMIT, Client, ClientError};
use crate::{
    card::WELL_KNOWN,
    jsonrpc::{self, Outcome, Request},
    method::Method,
    sse, translate,
    version::{Dialect, VERSION_HEADER},
    wire::{Event, Task},
};

impl Client {
    pub(super) async fn call(
        &self,
        method: Method,
        params: &impl Serialize,
        deadline: Option<Duration>,
    ) -> Result<Response, ClientError> {
        let mut params = serde_json::to_value(params).map_err(|_| ClientError::Malformed)?;
        if self.dialect == Dialect::V1 {
            translate::params(&mut params, method, Dialect::V1);
        }
        let request = Request::new(Uuid::new_v4().to_string(), method.name(self.dialect), params);
        let body = serde_json::to_vec(&request).map_err(|_| ClientError::Malformed)?;
        let accept = if method.streams() { sse::CONTENT_TYPE } else { "application/json" };
        let mut call = self
            .authorised(self.http.post(&self.url))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, accept)
            .body(body);
        if let Some(version) = self.dialect.header() {
            call = call.header(VERSION_HEADER, version);
        }
        if let Some(deadline) = deadline {
            call = call.timeout(deadline);
        }
        accepted(call.send().await.map_err(|error| ClientError::transport(&error))?).await
    }

    /// The agent's card, from the first place that has one: below its address, then at the root of
    /// its host; by the new name, then by the old one.
    ///
    /// # Errors
    /// [`ClientError`] of the last place that was asked.
    pub async fn card(&self) -> Result<Value, ClientError> {
        let base = self.url.trim_end_matches('/');
        let mut bases = vec![base];
        bases.extend(root(base).filter(|root| *root != base));
        let mut outcome = Err(ClientError::Malformed);
        for place in bases.iter().flat_map(|base| WELL_KNOWN.map(|path| format!("{base}{path}"))) {
            outcome = self.card_at(&place).await;
            match outcome {
                Err(ClientError::Refused { .. } | ClientError::Malformed) => {}
                _ => break,
            }
        }
        outcome
    }

    async fn card_at(&self, place: &str) -> Result<Value, ClientError> {
        let answer = self.authorised(self.http.get(place)).send().await;
        let body = body(accepted(answer.map_err(|error| ClientError::transport(&error))?).await?).await?;
        serde_json::from_slice(&body).ok().filter(Value::is_object).ok_or(ClientError::Malformed)
    }
}

/// `http://host:port` of an address.
fn root(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    Some(url[host..].find('/').map_or(url, |path| &url[..host + path]))
}

/// Tells refusals apart from answers.
async fn accepted(response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body: Value = match body(response).await {
        Ok(body) => serde_json::from_slice(&body).unwrap_or_default(),
        Err(_) => Value::Null,
    };
    let text = |name| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Err(ClientError::Refused {
        status: status.as_u16(),
        error: text("error").unwrap_or_else(|| reason(status)),
        code: text("code"),
        retry_after: header.or_else(|| body.get("retry_after")?.as_u64()).map(Duration::from_secs),
    })
}

fn reason(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("unknown status").to_owned()
}

/// The whole body, up to the limit.
pub(super) async fn body(mut response: Response) -> Result<Bytes, ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| ClientError::transport(&error))? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(ClientError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// The result of a JSON-RPC response.
pub(super) fn result<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    let response: jsonrpc::Response = serde_json::from_slice(body).map_err(|_| ClientError::Malformed)?;
    match response.outcome {
        Outcome::Result(result) => serde_json::from_value(result).map_err(|_| ClientError::Malformed),
        Outcome::Error(error) => Err(ClientError::Rpc(Box::new(error))),
    }
}

/// A result that is a task, bare or wrapped.
pub(super) async fn task(response: Response) -> Result<Task, ClientError> {
    match result(&body(response).await?)? {
        Event::Task(task) => Ok(task),
        _ => Err(ClientError::Malformed),
    }
}
