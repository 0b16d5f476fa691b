//! Who is asking (ARCHITECTURE idea 5, 10 §2).
//!
//! One function turns a request's credential into a [`Caller`]; each route states the [`Access`] it needs
//! beside its path. Credentials are 256 random bits, stored as SHA-256, looked up by one predicate.

mod access;
mod caller;
mod launch;
mod routes;
mod test_token;
mod token;

pub use access::{Access, Development, guard};
pub use caller::{Caller, SUBPROTOCOL, bearer};
pub use launch::Tickets;
use molecule_model::WorkspaceId;
use molecule_store::tokens;
pub use routes::router;
use secrecy::SecretString;
pub use token::{Capability, Fresh, fresh, hash};

use crate::{App, AppResult, Platform};

/// Credentials that are held in memory: the admin token, launch tickets, and what was looked up lately.
pub struct Auth {
    /// The token of `admin.token`, and `ADMIN_TOKEN` where set.
    admin: Vec<SecretString>,
    /// One-time tickets for windows.
    pub tickets: Tickets,
    known: caller::Known,
    accepting_until: std::sync::atomic::AtomicI64,
}

impl Auth {
    /// With these admin tokens.
    #[must_use]
    pub fn new(admin: Vec<SecretString>) -> Self {
        Self { admin, tickets: Tickets::default(), known: caller::Known::default(), accepting_until: 0.into() }
    }

    /// Forgets every credential that was looked up: call it after a revoke or a removal is committed.
    pub fn forget(&self) {
        self.known.clear();
    }

    /// Until when unknown agents may register themselves, in microseconds since the epoch; 0 = not.
    #[must_use]
    pub fn accepting_until(&self) -> i64 {
        self.accepting_until.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Opens, or closes with 0, registration for unknown agents.
    pub fn accept_until(&self, micros: i64) {
        self.accepting_until.store(micros, std::sync::atomic::Ordering::Release);
    }

    /// The "lazy bootstrap" of 10 §2.9 as leave it: a caller without a credential may act as
    /// workspace `id` only in development and only while that workspace has no live token.
    ///
    /// # Errors
    /// When the tokens cannot be read.
    pub async fn without_token_allowed(
        &self,
        platform: &Platform,
        id: WorkspaceId,
        caller: &Caller,
    ) -> AppResult<bool> {
        if !platform.config.development || *caller != Caller::Anonymous {
            return Ok(false);
        }
        let live = platform.store.read(move |conn| tokens::has_live(conn, id)).await?;
        Ok(!live)
    }
}

/// The flag that the guard reads.
#[must_use]
pub const fn access_development(on: bool) -> Development {
    Development(on)
}

/// Issues a bearer for a workspace inside a transaction. The text is in the answer only.
///
/// # Errors
/// When the row cannot be written.
pub fn issue(tx: &mut molecule_store::Tx<'_>, id: WorkspaceId, fresh: &Fresh) -> molecule_store::Result<()> {
    tokens::issue(tx, id, &fresh.row(false))
}

/// Issues a capability base URL for a workspace inside a transaction.
///
/// # Errors
/// When the row cannot be written.
pub fn issue_url(tx: &mut molecule_store::Tx<'_>, id: WorkspaceId, fresh: &Fresh) -> molecule_store::Result<()> {
    tokens::issue(tx, id, &fresh.row(true))
}

/// `<base>/as/<capability>`.
#[must_use]
pub fn capability_url(app: &App, capability: &str) -> String {
    format!("{}/as/{capability}", app.endpoint.url())
}

/// What became of the secret that an agent is shown.
#[derive(Debug)]
pub enum Inbound {
    /// It is known, and so to the agent.
    Known(SecretString),
    /// It was made just now.
    Made(SecretString),
    /// There is none in reach, and none may be made.
    Unreadable,
}

/// The secret that the platform shows to the agent of `id` (20 §7.8). Made on first contact and returned
/// at once, stored behind: of two that ask at once for the first time, both get the same.
#[must_use]
pub fn inbound_secret(platform: &Platform, id: WorkspaceId) -> SecretString {
    let (secret, _) = platform.vault.machine_get_or_put(&inbound_name(id), || fresh().expose().to_owned().into());
    SecretString::from(secret.expose())
}

/// As [`inbound_secret`], but says whether it was made just now, and makes none unless `may_make`.
#[must_use]
pub fn inbound_secret_or(platform: &Platform, id: WorkspaceId, may_make: bool) -> Inbound {
    if !may_make {
        let known = platform.vault.machine_get(&inbound_name(id));
        return known.map_or(Inbound::Unreadable, |secret| Inbound::Known(SecretString::from(secret.expose())));
    }
    let (secret, made) = platform.vault.machine_get_or_put(&inbound_name(id), || fresh().expose().to_owned().into());
    let secret = SecretString::from(secret.expose());
    if made { Inbound::Made(secret) } else { Inbound::Known(secret) }
}

fn inbound_name(id: WorkspaceId) -> String {
    format!("inbound/{id}")
}

/// Makes the inbound secret anew, at every launch.
#[must_use]
pub fn mint_inbound_secret(platform: &Platform, id: WorkspaceId) -> SecretString {
    platform.vault.machine_delete(&inbound_name(id));
    inbound_secret(platform, id)
}
