//! Who sends a message (10 §9.2 as and S076, S077 leave it).

use molecule_model::WorkspaceId;
use molecule_store::tokens;

use crate::{App, AppError, AppResult, auth::Caller};

/// Names that only we ourselves may use as a sender.
const SYSTEM_PREFIXES: [&str; 4] = ["webhook:", "system:", "test:", "channel:"];

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The person.
    Canvas,
    /// An agent.
    Workspace(WorkspaceId),
    /// The platform itself: `system:restart-context`, `webhook:…`, `channel:…`.
    System(&'static str),
}

impl Sender {
    /// The row's `source_id` (O-13): none for the person.
    #[must_use]
    pub fn source_id(&self) -> Option<String> {
        match self {
            Self::Canvas => None,
            Self::Workspace(id) => Some(id.to_string()),
            Self::System(name) => Some((*name).to_owned()),
        }
    }

    /// The workspace that sends.
    #[must_use]
    pub const fn workspace(&self) -> Option<WorkspaceId> {
        match self {
            Self::Workspace(id) => Some(*id),
            Self::Canvas | Self::System(_) => None,
        }
    }
}

/// The refusal of 10 §9.1 step 6.
pub fn unrelated() -> AppError {
    AppError::forbidden("access denied: workspaces cannot communicate per hierarchy rules")
}

/// Who sends a request: the claim of `X-Workspace-ID` must be the credential's own workspace; the person may claim
/// any. Without a claim the credential says it. Development lets through what 10 §9.2 lets through.
///
/// # Errors
/// 401 without a credential that counts; 403 for a name that only we may use.
pub async fn sender_of(
    app: &App,
    caller: &Caller,
    claimed: Option<&str>,
    target: Option<WorkspaceId>,
) -> AppResult<Sender> {
    let development = app.config.development;
    let refused = || match caller {
        Caller::Anonymous => AppError::unauthorized("missing caller auth token"),
        _ => AppError::unauthorized("invalid caller auth token"),
    };
    let Some(claimed) = claimed.filter(|claimed| !claimed.is_empty()) else {
        return match caller {
            Caller::Workspace(id) => Ok(Sender::Workspace(*id)),
            person if person.is_admin() || development => Ok(Sender::Canvas),
            _ => Err(refused()),
        };
    };
    if SYSTEM_PREFIXES.iter().any(|prefix| claimed.starts_with(prefix)) {
        return Err(AppError::forbidden("invalid caller ID"));
    }
    let id = WorkspaceId::parse_loose(claimed);
    let believed = match (caller, id) {
        (Caller::Workspace(own), Some(id)) if *own == id => true,
        (person, _) if person.is_admin() => true,
        (_, Some(id)) if development => {
            Some(id) == target || !app.store.read(move |conn| tokens::has_live(conn, id)).await?
        }
        _ => development && id.is_none(),
    };
    if !believed {
        return Err(refused());
    }
    // A claim that is no id is nobody's relative.
    id.map(Sender::Workspace).ok_or_else(unrelated)
}
