//! Where the person last looked (30 §20).

use rusqlite::{Connection, OptionalExtension, params};

use crate::{Result, Tx};

/// A place and a zoom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewport {
    /// Horizontal.
    pub x: f64,
    /// Vertical.
    pub y: f64,
    /// Above 0.
    pub zoom: f64,
}

/// What was saved.
///
/// # Errors
/// When the table cannot be read.
pub fn get(conn: &Connection) -> Result<Option<Viewport>> {
    let mut query = conn.prepare_cached("SELECT x, y, zoom FROM canvas_viewport WHERE id = 1")?;
    Ok(query.query_row([], |row| Ok(Viewport { x: row.get(0)?, y: row.get(1)?, zoom: row.get(2)? })).optional()?)
}

/// Saves.
///
/// # Errors
/// When the row cannot be written.
pub fn put(tx: &mut Tx<'_>, viewport: Viewport) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO canvas_viewport (id, x, y, zoom) VALUES (1, ?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET x = excluded.x, y = excluded.y, zoom = excluded.zoom",
    )?
    .execute(params![viewport.x, viewport.y, viewport.zoom])?;
    Ok(())
}
