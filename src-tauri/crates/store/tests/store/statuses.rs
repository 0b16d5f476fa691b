//! The status machine on the table: every trigger out of every status, and nothing else.

use molecule_model::{Status, Trigger, WorkspaceId};
use molecule_store::{Tx, workspaces};

use super::bed::Bed;

fn set(status: Status, id: WorkspaceId) -> impl FnMut(&mut Tx<'_>) -> molecule_store::Result<usize> + Send + 'static {
    move |tx| Ok(tx.execute("UPDATE workspaces SET status = ?1 WHERE id = ?2", [status.as_str(), &id.to_string()])?)
}

async fn status(bed: &Bed, id: WorkspaceId) -> Status {
    bed.store.read(move |conn| workspaces::get(conn, id)).await.unwrap().unwrap().status
}

#[tokio::test]
async fn s102_every_edge_of_the_table_and_no_other_is_walked() {
    let bed = Bed::new();
    let id = bed.workspace().await;
    for from in Status::ALL {
        for trigger in Trigger::ALL {
            bed.store.write(set(from, id)).await.unwrap();
            let moved = bed.store.write(move |tx| workspaces::transition(tx, id, trigger)).await.unwrap();
            let (leads_out_of, to) = trigger.edges();
            let expected = if leads_out_of.contains(&from) { to } else { from };
            assert_eq!(status(&bed, id).await, expected, "{trigger:?} from {from}");
            assert_eq!(moved.is_some(), leads_out_of.contains(&from), "{trigger:?} from {from}");
        }
    }
}

#[tokio::test]
async fn s094_removed_rows_stay_removed_whatever_comes() {
    let bed = Bed::new();
    let id = bed.workspace().await;
    bed.store.write(move |tx| workspaces::transition(tx, id, Trigger::Remove)).await.unwrap().unwrap();
    for trigger in Trigger::ALL {
        let moved = bed.store.write(move |tx| workspaces::transition(tx, id, trigger)).await.unwrap();
        assert!(moved.is_none(), "{trigger:?}");
    }
    assert_eq!(status(&bed, id).await, Status::Removed);
}

#[tokio::test]
async fn a_guarded_transition_holds_only_from_the_named_statuses() {
    let bed = Bed::new();
    let id = bed.workspace().await;
    let guarded = move |tx: &mut Tx<'_>| workspaces::transition_only_from(tx, id, Trigger::Register, &[Status::Online]);
    assert!(bed.store.write(guarded).await.unwrap().is_none(), "it is provisioning");
    bed.store.write(set(Status::Online, id)).await.unwrap();
    assert!(bed.store.write(guarded).await.unwrap().is_some());
    let nobody = WorkspaceId::random();
    let moved = bed.store.write(move |tx| workspaces::transition(tx, nobody, Trigger::Register)).await.unwrap();
    assert!(moved.is_none(), "there is no such row");
}
