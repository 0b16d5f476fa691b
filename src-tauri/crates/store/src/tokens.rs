//! Credentials: hashed at rest, looked up by one predicate (10 §2.2, S067).

use molecule_model::{Timestamp, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Result, Tx,
    workspaces::{parsed, parsed_opt},
};

/// SHA-256 of a credential's text.
pub type Hash = [u8; 32];

/// A credential that nobody has yet: its hash and what is shown of it.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The row's id.
    pub id: String,
    /// SHA-256 of the text.
    pub hash: Hash,
    /// The first eight characters.
    pub prefix: String,
    /// Whether it is a bearer or part of a base URL.
    pub url: bool,
}

/// Whom a credential belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A workspace that is not removed.
    Workspace(WorkspaceId),
    /// The holder of an org token.
    Org {
        /// The first eight characters.
        prefix: String,
        /// The org it is anchored to.
        org_id: Option<String>,
    },
    /// The person, through a base URL made on the command line.
    Admin,
    /// A window of the canvas.
    Canvas,
}

/// A live credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The row's id.
    pub token_id: String,
    /// Whom it belongs to.
    pub holder: Holder,
    /// Whether it is part of a base URL: never accepted as a bearer, nor the other way round.
    pub url: bool,
}

/// The one predicate for every credential: the hash matches, it is not revoked or expired, and its
/// workspace is not removed. Every failure is the same `None`.
///
/// # Errors
/// When the tables cannot be read.
pub fn lookup(conn: &Connection, hash: &Hash, now: Timestamp) -> Result<Option<Found>> {
    let mut query = conn.prepare_cached(
        "SELECT t.id, t.kind, t.workspace_id AS owner, NULL AS prefix, NULL AS org_id
           FROM workspace_auth_tokens t JOIN workspaces w ON w.id = t.workspace_id
          WHERE t.token_hash = ?1 AND t.revoked_at IS NULL AND w.status <> 'removed'
         UNION ALL
         SELECT id, 'org-' || kind, NULL, prefix, org_id FROM org_api_tokens
          WHERE token_hash = ?1 AND revoked_at IS NULL
         UNION ALL
         SELECT id, 'canvas', NULL, NULL, NULL FROM canvas_sessions
          WHERE token_hash = ?1 AND revoked_at IS NULL AND expires_at > ?2",
    )?;
    let found = query
        .query_row(params![hash.as_slice(), now.to_string()], |row| {
            let kind: String = row.get("kind")?;
            let holder = match kind.as_str() {
                "bearer" | "url" => Holder::Workspace(parsed(row, "owner")?),
                "canvas" => Holder::Canvas,
                "org-admin_url" => Holder::Admin,
                _ => Holder::Org { prefix: row.get("prefix")?, org_id: row.get("org_id")? },
            };
            Ok(Found { token_id: row.get("id")?, holder, url: kind.ends_with("url") })
        })
        .optional()?;
    Ok(found)
}

/// Notes that a credential was used. Best effort: a failure never fails the request.
///
/// # Errors
/// When the row cannot be written.
pub fn touch(tx: &mut Tx<'_>, found: &Found) -> Result<()> {
    let sql = match found.holder {
        Holder::Workspace(_) => "UPDATE workspace_auth_tokens SET last_used_at = ?2 WHERE id = ?1",
        Holder::Org { .. } | Holder::Admin => "UPDATE org_api_tokens SET last_used_at = ?2 WHERE id = ?1",
        Holder::Canvas => "UPDATE canvas_sessions SET last_used_at = ?2 WHERE id = ?1",
    };
    let now = tx.now().to_string();
    tx.prepare_cached(sql)?.execute(params![found.token_id, now])?;
    Ok(())
}

/// Whether a workspace has a live token; joins nothing (10 §2.2).
///
/// # Errors
/// When the table cannot be read.
pub fn has_live(conn: &Connection, id: WorkspaceId) -> Result<bool> {
    let mut query = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM workspace_auth_tokens WHERE workspace_id = ?1 AND kind = 'bearer' AND revoked_at IS NULL)",
    )?;
    Ok(query.query_row([id.to_string()], |row| row.get(0))?)
}

/// Stores a credential of a workspace.
///
/// # Errors
/// When the row cannot be written, e.g. an unknown workspace.
pub fn issue(tx: &mut Tx<'_>, workspace: WorkspaceId, token: &NewToken) -> Result<()> {
    let now = tx.now().to_string();
    tx.prepare_cached(
        "INSERT INTO workspace_auth_tokens (id, workspace_id, kind, token_hash, prefix, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        token.id,
        workspace.to_string(),
        if token.url { "url" } else { "bearer" },
        token.hash.as_slice(),
        token.prefix,
        now
    ])?;
    Ok(())
}

/// Revokes every live credential of a workspace, base URLs included. Answers how many.
///
/// # Errors
/// When the rows cannot be written.
pub fn revoke_all(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<usize> {
    let now = tx.now().to_string();
    Ok(tx
        .prepare_cached(
            "UPDATE workspace_auth_tokens SET revoked_at = ?2 WHERE workspace_id = ?1 AND revoked_at IS NULL",
        )?
        .execute(params![workspace.to_string(), now])?)
}

/// A live token as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The row's id.
    pub id: String,
    /// The first eight characters.
    pub prefix: String,
    /// `bearer` or `url`.
    pub kind: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// The live tokens of a workspace, newest first (10 §17.1).
///
/// # Errors
/// When the table cannot be read.
pub fn list(conn: &Connection, workspace: WorkspaceId, limit: i64, offset: i64) -> Result<Vec<Listed>> {
    let mut query = conn.prepare_cached(
        "SELECT id, prefix, kind, created_at, last_used_at FROM workspace_auth_tokens
         WHERE workspace_id = ?1 AND revoked_at IS NULL ORDER BY created_at DESC, rowid DESC LIMIT ?2 OFFSET ?3",
    )?;
    let rows = query.query_map(params![workspace.to_string(), limit, offset], |row| {
        Ok(Listed {
            id: row.get("id")?,
            prefix: row.get("prefix")?,
            kind: row.get("kind")?,
            created_at: parsed(row, "created_at")?,
            last_used_at: parsed_opt(row, "last_used_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Revokes one live token of a workspace. `false`: there was none.
///
/// # Errors
/// When the row cannot be written.
pub fn revoke(tx: &mut Tx<'_>, workspace: WorkspaceId, token_id: &str) -> Result<bool> {
    let now = tx.now().to_string();
    let changed = tx
        .prepare_cached(
            "UPDATE workspace_auth_tokens SET revoked_at = ?3 WHERE workspace_id = ?1 AND id = ?2 AND revoked_at IS NULL",
        )?
        .execute(params![workspace.to_string(), token_id, now])?;
    Ok(changed == 1)
}

/// Which kind of machine-wide token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrgKind {
    /// A bearer.
    Bearer,
    /// A base URL that acts as the org token's holder.
    Url,
    /// A base URL that acts as the person.
    AdminUrl,
}

/// Stores an org token (10 §17.2).
///
/// # Errors
/// When the row cannot be written.
pub fn issue_org(
    tx: &mut Tx<'_>,
    token: &NewToken,
    kind: OrgKind,
    name: Option<&str>,
    created_by: &str,
    org_id: Option<&str>,
) -> Result<()> {
    let now = tx.now().to_string();
    let kind = match kind {
        OrgKind::Bearer => "bearer",
        OrgKind::Url => "url",
        OrgKind::AdminUrl => "admin_url",
    };
    tx.prepare_cached(
        "INSERT INTO org_api_tokens (id, kind, token_hash, prefix, name, created_by, org_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![token.id, kind, token.hash.as_slice(), token.prefix, name, created_by, org_id, now])?;
    Ok(())
}

/// An org token as it is listed.
#[derive(Clone, Debug)]
pub struct ListedOrg {
    /// The row's id.
    pub id: String,
    /// The first eight characters.
    pub prefix: String,
    /// What the person called it.
    pub name: Option<String>,
    /// The org it is anchored to.
    pub org_id: Option<String>,
    /// Who made it.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// The live org tokens, newest first, at most 500.
///
/// # Errors
/// When the table cannot be read.
pub fn list_org(conn: &Connection) -> Result<Vec<ListedOrg>> {
    let mut query = conn.prepare_cached(
        "SELECT id, prefix, name, org_id, created_by, created_at, last_used_at FROM org_api_tokens
         WHERE revoked_at IS NULL ORDER BY created_at DESC, rowid DESC LIMIT 500",
    )?;
    let rows = query.query_map([], |row| {
        Ok(ListedOrg {
            id: row.get("id")?,
            prefix: row.get("prefix")?,
            name: row.get("name")?,
            org_id: row.get("org_id")?,
            created_by: row.get("created_by")?,
            created_at: parsed(row, "created_at")?,
            last_used_at: parsed_opt(row, "last_used_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Revokes one live org token. `false`: there was none.
///
/// # Errors
/// When the row cannot be written.
pub fn revoke_org(tx: &mut Tx<'_>, token_id: &str) -> Result<bool> {
    let now = tx.now().to_string();
    let changed = tx
        .prepare_cached("UPDATE org_api_tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(params![token_id, now])?;
    Ok(changed == 1)
}

/// Stores a window's session.
///
/// # Errors
/// When the row cannot be written.
pub fn open_session(tx: &mut Tx<'_>, token: &NewToken, expires_at: Timestamp) -> Result<()> {
    let now = tx.now().to_string();
    tx.prepare_cached("INSERT INTO canvas_sessions (id, token_hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![token.id, token.hash.as_slice(), now, expires_at.to_string()])?;
    Ok(())
}

/// A window's session as it is listed.
#[derive(Clone, Debug)]
pub struct Session {
    /// The row's id.
    pub id: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The live sessions, newest first.
///
/// # Errors
/// When the table cannot be read.
pub fn sessions(conn: &Connection, now: Timestamp) -> Result<Vec<Session>> {
    let mut query = conn.prepare_cached(
        "SELECT id, created_at, last_used_at, expires_at FROM canvas_sessions
         WHERE revoked_at IS NULL AND expires_at > ?1 ORDER BY created_at DESC, rowid DESC",
    )?;
    let rows = query.query_map([now.to_string()], |row| {
        Ok(Session {
            id: row.get("id")?,
            created_at: parsed(row, "created_at")?,
            last_used_at: parsed_opt(row, "last_used_at")?,
            expires_at: parsed(row, "expires_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Ends a session. `false`: there was none.
///
/// # Errors
/// When the row cannot be written.
pub fn close_session(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    let now = tx.now().to_string();
    let changed = tx
        .prepare_cached("UPDATE canvas_sessions SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(params![id, now])?;
    Ok(changed == 1)
}
