//! The secrets of a launch (20 §7.4 step 1).

use std::collections::BTreeMap;

use molecule_model::WorkspaceId;
use molecule_store::secrets as rows;
use molecule_vault::Secret;

use super::value;
use crate::{AppError, AppResult, Platform};

/// Global secrets with the workspace's own over them.
#[derive(Debug, Default)]
pub struct Environment {
    /// Name to value.
    pub values: BTreeMap<String, Secret>,
    /// Global names whose value cannot be read now and that no workspace value replaces.
    pub unreadable_global: Vec<String>,
    /// Names of the workspace's own whose value cannot be read now.
    pub unreadable_workspace: Vec<String>,
}

/// Reads what a launch of `id` gets.
///
/// # Errors
/// When the table cannot be read; a value that cannot be read is named in the answer instead.
pub async fn environment(app: &Platform, id: WorkspaceId) -> AppResult<Environment> {
    let (global, own) = app
        .store
        .read(move |conn| Ok((rows::list(conn, None)?, rows::list(conn, Some(id))?)))
        .await
        .map_err(|error| AppError::internal("query failed", &error))?;
    let mut environment = Environment::default();
    for row in &own {
        match value(app, row).await {
            Ok(secret) => drop(environment.values.insert(row.key.clone(), secret)),
            Err(_) => environment.unreadable_workspace.push(row.key.clone()),
        }
    }
    for row in global.iter().filter(|row| own.iter().all(|mine| mine.key != row.key)) {
        match value(app, row).await {
            Ok(secret) => drop(environment.values.insert(row.key.clone(), secret)),
            Err(_) => environment.unreadable_global.push(row.key.clone()),
        }
    }
    Ok(environment)
}
