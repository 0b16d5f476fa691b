//! Watching the template folders: what changed is read again within a second and told.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use molecule_model::event::EventKind;
use notify_debouncer_full::{
    DebounceEventResult, new_debouncer,
    notify::{EventKind as Change, RecursiveMode},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Kind, Snapshot};
use crate::App;

/// Changes are collected this long before they are read.
const SETTLE: Duration = Duration::from_millis(250);
/// Batches of paths that may wait; a full queue only means that a reading is due anyway.
const WAITING: usize = 64;

/// Starts watching.
pub(super) fn start(app: &App) {
    let app = Arc::clone(app);
    app.clone().tasks.supervise("template-watcher", move |stop| {
        let app = Arc::clone(&app);
        async move {
            let (sender, mut changes) = mpsc::channel(WAITING);
            let roots = roots(&app);
            let debouncer = tokio::task::spawn_blocking(move || watch(&roots, sender)).await;
            let Ok(Some(_debouncer)) = debouncer else {
                tracing::warn!("template folders are not watched; lists still read them anew");
                return;
            };
            tracing::info!("watching the template folders");
            loop {
                tokio::select! {
                    changed = changes.recv() => match changed {
                        Some(paths) => tell(&app, paths).await,
                        None => return,
                    },
                    () = stop.cancelled() => return,
                }
                app.tasks.beat("template-watcher");
            }
        }
    });
}

fn roots(app: &App) -> Vec<PathBuf> {
    let templates = &app.templates;
    templates.workspaces.watched().chain(templates.orgs.watched()).cloned().collect()
}

type Debouncer = notify_debouncer_full::Debouncer<
    notify_debouncer_full::notify::RecommendedWatcher,
    notify_debouncer_full::RecommendedCache,
>;

/// Watches the roots; the user's own are made where they are missing. `None` when the system cannot watch.
fn watch(roots: &[PathBuf], sender: mpsc::Sender<BTreeSet<PathBuf>>) -> Option<Debouncer> {
    let handler = move |result: DebounceEventResult| {
        let Ok(events) = result else { return };
        // Our own reading must not count as a change.
        let changes = events.iter().filter(|event| !matches!(event.kind, Change::Access(_)));
        let paths: BTreeSet<PathBuf> = changes.flat_map(|event| event.paths.iter().cloned()).collect();
        if !paths.is_empty() {
            drop(sender.blocking_send(paths));
        }
    };
    let mut debouncer = new_debouncer(SETTLE, None, handler)
        .inspect_err(|error| tracing::warn!(%error, "no watcher for template folders"))
        .ok()?;
    for root in roots {
        let watched = std::fs::create_dir_all(root)
            .map_err(notify_debouncer_full::notify::Error::io)
            .and_then(|()| debouncer.watch(root, RecursiveMode::Recursive));
        if let Err(error) = watched {
            tracing::warn!(%error, "a template folder is not watched");
        }
    }
    Some(debouncer)
}

async fn tell(app: &App, paths: BTreeSet<PathBuf>) {
    let snapshot = app.templates.list().await;
    let mut changed = named(&app.templates.workspaces.watched().cloned().collect::<Vec<_>>(), &paths, Kind::Workspace);
    changed.extend(named(&app.templates.orgs.watched().cloned().collect::<Vec<_>>(), &paths, Kind::Org));
    if changed.is_empty() {
        return;
    }
    let changed: Vec<Value> = changed.into_iter().map(|(kind, id)| state(&snapshot, kind, &id)).collect();
    tracing::info!(changed = changed.len(), broken = snapshot.problems.len(), "templates changed");
    let payload = json!({"changed": changed, "broken": snapshot.problems});
    app.bus.ephemeral(EventKind::TemplatesChanged, None, app.now(), payload);
}

/// Which templates the paths belong to.
fn named(roots: &[PathBuf], paths: &BTreeSet<PathBuf>, kind: Kind) -> BTreeSet<(Kind, String)> {
    let first = |path: &Path, root: &PathBuf| {
        let real = root.canonicalize().ok();
        let below = path.strip_prefix(root).ok().or_else(|| path.strip_prefix(real.as_ref()?).ok())?;
        below.components().next()?.as_os_str().to_str().map(str::to_owned)
    };
    paths.iter().filter_map(|path| roots.iter().find_map(|root| first(path, root))).map(|id| (kind, id)).collect()
}

fn state(snapshot: &Snapshot, kind: Kind, id: &str) -> Value {
    if let Some(problem) = snapshot.problems.iter().find(|problem| problem.kind == kind && problem.id == id) {
        let mut broken = json!(problem);
        broken["state"] = json!("broken");
        return broken;
    }
    let valid = match kind {
        Kind::Workspace => snapshot.workspaces.iter().any(|template| template.id == id),
        Kind::Org => snapshot.orgs.iter().any(|template| template.dir == id),
    };
    json!({"kind": kind, "id": id, "state": if valid { "valid" } else { "gone" }})
}
