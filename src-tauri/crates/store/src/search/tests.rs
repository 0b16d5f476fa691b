use std::{collections::HashSet, path::Path};

use molecule_model::{WorkspaceId, wire::MemoryScope};
use rusqlite::params;

use super::{Index, Pattern, search};
use crate::{
    Store,
    activity::{self, NewActivity},
    memories,
    testing::{new_workspace, open},
};

struct Bed {
    store: Store,
    dir: tempfile::TempDir,
    a: WorkspaceId,
    b: WorkspaceId,
    index: Index,
}

impl Bed {
    async fn new() -> Self {
        let (store, dir) = open();
        let (a, b) = (WorkspaceId::random(), WorkspaceId::random());
        store
            .write(move |tx| {
                new_workspace(tx, a, "A", None)?;
                new_workspace(tx, b, "B", None)
            })
            .await
            .unwrap();
        let index = open_index(&store, dir.path()).await;
        Self { store, dir, a, b, index }
    }

    async fn add(&self, workspace: WorkspaceId, change: impl Fn(&mut NewActivity) + Send + 'static) -> String {
        let mut row = NewActivity::new(workspace, "agent_log");
        change(&mut row);
        let id = row.id.clone();
        self.store.write(move |tx| activity::insert(tx, &row)).await.unwrap();
        id
    }

    async fn say(&self, workspace: WorkspaceId, summary: &str) -> String {
        let summary = summary.to_owned();
        self.add(workspace, move |row| row.summary = Some(summary.clone())).await
    }

    async fn feed(&self, most: usize) {
        loop {
            let fed = self.read(move |conn, index| index.feed(conn, most).unwrap());
            if let Some(upto) = fed.changes {
                self.store.write(move |tx| activity::forget_changes(tx, upto)).await.unwrap();
            }
            if !fed.more {
                return;
            }
        }
    }

    fn read<T>(&self, query: impl FnOnce(&rusqlite::Connection, &Index) -> T) -> T {
        query(&rusqlite::Connection::open(self.dir.path().join("molecule.db")).unwrap(), &self.index)
    }

    /// What is found with the index; it must be what is found without.
    #[track_caller]
    fn find(&self, words: &str) -> Vec<String> {
        self.read(|conn, index| {
            let ids = |index| -> Vec<String> {
                let hits = search(conn, index, self.a, &Pattern::new(words), 50).unwrap();
                hits.into_iter().map(|hit| hit.content.unwrap_or_default()).collect()
            };
            let found = ids(Some(index));
            assert_eq!(found, ids(None), "{words:?}");
            found
        })
    }
}

async fn open_index(store: &Store, dir: &Path) -> Index {
    let path = dir.join("search.db");
    store.read(move |conn| Index::open(&path, "here", conn)).await.unwrap()
}

#[tokio::test]
async fn the_same_is_found_before_and_after_the_index_took_it_in() {
    let bed = Bed::new().await;
    bed.say(bed.a, "Release on Friday").await;
    bed.say(bed.b, "Release of another").await;
    bed.add(bed.a, |row| {
        row.summary = Some("body".into());
        row.request_body = Some(r#"{"text": "caf\u00e9 \"quoted\" release"}"#.into());
    })
    .await;
    bed.add(bed.a, |row| {
        row.summary = Some("method".into());
        row.method = Some("Release/Send".into());
        row.status = "timeout";
    })
    .await;
    let a = bed.a;
    bed.store
        .write(move |tx| memories::insert(tx, "m1", a, "remember the RELEASE", MemoryScope::Team, "general"))
        .await
        .unwrap();
    for _ in 0..2 {
        assert_eq!(bed.find("release"), ["remember the RELEASE", "method", "body", "Release on Friday"]);
        assert_eq!(bed.find("CAFÉ"), ["body"]);
        assert_eq!(bed.find("r%day"), ["Release on Friday"]);
        assert_eq!(bed.find("f_iday"), ["Release on Friday"]);
        assert_eq!(bed.find("quoted\""), [""; 0], "JSON text has it escaped");
        assert_eq!(bed.find("quoted\\\""), ["body"]);
        assert_eq!(bed.find("timeout"), ["method"]);
        assert_eq!(bed.find("team"), ["remember the RELEASE"]);
        assert_eq!(bed.find("fr"), ["Release on Friday"]);
        assert_eq!(bed.find("nothing like it"), [""; 0]);
        assert_eq!(bed.find(" ").len(), 4);
        bed.feed(2).await;
    }
}

#[tokio::test]
async fn pages_of_candidates_and_limits() {
    let bed = Bed::new().await;
    // Rows that have every triple of "abcabd" and not the word, then one that has it, then more.
    bed.say(bed.a, "the abcabd itself").await;
    for n in 0..600 {
        bed.say(bed.a, &format!("abcab cabd bca {n}")).await;
    }
    bed.feed(100).await;
    assert_eq!(bed.find("abcabd"), ["the abcabd itself"]);
    assert_eq!(bed.find("abcab").len(), 50);
}

/// A rare pair of letters is looked up; what is everywhere is found by reading.
#[tokio::test]
async fn s12_4_one_or_two_letters_are_found_without_reading_the_log() {
    let bed = Bed::new().await;
    for text in ["xq", "ends in xq", "xq begins", "a 猫", "猫", "XQ%"] {
        bed.say(bed.a, text).await;
    }
    for n in 0..20 {
        bed.say(bed.a, &format!("other {n}")).await;
    }
    bed.feed(100).await;
    let wanted = |words: &str| bed.read(|_, index| index.wanted(&Pattern::new(words)).unwrap().is_some());
    assert!(wanted("xq") && wanted("猫") && wanted("zz") && !wanted("%") && !wanted(""));
    assert_eq!(bed.find("xq"), ["XQ%", "xq begins", "ends in xq", "xq"]);
    assert_eq!(bed.find("猫"), ["猫", "a 猫"]);
    assert_eq!(bed.find("n%xq"), ["ends in xq"]);
    assert_eq!(bed.find("r").len(), 20);
    assert_eq!(bed.find("zz"), [""; 0]);
    bed.say(bed.a, "new xq").await;
    assert_eq!(bed.find("xq").len(), 5, "what the index has not seen is read");
}

#[tokio::test]
async fn changed_and_deleted_rows_are_followed() {
    let bed = Bed::new().await;
    let id = bed.say(bed.a, "first words").await;
    bed.say(bed.a, "other words").await;
    bed.feed(10).await;
    let changed = id.clone();
    let write = |sql: &'static str, id: String| bed.store.write(move |tx| Ok(tx.execute(sql, [&id])?));
    write("UPDATE activity_logs SET summary = 'second thoughts' WHERE id = ?1", changed).await.unwrap();
    for _ in 0..2 {
        assert_eq!(bed.find("second"), ["second thoughts"]);
        assert_eq!(bed.find("first"), [""; 0]);
        bed.feed(10).await;
    }
    let left: i64 =
        bed.read(|conn, _| conn.query_row("SELECT count(*) FROM activity_changed", [], |row| row.get(0)).unwrap());
    assert_eq!(left, 0);
    write("DELETE FROM activity_logs WHERE id = ?1", id).await.unwrap();
    for _ in 0..2 {
        assert_eq!(bed.find("second"), [""; 0]);
        assert_eq!(bed.find("words"), ["other words"]);
        bed.feed(10).await;
    }
}

#[tokio::test]
async fn long_rows_are_found_in_their_place() {
    let bed = Bed::new().await;
    bed.say(bed.a, "needle one").await;
    bed.add(bed.a, |row| {
        row.summary = Some("long".into());
        row.response_body = Some(format!("\"{} needle\"", "hay ".repeat(30_000)));
    })
    .await;
    bed.say(bed.a, "needle two").await;
    bed.feed(10).await;
    assert_eq!(bed.find("needle"), ["needle two", "long", "needle one"]);
}

#[tokio::test]
async fn an_index_of_another_database_is_made_anew() {
    let mut bed = Bed::new().await;
    bed.say(bed.a, "some words").await;
    bed.feed(10).await;
    let behind = |bed: &Bed| bed.read(|conn, index| index.behind(conn).unwrap());
    bed.index = open_index(&bed.store, bed.dir.path()).await;
    assert_eq!(behind(&bed), 0, "the same one is taken up");
    // A pruned row is no other database's.
    bed.store.write(|tx| Ok(tx.execute("DELETE FROM activity_logs", [])?)).await.unwrap();
    bed.index = open_index(&bed.store, bed.dir.path()).await;
    assert_eq!(behind(&bed), 0);
    let a = bed.a;
    bed.store
        .write(move |tx| {
            tx.execute("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'activity_logs'", [])?;
            activity::insert(tx, &NewActivity::new(a, "agent_log"))
        })
        .await
        .unwrap();
    bed.index = open_index(&bed.store, bed.dir.path()).await;
    assert_eq!(behind(&bed), 1, "a row of the same number is not the same row");
    bed.feed(10).await;
    // Closed, so that nothing of it is left but the file.
    let elsewhere = tempfile::tempdir().unwrap();
    bed.index = open_index(&bed.store, elsewhere.path()).await;
    std::fs::write(bed.dir.path().join("search.db"), "no database at all").unwrap();
    bed.index = open_index(&bed.store, bed.dir.path()).await;
    assert_eq!(behind(&bed), 1);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Whatever is said and asked: the index changes nothing about what is found.
    #[test]
    fn the_index_changes_nothing(texts in proptest::collection::vec("[abÄä%_\"é ]{0,8}", 1..40), words in "[abÄä%_\"é ]{0,6}", at in 0_usize..40) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bed = Bed::new().await;
            for (n, text) in texts.iter().enumerate() {
                bed.say(bed.a, text).await;
                if n == at {
                    bed.feed(7).await;
                }
            }
            let found: HashSet<String> = bed.find(&words).into_iter().collect();
            let pattern = Pattern::new(&words);
            proptest::prop_assert!(texts.iter().all(|text| pattern.fits(text) == found.contains(text) || pattern.fits("agent_log") || pattern.fits("ok")));
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn old_rows_go_in_small_helpings() {
    let bed = Bed::new().await;
    for n in 0..5 {
        bed.say(bed.a, &format!("row {n}")).await;
    }
    let cutoff = bed.read(|conn, _| {
        conn.query_row("SELECT created_at FROM activity_logs WHERE summary = 'row 3'", params![], |row| {
            row.get::<_, String>(0)
        })
        .unwrap()
    });
    let cutoff = cutoff.parse().unwrap();
    let prune = || bed.store.write(move |tx| activity::prune(tx, cutoff, 2));
    assert_eq!([prune().await.unwrap(), prune().await.unwrap(), prune().await.unwrap()], [2, 1, 0]);
    assert_eq!(bed.find("row"), ["row 4", "row 3"]);
}
