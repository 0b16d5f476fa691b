//! Who may speak for a workspace that is named in a body (10 §2.9 as leave it).

use molecule_model::{Status, WorkspaceId};
use molecule_store::registry::Standing;

use crate::{App, AppError, AppResult, auth::Caller};

/// What lets a call in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The workspace's own credential.
    Own,
    /// The workspace has no credential yet.
    NoneNeeded,
}

/// The refusal of a call without the workspace's credential.
pub fn refusal(caller: &Caller) -> AppError {
    match caller {
        Caller::Anonymous => AppError::unauthorized("missing workspace auth token"),
        _ => AppError::unauthorized("invalid workspace auth token"),
    }
}

/// Judges a registry call in the name of `id`, of which `standing` is known.
///
/// # Errors
/// 401.
pub fn judge(app: &App, caller: &Caller, id: WorkspaceId, standing: Option<&Standing>) -> AppResult<Proof> {
    if *caller == Caller::Workspace(id) {
        return Ok(Proof::Own);
    }
    match standing {
        Some(known) if known.has_token => Err(refusal(caller)),
        // A credential that is no longer valid, for a workspace that was deleted: its agent must notice (S094).
        Some(known) if known.status == Status::Removed && *caller == Caller::Unknown && !app.config.development => {
            Err(refusal(caller))
        }
        Some(_) => Ok(Proof::NoneNeeded),
        None if may_create(app, caller) => Ok(Proof::NoneNeeded),
        None => Err(AppError::unauthorized(
            "unknown workspace id: show a credential, or switch on \"Accept new local agents\" in Settings for ten minutes",
        )
        .code("not_accepting_agents")),
    }
}

/// Whether this caller may bring a new workspace: the person, anybody in development, and anybody for the ten
/// minutes that the person opened.
pub fn may_create(app: &App, caller: &Caller) -> bool {
    app.config.development || caller.is_admin() || app.auth.accepting_until() > app.now().as_micros()
}
