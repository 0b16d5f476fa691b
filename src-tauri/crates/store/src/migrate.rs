//! Opening the file: pragmas, numbered migrations, backup before migrating, refusal of a newer schema.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::Now;

/// The migrations in the order they apply; their number is the schema version (`PRAGMA user_version`).
const MIGRATIONS: &[&str] = &[
    include_str!("../../../../migrations/0001_foundation.sql"),
    include_str!("../../../../migrations/0002_queue.sql"),
    include_str!("../../../../migrations/0003_search.sql"),
];

/// The schema version that this build writes.
#[must_use]
pub fn current_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Written by a newer program; left untouched (R7 of the targets).
    #[error(
        "the database was written by a newer version of Molecule (schema {found}, this one knows {known}); install the newer version, or restore a backup"
    )]
    Newer {
        /// Its schema version.
        found: i64,
        /// The newest this build knows.
        known: i64,
    },
    /// Not a database, or damaged.
    #[error("the database file is damaged or not a database")]
    Damaged(#[source] rusqlite::Error),
    /// Could not be opened or written.
    #[error("the database could not be opened")]
    Open(#[source] rusqlite::Error),
    /// A migration failed and was undone.
    #[error("migration {number} failed; the database is as it was before, and a backup lies beside it")]
    Migration {
        /// Its number.
        number: usize,
        /// SQLite's word.
        #[source]
        source: rusqlite::Error,
    },
    /// The backup before migrating could not be made; nothing was changed.
    #[error("no backup could be made before migrating; nothing was changed")]
    Backup(#[source] io::Error),
    /// The writer's thread could not start.
    #[error("the writer could not start")]
    Thread(#[source] io::Error),
}

fn open_error(error: rusqlite::Error) -> OpenError {
    match &error {
        rusqlite::Error::SqliteFailure(e, _)
            if matches!(e.code, rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) =>
        {
            OpenError::Damaged(error)
        }
        _ => OpenError::Open(error),
    }
}

/// Brings the file to the current schema.
pub(crate) fn prepare(path: &Path, now: &Now) -> Result<(), OpenError> {
    let existed = path.exists();
    let mut conn = Connection::open(path).map_err(open_error)?;
    restrict(path);
    conn.busy_timeout(Duration::from_secs(5)).map_err(open_error)?;
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(open_error)?;
    let known = current_version();
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    if found == known {
        return Ok(());
    }
    if existed && found > 0 {
        backup(&conn, path, found, now)?;
    }
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(open_error)?;
    conn.pragma_update(None, "journal_mode", "WAL").map_err(open_error)?;
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let number = index + 1;
        let failed = |source| OpenError::Migration { number, source };
        let tx = conn.transaction().map_err(failed)?;
        tx.execute_batch(sql).map_err(failed)?;
        tx.pragma_update(None, "user_version", i64::try_from(number).unwrap_or(i64::MAX)).map_err(failed)?;
        tx.commit().map_err(failed)?;
        tracing::info!(number, "migration applied");
    }
    Ok(())
}

/// `backups/schema-<from>-<time>.db` beside the database.
fn backup(conn: &Connection, path: &Path, from: i64, now: &Now) -> Result<PathBuf, OpenError> {
    let folder = path.with_file_name("backups");
    std::fs::create_dir_all(&folder).map_err(OpenError::Backup)?;
    let stamp = now().to_string().replace(':', "-");
    let target = folder.join(format!("schema-{from}-{stamp}.db"));
    conn.backup("main", &target, None::<fn(rusqlite::backup::Progress)>)
        .map_err(|error| OpenError::Backup(io::Error::other(error)))?;
    restrict(&target);
    Ok(target)
}

/// Only the owner reads the database.
pub(crate) fn restrict(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
            tracing::warn!(%error, "the database's permissions could not be set");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

pub(crate) fn connect_writer(path: &Path) -> Result<Connection, OpenError> {
    let conn = Connection::open(path).map_err(open_error)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(open_error)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16000;
         PRAGMA wal_autocheckpoint = 1000;
         PRAGMA journal_size_limit = 16777216;",
    )
    .map_err(open_error)?;
    conn.set_prepared_statement_cache_capacity(256);
    Ok(conn)
}

pub(crate) fn connect_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(open_error)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(open_error)?;
    conn.execute_batch(
        "PRAGMA query_only = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -4000;",
    )
    .map_err(open_error)?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(conn)
}
