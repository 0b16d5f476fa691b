//! What is looked for: text in any case, with `%` for any characters and `_` for one.

use std::{borrow::Cow, collections::BTreeSet};

/// Trigrams that one look-up asks for; more narrow nothing down.
const MOST_TRIGRAMS: usize = 24;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Pattern {
    folded: String,
    /// The characters between two `%`, where it has wildcards.
    pieces: Option<Vec<Vec<char>>>,
}

impl Pattern {
    /// Reads a person's words; blanks around them do not count.
    #[must_use]
    pub fn new(words: &str) -> Self {
        let folded = fold(words.trim()).into_owned();
        let wild = folded.contains(['%', '_']);
        let pieces = wild.then(|| folded.split('%').map(|piece| piece.chars().collect()).collect());
        Self { folded, pieces }
    }

    /// Whether `text` contains it.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let text = fold(text);
        let Some(pieces) = &self.pieces else { return text.contains(&self.folded) };
        let text: Vec<char> = text.chars().collect();
        let mut rest = text.as_slice();
        // Each piece at its first place leaves the most for those after it.
        pieces.iter().all(|piece| match first_place(rest, piece) {
            Some(at) => {
                rest = &rest[at + piece.len()..];
                true
            }
            None => false,
        })
    }

    /// Triples of characters that every text that fits contains. None: it is too short to narrow anything down.
    #[must_use]
    pub fn trigrams(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for run in self.folded.split(['%', '_']) {
            let run: Vec<char> = run.chars().collect();
            found.extend(run.windows(3).filter(|three| !three.contains(&'\0')).map(String::from_iter));
        }
        let every = found.len().div_ceil(MOST_TRIGRAMS).max(1);
        found.into_iter().step_by(every).collect()
    }
}

impl Pattern {
    /// Where there are no trigrams: the longest run of one or two characters that every text that fits contains.
    #[must_use]
    pub fn short(&self) -> Option<&str> {
        let runs = self.folded.split(['%', '_']).filter(|run| !run.is_empty() && !run.contains('\0'));
        runs.max_by_key(|run| run.chars().count())
    }
}

fn first_place(text: &[char], piece: &[char]) -> Option<usize> {
    if piece.is_empty() {
        return Some(0);
    }
    text.windows(piece.len()).position(|here| here.iter().zip(piece).all(|(c, wanted)| *wanted == '_' || c == wanted))
}

/// Without case. The index holds text as this leaves it.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    } else {
        Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
    }
}

/// JSON text with its `\uXXXX` as the characters they stand for: programs write `é` in either way.
pub fn readable(body: &str) -> Cow<'_, str> {
    if !body.contains("\\u") {
        return Cow::Borrowed(body);
    }
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let units: Vec<u16> = escapes(rest).take(2).collect();
        let decoded = char::decode_utf16(units.iter().copied()).next();
        let length = match decoded {
            Some(Ok(c)) if !c.is_ascii() => {
                out.push(c);
                6 * c.len_utf16()
            }
            // Another escape, `\\` among them: its second character is no beginning of one.
            _ => {
                let two = rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at);
                out.push_str(&rest[..two]);
                two
            }
        };
        rest = &rest[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The `\uXXXX` that `text` begins with, one after the other.
fn escapes(text: &str) -> impl Iterator<Item = u16> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        at += 6;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::{Pattern, readable};

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).fits(text)
    }

    #[test]
    fn any_case_anywhere_with_wildcards() {
        for (pattern, text) in [
            ("", ""),
            ("", "anything"),
            ("  ell ", "Hello"),
            ("STRASSE", "Hauptstrasse"),
            ("ÄPFEL", "zwei äpfel"),
            ("h%o", "well, hello there"),
            ("h_l", "HELLO"),
            ("%", ""),
            ("_", "x"),
            ("a%b%c", "xaxxbxxcx"),
            ("%%a", "ba"),
            ("a_c", "abcaac"),
            ("_b%_d", "abcd"),
            ("100%", "100"),
        ] {
            assert!(fits(pattern, text), "{pattern:?} in {text:?}");
        }
        for (pattern, text) in
            [("_", ""), ("ab", "a b"), ("h%o", "oh"), ("a%b%c", "acb"), ("a_c", "ac"), ("a%a", "a"), ("_b%_b", "ab")]
        {
            assert!(!fits(pattern, text), "{pattern:?} in {text:?}");
        }
    }

    #[test]
    fn trigrams_are_of_what_stands_between_wildcards() {
        let of = |pattern| Pattern::new(pattern).trigrams();
        assert_eq!(of("Hello"), ["ell", "hel", "llo"]);
        assert_eq!(of("ab%cd_e"), [""; 0]);
        assert_eq!(of("abc%d_efg"), ["abc", "efg"]);
        assert_eq!(of("äöü"), ["äöü"]);
        let short = |pattern: &str| Pattern::new(pattern).short().map(str::to_owned);
        assert_eq!(short("a%Bc").as_deref(), Some("bc"));
        assert_eq!((short("%_"), short("")), (None, None));
        let long: String = ('a'..='z').chain('0'..='9').collect();
        assert!(of(&long).len() <= 24 && of(&long).len() >= 12);
    }

    #[test]
    fn escaped_characters_are_read() {
        for (body, read) in [
            (r#""caf\u00e9""#, r#""café""#),
            (r#""\uD83D\uDE00!""#, r#""😀!""#),
            (r#""\\u00e9""#, r#""\\u00e9""#),
            (r#""\\\u00e9""#, r#""\\é""#),
            (r#""\u0041\n""#, r#""\u0041\n""#),
            (r#""\ud83d x""#, r#""\ud83d x""#),
            (r#""\u00"#, r#""\u00"#),
            ("é\\u", "é\\u"),
        ] {
            assert_eq!(readable(body), read, "{body}");
        }
    }
}
