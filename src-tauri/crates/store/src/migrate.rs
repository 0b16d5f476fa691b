//! Opening the file: pragmas, numbered migrations, backup before migrating, refusal of a newer schema.
//!
//! A migration is one transaction, and a lock that somebody else holds ends it after five seconds instead of stalling
//! it (S104). `migrations/down/` has the way back, which only tests walk: a person goes back by a backup.

#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use crate::Now;

/// The migrations in the order they apply; their number is the schema version (`PRAGMA user_version`).
const MIGRATIONS: &[&str] = &[
    include_str!("../../../../migrations/0001_foundation.sql"),
    include_str!("../../../../migrations/0002_queue.sql"),
    include_str!("../../../../migrations/0003_search.sql"),
    include_str!("../../../../migrations/0004_lean.sql"),
    include_str!("../../../../migrations/0005_queue_depth.sql"),
];

/// How long a lock of somebody else is waited for (S104).
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// Somebody else holds a lock on it, and did not let go in time (S104).
    #[error("the database is locked by another program; nothing was changed. Close that program and start again")]
    Locked(#[source] rusqlite::Error),
    /// A migration failed and was undone.
    #[error("migration {number} failed and was undone{}", if *.saved {
        "; the database as it was before the upgrade lies in backups/ of the data directory"
    } else {
        ""
    })]
    Migration {
        /// Its number.
        number: usize,
        /// Whether there was anything to make a backup of.
        saved: bool,
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

fn is_locked(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked))
}

fn open_error(error: rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => OpenError::Damaged(error),
        _ if is_locked(&error) => OpenError::Locked(error),
        _ => OpenError::Open(error),
    }
}

/// Brings the file to the current schema.
pub(crate) fn prepare(path: &Path, now: &Now) -> Result<(), OpenError> {
    bring_to(path, now, MIGRATIONS, PATIENCE)
}

fn bring_to(path: &Path, now: &Now, migrations: &[&str], patience: Duration) -> Result<(), OpenError> {
    let mut conn = Connection::open(path).map_err(open_error)?;
    restrict(path);
    conn.busy_timeout(patience).map_err(open_error)?;
    let found = version(&conn).map_err(open_error)?;
    let known = migrations.len();
    if found > known {
        let number = |version| i64::try_from(version).unwrap_or(i64::MAX);
        return Err(OpenError::Newer { found: number(found), known: number(known) });
    }
    if found == known {
        return Ok(());
    }
    let saved = found > 0;
    if saved {
        backup(&conn, path, found, now)?;
    }
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(open_error)?;
    conn.pragma_update(None, "journal_mode", "WAL").map_err(open_error)?;
    for (number, sql) in (1..).zip(migrations).skip(found) {
        match apply(&mut conn, number, sql) {
            Ok(true) => tracing::info!(number, "migration applied"),
            Ok(false) => tracing::info!(number, "another process was faster with this migration"),
            Err(error) if is_locked(&error) => return Err(OpenError::Locked(error)),
            Err(source) => return Err(OpenError::Migration { number, saved, source }),
        }
    }
    Ok(())
}

fn version(conn: &Connection) -> rusqlite::Result<usize> {
    // A negative one is nobody's work: it is as good as none.
    conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map(|found: i64| usize::try_from(found).unwrap_or(0))
}

/// One migration, all of it or nothing. `false`: it is there already.
fn apply(conn: &mut Connection, number: usize, sql: &str) -> rusqlite::Result<bool> {
    // The lock comes before the look, so that two processes cannot both see that it misses.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&tx)? >= number {
        return Ok(false);
    }
    tx.execute_batch(sql)?;
    tx.pragma_update(None, "user_version", i64::try_from(number).unwrap_or(i64::MAX))?;
    tx.commit()?;
    Ok(true)
}

/// `backups/schema-<from>-<time>.db` beside the database.
fn backup(conn: &Connection, path: &Path, from: usize, now: &Now) -> Result<PathBuf, OpenError> {
    let folder = path.with_file_name("backups");
    std::fs::create_dir_all(&folder).map_err(OpenError::Backup)?;
    let stamp = now().to_string().replace(':', "-");
    let target = folder.join(format!("schema-{from}-{stamp}.db"));
    // Its name is its promise: what was cut off halfway does not bear it.
    let unfinished = target.with_extension("unfinished");
    let made = conn.backup("main", &unfinished, None::<fn(rusqlite::backup::Progress)>);
    made.map_err(|error| {
        if is_locked(&error) { OpenError::Locked(error) } else { OpenError::Backup(io::Error::other(error)) }
    })?;
    restrict(&unfinished);
    std::fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(OpenError::Backup)?;
    std::fs::rename(&unfinished, &target).map_err(OpenError::Backup)?;
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

/// Without this, a statement that could use a partial index is planned anew with each value that is bound.
fn keep_plans(conn: &Connection) -> Result<(), OpenError> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop).map_err(open_error)
}

pub(crate) fn connect_writer(path: &Path) -> Result<Connection, OpenError> {
    let conn = Connection::open(path).map_err(open_error)?;
    conn.busy_timeout(PATIENCE).map_err(open_error)?;
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
    keep_plans(&conn)?;
    conn.set_prepared_statement_cache_capacity(256);
    Ok(conn)
}

pub(crate) fn connect_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(open_error)?;
    conn.busy_timeout(PATIENCE).map_err(open_error)?;
    conn.execute_batch(
        "PRAGMA query_only = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -4000;",
    )
    .map_err(open_error)?;
    keep_plans(&conn)?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(conn)
}
