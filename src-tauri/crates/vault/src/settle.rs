//! Moving to the keychain what it could not take before, and deleting there what it could not
//! delete before.

use std::time::Instant;

use crate::{
    KeychainError, Vault,
    keychain::worker::{Patience, elapsed_ms},
    sealed::{self, DOOMED, PERSON},
};

impl Vault {
    /// Does what waits for the keychain, if the keychain answers, and says how many values moved.
    /// It runs by itself after start and after [`Vault::retry`].
    pub async fn settle(&self) -> usize {
        let began = Instant::now();
        let _turn = self.inner.moving.lock().await;
        // Deletions first: a value that was stored after one must not fall to it.
        let (deleted, moved) = (self.delete_doomed().await, self.move_values().await);
        if deleted + moved > 0 {
            let outcome = self.inner.book.flush().await.map_or_else(|error| error.code(), |()| "ok");
            let elapsed_ms = elapsed_ms(began);
            tracing::info!(store = "keychain", moved, deleted, outcome, elapsed_ms, "secrets settled");
        }
        moved
    }

    async fn delete_doomed(&self) -> usize {
        let inner = &self.inner;
        let mut deleted = 0;
        for name in inner.book.names(DOOMED) {
            let Some(worker) = inner.usable() else { break };
            let (book, account) = (inner.book.clone(), name[DOOMED.len()..].to_owned());
            // The book is asked on the keychain's thread: a put that spares the entry comes either
            // before that question or, in the queue, after the deletion.
            let answer = worker
                .call("settle", inner.call_timeout, Patience::RefuseWhileHung, move |keychain| {
                    let Some((_, version)) = book.get_version(&sealed::doomed(&account)) else {
                        return Ok(false);
                    };
                    keychain.delete(&account)?;
                    Ok(book.remove_version(&sealed::doomed(&account), version))
                })
                .await;
            deleted += usize::from(self.heed(answer));
        }
        deleted
    }

    async fn move_values(&self) -> usize {
        let inner = &self.inner;
        let mut moved = 0;
        for name in inner.book.names(PERSON) {
            let Some(worker) = inner.usable() else { break };
            let (book, account) = (inner.book.clone(), name[PERSON.len()..].to_owned());
            let room = worker.max_value_bytes();
            let answer = worker
                .call("settle", inner.call_timeout, Patience::RefuseWhileHung, move |keychain| {
                    let waiting = book.get_version(&name).filter(|(value, _)| value.len() <= room);
                    let Some((value, version)) = waiting else {
                        return Ok(false);
                    };
                    keychain.set(&account, &value)?;
                    Ok(book.remove_version(&name, version))
                })
                .await;
            moved += usize::from(self.heed(answer));
        }
        moved
    }

    fn heed(&self, answer: Result<bool, KeychainError>) -> bool {
        answer.unwrap_or_else(|error| {
            self.inner.note(error);
            false
        })
    }
}
