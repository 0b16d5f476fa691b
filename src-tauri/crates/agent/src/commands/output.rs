//! What a command printed: all of it, or its beginning and its end.

use std::collections::VecDeque;

/// Bytes kept from the beginning.
const HEAD: usize = 16 * 1024;
/// Bytes kept from the end, where errors stand.
const TAIL: usize = 48 * 1024;

#[derive(Default)]
pub(super) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: usize,
}

impl Output {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.left_out += excess;
    }

    pub(super) fn text(self) -> String {
        let (head, tail) = (self.head, Vec::from(self.tail));
        if self.left_out == 0 {
            return String::from_utf8_lossy(&[head, tail].concat()).into_owned();
        }
        format!(
            "{}\n[… {} bytes left out …]\n{}",
            String::from_utf8_lossy(&head),
            self.left_out,
            String::from_utf8_lossy(&tail)
        )
    }
}
