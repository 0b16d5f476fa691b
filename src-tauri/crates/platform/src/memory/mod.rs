//! What agents commit to memory and recall (30 §4): scopes along the hierarchy, redaction before anything is stored.

mod routes;

use molecule_model::{WorkspaceId, id, redact::redact, wire::MemoryScope};
use molecule_store::{
    memories::{self, Memory, Reach, Text},
    workspaces,
};
pub use routes::router;

use crate::{AppError, AppResult, Platform, registry::may_communicate};

/// Longest heading, bytes.
const NAMESPACE: usize = 50;

/// Stores a fact and answers its id.
///
/// # Errors
/// 403 for GLOBAL by a workspace that has a parent; 500 for an unknown workspace.
pub async fn commit(
    app: &Platform,
    owner: WorkspaceId,
    content: &str,
    scope: MemoryScope,
    namespace: String,
) -> AppResult<String> {
    if namespace.len() > NAMESPACE {
        return Err(AppError::bad_request("namespace must be <= 50 characters"));
    }
    if scope == MemoryScope::Global {
        let parent =
            app.store.read(move |conn| Ok(workspaces::get(conn, owner)?.and_then(|row| row.parent_id))).await?;
        if parent.is_some() {
            return Err(AppError::forbidden("only root workspaces can write GLOBAL memories"));
        }
    }
    let mut content = redact(content).into_owned();
    if scope == MemoryScope::Global {
        // A stored text must not be able to pass for the frame that GLOBAL ones are read in.
        content = content.replace("[MEMORY ", "[_MEMORY ");
    }
    let memory = id::fresh();
    let stored = memory.clone();
    app.store
        .write(move |tx| memories::insert(tx, &stored, owner, &content, scope, &namespace))
        .await
        .map_err(|error| AppError::unwritten("failed to store memory", error))?;
    Ok(memory)
}

/// What `me` may recall within `reach`. A colleague's TEAM fact is left out where the two may not talk, and so fewer
/// than `limit` may come (30 §4.3, R-50).
///
/// # Errors
/// 500 when the table cannot be read.
pub async fn recall(
    app: &Platform,
    me: WorkspaceId,
    reach: Reach,
    text: Text,
    namespace: Option<String>,
    limit: usize,
) -> AppResult<Vec<Memory>> {
    let found = app.store.read(move |conn| {
        let mut kept = Vec::new();
        for row in memories::search(conn, &reach, &text, namespace.as_deref(), limit)? {
            let foreign_team = row.scope == MemoryScope::Team && row.workspace_id != me;
            if !foreign_team || may_communicate(conn, me, row.workspace_id)? {
                kept.push(row);
            }
        }
        Ok(kept)
    });
    found.await.map_err(|error| AppError::internal("search failed", &error))
}

/// How a query is searched (30 §4.3): nothing, one byte, or words.
fn text(query: &str) -> Option<Text> {
    let query = query.trim();
    if query.is_empty() {
        return Some(Text::Any);
    }
    if query.len() < 2 {
        return Some(Text::Substring(query.to_owned()));
    }
    let words: Vec<String> = query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !STOP_WORDS.contains(&word.to_lowercase().as_str()))
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| Text::Words(words.join(" AND ")))
}

/// English words that say nothing by themselves.
const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of",
    "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with",
];

#[cfg(test)]
mod tests {
    use molecule_store::memories::Text;

    use super::text;

    #[test]
    fn queries_become_searches() {
        assert!(matches!(text("  "), Some(Text::Any)));
        assert!(matches!(text("x"), Some(Text::Substring(_))));
        assert!(matches!(text("release day"), Some(Text::Words(q)) if q == "\"release\" AND \"day\""));
        assert!(text("the of").is_none());
        assert!(matches!(text("\"; DROP"), Some(Text::Words(q)) if q == "\"DROP\""));
    }
}
