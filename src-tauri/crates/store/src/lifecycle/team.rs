//! Who is paused and resumed together (20 §3.3, §3.4).

use molecule_model::{Status, WorkspaceId};
use rusqlite::Connection;

use crate::{
    Result,
    workspaces::{self, Workspace},
};

/// Below `id`, nearest first, as [`workspaces::descendants`], but a paused row cuts the walk too (20 §3.3);
/// with `paused`, only paused rows are followed (20 §3.4).
///
/// # Errors
/// When the table cannot be read.
pub fn below(conn: &Connection, id: WorkspaceId, paused: bool) -> Result<Vec<Workspace>> {
    let mut found: Vec<Workspace> = Vec::new();
    let mut level = vec![id];
    while !level.is_empty() && found.len() < 100_000 {
        let mut next = Vec::new();
        for parent in level {
            for child in workspaces::children(conn, Some(parent))? {
                let known = child.id == id || found.iter().any(|seen| seen.id == child.id);
                if !known && (child.status == Status::Paused) == paused {
                    next.push(child.id);
                    found.push(child);
                }
            }
        }
        level = next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use molecule_model::Trigger;

    use super::below;
    use crate::{lifecycle::testing::Bed, workspaces};

    #[tokio::test]
    async fn a_paused_child_cuts_the_walk() {
        let bed = Bed::new();
        let root = bed.add(None).await;
        let running = bed.add(Some(root)).await;
        let paused = bed.add(Some(root)).await;
        let below_paused = bed.add(Some(paused)).await;
        bed.step(paused, Trigger::Pause).await;
        let ids = |rows: Vec<workspaces::Workspace>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids(bed.store.read(move |conn| below(conn, root, false)).await.unwrap()), [running]);
        assert_eq!(ids(bed.store.read(move |conn| below(conn, root, true)).await.unwrap()), [paused]);
        assert_eq!(ids(bed.store.read(move |conn| below(conn, paused, false)).await.unwrap()), [below_paused]);
    }
}
