//! Memories that a workspace starts with (20 §1.6).

use molecule_model::{WorkspaceId, id, preview::cut_bytes, redact::redact, wire::MemoryScope};
use molecule_store::{Tx, memories};

/// Longest memory, bytes; cut before it is redacted.
const LONGEST: usize = 100_000;

/// A memory that can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    content: String,
    scope: MemoryScope,
}

/// Reads a seed; `None` where it is skipped: nothing in it, or an unknown scope.
#[must_use]
pub fn memory(content: &str, scope: &str) -> Option<Memory> {
    let scope = match scope.to_uppercase().as_str() {
        "" => MemoryScope::Local,
        word => MemoryScope::parse(word)?,
    };
    if content.is_empty() {
        return None;
    }
    Some(Memory { content: redact(cut_bytes(content, LONGEST)).into_owned(), scope })
}

impl Memory {
    /// For everyone, whatever the seed said.
    #[must_use]
    pub fn global(self) -> Self {
        Self { scope: MemoryScope::Global, ..self }
    }

    /// Stores it.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub fn store(&self, tx: &mut Tx<'_>, owner: WorkspaceId) -> molecule_store::Result<()> {
        memories::insert(tx, &id::fresh(), owner, &self.content, self.scope, &format!("workspace:{owner}"))
    }
}

#[cfg(test)]
mod tests {
    use molecule_model::wire::MemoryScope;

    use super::memory;

    #[test]
    fn seeds_are_cut_then_redacted_or_skipped() {
        assert_eq!(memory("fact", "").unwrap().scope, MemoryScope::Local);
        assert_eq!(memory("fact", "team").unwrap().scope, MemoryScope::Team);
        assert_eq!(memory("fact", "WORLD"), None);
        assert_eq!(memory("", "TEAM"), None);
        assert_eq!(memory("MY_API_KEY=abcdef", "").unwrap().content, "[REDACTED:API_KEY]");
        let long = "ä ".repeat(60_000);
        assert!(memory(&long, "").unwrap().content.len() <= 100_000);
    }
}
