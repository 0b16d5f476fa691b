//! What agents committed to memory (30 §4).

use molecule_model::{Timestamp, WorkspaceId, wire::MemoryScope};
use rusqlite::{Connection, Row, ToSql, params_from_iter};

use crate::{Result, Tx, workspaces::parsed};

/// A stored fact.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Its id.
    pub id: String,
    /// Who committed it.
    pub workspace_id: WorkspaceId,
    /// The fact, redacted.
    pub content: String,
    /// Who may read it.
    pub scope: MemoryScope,
    /// A heading of the owner's choice.
    pub namespace: String,
    /// When.
    pub created_at: Timestamp,
}

/// Whose memories a question is about.
#[derive(Clone, Debug)]
pub enum Reach {
    /// One workspace's own, of one scope or of all.
    Own(WorkspaceId, Option<MemoryScope>),
    /// One workspace's own, but for what it told everyone.
    OwnNotGlobal(WorkspaceId),
    /// The team of a workspace (30 §4.3): with a parent, the parent and its children; a root and its children.
    Team(WorkspaceId),
    /// Everyone's GLOBAL ones.
    Global,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Memory> {
    let scope: String = row.get("scope")?;
    Ok(Memory {
        id: row.get("id")?,
        workspace_id: parsed(row, "workspace_id")?,
        content: row.get("content")?,
        scope: MemoryScope::parse(&scope).unwrap_or(MemoryScope::Local),
        namespace: row.get("namespace")?,
        created_at: parsed(row, "created_at")?,
    })
}

/// Stores a fact that is already redacted.
///
/// # Errors
/// When the row cannot be written, e.g. an unknown workspace.
pub fn insert(
    tx: &mut Tx<'_>,
    id: &str,
    owner: WorkspaceId,
    content: &str,
    scope: MemoryScope,
    namespace: &str,
) -> Result<()> {
    let now = tx.now().to_string();
    tx.prepare_cached(
        "INSERT INTO agent_memories (id, workspace_id, content, scope, namespace, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
    )?
    .execute([id, &owner.to_string(), content, scope.as_str(), namespace, &now])?;
    Ok(())
}

/// How a search asks for text.
#[derive(Clone, Debug)]
pub enum Text {
    /// Everything, newest first.
    Any,
    /// A case-insensitive substring, newest first.
    Substring(String),
    /// Full text; all words, best first.
    Words(String),
}

/// Searches, best or newest first.
///
/// # Errors
/// When the table cannot be read.
pub fn search(
    conn: &Connection,
    reach: &Reach,
    text: &Text,
    namespace: Option<&str>,
    limit: usize,
) -> Result<Vec<Memory>> {
    let mut sql = String::from("SELECT m.* FROM agent_memories m");
    let mut args: Vec<Box<dyn ToSql>> = Vec::new();
    let mut order = "m.seq DESC";
    if matches!(text, Text::Words(_)) {
        sql.push_str(" JOIN agent_memories_fts f ON f.rowid = m.seq");
        order = "f.rank, m.seq DESC";
    }
    sql.push_str(" WHERE ");
    match reach {
        Reach::Own(owner, scope) => {
            sql.push_str("m.workspace_id = ?");
            args.push(Box::new(owner.to_string()));
            if let Some(scope) = scope {
                sql.push_str(" AND m.scope = ?");
                args.push(Box::new(scope.as_str()));
            }
        }
        Reach::OwnNotGlobal(owner) => {
            sql.push_str("m.workspace_id = ? AND m.scope <> 'GLOBAL'");
            args.push(Box::new(owner.to_string()));
        }
        Reach::Team(of) => {
            sql.push_str(
                "m.scope = 'TEAM' AND m.workspace_id IN (
                    SELECT w.id FROM workspaces w, workspaces me WHERE me.id = ? AND w.status <> 'removed' AND
                        CASE WHEN me.parent_id IS NULL THEN w.id = me.id OR w.parent_id = me.id
                             ELSE w.id = me.parent_id OR w.parent_id = me.parent_id END)",
            );
            args.push(Box::new(of.to_string()));
        }
        Reach::Global => sql.push_str("m.scope = 'GLOBAL'"),
    }
    if let Some(namespace) = namespace {
        sql.push_str(" AND m.namespace = ?");
        args.push(Box::new(namespace.to_owned()));
    }
    match text {
        Text::Any => {}
        Text::Substring(part) => {
            sql.push_str(" AND instr(lower(m.content), lower(?)) > 0");
            args.push(Box::new(part.clone()));
        }
        Text::Words(query) => {
            sql.push_str(" AND agent_memories_fts MATCH ?");
            args.push(Box::new(query.clone()));
        }
    }
    sql.push_str(&format!(" ORDER BY {order} LIMIT {limit}"));
    let mut query = conn.prepare_cached(&sql)?;
    let rows = query.query_map(params_from_iter(args.iter()), from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Deletes a memory of its owner. `false`: it is not there, or another's.
///
/// # Errors
/// When the row cannot be written.
pub fn delete(tx: &mut Tx<'_>, owner: WorkspaceId, id: &str) -> Result<bool> {
    let changed = tx
        .prepare_cached("DELETE FROM agent_memories WHERE id = ?1 AND workspace_id = ?2")?
        .execute([id, &owner.to_string()])?;
    Ok(changed == 1)
}
