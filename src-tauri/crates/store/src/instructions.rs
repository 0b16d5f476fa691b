//! Rules that stand before every agent's prompt (30 §12).

use rusqlite::Connection;

use crate::Result;

/// A rule that applies.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `global` or `workspace`.
    pub scope: String,
    /// Its heading.
    pub title: String,
    /// Its text.
    pub content: String,
}

/// The enabled rules of one workspace: global ones first, then by priority, then oldest first.
///
/// # Errors
/// When the table cannot be read.
pub fn applying(conn: &Connection, workspace: &str) -> Result<Vec<Rule>> {
    let mut query = conn.prepare_cached(
        "SELECT scope, title, content FROM platform_instructions
         WHERE enabled = 1 AND (scope = 'global' OR (scope = 'workspace' AND scope_target = ?1))
         ORDER BY scope = 'workspace', priority DESC, created_at",
    )?;
    let rows = query.query_map([workspace], |row| {
        Ok(Rule { scope: row.get("scope")?, title: row.get("title")?, content: row.get("content")? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
