//! What a person changes of a row (20 §1, §2.1).

use molecule_model::WorkspaceId;
use rusqlite::params;
use serde_json::Value;

use crate::{Result, Tx, workspaces};

/// An address that the person gave for an external workspace (20 §1.2).
///
/// # Errors
/// When the row cannot be written.
pub fn given_url(tx: &mut Tx<'_>, id: WorkspaceId, url: &str) -> Result<()> {
    tx.prepare_cached("UPDATE workspaces SET url = ?2 WHERE id = ?1")?.execute(params![id.to_string(), url])?;
    Ok(())
}

/// What one PATCH changes; `None` leaves a column alone (20 §2.1, R-83).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// The name.
    pub name: Option<String>,
    /// The role; inner `None` clears it.
    pub role: Option<Option<String>>,
    /// The tier.
    pub tier: Option<i64>,
    /// The parent; inner `None` detaches.
    pub parent_id: Option<Option<WorkspaceId>>,
    /// The runtime.
    pub runtime: Option<String>,
    /// The folder; inner `None` clears it.
    pub workspace_dir: Option<Option<String>>,
    /// Idle minutes after which it sleeps; inner `None` never.
    pub hibernation_idle_minutes: Option<Option<i64>>,
    /// Whether the team is folded.
    pub collapsed: Option<bool>,
    /// Absolute place on the canvas.
    pub place: Option<(f64, f64)>,
}

/// Applies an edit as a whole. `false`: there is no such row.
///
/// # Errors
/// When the rows cannot be written, e.g. an unknown parent.
pub fn edit(tx: &mut Tx<'_>, id: WorkspaceId, edit: &Edit) -> Result<bool> {
    let key = id.to_string();
    let now = tx.now().to_string();
    let touched =
        tx.prepare_cached("UPDATE workspaces SET updated_at = ?2 WHERE id = ?1")?.execute(params![key, now])?;
    if touched == 0 {
        return Ok(false);
    }
    if let Some(name) = &edit.name {
        tx.prepare_cached("UPDATE workspaces SET name = ?2 WHERE id = ?1")?.execute(params![key, name])?;
    }
    if let Some(role) = &edit.role {
        tx.prepare_cached("UPDATE workspaces SET role = ?2 WHERE id = ?1")?.execute(params![key, role])?;
    }
    if let Some(tier) = edit.tier {
        tx.prepare_cached("UPDATE workspaces SET tier = ?2 WHERE id = ?1")?.execute(params![key, tier])?;
    }
    if let Some(parent) = edit.parent_id {
        tx.prepare_cached("UPDATE workspaces SET parent_id = ?2 WHERE id = ?1")?
            .execute(params![key, parent.map(|id| id.to_string())])?;
    }
    if let Some(runtime) = &edit.runtime {
        tx.prepare_cached("UPDATE workspaces SET runtime = ?2 WHERE id = ?1")?.execute(params![key, runtime])?;
    }
    if let Some(dir) = &edit.workspace_dir {
        tx.prepare_cached("UPDATE workspaces SET workspace_dir = ?2 WHERE id = ?1")?.execute(params![key, dir])?;
    }
    if let Some(minutes) = edit.hibernation_idle_minutes {
        tx.prepare_cached("UPDATE workspaces SET hibernation_idle_minutes = ?2 WHERE id = ?1")?
            .execute(params![key, minutes])?;
    }
    if let Some(collapsed) = edit.collapsed {
        tx.prepare_cached(
            "INSERT INTO canvas_layouts (workspace_id, collapsed) VALUES (?1, ?2)
             ON CONFLICT (workspace_id) DO UPDATE SET collapsed = excluded.collapsed",
        )?
        .execute(params![key, collapsed])?;
    }
    if let Some((x, y)) = edit.place {
        workspaces::place(tx, id, x, y)?;
    }
    Ok(true)
}

/// Writes the Config tab's document of a row that could not be started (20 §1.1).
///
/// # Errors
/// When the row cannot be written.
pub fn describe(tx: &mut Tx<'_>, id: WorkspaceId, document: &Value) -> Result<()> {
    let now = tx.now().to_string();
    tx.prepare_cached(
        "INSERT INTO workspace_config (workspace_id, data, updated_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (workspace_id) DO UPDATE SET data = excluded.data, updated_at = excluded.updated_at",
    )?
    .execute(params![id.to_string(), document.to_string(), now])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use molecule_model::WorkspaceId;

    use super::{Edit, edit};
    use crate::lifecycle::testing::Bed;

    #[tokio::test]
    async fn an_edit_is_whole_or_not_at_all() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        let good = Edit { name: Some("Editor".into()), role: Some(None), collapsed: Some(true), ..Edit::default() };
        assert!(bed.store.write(move |tx| edit(tx, id, &good)).await.unwrap());
        let row = bed.get(id).await;
        assert_eq!((row.name.as_str(), row.collapsed, row.x, row.y), ("Editor", true, 1.5, -2.25));

        let unknown_parent =
            Edit { name: Some("Gone".into()), parent_id: Some(Some(WorkspaceId::random())), ..Edit::default() };
        assert!(bed.store.write(move |tx| edit(tx, id, &unknown_parent)).await.is_err());
        assert_eq!(bed.get(id).await.name, "Editor");
        let nobody = WorkspaceId::random();
        assert!(!bed.store.write(move |tx| edit(tx, nobody, &Edit::default())).await.unwrap());
    }
}
