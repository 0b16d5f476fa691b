//! The `.env` files of an org template, and `${VAR}` in its values (20 §12.4).

use std::collections::BTreeMap;

/// Reads `KEY=value` lines: `#` and blank lines skipped, one quote pair removed, empty keys and values skipped.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, mut value) = (key.trim(), value.trim());
        for quote in ['"', '\''] {
            if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
                value = inner;
                break;
            }
        }
        if !key.is_empty() && !value.is_empty() {
            pairs.insert(key.to_owned(), value.to_owned());
        }
    }
    pairs
}

/// Replaces `${VAR}` and `$VAR` by what `find` answers; an unknown one becomes empty. `$5` is no reference.
#[must_use]
pub fn expand(text: &str, find: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let name_len = |s: &str| s.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, tail) = match braced {
            Some((name, tail)) if name_len(name) == name.len() => (name, tail),
            _ => after.split_at(name_len(after)),
        };
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            out.push('$');
            rest = after;
        } else {
            out.push_str(&find(name).unwrap_or_default());
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::{expand, parse};

    #[test]
    fn pairs() {
        let pairs = parse("# c\nA=1\n B = \"two words\" \nC=\nD='x'\n=y\nnoise\n");
        let got: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}:{v}")).collect();
        assert_eq!(got, ["A:1", "B:two words", "D:x"]);
    }

    #[test]
    fn references() {
        let find = |name: &str| (name == "HOME_DIR").then(|| "/h".to_owned());
        assert_eq!(expand("${HOME_DIR}/x $HOME_DIR $5 ${NONE}|$", find), "/h/x /h $5 |$");
    }
}
