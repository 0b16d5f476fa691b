//! A store with a clock and an ear, for the tests beside.

use std::sync::{Arc, Mutex};

use molecule_model::{
    Timestamp, Trigger, WorkspaceId,
    event::EventKind,
    wire::{DeliveryMode, WorkspaceAccess},
};

use crate::{
    Store,
    tokens::NewToken,
    workspaces::{self, NewWorkspace},
};

pub struct Bed {
    pub store: Store,
    clock: Arc<Mutex<i64>>,
    events: Arc<Mutex<Vec<EventKind>>>,
    _folder: tempfile::TempDir,
}

impl Bed {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Mutex::new(1_000_000_i64));
        let events = Arc::new(Mutex::new(Vec::new()));
        let (time, heard) = (Arc::clone(&clock), Arc::clone(&events));
        let now = Arc::new(move || {
            let mut micros = time.lock().unwrap();
            *micros += 1;
            Timestamp::from_micros(*micros)
        });
        let publish = Arc::new(move |batch: Vec<crate::Committed>| {
            heard.lock().unwrap().extend(batch.into_iter().map(|event| event.kind));
        });
        let store = Store::open(&folder.path().join("molecule.db"), now, publish).unwrap();
        Self { store, clock, events, _folder: folder }
    }

    pub async fn add(&self, parent_id: Option<WorkspaceId>) -> WorkspaceId {
        let new = NewWorkspace {
            id: WorkspaceId::random(),
            name: "Scribe".into(),
            role: None,
            tier: 2,
            runtime: "local".into(),
            delivery_mode: DeliveryMode::Push,
            parent_id,
            template: None,
            workspace_dir: None,
            workspace_access: WorkspaceAccess::None,
            max_concurrent_tasks: 1,
            budget_limit: None,
            x: 1.5,
            y: -2.25,
        };
        let id = new.id;
        self.store.write(move |tx| workspaces::insert(tx, &new)).await.unwrap();
        id
    }

    pub async fn get(&self, id: WorkspaceId) -> workspaces::Workspace {
        self.store.read(move |conn| workspaces::get(conn, id)).await.unwrap().unwrap()
    }

    pub async fn step(&self, id: WorkspaceId, trigger: Trigger) {
        self.store.write(move |tx| workspaces::transition(tx, id, trigger)).await.unwrap().unwrap();
    }

    pub fn heard(&self) -> Vec<EventKind> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(*self.clock.lock().unwrap())
    }
}

pub fn token(byte: u8) -> NewToken {
    NewToken { id: format!("token-{byte}"), hash: [byte; 32], prefix: "prefix".into(), url: false }
}
