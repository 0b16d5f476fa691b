//! From a model slug to the server that runs it.

use secrecy::SecretString;

use super::Fault;
use crate::config::ModelVariables;

/// The two wire protocols that cover the models people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Anthropic,
    OpenAi,
}

/// A provider that slugs name by prefix: `ollama/qwen3`, `anthropic:claude-opus-4-7`.
struct Provider {
    prefix: &'static str,
    name: &'static str,
    dialect: Dialect,
    base_url: &'static str,
    base_variable: &'static str,
    key_variable: Option<&'static str>,
}

const PROVIDERS: &[Provider] = &[
    Provider {
        prefix: "anthropic",
        name: "Anthropic",
        dialect: Dialect::Anthropic,
        base_url: "https://api.anthropic.com",
        base_variable: "ANTHROPIC_BASE_URL",
        key_variable: Some("ANTHROPIC_API_KEY"),
    },
    Provider {
        prefix: "openai",
        name: "OpenAI",
        dialect: Dialect::OpenAi,
        base_url: "https://api.openai.com/v1",
        base_variable: "OPENAI_BASE_URL",
        key_variable: Some("OPENAI_API_KEY"),
    },
    Provider {
        prefix: "openrouter",
        name: "OpenRouter",
        dialect: Dialect::OpenAi,
        base_url: "https://openrouter.ai/api/v1",
        base_variable: "OPENROUTER_BASE_URL",
        key_variable: Some("OPENROUTER_API_KEY"),
    },
    Provider {
        prefix: "groq",
        name: "Groq",
        dialect: Dialect::OpenAi,
        base_url: "https://api.groq.com/openai/v1",
        base_variable: "GROQ_BASE_URL",
        key_variable: Some("GROQ_API_KEY"),
    },
    Provider {
        prefix: "cerebras",
        name: "Cerebras",
        dialect: Dialect::OpenAi,
        base_url: "https://api.cerebras.ai/v1",
        base_variable: "CEREBRAS_BASE_URL",
        key_variable: Some("CEREBRAS_API_KEY"),
    },
    Provider {
        prefix: "ollama",
        name: "Ollama",
        dialect: Dialect::OpenAi,
        base_url: "http://127.0.0.1:11434/v1",
        base_variable: "OLLAMA_BASE_URL",
        key_variable: None,
    },
    Provider {
        prefix: "lmstudio",
        name: "LM Studio",
        dialect: Dialect::OpenAi,
        base_url: "http://127.0.0.1:1234/v1",
        base_variable: "LMSTUDIO_BASE_URL",
        key_variable: None,
    },
    Provider {
        prefix: "llamacpp",
        name: "llama.cpp",
        dialect: Dialect::OpenAi,
        base_url: "http://127.0.0.1:8080/v1",
        base_variable: "LLAMACPP_BASE_URL",
        key_variable: None,
    },
];

const ANTHROPIC: &Provider = &PROVIDERS[0];
const OPENAI: &Provider = &PROVIDERS[1];

/// The slug of the scripted model.
pub(crate) const REHEARSAL: &str = "rehearsal";

/// The default of 40 §16.
pub(crate) const DEFAULT_MODEL: &str = "anthropic:claude-opus-4-7";

/// Names of all variables that choose or open a provider.
pub(crate) fn variables() -> impl Iterator<Item = String> {
    PROVIDERS.iter().flat_map(|p| std::iter::once(p.base_variable).chain(p.key_variable)).map(str::to_owned)
}

/// What a slug stands for.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    Rehearsal,
    Model(Endpoint),
}

/// A model on a server.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// The provider's name as people know it.
    pub provider: &'static str,
    pub dialect: Dialect,
    /// Without a slash at the end.
    pub base_url: String,
    pub key: Option<SecretString>,
    /// The secret that holds the key, where the provider knows keys.
    pub key_variable: Option<&'static str>,
    /// The model's name at that provider.
    pub model: String,
}

impl Endpoint {
    /// On this machine: no proxy, and other words where it does not answer.
    pub(crate) fn is_local(&self) -> bool {
        reqwest::Url::parse(&self.base_url).is_ok_and(|url| {
            url.host_str().is_some_and(|host| {
                let host = host.trim_matches(['[', ']']);
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            })
        })
    }
}

/// Finds the provider of `slug`: by prefix, `claude…` and its short names at Anthropic, everything
/// else at the OpenAI-compatible server.
///
/// # Errors
/// `model_key_missing` where the provider needs a key and there is none.
pub(crate) fn choose(slug: &str, variables: &ModelVariables) -> Result<Choice, Fault> {
    let slug = slug.trim();
    if slug.eq_ignore_ascii_case(REHEARSAL) {
        return Ok(Choice::Rehearsal);
    }
    let (provider, model) = split(slug);
    let own_base = variables.plain(provider.base_variable);
    let base_url = own_base.unwrap_or(provider.base_url).trim_end_matches('/').to_owned();
    let key = provider.key_variable.and_then(|name| variables.secret(name).cloned());
    let key_needed = provider.key_variable.filter(|_| own_base.is_none() || provider.dialect == Dialect::Anthropic);
    if let (None, Some(variable)) = (&key, key_needed) {
        return Err(Fault::key_missing(provider.name, variable));
    }
    let provider_name = match own_base {
        Some(_) if std::ptr::eq(provider, OPENAI) => "The model server",
        _ => provider.name,
    };
    Ok(Choice::Model(Endpoint {
        provider: provider_name,
        dialect: provider.dialect,
        base_url,
        key,
        key_variable: provider.key_variable,
        model: model.to_owned(),
    }))
}

fn split(slug: &str) -> (&'static Provider, &str) {
    if let Some(at) = slug.find([':', '/']) {
        let (prefix, rest) = (&slug[..at], &slug[at + 1..]);
        if let Some(provider) = PROVIDERS.iter().find(|p| p.prefix.eq_ignore_ascii_case(prefix)) {
            let model = if std::ptr::eq(provider, ANTHROPIC) { alias(rest) } else { rest };
            return (provider, model);
        }
    }
    match alias(slug) {
        model if model.starts_with("claude") => (ANTHROPIC, model),
        model => (OPENAI, model),
    }
}

/// The short names that templates of the coding runtime use.
fn alias(model: &str) -> &str {
    match model {
        "opus" => "claude-opus-4-7",
        "sonnet" => "claude-sonnet-4-5",
        "haiku" => "claude-haiku-4-5",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> ModelVariables {
        ModelVariables::pick(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn endpoint(slug: &str, pairs: &[(&str, &str)]) -> Endpoint {
        match choose(slug, &variables(pairs)) {
            Ok(Choice::Model(endpoint)) => endpoint,
            other => panic!("{slug}: {other:?}"),
        }
    }

    #[test]
    fn slugs_lead_to_their_servers() {
        let keys = [("ANTHROPIC_API_KEY", "a"), ("OPENAI_API_KEY", "o"), ("OPENROUTER_API_KEY", "r")];
        let table = [
            ("anthropic:claude-opus-4-7", "https://api.anthropic.com", "claude-opus-4-7"),
            ("anthropic/claude-haiku-4-5", "https://api.anthropic.com", "claude-haiku-4-5"),
            ("claude-sonnet-4-5", "https://api.anthropic.com", "claude-sonnet-4-5"),
            ("opus", "https://api.anthropic.com", "claude-opus-4-7"),
            ("ollama/llama3.2:3b", "http://127.0.0.1:11434/v1", "llama3.2:3b"),
            ("Ollama:qwen3", "http://127.0.0.1:11434/v1", "qwen3"),
            ("lmstudio/openai/gpt-oss-20b", "http://127.0.0.1:1234/v1", "openai/gpt-oss-20b"),
            ("llamacpp/any", "http://127.0.0.1:8080/v1", "any"),
            ("openrouter/anthropic/claude-opus-4.7", "https://openrouter.ai/api/v1", "anthropic/claude-opus-4.7"),
            ("openai/gpt-5", "https://api.openai.com/v1", "gpt-5"),
            ("gpt-5-mini", "https://api.openai.com/v1", "gpt-5-mini"),
        ];
        for (slug, base_url, model) in table {
            let found = endpoint(slug, &keys);
            assert_eq!((found.base_url.as_str(), found.model.as_str()), (base_url, model), "{slug}");
        }
    }

    #[test]
    fn a_missing_key_is_named_with_its_secret() {
        for (slug, secret) in
            [("opus", "ANTHROPIC_API_KEY"), ("gpt-5", "OPENAI_API_KEY"), ("openrouter/x", "OPENROUTER_API_KEY")]
        {
            let fault = choose(slug, &variables(&[])).unwrap_err();
            assert_eq!(fault.code, "model_key_missing");
            assert!(fault.text.contains(secret), "{}", fault.text);
        }
    }

    #[test]
    fn a_server_of_ones_own_needs_no_key() {
        let found = endpoint("qwen3", &[("OPENAI_BASE_URL", "http://localhost:9000/v1/")]);
        assert_eq!(found.base_url, "http://localhost:9000/v1");
        assert!(found.key.is_none() && found.is_local());
        assert!(!endpoint("x", &[("OPENAI_BASE_URL", "http://10.0.0.1/v1")]).is_local());
    }

    #[test]
    fn the_openai_address_does_not_divert_ollama() {
        let found = endpoint("ollama/x", &[("OPENAI_BASE_URL", "http://elsewhere/v1")]);
        assert_eq!(found.base_url, "http://127.0.0.1:11434/v1");
    }

    #[test]
    fn rehearsal_needs_nothing() {
        assert!(matches!(choose(" Rehearsal ", &variables(&[])), Ok(Choice::Rehearsal)));
    }
}
