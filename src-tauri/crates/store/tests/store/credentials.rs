//! S067, S308, 10 §2.2: one predicate for every credential.

use molecule_model::{Timestamp, Trigger, WorkspaceId};
use molecule_store::{
    Tx,
    tokens::{self, Found, Hash, Holder, NewToken, OrgKind},
    workspaces,
};

use super::bed::Bed;

fn token(n: u8, url: bool) -> NewToken {
    NewToken { id: format!("token-{n}"), hash: [n; 32], prefix: format!("prefix{n:02}"), url }
}

async fn find(bed: &Bed, hash: Hash, at: Timestamp) -> Option<Found> {
    bed.store.read(move |conn| tokens::lookup(conn, &hash, at)).await.unwrap()
}

const NOW: Timestamp = Timestamp::from_micros(1_700_000_100_000_000);

async fn issue(bed: &Bed, id: WorkspaceId, n: u8, url: bool) {
    let token = token(n, url);
    bed.store.write(move |tx| tokens::issue(tx, id, &token)).await.unwrap();
}

#[tokio::test]
async fn s067_a_token_is_good_for_its_workspace_until_it_is_revoked() {
    let bed = Bed::new();
    let (one, other) = (bed.workspace().await, bed.workspace().await);
    issue(&bed, one, 1, false).await;
    issue(&bed, one, 2, true).await;
    issue(&bed, other, 3, false).await;
    assert_eq!(find(&bed, [9; 32], NOW).await, None, "a stranger");
    let found = find(&bed, [1; 32], NOW).await.unwrap();
    assert_eq!((found.holder, found.url), (Holder::Workspace(one), false));
    let found = find(&bed, [2; 32], NOW).await.unwrap();
    assert_eq!((found.holder, found.url), (Holder::Workspace(one), true));
    assert_eq!(find(&bed, [3; 32], NOW).await.unwrap().holder, Holder::Workspace(other));

    let not_theirs = bed.store.write(move |tx| tokens::revoke(tx, other, "token-1")).await.unwrap();
    assert!(!not_theirs, "a workspace revokes its own only");
    assert!(find(&bed, [1; 32], NOW).await.is_some());
    for expected in [true, false] {
        assert_eq!(bed.store.write(move |tx| tokens::revoke(tx, one, "token-1")).await.unwrap(), expected);
    }
    assert_eq!(find(&bed, [1; 32], NOW).await, None);
    assert_eq!(bed.store.write(move |tx| tokens::revoke_all(tx, one)).await.unwrap(), 1, "the base URL is left");
    assert_eq!(find(&bed, [2; 32], NOW).await, None);
    assert!(find(&bed, [3; 32], NOW).await.is_some());
}

/// a base URL does not count as the live token that closes registration.
#[tokio::test]
async fn has_live_asks_for_bearers() {
    let bed = Bed::new();
    let id = bed.workspace().await;
    let live = || bed.store.read(move |conn| tokens::has_live(conn, id));
    assert!(!live().await.unwrap());
    issue(&bed, id, 1, true).await;
    assert!(!live().await.unwrap());
    issue(&bed, id, 2, false).await;
    assert!(live().await.unwrap());
    bed.store.write(move |tx| tokens::revoke_all(tx, id)).await.unwrap();
    assert!(!live().await.unwrap());
}

#[tokio::test]
async fn s094_a_removed_workspace_s_token_is_worth_nothing() {
    let bed = Bed::new();
    let id = bed.workspace().await;
    issue(&bed, id, 1, false).await;
    // Without the revoke that a removal does: the predicate alone has to hold.
    bed.store.write(move |tx| workspaces::transition(tx, id, Trigger::Remove)).await.unwrap();
    assert_eq!(find(&bed, [1; 32], NOW).await, None);
}

#[tokio::test]
async fn r4_a_session_ends_with_its_time_or_by_hand() {
    let bed = Bed::new();
    let (session, ends) = (token(1, false), NOW.plus_seconds(60));
    bed.store.write(move |tx| tokens::open_session(tx, &session, ends)).await.unwrap();
    assert_eq!(find(&bed, [1; 32], NOW).await.unwrap().holder, Holder::Canvas);
    assert!(find(&bed, [1; 32], NOW.plus_seconds(59)).await.is_some());
    assert_eq!(find(&bed, [1; 32], ends).await, None, "its time is over");
    for expected in [true, false] {
        assert_eq!(bed.store.write(|tx| tokens::close_session(tx, "token-1")).await.unwrap(), expected);
    }
    assert_eq!(find(&bed, [1; 32], NOW).await, None);
}

#[tokio::test]
async fn org_tokens_by_their_kind() {
    let bed = Bed::new();
    let kinds = [(1, OrgKind::Bearer, false), (2, OrgKind::Url, true), (3, OrgKind::AdminUrl, true)];
    for (n, kind, url) in kinds {
        let token = token(n, false);
        let job = move |tx: &mut Tx<'_>| tokens::issue_org(tx, &token, kind, Some("mine"), "admin-token", None);
        bed.store.write(job).await.unwrap();
        let found = find(&bed, [n; 32], NOW).await.unwrap();
        assert_eq!(found.url, url, "{kind:?}");
        assert_eq!(found.holder == Holder::Admin, kind == OrgKind::AdminUrl, "{kind:?}");
        let id = format!("token-{n}");
        assert!(bed.store.write(move |tx| tokens::revoke_org(tx, &id)).await.unwrap());
        assert_eq!(find(&bed, [n; 32], NOW).await, None, "{kind:?}");
    }
}

/// S067: never as text; the hash is unique, so no two holders share one.
#[tokio::test]
async fn a_hash_belongs_to_one_holder() {
    let bed = Bed::new();
    let (one, other) = (bed.workspace().await, bed.workspace().await);
    issue(&bed, one, 1, false).await;
    let again = NewToken { id: "another".into(), ..token(1, false) };
    assert!(bed.store.write(move |tx| tokens::issue(tx, other, &again)).await.is_err());
    assert_eq!(find(&bed, [1; 32], NOW).await.unwrap().holder, Holder::Workspace(one));
    let stranger = token(2, false);
    let nobody = WorkspaceId::random();
    assert!(bed.store.write(move |tx| tokens::issue(tx, nobody, &stranger)).await.is_err(), "an unknown workspace");
}
