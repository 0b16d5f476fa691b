//! SQLite: one writer thread with group commit, query-only readers, migrations, and the event outbox.
//!
//! Every change goes through [`Store::write`]: whatever is waiting is committed together (WAL,
//! `synchronous=FULL`), so that an answer means *on disk* and many callers share one fsync. A change of
//! state adds its events to the outbox in the same transaction ([`Tx::emit`]); after the commit the
//! store hands them, numbered and in order, to whoever publishes. Readers see committed rows only.
//!
//! One module per table family; functions that read take a [`rusqlite::Connection`], functions that
//! write take a [`Tx`], so that a write outside the writer cannot be expressed.

pub mod activity;
pub mod approvals;
mod checkpoint;
pub mod delegations;
mod directory;
pub mod inflight;
pub mod instructions;
pub mod lifecycle;
pub mod memories;
pub mod migrate;
pub mod outbox;
pub mod owner;
pub mod queue;
mod readers;
pub mod registry;
pub mod search;
pub mod secrets;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod usage;
pub mod viewport;
pub mod workspaces;
mod writer;

use std::{path::Path, sync::Arc};

pub use directory::Entry;
use molecule_model::{Timestamp, WorkspaceId};
pub use outbox::Committed;
pub use rusqlite;
use rusqlite::Connection;
pub use writer::Tx;

use crate::directory::Directory;

/// Tells the time; the store writes no time stamp of its own.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Takes the events of one commit, in order.
pub type Publish = Arc<dyn Fn(Vec<Committed>) + Send + Sync>;

/// Why the database refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite's own word; for the log, never for a response.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored value that the model does not know.
    #[error("stored {what} is not valid")]
    Stored {
        /// Which column.
        what: &'static str,
    },
    /// A job panicked; its changes were undone.
    #[error("a database job panicked")]
    Panicked,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// The file system is full; reads go on.
    #[error("no space left for the database")]
    Full,
}

impl Error {
    /// The row names another one that is not there: a workspace that nobody knows.
    #[must_use]
    pub fn names_nobody(&self) -> bool {
        let Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) = self else { return false };
        failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY
    }
}

/// What reads and writes return.
pub type Result<T> = std::result::Result<T, Error>;

/// The database of one data directory. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    writer: writer::Writer,
    readers: readers::Readers,
    directory: Arc<Directory>,
}

impl Store {
    /// Opens the file, applies what migrations are missing (after a backup) and starts the writer.
    ///
    /// # Errors
    /// [`migrate::OpenError`] says whether the schema is newer, the file unusable, or a migration failed.
    pub fn open(path: &Path, now: Now, publish: Publish) -> std::result::Result<Self, migrate::OpenError> {
        migrate::prepare(path, &now)?;
        let directory = Arc::<Directory>::default();
        let writer = writer::Writer::start(path, now, publish, Arc::clone(&directory))?;
        let readers = readers::Readers::open(path, readers::DEFAULT_READERS)?;
        Ok(Self { writer, readers, directory })
    }

    /// Runs `job` on the writer and answers when its changes are on disk.
    ///
    /// `job` may run twice: when another job of the same commit fails, the rest is done again one by one.
    ///
    /// # Errors
    /// The job's own error, after its changes were undone; or [`Error::Closed`].
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.writer.write(job).await
    }

    /// Runs `query` on a query-only connection.
    ///
    /// # Errors
    /// The query's own error.
    pub async fn read<T, F>(&self, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.readers.read(query).await
    }

    /// A workspace as the way of a message needs it, removed ones too; nearly always without a query. Hot path.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn entry(&self, id: WorkspaceId) -> Result<Option<Arc<Entry>>> {
        if let Some(known) = self.directory.entry(id) {
            return Ok(Some(known));
        }
        let generation = self.directory.generation();
        let Some(found) = self.read(move |conn| directory::entry(conn, id)).await? else { return Ok(None) };
        let found = Arc::new(found);
        self.directory.keep(id, &found, generation);
        Ok(Some(found))
    }

    /// Whether nothing waits in the busy queue and nothing is claimed there; without a query while that is known. Hot
    /// path.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn queue_is_empty(&self) -> Result<bool> {
        if let Some(known) = self.directory.queue_is_empty() {
            return Ok(known);
        }
        let generation = self.directory.generation();
        let empty = self.read(queue::is_empty).await?;
        self.directory.keep_queue_is_empty(empty, generation);
        Ok(empty)
    }

    /// Whether the last commit found no space left: what must be on disk first is not begun.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.writer.is_full()
    }

    /// Commits what waits, checkpoints and stops the writer. Later writes answer [`Error::Closed`].
    pub async fn close(&self) {
        self.writer.close().await;
    }
}
