//! What is left behind: agents of nobody, tokens of agents that are gone (S116–S121, 20 §8.6).

use molecule_model::{Trigger, WorkspaceId};
use molecule_platform::provisioning::sweep_orphans;
use molecule_store::workspaces;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::{BROKEN, Bed, is_alive};

#[tokio::test]
async fn s117_the_agent_of_a_removed_workspace_is_stopped() {
    let bed = Bed::new().await;
    let (gone, stays) = (bed.online("Gone").await, bed.online("Stays").await);
    let pids = (bed.pid(gone), bed.pid(stays));
    // A delete that was cut off after its first step.
    bed.app().store.write(move |tx| workspaces::transition(tx, gone, Trigger::Remove)).await.unwrap();
    sweep_orphans(bed.app()).await;
    assert!(!is_alive(pids.0) && is_alive(pids.1));
    assert_eq!(bed.status(stays).await, "online");
}

#[tokio::test]
async fn s118_the_agent_of_a_row_that_is_not_there_is_stopped() {
    let bed = Bed::new().await;
    let id = bed.online("Wiped").await;
    let pid = bed.pid(id);
    let wipe = move |tx: &mut molecule_store::Tx<'_>| {
        for table in ["workspace_auth_tokens", "canvas_layouts", "activity_logs", "workspaces"] {
            let column = if table == "workspaces" { "id" } else { "workspace_id" };
            tx.execute(&format!("DELETE FROM {table} WHERE {column} = ?1"), [id.to_string()])?;
        }
        Ok(())
    };
    bed.app().store.write(wipe).await.unwrap();
    sweep_orphans(bed.app()).await;
    assert!(!is_alive(pid));
    // S116: with nothing left to find, every pass is content.
    sweep_orphans(bed.app()).await;
}

async fn use_it(bed: &Bed, token: &str, id: WorkspaceId) -> StatusCode {
    bed.ask_as(Some(token), Method::GET, &format!("/workspaces/{id}/state"), Value::Null).await.0
}

/// When the one token of a workspace was last used, once that is noted and later than `before`.
async fn noted_use(bed: &Bed, id: WorkspaceId, before: Option<String>) -> String {
    let last = async || {
        let tokens = bed.get(&format!("/workspaces/{id}/tokens")).await;
        tokens["tokens"][0]["last_used_at"].as_str().map(str::to_owned)
    };
    bed.until("its use is noted", || async { last().await > before }).await;
    last().await.unwrap()
}

async fn fresh_token(bed: &Bed, id: WorkspaceId) -> String {
    let (status, made) = bed.post(&format!("/workspaces/{id}/tokens")).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["auth_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn s116_s120_s121_tokens_of_an_agent_that_is_gone_are_revoked_and_no_others() {
    // It cannot come back: every start fails.
    let bed = Bed::with(BROKEN, |_| {}).await;
    let dead = bed.create(json!({"name": "Dead", "runtime": "local"})).await;
    bed.until_status(dead, "failed").await;
    let theirs = bed.create(json!({"name": "Theirs", "external": true})).await;
    let launched = move |tx: &mut molecule_store::Tx<'_>| {
        let sql = "UPDATE workspaces SET launched = 1 WHERE id = ?1";
        Ok(tx.execute(sql, [dead.to_string()]).map(drop)?)
    };
    bed.app().store.write(launched).await.unwrap();
    let (old, foreign) = (fresh_token(&bed, dead).await, fresh_token(&bed, theirs).await);
    bed.clock.advance(240);
    sweep_orphans(bed.app()).await;
    assert_eq!(use_it(&bed, &old, dead).await, StatusCode::OK, "four minutes are not five");
    let noted = noted_use(&bed, dead, None).await;
    bed.clock.advance(200);
    sweep_orphans(bed.app()).await;
    assert_eq!(use_it(&bed, &old, dead).await, StatusCode::OK, "its last use counts");
    // Noted behind the answer: the clock must not run ahead of it.
    noted_use(&bed, dead, Some(noted)).await;
    bed.clock.advance(400);
    let new = fresh_token(&bed, dead).await;
    sweep_orphans(bed.app()).await;
    assert_eq!(use_it(&bed, &old, dead).await, StatusCode::UNAUTHORIZED);
    assert_eq!(use_it(&bed, &new, dead).await, StatusCode::OK, "what was issued meanwhile lives (S121)");
    assert_eq!(use_it(&bed, &foreign, theirs).await, StatusCode::OK, "an external agent never has a process (O-21)");
}

#[tokio::test]
async fn s120_a_running_agent_keeps_its_token_however_quiet_it_is() {
    let bed = Bed::new().await;
    let id = bed.online("Quiet").await;
    let token = bed.token(id);
    bed.clock.advance(3_600);
    sweep_orphans(bed.app()).await;
    assert_eq!(use_it(&bed, &token, id).await, StatusCode::OK);
}

/// 20 §3.3: a pause keeps the tokens.
#[tokio::test]
async fn s120_a_paused_workspace_keeps_its_tokens() {
    let bed = Bed::new().await;
    let id = bed.online("Paused").await;
    let token = bed.token(id);
    bed.post(&format!("/workspaces/{id}/pause")).await;
    bed.clock.advance(3_600);
    sweep_orphans(bed.app()).await;
    assert_eq!(use_it(&bed, &token, id).await, StatusCode::OK);
}
