//! A store on an empty folder, and everything that it published.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use molecule_model::{
    Timestamp, WorkspaceId,
    wire::{DeliveryMode, WorkspaceAccess},
};
use molecule_store::{
    Committed, Store, Tx,
    migrate::OpenError,
    workspaces::{self, NewWorkspace},
};
use tempfile::TempDir;

/// What was published so far, commit by commit.
pub type Heard = Arc<Mutex<Vec<Vec<Committed>>>>;

pub struct Bed {
    pub store: Store,
    pub heard: Heard,
    pub folder: TempDir,
}

/// A store at `path`, on a clock that moves a microsecond a look.
pub fn open(path: &Path) -> Result<(Store, Heard), OpenError> {
    let micros = AtomicI64::new(1_700_000_000_000_000);
    let now = Arc::new(move || Timestamp::from_micros(micros.fetch_add(1, Ordering::SeqCst)));
    let heard = Heard::default();
    let publish = {
        let heard = Arc::clone(&heard);
        Arc::new(move |events| heard.lock().unwrap().push(events))
    };
    Ok((Store::open(path, now, publish)?, heard))
}

impl Bed {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, heard) = open(&folder.path().join("molecule.db")).unwrap();
        Self { store, heard, folder }
    }

    /// A new row in `provisioning`.
    pub async fn workspace(&self) -> WorkspaceId {
        let id = WorkspaceId::random();
        self.store.write(move |tx| insert(tx, id)).await.unwrap();
        id
    }
}

/// A row with an address, so that messages can be sent to it.
pub fn insert(tx: &mut Tx<'_>, id: WorkspaceId) -> molecule_store::Result<()> {
    workspaces::insert(
        tx,
        &NewWorkspace {
            id,
            name: "Row".into(),
            role: None,
            tier: 1,
            runtime: "local".into(),
            delivery_mode: DeliveryMode::Push,
            parent_id: None,
            template: None,
            workspace_dir: None,
            workspace_access: WorkspaceAccess::None,
            budget_limit: None,
            max_concurrent_tasks: 1,
            x: 0.0,
            y: 0.0,
        },
    )?;
    tx.execute("UPDATE workspaces SET url = 'http://127.0.0.1:9' WHERE id = ?1", [id.to_string()])?;
    Ok(())
}
