//! A store on an empty folder, for this crate's tests.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use molecule_model::{
    Timestamp, WorkspaceId,
    wire::{DeliveryMode, WorkspaceAccess},
};

use crate::{
    Result, Store, Tx,
    workspaces::{self, NewWorkspace},
};

/// A store whose clock moves a microsecond a transaction. It lies in the folder beside it.
pub(crate) fn open() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open_at(folder.path()), folder)
}

/// As [`open`], in this folder.
pub(crate) fn open_at(folder: &std::path::Path) -> Store {
    let micros = AtomicI64::new(1_700_000_000_000_000);
    let now = Arc::new(move || Timestamp::from_micros(micros.fetch_add(1, Ordering::SeqCst)));
    Store::open(&folder.join("molecule.db"), now, Arc::new(drop)).unwrap()
}

/// A row in `provisioning`.
pub(crate) fn new_workspace(
    tx: &mut Tx<'_>,
    id: WorkspaceId,
    name: &str,
    parent_id: Option<WorkspaceId>,
) -> Result<()> {
    workspaces::insert(
        tx,
        &NewWorkspace {
            id,
            name: name.into(),
            role: None,
            tier: 1,
            runtime: "local".into(),
            delivery_mode: DeliveryMode::Push,
            parent_id,
            template: None,
            workspace_dir: None,
            workspace_access: WorkspaceAccess::None,
            max_concurrent_tasks: 1,
            budget_limit: None,
            x: 0.0,
            y: 0.0,
        },
    )
}
