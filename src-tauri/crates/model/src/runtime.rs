//! Runtimes: what an agent runs on (20 §11.6, R-6).

/// The default runtime.
pub const DEFAULT: &str = "claude-code";
/// An agent that registers itself.
pub const EXTERNAL: &str = "external";
/// The embedded agent of this edition.
pub const LOCAL: &str = "local";

/// The runtimes that a missing or broken manifest leaves (S036), with the two that are always in the set.
pub const BUILT_IN: [&str; 6] = [DEFAULT, "hermes", "openclaw", "codex", EXTERNAL, LOCAL];

/// The runtime that a name stands for wherever it would choose a path, an image or a launcher:
/// itself when known, else [`DEFAULT`] (S035, 20 §11.6). The stored column is not rewritten.
#[must_use]
pub fn safe(name: &str) -> &'static str {
    let name = name.trim();
    BUILT_IN.into_iter().find(|known| *known == name).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    #[test]
    fn s035_unknown_runtimes_are_claude_code() {
        for (given, want) in [
            ("", "claude-code"),
            ("langgraph", "claude-code"),
            ("../../etc", "claude-code"),
            (" hermes ", "hermes"),
            ("local", "local"),
            ("external", "external"),
        ] {
            assert_eq!(super::safe(given), want, "{given:?}");
        }
    }
}
