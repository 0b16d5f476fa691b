//! Why a turn could not be finished: a stable code and a sentence that a person can act on.

use std::borrow::Cow;

use molecule_model::{preview, redact};

use super::provider::Endpoint;

/// The end of a turn that failed. Carries no secret and no text of a foreign server, except where
/// that text is all there is to act on; then it is short and redacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub(crate) struct Fault {
    pub code: Cow<'static, str>,
    pub text: String,
    /// Seconds until it is worth trying again, where the provider said so.
    pub retry_after: Option<u64>,
}

/// `MOLECULE_MODEL_SILENCE_SECS` and the like are told in words people use.
fn duration_words(seconds: u64) -> String {
    match seconds {
        0 => "less than a second".into(),
        1 => "1 second".into(),
        s if s < 120 || !s.is_multiple_of(60) => format!("{s} seconds"),
        s => format!("{} minutes", s / 60),
    }
}

impl Fault {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into(), retry_after: None }
    }

    pub(crate) fn key_missing(provider: &str, variable: &str) -> Self {
        Self::new(
            "model_key_missing",
            format!(
                "There is no key for {provider}. Add the secret {variable} in the settings (for everyone or for this agent only), then send the message again."
            ),
        )
    }

    /// 401 and 403.
    pub(crate) fn key_refused(endpoint: &Endpoint, status: u16) -> Self {
        let provider = endpoint.provider;
        let text = match (endpoint.key_variable, &endpoint.key) {
            (Some(variable), Some(_)) if status == 403 => format!(
                "{provider} does not let this key use the model {} (HTTP 403). Choose another model, or replace the secret {variable} in the settings.",
                endpoint.model
            ),
            (Some(variable), Some(_)) => format!(
                "{provider} refused the key (HTTP {status}): it is wrong, revoked or expired. Replace the secret {variable} in the settings, then send the message again."
            ),
            (Some(variable), None) => format!(
                "{provider} wants a key (HTTP {status}). Add the secret {variable} in the settings, then send the message again."
            ),
            (None, _) => format!(
                "{provider} at {} refused the request (HTTP {status}). Look at how that server is set up.",
                endpoint.base_url
            ),
        };
        Self::new("model_key_refused", text)
    }

    pub(crate) fn quota(endpoint: &Endpoint) -> Self {
        Self::new(
            "model_quota",
            format!(
                "The account at {} is out of credit or over its spending limit. Add credit or raise the limit there, or choose another model.",
                endpoint.provider
            ),
        )
    }

    pub(crate) fn rate_limited(endpoint: &Endpoint, retry_after: Option<u64>) -> Self {
        let when = retry_after.map_or_else(|| "in a minute".to_owned(), |s| format!("in {}", duration_words(s.max(1))));
        Self {
            retry_after,
            ..Self::new(
                "model_rate_limited",
                format!(
                    "{} is limiting how fast this key may ask (HTTP 429). Send the message again {when}.",
                    endpoint.provider
                ),
            )
        }
    }

    pub(crate) fn overloaded(endpoint: &Endpoint, status: u16) -> Self {
        let number = if status == 0 { String::new() } else { format!(" (HTTP {status})") };
        Self::new(
            "model_overloaded",
            format!(
                "{} is overloaded or has a fault of its own{number}. Send the message again in a minute.",
                endpoint.provider
            ),
        )
    }

    pub(crate) fn unreachable(endpoint: &Endpoint) -> Self {
        let what = if endpoint.is_local() {
            let program = if endpoint.key_variable.is_none() { endpoint.provider } else { "the server there" };
            format!("Nothing answers at {}: is {program} running?", endpoint.base_url)
        } else {
            format!(
                "{} cannot be reached at {}. Check the network connection and the address.",
                endpoint.provider, endpoint.base_url
            )
        };
        Self::new("model_unreachable", what)
    }

    pub(crate) fn stream_cut(endpoint: &Endpoint) -> Self {
        Self::new(
            "model_stream_cut",
            format!(
                "The connection to {} broke off in the middle of the answer. Send the message again.",
                endpoint.provider
            ),
        )
    }

    pub(crate) fn silent(endpoint: &Endpoint, seconds: u64) -> Self {
        Self::new(
            "model_silent",
            format!(
                "{} has sent nothing for {} and was given up. It may be stuck or loading: send the message again, or choose another model.",
                endpoint.provider,
                duration_words(seconds)
            ),
        )
    }

    /// What came is not the provider's protocol.
    pub(crate) fn bad_answer(endpoint: &Endpoint, what: &str) -> Self {
        Self::new(
            "model_bad_answer",
            format!(
                "{} at {} answered with something else than its protocol ({what}). Check the base URL, or choose another model.",
                endpoint.provider, endpoint.base_url
            ),
        )
    }

    pub(crate) fn context_too_long(endpoint: &Endpoint) -> Self {
        Self::new(
            "model_context_too_long",
            format!(
                "This conversation no longer fits into the model {}. Start a new conversation, send a shorter message, or choose a model with a larger context.",
                endpoint.model
            ),
        )
    }

    pub(crate) fn unknown_model(endpoint: &Endpoint) -> Self {
        let hint = match endpoint.provider {
            "Ollama" => format!("Run `ollama pull {}`, or choose another model.", endpoint.model),
            "LM Studio" | "llama.cpp" => "Load it there, or choose another model.".to_owned(),
            _ => "Choose another model in this agent's settings.".to_owned(),
        };
        Self::new("model_unknown", format!("{} has no model called {}. {hint}", endpoint.provider, endpoint.model))
    }

    /// Another refusal of the request: the provider's own words, shortened and redacted.
    pub(crate) fn refused(endpoint: &Endpoint, status: u16, said: &str) -> Self {
        let said = preview::ellipsis(&redact::redact(said.trim()), 200);
        let words = if said.is_empty() { String::new() } else { format!(": “{said}”") };
        Self::new("model_refused", format!("{} did not accept the request (HTTP {status}){words}.", endpoint.provider))
    }
}

#[cfg(test)]
mod tests {
    use super::duration_words;

    #[test]
    fn durations_read_like_people_say_them() {
        let words: Vec<String> = [0, 1, 30, 90, 120, 125, 600].map(duration_words).into();
        assert_eq!(
            words,
            ["less than a second", "1 second", "30 seconds", "90 seconds", "2 minutes", "125 seconds", "10 minutes"]
        );
    }
}
