//! Secret redaction for everything an agent asks us to remember (30 §4.2): seven rules, in order, ASCII only.

use std::borrow::Cow;

/// Replaces what looks like a secret by `[REDACTED:<label>]`.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    for (suffix, label) in [("_API_KEY", "API_KEY"), ("_TOKEN", "TOKEN"), ("_SECRET", "SECRET")] {
        apply(&mut out, |s, at| assignment(s, at, suffix), label);
    }
    apply(&mut out, bearer, "BEARER_TOKEN");
    apply(
        &mut out,
        |s, at| prefixed(s, at, b"sk-", |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_', 16),
        "SK_TOKEN",
    );
    apply(&mut out, |s, at| prefixed(s, at, b"ctx7_", |b| b.is_ascii_alphanumeric(), 1), "CTX7_TOKEN");
    apply(&mut out, base64_blob, "BASE64_BLOB");
    out
}

/// Runs one rule over the text: `find(bytes, at)` answers where a match that begins at `at` ends.
fn apply(text: &mut Cow<'_, str>, find: impl Fn(&[u8], usize) -> Option<usize>, label: &str) {
    let bytes = text.as_bytes();
    let mut out: Option<String> = None;
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        // Every rule begins with an ASCII byte, so a match always starts and ends on a boundary.
        match find(bytes, at).filter(|end| text.is_char_boundary(at) && text.is_char_boundary(*end)) {
            Some(end) => {
                let built = out.get_or_insert_with(String::new);
                built.push_str(&text[copied..at]);
                built.push_str("[REDACTED:");
                built.push_str(label);
                built.push(']');
                (at, copied) = (end, end);
            }
            None => at += 1,
        }
    }
    if let Some(mut built) = out {
        built.push_str(&text[copied..]);
        *text = Cow::Owned(built);
    }
}

const fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

const fn blank(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0x0b
}

/// `NAME_API_KEY = value`: a letter at a word boundary, word characters ending in the suffix, blanks, `=`, blanks, non-blanks.
fn assignment(s: &[u8], at: usize, suffix: &str) -> Option<usize> {
    if !s[at].is_ascii_alphabetic() || (at > 0 && word(s[at - 1])) {
        return None;
    }
    let name = s[at..].iter().take_while(|b| word(**b)).count();
    // At least the letter stands before the suffix.
    if name <= suffix.len() || !s[at + name - suffix.len()..at + name].eq_ignore_ascii_case(suffix.as_bytes()) {
        return None;
    }
    let mut end = at + name;
    end += s[end..].iter().take_while(|b| blank(**b)).count();
    if s.get(end) != Some(&b'=') {
        return None;
    }
    end += 1;
    end += s[end..].iter().take_while(|b| blank(**b)).count();
    let value = s[end..].iter().take_while(|b| !blank(**b)).count();
    (value > 0).then_some(end + value)
}

fn bearer(s: &[u8], at: usize) -> Option<usize> {
    let rest = s[at..].strip_prefix(b"Bearer")?;
    let blanks = rest.iter().take_while(|b| blank(**b)).count();
    let value = rest[blanks..].iter().take_while(|b| !blank(**b)).count();
    (blanks > 0 && value > 0).then_some(at + 6 + blanks + value)
}

fn prefixed(s: &[u8], at: usize, prefix: &[u8], class: impl Fn(u8) -> bool, least: usize) -> Option<usize> {
    let rest = s[at..].strip_prefix(prefix)?;
    let run = rest.iter().take_while(|b| class(**b)).count();
    (run >= least).then_some(at + prefix.len() + run)
}

fn base64_blob(s: &[u8], at: usize) -> Option<usize> {
    let class = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    if at > 0 && class(s[at - 1]) {
        return None; // only the whole run counts; it was looked at from its first byte
    }
    let run = s[at..].iter().take_while(|b| class(**b)).count();
    let pad = s[at + run..].iter().take(2).take_while(|b| **b == b'=').count();
    (run >= 33).then_some(at + run + pad)
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn the_contract_table() {
        for (given, stored) in [
            ("ACME_API_KEY=abc123 rest", "[REDACTED:API_KEY] rest"),
            ("my_token = x y", "[REDACTED:TOKEN] y"),
            ("_TOKEN=1", "_TOKEN=1"),
            ("export GH_TOKEN=\"ab cd\"", "export [REDACTED:TOKEN] cd\""),
            ("auth: Bearer zzz.yyy", "auth: [REDACTED:BEARER_TOKEN]"),
            ("task-management-overview", "ta[REDACTED:SK_TOKEN]"),
            ("/workspace/src/components/panels/memory/list.rs", "[REDACTED:BASE64_BLOB].rs"),
            ("größe ist 12", "größe ist 12"),
        ] {
            assert_eq!(redact(given), stored, "{given}");
            assert_eq!(redact(&redact(given)), stored, "again: {given}");
        }
    }

    proptest::proptest! {
        #[test]
        fn markers_are_stable(text in ".{0,200}") {
            let once = redact(&text).into_owned();
            proptest::prop_assert_eq!(redact(&once), once.as_str());
        }
    }
}
