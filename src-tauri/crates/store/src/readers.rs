//! A few query-only connections behind a semaphore.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::{Error, Result, migrate};

/// Enough for a laptop: queries are short and SQLite reads in parallel with the writer.
pub(crate) const DEFAULT_READERS: usize = 3;

#[derive(Clone)]
pub(crate) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> std::result::Result<Self, migrate::OpenError> {
        let free = (0..count).map(|_| migrate::connect_reader(path)).collect::<std::result::Result<_, _>>()?;
        Ok(Self { free: Arc::new(Mutex::new(free)), permits: Arc::new(Semaphore::new(count)) })
    }

    pub(crate) async fn read<T, F>(&self, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed)?;
        let free = Arc::clone(&self.free);
        let run = move || {
            let conn = Lent { conn: free.lock().map_err(|_| Error::Panicked)?.pop(), free: &free };
            let result = query(conn.conn.as_ref().ok_or(Error::Closed)?);
            drop(conn);
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| Error::Panicked)?
    }
}

/// A connection that goes back to the pool even when the query panics.
struct Lent<'a> {
    conn: Option<Connection>,
    free: &'a Mutex<Vec<Connection>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let (Some(conn), Ok(mut free)) = (self.conn.take(), self.free.lock()) {
            free.push(conn);
        }
    }
}
