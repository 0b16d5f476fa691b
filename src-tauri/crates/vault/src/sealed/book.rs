//! The sealed values in memory, and the thread that carries them to disk.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::watch;

use super::{
    PERSON,
    check::{self, CheckKey},
    folder::{Folder, SEALED},
    format::{self, Held, Value},
    key::MasterKey,
    retired,
};
use crate::{Secret, VaultError};

/// Pause before a write that failed is tried again without a new change.
const RETRY: Duration = Duration::from_secs(2);

struct Page {
    value: Value,
    /// The sealed line, once it was made with the present key.
    line: Option<String>,
}

struct Pages {
    key: MasterKey,
    held: Held,
    pages: BTreeMap<String, Page>,
    /// Number of the last change; versions are drawn from it too, so none comes twice.
    change: u64,
    stopping: bool,
}

#[derive(Clone, Default)]
struct Progress {
    /// Everything up to this change is on disk.
    written: u64,
    /// A write that covered changes up to here failed.
    failed: Option<(u64, VaultError)>,
    ended: bool,
}

/// All sealed values. Reads and writes touch memory only; [`Book::flush`] waits for the disk.
pub(crate) struct Book {
    pages: Mutex<Pages>,
    changed: Condvar,
    progress: watch::Sender<Progress>,
    folder: Folder,
}

/// The writer thread; it finishes what is open when this is dropped.
pub(crate) struct Scribe {
    book: Arc<Book>,
    thread: Option<JoinHandle<()>>,
}

impl Book {
    /// A book of `values`. With `clean` the file on disk already says the same.
    pub fn open(
        folder: Folder,
        key: MasterKey,
        held: Held,
        values: Vec<Value>,
        clean: bool,
    ) -> Result<(Arc<Self>, Scribe), VaultError> {
        let last = values.iter().map(|value| value.version).max().unwrap_or(0);
        let pages = values.into_iter().map(|value| (value.name.clone(), Page { value, line: None })).collect();
        let change = last + 1;
        let written = if clean { change } else { 0 };
        let book = Arc::new(Self {
            pages: Mutex::new(Pages { key, held, pages, change, stopping: false }),
            changed: Condvar::new(),
            progress: watch::Sender::new(Progress { written, ..Progress::default() }),
            folder,
        });
        let writing = book.clone();
        let thread =
            std::thread::Builder::new().name("molecule-sealed".into()).spawn(move || writing.write_until_stopped())?;
        Ok((book.clone(), Scribe { book, thread: Some(thread) }))
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub fn get(&self, name: &str) -> Option<Secret> {
        self.pages().pages.get(name).map(|page| page.value.value.clone())
    }

    /// The value and its version.
    pub fn get_version(&self, name: &str) -> Option<(Secret, u64)> {
        self.pages().pages.get(name).map(|page| (page.value.value.clone(), page.value.version))
    }

    pub fn has(&self, name: &str) -> bool {
        self.pages().pages.contains_key(name)
    }

    /// Names that begin with `prefix`.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.pages().pages.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// The value, made by `make` if there is none, and whether it was made.
    pub fn get_or_put(&self, name: String, make: impl FnOnce() -> Secret) -> (Secret, bool) {
        let mut pages = self.pages();
        if let Some(page) = pages.pages.get(&name) {
            return (page.value.value.clone(), false);
        }
        let value = make();
        self.insert(&mut pages, name, value.clone());
        (value, true)
    }

    /// Stores the value and says its version.
    pub fn put(&self, name: String, value: Secret) -> u64 {
        self.insert(&mut self.pages(), name, value)
    }

    fn insert(&self, pages: &mut Pages, name: String, value: Secret) -> u64 {
        let version = pages.change + 1;
        let value = Value { name: name.clone(), version, value };
        pages.pages.insert(name, Page { value, line: None });
        self.touch(pages);
        version
    }

    pub fn remove(&self, name: &str) -> bool {
        let mut pages = self.pages();
        let gone = pages.pages.remove(name).is_some();
        if gone {
            self.touch(&mut pages);
        }
        gone
    }

    /// Removes the value unless it was changed since `version`.
    pub fn remove_version(&self, name: &str, version: u64) -> bool {
        let mut pages = self.pages();
        let same = pages.pages.get(name).is_some_and(|page| page.value.version == version);
        if same {
            pages.pages.remove(name);
            self.touch(&mut pages);
        }
        same
    }

    /// Takes in values of another file; what is here already, or was doomed here, wins.
    pub fn adopt(&self, values: Vec<Value>) -> usize {
        let mut pages = self.pages();
        let mut adopted = 0;
        for Value { name, value, .. } in values {
            let doomed = name.strip_prefix(PERSON).map(super::doomed);
            if pages.pages.contains_key(&name) || doomed.is_some_and(|doomed| pages.pages.contains_key(&doomed)) {
                continue;
            }
            self.insert(&mut pages, name, value);
            adopted += 1;
        }
        adopted
    }

    /// The key now in use.
    pub fn key(&self) -> MasterKey {
        self.pages().key.clone()
    }

    pub fn held(&self) -> Held {
        self.pages().held.clone()
    }

    /// Seals everything under `key` from now on. Checks that were made under the old key stay
    /// readable, because its check key is kept.
    pub fn rekey(&self, key: MasterKey, held: Held) -> Result<(), VaultError> {
        let old = self.key();
        if old != key {
            self.retire(&old)?;
        }
        let mut pages = self.pages();
        if pages.key == key && pages.held == held {
            return Ok(());
        }
        pages.key = key;
        pages.held = held;
        pages.pages.values_mut().for_each(|page| page.line = None);
        self.touch(&mut pages);
        Ok(())
    }

    /// Keeps the check key of a key that is no longer in use.
    pub fn retire(&self, old: &MasterKey) -> Result<(), VaultError> {
        self.put(retired(&old.id()?), old.check_key()?.to_text());
        Ok(())
    }

    /// The key that makes checks now.
    pub fn check_key(&self) -> Result<CheckKey, VaultError> {
        self.key().check_key()
    }

    /// Whether `value` is the one that `check` was made of.
    pub fn holds(&self, account: &str, value: &Secret, check: &str) -> bool {
        let Some(id) = check::key_id(check) else {
            return false;
        };
        let own = self.check_key().ok();
        let old = self.get(&retired(id)).and_then(|text| CheckKey::parse(id, &text));
        own.into_iter().chain(old).any(|key| check::holds(&key, account, value, check))
    }

    /// Resolves when every change made so far is on disk.
    pub async fn flush(&self) -> Result<(), VaultError> {
        let target = self.pages().change;
        let mut progress = self.progress.subscribe();
        let settled = |now: &Progress| {
            now.written >= target || now.ended || now.failed.as_ref().is_some_and(|(at, _)| *at >= target)
        };
        let now = progress.wait_for(settled).await.map_err(|_| VaultError::Closed)?;
        match &now.failed {
            _ if now.written >= target => Ok(()),
            Some((_, error)) => Err(error.clone()),
            None => Err(VaultError::Closed),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self, pages: &mut Pages) {
        pages.change += 1;
        self.changed.notify_all();
    }

    fn write_until_stopped(&self) {
        let (mut written, mut failed) = (self.progress.borrow().written, None);
        loop {
            let mut pages = self.pages();
            while pages.change <= written && !pages.stopping {
                pages = self.changed.wait(pages).unwrap_or_else(PoisonError::into_inner);
            }
            // After a failure: on the next change, at the end, or after a while.
            while failed == Some(pages.change) && !pages.stopping {
                let (again, waited) = self.changed.wait_timeout(pages, RETRY).unwrap_or_else(PoisonError::into_inner);
                pages = again;
                if waited.timed_out() {
                    break;
                }
            }
            let (change, stopping) = (pages.change, pages.stopping);
            if change > written {
                let bytes = pages.render();
                drop(pages);
                match bytes.and_then(|bytes| self.folder.write(SEALED, &bytes)) {
                    Ok(()) => {
                        (written, failed) = (change, None);
                        self.progress.send_modify(|now| {
                            now.written = change;
                            now.failed = None;
                        });
                    }
                    Err(error) => {
                        failed = Some(change);
                        tracing::error!(store = "sealed", %error, "sealed file not written");
                        self.progress.send_modify(|now| now.failed = Some((change, error)));
                    }
                }
            }
            if stopping {
                self.progress.send_modify(|now| now.ended = true);
                return;
            }
        }
    }
}

impl Pages {
    fn render(&mut self) -> Result<Vec<u8>, VaultError> {
        let cipher = self.key.cipher()?;
        for page in self.pages.values_mut().filter(|page| page.line.is_none()) {
            page.line = Some(format::line(&cipher, &page.value)?);
        }
        format::file(&self.key, &self.held, self.pages.values().filter_map(|page| page.line.as_deref()))
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.book.pages().stopping = true;
        self.book.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
