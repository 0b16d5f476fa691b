//! The outbox lets old events go, and remembers how far.

use molecule_model::{Timestamp, WorkspaceId, event::EventKind};
use molecule_store::outbox::{self, NewEvent};
use serde_json::json;

use super::bed::Bed;

/// Its number and its time; each is a transaction of its own and so has a later one than the one before.
async fn event(bed: &Bed, workspace: WorkspaceId, recorded: bool) -> (i64, Timestamp) {
    let write = bed.store.write(move |tx| {
        let event = if recorded {
            NewEvent::recorded(EventKind::TaskUpdated, Some(workspace), json!({}))
        } else {
            NewEvent::numbered(EventKind::TaskUpdated, Some(workspace), json!({}))
        };
        Ok((tx.emit(event)?, tx.now()))
    });
    write.await.unwrap()
}

#[tokio::test]
async fn what_is_older_goes_the_oldest_first_and_records_stay() {
    let bed = Bed::new();
    let id = bed.workspace().await;
    let (first, at) = event(&bed, id, false).await;
    let (record, _) = event(&bed, id, true).await;
    let (second, _) = event(&bed, id, false).await;
    let (last, cutoff) = event(&bed, id, false).await;
    let old = |cutoff, most| bed.store.read(move |conn| outbox::old(conn, cutoff, most));
    assert_eq!(old(at, 10).await.unwrap(), [0; 0], "the cutoff itself is not older");
    assert_eq!(old(cutoff, 10).await.unwrap(), [first, second]);
    assert_eq!(old(cutoff, 1).await.unwrap(), [first]);

    let prune = || bed.store.write(move |tx| outbox::prune(tx, cutoff, 1));
    assert_eq!(bed.store.read(outbox::pruned_to).await.unwrap(), 0);
    assert_eq!(prune().await.unwrap(), 1);
    assert_eq!(bed.store.read(outbox::pruned_to).await.unwrap(), first);
    assert_eq!((prune().await.unwrap(), prune().await.unwrap()), (1, 0));
    assert_eq!(bed.store.read(outbox::pruned_to).await.unwrap(), second);
    let left = bed.store.read(|conn| {
        let mut query = conn.prepare("SELECT seq FROM structure_events ORDER BY seq")?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<Vec<i64>, _>>()?)
    });
    assert_eq!(left.await.unwrap(), [record, last]);
    assert_eq!(bed.store.read(outbox::last_seq).await.unwrap(), last);
}
