//! From a model slug to its provider (20 §9.5): one table, used by the server, the agents' environment and tests.

const SAME: [&str; 21] = [
    "minimax",
    "minimax-cn",
    "anthropic",
    "gemini",
    "deepseek",
    "zai",
    "kimi-coding",
    "kimi-coding-cn",
    "ollama-cloud",
    "kilocode",
    "opencode-zen",
    "opencode-go",
    "openrouter",
    "custom",
    "gmi",
    "qwen-oauth",
    "minimax-oauth",
    "alibaba-coding-plan",
    "google-gemini-cli",
    "openai-codex",
    "copilot-acp",
];

const OTHER: [(&str, &str); 26] = [
    ("copilot", "copilot"),
    ("alibaba", "alibaba"),
    ("dashscope", "alibaba"),
    ("qwen", "alibaba"),
    ("xiaomi", "xiaomi"),
    ("mimo", "xiaomi"),
    ("arcee", "arcee"),
    ("arcee-ai", "arcee"),
    ("nvidia", "nvidia"),
    ("nim", "nvidia"),
    ("huggingface", "huggingface"),
    ("hf", "huggingface"),
    ("ai-gateway", "ai-gateway"),
    ("aigateway", "ai-gateway"),
    ("xai", "xai"),
    ("grok", "xai"),
    ("bedrock", "bedrock"),
    ("aws", "bedrock"),
    ("tencent", "tencent-tokenhub"),
    ("tencent-tokenhub", "tencent-tokenhub"),
    ("lmstudio", "lmstudio"),
    ("lm-studio", "lmstudio"),
    // The image decides at its start whether it goes there directly.
    ("nousresearch", "openrouter"),
    ("openai", "openrouter"),
    ("ollama", "ollama"),
    ("rehearsal", "rehearsal"),
];

/// The provider of a slug such as `anthropic/claude-sonnet-4`; `None`: nothing is stored (S050).
#[must_use]
pub fn provider_of(slug: &str) -> Option<&'static str> {
    let (prefix, _) = slug.split_once('/').filter(|(prefix, _)| !prefix.is_empty())?;
    SAME.into_iter()
        .find(|known| *known == prefix)
        .or_else(|| OTHER.into_iter().find(|(known, _)| *known == prefix).map(|(_, provider)| provider))
}

#[cfg(test)]
mod tests {
    use super::provider_of;

    #[test]
    fn s050_s051_prefixes() {
        for (slug, want) in [
            ("anthropic/claude", Some("anthropic")),
            ("openai/gpt-5", Some("openrouter")),
            ("nousresearch/hermes", Some("openrouter")),
            ("grok/4", Some("xai")),
            ("lm-studio/x", Some("lmstudio")),
            ("copilot/x", Some("copilot")),
            ("copilot-acp/x", Some("copilot-acp")),
            ("Anthropic/claude", None),
            ("sonnet", None),
            ("/x", None),
            ("unknown/x", None),
            ("", None),
        ] {
            assert_eq!(provider_of(slug), want, "{slug}");
        }
    }
}
