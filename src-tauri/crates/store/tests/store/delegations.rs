//! A delegation that waited in the queue gets its outcome once.

use molecule_model::WorkspaceId;
use molecule_store::delegations::{self, Outcome, Request};

use super::bed::Bed;

struct Delegation {
    bed: Bed,
    from: WorkspaceId,
    to: WorkspaceId,
}

impl Delegation {
    /// One that was asked for and of which nothing else is known.
    async fn new() -> Self {
        let bed = Bed::new();
        let (from, to) = (bed.workspace().await, bed.workspace().await);
        let request = Request {
            from,
            to,
            task: "Look it up".into(),
            delegation_id: "d".into(),
            idempotency_key: None,
            recorded: false,
        };
        bed.store.write(move |tx| delegations::insert(tx, &request)).await.unwrap();
        Self { bed, from, to }
    }

    fn outcome(&self, delegation_id: &str, status: &'static str) -> Outcome {
        Outcome {
            from: self.from,
            to: Some(self.to),
            delegation_id: delegation_id.into(),
            status,
            summary: format!("It is {status}"),
            text: (status == "completed").then(|| "Found".into()),
            error: (status == "failed").then(|| "Lost".into()),
        }
    }

    async fn stitch(&self, delegation_id: &str, status: &'static str) -> bool {
        let outcome = self.outcome(delegation_id, status);
        self.bed.store.write(move |tx| delegations::stitch(tx, &outcome)).await.unwrap()
    }

    /// Its status, its reply, its error, and how many rows it has.
    async fn standing(&self) -> (String, Option<String>, Option<String>, i64) {
        let (from, to) = (self.from, self.to);
        let read = self.bed.store.read(move |conn| {
            let rows = conn.query_row("SELECT count(*) FROM activity_logs", [], |row| row.get(0))?;
            let found = delegations::find(conn, from, to, "d")?.unwrap();
            Ok((found.status, found.reply, found.error, rows))
        });
        read.await.unwrap()
    }
}

#[tokio::test]
async fn an_outcome_is_written_where_none_is_known_and_only_there() {
    let one = Delegation::new().await;
    assert!(!one.stitch("another", "completed").await, "nobody asked for that");
    assert_eq!(one.standing().await, ("pending".into(), None, None, 1));
    assert!(one.stitch("d", "completed").await);
    assert_eq!(one.standing().await, ("completed".into(), Some("Found".into()), None, 2));
    assert!(!one.stitch("d", "failed").await, "it came out already");
    assert_eq!(one.standing().await, ("completed".into(), Some("Found".into()), None, 2));
}

#[tokio::test]
async fn an_outcome_takes_the_place_of_the_row_that_says_queued() {
    for (status, reply, error) in [("completed", Some("Found"), None), ("failed", None, Some("Lost"))] {
        let one = Delegation::new().await;
        let waits = one.outcome("d", "queued");
        let queued = one.bed.store.write(move |tx| {
            delegations::set_status(tx, waits.from, "d", "queued", None)?;
            delegations::insert_result(tx, &waits)
        });
        queued.await.unwrap();
        assert!(one.stitch("d", status).await);
        assert_eq!(one.standing().await, (status.into(), reply.map(String::from), error.map(String::from), 2));
    }
}
