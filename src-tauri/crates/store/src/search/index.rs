//! The index: for each triple of characters the rows of the log that contain it, in a file of its own.
//!
//! It is derived and can be lost: a file that does not belong to the database is made anew. A row's place in it is its
//! workspace's number and its `seq`, so that one workspace's rows lie together and newest first is backwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use molecule_model::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::pattern::{Pattern, fold, readable};
use crate::{Error, Result, migrate};

const VERSION: i64 = 2;
/// Triples that one look-up asks for: of what begins so many, there is much, and reading finds it soon.
const MOST_TERMS: i64 = 250;
/// Bits of a place that are the row's `seq`.
const SEQ_BITS: u32 = 40;
/// Longer rows are not taken apart, but read whenever they may count; bytes.
const LONG: usize = 64 * 1024;

const SCHEMA: &str = "
    CREATE TABLE upto (seq INTEGER NOT NULL, id TEXT NOT NULL, installation TEXT NOT NULL) STRICT;
    CREATE TABLE scopes (number INTEGER PRIMARY KEY, workspace_id TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE long_rows (place INTEGER PRIMARY KEY) STRICT;
    CREATE VIRTUAL TABLE trigrams USING fts5 (
        text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1');
    CREATE VIRTUAL TABLE terms USING fts5vocab (trigrams, row);";

/// The index of one database.
pub struct Index {
    writing: Mutex<Connection>,
    reading: Mutex<Connection>,
}

/// A workspace as the index knows it.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    number: i64,
    /// Rows up to this `seq` are in it.
    pub upto: i64,
}

/// Triples of characters to look for.
#[derive(Debug)]
pub(super) struct Wanted {
    terms: Vec<String>,
    /// One of them is enough; else all of them.
    any: bool,
}

/// What one helping brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Rows that were taken in.
    pub rows: usize,
    /// Changes up to this one are taken in; see [`forget_changes`](crate::activity::forget_changes).
    pub changes: Option<i64>,
    /// There is more.
    pub more: bool,
}

impl Index {
    /// Opens the file, or makes it anew where it is not that of `main`, the database of this installation.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn open(path: &Path, installation: &str, main: &Connection) -> Result<Self> {
        if let Ok(Some(index)) = Self::existing(path, installation, main) {
            return Ok(index);
        }
        for tail in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(tail);
            drop(std::fs::remove_file(name));
        }
        let conn = connect(path)?;
        conn.execute_batch(SCHEMA)?;
        conn.execute("INSERT INTO upto (seq, id, installation) VALUES (0, '', ?1)", [installation])?;
        conn.pragma_update(None, "user_version", VERSION)?;
        migrate::restrict(path);
        Ok(Self { writing: Mutex::new(conn), reading: Mutex::new(connect(path)?) })
    }

    fn existing(path: &Path, installation: &str, main: &Connection) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let conn = connect(path)?;
        let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != VERSION {
            return Ok(None);
        }
        let (seq, id, of): (i64, String, String) =
            conn.query_row("SELECT seq, id, installation FROM upto", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        // A database that was put back from a backup gives its numbers a second time.
        let there: Option<String> =
            main.query_row("SELECT id FROM activity_logs WHERE seq = ?1", [seq], |row| row.get(0)).optional()?;
        let last = last_given(main)?;
        let same = of == installation && seq <= last && there.is_none_or(|there| there == id);
        Ok(same.then_some(Self { writing: Mutex::new(conn), reading: Mutex::new(connect(path)?) }))
    }

    /// How many numbers of the log lie behind what is taken in.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub fn behind(&self, main: &Connection) -> Result<i64> {
        let upto: i64 = lock(&self.reading)?.query_row("SELECT seq FROM upto", [], |row| row.get(0))?;
        Ok(last_given(main)? - upto)
    }

    /// Takes in the next rows, at most `most`, and what changed.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn feed(&self, main: &Connection, most: usize) -> Result<Fed> {
        let mut conn = lock(&self.writing)?;
        let tx = conn.transaction()?;
        // One view of the log: a row that is changed after this is named by a later change.
        let _view = main.unchecked_transaction()?;
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let upto: i64 = tx.query_row("SELECT seq FROM upto", [], |row| row.get(0))?;
        let (changes, seen) = self::changes(main, limit)?;
        let mut again = BTreeMap::new();
        for (workspace, seq) in seen.iter().filter(|(_, seq)| *seq <= upto) {
            again.insert(place(number(&tx, workspace)?, *seq), *seq);
        }
        remove(&tx, &again)?;
        let mut rows = BTreeMap::new();
        for seq in again.values() {
            take(main, "seq = ?1", params![seq], &tx, &mut rows)?;
        }
        let left = limit.saturating_sub(i64::try_from(seen.len()).unwrap_or(limit));
        let last = take(main, "seq > ?1 ORDER BY seq LIMIT ?2", params![upto, left], &tx, &mut rows)?;
        let count = rows.len();
        for (place, text) in rows {
            if text.len() > LONG {
                tx.prepare_cached("INSERT OR IGNORE INTO long_rows (place) VALUES (?1)")?.execute([place])?;
            } else {
                tx.prepare_cached("INSERT INTO trigrams (rowid, text) VALUES (?1, ?2)")?
                    .execute(params![place, text])?;
            }
        }
        if let Some((seq, id)) = &last {
            tx.execute("UPDATE upto SET seq = ?1, id = ?2", params![seq, id])?;
        }
        tx.commit()?;
        Ok(Fed { rows: count, changes, more: count >= most || seen.len() >= most })
    }

    /// This workspace, where any of its rows is in.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn scope(&self, workspace: WorkspaceId) -> Result<Option<Scope>> {
        let conn = lock(&self.reading)?;
        let mut query =
            conn.prepare_cached("SELECT number, (SELECT seq FROM upto) FROM scopes WHERE workspace_id = ?1")?;
        Ok(query
            .query_row([workspace.to_string()], |row| Ok(Scope { number: row.get(0)?, upto: row.get(1)? }))
            .optional()?)
    }

    /// What to ask the index for. `None`: reading the rows is the better way.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn wanted(&self, pattern: &Pattern) -> Result<Option<Wanted>> {
        let trigrams = pattern.trigrams();
        if !trigrams.is_empty() {
            return Ok(Some(Wanted { terms: trigrams, any: false }));
        }
        let Some(run) = pattern.short() else { return Ok(None) };
        // Whatever a text has it has as the beginning of a triple: it ends with line breaks.
        let conn = lock(&self.reading)?;
        let mut query = conn.prepare_cached("SELECT term FROM terms WHERE term >= ?1 AND term < ?2 LIMIT ?3")?;
        let rows = query.query_map(params![run, format!("{run}\u{10ffff}"), MOST_TERMS + 1], |row| row.get(0))?;
        let terms: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
        let few = i64::try_from(terms.len()).is_ok_and(|count| count <= MOST_TERMS);
        let askable = few && !terms.iter().any(|term| term.contains('\0'));
        Ok(askable.then_some(Wanted { terms, any: true }))
    }

    /// The newest rows below `below` that may contain what is wanted, at most `page` and a few long ones.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn named(&self, scope: &Scope, wanted: &Wanted, below: i64, page: usize) -> Result<BTreeSet<i64>> {
        let conn = lock(&self.reading)?;
        let quoted: Vec<String> =
            wanted.terms.iter().map(|three| format!("\"{}\"", three.replace('"', "\"\""))).collect();
        let (from, to) = (place(scope.number, 0), place(scope.number, below));
        let mut query = conn.prepare_cached(
            "SELECT rowid FROM trigrams WHERE trigrams MATCH ?1 AND rowid > ?2 AND rowid < ?3 ORDER BY rowid DESC LIMIT ?4",
        )?;
        let limit = i64::try_from(page).unwrap_or(i64::MAX);
        let all = quoted.join(if wanted.any { " OR " } else { " AND " });
        // Of nothing there are no rows, but long ones.
        let mut found = BTreeSet::new();
        if !all.is_empty() {
            let rows = query.query_map(params![all, from, to, limit], |row| row.get(0))?;
            found = rows.collect::<rusqlite::Result<_>>()?;
        }
        let from = if found.len() < page { from } else { found.first().copied().unwrap_or(from) };
        let mut query = conn.prepare_cached("SELECT place FROM long_rows WHERE place >= ?1 AND place < ?2")?;
        let rows = query.query_map([from, to], |row| row.get(0))?;
        found.extend(rows.collect::<rusqlite::Result<Vec<i64>>>()?);
        Ok(found.into_iter().map(|place| place & ((1 << SEQ_BITS) - 1)).collect())
    }
}

fn lock(conn: &Mutex<Connection>) -> Result<MutexGuard<'_, Connection>> {
    conn.lock().map_err(|_| Error::Panicked)
}

fn connect(path: &Path) -> Result<Connection> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    // What a power cut takes is taken in again: the mark goes with the rows.
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000;
         PRAGMA journal_size_limit = 8388608;",
    )?;
    Ok(conn)
}

/// The newest number that the log ever gave.
fn last_given(main: &Connection) -> Result<i64> {
    let mut query = main.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'activity_logs'")?;
    Ok(query.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}

const fn place(number: i64, seq: i64) -> i64 {
    (number << SEQ_BITS) | seq
}

fn number(tx: &Transaction<'_>, workspace: &str) -> Result<i64> {
    let mut query = tx.prepare_cached("SELECT number FROM scopes WHERE workspace_id = ?1")?;
    if let Some(number) = query.query_row([workspace], |row| row.get(0)).optional()? {
        return Ok(number);
    }
    tx.prepare_cached("INSERT INTO scopes (workspace_id) VALUES (?1)")?.execute([workspace])?;
    Ok(tx.last_insert_rowid())
}

/// The newest change, and the rows that changed: workspace and number.
type Changes = (Option<i64>, BTreeSet<(String, i64)>);

/// The number of the newest change that is looked at, and the rows that changed, each once.
fn changes(main: &Connection, limit: i64) -> Result<Changes> {
    let mut query =
        main.prepare_cached("SELECT change, workspace_id, seq FROM activity_changed ORDER BY change LIMIT ?1")?;
    let mut rows = query.query([limit])?;
    let (mut last, mut seen) = (None, BTreeSet::new());
    while let Some(row) = rows.next()? {
        last = Some(row.get(0)?);
        seen.insert((row.get(1)?, row.get(2)?));
    }
    Ok((last, seen))
}

fn remove(tx: &Transaction<'_>, places: &BTreeMap<i64, i64>) -> Result<()> {
    let mut words = tx.prepare_cached("DELETE FROM trigrams WHERE rowid = ?1")?;
    let mut long = tx.prepare_cached("DELETE FROM long_rows WHERE place = ?1")?;
    for place in places.keys() {
        words.execute([place])?;
        long.execute([place])?;
    }
    Ok(())
}

/// Reads rows of the log as text, by their places, and answers the last one's number and id.
fn take(
    main: &Connection,
    which: &str,
    values: impl rusqlite::Params,
    tx: &Transaction<'_>,
    into: &mut BTreeMap<i64, String>,
) -> Result<Option<(i64, String)>> {
    let mut query = main.prepare_cached(&format!(
        "SELECT seq, id, workspace_id, summary, activity_type, method, status, request_body, response_body
         FROM activity_logs WHERE {which}"
    ))?;
    let mut rows = query.query(values)?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let (seq, workspace): (i64, String) = (row.get(0)?, row.get(2)?);
        let mut whole = String::new();
        for column in 3..9 {
            if let Some(text) = row.get_ref(column)?.as_str_or_null().unwrap_or_default() {
                // A line of its own each, so that no triple spans two.
                whole.push_str(&fold(&readable(text)));
                whole.push('\n');
            }
        }
        // So the last character too begins a triple.
        whole.push('\n');
        into.insert(place(number(tx, &workspace)?, seq), whole);
        last = Some((seq, row.get(1)?));
    }
    Ok(last)
}
