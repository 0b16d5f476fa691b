//! Checkpoints beside the writer: what the write-ahead log holds goes into the database file on a thread of its
//! own, so that no caller's commit waits for the copying.
//!
//! The writer only steps in where the log grows faster than it is copied, or nobody else would ever let it begin
//! anew: then it checkpoints itself, which is quick, since most is copied already.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use rusqlite::{Connection, hooks::Wal};

use crate::migrate;

/// Pages of 4 KiB in the log from which on they are copied beside the writer: 16 MB.
const BESIDE: i32 = 4_000;
/// Pages in the log from which on the writer waits for the copying: 48 MB.
const ALONG: i32 = 12_000;

/// The thread that copies.
pub(crate) struct Checkpoints {
    /// Pages in the log after the last commit.
    pages: Arc<AtomicI32>,
    nudge: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// For the database at `path`, whose log `writer` fills.
    pub(crate) fn start(path: &Path, writer: &mut Connection) -> Self {
        let pages = Arc::new(AtomicI32::new(0));
        let noted = Arc::clone(&pages);
        // A hook takes the place of SQLite's own checkpoints.
        let hooked = writer.wal_hook(Some(move |_: &mut Wal, count| {
            noted.store(count, Ordering::Relaxed);
            Ok(())
        }));
        if let Err(error) = hooked {
            tracing::warn!(%error, "the size of the log is not known: SQLite checkpoints by itself");
        }
        let started = migrate::connect_writer(path).map_err(|error| error.to_string()).and_then(|conn| {
            conn.execute_batch("PRAGMA wal_autocheckpoint = 0").map_err(|error| error.to_string())?;
            let (nudge, nudges) = sync_channel(1);
            let run = move || nudges.iter().for_each(|()| copy(&conn));
            let thread = std::thread::Builder::new().name("store-checkpoint".into()).spawn(run);
            thread.map(|thread| (nudge, thread)).map_err(|error| error.to_string())
        });
        match started {
            Ok((nudge, thread)) => Self { pages, nudge: Some(nudge), thread: Some(thread) },
            Err(error) => {
                tracing::warn!(%error, "no thread for checkpoints: the writer does them itself");
                Self { pages, nudge: None, thread: None }
            }
        }
    }

    /// After a commit of `writer`.
    pub(crate) fn committed(&self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < BESIDE {
            return;
        }
        // Full means that it is at work already.
        let beside =
            self.nudge.as_ref().is_some_and(|n| !matches!(n.try_send(()), Err(TrySendError::Disconnected(()))));
        if pages >= ALONG || !beside {
            copy(writer);
        }
    }

    /// Lets the thread end, and waits for it.
    pub(crate) fn stop(mut self) {
        drop(self.nudge.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for checkpoints panicked");
        }
    }
}

fn copy(conn: &Connection) {
    // Answers a row; readers of old states only leave some of it for the next time.
    let done = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = done {
        tracing::warn!(%error, "a checkpoint failed; the log keeps what it holds");
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    struct Bed {
        folder: tempfile::TempDir,
        writer: Connection,
    }

    impl Bed {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let writer = migrate::connect_writer(&folder.path().join("molecule.db")).unwrap();
            // Nothing but what is tried here copies.
            writer.execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE notes (text)").unwrap();
            Self { folder, writer }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("molecule.db")
        }

        /// Puts a megabyte into the log.
        fn write(&self) {
            self.writer.execute("INSERT INTO notes VALUES (zeroblob(1000000))", []).unwrap();
        }

        /// How much of it was copied, in megabytes.
        fn copied(&self) -> u64 {
            fs::metadata(self.path()).unwrap().len() / 1_000_000
        }
    }

    #[test]
    fn a_long_log_is_copied_beside_and_a_very_long_one_by_the_writer_too() {
        let bed = Bed::new();
        let (nudge, nudges) = sync_channel(1);
        let beside = Checkpoints { pages: Arc::default(), nudge: Some(nudge), thread: None };
        let committed = |pages: i32| {
            bed.write();
            beside.pages.store(pages, Ordering::Relaxed);
            beside.committed(&bed.writer);
            (nudges.try_recv().is_ok(), bed.copied())
        };
        assert_eq!(committed(BESIDE - 1), (false, 0));
        assert_eq!(committed(BESIDE), (true, 0));
        assert_eq!(committed(ALONG - 1), (true, 0));
        assert_eq!(committed(ALONG), (true, 4));
        // It is at work, and was told once already.
        beside.pages.store(BESIDE, Ordering::Relaxed);
        bed.write();
        beside.committed(&bed.writer);
        beside.committed(&bed.writer);
        assert_eq!(bed.copied(), 4);
        drop(nudges);
        beside.committed(&bed.writer);
        assert_eq!(bed.copied(), 5, "nobody is beside the writer any more");
    }

    #[test]
    fn what_was_asked_for_is_copied_before_the_end() {
        let mut bed = Bed::new();
        let beside = Checkpoints::start(&bed.path(), &mut bed.writer);
        bed.write();
        assert!(beside.pages.load(Ordering::Relaxed) > 200, "the log's size is known");
        beside.pages.store(BESIDE, Ordering::Relaxed);
        beside.committed(&bed.writer);
        beside.stop();
        assert_eq!(bed.copied(), 1);
    }

    #[test]
    fn who_waited_for_the_end_finds_the_file_closed() {
        let mut bed = Bed::new();
        let beside = Checkpoints::start(&bed.path(), &mut bed.writer);
        (0..20).for_each(|_| bed.write());
        let Bed { folder, writer } = bed;
        drop(writer);
        beside.stop();
        // The last one to close the file has copied the log and taken it away.
        assert!(!folder.path().join("molecule.db-wal").exists());
    }
}
