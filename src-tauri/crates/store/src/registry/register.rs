//! Registration and cards (10 §4, §6).

use molecule_model::{
    Status, Trigger, WorkspaceId,
    event::EventKind,
    runtime,
    wire::{DeliveryMode, WorkspaceAccess},
};
use rusqlite::params;
use serde_json::{Value, json};

use super::standing::standing;
use crate::{
    Result, Tx,
    tokens::{self, NewToken},
    workspaces::{self, NewWorkspace},
};

/// An agent announces itself.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Which workspace.
    pub id: WorkspaceId,
    /// Where it says it answers, as text; empty where it said nothing that counts.
    pub url: String,
    /// Its card, JSON text.
    pub card: String,
    /// How messages are to reach it.
    pub mode: DeliveryMode,
    /// It showed a credential of its own.
    pub proven: bool,
    /// A row may be made for an unknown id.
    pub may_create: bool,
    /// The bearer to issue where it has none.
    pub token: NewToken,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is online.
    Done {
        /// The bearer was issued.
        issued: bool,
    },
    /// A tombstone stays one (O-3).
    Removed,
    /// A bearer was issued to somebody else meanwhile.
    Taken,
    /// There is no such row, and none may be made.
    Unknown,
}

/// Registers: address, card, `online`, events, and a bearer where there is none (10 §4.2).
///
/// # Errors
/// When the rows cannot be written.
pub fn register(tx: &mut Tx<'_>, given: &Registration) -> Result<Registered> {
    match standing(tx, given.id)? {
        None if !given.may_create => return Ok(Registered::Unknown),
        None => create(tx, given)?,
        Some(known) if known.status == Status::Removed => return Ok(Registered::Removed),
        Some(known) if known.has_token && !given.proven => return Ok(Registered::Taken),
        Some(_) => {}
    }
    workspaces::transition(tx, given.id, Trigger::Register)?;
    let (id, now) = (given.id.to_string(), tx.now().to_string());
    let before: Option<String> =
        tx.prepare_cached("SELECT agent_card FROM workspaces WHERE id = ?1")?.query_row([&id], |row| row.get(0))?;
    // The address of what we launched is ours to say.
    let url: Option<String> = tx
        .prepare_cached(
            "UPDATE workspaces SET url = CASE WHEN launched = 1 THEN url ELSE ?2 END, reported_url = ?2, agent_card = ?3,
                 delivery_mode = ?4, last_heartbeat_at = ?5, updated_at = ?5
             WHERE id = ?1 RETURNING url",
        )?
        .query_row(params![id, given.url, given.card, given.mode.as_str(), now], |row| row.get(0))?;
    let card: Value = serde_json::from_str(&given.card).unwrap_or_default();
    let changed = before.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()).as_ref() != Some(&card);
    tx.record(EventKind::WorkspaceOnline, given.id, json!({"url": url.unwrap_or_default(), "agent_card": card}))?;
    if changed {
        tx.record(EventKind::AgentCardUpdated, given.id, json!({"agent_card": card}))?;
    }
    let issued = !tokens::has_live(tx, given.id)?;
    if issued {
        tokens::issue(tx, given.id, &given.token)?;
    }
    Ok(Registered::Done { issued })
}

/// A row for an agent that nobody made one for: it came by itself, so nobody launches it.
fn create(tx: &mut Tx<'_>, given: &Registration) -> Result<()> {
    let name = given.id.to_string();
    let (tier, runtime) = (1, runtime::EXTERNAL);
    workspaces::insert(
        tx,
        &NewWorkspace {
            id: given.id,
            name: name.clone(),
            role: None,
            tier,
            runtime: runtime.into(),
            delivery_mode: given.mode,
            parent_id: None,
            template: None,
            workspace_dir: None,
            workspace_access: WorkspaceAccess::None,
            max_concurrent_tasks: 1,
            budget_limit: None,
            x: 0.0,
            y: 0.0,
        },
    )?;
    let payload = json!({"name": name, "tier": tier, "runtime": runtime, "x": 0.0, "y": 0.0});
    tx.record(EventKind::WorkspaceProvisioning, given.id, payload).map(drop)
}

/// Stores a card and tells it, also of an unknown id (10 §6). `false`: it has a bearer and did not show it.
///
/// # Errors
/// When the rows cannot be written.
pub fn update_card(tx: &mut Tx<'_>, id: WorkspaceId, card: &str, proven: bool) -> Result<bool> {
    if !proven && tokens::has_live(tx, id)? {
        return Ok(false);
    }
    let now = tx.now().to_string();
    tx.prepare_cached("UPDATE workspaces SET agent_card = ?2, updated_at = ?3 WHERE id = ?1 AND status <> 'removed'")?
        .execute(params![id.to_string(), card, now])?;
    let card: Value = serde_json::from_str(card).unwrap_or_default();
    tx.record(EventKind::AgentCardUpdated, id, json!({"agent_card": card}))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use molecule_model::{Trigger, WorkspaceId};

    use super::{Registered, Registration, register};
    use crate::{
        registry::{
            Beaten, beat,
            testing::{kinds, registration, sign},
        },
        testing::{new_workspace, open},
        workspaces,
    };

    #[tokio::test]
    async fn o3_a_tombstone_stays_one_and_a_stranger_needs_leave() {
        let (store, _dir) = open();
        let (gone, stranger) = (WorkspaceId::random(), WorkspaceId::random());
        store
            .write(move |tx| {
                new_workspace(tx, gone, "A", None)?;
                workspaces::transition(tx, gone, Trigger::Remove)?;
                assert_eq!(register(tx, &registration(gone))?, Registered::Removed);
                assert_eq!(beat(tx, &sign(gone))?, Beaten::Nobody { removed: true });
                assert_eq!(register(tx, &registration(stranger))?, Registered::Unknown);
                assert!(kinds(tx)?.is_empty());
                let welcome = Registration { may_create: true, ..registration(stranger) };
                assert_eq!(register(tx, &welcome)?, Registered::Done { issued: true });
                assert_eq!(kinds(tx)?, ["WORKSPACE_PROVISIONING", "WORKSPACE_ONLINE", "AGENT_CARD_UPDATED"]);
                // The second caller without a credential comes too late.
                assert_eq!(register(tx, &welcome)?, Registered::Taken);
                let proven = Registration { proven: true, ..registration(stranger) };
                assert_eq!(register(tx, &proven)?, Registered::Done { issued: false });
                assert_eq!(kinds(tx)?.len(), 4, "an unchanged card is no news (R-93)");
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn r34_the_address_of_a_launched_agent_is_ours() {
        let (store, _dir) = open();
        let id = WorkspaceId::random();
        store
            .write(move |tx| {
                new_workspace(tx, id, "A", None)?;
                crate::lifecycle::launched(tx, id, "http://127.0.0.1:4000")?;
                let lie = Registration { url: "http://169.254.169.254/".into(), ..registration(id) };
                register(tx, &lie)?;
                let row = workspaces::get(tx, id)?.unwrap();
                assert_eq!(row.url.as_deref(), Some("http://127.0.0.1:4000"));
                let reported: String = tx.query_row("SELECT reported_url FROM workspaces", [], |row| row.get(0))?;
                assert_eq!(reported, "http://169.254.169.254/");
                Ok(())
            })
            .await
            .unwrap();
    }
}
