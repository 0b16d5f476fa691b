//! The vault: opening it, its status, and what the machine makes for itself.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};

use crate::{
    Keychain, KeychainChoice, KeychainError, Secret, VaultError, VaultOptions, VaultStatus,
    keychain::{
        system::SystemKeychain,
        worker::{Worker, elapsed_ms},
    },
    probe,
    sealed::{
        self,
        book::{Book, Scribe},
        folder::{Folder, Owner},
        format::Held,
        recover::{self, Local, Pass, SetAside},
    },
    status::{Condition, Link},
};

/// Secrets of one data directory. Clones share it; the files are let go when the last one is dropped
/// or [`Vault::close`] was called.
#[derive(Clone)]
pub struct Vault {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub book: Arc<Book>,
    pub worker: Option<Arc<Worker>>,
    pub account: String,
    pub call_timeout: Duration,
    pub retry_timeout: Duration,
    pub status: watch::Sender<VaultStatus>,
    /// Something waits to be moved to the keychain or deleted there.
    pub nudge: Arc<Notify>,
    /// One at a time asks the keychain anew.
    pub asking: tokio::sync::Mutex<()>,
    /// One at a time moves.
    pub moving: tokio::sync::Mutex<()>,
    health: Mutex<Health>,
    background: Mutex<Option<AbortHandle>>,
    // Dropped in this order: the last write, then the lock.
    scribe: Mutex<Option<Scribe>>,
    owner: Mutex<Option<Owner>>,
}

/// What is known of the keychain and of earlier files.
pub(crate) struct Health {
    pub link: Link,
    pub set_aside: Option<SetAside>,
    pub damaged: bool,
}

impl Vault {
    /// Opens the vault of a data directory and decides where secrets go: the keychain if it answers
    /// within the probe's deadline, else the sealed file.
    ///
    /// A keychain that is locked, replaced or gone is no error but a status: the rest must run.
    ///
    /// # Errors
    /// The files cannot be read or written, belong to another process or to a newer version, or want
    /// a passphrase.
    pub async fn open(options: VaultOptions) -> Result<Self, VaultError> {
        let began = Instant::now();
        let (keychain, off): (Option<Arc<dyn Keychain>>, _) = match &options.keychain {
            KeychainChoice::Auto => (Some(Arc::new(SystemKeychain::default())), Link::Absent),
            KeychainChoice::Custom(keychain) => (Some(keychain.clone()), Link::Absent),
            KeychainChoice::Off => (None, Link::Off),
        };
        let worker = keychain.and_then(|keychain| Worker::start(keychain).ok()).map(Arc::new);
        let account = probe::account(&options.installation_id);

        let reading = options.clone();
        let (folder, owner, local) = blocking(move || {
            let (folder, owner) = Folder::own(reading.data_dir.clone())?;
            let local = Local::read(&folder, reading.pass())?;
            Ok((folder, owner, local))
        })
        .await?;

        let answer = match &worker {
            Some(worker) => probe::key(worker, account.clone(), local.key.clone(), options.probe_timeout)
                .await
                .map_err(|error| Link::after(error).unwrap_or(Link::Absent)),
            None => Err(off),
        };
        let link = answer.as_ref().err().copied().unwrap_or(Link::Up);

        let (timeout, retry) = (options.call_timeout, options.retry_timeout);
        let (book, scribe, health) = blocking(move || {
            let start = recover::decide(&folder, &local, answer.ok(), options.pass())?;
            let health = Health { link, set_aside: start.set_aside, damaged: start.damaged };
            let (book, scribe) = Book::open(folder, start.key, start.held, start.values, start.clean)?;
            if let Some(old) = start.retired {
                book.retire(&old)?;
            }
            Ok((book, scribe, health))
        })
        .await?;

        let vault = Self {
            inner: Arc::new(Inner {
                status: watch::Sender::new(health.condition(&book).status()),
                book,
                worker,
                account,
                call_timeout: timeout,
                retry_timeout: retry,
                nudge: Arc::default(),
                asking: tokio::sync::Mutex::default(),
                moving: tokio::sync::Mutex::default(),
                health: Mutex::new(health),
                background: Mutex::default(),
                scribe: Mutex::new(Some(scribe)),
                owner: Mutex::new(Some(owner)),
            }),
        };
        vault.take_back().await?;
        vault.watch_keychain();
        let status = vault.status();
        let (store, elapsed_ms) = (status.store.as_str(), elapsed_ms(began));
        tracing::info!(store, state = ?status.state, elapsed_ms, "vault open");
        Ok(vault)
    }

    /// Where secrets go now, and whether everything stored is in reach.
    #[must_use]
    pub fn status(&self) -> VaultStatus {
        self.inner.status.borrow().clone()
    }

    /// The status and its changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<VaultStatus> {
        self.inner.status.subscribe()
    }

    /// A value that the machine made for itself. Memory only: it never waits.
    #[must_use]
    pub fn machine_get(&self, name: &str) -> Option<Secret> {
        self.inner.book.get(&sealed::machine(name))
    }

    /// Stores a value of the machine's own: in memory at once, on disk right behind. Who must
    /// know that it is on disk awaits [`Vault::flush`].
    pub fn machine_put(&self, name: &str, value: Secret) {
        self.inner.book.put(sealed::machine(name), value);
    }

    /// The value of the machine's own, made and stored if there is none; `true` beside it: it was made
    /// just now. Of two that ask at once for the first time, both get the same.
    pub fn machine_get_or_put(&self, name: &str, make: impl FnOnce() -> Secret) -> (Secret, bool) {
        self.inner.book.get_or_put(sealed::machine(name), make)
    }

    /// Forgets a value of the machine's own.
    pub fn machine_delete(&self, name: &str) {
        self.inner.book.remove(&sealed::machine(name));
    }

    /// Resolves when every change made so far is on disk.
    ///
    /// # Errors
    /// The write failed; it is tried again on the next change and every two seconds.
    pub async fn flush(&self) -> Result<(), VaultError> {
        self.inner.book.flush().await
    }

    /// Writes what is open and lets the files go, so that another vault may open them. Later changes
    /// stay in memory and [`Vault::flush`] says [`VaultError::Closed`].
    ///
    /// # Errors
    /// The last write failed.
    pub async fn close(&self) -> Result<(), VaultError> {
        if let Some(task) = lock(&self.inner.background).take() {
            task.abort();
        }
        let flushed = self.flush().await;
        let (scribe, owner) = (lock(&self.inner.scribe).take(), lock(&self.inner.owner).take());
        blocking(move || {
            drop(scribe);
            drop(owner);
            Ok(())
        })
        .await?;
        flushed
    }

    /// Values of earlier files that the present key opens come back; then those files go.
    pub(crate) async fn take_back(&self) -> Result<(), VaultError> {
        let book = self.inner.book.clone();
        let taken = blocking(move || recover::take_back(&book)).await?;
        self.inner.book.flush().await?;
        let (book, names) = (self.inner.book.clone(), taken.clone());
        blocking(move || recover::tidy(&book, &names)).await?;
        self.inner.judge(|health| {
            if health.set_aside.as_ref().is_some_and(|aside| taken.contains(&aside.name)) {
                health.set_aside = None;
            }
        });
        Ok(())
    }

    /// When a call that was given up comes to a good end, the keychain is back: somebody answered its
    /// prompt. Then, and when something waits to be moved, go on without being asked.
    fn watch_keychain(&self) {
        let Some(worker) = self.inner.worker.clone() else {
            return;
        };
        let (weak, nudge) = (Arc::downgrade(&self.inner), self.inner.nudge.clone());
        if self.status().store == crate::StoreKind::Keychain {
            nudge.notify_one();
        }
        let task = tokio::spawn(async move {
            loop {
                let late = tokio::select! {
                    () = worker.late() => true,
                    () = nudge.notified() => false,
                };
                let Some(inner) = weak.upgrade() else { return };
                let vault = Self { inner };
                if late {
                    vault.retry().await;
                } else {
                    vault.settle().await;
                }
            }
        });
        *lock(&self.inner.background) = Some(task.abort_handle());
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({:?})", self.status())
    }
}

impl Inner {
    pub fn link(&self) -> Link {
        lock(&self.health).link
    }

    pub fn condition(&self) -> Condition {
        lock(&self.health).condition(&self.book)
    }

    /// Changes what is known and tells who listens, if it makes a difference.
    pub fn judge(&self, change: impl FnOnce(&mut Health)) {
        let mut health = lock(&self.health);
        change(&mut health);
        let status = health.condition(&self.book).status();
        self.status.send_if_modified(|now| {
            let news = *now != status;
            if news {
                tracing::warn!(store = status.store.as_str(), state = ?status.state, "vault status");
                *now = status;
            }
            news
        });
    }

    /// Draws the conclusion from a call that failed.
    pub fn note(&self, error: KeychainError) {
        if let Some(link) = Link::after(error) {
            self.judge(|health| health.link = link);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.background).take() {
            task.abort();
        }
    }
}

impl Health {
    fn condition(&self, book: &Book) -> Condition {
        Condition {
            link: self.link,
            keychain_held: book.held() == Held::Keychain,
            set_aside: self.set_aside.as_ref().map(|aside| aside.held),
            damaged: self.damaged,
        }
    }
}

impl VaultOptions {
    fn pass(&self) -> Pass<'_> {
        Pass { phrase: self.passphrase.as_ref(), cost: self.cost }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| VaultError::Closed)?
}
