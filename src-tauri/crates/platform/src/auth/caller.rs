//! From a request's credential to a [`Caller`].

use std::{
    collections::HashMap,
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::http::{HeaderMap, header};
use molecule_model::WorkspaceId;
use molecule_store::tokens::{self, Found, Hash, Holder};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::hash;
use crate::{App, AppResult};

/// How a WebSocket carries its bearer.
pub const SUBPROTOCOL: &str = "molecule.bearer.";
/// Credentials remembered at most.
const REMEMBERED: usize = 10_000;
/// Seconds between two notes of `last_used_at`.
const TOUCH_EVERY: i64 = 60;

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A window of the canvas: the person.
    Canvas {
        /// Its session.
        session: String,
    },
    /// The person, by the admin token.
    Admin,
    /// The holder of an org token.
    Org {
        /// The token's row.
        token_id: String,
        /// Its first eight characters.
        prefix: String,
        /// The org it is anchored to.
        org_id: Option<String>,
    },
    /// An agent.
    Workspace(WorkspaceId),
    /// A credential was shown, and it is none of ours (or no longer).
    Unknown,
    /// No credential.
    Anonymous,
}

impl Caller {
    /// Whether this is the person, or acts for the person.
    #[must_use]
    pub const fn is_admin(&self) -> bool {
        matches!(self, Self::Canvas { .. } | Self::Admin | Self::Org { .. })
    }
}

/// The bearer of a request: exactly `Bearer `, the rest trimmed; anything else is no bearer (10 §2.1).
/// Of several `Authorization` lines the first counts. A WebSocket may carry it as a sub-protocol.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let plain = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim);
    plain.or_else(|| {
        let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
        offered.split(',').map(str::trim).find_map(|name| name.strip_prefix(SUBPROTOCOL))
    })
}

/// What was looked up lately, so that a request costs no query. Cleared as a whole on every revoke.
#[derive(Default)]
pub(super) struct Known {
    by_hash: RwLock<HashMap<Hash, (Found, i64)>>,
    generation: AtomicU64,
}

impl Known {
    pub(super) fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        if let Ok(mut map) = self.by_hash.write() {
            map.clear();
        }
    }

    fn get(&self, hash: &Hash, now: i64) -> Option<(Found, bool)> {
        let map = self.by_hash.read().ok()?;
        let (found, touched) = map.get(hash)?;
        Some((found.clone(), now - touched >= TOUCH_EVERY * 1_000_000))
    }

    /// Remembers, unless something was revoked since `generation`.
    fn remember(&self, hash: Hash, found: Found, now: i64, generation: u64) {
        if let Ok(mut map) = self.by_hash.write() {
            if self.generation.load(Ordering::Acquire) != generation {
                return;
            }
            if map.len() >= REMEMBERED {
                map.clear();
            }
            map.insert(hash, (found, now));
        }
    }
}

impl super::Auth {
    /// Who holds this bearer.
    ///
    /// # Errors
    /// 503 when the database cannot be read (S072).
    pub async fn by_bearer(&self, app: &App, text: &str) -> AppResult<Caller> {
        if text.is_empty() {
            return Ok(Caller::Unknown);
        }
        let admin = self.admin.iter().any(|token| bool::from(token.expose_secret().as_bytes().ct_eq(text.as_bytes())));
        if admin {
            return Ok(Caller::Admin);
        }
        self.by_text(app, text, false).await
    }

    /// Who holds this capability of a base URL.
    ///
    /// # Errors
    /// 503 when the database cannot be read.
    pub async fn by_capability(&self, app: &App, text: &str) -> AppResult<Caller> {
        self.by_text(app, text, true).await
    }

    async fn by_text(&self, app: &App, text: &str, url: bool) -> AppResult<Caller> {
        let hash = hash(text);
        let now = app.now();
        let (found, touch) = match self.known.get(&hash, now.as_micros()) {
            Some(known) => known,
            None => {
                let generation = self.known.generation.load(Ordering::Acquire);
                let Some(found) = app.store.read(move |conn| tokens::lookup(conn, &hash, now)).await? else {
                    return Ok(Caller::Unknown);
                };
                self.known.remember(hash, found.clone(), now.as_micros(), generation);
                (found, true)
            }
        };
        if touch {
            let generation = self.known.generation.load(Ordering::Acquire);
            self.known.remember(hash, found.clone(), now.as_micros(), generation);
            let (app, touched) = (app.clone(), found.clone());
            app.clone().tasks.detach("touch-token", async move {
                if let Err(error) = app.store.write(move |tx| tokens::touch(tx, &touched)).await {
                    tracing::warn!(%error, "last_used_at was not noted");
                }
            });
        }
        if found.url != url {
            return Ok(Caller::Unknown);
        }
        Ok(match found.holder {
            Holder::Workspace(id) => Caller::Workspace(id),
            Holder::Org { prefix, org_id } => Caller::Org { token_id: found.token_id, prefix, org_id },
            Holder::Admin => Caller::Admin,
            Holder::Canvas => Caller::Canvas { session: found.token_id },
        })
    }
}
