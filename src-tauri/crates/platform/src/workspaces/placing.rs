//! Where a new child lies in its team, from what the database knows.

use molecule_model::WorkspaceId;
use molecule_store::{
    Result,
    rusqlite::Connection,
    workspaces::{self, Workspace},
};

use super::grid::{Card, Place, Size, place_child, size};

/// Teams within teams that are looked at.
const DEEPEST: usize = 32;

/// The absolute place of a new child of `parent`.
///
/// # Errors
/// When the rows cannot be read.
pub fn child(conn: &Connection, parent: &Workspace, given: Option<Place>) -> Result<Place> {
    let mut siblings = Vec::new();
    for sibling in workspaces::children(conn, Some(parent.id))? {
        let place = Place { x: sibling.x, y: sibling.y };
        siblings.push(Card { place, size: room(conn, sibling.id, 0)? });
    }
    Ok(place_child(Place { x: parent.x, y: parent.y }, &siblings, given))
}

fn room(conn: &Connection, id: WorkspaceId, depth: usize) -> Result<Size> {
    if depth >= DEEPEST {
        return Ok(size(&[]));
    }
    let team = workspaces::children(conn, Some(id))?;
    let sizes = team.iter().map(|child| room(conn, child.id, depth + 1)).collect::<Result<Vec<_>>>()?;
    Ok(size(&sizes))
}
