//! How many turns are worked on at the same time.
//!
//! A turn that waits for somebody else gives its place up meanwhile: a parent that asks its child may be
//! asked by that child, and must be able to answer.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns at the same time; others wait in line.
const AT_ONCE: usize = 4;

/// The places of an agent.
#[derive(Clone)]
pub(super) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// A turn's place, taken or not.
pub(super) struct Place {
    places: Places,
    taken: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Places {
    pub(super) fn outside(&self) -> Place {
        Place { places: self.clone(), taken: Mutex::default() }
    }
}

impl Place {
    fn set(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }

    /// Waits for a free place.
    pub(super) async fn enter(&self) {
        // Nobody closes the semaphore; if somebody did, there would be no line to stand in.
        self.set(Arc::clone(&self.places.0).acquire_owned().await.ok());
    }

    /// Lets somebody else in.
    pub(super) fn leave(&self) {
        self.set(None);
    }
}
