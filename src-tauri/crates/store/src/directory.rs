//! Workspaces as the way of a message needs them, in memory, so that a message that may leave costs no query.
//!
//! A row is taken in when it is asked for, and forgotten with every commit that changed it: SQLite itself tells which
//! rows a transaction touched, so no writer can forget to. Whoever was answered by the writer therefore finds its
//! own change here too.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use molecule_model::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, hooks::Action};

use crate::{
    Result,
    inflight::{self, Addressee},
    queue,
    workspaces::parsed_opt,
};

/// One workspace.
#[derive(Debug)]
pub struct Entry {
    /// Its place in the table.
    rowid: i64,
    /// Its parent.
    pub parent: Option<WorkspaceId>,
    /// What a message to it needs to know; none of a removed one (O-26).
    pub addressee: Option<Arc<Addressee>>,
}

#[derive(Default)]
struct Known {
    entries: HashMap<WorkspaceId, Arc<Entry>>,
    ids: HashMap<i64, WorkspaceId>,
    /// Nothing waits in the busy queue and nothing is claimed there, where that is known.
    queue_is_empty: Option<bool>,
}

/// What one transaction touched.
#[derive(Debug, Default)]
struct Touched {
    rows: Vec<i64>,
    queue: bool,
}

/// The directory of one store.
#[derive(Default)]
pub(crate) struct Directory {
    known: RwLock<Known>,
    /// Counts what was forgotten: a look-up that began before is not kept.
    generation: AtomicU64,
    touched: Mutex<Touched>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    /// Notes from now on what `writer` changes.
    pub(crate) fn follow(self: &Arc<Self>, writer: &mut Connection) -> rusqlite::Result<()> {
        let this = Arc::clone(self);
        writer.update_hook(Some(move |_: Action, _: &str, table: &str, rowid: i64| match table {
            "workspaces" => locked(&this.touched).rows.push(rowid),
            "a2a_queue" => locked(&this.touched).queue = true,
            _ => {}
        }))
    }

    /// Forgets what was touched, and looks at the queue again: between a commit of `writer` and its answers.
    pub(crate) fn committed(&self, writer: &Connection) {
        let mut touched = locked(&self.touched);
        if touched.rows.is_empty() && !touched.queue {
            return;
        }
        let queue = std::mem::take(&mut touched.queue).then(|| queue::is_empty(writer).ok());
        self.generation.fetch_add(1, Ordering::AcqRel);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.queue_is_empty = queue.unwrap_or(known.queue_is_empty);
        for rowid in touched.rows.drain(..) {
            if let Some(id) = known.ids.remove(&rowid) {
                known.entries.remove(&id);
            }
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn entry(&self, id: WorkspaceId) -> Option<Arc<Entry>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).entries.get(&id).cloned()
    }

    pub(crate) fn queue_is_empty(&self) -> Option<bool> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).queue_is_empty
    }

    /// Keeps what was looked up, unless something was forgotten since `generation`.
    pub(crate) fn keep(&self, id: WorkspaceId, entry: &Arc<Entry>, generation: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation() == generation {
            known.ids.insert(entry.rowid, id);
            known.entries.insert(id, Arc::clone(entry));
        }
    }

    pub(crate) fn keep_queue_is_empty(&self, empty: bool, generation: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation() == generation {
            known.queue_is_empty = Some(empty);
        }
    }
}

/// Looks a workspace up, removed ones too.
pub(crate) fn entry(conn: &Connection, id: WorkspaceId) -> Result<Option<Entry>> {
    let mut query = conn.prepare_cached("SELECT rowid, parent_id FROM workspaces WHERE id = ?1")?;
    let found = query.query_row([id.to_string()], |row| Ok((row.get(0)?, parsed_opt(row, "parent_id")?))).optional()?;
    let Some((rowid, parent)) = found else { return Ok(None) };
    Ok(Some(Entry { rowid, parent, addressee: inflight::addressee(conn, id)?.map(Arc::new) }))
}

#[cfg(test)]
mod tests {
    use molecule_model::WorkspaceId;

    use crate::{
        Error, Store,
        queue::{self, NewItem, Occasion, PRIORITY},
        testing::{new_workspace, open},
    };

    async fn name(store: &Store, id: WorkspaceId) -> Option<String> {
        let entry = store.entry(id).await.unwrap()?;
        entry.addressee.as_ref().map(|to| to.name.clone())
    }

    async fn rename(store: &Store, id: WorkspaceId, to: &'static str) {
        let rename = "UPDATE workspaces SET name = ?2 WHERE id = ?1";
        store.write(move |tx| Ok(tx.execute(rename, [&id.to_string(), to])?)).await.unwrap();
    }

    #[tokio::test]
    async fn r60_whoever_was_answered_finds_its_change() {
        let (store, _dir) = open();
        let (a, b) = (WorkspaceId::random(), WorkspaceId::random());
        assert_eq!(name(&store, a).await, None);
        store
            .write(move |tx| {
                new_workspace(tx, a, "A", None)?;
                new_workspace(tx, b, "B", Some(a))
            })
            .await
            .unwrap();
        for round in ["one", "two"] {
            assert!(store.entry(b).await.unwrap().unwrap().parent == Some(a));
            rename(&store, a, round).await;
            assert_eq!((name(&store, a).await.as_deref(), name(&store, b).await.as_deref()), (Some(round), Some("B")));
        }
        // Removed: still somebody's ancestor, and nobody to talk to.
        let remove = "UPDATE workspaces SET status = 'removed' WHERE id = ?1";
        store.write(move |tx| Ok(tx.execute(remove, [a.to_string()])?)).await.unwrap();
        assert_eq!(name(&store, a).await, None);
        assert!(store.entry(a).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_was_undone_is_not_seen() {
        let (store, _dir) = open();
        let a = WorkspaceId::random();
        store.write(move |tx| new_workspace(tx, a, "A", None)).await.unwrap();
        assert_eq!(name(&store, a).await.as_deref(), Some("A"));
        let undone: Result<(), Error> = store
            .write(move |tx| {
                tx.execute("UPDATE workspaces SET name = 'B' WHERE id = ?1", [a.to_string()])?;
                Err(Error::Closed)
            })
            .await;
        assert!(undone.is_err());
        assert_eq!(name(&store, a).await.as_deref(), Some("A"));
    }

    #[tokio::test]
    async fn what_waits_for_anybody_is_known() {
        let (store, _dir) = open();
        let a = WorkspaceId::random();
        store
            .write(move |tx| {
                new_workspace(tx, a, "A", None)?;
                Ok(tx.execute("UPDATE workspaces SET url = 'http://127.0.0.1:9'", [])?)
            })
            .await
            .unwrap();
        assert!(store.queue_is_empty().await.unwrap() && store.queue_is_empty().await.unwrap());
        let item = NewItem {
            workspace: a,
            caller: None,
            body: "{}",
            method: "message/send",
            message_id: None,
            expires_in_seconds: None,
            version: None,
            hop: 0,
            priority: PRIORITY,
        };
        store.write(move |tx| queue::enqueue(tx, &item)).await.unwrap();
        assert!(!store.queue_is_empty().await.unwrap());
        let claimed = store.write(move |tx| queue::claim(tx, a, Occasion::Ours, 1)).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert!(!store.queue_is_empty().await.unwrap(), "what is claimed counts");
        store.write(move |tx| Ok(tx.execute("UPDATE a2a_queue SET status = 'completed'", [])?)).await.unwrap();
        assert!(store.queue_is_empty().await.unwrap());
    }
}
