//! Trying a key before it is stored, and finding model servers on this machine (R-100, Done when 11).

use std::time::Duration;

use futures_util::future::join_all;
use molecule_vault::Secret;
use reqwest::{Client, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::outward::Outward;

/// How long a provider may take (R-100: an answer within ten seconds).
const LIMIT: Duration = Duration::from_secs(8);
/// How long a server on this machine may take.
const LOCAL_LIMIT: Duration = Duration::from_millis(700);

/// What trying a key showed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdict {
    /// Whether the provider takes it.
    pub valid: bool,
    /// What is wrong, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// `wrong`, `expired`, `quota`, `unreachable` or `unknown_provider`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

impl Verdict {
    const fn good() -> Self {
        Self { valid: true, error: None, code: None }
    }

    const fn bad(code: &'static str, error: &'static str) -> Self {
        Self { valid: false, error: Some(error), code: Some(code) }
    }
}

const WRONG: Verdict = Verdict::bad("wrong", "The provider does not know this key. Check that all of it was copied.");
const EXPIRED: Verdict =
    Verdict::bad("expired", "This key has expired or was disabled. Make a new one in the provider's console.");
const QUOTA: Verdict = Verdict::bad("quota", "The key is good, but its account is out of credit or over its limit.");
const UNREACHABLE: Verdict = Verdict::bad(
    "unreachable",
    "The provider could not be reached. Check the network, or the base URL, and try again.",
);
const UNKNOWN: Verdict = Verdict::bad("unknown_provider", "This provider's keys cannot be tried; store it as it is.");

/// Tries `key`. Stores and logs nothing.
pub async fn validate(outward: &Outward, provider: &str, key: &Secret, base_url: Option<&str>) -> Verdict {
    let default = match provider {
        "anthropic" => "https://api.anthropic.com",
        "openai" => "https://api.openai.com/v1",
        "openrouter" => "https://openrouter.ai/api/v1",
        "ollama" => "http://127.0.0.1:11434/v1",
        "lmstudio" => "http://127.0.0.1:1234/v1",
        "custom" if base_url.is_some() => "",
        _ => return UNKNOWN,
    };
    let base = base_url.unwrap_or(default).trim_end_matches('/');
    let Ok(client) = outward.to(base) else { return UNREACHABLE };
    let request = match provider {
        "anthropic" => client
            .get(format!("{base}/v1/models?limit=1"))
            .header("x-api-key", key.expose())
            .header("anthropic-version", "2023-06-01"),
        "openrouter" => client.get(format!("{base}/key")).bearer_auth(key.expose()),
        _ => client.get(format!("{base}/models")).bearer_auth(key.expose()),
    };
    match request.timeout(LIMIT).send().await {
        Ok(response) => {
            let status = response.status();
            let body = response.bytes().await.unwrap_or_default();
            judge(status, &String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]))
        }
        Err(error) => {
            // Never the error's own text: it holds the URL, and a URL may hold a key.
            tracing::info!(
                provider,
                timeout = error.is_timeout(),
                connect = error.is_connect(),
                "a provider was not reached"
            );
            UNREACHABLE
        }
    }
}

fn judge(status: StatusCode, body: &str) -> Verdict {
    let text = body.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match status.as_u16() {
        200..=299 => Verdict::good(),
        402 | 429 => QUOTA,
        401 | 403 if says(&["expired", "disabled", "revoked", "deactivated", "suspended"]) => EXPIRED,
        400 | 401 | 403 if says(&["credit", "quota", "billing"]) => QUOTA,
        400 | 401 | 403 => WRONG,
        _ => UNREACHABLE,
    }
}

/// A model server that answers on this machine.
#[derive(Debug, Serialize, ToSchema)]
pub struct LocalServer {
    /// Its name.
    pub name: &'static str,
    /// Its OpenAI-compatible base URL.
    pub base_url: String,
    /// The models it offers.
    pub models: Vec<String>,
}

/// The usual ports. Another program may hold one, our own server included: what counts is a list of models.
const USUAL: [(&str, u16); 3] = [("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080)];

/// Asks the usual ports, all at once. `own_port` is ours and is not asked.
pub async fn local_servers(client: &Client, own_port: u16) -> Vec<LocalServer> {
    let asked = USUAL.into_iter().filter(|(_, port)| *port != own_port).map(|(name, port)| async move {
        let base_url = format!("http://127.0.0.1:{port}/v1");
        let response = client.get(format!("{base_url}/models")).timeout(LOCAL_LIMIT).send().await.ok()?;
        let list: Value = response.error_for_status().ok()?.json().await.ok()?;
        let models =
            list.get("data")?.as_array()?.iter().filter_map(|m| Some(m.get("id")?.as_str()?.to_owned())).collect();
        Some(LocalServer { name, base_url, models })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::judge;

    #[test]
    fn four_different_messages() {
        let code = |status: u16, body: &str| judge(StatusCode::from_u16(status).unwrap(), body).code;
        assert_eq!(code(200, "{}"), None);
        assert_eq!(
            code(401, r#"{"error":{"type":"authentication_error","message":"invalid x-api-key"}}"#),
            Some("wrong")
        );
        assert_eq!(code(401, r#"{"error":{"message":"This API key has expired"}}"#), Some("expired"));
        assert_eq!(code(429, r#"{"error":{"code":"insufficient_quota"}}"#), Some("quota"));
        assert_eq!(code(400, r#"{"error":{"message":"Your credit balance is too low"}}"#), Some("quota"));
        assert_eq!(code(503, "upstream"), Some("unreachable"));
    }
}
