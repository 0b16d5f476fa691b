//! Half a surrogate pair: what a client leaves behind that cut its text at 16-bit units.
//!
//! `\ud83d` alone stands for no character. Readers either replace it by U+FFFD or refuse the whole
//! message; we do the former, so that a person's message is not lost over half a smiley.

const REPLACEMENT: &str = "\\ufffd";
/// `\uXXXX`
const ESCAPE: usize = 6;

/// `text` with each unpaired surrogate escape replaced by `\ufffd`; `None` where there is none.
pub(super) fn mend(text: &str) -> Option<String> {
    let mut mended: Option<String> = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        let start = at + found;
        at = match unit(text, start) {
            // Any other escape is a backslash and one character, which may be a backslash itself.
            None => start + 1 + text[start + 1..].chars().next().map_or(0, char::len_utf8),
            Some(0xD800..0xDC00) if matches!(unit(text, start + ESCAPE), Some(0xDC00..0xE000)) => start + 2 * ESCAPE,
            Some(0xD800..0xE000) => {
                let mended = mended.get_or_insert_with(|| String::with_capacity(text.len()));
                mended.push_str(&text[copied..start]);
                mended.push_str(REPLACEMENT);
                copied = start + ESCAPE;
                copied
            }
            Some(_) => start + ESCAPE,
        };
    }
    let mut mended = mended?;
    mended.push_str(&text[copied..]);
    Some(mended)
}

/// The 16-bit unit of the `\uXXXX` that starts at `start`.
fn unit(text: &str, start: usize) -> Option<u16> {
    let digits = text.get(start..start + ESCAPE)?.strip_prefix("\\u")?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::mend;

    #[test]
    fn halves_are_replaced_and_pairs_are_not() {
        assert_eq!(mend(r#""\ud83d\ude00 \u00e4 \\ud83d""#), None);
        assert_eq!(mend(r#""a\ud83d""#).as_deref(), Some(r#""a\ufffd""#));
        assert_eq!(mend(r#""\uDE00\uD83D\uDE00""#).as_deref(), Some(r#""\ufffd\uD83D\uDE00""#));
        assert_eq!(mend(r#""\ud83d\ud83d\ude00""#).as_deref(), Some(r#""\ufffd\ud83d\ude00""#));
        assert_eq!(mend(r#""\\\ud83d\n""#).as_deref(), Some(r#""\\\ufffd\n""#));
    }

    #[test]
    fn broken_escapes_are_left_to_the_parser() {
        for text in ["\\", "\\u", "\\ud8", "\\ud83g", "\\u+12f", "\\ä", "\"\\"] {
            assert_eq!(mend(text), None, "{text}");
        }
    }
}
