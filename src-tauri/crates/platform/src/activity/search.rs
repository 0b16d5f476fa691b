//! `GET /workspaces/:id/session-search`, and the index behind it (10 §12.4).

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Path, Query, State},
};
use molecule_model::{Timestamp, WorkspaceId};
use molecule_store::{
    activity,
    rusqlite::Connection,
    search::{self, Hit, Index, Pattern},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{App, AppError, AppResult};

const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 200;
/// Between two looks at the log.
const EVERY: Duration = Duration::from_secs(2);
/// Rows of one helping: a few tens of milliseconds.
const HELPING: usize = 64;
/// New rows since the last look from which the machine has better things to do …
const BUSY: i64 = 200;
/// … unless so many wait that searches read long.
const FAR_BEHIND: i64 = 100_000;
/// Pause after a helping, as a multiple of its time.
const REST: u32 = 4;
/// The same while searches read long.
const SHORT_REST: u32 = 1;

/// The index of this data directory, opened after the start.
#[derive(Default)]
pub struct Search {
    index: OnceLock<Arc<Index>>,
    behind: AtomicI64,
}

/// Starts feeding the index.
pub fn start(app: &App) {
    let app = Arc::clone(app);
    app.clone().tasks.every("search-index", EVERY, move || {
        let app = Arc::clone(&app);
        async move {
            if let Err(error) = tick(&app).await {
                tracing::warn!(%error, "the search index was not fed; searches read the log itself");
            }
        }
    });
}

async fn open(app: &App) -> molecule_store::Result<Arc<Index>> {
    if let Some(index) = app.search.index.get() {
        return Ok(Arc::clone(index));
    }
    let (path, installation) = (app.paths.search(), app.installation.clone());
    let index = app.store.read(move |conn| Index::open(&path, &installation, conn)).await?;
    Ok(Arc::clone(app.search.index.get_or_init(|| Arc::new(index))))
}

/// Feeds the index, unless messages come in fast now: they go first.
async fn tick(app: &App) -> molecule_store::Result<()> {
    let index = open(app).await?;
    let behind = app.store.read(move |conn| index.behind(conn)).await?;
    let before = app.search.behind.swap(behind, Ordering::Relaxed);
    if behind - before > BUSY && behind < FAR_BEHIND {
        return Ok(());
    }
    catch_up(app).await
}

/// Feeds the index with all there is, in small helpings with pauses, or until messages come in faster than they are
/// read.
///
/// # Errors
/// When a file cannot be read or written.
pub async fn catch_up(app: &App) -> molecule_store::Result<()> {
    let (index, stopping) = (open(app).await?, app.tasks.stopping());
    let mut before = i64::MAX;
    loop {
        let (began, feeding) = (Instant::now(), Arc::clone(&index));
        let feed = move |conn: &Connection| Ok((feeding.feed(conn, HELPING)?, feeding.behind(conn)?));
        let (fed, behind) = app.store.read(feed).await?;
        if let Some(upto) = fed.changes {
            app.store.write(move |tx| activity::forget_changes(tx, upto)).await?;
        }
        if !fed.more {
            app.search.behind.store(0, Ordering::Relaxed);
            return Ok(());
        }
        // The log grows faster than it is read: messages go first, and the next look goes on.
        if behind > before && behind < FAR_BEHIND {
            app.search.behind.store(behind, Ordering::Relaxed);
            return Ok(());
        }
        before = behind;
        tokio::select! {
            () = tokio::time::sleep(began.elapsed() * if behind < FAR_BEHIND { REST } else { SHORT_REST }) => {}
            () = stopping.cancelled() => return Ok(()),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    limit: String,
}

/// Something that was found.
#[derive(Serialize, ToSchema)]
pub(super) struct HitView {
    /// `activity` or `memory`.
    kind: &'static str,
    id: String,
    workspace_id: WorkspaceId,
    /// The type of the activity, or the scope of the memory.
    label: String,
    /// The summary, or the remembered text.
    content: Option<String>,
    method: Option<String>,
    status: Option<String>,
    created_at: Timestamp,
    /// An addition, as the three below: with them a screen shows a row of the log as it does in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    request_body: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    response_body: Option<Box<RawValue>>,
}

/// Finds text in what a workspace did and remembers, newest first.
#[utoipa::path(get, path = "/workspaces/{id}/session-search", tag = "activity",
    params(("id" = String, Path), ("q" = Option<String>, Query, description = "any case; % and _ are wildcards"),
        ("limit" = Option<i64>, Query)),
    responses((status = 200, body = Vec<HitView>)))]
pub(super) async fn session_search(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> AppResult<Json<Vec<HitView>>> {
    let Some(id) = WorkspaceId::parse_loose(&id) else { return Ok(Json(Vec::new())) };
    let limit = asked.limit.parse::<usize>().ok().filter(|limit| *limit > 0).map_or(DEFAULT_LIMIT, |n| n.min(MOST));
    let index = app.search.index.get().map(Arc::clone);
    let find = move |conn: &Connection| search::search(conn, index.as_deref(), id, &Pattern::new(&asked.q), limit);
    let found = app.store.read(find).await.map_err(|error| AppError::internal("session search failed", &error))?;
    Ok(Json(found.into_iter().map(|hit| shape(id, hit)).collect()))
}

fn shape(workspace_id: WorkspaceId, hit: Hit) -> HitView {
    HitView {
        kind: if hit.memory { "memory" } else { "activity" },
        id: hit.id,
        workspace_id,
        label: hit.label,
        content: hit.content,
        method: hit.method,
        status: hit.status,
        created_at: hit.created_at,
        source_id: hit.source_id,
        target_id: hit.target_id,
        error_detail: hit.error_detail,
        duration_ms: hit.duration_ms,
        request_body: hit.request_body,
        response_body: hit.response_body,
    }
}
