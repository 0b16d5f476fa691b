//! Waiting for something to become true, with a deadline and a word on what was missing.

use std::{fmt::Display, future::Future, time::Duration};

use tokio::time::Instant;

/// Longer than anything here takes on a loaded machine; only a broken test waits for it.
pub const SOON: Duration = Duration::from_secs(30);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until `look` finds something.
///
/// # Panics
/// After `limit`, with the last thing that `look` saw instead.
#[track_caller]
pub fn within<T, Missing, F>(
    limit: Duration,
    what: impl Display,
    mut look: impl FnMut() -> F,
) -> impl Future<Output = T>
where
    F: Future<Output = Result<T, Missing>>,
    Missing: Display,
{
    let asked = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        loop {
            match look().await {
                Ok(found) => return found,
                Err(missing) if Instant::now() >= deadline => {
                    panic!("waited {limit:?} for {what} (at {asked}); last seen: {missing}")
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// [`within`] [`SOON`].
#[track_caller]
pub fn eventually<T, Missing, F>(what: impl Display, look: impl FnMut() -> F) -> impl Future<Output = T>
where
    F: Future<Output = Result<T, Missing>>,
    Missing: Display,
{
    within(SOON, what, look)
}
