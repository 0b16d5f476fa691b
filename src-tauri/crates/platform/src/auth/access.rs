//! What a route needs, stated beside its path, and the guard that holds it.

use axum::{
    Extension,
    extract::{RawPathParams, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use molecule_model::WorkspaceId;

use super::Caller;
use crate::AppError;

/// What a route needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// The workspace `{id}` itself, or the person (10 §2.3).
    Workspace,
    /// The person (10 §2.4 as R-3 leaves it).
    Admin,
    /// Any valid credential.
    Credential,
    /// The handler decides, because the caller is named in the body or a header; says by which rule.
    Handler(&'static str),
}

impl Access {
    /// The word in `/openapi.json` (`x-molecule-access`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Workspace => "workspace",
            Self::Admin => "admin",
            Self::Credential => "credential",
            Self::Handler(_) => "handler",
        }
    }
}

impl Access {
    /// As the guard judges, for handlers that have more to say.
    ///
    /// # Errors
    /// The guard's refusal.
    pub fn check(self, caller: &Caller, id: Option<&str>, development: bool) -> Result<(), AppError> {
        admit(self, caller, id, development)
    }
}

/// What the guard knows: the access and whether development mode is on.
#[derive(Clone, Copy, Debug)]
pub struct Development(pub bool);

/// Refuses callers that the route does not admit, before its handler runs.
pub async fn guard(
    State(access): State<Access>,
    Extension(caller): Extension<Caller>,
    Extension(Development(development)): Extension<Development>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let id = params.iter().find(|(name, _)| *name == "id").map(|(_, value)| value);
    match admit(access, &caller, id, development) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn admit(access: Access, caller: &Caller, id: Option<&str>, development: bool) -> Result<(), AppError> {
    match (access, caller) {
        (Access::Open | Access::Handler(_), _) => Ok(()),
        (Access::Workspace | Access::Admin | Access::Credential, caller) if caller.is_admin() => Ok(()),
        (Access::Workspace, Caller::Workspace(own)) if id.and_then(WorkspaceId::parse_loose) == Some(*own) => Ok(()),
        (Access::Workspace, Caller::Anonymous) if development => Ok(()),
        (Access::Workspace, Caller::Anonymous) => Err(AppError::unauthorized("missing workspace auth token")),
        (Access::Workspace, _) => Err(AppError::unauthorized("invalid workspace auth token")),
        (Access::Admin, _) if development => Ok(()),
        (Access::Admin, Caller::Anonymous) => Err(AppError::unauthorized("admin auth required")),
        (Access::Admin, _) => Err(AppError::unauthorized("invalid admin auth token")),
        (Access::Credential, Caller::Workspace(_)) => Ok(()),
        (Access::Credential, Caller::Anonymous) if development => Ok(()),
        (Access::Credential, Caller::Anonymous) => Err(AppError::unauthorized("admin auth required")),
        (Access::Credential, _) => Err(AppError::unauthorized("invalid admin auth token")),
    }
}

#[cfg(test)]
mod tests {
    use molecule_model::WorkspaceId;

    use super::{Access, Caller, admit};

    #[test]
    fn s071_s075_the_matrix() {
        let own = WorkspaceId::random();
        let other = WorkspaceId::random();
        let id = own.to_string();
        let org = Caller::Org { token_id: "t".into(), prefix: "p".into(), org_id: None };
        let callers = [
            Caller::Canvas { session: "s".into() },
            Caller::Admin,
            org,
            Caller::Workspace(own),
            Caller::Workspace(other),
            Caller::Unknown,
            Caller::Anonymous,
        ];
        // canvas, admin, org, own, another's, unknown, none; then the same in development.
        let table = [
            (Access::Open, "yyyyyyy", "yyyyyyy"),
            (Access::Handler("x"), "yyyyyyy", "yyyyyyy"),
            (Access::Workspace, "yyyynnn", "yyyynny"),
            (Access::Admin, "yyynnnn", "yyyyyyy"),
            (Access::Credential, "yyyyynn", "yyyyyny"),
        ];
        for (access, closed, development) in table {
            for (mode, want) in [(false, closed), (true, development)] {
                let got: String =
                    callers.iter().map(|c| if admit(access, c, Some(&id), mode).is_ok() { 'y' } else { 'n' }).collect();
                assert_eq!(got, want, "{access:?} development={mode}");
            }
        }
    }
}
