//! The platform as this agent calls it (40 §7). Every call carries the workspace's token and id.
//!
//! The base URL holds a capability: it never gets into an error or a log line.

mod approvals;
mod credentials;
mod memories;
mod messages;
mod registry;
mod workspace;

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub(crate) use approvals::{Decision, Question};
pub(crate) use credentials::{Credentials, write_private};
pub(crate) use messages::Letter;
pub(crate) use registry::{Beat, Peer, Registered, Relation};
pub(crate) use workspace::Sent;

use crate::config::AgentConfig;

/// The usual limit of one call (40 §7).
const LIMIT: Duration = Duration::from_secs(10);
/// Reads that only make a prompt richer (40 §3, step 4).
const SHORT_LIMIT: Duration = Duration::from_secs(3);

/// Why a call did not do what it should. The words are for the model and for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlatformFault {
    /// Nobody answered in time.
    #[error("Molecule does not answer right now")]
    Unreachable,
    /// A status other than 2xx.
    #[error("Molecule refused this (HTTP {status}): {reason}")]
    Refused { status: u16, reason: String },
    /// A 2xx with a body that is not what the route promises.
    #[error("Molecule answered with something unexpected")]
    Unexpected,
}

impl PlatformFault {
    pub(crate) const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Unreachable | Self::Unexpected => None,
        }
    }
}

/// The platform's client.
#[derive(Debug)]
pub(crate) struct Platform {
    http: Client,
    base: SecretString,
    workspace_id: String,
    pub(crate) parent_id: Option<String>,
    pub(crate) credentials: Credentials,
}

impl Platform {
    pub(crate) fn new(config: &AgentConfig) -> reqwest::Result<Self> {
        let builder = Client::builder()
            // On this machine: no proxy. Nor would we know where a redirect leads.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5));
        // A plain address needs no certificates, which cost more memory than the agent itself.
        let builder = if config.platform_url.expose_secret().starts_with("https:") {
            builder
        } else {
            builder.tls_certs_only([])
        };
        Ok(Self {
            http: builder.build()?,
            base: config.platform_url.clone(),
            workspace_id: config.workspace_id.clone(),
            parent_id: config.parent_id.clone(),
            credentials: Credentials::in_folder(&config.config_dir),
        })
    }

    /// This agent's own id.
    pub(crate) fn workspace_id(&self) -> &str {
        &self.workspace_id
    }

    /// A path below this agent's own workspace.
    fn own(&self, rest: &str) -> String {
        format!("/workspaces/{}{rest}", self.workspace_id)
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.base.expose_secret()))
            .header("X-Workspace-ID", &self.workspace_id);
        match self.credentials.token() {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    async fn get(&self, path: &str, limit: Duration) -> Result<Value, PlatformFault> {
        answer(self.request(Method::GET, path).timeout(limit)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, PlatformFault> {
        answer(self.request(Method::POST, path).timeout(LIMIT).json(body)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value, PlatformFault> {
    let response = request.send().await.map_err(|_| PlatformFault::Unreachable)?;
    let status = response.status();
    let body: Value = match response.bytes().await {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(_) => return Err(PlatformFault::Unreachable),
    };
    if status.is_success() { Ok(body) } else { Err(refused(status, &body)) }
}

fn refused(status: StatusCode, body: &Value) -> PlatformFault {
    let reason = body["error"].as_str().or_else(|| status.canonical_reason()).unwrap_or("no reason given");
    PlatformFault::Refused { status: status.as_u16(), reason: molecule_model::preview::ellipsis(reason, 300) }
}

/// A query string of non-empty values.
fn query(pairs: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://q").ok();
    let mut any = false;
    if let Some(url) = &mut url {
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            url.query_pairs_mut().append_pair(name, value);
            any = true;
        }
    }
    url.filter(|_| any).and_then(|url| url.query().map(|query| format!("?{query}"))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn queries_are_escaped_and_leave_out_what_is_empty() {
        assert_eq!(query(&[("q", "a&b c=ü"), ("scope", "")]), "?q=a%26b+c%3D%C3%BC");
        assert_eq!(query(&[("q", "")]), "");
    }
}
