//! Cutting text where people can still read it (O-27): on character boundaries.

/// At most `max` characters of `text`, with `...` appended when something was cut (10 §11.2).
#[must_use]
pub fn preview(text: &str, max: usize) -> String {
    cut(text, max, "...")
}

/// At most `max` characters of `text`, with `…` appended when something was cut (10 §12.5).
#[must_use]
pub fn ellipsis(text: &str, max: usize) -> String {
    cut(text, max, "…")
}

fn cut(text: &str, max: usize, mark: &str) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}{mark}", &text[..end]),
        None => text.to_owned(),
    }
}

/// At most `max` bytes of `text`, cut on a character boundary, nothing appended.
#[must_use]
pub fn cut_bytes(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::{cut_bytes, ellipsis, preview};

    #[test]
    fn o27_cuts_on_characters() {
        assert_eq!(preview("äöü", 2), "äö...");
        assert_eq!(preview("äöü", 3), "äöü");
        assert_eq!(ellipsis("日本語", 1), "日…");
        assert_eq!(cut_bytes("aä", 2), "a");
        assert_eq!(cut_bytes("aä", 9), "aä");
    }
}
