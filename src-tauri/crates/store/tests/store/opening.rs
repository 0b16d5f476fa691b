//! Opening a file: what is made, what is refused and left as it is (R7 of the targets), who owns it.

use std::fs;

use molecule_model::Status;
use molecule_store::{
    migrate::{self, OpenError},
    owner::{Owner, OwnerError},
    rusqlite::Connection,
};

use super::bed::{Bed, open};

#[tokio::test]
async fn target_r7_a_newer_schema_is_refused_and_untouched() {
    let Bed { store, folder, .. } = Bed::new();
    store.close().await;
    drop(store);
    let path = folder.path().join("molecule.db");
    let newer = migrate::current_version() + 1;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = open(&path).map(drop);
    assert!(matches!(&refused, Err(OpenError::Newer { found, .. }) if *found == newer), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let files = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name());
    let beside: Vec<_> = files.filter(|name| name != "molecule.db").collect();
    assert!(beside.is_empty(), "nothing lies beside it: {beside:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("molecule.db");
    for bytes in [b"a letter to a friend, and no database ".repeat(100), vec![0xff; 8192]] {
        fs::write(&path, &bytes).unwrap();
        let refused = open(&path).map(drop);
        assert!(matches!(refused, Err(OpenError::Damaged(_))), "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_database_and_opening_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("molecule.db");
    fs::write(&path, b"").unwrap();
    let schema = || {
        let conn = Connection::open(&path).unwrap();
        let mut query = conn.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<String>, _>>().unwrap()
    };
    let (store, _) = open(&path).unwrap();
    store.close().await;
    let first = schema();
    assert!(first.len() > 20, "{}", first.len());
    let (store, _) = open(&path).unwrap();
    store.close().await;
    assert_eq!(schema(), first);
    assert!(!folder.path().join("backups").exists(), "nothing was migrated, so nothing is backed up");
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_reads_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::new();
    bed.workspace().await;
    for name in ["molecule.db", "molecule.db-wal", "molecule.db-shm"] {
        let mode = fs::metadata(bed.folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}

/// S101: the table itself refuses a status that is none.
#[tokio::test]
async fn s101_the_table_takes_the_ten_statuses_and_no_other() {
    let bed = Bed::new();
    let id = bed.workspace().await;
    for word in Status::ALL.map(Status::as_str).into_iter().chain(["running", "ONLINE", ""]) {
        let set = move |tx: &mut molecule_store::Tx<'_>| {
            Ok(tx.execute("UPDATE workspaces SET status = ?1 WHERE id = ?2", [word, &id.to_string()])?)
        };
        let known = word.parse::<Status>().is_ok();
        assert_eq!(bed.store.write(set).await.is_ok(), known, "{word:?}");
    }
}

#[test]
fn one_owner_a_folder_and_the_next_one_learns_who() {
    let folder = tempfile::tempdir().unwrap();
    let first = Owner::take(folder.path()).unwrap();
    match Owner::take(folder.path()) {
        Err(OwnerError::Taken { owner }) => assert_eq!(owner, std::process::id().to_string()),
        other => panic!("{other:?}"),
    }
    drop(first);
    Owner::take(folder.path()).unwrap();
    let nowhere = Owner::take(&folder.path().join("missing"));
    assert!(matches!(nowhere, Err(OwnerError::Io(_))), "{nowhere:?}");
}
